"""Recording by PyAV: access units into MP4, Matroska and MPEG-TS, read back by FFmpeg."""

from __future__ import annotations

import functools
import io
import sys
import tracemalloc
from fractions import Fraction

import av
import numpy as np
import pytest
from pictures import VIDEO, colour_of, frame, is_colour, rgb, shown

import direct264
import direct264.av

FORMATS = {"mp4": 1 / 90_000, "matroska": 1 / 1000, "mpegts": 1 / 90_000}
"""The resolution of timestamps, in seconds."""
COUNT = 60
KEYS = [0, 25]
SIZE = (320, 240)


def times(count=COUNT):
    """Timestamps of a source whose frames do not come at a steady rate, in 1/90,000 s."""
    return [0, *np.cumsum([3000 if number % 3 else 4500 for number in range(1, count)]).tolist()]


@functools.cache
def units(time_base=VIDEO):
    made = []
    with direct264.Encoder(*SIZE, fps=30, bitrate=1_000_000, backend="openh264") as encoder:
        for number, pts in enumerate(times()):
            sent = frame(number)
            sent.pts, sent.time_base = int(pts * VIDEO / time_base), time_base
            made.append(encoder.encode(sent, idr=number in KEYS))
    return made


def record(name, made, duration=None, **settings):
    file = io.BytesIO()
    with av.open(file, "w", format=name) as container:
        stream = None
        for unit in made:
            stream = stream or direct264.av.add_stream(container, unit, **settings)
            container.mux(direct264.av.packet(unit, stream, duration=duration))
    return file.getvalue()


@pytest.mark.parametrize("time_base", [VIDEO, Fraction(1, 1_000_000), Fraction(1, 600)], ids=str)
@pytest.mark.parametrize("name", FORMATS)
def test_what_was_recorded_is_read_back(name, time_base):
    data = record(name, units(time_base), fps=30)
    with av.open(io.BytesIO(data)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.width, stream.codec_context.height) == SIZE
        frames = list(container.decode(video=0))
    assert len(frames) == COUNT
    start = frames[0].time
    for number, (picture, pts) in enumerate(zip(frames, times(), strict=True)):
        assert abs(picture.time - start - pts / 90_000) < FORMATS[name] + float(time_base)
        assert is_colour(picture, colour_of(number // 10))
    assert [number for number, picture in enumerate(frames) if picture.key_frame] == KEYS


@pytest.mark.parametrize("name", FORMATS)
def test_the_packets_of_a_file_are_the_access_units(name):
    data = record(name, units())
    with av.open(io.BytesIO(data)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
        extradata = container.streams.video[0].codec_context.extradata
    assert [number for number, packet in enumerate(packets) if packet.is_keyframe] == KEYS
    assert all(packet.pts == packet.dts for packet in packets)
    if name != "mpegts":
        made = units()[0]
        assert extradata[1:4] == made.nals()[0][1:4], "the file's parameter sets are the encoder's"


@pytest.mark.parametrize("name", ["mp4", "matroska"])
def test_a_file_may_be_sought_in(name, tmp_path):
    path = tmp_path / "recording"
    path.write_bytes(record(name, units()))
    with av.open(str(path), format=None) as container:
        container.seek(int(times()[40] / 90_000 * 1_000_000), backward=True, any_frame=False)
        picture = next(iter(container.decode(video=0)))
    assert is_colour(picture, colour_of(2)) and picture.key_frame


def test_the_duration_of_the_last_frame_is_kept():
    lasts = []
    for duration in (3000, 9000):
        with av.open(io.BytesIO(record("mp4", units(), duration=duration))) as container:
            stream = container.streams.video[0]
            lasts.append(float(stream.duration * stream.time_base))
    assert abs(lasts[1] - lasts[0] - 6000 / 90_000) < 0.001


@pytest.mark.parametrize("fps", [30, 29.97, Fraction(30000, 1001)])
def test_a_frame_rate_is_noted(fps):
    made = units()
    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as container:
        stream = direct264.av.add_stream(container, made[0], fps=fps)
        assert abs(float(stream.codec_context.framerate) - float(fps)) < 0.01
        container.mux([direct264.av.packet(unit, stream) for unit in made])
    assert len(file.getvalue()) > 1000


def test_two_streams_in_one_container():
    first, second = units(), units()
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        streams = [direct264.av.add_stream(container, made[0]) for made in (first, second)]
        for pair in zip(first, second, strict=True):
            container.mux([direct264.av.packet(unit, stream) for unit, stream in zip(pair, streams, strict=True)])
    with av.open(io.BytesIO(file.getvalue())) as container:
        assert [stream.frames for stream in container.streams.video] == [COUNT, COUNT]


def test_a_recording_may_begin_at_a_later_idr():
    made = units()[KEYS[1] :]
    with av.open(io.BytesIO(record("mp4", made))) as container:
        frames = list(container.decode(video=0))
    assert len(frames) == COUNT - KEYS[1] and is_colour(frames[0], colour_of(2))


@pytest.mark.skipif(int(av.__version__.split(".")[0]) < 17, reason="SKIPPED: this PyAV copies what packets are made of")
def test_a_packet_refers_to_the_bytes_of_the_unit():
    made = units()[0]
    packet = direct264.av.packet(made)
    assert packet.buffer_ptr == np.frombuffer(made, np.uint8).ctypes.data
    references = sys.getrefcount(made)
    del packet
    assert sys.getrefcount(made) < references, "the packet held the unit"
    tracemalloc.start()
    kept = [direct264.av.packet(made) for _ in range(100)]
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert used < 100 * len(made) and bytes(kept[0]) == bytes(made)


def test_a_packet_outlives_its_unit_and_encoder():
    packets = [direct264.av.packet(unit) for unit in units()]
    decoder = av.CodecContext.create("h264", "r")
    frames = [picture for packet in [*packets, None] for picture in decoder.decode(packet)]
    assert len(frames) == COUNT and is_colour(frames[-1], colour_of(5))


def test_timestamps_may_be_replaced():
    made = units()[0]
    packet = direct264.av.packet(made, pts=12, duration=3)
    assert (packet.pts, packet.dts, packet.duration, packet.time_base) == (12, 12, 3, VIDEO)
    assert direct264.av.packet(made).pts == 0


def test_a_stream_begins_with_an_idr():
    made = units()
    with av.open(io.BytesIO(), "w", format="mp4") as container, pytest.raises(ValueError, match="no IDR"):
        direct264.av.add_stream(container, made[1])


def test_a_container_without_h264_is_refused():
    with av.open(io.BytesIO(), "w", format="wav") as container, pytest.raises((av.FFmpegError, ValueError)):
        direct264.av.add_stream(container, units()[0])


def test_a_file_of_the_drop_in_and_of_the_encoder_alone_decode_alike():
    with av.open(io.BytesIO(record("mp4", units()))) as container:
        muxed = [rgb(picture) for picture in container.decode(video=0)]
    bare = [rgb(picture) for picture in shown(map(bytes, units()))]
    assert all(np.array_equal(a, b) for a, b in zip(muxed, bare, strict=True))
