"""A call between two peers in this process, with each encoder in turn: sent to decoded, CPU of the process, PLI."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import aiortc
import aiortc.mediastreams
import av
from aiortc.codecs.h264 import H264Encoder as Libx264
from pictures import annex_b, copy, is_idr, quantile, table

import direct264.aiortc
from direct264.aiortc import H264Encoder, Options

TARGETS = (2_000_000, 1_000_000, 2_500_000)
PLI_EVERY = 0.7


@dataclass
class Measured:
    walls: list[float] = field(default_factory=list)
    delays: list[float] = field(default_factory=list)
    sent: int = 0
    shown: int = 0
    cpu: list[float] = field(default_factory=list)
    plis: int = 0
    idrs: int = 0
    forced: int = 0
    answered: int = 0


class Track(aiortc.VideoStreamTrack):
    """The clip, forwards and backwards, in real time."""

    def __init__(self, clip: list[av.VideoFrame]) -> None:
        super().__init__()
        self._clip, self.sent = clip, list[float]()

    async def recv(self) -> av.VideoFrame:
        pts, time_base = await self.next_timestamp()
        at = len(self.sent) % (2 * len(self._clip))
        frame = self._clip[min(at, 2 * len(self._clip) - 1 - at)]
        frame.pts, frame.time_base = pts, time_base
        self.sent.append(time.perf_counter())
        return frame


def report(clip: list[av.VideoFrame], seconds: float, rounds: int) -> None:
    own = [copy(frame, "yuv420p") for frame in clip[:90]]
    measured = {"libx264": Measured(), "direct264": Measured()}
    for _ in range(rounds):
        for name, told in measured.items():
            asyncio.run(call(own, name, seconds, told))
    targets = ", ".join(str(target // 1000) for target in TARGETS)
    print(f"Call, {rounds} rounds of {seconds} s by turns, targets {targets} kbit/s\n")
    figures = ["encode p50, p99 ms", "sent to decoded p50, p99 ms", "frames shown", "CPUs", "PLI", "IDRs"]
    size = f"{clip[0].width}x{clip[0].height}"
    table(["frames", "encoder", *figures], [[size, name, *row(told)] for name, told in measured.items()])


def row(told: Measured) -> list[str]:
    return [
        f"{1000 * quantile(told.walls, 0.5):.1f}, {1000 * quantile(told.walls, 0.99):.1f}",
        f"{1000 * quantile(told.delays, 0.5):.1f}, {1000 * quantile(told.delays, 0.99):.1f}",
        f"{told.shown} of {told.sent}",
        f"{sum(told.cpu) / len(told.cpu):.2f}",
        f"{told.answered} of {told.forced} answered",
        str(told.idrs),
    ]


@contextlib.contextmanager
def watched(kind: Any, told: Measured) -> Iterator[None]:
    """Times `encode` of a class, and counts its IDRs."""
    before = kind.encode

    def encode(self: Any, frame: Any, force_keyframe: bool = False) -> Any:
        start = time.perf_counter()
        payloads, timestamp = before(self, frame, force_keyframe)
        told.walls.append(time.perf_counter() - start)
        idr = is_idr(annex_b(payloads))
        told.idrs += idr
        told.forced += force_keyframe
        told.answered += force_keyframe and idr
        return payloads, timestamp

    kind.encode = encode
    try:
        yield
    finally:
        kind.encode = before


async def call(clip: list[av.VideoFrame], name: str, seconds: float, told: Measured) -> None:
    configuration = aiortc.RTCConfiguration(iceServers=[])
    near, far = aiortc.RTCPeerConnection(configuration), aiortc.RTCPeerConnection(configuration)
    track, shown = Track(clip), list[tuple[int, float]]()
    tasks: list[asyncio.Future[None]] = []

    async def read(remote: Any) -> None:
        with contextlib.suppress(aiortc.mediastreams.MediaStreamError):
            while True:
                frame = await remote.recv()
                shown.append((frame.pts, time.perf_counter()))

    far.on("track", lambda remote: tasks.append(asyncio.ensure_future(read(remote))))
    sender = near.addTransceiver(track, direction="sendonly").sender
    kind = H264Encoder if name == "direct264" else Libx264
    preference = direct264.aiortc.prefer(Options(bitrate=TARGETS[0]))
    await near.setLocalDescription(await near.createOffer())
    await far.setRemoteDescription(near.localDescription)
    await far.setLocalDescription(await far.createAnswer())
    # H.264 is negotiated for both by now; no sender has made its encoder yet.
    if name != "direct264":
        preference.restore()
    with preference, watched(kind, told):
        await near.setRemoteDescription(far.localDescription)
        await through(sender, far, shown, seconds, told)
    await near.close()
    await far.close()
    await asyncio.gather(*tasks)
    told.sent += len(track.sent)
    told.shown += len(shown)
    first = shown[0][0]
    numbers = [(round((pts - first) / 3000), when) for pts, when in shown]
    told.delays += [when - track.sent[number] for number, when in numbers[5:] if number < len(track.sent)]


async def through(sender: Any, far: Any, shown: list[Any], seconds: float, told: Measured) -> None:
    """The targets one after the other, and a PLI now and then."""
    while not shown:
        await asyncio.sleep(0.01)
    encoder = sender._RTCRtpSender__encoder
    cpu, start, plis = time.process_time(), time.perf_counter(), 0
    while (now := time.perf_counter() - start) < seconds:
        encoder.target_bitrate = TARGETS[min(int(now * len(TARGETS) / seconds), len(TARGETS) - 1)]
        if now > (plis + 1) * PLI_EVERY:
            plis += 1
            await far.getReceivers()[0]._send_rtcp_pli(sender._ssrc)
        await asyncio.sleep(0.02)
    told.plis += plis
    told.cpu.append((time.process_time() - cpu) / seconds)
