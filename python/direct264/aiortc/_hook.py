"""The places of aiortc that the drop-in wraps, and the preferences for which it does."""

from __future__ import annotations

import functools
import logging
import threading
import weakref
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Self

import aiortc.rtcrtpsender
from aiortc import RTCRtpCodecParameters, RTCRtpSender
from aiortc.codecs.base import Encoder
from aiortc.codecs.h264 import DEFAULT_BITRATE
from aiortc.codecs.h264 import H264Encoder as Libx264Encoder

from . import _fit
from ._encoder import H264Encoder
from ._negotiation import Negotiation
from ._options import Options
from ._stats import Meter, Stats
from ._wrapped import Wrapped

logger = logging.getLogger("direct264.aiortc")

_ENCODER = "_RTCRtpSender__encoder"
_NEXT = "_next_encoded_frame"
_lock = threading.RLock()
_preferences: list[Preference] = []
"""Those that hold; the last one counts."""
_attachments: weakref.WeakKeyDictionary[RTCRtpSender, list[Attachment]] = weakref.WeakKeyDictionary()
"""Those that hold for a sender; the last one counts."""
_meters: weakref.WeakKeyDictionary[RTCRtpSender, Meter] = weakref.WeakKeyDictionary()


class Preference:
    """Has new senders use direct264 until `restore`, or to the end of a ``with`` block."""

    def __init__(self, options: Options) -> None:
        self.options = options

    def restore(self) -> None:
        """Ends this preference. A second call does nothing. Senders that run go on as they are."""
        with _lock:
            if self in _preferences:
                _preferences.remove(self)
                _follow()
                logger.info("[direct264] preference ended, %d left", len(_preferences))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.restore()


class Attachment(Preference):
    """Has one sender use direct264 until `restore`, to the end of a ``with`` block, or until the sender is gone."""

    def __init__(self, sender: RTCRtpSender, options: Options) -> None:
        super().__init__(options)
        self._sender = weakref.ref(sender)

    def restore(self) -> None:
        """Ends this attachment. A second call does nothing. The sender changes over with its next frame, to an IDR."""
        sender = self._sender()
        with _lock:
            held = _attachments.get(sender, []) if sender is not None else []
            if sender is None or self not in held:
                return
            held.remove(self)
            if not held:
                del _attachments[sender]
                _unwrap_sender(sender)
                if isinstance(getattr(sender, _ENCODER, None), H264Encoder):
                    setattr(sender, _ENCODER, None)
            _follow()
            logger.info("[direct264] attachment to a sender ended")


def prefer(options: Options | None = None) -> Preference:
    """Has every H.264 sender that encodes its first frame from now on use direct264.

    Senders that encode already go on as they are. Preferences nest: the newest that holds counts. The call opens no
    device, so it may stand at the top of a module.

    Raises `UnsupportedAiortcError` for an aiortc of another structure, and `ConfigError` for settings that cannot work;
    aiortc is then as it was.

    >>> with prefer(Options(max_bitrate=8_000_000)) as preference:
    ...     preference.options.max_bitrate
    8000000
    """
    preference = Preference(_checked(options))
    with _lock:
        _preferences.append(preference)
        _follow()
    told = preference.options
    logger.info(
        "[direct264] activated for new H.264 senders of aiortc %s: backend %s, %d to %d kbit/s, H.264 %s",
        _fit.version(),
        told.backend,
        told.min_bitrate // 1000,
        told.max_bitrate // 1000,
        "negotiated first" if told.negotiate else "where it is negotiated",
    )
    return preference


def restore() -> None:
    """Ends every preference and every attachment: aiortc is as it was before the first."""
    with _lock:
        for attachments in list(_attachments.values()):
            for attachment in list(attachments):
                attachment.restore()
        for preference in list(_preferences):
            preference.restore()
        _follow()


def attach(sender: RTCRtpSender, options: Options | None = None) -> Attachment:
    """Has one sender use direct264, whatever `prefer` says. Call it on the thread of the event loop.

    A sender that encodes H.264 by libx264 already changes over with its next frame, which becomes an IDR. With
    ``Options(negotiate=True)``, the default, H.264 comes first in every offer and answer of this process while the
    attachment holds: aiortc does not tell for which sender it negotiates.

    Raises what `prefer` raises.
    """
    attachment = Attachment(sender, _checked(options))
    with _lock:
        _attachments.setdefault(sender, []).append(attachment)
        _wrap_sender(sender)
        _follow()
    logger.info("[direct264] activated for one sender: backend %s", attachment.options.backend)
    return attachment


def stats(sender: RTCRtpSender) -> Stats:
    """The figures of a sender's encoder. Never waits for a frame that is being encoded.

    Before the first frame, and for a sender that direct264 does not encode for, all figures are zero and `backend` is
    ``None``. A sender that has ended keeps its figures if they were asked for while it ran.
    """
    encoder = getattr(sender, _ENCODER, None)
    if isinstance(encoder, H264Encoder):
        _meters[sender] = encoder.meter
    meter = _meters.get(sender)
    return Stats() if meter is None else meter.stats()


def _checked(options: Options | None) -> Options:
    _fit.check()
    options = Options() if options is None else options
    options.check()
    return options


def _negotiates() -> bool:
    held = [preference.options for preference in _preferences]
    held += [attachment.options for attachments in list(_attachments.values()) for attachment in attachments]
    return any(options.negotiate for options in held)


def _wrap_get_encoder(before: Callable[[RTCRtpCodecParameters], Encoder]) -> Callable[[RTCRtpCodecParameters], Encoder]:
    @functools.wraps(before)
    def get_encoder(codec: RTCRtpCodecParameters) -> Encoder:
        # A copy, since another thread may end a preference meanwhile.
        held = _preferences[-1:]
        return H264Encoder(held[0].options) if held and _is_h264(codec) else before(codec)

    return get_encoder


_get_encoder = Wrapped(aiortc.rtcrtpsender, "get_encoder", _wrap_get_encoder)
_negotiation = Negotiation(_negotiates)


def _follow() -> None:
    """Wraps or unwraps aiortc's functions, as the preferences that hold want it."""
    _get_encoder.install() if _preferences else _get_encoder.remove()
    _negotiation.install() if _negotiates() else _negotiation.remove()


def _is_h264(codec: RTCRtpCodecParameters) -> bool:
    return codec.mimeType.lower() == "video/h264"


class _Sending:
    """`_next_encoded_frame` of one sender, which gives the sender its encoder first."""

    def __init__(self, sender: RTCRtpSender) -> None:
        self.before: Callable[[RTCRtpCodecParameters], Awaitable[Any]] | None = sender.__dict__.get(_NEXT)
        self._sender = weakref.ref(sender)  # The sender would otherwise refer to itself.

    async def __call__(self, codec: RTCRtpCodecParameters) -> Any:
        sender = self._sender()
        assert sender is not None, "a sender awaits this"
        _give_encoder(sender, codec)
        return await (type(sender)._next_encoded_frame(sender, codec) if self.before is None else self.before(codec))


def _wrap_sender(sender: RTCRtpSender) -> None:
    if not isinstance(sender.__dict__.get(_NEXT), _Sending):
        sender.__dict__[_NEXT] = _Sending(sender)
        # An attachment of a sender that is gone wants no negotiation any more.
        weakref.finalize(sender, _follow).atexit = False


def _unwrap_sender(sender: RTCRtpSender) -> None:
    current = sender.__dict__.get(_NEXT)
    if isinstance(current, _Sending):
        del sender.__dict__[_NEXT]
        if current.before is not None:
            sender.__dict__[_NEXT] = current.before


def _give_encoder(sender: RTCRtpSender, codec: RTCRtpCodecParameters) -> None:
    """Puts the encoder of the attachment that holds into the sender, between two frames."""
    held = _attachments.get(sender)
    if not held or not _is_h264(codec):
        return
    options, current = held[-1].options, getattr(sender, _ENCODER)
    if isinstance(current, H264Encoder) and current.options == options:
        return
    # The encoder of somebody else's wrapper stays.
    if current is None or type(current) in (Libx264Encoder, H264Encoder):
        encoder = H264Encoder(options)
        if _is_told(current):
            encoder.target_bitrate = current.target_bitrate
        setattr(sender, _ENCODER, encoder)


def _is_told(encoder: Any) -> bool:
    """Whether the receiver has told an encoder its estimate."""
    started = encoder.options.bitrate if isinstance(encoder, H264Encoder) else DEFAULT_BITRATE
    return encoder is not None and bool(encoder.target_bitrate != started)
