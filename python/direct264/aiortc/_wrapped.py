"""Functions of other modules, wrapped for a while."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Container, Hashable, Iterator
from types import ModuleType
from typing import Any


class Wrapped:
    """A function of a module that is wrapped while it is wanted.

    The wrapper passes calls on when nothing holds, so it may stay where somebody else has wrapped it meanwhile.
    """

    def __init__(self, module: ModuleType, name: str, wrap: Callable[[Any], Any]) -> None:
        self._module = module
        self._name = name
        self._wrap = wrap
        self._before: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()
        """The function behind each wrapper made so far."""

    def install(self) -> None:
        """Wraps the function, unless calls of it reach a wrapper already."""
        current = getattr(self._module, self._name)
        if not leads_to(current, self._before):
            wrapper = self._wrap(current)
            self._before[wrapper] = current
            setattr(self._module, self._name, wrapper)

    def remove(self) -> None:
        """Puts the function back, unless the module has somebody else's by now."""
        while (before := self._before.get(getattr(self._module, self._name))) is not None:
            setattr(self._module, self._name, before)


def leads_to(function: Any, targets: Container[Any]) -> bool:
    """Whether `function` is one of `targets`, or wraps one as far as its attributes and its closure show.

    >>> import functools
    >>> leads_to(functools.partial(print), {print}), leads_to(len, {print})
    (True, False)
    """
    seen: set[int] = set()
    waiting = [function]
    while waiting:
        current = waiting.pop()
        if isinstance(current, Hashable) and current in targets:
            return True
        if id(current) not in seen and len(seen) < 100:
            seen.add(id(current))
            waiting.extend(_inside(current))
    return False


def _inside(function: Any) -> Iterator[Any]:
    for name in ("__wrapped__", "__func__", "func"):
        inner = getattr(function, name, None)
        if callable(inner):
            yield inner
    for cell in getattr(function, "__closure__", None) or ():
        try:
            content = cell.cell_contents
        except ValueError:
            continue
        if callable(content):
            yield content
