"""Settings of one backend, and of the change between backends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Nvenc:
    """Settings that only NVENC has. Other backends ignore them.

    >>> Nvenc(preset="p3", gpu=1, reference_frames=4).preset
    'p3'
    """

    preset: Literal["p1", "p2", "p3", "p4", "p5", "p6", "p7"] = "p1"
    """``p1`` is the fastest, ``p7`` gives the best picture for its bits."""
    multi_pass: Literal["off", "quarter", "full"] = "off"
    """Passes over a picture: one, or a first pass at a quarter of the resolution or at full resolution."""
    vbv_percent: int = 100
    """Size of the VBV in percent of one frame's share of the bitrate, 1 to 10,000."""
    intra_refresh: tuple[int, int] | None = None
    """A periodic intra refresh: its period and its length in frames."""
    single_slice_refresh: bool = False
    """Whether a picture keeps its one slice during an intra refresh."""
    reference_frames: int = 1
    """Number of reference frames, 1 to 16. With *n*, a loss reported within *n* - 1 frames needs no IDR."""
    gpu: int | str = "any"
    """``"any"``, ``"spread"``, an index in CUDA's order, or a UUID."""
    limits: tuple[float, float, float] | None = (10.0, 1.0, 0.5)
    """Time limits of driver calls in seconds: of opening, of calls until the first access unit, of later calls.

    With ``None`` the driver calls are made on the caller's thread without a limit.
    """
    converts_rgb: bool = False
    """Whether NVENC converts RGB of 4 bytes a pixel to any colour of the stream."""


@dataclass(frozen=True, slots=True)
class Failover:
    """Settings of the change between backends, and of bitrate changes.

    >>> Failover(retry=(5.0, 300.0)).bitrate_threshold_percent
    10
    """

    retry: tuple[float, float] | None = (1.0, 60.0)
    """Seconds until the first retry of a backend that failed, and the longest wait. ``None`` for no retries."""
    warm_software: bool = False
    """Whether the software encoder is opened at once and kept, so that a failover costs one software encode."""
    bitrate_threshold_percent: int = 10
    """A smaller increase of the bitrate, in percent of the rate in force, waits. With 0 each increase passes at once."""
