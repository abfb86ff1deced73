"""Check that this aiortc is built the way the drop-in relies on."""

from __future__ import annotations

import importlib
import inspect
import logging
from operator import attrgetter
from types import CodeType
from typing import Any

from .._errors import Error

logger = logging.getLogger("direct264.aiortc")

TESTED = ("1.14", "1.16")
"""The oldest and the newest release of aiortc that the tests run on."""

_NEEDED = (
    ("aiortc", "__version__"),
    ("aiortc.codecs", "CODECS"),
    ("aiortc.codecs.h264", "PACKET_MAX"),
    ("aiortc.codecs.h264", "H264Encoder.encode"),
    ("aiortc.codecs.h264", "H264Encoder.pack"),
    ("aiortc.codecs.h264", "H264Encoder._encode_frame"),
    ("aiortc.codecs.h264", "H264Encoder.target_bitrate"),
    ("aiortc.mediastreams", "VIDEO_TIME_BASE"),
    ("aiortc.mediastreams", "convert_timebase"),
    ("aiortc.rtcpeerconnection", "RTCPeerConnection.setRemoteDescription"),
    ("aiortc.rtcpeerconnection", "find_common_codecs"),
    ("aiortc.rtcrtpsender", "RTCRtpSender._next_encoded_frame"),
    ("aiortc.rtcrtpsender", "get_encoder"),
)
_CALLED = (
    ("aiortc.rtcpeerconnection", "RTCPeerConnection.setRemoteDescription", "find_common_codecs"),
    ("aiortc.rtcrtpsender", "RTCRtpSender._next_encoded_frame", "get_encoder"),
    ("aiortc.rtcrtpsender", "RTCRtpSender._next_encoded_frame", "_RTCRtpSender__encoder"),
)


class UnsupportedAiortcError(Error, RuntimeError):
    """This aiortc is built in another way than the drop-in knows. aiortc was left as it was."""

    advice = f"install aiortc {TESTED[0]} to {TESTED[1]}"


def check() -> None:
    """Raises `UnsupportedAiortcError` if aiortc lacks what the drop-in relies on. Changes nothing."""
    lacking = [f"{module}.{name} does not exist" for module, name in _NEEDED if _found(module, name) is None]
    if not lacking:
        lacking = [f"{name} does not use {used}" for module, name, used in _CALLED if not _uses(module, name, used)]
    if lacking:
        known = f"direct264.aiortc knows aiortc {TESTED[0]} to {TESTED[1]}"
        raise UnsupportedAiortcError(f"{known}, not this aiortc {version()}: {lacking[0]}; aiortc is left as it was")
    if not is_tested():
        logger.debug("[direct264] aiortc %s is not tested (%s to %s are); its structure fits", version(), *TESTED)


def version() -> str:
    """The version of aiortc, or ``"?"``."""
    return str(_found("aiortc", "__version__") or "?")


def is_tested() -> bool:
    """Whether aiortc's version is one that the tests run on."""
    release = [int(part) if part.isdigit() else 0 for part in version().split(".")[:2]]
    oldest, newest = ([int(part) for part in tested.split(".")] for tested in TESTED)
    return oldest <= release <= newest


def _found(module: str, name: str) -> Any:
    try:
        return attrgetter(name)(importlib.import_module(module))
    except AttributeError:
        return None
    except ModuleNotFoundError:
        # Without aiortc itself, Python's own message says it best.
        if module == "aiortc":
            raise
        return None


def _uses(module: str, name: str, used: str) -> bool:
    code = getattr(inspect.unwrap(_found(module, name)), "__code__", None)
    return isinstance(code, CodeType) and used in code.co_names
