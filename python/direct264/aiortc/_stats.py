"""Figures of one sender's encoder."""

from __future__ import annotations

import math
import threading
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass

from .._facts import Event
from ._pace import FrameClock

_WINDOW = 300
"""Frames that percentiles and the measured bitrate look back on: 10 s at 30 frames a second."""
_CLOCK = 90_000


@dataclass(frozen=True, slots=True)
class Stats:
    """Figures of one sender's encoder so far. Times are in seconds, bitrates in bit/s."""

    number: int | None = None
    """The number of the encoder in lines of the log; ``None`` before the first frame and for encoders of others."""
    backend: str | None = None
    """``"nvenc"``, ``"openh264"``, or ``"libx264"`` while aiortc's own encoder stands in."""
    frames: int = 0
    """Frames encoded."""
    idrs: int = 0
    """IDRs among them."""
    left_out: int = 0
    """Frames that no encoder took: arrays of `gpu_frame` while libx264 stands in, or that do not fit."""
    target_bitrate: int = 0
    """The newest target."""
    bitrate: int = 0
    """The target in force. A rise of less than 10 % of it waits."""
    measured_bitrate: int = 0
    """Bits of the last frames by the time that they span."""
    fps: float = 0.0
    """The frame rate learnt from timestamps."""
    size: tuple[int, int] | None = None
    """Width and height in pixels."""
    encode_p50: float = 0.0
    """Median time of `encode`, RTP payloads included, over the last 300 frames."""
    encode_p99: float = 0.0
    """99th percentile of the same."""
    fallbacks: int = 0
    """Changes to a worse backend or to libx264."""
    restorations: int = 0
    """Changes back."""
    last_error: str | None = None
    """The last failure of direct264 that left frames to libx264."""
    events: tuple[Event, ...] = ()
    """The last 64 events of the encoder, oldest first."""


class Meter:
    """Collects figures on the encoding thread, and hands them out on any other. The lock is held for microseconds."""

    def __init__(self, number: int, target: int, clock: FrameClock) -> None:
        self.target = target
        """The newest target in bit/s. Any thread may set it."""
        self._number = number
        self._clock = clock
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._seconds: deque[float] = deque(maxlen=_WINDOW)
        self._sizes: deque[tuple[int, int]] = deque(maxlen=_WINDOW)
        self._events: deque[Event] = deque(maxlen=64)
        self._backend: str | None = None
        self._bitrate = target
        self._size: tuple[int, int] | None = None
        self._error: str | None = None

    def add(
        self, backend: str, is_idr: bool, payloads: Sequence[bytes], size: tuple[int, int], timestamp: int, seconds: float
    ) -> None:
        """Counts a frame, with its RTP timestamp and the duration of `encode`."""
        length = sum(map(len, payloads))
        with self._lock:
            self._backend, self._size = backend, size
            self._counts["frames"] += 1
            self._counts["idrs"] += is_idr
            self._seconds.append(seconds)
            self._sizes.append((timestamp, length))

    def see(self, event: Event) -> None:
        """Takes note of an event of direct264."""
        with self._lock:
            self._events.append(event)
            self._counts["fallbacks"] += event.kind == "fell_back"
            self._counts["restorations"] += event.kind == "restored"
            if event.kind == "bitrate_changed":
                self._bitrate = int(event.detail["to"])

    def change(self, counter: str, *, bitrate: int | None = None, error: str | None = None) -> None:
        """Counts what direct264 has no event for."""
        with self._lock:
            self._counts[counter] += 1
            self._bitrate = bitrate or self._bitrate
            self._error = error or self._error

    def stats(self) -> Stats:
        """The figures so far."""
        with self._lock:
            seconds, sizes, counts = list(self._seconds), list(self._sizes), dict(self._counts)
            backend, bitrate, size, error = self._backend, self._bitrate, self._size, self._error
            events = tuple(self._events)
        seconds.sort()
        return Stats(
            number=self._number,
            backend=backend,
            frames=counts.get("frames", 0),
            idrs=counts.get("idrs", 0),
            left_out=counts.get("left_out", 0),
            target_bitrate=self.target,
            bitrate=bitrate,
            measured_bitrate=_bitrate(sizes),
            fps=self._clock.fps,
            size=size,
            encode_p50=percentile(seconds, 0.50),
            encode_p99=percentile(seconds, 0.99),
            fallbacks=counts.get("fallbacks", 0),
            restorations=counts.get("restorations", 0),
            last_error=error,
            events=events,
        )


def percentile(ordered: Sequence[float], share: float) -> float:
    """The smallest value that a share of all values does not exceed; 0 without values.

    >>> percentile([1.0, 2.0, 3.0, 4.0], 0.5), percentile([], 0.5)
    (2.0, 0.0)
    """
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else 0.0


def _bitrate(sizes: Sequence[tuple[int, int]]) -> int:
    """Bits a second from one timestamp to the last: the last frame's bits belong to the time after it."""
    if len(sizes) < 2 or sizes[-1][0] <= sizes[0][0]:
        return 0
    return 8 * sum(length for _, length in sizes[:-1]) * _CLOCK // (sizes[-1][0] - sizes[0][0])
