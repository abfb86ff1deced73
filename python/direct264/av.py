"""Access units as packets of PyAV, and streams of containers that take them: MP4, Matroska, MPEG-TS.

>>> import io, av, direct264, direct264.av
>>> file = io.BytesIO()
>>> with direct264.Encoder(64, 48, fps=30, bitrate=300_000, backend="openh264") as encoder:
...     with av.open(file, "w", format="mp4") as container:
...         stream = None
...         for number in range(3):
...             unit = encoder.encode(bytes(64 * 48 * 3 // 2), format="i420")
...             stream = stream or direct264.av.add_stream(container, unit, fps=30)
...             container.mux(direct264.av.packet(unit, stream))
>>> with av.open(io.BytesIO(file.getvalue())) as container:
...     len(list(container.decode(video=0)))
3

The module needs PyAV 14 or newer.
"""

from __future__ import annotations

import io
from fractions import Fraction
from typing import Protocol, cast

import av
from av.container import OutputContainer
from av.video.stream import VideoStream

from ._direct264 import AccessUnit

__all__ = ["add_stream", "packet"]


class _Rational(Protocol):
    @property
    def numerator(self) -> int: ...
    @property
    def denominator(self) -> int: ...


def packet(
    unit: AccessUnit,
    stream: VideoStream | None = None,
    *,
    pts: int | None = None,
    duration: int | None = None,
) -> av.Packet[VideoStream]:
    """Makes a packet that refers to the bytes of the access unit: PyAV 17 and newer copy nothing.

    `pts` (default: the unit's) is both presentation and decoding timestamp, since no frame is reordered. `pts` and
    `duration` count units of `unit.time_base`. Without a duration, a container takes the distance to the next frame, and
    guesses the last frame's. `stream` is the stream that `OutputContainer.mux` puts the packet into.

    >>> import direct264
    >>> with direct264.Encoder(64, 48, fps=25, bitrate=300_000, backend="openh264") as encoder:
    ...     made = packet(encoder.encode(bytes(64 * 48 * 3 // 2), format="i420", pts=7), duration=1)
    >>> made.pts, made.dts, made.duration, str(made.time_base), made.is_keyframe
    (7, 7, 1, '1/25', True)
    """
    # PyAV takes any buffer; its stubs say bytes.
    made = cast("av.Packet[VideoStream]", av.Packet(cast(bytes, unit)))
    made.pts = made.dts = unit.pts if pts is None else pts
    made.time_base = Fraction(unit.time_base.numerator, unit.time_base.denominator)
    made.is_keyframe = unit.is_idr
    if duration is not None:
        made.duration = duration
    if stream is not None:
        made.stream = stream
    return made


def add_stream(container: OutputContainer, first: AccessUnit, fps: float | _Rational | None = None) -> VideoStream:
    """Adds a video stream for the access units of one encoder to a container that is open for writing.

    `first` is the first unit to be muxed, an IDR: profile, size and colour are read from its parameter sets. `fps`, in
    frames a second, is only a note in the file; timestamps come from the packets. A recording may begin at any IDR.

    Raises `ValueError` for a unit that is no IDR, and `av.FFmpegError` for a container that takes no H.264.
    """
    if not first.is_idr:
        raise ValueError("first is no IDR: a recording begins with an access unit that has parameter sets")
    # The template carries over what FFmpeg's own parser reads from the parameter sets.
    with av.open(io.BytesIO(bytes(first)), format="h264") as parsed:
        stream = container.add_stream_from_template(parsed.streams.video[0])
    stream.time_base = Fraction(first.time_base.numerator, first.time_base.denominator)
    if fps is not None:
        stream.codec_context.framerate = (
            Fraction(fps).limit_denominator(1001) if isinstance(fps, float) else Fraction(fps.numerator, fps.denominator)
        )
    return stream
