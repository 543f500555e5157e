"""What was used last, up to a number of bytes; shared by all threads."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Recent(Generic[K, V]):
    """Things by key, the least recently used dropped first; one at least is kept.

    ``held`` are their bytes.
    """

    def __init__(self, limit: int, size: Callable[[V], int]) -> None:
        self._limit, self._size, self.held = limit, size, 0
        self._things: OrderedDict[K, V] = OrderedDict()
        self._lock = Lock()

    def get(self, key: K) -> V | None:
        """Give a thing, and count it as used; None where it is not kept."""
        with self._lock:
            thing = self._things.get(key)
            if thing is not None:
                self._things.move_to_end(key)
            return thing

    def put(self, key: K, thing: V) -> None:
        """Keep a thing; one that is kept under the key already stays."""
        with self._lock:
            if key not in self._things:
                self._things[key] = thing
                self.held += self._size(thing)
            while self.held > self._limit and len(self._things) > 1:
                self.held -= self._size(self._things.popitem(last=False)[1])

    def drop(self, which: Callable[[K], bool]) -> None:
        """Let go of some."""
        with self._lock:
            for key in [k for k in self._things if which(k)]:
                self.held -= self._size(self._things.pop(key))
