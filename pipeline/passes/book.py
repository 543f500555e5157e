"""What was found of each look against one history, kept: a patrol judges new looks only.

The history of a quarter ends where the quarter begins (:func:`pipeline.passes.watch.epochs_of`), so
that what a look shows against it stays true until the history itself changes. Entries are named by
all that they depend on: the history's layers without what was flagged in them, the look's own
layers and what of it is known to be filled (:mod:`pipeline.passes.silent`), the options, and the
ground of the reaches. Dropping one costs time and changes no result.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.detect.objects import Pixels, Rejection
from pipeline.io.tasks import map_tiles
from pipeline.io.vault import Vault, content_key
from pipeline.model import Kind, Pass, Sighting
from pipeline.passes.ground import Site, Sparse, States
from pipeline.passes.naming import look_mark
from pipeline.passes.past import Past
from pipeline.passes.reduce import reaches_mark
from pipeline.passes.silent import Silent

_VERSION = 1
_TOLD = tuple(f.name for f in fields(Sighting) if f.name not in ("rows", "cols"))
Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Found:
    """What a detector found on one look.

    ``flagged`` are the pixels that are no history from then on, first those of the sightings;
    ``rejected`` holds for each reason, and whether the object may be harmful all the same, the
    number of objects and of their pixels.
    """

    sightings: tuple[Sighting, ...]
    flagged: tuple[Sparse, ...]
    rejected: tuple[tuple[str, bool, int, int], ...]

    @property
    def sighted(self) -> tuple[Sparse, ...]:
        """What of ``flagged`` was a sighting."""
        return self.flagged[: len(self.sightings)]

    def beside(self, other: Found) -> Found:
        """Give both together."""
        n, m = len(self.sightings), len(other.sightings)
        flagged = (*self.sighted, *other.sighted, *self.flagged[n:], *other.flagged[m:])
        return Found(
            (*self.sightings, *other.sightings), flagged, (*self.rejected, *other.rejected)
        )

    @classmethod
    def of(
        cls,
        found: Sequence[tuple[Sighting, Sparse]],
        rejected: Sequence[Rejection],
        no_history: Sequence[Sparse] = (),
    ) -> Found:
        """Sum up what became of the objects of a look; ``no_history``: pixels of rejected ones."""
        sums: dict[tuple[str, bool], tuple[int, int]] = {}
        for r in rejected:
            objects, pixels = sums.get((r.reason, r.unknown), (0, 0))
            sums[r.reason, r.unknown] = (objects + 1, pixels + r.pixels)
        rows = ((*key, *counts) for key, counts in sorted(sums.items()))
        flagged = (*(f for _, f in found), *no_history)
        return cls(tuple(s for s, _ in found), flagged, tuple(rows))


def found_by_look(
    looks: int,
    work: Sequence[tuple[int, Pixels]],
    results: Sequence[Sighting | Rejection],
    flagged: Callable[[Pixels], Sparse],
    no_history: Callable[[Pixels], bool] = lambda _: False,
) -> list[Found]:
    """Sort what became of objects by look; ``work`` holds each one's look and pixels.

    ``no_history`` tells which of the rejected ones are no history of later quarters either.
    """
    found: list[list[tuple[Sighting, Sparse]]] = [[] for _ in range(looks)]
    rejected: list[list[Rejection]] = [[] for _ in range(looks)]
    besides: list[list[Sparse]] = [[] for _ in range(looks)]
    for (k, pixels), result in zip(work, results, strict=True):
        if isinstance(result, Rejection):
            rejected[k].append(result)
            if no_history(pixels):
                besides[k].append(flagged(pixels))
        else:
            found[k].append((result, flagged(pixels)))
    return [Found.of(*each) for each in zip(found, rejected, besides, strict=True)]


def by_place(
    work: Sequence[tuple[int, Pixels]],
    examine: Callable[[tuple[int, Pixels]], Sighting | Rejection],
    site: Site,
) -> list[Sighting | Rejection]:
    """Examine objects of several looks, tile after tile, and give what became of each in order.

    All looks at a tile ask for the same layers of its history and normal ground, which are kept
    for as long as a few tiles need.
    """
    n = site.store.tile_px
    # Of every object its first pixel; each has one at least.
    tiles = [(int(p.rows[0]) // n, int(p.cols[0]) // n, i) for i, (_, p) in enumerate(work)]
    order = [i for *_, i in sorted(tiles)]
    found = map_tiles(examine, [work[i] for i in order], site.workers)
    return [result for _, result in sorted(zip(order, found, strict=True), key=lambda f: f[0])]


@dataclass(frozen=True)
class Book:
    """Entries of one history; ``base`` names it."""

    states: States
    vault: Vault
    base: str
    silent: Silent  # what of each look has no say in its level

    @classmethod
    def of(cls, past: Past, options: object, silent: Silent | None = None) -> Book:
        """Open the entries of a history under some options."""
        site = past.states.site
        # A recheck adds up some tiles and a patrol all of them: both have levels of their own.
        tiles = [site.store.tile_name(t) for t in site.store.tiles]
        silent = silent or Silent(0)
        # The levels of the history's own looks rest on it as well.
        own = set(past.ids)
        looks = past.states.looks.passes
        marks = {p.id: m for p in looks if p.id in own and (m := silent.mark(p.acquired))}
        water = site.corridor.water  # of a reservoir other pixels tell a level
        base = content_key(_VERSION, past.key, tiles, reaches_mark(site), water, options, marks)
        return cls(past.states, Vault(site.store.root / "kept"), base, silent)

    def key(self, p: Pass, *more: object) -> str:
        """Name what is found of a look."""
        residual = self.states.looks.quality[p.id].residual_m
        # A scene that joins a pass may move its time, and no pixel of this corridor.
        when = p.acquired.isoformat()
        silent = self.silent.mark(p.acquired)
        more = (*more, {"silent": silent}) if silent else more
        return content_key(self.base, p.id, when, look_mark(self.states, p), residual, *more)

    def sums(self, kind: str, p: Pass) -> NDArray[np.int64] | None:
        """Give counts of a look over all tiles, or None."""
        held = self.vault.get(kind, self.key(p))
        return None if held is None else np.asarray(held["sums"], np.int64)

    def keep_sums(self, kind: str, p: Pass, sums: NDArray[np.int64]) -> None:
        """Keep counts of a look over all tiles."""
        self.vault.put(kind, self.key(p), sums=sums)

    def found(self, kind: str, key: str) -> Found | None:
        """Give what a detector found on a look, or None."""
        held = self.vault.get(kind, key)
        return None if held is None else _unpacked(held)

    def keep_found(self, kind: str, key: str, found: Found) -> None:
        """Keep what a detector found on a look."""
        self.vault.put(kind, key, **_packed(found))


def _packed(found: Found) -> Arrays:
    for s in found.sightings:
        _check([s.score, s.certain, *s.measures.values()])
    sparse = [*((s.rows, s.cols) for s in found.sightings), *found.flagged]
    told = [{n: getattr(s, n) for n in _TOLD} for s in found.sightings]
    text = json.dumps([told, found.rejected], default=datetime.isoformat)
    sizes = [r.size for r, _ in sparse]
    rows, cols = (np.concatenate([np.zeros(0, np.int32), *(s[k] for s in sparse)]) for k in (0, 1))
    return {
        "told": np.frombuffer(text.encode(), np.uint8),
        "sizes": np.array(sizes, np.int64),
        "rows": rows.astype(np.int32),
        "cols": cols.astype(np.int32),
    }


def _check(values: Sequence[object]) -> None:
    """Refuse numbers of NumPy's own: they would come back as another type, and round otherwise."""
    odd = {type(v).__name__ for v in values if type(v) not in (float, int, bool)}
    if odd:
        raise TypeError(f"a measure of type {', '.join(sorted(odd))} cannot be kept")


def _unpacked(held: Arrays) -> Found:
    told, rejected = json.loads(held["told"].tobytes())
    cuts = np.cumsum(held["sizes"])[:-1]
    parts = (np.split(held[name], cuts) for name in ("rows", "cols"))
    sparse = list(zip(*parts, strict=True)) if held["sizes"].size else []
    sightings = tuple(
        Sighting(**_restored(t), rows=rows, cols=cols)
        for t, (rows, cols) in zip(told, sparse, strict=False)
    )
    return Found(
        sightings,
        tuple(sparse[len(sightings) :]),
        tuple((str(a), bool(b), int(c), int(d)) for a, b, c, d in rejected),
    )


def _restored(told: dict[str, Any]) -> dict[str, Any]:
    return told | {"kind": Kind(told["kind"]), "on": datetime.fromisoformat(told["on"])}
