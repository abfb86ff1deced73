"""Exceptions, by what the caller can do next."""

# An abi3 module for Python 3.11 cannot subclass exceptions, so the classes are made here and the extension imports them.


class Error(Exception):
    """Base class of every failure of direct264.

    ``reason`` is a word of a closed set, such as ``"no_driver"``. ``advice`` tells a person what to do; it may be empty.
    """

    reason: str | None = None
    advice: str = ""


class ConfigError(Error, ValueError):
    """The settings cannot work. No device was touched: fix the call."""


class FrameError(Error, ValueError):
    """The frame does not fit the encoder. The encoder is still good: fix the call."""


class SettingTypeError(ConfigError, TypeError):
    """A setting is of a type that is not taken."""


class FrameTypeError(FrameError, TypeError):
    """The object is no frame."""


class UnavailableError(Error, RuntimeError):
    """This machine has no encoder of this kind: try another backend."""


class EncodeError(Error, RuntimeError):
    """A call of the driver or the library failed. The encoder is spent: open another one."""


class ClosedError(Error, RuntimeError):
    """The encoder was closed, or its session has ended: open another one."""


class StillInUseError(Error, RuntimeError):
    """Device memory may still be read. The encoder is unchanged: keep the memory and ask again."""
