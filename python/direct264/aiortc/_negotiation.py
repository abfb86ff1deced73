"""H.264 before VP8 in what aiortc offers and answers."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import aiortc.rtcpeerconnection
from aiortc import RTCRtpCodecParameters
from aiortc.codecs import CODECS

from ._wrapped import Wrapped

Codecs = list[RTCRtpCodecParameters]


class Negotiation:
    """Puts H.264 first while it is wanted. `setCodecPreferences` of a transceiver goes before that."""

    def __init__(self, is_wanted: Callable[[], bool]) -> None:
        self._before: Codecs | None = None
        self._answers = Wrapped(
            aiortc.rtcpeerconnection, "find_common_codecs", functools.partial(_wrap_find_common_codecs, is_wanted)
        )

    def install(self) -> None:
        """Reorders aiortc's list of codecs, from which offers are made, and wraps the function behind answers."""
        self._answers.install()
        if self._before is None:
            self._before = list(CODECS["video"])
            CODECS["video"][:] = h264_first(CODECS["video"])

    def remove(self) -> None:
        """Restores the order. A codec that somebody else has added since stays, at the end."""
        self._answers.remove()
        if self._before is not None:
            place = {id(codec): number for number, codec in enumerate(self._before)}
            CODECS["video"].sort(key=lambda codec: place.get(id(codec), len(place)))
            self._before = None


def _wrap_find_common_codecs(is_wanted: Callable[[], bool], before: Callable[..., Codecs]) -> Callable[..., Codecs]:
    @functools.wraps(before)
    def find_common_codecs(*arguments: Any, **named: Any) -> Codecs:
        common = before(*arguments, **named)
        return h264_first(common) if is_wanted() else common

    return find_common_codecs


def h264_first(codecs: Codecs) -> Codecs:
    """The codecs with H.264 and its retransmission in front, otherwise in their order.

    >>> [codec.name for codec in h264_first(CODECS["video"])]
    ['H264', 'rtx', 'H264', 'rtx', 'VP8', 'rtx']
    """
    chosen = {codec.payloadType for codec in codecs if codec.mimeType.lower() == "video/h264"}

    def is_later(codec: RTCRtpCodecParameters) -> bool:
        return codec.payloadType not in chosen and codec.parameters.get("apt") not in chosen

    return sorted(codecs, key=is_later)
