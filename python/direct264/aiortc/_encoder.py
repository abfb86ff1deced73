"""aiortc's H.264 encoder with direct264 inside."""

from __future__ import annotations

import itertools
import logging
import time

import av
import av.frame
from aiortc.codecs.h264 import PACKET_MAX
from aiortc.codecs.h264 import H264Encoder as Libx264Encoder
from aiortc.mediastreams import VIDEO_TIME_BASE, convert_timebase

from .. import _direct264
from .._errors import FrameError
from ._colour import Matrix, for_direct264, for_libx264, matrix_of
from ._device import DeviceFrame, carried
from ._log import EventLog
from ._options import Options
from ._pace import BackOff, FrameClock
from ._stats import Meter

_numbers = itertools.count(1)
_LIBX264 = "libx264"


class H264Encoder(Libx264Encoder):
    """aiortc's encoder with direct264 inside. aiortc's own code, libx264, stands in where direct264 fails.

    aiortc calls `encode` on threads of the event loop's executor, one call at a time. Setting `target_bitrate` never
    waits for a frame that is being encoded. The encoder opens with the first frame, so that making this object costs the
    event loop nothing.

    A failure leaves the same frame to libx264, as an IDR. Frames go to direct264 again after 10 s; the wait doubles with
    each failure, to 10 minutes.
    """

    def __init__(self, options: Options | None = None) -> None:
        super().__init__()
        self.options = Options() if options is None else options
        number = next(_numbers)
        self._clock = FrameClock()
        self._back_off = BackOff()
        self.meter = Meter(number, self.options.bitrate, self._clock)
        """The figures of this encoder."""
        self._log = EventLog(number)
        self._encoder: _direct264.Encoder | None = None
        self._matrix: Matrix = "bt709"
        self._told_fps = 0.0
        self._stands_in = False
        self._left_out: str | None = None

    @property
    def target_bitrate(self) -> int:
        """Target in bit/s, within the limits of the options. The next frame takes it, without an IDR."""
        return self.meter.target

    @target_bitrate.setter
    def target_bitrate(self, bitrate: int) -> None:
        self.meter.target = self.options.clamped(bitrate)

    def encode(self, frame: av.frame.Frame, force_keyframe: bool = False) -> tuple[list[bytes], int]:
        """Encodes a frame into RTP payloads, and gives them with the RTP timestamp. The frame is not written to.

        Raises only what libx264 raises for a frame that nothing can encode.
        """
        if not isinstance(frame, av.VideoFrame) or frame.pts is None or frame.time_base is None:
            return super().encode(frame, force_keyframe)
        start = time.perf_counter()
        timestamp = convert_timebase(frame.pts, frame.time_base, VIDEO_TIME_BASE)
        self._clock.see(timestamp)
        device = carried(frame)
        unit = self._by_direct264(frame, device, force_keyframe, timestamp)
        if unit is not None:
            payloads, backend, is_idr = unit.rtp_payloads(PACKET_MAX), unit.backend, unit.is_idr
            size = (frame.width, frame.height) if device is None else device.size
        elif device is not None:
            self.meter.change("left_out")
            return [], timestamp
        else:
            payloads, is_idr = self._by_libx264(frame, force_keyframe, timestamp)
            backend, size = _LIBX264, (frame.width, frame.height)
        self.meter.add(backend, is_idr, payloads, size, timestamp, time.perf_counter() - start)
        return payloads, timestamp

    def _by_direct264(
        self, frame: av.VideoFrame, device: DeviceFrame | None, force_keyframe: bool, timestamp: int
    ) -> _direct264.AccessUnit | None:
        """The access unit; `None` if direct264 failed now, or failed lately."""
        if not self._back_off.is_due():
            return None
        try:
            encoder = self._encoder or self._open(frame, device)
            unit = self._unit(encoder, frame, device, force_keyframe, timestamp)
        # aiortc ends a sender for good at an exception of any kind.
        except Exception as error:
            self._fail(error, device)
            return None
        finally:
            self._take_events()
        if self._stands_in:
            self._return_from_libx264()
        return unit

    def _unit(
        self, encoder: _direct264.Encoder, frame: av.VideoFrame, device: DeviceFrame | None, idr: bool, timestamp: int
    ) -> _direct264.AccessUnit:
        if self._told_fps != self._clock.fps:
            encoder.fps = (round(self._clock.fps * 1000), 1000)
            self._told_fps = self._clock.fps
        if encoder.bitrate != self.meter.target:
            encoder.bitrate = self.meter.target
        if device is None:
            read = for_direct264(frame, self._matrix)
            return encoder.encode(read, idr=idr, pts=timestamp, time_base=VIDEO_TIME_BASE)
        return encoder.encode(
            device.array,
            idr=idr,
            pts=timestamp,
            time_base=VIDEO_TIME_BASE,
            format=device.format,
            stream=device.stream,
            keep=device.keep,
        )

    def _open(self, frame: av.VideoFrame, device: DeviceFrame | None) -> _direct264.Encoder:
        start = time.perf_counter()
        size = (frame.width, frame.height) if device is None else device.size
        self._matrix = "bt709" if device is not None else matrix_of(frame)
        self._told_fps = self._clock.fps
        encoder = self.options.open(size, self._told_fps, self.meter.target, self._matrix)
        self._encoder = encoder
        self.meter.change("opened", bitrate=encoder.bitrate)
        self._log.line(
            logging.INFO,
            "selected %s, %dx%d at %.4g frames/s, %d kbit/s, in %.1f ms",
            encoder.backend,
            *size,
            self._told_fps,
            encoder.bitrate // 1000,
            1000 * (time.perf_counter() - start),
        )
        return encoder

    def _take_events(self) -> None:
        if self._encoder is None:
            return
        for event in self._encoder.take_events():
            self.meter.see(event)
            self._log.event(event)

    def _fail(self, error: Exception, device: DeviceFrame | None) -> None:
        text = f"{type(error).__name__}: {error}"
        # An array that does not fit leaves the encoder good, and libx264 reads no arrays.
        if isinstance(error, FrameError) and device is not None:
            if self._left_out != text:
                self._log.line(logging.WARNING, "frame left out: %s", text)
            self._left_out = text
            return
        self._back_off.fail()
        self.meter.change("fallbacks" if not self._stands_in else "failures", error=text)
        advice = getattr(error, "advice", "")
        self._log.line(
            logging.WARNING,
            "fallback to libx264 with the same frame: %s%s; next attempt in %.0f s",
            text,
            f"; {advice}" if advice else "",
            self._back_off.wait,
        )
        self._take_events()
        # The next attempt opens another encoder, whose first access unit is an IDR.
        self._encoder = None

    def _by_libx264(self, frame: av.VideoFrame, force_keyframe: bool, timestamp: int) -> tuple[list[bytes], bool]:
        is_first = not self._stands_in
        self._stands_in = True
        own = for_libx264(frame, self._matrix)
        own.pts, own.time_base = timestamp, VIDEO_TIME_BASE
        payloads, _ = super().encode(own, force_keyframe or is_first)
        return payloads, is_idr(payloads)

    def _return_from_libx264(self) -> None:
        self._stands_in = False
        self.codec = None
        self.meter.change("restorations")
        self._log.line(logging.INFO, "restored: direct264 encodes again, from an IDR on")


def is_idr(payloads: list[bytes]) -> bool:
    """Whether RTP payloads of an access unit hold a slice of an IDR.

    >>> is_idr([bytes([0x65, 0x88])]), is_idr([bytes([0x41, 0x9A])])
    (True, False)
    >>> is_idr([bytes([0x78, 0, 2, 0x67, 0x42, 0, 1, 0x65])]), is_idr([bytes([0x7C, 0x85, 0])])
    (True, True)
    """
    return any(5 in _nal_types(payload) for payload in payloads)


def _nal_types(payload: bytes) -> list[int]:
    kind = payload[0] & 31
    if kind == 28:
        return [payload[1] & 31]
    if kind != 24:
        return [kind]
    kinds, at = [], 1
    while at + 2 < len(payload):
        kinds.append(payload[at + 2] & 31)
        at += 2 + int.from_bytes(payload[at : at + 2], "big")
    return kinds
