"""Arrays in device memory that travel through a track."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal

import av
from aiortc.mediastreams import VIDEO_TIME_BASE

from .._errors import FrameTypeError

if TYPE_CHECKING:
    from aiortc.mediastreams import TimeBase

Format = Literal["i420", "yuv420p", "nv12", "rgb24", "bgr24", "rgba", "bgra"]
"""Names of pixel formats that `direct264.Encoder.encode` takes."""


@dataclass(frozen=True, slots=True)
class DeviceFrame:
    """An array, and the arguments of `direct264.Encoder.encode` that go with it."""

    array: Any
    format: Format | None
    stream: int | None
    keep: bool

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels, of NV12 or planar 4:2:0 rows, interleaved RGB or planes of RGB."""
        shape = _shape(self.array)
        match shape:
            case (rows, columns):
                return columns, rows * 2 // 3
            case (rows, columns, 1 | 2 | 3 | 4) | (1 | 3 | 4, rows, columns):
                return columns, rows
        raise FrameTypeError(f"gpu_frame: an array of shape {shape} is no picture")


def gpu_frame(
    array: Any,
    pts: int,
    time_base: TimeBase = VIDEO_TIME_BASE,
    *,
    format: Format | None = None,
    stream: int | None = None,
    keep: bool = False,
) -> av.VideoFrame:
    """Makes a frame for a track's `recv` that stands for an array in device memory.

    `array` and the keyword arguments are those of `direct264.Encoder.encode`. `pts` counts units of `time_base`
    seconds. With `keep`, the array stays registered until the sender's encoder ends: use a small pool of arrays.

    The array travels as attribute ``opaque`` of a black frame of 16x16 pixels. Senders that direct264 encodes for send
    the array; any other consumer of the track sees the black frame. A sender that has fallen back to libx264 leaves the
    frame out, since libx264 reads no device memory.

    >>> import numpy
    >>> frame = gpu_frame(numpy.zeros((360, 640, 3), numpy.uint8), pts=3000)
    >>> frame.width, frame.pts, frame.opaque.size
    (16, 3000, (640, 360))
    """
    frame = av.VideoFrame(16, 16, "yuv420p")
    for plane, value in zip(frame.planes, (16, 128, 128), strict=True):
        plane.update(bytes([value]) * plane.buffer_size)
    frame.pts, frame.time_base = pts, Fraction(time_base.numerator, time_base.denominator)
    frame.opaque = DeviceFrame(array, format, stream, keep)
    return frame


def carried(frame: av.VideoFrame) -> DeviceFrame | None:
    """The array that a frame of `gpu_frame` stands for."""
    opaque = frame.opaque
    return opaque if isinstance(opaque, DeviceFrame) else None


def _shape(array: Any) -> tuple[int, ...]:
    shape = getattr(array, "shape", None)
    if shape is None:
        shape = (getattr(array, "__cuda_array_interface__", None) or {}).get("shape")
    if shape is None:
        raise FrameTypeError(f"gpu_frame: an object of type {type(array).__name__} has no shape")
    return tuple(int(side) for side in shape)
