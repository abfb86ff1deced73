"""Cost of the binding: `encode` in Python less `StageTimes.total`, the duration of the Rust call inside."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import av
from aiortc.codecs.h264 import PACKET_MAX
from aiortc.codecs.h264 import H264Encoder as Libx264
from pictures import FPS, VIDEO, copy, quantile, table

import direct264
from direct264.aiortc import H264Encoder, Options

LIMIT_US = 10.0


def report(clip: list[av.VideoFrame], count: int) -> None:
    size = (clip[0].width, clip[0].height)
    frames = {fmt: [copy(frame, fmt) for frame in clip[:4]] for fmt in ("yuv420p", "nv12", "bgr24")}
    arrays = [frame.to_ndarray() for frame in frames["bgr24"]]
    rows = []
    for fmt, made in frames.items():
        rows.append([f"av.VideoFrame {fmt}", *over(size, count, made, {})])
    rows.append(["numpy bgr24", *over(size, count, arrays, {"format": "bgr24"})])
    rows.append(["numpy bgr24 as a[..., ::-1]", *over(size, count, [array[..., ::-1] for array in arrays], {})])
    print(f"Binding at {size[0]}x{size[1]}, {count} frames each: microseconds over the Rust call\n")
    table(["frame", "p50 us", "p99 us", f"at most {LIMIT_US:.0f} us at p50"], rows)
    table(["part of the drop-in", "p50 us", "p99 us"], parts(size, count, frames["yuv420p"]))


def over(size: tuple[int, int], count: int, frames: list[Any], named: dict[str, Any]) -> list[str]:
    walls = []
    with direct264.Encoder(*size, fps=FPS, bitrate=3_000_000) as encoder:
        for number in range(count):
            frame = frames[number % len(frames)]
            start = time.perf_counter()
            unit = encoder.encode(frame, pts=number, time_base=VIDEO, **named)
            walls.append(time.perf_counter() - start - unit.times.total)
    middle = 1e6 * quantile(walls, 0.5)
    return [f"{middle:.1f}", f"{1e6 * quantile(walls, 0.99):.1f}", "yes" if middle <= LIMIT_US else "NO"]


def parts(size: tuple[int, int], count: int, frames: list[av.VideoFrame]) -> list[list[str]]:
    rows = []
    drop_in = H264Encoder(Options())
    for number in range(min(count, 300)):
        frames[number % len(frames)].pts, frames[number % len(frames)].time_base = number * 3000, VIDEO
        drop_in.encode(frames[number % len(frames)])
    with direct264.Encoder(*size, fps=FPS, bitrate=3_000_000) as encoder:
        unit = encoder.encode(frames[0], idr=True)
        data = bytes(unit)
        rows.append(["AccessUnit.rtp_payloads", *timed(lambda: unit.rtp_payloads(PACKET_MAX))])
        rows.append(["aiortc's packetizer, the same unit", *timed(lambda: by_aiortc(data))])
        assert by_aiortc(data) == unit.rtp_payloads(PACKET_MAX)
    rows.append(["stats of a sender", *timed(drop_in.meter.stats)])
    rows.append(["a new target", *timed(lambda: setattr(drop_in, "target_bitrate", 2_000_000))])
    return rows


def by_aiortc(unit: bytes) -> list[bytes]:
    return Libx264._packetize(Libx264._split_bitstream(unit))


def timed(act: Callable[[], Any], times: int = 1000) -> list[str]:
    walls = []
    for _ in range(times):
        start = time.perf_counter()
        act()
        walls.append(time.perf_counter() - start)
    return [f"{1e6 * quantile(walls, 0.5):.1f}", f"{1e6 * quantile(walls, 0.99):.1f}"]
