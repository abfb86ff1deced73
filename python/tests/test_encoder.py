"""The encoder: settings, changes in flight, events, counters, ends."""

import math
from fractions import Fraction

import av
import numpy as np
import pytest
from conftest import decoded, drawing, psnr

import direct264


def opened(width=320, height=240, **settings):
    return direct264.Encoder(width, height, **{"fps": 30, "bitrate": 1_000_000, "backend": "openh264", **settings})


def idrs(units):
    return [number for number, unit in enumerate(units) if unit.is_idr]


def test_each_frame_gives_one_access_unit_that_shows_it():
    with opened() as encoder:
        pictures = [drawing(320, 240, number) for number in range(10)]
        units = [encoder.encode(picture) for picture in pictures]
    assert [unit.frame_id for unit in units] == list(range(10)) and idrs(units) == [0]
    shown = decoded(units)
    assert len(shown) == 10
    assert all(psnr(a, b) > 32 for a, b in zip(shown, pictures, strict=True))


def test_an_access_unit_tells_its_facts():
    with opened() as encoder:
        unit = encoder.encode(drawing(320, 240))
        assert encoder.parameter_sets() == b"\0\0\0\1" + b"\0\0\0\1".join(unit.nals()[:2])
    assert bytes(unit) == bytes(memoryview(unit)) and len(unit) == len(bytes(unit))
    assert memoryview(unit).readonly
    assert b"".join(b"\0\0\0\1" + nal for nal in unit.nals()) == bytes(unit)
    assert unit.backend == "openh264" and unit.slices == 1 and 0 <= unit.qp <= 51
    assert unit.refresh is None and not unit.is_droppable
    assert 0 < sum(unit.times[:5]) <= unit.times.total + 1e-6
    assert repr(unit).startswith("<AccessUnit IDR")


def test_the_access_unit_outlives_the_encoder_and_its_view_outlives_the_access_unit():
    unit = opened().encode(drawing(320, 240))
    view, copy = memoryview(unit), bytes(unit)
    del unit
    assert bytes(view) == copy


def test_timestamps_come_from_the_call_the_frame_or_the_count():
    frame = av.VideoFrame.from_ndarray(drawing(320, 240), format="rgb24")
    with opened(fps=Fraction(30000, 1001)) as encoder:
        unit = encoder.encode(drawing(320, 240))
        assert (unit.pts, unit.time_base) == (0, Fraction(1001, 30000))
        unit = encoder.encode(drawing(320, 240))
        assert (unit.pts, unit.time_base) == (1, Fraction(1001, 30000))
        frame.pts, frame.time_base = 9000, Fraction(1, 90000)
        unit = encoder.encode(frame)
        assert (unit.pts, unit.time_base) == (9000, Fraction(1, 90000))
        unit = encoder.encode(frame, pts=5, time_base=Fraction(1, 25))
        assert (unit.pts, unit.time_base) == (5, Fraction(1, 25))
        assert frame.pts == 9000, "the frame is the caller's"


@pytest.mark.parametrize(
    ("fps", "expected"),
    [(30, 30), (29.97, Fraction(2997, 100)), ((24000, 1001), Fraction(24000, 1001)), (Fraction(25, 2), Fraction(25, 2))],
)
def test_frame_rates(fps, expected):
    with opened(fps=fps) as encoder:
        assert encoder.fps == expected


def test_changes_hold_from_the_next_frame_on():
    with opened(bitrate=300_000) as encoder:
        units = [encoder.encode(drawing(320, 240, n)) for n in range(3)]
        encoder.bitrate, encoder.fps, encoder.qp_range = 900_000, 15, (20, 40)
        assert (encoder.bitrate, encoder.fps, encoder.qp_range) == (900_000, 15, (20, 40))
        units += [encoder.encode(drawing(320, 240, n)) for n in range(3, 6)]
        assert idrs(units) == [0]
        encoder.size = (160, 120)
        assert encoder.size == (160, 120)
        small = [encoder.encode(drawing(160, 120, n)) for n in range(2)]
        assert idrs(small) == [0]
        # A frame of another size changes the size.
        assert encoder.encode(drawing(320, 240)).is_idr and encoder.size == (320, 240)
    kinds = [event.kind for event in encoder.take_events()]
    assert kinds == ["selected", "bitrate_changed", "recreated", "recreated"]
    assert encoder.take_events() == []


def test_the_bitrate_is_reached():
    rng = np.random.default_rng(1)
    texture = rng.integers(0, 255, (480, 640, 3), np.uint8)
    texture = ((texture.astype(int) + np.roll(texture, 1, 0) + np.roll(texture, 1, 1)) // 3).astype(np.uint8)
    with opened(bitrate=600_000) as encoder:
        sizes = [len(encoder.encode(texture[n : n + 240, 2 * n : 2 * n + 320])) for n in range(90)]
    assert 0.7 < sum(sizes[30:]) * 8 / 2 / 600_000 < 1.1


def test_idrs_on_request_and_by_period():
    with opened(idr_period=4) as encoder:
        assert idrs([encoder.encode(drawing(320, 240, n)) for n in range(9)]) == [0, 4, 8]
        assert encoder.encode(drawing(320, 240), idr=True).is_idr


def test_every_setting_is_taken():
    settings = {
        "max_size": (640, 480),
        "max_bitrate": 5_000_000,
        "max_memory": 1 << 30,
        "profile": "high",
        "matrix": "bt601",
        "full_range": True,
        "sample_aspect": (16, 15),
        "temporal_layers": 2,
        "slices": 2,
        "threads": 2,
        "qp_range": (12, 45),
        "nvenc": direct264.Nvenc(preset="p4", multi_pass="full", intra_refresh=(60, 8), gpu="spread", limits=None),
        "failover": direct264.Failover(retry=None, warm_software=True, bitrate_threshold_percent=0),
    }
    with opened(backend=["openh264"], **settings) as encoder:
        units = [encoder.encode(drawing(320, 240, n)) for n in range(4)]
    assert [unit.is_droppable for unit in units] == [False, True, False, True]
    assert units[0].slices == 2
    decoder = av.CodecContext.create("h264", "r")
    [frame] = decoder.decode(av.Packet(bytes(units[0]))) or decoder.decode(None)
    assert frame.color_range == 2 and frame.colorspace in (5, 6)
    assert decoder.profile == "High"


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"bitrate": 0}, ValueError, "bitrate 0"),
        ({"fps": 0}, ValueError, "frame rate 0/1"),
        ({"fps": math.nan}, ValueError, "fps=nan"),
        ({"fps": "30"}, TypeError, "fps=30"),
        ({"fps": None}, TypeError, "fps=None"),
        ({"fps": (1, 2, 3)}, TypeError, "fps="),
        ({"width": 0}, ValueError, "size 0x240"),
        ({"width": -1}, (OverflowError, TypeError), ""),
        ({"backend": "x264"}, ValueError, '"x264" is no backend'),
        ({"backend": []}, ValueError, "empty"),
        ({"backend": 3}, TypeError, "backend=3"),
        ({"profile": "baseline"}, ValueError, "constrained_baseline, main, high"),
        ({"matrix": "bt2020"}, ValueError, "bt709, bt601"),
        ({"slices": 0}, ValueError, "slices=0"),
        ({"temporal_layers": 3}, ValueError, "temporal_layers=3"),
        ({"qp_range": (40, 30)}, ValueError, "quantiser range 40 to 30"),
        ({"max_size": (100, 100)}, ValueError, "maximum size 100x100"),
        ({"max_memory": 1000}, ValueError, "memory"),
        ({"nvenc": 3}, TypeError, "direct264.Nvenc"),
        ({"nvenc": direct264.Nvenc(vbv_percent=0)}, ValueError, "Nvenc.vbv_percent=0"),
        ({"nvenc": direct264.Nvenc(gpu="first")}, ValueError, '"first" names no GPU'),
        ({"nvenc": direct264.Nvenc(limits=(1.0, -1.0, 1.0))}, ValueError, "Nvenc.limits"),
        ({"failover": direct264.Failover(retry=(9.0, 1.0))}, ValueError, "back-off"),
        ({"colour": "red"}, TypeError, "colour"),
    ],
)
def test_settings_that_cannot_work_are_named(settings, error, words):
    with pytest.raises(error, match=None) as raised:
        opened(**settings)
    assert words in str(raised.value)


def test_a_backend_that_is_not_here_is_an_error_with_reason_and_advice():
    if direct264.probe().auto == "nvenc":
        pytest.skip("this machine has NVENC")
    with pytest.raises(direct264.UnavailableError) as raised:
        opened(backend="nvenc")
    assert raised.value.reason in {"no_driver", "no_gpu", "no_encoder_on_gpu", "no_video_capability"}
    assert raised.value.advice
    with opened(backend="auto") as encoder:
        [why] = encoder.passed_over
        assert (why.backend, encoder.backend) == ("nvenc", "openh264")
        assert why.reason == raised.value.reason and why.advice == raised.value.advice
        assert [event.kind for event in encoder.take_events()] == ["passed_over", "selected"]


def test_a_refused_change_leaves_the_encoder_usable():
    with opened(max_memory=64 << 20) as encoder:
        encoder.encode(drawing(320, 240))
        for wrong in [lambda: setattr(encoder, "bitrate", 0), lambda: setattr(encoder, "size", (0, 0))]:
            with pytest.raises(direct264.ConfigError):
                wrong()
        encoder.size = (8000, 4000)
        with pytest.raises(direct264.ConfigError):
            encoder.encode(drawing(320, 240))
        assert not encoder.encode(drawing(320, 240)).is_idr
        assert encoder.size == (320, 240)


def test_a_lost_frame_costs_an_idr_in_software():
    with opened() as encoder:
        [encoder.encode(drawing(320, 240, n)) for n in range(4)]
        assert encoder.invalidate(2) == "idr"
        assert encoder.encode(drawing(320, 240)).is_idr
        assert encoder.invalidate(0, 3) == "not_needed"
        encoder.take_events()
        assert encoder.invalidate(4) == "idr"
        [event] = encoder.take_events()
        assert event.detail == {"first": 4, "last": 4, "recovery": "idr"}


def test_counters_and_latency():
    with opened() as encoder:
        [encoder.encode(drawing(320, 240, n)) for n in range(5)]
        assert encoder.counters.frames == {"nvenc": 0, "openh264": 5}
        assert encoder.counters.fallbacks == 0 and encoder.counters.seconds["openh264"] > 0
        latency = encoder.latency
        assert latency.frames == 5 and 0 < latency.p50 <= latency.p90 <= latency.p99 <= latency.max


def test_a_closed_encoder_says_so():
    encoder = opened()
    assert not encoder.closed
    encoder.close()
    encoder.close()
    assert encoder.closed
    for call in [
        lambda: encoder.encode(drawing(320, 240)),
        lambda: encoder.invalidate(0),
        lambda: encoder.parameter_sets(),
        lambda: encoder.forget_cuda(),
        lambda: encoder.latency,
    ]:
        with pytest.raises(direct264.ClosedError, match="closed"):
            call()
    assert encoder.take_events() and encoder.counters.fallbacks == 0


def test_the_log_reaches_logging(caplog):
    caplog.set_level("INFO", logger="direct264")
    opened().close()
    assert any(
        record.name.startswith("direct264.") and "selected" in record.getMessage() and "openh264" in record.getMessage()
        for record in caplog.records
    )
    caplog.clear()
    caplog.set_level("WARNING", logger="direct264")
    opened().close()
    assert not caplog.records


def test_the_probe_tells_what_is_here():
    probe = direct264.probe()
    assert [backend.name for backend in probe.backends] == ["nvenc", "openh264"]
    assert probe.auto in ("nvenc", "openh264")
    nvenc, openh264 = probe.backends
    assert openh264.version and openh264.simd is not None and openh264.why_not is None
    assert str(probe).endswith(f"auto: {probe.auto}")
    assert nvenc.why_not is None or nvenc.why_not.advice
