"""The encoder of the drop-in by itself: what the first service did, formats, colour, rates, failures, figures."""

from __future__ import annotations

import logging
from fractions import Fraction

import av
import numpy as np
import pytest
from aiortc.codecs.h264 import H264Encoder as Libx264
from pictures import VIDEO, Failing, annex_b, colour_of, frame, image, is_colour, is_idr, nal_types, shown

import direct264
import direct264.aiortc as drop_in
from direct264.aiortc import H264Encoder, Options
from direct264.aiortc._pace import BackOff, FrameClock

SOFTWARE = Options(backend="openh264")


@pytest.fixture
def failing(monkeypatch):
    return Failing.install(monkeypatch)


class Stream:
    """Frames through one encoder, with all that came out."""

    def __init__(self, options=SOFTWARE, fps=30, fmt="yuv420p"):
        self.encoder = H264Encoder(options)
        self.now = 0.0
        self.encoder._back_off = BackOff(lambda: self.now)
        self.fps, self.fmt = fps, fmt
        self.number = 0
        self.units, self.idrs, self.backends = [], [], []

    def send(self, count=1, *, size=(320, 240), idr=False):
        for _ in range(count):
            payloads, timestamp = self.encoder.encode(frame(self.number, size, self.fmt, self.fps), idr)
            assert timestamp == self.number * 90_000 // self.fps and all(len(payload) <= 1300 for payload in payloads)
            self.units.append(annex_b(payloads))
            self.backends.append(self.stats.backend)
            if is_idr(payloads):
                self.idrs.append(self.number)
            self.number += 1
        return self

    @property
    def stats(self):
        return self.encoder.meter.stats()

    def is_whole(self):
        """Whether a decoder shows every frame, in its own colour."""
        pictures = shown(self.units)
        assert len(pictures) == self.number
        return all(is_colour(picture, colour_of(number // 10)) for number, picture in enumerate(pictures))


@pytest.fixture
def lines(caplog):
    caplog.set_level(logging.INFO, "direct264.aiortc")
    return lambda: [record.getMessage() for record in caplog.records if record.name == "direct264.aiortc"]


# What the first service did, and what it got wrong: a row each.


def tries_backends_in_order(stream, failing, lines):
    stream = Stream(Options(backend=("nvenc", "openh264"))).send(2)
    assert stream.backends == ["openh264"] * 2 and stream.idrs == [0]
    passed = [line for line in lines() if "passed over" in line]
    assert len(passed) == 1 and "nvenc, no_driver" in passed[0] and "install the NVIDIA driver" in passed[0]


def falls_back_at_open(stream, failing, lines):
    stream = Stream(Options(backend="nvenc")).send(12)
    assert stream.backends == ["libx264"] * 12 and stream.idrs == [0] and stream.is_whole()
    told = [line for line in lines() if "fallback" in line]
    assert len(told) == 1 and "UnavailableError" in told[0] and "install the NVIDIA driver" in told[0]


def falls_back_in_mid_stream_with_the_same_frame(stream, failing, lines):
    stream.send(14)
    failing.error = direct264.EncodeError("the driver is gone")
    stream.send(16)
    assert stream.backends == ["openh264"] * 14 + ["libx264"] * 16
    assert stream.idrs == [0, 14] and stream.is_whole()
    told = [line for line in lines() if "fallback to libx264 with the same frame" in line]
    assert len(told) == 1 and "EncodeError: the driver is gone; next attempt in 10 s" in told[0]


def keeps_the_keyframe_flag_of_the_frame_that_failed(stream, failing, lines):
    stream.send(3)
    failing.error = direct264.EncodeError("lost")
    stream.send(idr=True)
    assert stream.idrs == [0, 3]


def answers_a_keyframe_request_while_libx264_stands_in(stream, failing, lines):
    failing.error = direct264.EncodeError("lost")
    stream.send(5).send(idr=True).send(4)
    assert stream.idrs == [0, 5] and set(stream.backends) == {"libx264"}


def returns_to_direct264(stream, failing, lines):
    stream.send(5)
    failing.error = direct264.EncodeError("lost")
    stream.send(3)
    failing.error = None
    stream.now = 9.9
    stream.send(2)
    stream.now = 10.1
    stream.send(15)
    assert stream.backends == ["openh264"] * 5 + ["libx264"] * 5 + ["openh264"] * 15
    assert stream.idrs == [0, 5, 10] and stream.is_whole()
    assert sum("restored" in line for line in lines()) == 1
    assert (stream.stats.fallbacks, stream.stats.restorations) == (1, 1)


def follows_the_resolution(stream, failing, lines):
    stream.send(3).send(3, size=(480, 272)).send(3)
    assert stream.idrs == [0, 3, 6] and failing.opened == 1
    assert [picture.width for picture in shown(stream.units)] == [320] * 3 + [480] * 3 + [320] * 3
    assert sum("recreated" in line for line in lines()) == 2


def follows_the_bitrate_without_an_idr(stream, failing, lines):
    stream.send(3)
    for target in (2_000_000, 700_000, 3_000_000):
        stream.encoder.target_bitrate = target
        stream.send(3)
        assert stream.stats.bitrate == target
    assert stream.idrs == [0] and failing.opened == 1


def changes_the_bitrate_only_when_the_target_moved(stream, failing, lines):
    stream.send(2)
    for target in (1_050_000, 1_090_000, 1_000_000, 1_030_000) * 5:
        stream.encoder.target_bitrate = target
        stream.send()
    assert not [event for event in stream.stats.events if event.kind == "bitrate_changed"]
    assert stream.stats.bitrate == 1_000_000 and stream.stats.target_bitrate == 1_030_000


def clamps_the_bitrate(stream, failing, lines):
    stream.encoder.target_bitrate = 10
    assert stream.encoder.target_bitrate == 500_000
    stream.encoder.target_bitrate = 10**9
    assert stream.encoder.target_bitrate == 3_000_000


def answers_a_keyframe_request_with_an_idr(stream, failing, lines):
    stream.send(5).send(idr=True).send(4)
    assert stream.idrs == [0, 5] and nal_types(stream.units[5])[:3] == [7, 8, 5]


def opens_with_the_target_and_the_size_of_the_frame(stream, failing, lines):
    stream.encoder.target_bitrate = 1_700_000
    stream.send()
    assert (stream.stats.bitrate, stream.stats.size) == (1_700_000, (320, 240))
    assert any("selected openh264, 320x240 at 30 frames/s, 1700 kbit/s" in line for line in lines())


def learns_the_frame_rate(stream, failing, lines):
    stream = Stream(fps=10).send(10)
    assert stream.stats.fps == 10 and stream.encoder._encoder.fps == 10 and stream.idrs == [0]


def logs_with_its_prefix_and_not_per_frame(stream, failing, lines):
    Stream(Options()).send(60)
    assert len(lines()) == 2 and all(line.startswith("[direct264] encoder ") for line in lines())


ROWS = [
    tries_backends_in_order,
    falls_back_at_open,
    falls_back_in_mid_stream_with_the_same_frame,
    keeps_the_keyframe_flag_of_the_frame_that_failed,
    answers_a_keyframe_request_while_libx264_stands_in,
    returns_to_direct264,
    follows_the_resolution,
    follows_the_bitrate_without_an_idr,
    changes_the_bitrate_only_when_the_target_moved,
    clamps_the_bitrate,
    answers_a_keyframe_request_with_an_idr,
    opens_with_the_target_and_the_size_of_the_frame,
    learns_the_frame_rate,
    logs_with_its_prefix_and_not_per_frame,
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.__name__)
def test_what_the_first_service_did(row, failing, lines):
    row(Stream(), failing, lines)


# Failures.


@pytest.mark.parametrize(
    "error",
    [
        direct264.EncodeError("spent"),
        direct264.FrameError("does not fit"),
        direct264.ClosedError("closed"),
        direct264.ConfigError("no"),
        RuntimeError("a bug"),
        MemoryError(),
        TypeError("a bug"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_no_exception_leaves_encode(error, failing):
    failing.error = error
    stream = Stream().send(12)
    assert stream.backends == ["libx264"] * 12 and stream.is_whole()
    assert type(error).__name__ in stream.stats.last_error


def test_the_wait_doubles_while_attempts_fail(failing, lines):
    stream = Stream()
    failing.at_open = direct264.UnavailableError("none here")
    waits = []
    for _ in range(8):
        stream.send()
        waits.append(stream.encoder._back_off.wait)
        stream.now += stream.encoder._back_off.wait
    assert waits == [10, 20, 40, 80, 160, 320, 600, 600]
    assert stream.idrs == [0], "a failed attempt costs no IDR"
    assert stream.stats.fallbacks == 1


def test_a_late_failure_begins_with_the_first_wait(failing):
    stream = Stream()
    back_off = stream.encoder._back_off
    failing.error = direct264.EncodeError("lost")
    stream.send()
    stream.now = 1000.0
    failing.error = None
    stream.send()
    failing.error = direct264.EncodeError("lost again")
    stream.send()
    assert back_off.wait == 10


def outcome(encoder, bad):
    try:
        return encoder.encode(bad)[1]
    except Exception as error:
        return repr(error)


@pytest.mark.parametrize("base", [VIDEO, Fraction(1, 30), None])
def test_a_frame_without_a_timestamp_ends_as_with_libx264(base):
    told = []
    for encoder in (Libx264(), H264Encoder(SOFTWARE)):
        bad = frame(0)
        bad.pts = None
        if base is None:
            bad = av.VideoFrame(320, 240, "yuv420p")
        else:
            bad.time_base = base
        told.append(outcome(encoder, bad))
    assert told[0] == told[1]


def test_a_frame_of_sound_ends_as_with_libx264():
    with pytest.raises(AssertionError):
        H264Encoder(SOFTWARE).encode(av.AudioFrame(samples=480))


def test_packets_are_packed_as_before():
    packet = av.Packet(b"\0\0\0\1\x65" + bytes(3000))
    packet.pts, packet.time_base = 3000, VIDEO
    assert H264Encoder().pack(packet) == Libx264().pack(packet)


# Frames.


@pytest.mark.parametrize("name", ["direct264", "libx264"])
@pytest.mark.parametrize(
    "fmt", ["yuv420p", "nv12", "rgb24", "bgr24", "rgba", "bgra", "yuvj420p", "yuyv422", "yuv444p", "gbrp"]
)
def test_every_format_shows_its_colours(fmt, name, failing):
    if name == "libx264":
        failing.error = direct264.EncodeError("libx264 is wanted")
    for number in (5, 15, 25, 35):
        sent = frame(number, fmt=fmt)
        if fmt == "yuvj420p":
            sent = frame(number, fmt="rgb24").reformat(format=fmt, dst_colorspace="ITU709", dst_color_range="JPEG")
            sent.pts, sent.time_base = 3000 * number, VIDEO
        before = (sent.pts, sent.time_base, sent.pict_type, sent.format.name, [bytes(plane) for plane in sent.planes])
        payloads, _ = H264Encoder(SOFTWARE).encode(sent, True)
        after = (sent.pts, sent.time_base, sent.pict_type, sent.format.name, [bytes(plane) for plane in sent.planes])
        assert before == after, "the frame may be another consumer's too"
        (picture,) = shown([annex_b(payloads)])
        assert is_colour(picture, colour_of(number // 10)), fmt


def test_a_stream_of_bt601_is_signalled_as_such():
    sent = av.VideoFrame.from_ndarray(image(5), format="rgb24").reformat(format="yuv420p", dst_colorspace="ITU601")
    sent.pts, sent.time_base = 0, VIDEO
    sent.colorspace = 6
    payloads, _ = H264Encoder(SOFTWARE).encode(sent)
    (picture,) = shown([annex_b(payloads)])
    assert int(picture.colorspace) in (5, 6) and is_colour(picture, colour_of(0))


def test_frames_of_another_matrix_or_range_keep_their_colours():
    encoder, units = H264Encoder(SOFTWARE), []
    kinds = [(1, "ITU709", 1), (6, "ITU601", 1), (1, "ITU709", 2), (1, "ITU709", 1)]
    for number, (space, word, full) in enumerate(kinds):
        sent = av.VideoFrame.from_ndarray(image(5), format="rgb24")
        sent = sent.reformat(format="yuv420p", dst_colorspace=word, dst_color_range=full)
        sent.pts, sent.time_base, sent.colorspace, sent.color_range = number * 3000, VIDEO, space, full
        units.append(annex_b(encoder.encode(sent)[0]))
    assert [is_colour(picture, colour_of(0)) for picture in shown(units)] == [True] * 4
    assert encoder.meter.stats().idrs == 1


@pytest.mark.parametrize("name", ["direct264", "libx264"])
def test_an_odd_size_ends_no_sender(name, failing):
    if name == "libx264":
        failing.error = direct264.EncodeError("libx264 is wanted")
    sent = frame(5, size=(321, 241), fmt="rgb24")
    payloads, _ = H264Encoder(SOFTWARE).encode(sent)
    assert is_colour(shown([annex_b(payloads)])[0], colour_of(0))


def test_two_encoders_share_a_frame_at_60_frames_a_second():
    first, second = H264Encoder(SOFTWARE), H264Encoder(SOFTWARE)
    stamps = []
    for number in range(6):
        shared = frame(number, fps=60)
        stamps.append((first.encode(shared)[1], second.encode(shared)[1]))
    assert stamps == [(number * 1500, number * 1500) for number in range(6)]


# Arrays that travel through a track; on the CPU here, on a device in test_aiortc_double.py.


def carried(number, array):
    return drop_in.gpu_frame(array, number * 3000, VIDEO)


def test_an_array_is_encoded_in_place_of_the_frame_that_carries_it():
    encoder = H264Encoder(SOFTWARE)
    units = [annex_b(encoder.encode(carried(number, image(number)))[0]) for number in range(25)]
    pictures = shown(units)
    assert all(is_colour(picture, colour_of(number // 10)) for number, picture in enumerate(pictures))
    assert (len(pictures), encoder.meter.stats().size) == (25, (320, 240))


def test_an_array_that_does_not_fit_is_left_out(lines):
    encoder = H264Encoder(SOFTWARE)
    assert encoder.encode(carried(0, image(0)))[0]
    for number in (1, 2):
        assert encoder.encode(carried(number, np.zeros((8, 8, 9), np.uint8))) == ([], number * 3000)
    payloads, _ = encoder.encode(carried(3, image(3)))
    assert payloads and not is_idr(payloads), "the encoder was never given up"
    assert encoder.meter.stats().left_out == 2 and sum("left out" in line for line in lines()) == 1


def test_arrays_are_left_out_while_libx264_stands_in(failing):
    failing.error = direct264.EncodeError("lost")
    encoder = H264Encoder(SOFTWARE)
    assert encoder.encode(carried(0, image(0))) == ([], 0)
    assert encoder.encode(frame(1))[0] and encoder.encode(carried(2, image(2)))[0] == []
    assert encoder.meter.stats().left_out == 2


def test_a_frame_that_carries_an_array_is_black_to_others():
    plain = carried(0, image(0)).to_ndarray(format="rgb24")
    assert plain.shape == (16, 16, 3) and plain.max() <= 2


# Rates.


@pytest.mark.parametrize("fps", [5, 10, 15, 24, 50, 60, 120])
def test_the_clock_learns_a_rate_in_a_second_or_five_frames(fps):
    clock = FrameClock()
    for number in range(max(6, fps)):
        clock.see(round(number * 90_000 / fps))
    assert abs(clock.fps / fps - 1) < 0.16


def fps_after(intervals):
    clock, now = FrameClock(), 0
    told = [clock.fps]
    for interval in intervals:
        now += interval
        clock.see(now)
        if clock.fps != told[-1]:
            told.append(clock.fps)
    return told


@pytest.mark.parametrize(
    "intervals",
    [
        [3000] * 50,
        [3000] * 20 + [90_000] + [3000] * 20,
        [3000] * 20 + [0] * 10 + [3000] * 20,
        [3000] * 20 + [-500_000] + [3000] * 20,
        [3000] * 20 + [10**9] + [3000] * 20,
        [2700, 3300] * 25,
        [2000, 4000, 3000] * 16,
    ],
    ids=["steady", "pause", "repeated", "back", "jump", "jitter", "more jitter"],
)
def test_the_clock_stays_at_a_rate(intervals):
    assert fps_after(intervals) == [30.0]


def test_the_clock_follows_a_change_in_few_steps():
    told = fps_after([3000] * 40 + [6000] * 60)
    assert len(told) <= 6 and abs(told[-1] / 15 - 1) < 0.15


@pytest.mark.parametrize("fps", [10, 30, 60])
def test_the_bitrate_is_reached_at_every_frame_rate(fps):
    random = np.random.default_rng(264)
    noise = random.integers(0, 255, (8, 240, 320, 3), np.uint8)
    encoder, sizes = H264Encoder(Options(backend="openh264", bitrate=1_000_000)), []
    for number in range(4 * fps):
        sent = av.VideoFrame.from_ndarray(noise[number % 8], format="rgb24")
        sent.pts, sent.time_base = number, Fraction(1, fps)
        sizes.append(sum(map(len, encoder.encode(sent)[0])))
    assert 0.8e6 < 8 * sum(sizes[fps:]) / 3 < 1.2e6


# Figures.


def test_the_figures_add_up(failing):
    stream = Stream().send(40).send(idr=True)
    stats = stream.stats
    assert (stats.backend, stats.frames, stats.idrs, stats.size) == ("openh264", 41, 2, (320, 240))
    assert 0 < stats.encode_p50 <= stats.encode_p99 < 10
    # From the first timestamp to the last, without the last frame.
    bits = 8 * sum(map(len, stream.units[:-1]))
    assert abs(stats.measured_bitrate / (bits * 30 / 40) - 1) < 0.05
    assert [event.kind for event in stats.events][-2:] == ["selected", "idr_requested"]
    assert stats.last_error is None


def test_figures_before_the_first_frame():
    stats = H264Encoder(Options(bitrate=2_000_000)).meter.stats()
    assert (stats.backend, stats.frames, stats.target_bitrate, stats.encode_p99) == (None, 0, 2_000_000, 0.0)
