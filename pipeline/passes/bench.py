"""What one object of changed ground is held against, look by look."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pipeline.detect.expect import Baseline, Days
from pipeline.detect.look_surface import Surface
from pipeline.detect.normal import Normal
from pipeline.model import Pass, Window
from pipeline.passes.ground import Looks
from pipeline.passes.quarter import Normals

_HELD_BYTES = 24 << 20  # of looks beside their normal, for one object
_SURFACE_BYTES = 48  # of a pixel of one

Ranks = Sequence[NDArray[np.float32]]


def least_of(days: Days) -> NDArray[np.float32]:
    """Give the rank that the level of each reach surely reached; NaN where that is not known."""
    least = [d.level.least for d in days]
    return np.array([np.nan if v is None else v for v in least], np.float32)


@dataclass(frozen=True)
class Bench:
    """One quarter against which one object is followed: its normal, and the level of every look.

    Several questions are asked of the same looks over the object's window; they are held as long as
    the bench is, up to a number of bytes.
    """

    looks: Looks
    normals: Normals
    ranks: Ranks  # per pass of ``looks``, (n_reach + 1,)
    least: Ranks  # that the levels surely reached, in the same order; NaN where none is known
    _given: dict[Window, tuple[Normal, Baseline]] = field(
        default_factory=dict[Window, tuple[Normal, Baseline]], repr=False
    )
    _held: dict[tuple[Window, str], Surface] = field(
        default_factory=dict[tuple[Window, str], Surface], repr=False
    )

    def given(self, window: Window) -> tuple[Normal, Baseline]:
        """Give the normal and the water history of a window."""
        if window not in self._given:
            self._given[window] = self.normals.given(window)
        return self._given[window]

    def history(self, window: Window) -> Baseline:
        """Give the water history of a window."""
        return self.given(window)[1]

    def surfaces(
        self, window: Window, wanted: Callable[[Pass], bool]
    ) -> Iterator[tuple[Pass, Surface, NDArray[np.float32]]]:
        """Give the wanted looks over a window beside their normal, with their ranks."""
        for p, rank in zip(self.looks.passes, self.ranks, strict=True):
            if wanted(p):
                yield p, self._surface(p, window, rank), rank

    def _surface(self, p: Pass, window: Window, rank: NDArray[np.float32]) -> Surface:
        key = (window, p.id)
        if key not in self._held:
            made = self.normals.surface(p, window, rank, self.given(window))
            rows, cols = window.shape
            if (len(self._held) + 1) * rows * cols * _SURFACE_BYTES > _HELD_BYTES:
                return made
            self._held[key] = made
        return self._held[key]
