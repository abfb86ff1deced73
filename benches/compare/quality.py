"""PSNR of the luma, from the mean squared error of all frames together, as ffmpeg's filter `psnr` has it."""

import math

import av
import numpy


def psnr_y(clip, stream):
    decoder = av.CodecContext.create("h264", "r")
    decoder.thread_count = 2
    frames, error = 0, 0.0
    for packet in [*decoder.parse(b"".join(stream)), *decoder.parse(), None]:
        for picture in decoder.decode(packet):
            if frames == len(clip.pictures):
                raise ValueError("more pictures came out than went in")
            error += squared_error(clip.luma(frames), luma(picture))
            frames += 1
    if frames != len(clip.pictures):
        raise ValueError(f"{frames} pictures came out and {len(clip.pictures)} went in")
    return 10 * math.log10(255 * 255 / max(error / frames, 1e-6))


def luma(picture):
    plane = picture.planes[0]
    rows = numpy.frombuffer(plane, numpy.uint8).reshape(-1, plane.line_size)
    return rows[: picture.height, : picture.width]


def squared_error(a, b):
    difference = a.astype(numpy.int16) - b
    return float(numpy.mean(numpy.square(difference.astype(numpy.float32))))
