"""Low-latency H.264: NVENC driven directly, with openh264 where there is no NVENC.

>>> import direct264
>>> with direct264.Encoder(64, 48, fps=30, bitrate=300_000, backend="openh264") as encoder:
...     unit = encoder.encode(bytearray(64 * 48 * 3 // 2), format="i420")
>>> unit.is_idr, unit.backend, bytes(unit)[:4]
(True, 'openh264', b'\\x00\\x00\\x00\\x01')
"""

from ._direct264 import AccessUnit, Encoder, __version__, probe
from ._errors import (
    ClosedError,
    ConfigError,
    EncodeError,
    Error,
    FrameError,
    FrameTypeError,
    SettingTypeError,
    StillInUseError,
    UnavailableError,
)
from ._facts import Backend, Counters, Event, Gpu, Latency, PassedOver, Probe, RefreshPlace, StageTimes
from ._settings import Failover, Nvenc

__all__ = [
    "AccessUnit",
    "Backend",
    "ClosedError",
    "ConfigError",
    "Counters",
    "EncodeError",
    "Encoder",
    "Error",
    "Event",
    "Failover",
    "FrameError",
    "FrameTypeError",
    "Gpu",
    "Latency",
    "Nvenc",
    "PassedOver",
    "Probe",
    "RefreshPlace",
    "SettingTypeError",
    "StageTimes",
    "StillInUseError",
    "UnavailableError",
    "__version__",
    "probe",
]
