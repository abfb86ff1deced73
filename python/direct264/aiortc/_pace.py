"""Frame rate of a track, and waits between attempts."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from statistics import median

from aiortc.codecs.h264 import MAX_FRAME_RATE

_CLOCK = 90_000
"""Ticks a second of RTP timestamps of video."""


class FrameClock:
    """Learns the frame rate of a track from its timestamps: aiortc does not tell it.

    The rate changes once it is off by more than 15 %, and each change costs the encoder no IDR. Pauses, jumps and
    repeated timestamps do not count.

    >>> clock = FrameClock()
    >>> for number in range(6):
    ...     clock.see(number * 9000)
    >>> clock.fps
    10.0
    """

    _WINDOW = 20
    _EVERY = 5
    _TOLERANCE = 0.15

    def __init__(self) -> None:
        self.fps = float(MAX_FRAME_RATE)
        """Frames a second; aiortc's assumption of 30 until five intervals are known."""
        self._last: int | None = None
        self._intervals: deque[int] = deque(maxlen=self._WINDOW)
        self._seen = 0

    def see(self, timestamp: int) -> None:
        """Takes note of a frame's timestamp, in units of 1/90,000 s."""
        last, self._last = self._last, timestamp
        if last is None or not 0 < timestamp - last <= 10 * _CLOCK:
            return
        self._intervals.append(timestamp - last)
        self._seen += 1
        if self._seen % self._EVERY == 0:
            self._learn()

    def _learn(self) -> None:
        longest = 3 * median(self._intervals)
        usual = [interval for interval in self._intervals if interval <= longest]
        fps = min(240.0, _CLOCK * len(usual) / sum(usual))
        if abs(fps / self.fps - 1) > self._TOLERANCE:
            self.fps = round(fps, 3)


class BackOff:
    """Waits of 10 s between attempts, doubling to 10 minutes. An attempt that lasts longer than its wait starts anew.

    >>> now = 0.0
    >>> back_off = BackOff(lambda: now)
    >>> back_off.fail(); back_off.is_due()
    False
    >>> now = 10.0
    >>> back_off.is_due()
    True
    >>> back_off.fail(); back_off.wait
    20.0
    """

    FIRST = 10.0
    LONGEST = 600.0

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._due = 0.0
        self.wait = 0.0
        """Seconds from the last failure to the next attempt; 0 without a failure."""

    def is_due(self) -> bool:
        """Whether the next attempt may begin."""
        return not self.wait or self._clock() >= self._due

    def fail(self) -> None:
        """Takes note of a failure."""
        now = self._clock()
        is_first = not self.wait or now > self._due + self.wait
        self.wait = self.FIRST if is_first else min(2 * self.wait, self.LONGEST)
        self._due = now + self.wait
