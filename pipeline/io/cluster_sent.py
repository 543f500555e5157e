"""Work as it travels to workers: unpacked once in each of their processes, not once a batch.

What work builds while it runs (baselines, masks of stored pixels, outlines on a grid) stays with
it, so that a worker finds it again with its next batch, as a thread does.
"""

from __future__ import annotations

import hashlib
import importlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Any

_KEPT = 2  # works whose state is kept: the sweep that runs, and one that overlaps it
_kept: OrderedDict[str, Callable[[Any], Any]] = OrderedDict()
_lock = Lock()


@dataclass(frozen=True)
class Sent:
    """A function, packed; ``name`` is the SHA-256 of what it was packed to."""

    name: str
    packed: bytes

    @classmethod
    def of(cls, work: Callable[[Any], Any]) -> Sent:
        """Pack a function, with what it refers to."""
        # What Dask itself packs functions with; it comes with it.
        packed: bytes = importlib.import_module("cloudpickle").dumps(work)
        return cls(hashlib.sha256(packed).hexdigest(), packed)

    def here(self) -> Callable[[Any], Any]:
        """Give the function, the same one for all batches that this process gets."""
        with _lock:
            work = _kept.get(self.name)
            if work is None:
                work = importlib.import_module("cloudpickle").loads(self.packed)
                _kept[self.name] = work
            _kept.move_to_end(self.name)
            while len(_kept) > _KEPT:
                _kept.popitem(last=False)
            return work
