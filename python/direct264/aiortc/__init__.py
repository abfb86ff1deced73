"""Makes aiortc encode H.264 with direct264, by one call.

>>> import direct264.aiortc
>>> preference = direct264.aiortc.prefer()      # every H.264 sender that starts from now on
>>> preference.restore()                        # new senders use aiortc's own encoder again
>>> with direct264.aiortc.prefer():             # the same for one block
...     pass

`attach(sender)` switches one sender, `stats(sender)` tells what its encoder does. The log goes to the logger
``direct264.aiortc``; each line begins with ``[direct264]``.
"""

from ._fit import UnsupportedAiortcError, check

# The modules below import names of aiortc that an unknown aiortc may lack.
check()

from ._device import gpu_frame  # noqa: E402
from ._encoder import H264Encoder  # noqa: E402
from ._hook import Attachment, Preference, attach, prefer, restore, stats  # noqa: E402
from ._options import Options  # noqa: E402
from ._stats import Stats  # noqa: E402

__all__ = [
    "Attachment",
    "H264Encoder",
    "Options",
    "Preference",
    "Stats",
    "UnsupportedAiortcError",
    "attach",
    "gpu_frame",
    "prefer",
    "restore",
    "stats",
]
