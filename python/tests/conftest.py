"""What every test shares: pictures, a decoder that is not ours, and the driver double."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import av
import numpy as np
import pytest


def drawing(width: int, height: int, number: int = 0) -> np.ndarray:
    """A smooth RGB picture that moves with `number`."""
    y, x = np.mgrid[0:height, 0:width]
    return (
        np.stack(
            [
                (x + 3 * number) * 255 // (2 * width),
                (y + 2 * number) * 255 // (2 * height),
                (x + y) * 255 // (width + height),
            ],
            axis=-1,
        )
        .clip(0, 255)
        .astype(np.uint8)
    )


def decoded(units: Iterable[object], fmt: str = "rgb24") -> list[np.ndarray]:
    """Decodes access units with FFmpeg's decoder."""
    decoder = av.CodecContext.create("h264", "r")
    packets = [av.Packet(bytes(unit)) for unit in units] + [None]
    frames = [frame for packet in packets for frame in decoder.decode(packet)]
    return [frame.to_ndarray(format=fmt) for frame in frames]


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    error = np.mean((a.astype(float) - b.astype(float)) ** 2)
    return 100.0 if error == 0 else 10 * np.log10(255**2 / error)


@pytest.fixture
def double() -> Path:
    """The folder of the simulated NVIDIA driver; without it the test is skipped."""
    folder = os.environ.get("D264_DOUBLE_DIR")
    if not folder:
        pytest.skip("D264_DOUBLE_DIR names no folder with the driver double")
    return Path(folder)


def run_on_double(double: Path, script: str, report: Path, **environment: str) -> str:
    """Runs Python code on the driver double and returns what it printed. A broken rule or a leak fails."""
    done = subprocess.run(
        [sys.executable, "-P", "-c", script],
        env={
            **os.environ,
            "LD_LIBRARY_PATH": str(double),
            "D264_DOUBLE_REPORT": str(report),
            "PYTHONPATH": str(Path(__file__).parent),
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(report.read_text())
    assert told["violations"] == [], told["violations"]
    assert not any(told["leaks"].values()), told["leaks"]
    return done.stdout
