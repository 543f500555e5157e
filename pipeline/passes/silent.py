"""Ground that no longer tells the level: what certain looks have shown to be filled.

How often history saw water orders the pixels of a reach by height, and the water of a date says
which level it was. Ground that was filled stands above every level, whatever history saw there: it
contradicts the level of the reach on every date, pulls it down, and a few hectares of fill leave a
small reach without any. An object takes its own vote away when it is examined
(:func:`pipeline.detect.expect.leave_box_out`), but not those of the other fills. So what two
certain sightings on dates before a look have shown, and what an earlier patrol proved, is left out
of the levels and shores of that look. What is seen on the look itself never is, nor what comes
after it: within a patrol a look says the same whenever it is asked. A patrol that begins later has
what it did not judge itself from the ledger, and only for its own looks; a recheck judges nothing,
and so silences nothing new.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from pipeline.grid import pixels_to_mask
from pipeline.model import Kind, Pass, Sighting, Window
from pipeline.passes.ground import Sparse
from pipeline.passes.naming import sparse_mark

_STRIDE = np.int64(1) << 32  # pixel key = row * stride + col
_AROUND = np.array([r * _STRIDE + c for r in (-1, 0, 1) for c in (-1, 0, 1)], np.int64)


@dataclass
class Silent:
    """Pixels without a say, look by look; quarters of a patrol add to it as they are judged."""

    least: int  # certain sightings before a look that silence a pixel; 0: none ever
    standing: Sparse | None = None  # of cases that earlier patrols proved
    since: datetime | None = None  # from when on those are silent (UTC): start of the patrol
    _seen: dict[str, tuple[datetime, NDArray[np.int64]]] = field(
        default_factory=dict[str, tuple[datetime, NDArray[np.int64]]], repr=False
    )
    _held: dict[int, tuple[Sparse, str]] = field(
        default_factory=dict[int, tuple[Sparse, str]], repr=False
    )

    def tell(self, p: Pass, sightings: Iterable[Sighting]) -> None:
        """Note what a look shows; what was noted of it before is forgotten.

        What only the bed tells (``deep``) is left out: it rests on the level, and must not move it.
        """
        told = (s for s in sightings if s.certain and s.kind is Kind.ZHAN)
        own = [s for s in told if not s.measures.get("deep", 0.0)]
        keys = [s.rows.astype(np.int64) * _STRIDE + s.cols for s in own]
        before = self._seen.pop(p.id, None)
        if keys and self.least:
            self._seen[p.id] = (p.acquired, np.unique(np.concatenate(keys)))
        if keys or before is not None:
            self._held.clear()

    def at(self, when: datetime) -> Sparse:
        """Give the pixels that are silent on a look of some time (UTC), by row then column."""
        return self._at(when)[0]

    def mark(self, when: datetime) -> str:
        """Name them; empty where there are none."""
        return self._at(when)[1]

    def over(self, when: datetime, window: Window) -> NDArray[np.bool_] | None:
        """Give those of a window, bool (H, W); None: there are none."""
        rows, cols = self.at(when)
        own = (rows >= window.row0) & (rows < window.row1)
        own &= (cols >= window.col0) & (cols < window.col1)
        return pixels_to_mask(rows[own], cols[own], window) if own.any() else None

    def _at(self, when: datetime) -> tuple[Sparse, str]:
        before = sum(on < when for on, _ in self._seen.values())
        stands = self.standing is not None and self.since is not None and when >= self.since
        # Looks between two sightings have the same; those of before the patrol have none.
        key = 2 * before + stands
        if key not in self._held:
            pixels = self._silenced(when, stands=stands)
            self._held[key] = (pixels, sparse_mark(pixels) if pixels[0].size else "")
        return self._held[key]

    def _silenced(self, when: datetime, *, stands: bool) -> Sparse:
        own = [keys for on, keys in self._seen.values() if on < when]
        out = np.zeros(0, np.int64)
        if own:
            keys, counts = np.unique(np.concatenate(own), return_counts=True)
            out = keys[counts >= self.least]
        if stands and self.standing is not None:
            rows, cols = self.standing
            out = np.concatenate([out, rows.astype(np.int64) * _STRIDE + cols])
        # The edge of a fill is half fill, and so blurred that it is no water either.
        wide = np.unique((out[:, None] + _AROUND).ravel())
        rows, cols = np.divmod(wide, _STRIDE)
        inside = (rows >= 0) & (cols < _STRIDE - 1)
        return rows[inside].astype(np.int32), cols[inside].astype(np.int32)


def joined(parts: Sequence[Sparse]) -> Sparse | None:
    """Put sparse pixels together; None where there are none."""
    parts = [p for p in parts if p[0].size]
    if not parts:
        return None
    rows, cols = (np.concatenate([p[k] for p in parts]) for k in (0, 1))
    return rows, cols
