"""Settings of the drop-in."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

from aiortc.codecs.h264 import DEFAULT_BITRATE, MAX_BITRATE, MIN_BITRATE

from .._direct264 import Encoder
from .._errors import ConfigError, UnavailableError
from .._settings import Failover, Nvenc


@dataclass(frozen=True, slots=True)
class Options:
    """Settings of the senders that use direct264. Bitrates are in bit/s, and default to aiortc's own.

    >>> Options(max_bitrate=8_000_000).min_bitrate
    500000
    >>> Options(bitrate=9_000_000)
    Traceback (most recent call last):
    ...
    direct264._errors.ConfigError: bitrate=9000000: min_bitrate=500000 to max_bitrate=3000000 is taken
    """

    backend: Literal["auto", "nvenc", "openh264"] | Sequence[Literal["nvenc", "openh264"]] = "auto"
    """The backend, or backends in the order in which they are tried. ``"auto"`` is NVENC, then openh264."""
    bitrate: int = DEFAULT_BITRATE
    """The target until the receiver has sent its first estimate."""
    min_bitrate: int = MIN_BITRATE
    """The lowest target that an estimate of the receiver gives."""
    max_bitrate: int = MAX_BITRATE
    """The highest target that an estimate of the receiver gives."""
    threads: int | None = None
    """Threads of the software encoder. ``None`` leaves the choice to the library."""
    profile: Literal["constrained_baseline", "main", "high"] = "constrained_baseline"
    """The profile of the stream. aiortc negotiates baseline whatever this says."""
    nvenc: Nvenc | None = None
    failover: Failover | None = None
    """Retries of NVENC, a software encoder kept open (``warm_software``), the threshold of bitrate changes."""
    negotiate: bool = True
    """Whether H.264 comes before VP8 in offers and answers while the preference holds. aiortc offers VP8 first, and
    answers in the order of the offer."""

    def __post_init__(self) -> None:
        if not 0 < self.min_bitrate <= self.max_bitrate:
            raise ConfigError(f"min_bitrate={self.min_bitrate}: 1 to max_bitrate={self.max_bitrate} is taken")
        if not self.min_bitrate <= self.bitrate <= self.max_bitrate:
            limits = f"min_bitrate={self.min_bitrate} to max_bitrate={self.max_bitrate}"
            raise ConfigError(f"bitrate={self.bitrate}: {limits} is taken")
        words = [self.backend] if isinstance(self.backend, str) else list(self.backend)
        taken = ("auto", "nvenc", "openh264") if isinstance(self.backend, str) else ("nvenc", "openh264")
        if not words or any(word not in taken for word in words):
            raise ConfigError(f"backend={self.backend!r}: auto, nvenc, openh264 or a sequence of backends is taken")

    def clamped(self, bitrate: int) -> int:
        """`bitrate` within the limits.

        >>> Options().clamped(50)
        500000
        """
        return max(self.min_bitrate, min(bitrate, self.max_bitrate))

    def check(self) -> None:
        """Raises `ConfigError` for settings that no encoder takes. Opens a small software encoder, for about 1 ms."""
        with suppress(UnavailableError):
            self.open((64, 48), 30.0, self.bitrate, "bt709", backend="openh264").close()

    def open(
        self, size: tuple[int, int], fps: float, bitrate: int, matrix: Literal["bt709", "bt601"], **changed: Any
    ) -> Encoder:
        """Opens an encoder with these settings. Raises what `direct264.Encoder` raises."""
        settings: dict[str, Any] = {"backend": self.backend, **changed}
        return Encoder(
            *size,
            fps=(round(fps * 1000), 1000),
            bitrate=bitrate,
            max_bitrate=self.max_bitrate,
            matrix=matrix,
            threads=self.threads,
            profile=self.profile,
            nvenc=self.nvenc,
            failover=self.failover,
            **settings,
        )
