"""A page that shows one source through two senders of aiortc: aiortc alone, and aiortc with direct264.

Run ``python -m direct264.demo`` and open the address that it prints. The page needs a browser that plays H.264 over
WebRTC, as Chromium, Chrome, Edge, Safari and Firefox do.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import json
import sys
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import resources
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiortc
import av
import numpy as np
from aiortc.codecs import get_encoder
from aiortc.codecs.h264 import MAX_BITRATE, MIN_BITRATE
from aiortc.mediastreams import VIDEO_CLOCK_RATE, VIDEO_TIME_BASE

import direct264.aiortc
from direct264.aiortc._encoder import is_idr
from direct264.aiortc._stats import percentile

_NAMES = ("libx264", "direct264")
_ENCODER = "_RTCRtpSender__encoder"
_MOST_CALLS = 4
_MOST_BYTES = 1_000_000


def clip(width: int, height: int, count: int = 48) -> list[av.VideoFrame]:
    """A scene that moves: gradients, a texture and two squares, there and back again, as yuv420p.

    >>> frames = clip(64, 48, 4)
    >>> len(frames), frames[0].format.name, frames[0].width
    (4, 'yuv420p', 64)
    """
    y, x = np.mgrid[0:height, 0:width]
    texture = np.random.default_rng(264).integers(0, 40, (height, width + 4 * count), np.uint8)
    side = height // 4
    made = []
    for number in range(count):
        picture = np.empty((height, width, 3), np.uint8)
        picture[..., 0] = (x * 160 // width) + texture[:, 4 * number : 4 * number + width]
        picture[..., 1] = (y * 160 // height) + 40
        picture[..., 2] = ((x + y) * 120 // (width + height)) + 2 * number
        at = (width - side) * number // count
        picture[side : 2 * side, at : at + side] = (230, 220, 200)
        picture[2 * side : 3 * side, width - side - at : width - at] = (30, 60, 120)
        made.append(av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p"))
    return made


class Source(aiortc.MediaStreamTrack):
    """The clip, forwards and backwards, at a steady frame rate. Each sender has frames of its own."""

    kind = "video"

    def __init__(self, frames: Sequence[av.VideoFrame], fps: int) -> None:
        super().__init__()
        # aiortc's own encoder writes to its frames.
        self._frames = [_copy(frame) for frame in frames]
        self._fps = fps
        self._begun: float | None = None
        self._number = -1

    async def recv(self) -> av.VideoFrame:
        """The next frame, when it is due."""
        now = time.monotonic()
        if self._begun is None:
            self._begun = now
        # A source that comes late skips frames, as a camera does.
        self._number = max(self._number + 1, int((now - self._begun) * self._fps))
        await asyncio.sleep(self._begun + self._number / self._fps - now)
        at = self._number % (2 * len(self._frames))
        frame = self._frames[min(at, 2 * len(self._frames) - 1 - at)]
        frame.pts, frame.time_base = self._number * VIDEO_CLOCK_RATE // self._fps, VIDEO_TIME_BASE
        return frame


def _copy(frame: av.VideoFrame) -> av.VideoFrame:
    return av.VideoFrame.from_ndarray(frame.to_ndarray(), format=frame.format.name)


@dataclass
class Figures:
    """Figures of one sender, of its last 150 frames. The encoding thread adds, the event loop reads."""

    frames: int = 0
    idrs: int = 0
    last: deque[tuple[float, float, float, int]] = field(default_factory=lambda: deque(maxlen=150))
    """The end of `encode`, its duration, its CPU time in seconds, and the bytes of the frame."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, wall: float, cpu: float, payloads: list[bytes]) -> None:
        """Counts a frame."""
        with self.lock:
            self.frames += 1
            self.idrs += is_idr(payloads)
            self.last.append((time.monotonic(), wall, cpu, sum(map(len, payloads))))

    def told(self, encoder: Any) -> dict[str, Any]:
        """The figures as the page shows them."""
        with self.lock:
            last, frames, idrs = list(self.last), self.frames, self.idrs
        walls = sorted(wall for _, wall, _, _ in last)
        since = time.monotonic() - 1
        ours = isinstance(encoder, direct264.aiortc.H264Encoder)
        return {
            "backend": encoder.meter.stats().backend if ours else "libx264" if frames else None,
            "encode_p50_ms": 1000 * percentile(walls, 0.5),
            "encode_p99_ms": 1000 * percentile(walls, 0.99),
            "cpu_ms": 1000 * sum(cpu for _, _, cpu, _ in last) / max(1, len(last)),
            "target_bitrate": getattr(encoder, "target_bitrate", 0),
            "bitrate": 8 * sum(size for at, _, _, size in last if at > since),
            "frames": frames,
            "idrs": idrs,
        }


_alone = threading.Lock()
"""Held while a frame is encoded, so that the CPU time of the process is that of one encoder."""


def measure(sender: aiortc.RTCRtpSender, figures: Figures, bitrate: int) -> None:
    """Counts each frame of a sender, by a wrapper around `encode` of its encoder, and sets the first target."""
    before = sender._next_encoded_frame

    async def next_encoded_frame(codec: Any) -> Any:
        encoder = getattr(sender, _ENCODER)
        if encoder is None:
            encoder = get_encoder(codec)
            setattr(sender, _ENCODER, encoder)
        if "encode" not in vars(encoder):
            encoder.target_bitrate = bitrate
            encoder.encode = _counted(encoder, figures)
        return await before(codec)

    sender._next_encoded_frame = next_encoded_frame  # type: ignore[method-assign]


def _counted(encoder: Any, figures: Figures) -> Callable[..., Any]:
    kind, weak = type(encoder), weakref.ref(encoder)  # The encoder would otherwise refer to itself.

    def encode(frame: Any, force_keyframe: bool = False) -> Any:
        with _alone:
            wall, cpu = time.perf_counter(), time.process_time()
            payloads, timestamp = kind.encode(weak(), frame, force_keyframe)
            figures.add(time.perf_counter() - wall, time.process_time() - cpu, payloads)
        return payloads, timestamp

    return encode


class Call:
    """The two senders of one page."""

    def __init__(self, frames: Sequence[av.VideoFrame], fps: int, bitrate: int) -> None:
        self.peer = aiortc.RTCPeerConnection(aiortc.RTCConfiguration(iceServers=[]))
        self.figures = {name: Figures() for name in _NAMES}
        self.senders = {name: self.peer.addTrack(Source(frames, fps)) for name in _NAMES}
        for name, sender in self.senders.items():
            measure(sender, self.figures[name], bitrate)
        # The attachment switches one sender, and has H.264 negotiated for both.
        self._attachment = direct264.aiortc.attach(self.senders["direct264"])

    async def answer(self, offer: dict[str, str]) -> dict[str, str]:
        """Answers the page's offer of two videos to receive."""
        await self.peer.setRemoteDescription(aiortc.RTCSessionDescription(offer["sdp"], offer["type"]))
        await self.peer.setLocalDescription(await self.peer.createAnswer())
        return {"sdp": self.peer.localDescription.sdp, "type": self.peer.localDescription.type}

    def set_bitrate(self, bitrate: int) -> None:
        """Sets the target of both senders."""
        for sender in self.senders.values():
            encoder = getattr(sender, _ENCODER)
            if encoder is not None and hasattr(encoder, "target_bitrate"):
                encoder.target_bitrate = bitrate

    def stats(self) -> dict[str, Any]:
        """The figures of both senders."""
        return {name: self.figures[name].told(getattr(sender, _ENCODER)) for name, sender in self.senders.items()}

    async def close(self) -> None:
        """Ends both senders."""
        self._attachment.restore()
        await self.peer.close()


class Refused(Exception):
    """A request that is answered by a status and a sentence."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class Server:
    """The page, the signalling and the figures over HTTP, and the calls of open pages."""

    def __init__(self, frames: Sequence[av.VideoFrame], fps: int, bitrate: int) -> None:
        self._page = resources.files("direct264").joinpath("demo.html").read_bytes()
        self._make: Callable[[], Call] = functools.partial(Call, frames, fps, bitrate)
        self._calls: dict[int, Call] = {}
        self._number = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answers one connection, with one request."""
        # Ctrl-C cancels this while a browser holds a connection open, and asyncio would print the cancellation.
        gone = (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError)
        with suppress(*gone, asyncio.CancelledError):
            status, kind, content = await asyncio.wait_for(self._answer(reader), 30)
            reason = {200: "OK", 404: "Not Found"}.get(status, "Bad Request")
            head = f"HTTP/1.1 {status} {reason}\r\nContent-Type: {kind}\r\nContent-Length: {len(content)}\r\n"
            writer.write(head.encode() + b"Cache-Control: no-store\r\nConnection: close\r\n\r\n" + content)
            await writer.drain()
        writer.close()

    async def close(self) -> None:
        """Ends all calls."""
        await asyncio.gather(*(call.close() for call in self._calls.values()))

    async def _answer(self, reader: asyncio.StreamReader) -> tuple[int, str, bytes]:
        try:
            method, target, body = await _request(reader)
            if (method, target) == ("GET", "/"):
                return 200, "text/html; charset=utf-8", self._page
            return 200, "application/json", json.dumps(await self._told(method, target, body)).encode()
        except Refused as refusal:
            return refusal.status, "text/plain; charset=utf-8", f"{refusal}\n".encode()
        except (ValueError, KeyError, TypeError) as error:
            return 400, "text/plain; charset=utf-8", f"not understood: {error}\n".encode()

    async def _told(self, method: str, target: str, body: bytes) -> Any:
        parts = urlsplit(target)
        if (method, parts.path) == ("GET", "/stats"):
            return self._call(int(parse_qs(parts.query)["call"][0])).stats()
        if (method, parts.path) == ("POST", "/offer"):
            return await self._offer(json.loads(body))
        if (method, parts.path) == ("POST", "/bitrate"):
            asked = json.loads(body)
            self._call(int(asked["call"])).set_bitrate(int(asked["bitrate"]))
            return {}
        raise Refused(404, f"{method} {parts.path}: /, /stats, /offer and /bitrate are there")

    async def _offer(self, offer: dict[str, str]) -> dict[str, Any]:
        while len(self._calls) >= _MOST_CALLS:
            await self._calls.pop(next(iter(self._calls))).close()
        self._number += 1
        number, call = self._number, self._make()
        self._calls[number] = call

        async def end() -> None:
            if call.peer.connectionState in ("failed", "closed"):
                self._calls.pop(number, None)
                await call.close()

        call.peer.add_listener("connectionstatechange", end)
        return {"call": number, **await call.answer(offer)}

    def _call(self, number: int) -> Call:
        if number not in self._calls:
            raise Refused(404, f"call {number} has ended")
        return self._calls[number]


async def _request(reader: asyncio.StreamReader) -> tuple[str, str, bytes]:
    """Method, target and body. Pages of other sites cannot send JSON here: browsers would ask first, in vain."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, target, _ = head[0].split(" ")
    fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
    length = int(fields.get("content-length", "0"))
    if length > _MOST_BYTES:
        raise Refused(400, f"a body of {length} bytes: at most {_MOST_BYTES} are taken")
    if method == "POST" and fields.get("content-type") != "application/json":
        raise Refused(400, "application/json is taken")
    if urlsplit(f"//{fields.get('host', '')}").hostname not in ("127.0.0.1", "localhost"):
        raise Refused(400, "the page is for this machine alone")
    return method, target, await reader.readexactly(length)


async def run(options: argparse.Namespace) -> None:
    """Serves until the task is cancelled."""
    width, height = options.size
    frames = await asyncio.to_thread(clip, width, height)
    server = Server(frames, options.fps, options.bitrate)
    listening = await asyncio.start_server(server.serve, "127.0.0.1", options.port)
    port = listening.sockets[0].getsockname()[1]
    print(f"open http://127.0.0.1:{port}/ in a browser; Ctrl-C ends", flush=True)
    try:
        await asyncio.Event().wait()
    finally:
        listening.close()
        await server.close()


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.partition("x")
    size = (int(width), int(height))
    if min(size) < 64 or max(size) > 4096 or any(side % 2 for side in size):
        raise ValueError
    return size


def _between(least: int, most: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"{text}: {least} to {most} is taken")
        return int(text)

    return number


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the demo, and returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m direct264.demo",
        description="Serves a page on loopback that shows one source through two senders of aiortc: aiortc alone, and "
        "aiortc with direct264. Backend, encode times, CPU time, bitrate and IDRs stand below each video. Video goes "
        "over the addresses of this machine.",
        epilog="CPU time is that of the process while a frame is encoded; one frame is encoded at a time. The same in "
        "your own program: import direct264.aiortc; direct264.aiortc.prefer()",
    )
    parser.add_argument("--port", type=_between(0, 65_535), default=8264, help="port on 127.0.0.1, 0 for any (8264)")
    parser.add_argument("--size", type=_size, default=(1280, 720), metavar="WxH", help="even, 64 to 4096 (1280x720)")
    parser.add_argument("--fps", type=_between(1, 120), default=30, help="frames a second (30)")
    bitrate = _between(MIN_BITRATE, MAX_BITRATE)
    parser.add_argument("--bitrate", type=bitrate, default=1_000_000, help="first target of both in bit/s (1000000)")
    options = parser.parse_args(arguments)
    try:
        asyncio.run(run(options))
    except KeyboardInterrupt:
        print()
    except OSError as error:
        print(f"port {options.port}: {error.strerror}; --port 0 takes any free one", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
