"""Facts that an encoder and a probe tell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class StageTimes(NamedTuple):
    """Seconds that each stage of one frame took. A stage that the backend does not have is 0."""

    convert: float
    """Colour conversion, padding and de-interleaving on the CPU."""
    upload: float
    """The copy of the pixels to the encoder's memory."""
    submit: float
    """The call that submits the picture. On openh264 this is the encoding itself."""
    wait: float
    """The wait for the access unit."""
    copy: float
    """The copy of the access unit out of the encoder's memory."""
    total: float
    """From the start of the call to its end. The binding's own time is not in it."""


class RefreshPlace(NamedTuple):
    """Place of a picture in an intra refresh."""

    number: int
    """The number of the picture in the refresh, from 1 to ``frames``."""
    frames: int
    """The length of the refresh in pictures."""

    @property
    def is_last(self) -> bool:
        """Whether the refresh ends with this picture.

        >>> RefreshPlace(3, 3).is_last
        True
        """
        return self.number == self.frames


@dataclass(frozen=True, slots=True)
class PassedOver:
    """A backend that was passed over, and the reason.

    >>> print(PassedOver("nvenc", "no_gpu", "the NVIDIA driver finds no GPU", "", ""))
    nvenc: the NVIDIA driver finds no GPU
    """

    backend: str
    reason: str
    """A word of a closed set, such as ``"no_driver"``."""
    sentence: str
    """The finding in one clause."""
    detail: str
    """The library, versions, call or status that was seen; may be empty."""
    advice: str
    """An action for a person; may be empty."""

    def __str__(self) -> str:
        detail = f" ({self.detail})" if self.detail else ""
        return f"{self.backend}: {self.sentence}{detail}"


@dataclass(frozen=True, slots=True)
class Event:
    """An event of a stream, at a frame."""

    frame_id: int
    """The frame being encoded, or else the next one."""
    backend: str
    kind: str
    """``selected``, ``passed_over``, ``fell_back``, ``restored``, ``recreated``, ``bitrate_changed``, ``rate_unmet``,
    ``change_refused``, ``idr_requested`` or ``invalidated``."""
    reason: str | None
    """A word of a closed set, for events that have a reason."""
    detail: dict[str, int | str]
    """The values of the kind, such as ``{"from": 1000000, "to": 2000000}`` for ``bitrate_changed``."""
    advice: str
    """An action for a person; may be empty."""


@dataclass(frozen=True, slots=True)
class Counters:
    """Counters of a stream so far."""

    fallbacks: int
    """The number of times that the stream had to leave a backend."""
    restorations: int
    """The number of times that the stream returned to a better backend."""
    frames: dict[str, int]
    """The frames that each backend encoded."""
    seconds: dict[str, float]
    """The time for which each backend had the stream."""


class Latency(NamedTuple):
    """Encode times of the frames so far, in seconds. Percentiles are rounded up by at most a 32nd."""

    frames: int
    p50: float
    p90: float
    p99: float
    max: float


@dataclass(frozen=True, slots=True)
class Gpu:
    """A GPU that the driver lists."""

    index: int
    uuid: str | None
    name: str
    why_not: PassedOver | None
    """Why the GPU does not encode; ``None`` if it does."""


@dataclass(frozen=True, slots=True)
class Backend:
    """The state of one backend on this machine."""

    name: str
    why_not: PassedOver | None
    """Why the backend does not open; ``None`` if it opens."""
    version: str | None
    """The version of the library, or the newest NVENC API of the driver."""
    simd: bool | None
    """Whether the software encoder has its SIMD code; ``None`` for other backends and for an unknown build."""
    gpus: tuple[Gpu, ...]


@dataclass(frozen=True, slots=True)
class Probe:
    """What this machine encodes with."""

    backends: tuple[Backend, ...]
    """Every backend, best first."""

    @property
    def auto(self) -> str | None:
        """The backend that ``backend="auto"`` takes; ``None`` if no backend opens."""
        return next((backend.name for backend in self.backends if backend.why_not is None), None)

    def __str__(self) -> str:
        lines = []
        for backend in self.backends:
            why = backend.why_not
            if why is None:
                names = ", ".join(gpu.name for gpu in backend.gpus if gpu.why_not is None)
                without = ", without SIMD (install nasm and build again)" if backend.simd is False else ""
                lines.append(f"{backend.name}: {backend.version}{without}{f' on {names}' if names else ''}")
            else:
                lines.append(f"{why}{f'; {why.advice}' if why.advice else ''}")
        lines.append(f"auto: {self.auto or 'no backend'}")
        return "\n".join(lines)
