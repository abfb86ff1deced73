"""`encode` of both, frame by frame in turn: time, CPU, bitrate after steps of the target, unasked IDRs, PSNR.

One frame of each third of the clip is asked to be an IDR.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import av
from aiortc.codecs.h264 import H264Encoder as Libx264
from pictures import FPS, VIDEO, annex_b, copy, is_idr, luma, psnr, quantile, table

from direct264.aiortc import H264Encoder

NAMES = {"libx264": Libx264, "direct264": H264Encoder}
TARGETS = (2_000_000, 1_000_000, 2_500_000)
"""Each holds for a third of the clip."""
UNMEASURED = 3


@dataclass
class Measured:
    walls: list[float] = field(default_factory=list)
    cpus: list[float] = field(default_factory=list)
    reached: list[list[float]] = field(default_factory=lambda: [[] for _ in TARGETS])
    unasked: int = 0
    asked: int = 0
    answered: int = 0
    quality: list[float] = field(default_factory=list)


def report(clip: list[av.VideoFrame], formats: list[str], rounds: int) -> None:
    rows = []
    for fmt in formats:
        measured = {name: Measured() for name in NAMES}
        for _ in range(rounds):
            turn(clip, fmt, measured)
        size = f"{clip[0].width}x{clip[0].height} {fmt}"
        rows += [[size, name, *row(told)] for name, told in measured.items()]
    targets = ", ".join(f"{target // 1000}" for target in TARGETS)
    print(f"Encode, {rounds} rounds of {len(clip)} frames; bitrate in the second half of each third\n")
    figures = ["p50 ms", "p99 ms", "CPU ms", f"kbit/s of {targets}", "IDRs unasked", "asked", "PSNR-Y dB"]
    table(["frames", "encoder", *figures], rows)


def turn(clip: list[av.VideoFrame], fmt: str, measured: dict[str, Measured]) -> None:
    encoders: dict[str, Any] = {name: kind() for name, kind in NAMES.items()}
    units: dict[str, list[bytes]] = {name: [] for name in NAMES}
    third = len(clip) // len(TARGETS)
    for number, source in enumerate(clip[: third * len(TARGETS)]):
        for name in list(NAMES) if number % 2 else list(NAMES)[::-1]:
            frame = copy(source, fmt)
            frame.pts, frame.time_base = number * 90_000 // FPS, VIDEO
            encoders[name].target_bitrate = TARGETS[number // third]
            units[name].append(step(encoders[name], frame, number % third == third // 4, number, measured[name]))
    for name, told in measured.items():
        judge(clip, units[name], third, told, with_quality=fmt == "yuv420p")


def step(encoder: Any, frame: av.VideoFrame, asked: bool, number: int, told: Measured) -> bytes:
    wall, cpu = time.perf_counter(), time.process_time()
    payloads, _ = encoder.encode(frame, asked)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    if number >= UNMEASURED:
        told.walls.append(wall)
        told.cpus.append(cpu)
    unit = annex_b(payloads)
    told.asked += asked
    told.answered += asked and is_idr(unit)
    told.unasked += is_idr(unit) and not asked and number > 0
    return unit


def judge(clip: list[av.VideoFrame], units: list[bytes], third: int, told: Measured, with_quality: bool) -> None:
    for at in range(len(TARGETS)):
        last = units[at * third + third // 2 : (at + 1) * third]
        told.reached[at].append(8 * sum(map(len, last)) * FPS / len(last))
    if with_quality:
        decoder = av.CodecContext.create("h264", "r")
        shown = [frame for unit in [*map(av.Packet, units), None] for frame in decoder.decode(unit)]
        told.quality += [psnr(luma(frame), luma(source)) for frame, source in zip(shown, clip, strict=False)]


def row(told: Measured) -> list[str]:
    reached = ", ".join(f"{sum(rates) / len(rates) / 1000:.0f}" for rates in told.reached)
    quality = f"{sum(told.quality) / len(told.quality):.2f}" if told.quality else "-"
    return [
        f"{1000 * quantile(told.walls, 0.5):.1f}",
        f"{1000 * quantile(told.walls, 0.99):.1f}",
        f"{1000 * sum(told.cpus) / len(told.cpus):.1f}",
        reached,
        str(told.unasked),
        f"{told.answered} of {told.asked}",
        quality,
    ]
