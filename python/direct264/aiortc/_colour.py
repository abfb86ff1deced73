"""Frames in the format and colour of the stream, as new frames: a frame may be another consumer's too."""

from __future__ import annotations

from typing import Literal

import av
from av.video.reformatter import ColorRange

Matrix = Literal["bt709", "bt601"]

_TAKEN = frozenset({"yuv420p", "nv12", "rgb24", "bgr24", "rgba", "bgra", "rgb0", "bgr0"})
"""Formats that direct264 reads in place."""
_UNSPECIFIED = (0, 2)
"""RGB and unspecified, of FFmpeg's AVColorSpace."""
_BT601 = (5, 6)
_BT709 = (1,)
_SWSCALE = {"bt709": "ITU709", "bt601": "ITU601"}


def matrix_of(frame: av.VideoFrame) -> Matrix:
    """The matrix for a stream that begins with `frame`: BT.601 if the frame says so, else BT.709."""
    return "bt601" if int(frame.colorspace) in _BT601 and not frame.format.is_rgb else "bt709"


def for_direct264(frame: av.VideoFrame, matrix: Matrix) -> av.VideoFrame:
    """`frame` itself where direct264 reads it as it is, else a new frame in limited yuv420p of the matrix."""
    name = frame.format.name
    if name in _TAKEN and (frame.format.is_rgb or (not _is_full(frame) and _is_of(frame, matrix))):
        return frame
    return _converted(frame, matrix, frame.width, frame.height)


def for_libx264(frame: av.VideoFrame, matrix: Matrix) -> av.VideoFrame:
    """A new frame in limited yuv420p of the matrix, of even size: aiortc's encoder writes to its frames."""
    made = _converted(frame, matrix, frame.width + frame.width % 2, frame.height + frame.height % 2)
    return av.VideoFrame.from_ndarray(frame.to_ndarray(), format="yuv420p") if made is frame else made


def _is_full(frame: av.VideoFrame) -> bool:
    return frame.format.name.startswith("yuvj") or int(frame.color_range) == ColorRange.JPEG


def _is_of(frame: av.VideoFrame, matrix: Matrix) -> bool:
    of_matrix = _BT709 if matrix == "bt709" else _BT601
    return int(frame.colorspace) in (*_UNSPECIFIED, *of_matrix)


def _converted(frame: av.VideoFrame, matrix: Matrix, width: int, height: int) -> av.VideoFrame:
    # A frame of YUV without a matrix keeps its numbers, as a yuv420p frame does that is read in place.
    is_kept = not frame.format.is_rgb and _is_of(frame, matrix)
    if frame.format.name == "yuv420p" and _is_full(frame):
        # PyAV before 17 leaves out a conversion that changes nothing but the range, and does not note the new range.
        frame = frame.reformat(format="yuv444p", src_color_range=ColorRange.JPEG, dst_color_range=ColorRange.MPEG)
        frame.color_range = ColorRange.MPEG
    return frame.reformat(
        width=width,
        height=height,
        format="yuv420p",
        dst_colorspace=None if is_kept else _SWSCALE[matrix],
        dst_color_range=ColorRange.MPEG,
    )
