"""Lines of the log for events of an encoder. Each line begins with ``[direct264]``."""

from __future__ import annotations

import logging

from .._facts import Event

logger = logging.getLogger("direct264.aiortc")

_ABSENT = frozenset(
    {"no_driver", "no_gpu", "not_built", "no_encoder_on_gpu", "no_video_capability", "gpus_hidden", "by_request"}
)
"""Reasons of a machine that has no such encoder, where nothing is broken."""
_LEVELS = {
    "passed_over": logging.WARNING,
    "fell_back": logging.WARNING,
    "restored": logging.INFO,
    "recreated": logging.INFO,
    "change_refused": logging.WARNING,
}
_WORDS = {"fell_back": "fallback", "passed_over": "passed over"}


class EventLog:
    """Logs the events of one sender's encoder: the same refusal once, and what comes with single frames as debug."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._told: set[tuple[str, str, str | None]] = set()

    def event(self, event: Event) -> None:
        """Logs one event."""
        level = _LEVELS.get(event.kind, logging.DEBUG)
        if event.kind == "passed_over":
            key = (event.kind, event.backend, event.reason)
            level = logging.DEBUG if key in self._told else logging.INFO if event.reason in _ABSENT else level
            self._told.add(key)
        if logger.isEnabledFor(level):
            self.line(level, "%s", describe(event))

    def line(self, level: int, text: str, *values: object) -> None:
        """Logs one line of this sender's encoder."""
        logger.log(level, f"[direct264] encoder %d: {text}", self._number, *values)


def describe(event: Event) -> str:
    """An event in one line.

    >>> describe(Event(7, "openh264", "fell_back", "driver_error", {"from": "nvenc"}, "see docs/failover.md"))
    'fallback at frame 7, openh264, driver_error (from=nvenc); see docs/failover.md'
    """
    detail = ", ".join(f"{name}={value}" for name, value in event.detail.items())
    reason = f", {event.reason}" if event.reason else ""
    text = f"{_WORDS.get(event.kind, event.kind)} at frame {event.frame_id}, {event.backend}{reason}"
    return text + (f" ({detail})" if detail else "") + (f"; {event.advice}" if event.advice else "")
