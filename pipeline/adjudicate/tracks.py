"""Which sightings of different dates are the same object.

Sightings are taken pass by pass. One is linked to every track whose recent pixels it shares enough
of, measured against the smaller of the two, so that an object that grows stays one track. Tracks
that one sighting joins become one; the oldest survives. All sightings of a pass are compared with
the tracks as they were before it, so their order cannot matter.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from pipeline.model import Kind, Sighting

_STRIDE = np.int64(1) << 32  # pixel key = row * stride + col, sorted as (row, col)


class LinkOptions(BaseModel):
    """When two sightings are the same object."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    min_overlap: float = Field(
        default=0.3, gt=0, le=1, description="shared pixels over the smaller of sighting and track"
    )
    max_ratio: float = Field(
        default=25.0,
        ge=1,
        le=1e6,
        description="larger over smaller area beyond which nothing is linked, so that one giant "
        "false sighting does not fuse all objects below it",
    )
    memory: int = Field(
        default=8, ge=1, le=100, description="hits that define where a track is now"
    )


@dataclass(frozen=True)
class Track:
    """One object over dates; pixels are indices into the corridor's grid, sorted by row, column."""

    kind: Kind
    sightings: tuple[Sighting, ...]  # by time, then by first pixel; a pass may hold several
    rows: NDArray[np.int32]  # footprint now: in a quarter of the last hits, and in two
    cols: NDArray[np.int32]
    first_rows: NDArray[np.int32]  # footprint on the first date
    first_cols: NDArray[np.int32]

    @property
    def first_on(self) -> datetime:
        """Time of the first sighting, UTC."""
        return self.sightings[0].on

    @property
    def pass_ids(self) -> tuple[str, ...]:
        """Passes that saw it, in time order."""
        return tuple(dict.fromkeys(s.pass_id for s in self.sightings))


@dataclass
class _Open:
    """A track while it is being built."""

    sightings: list[Sighting]
    by_pass: list[NDArray[np.int64]] = field(default_factory=list[NDArray[np.int64]])
    recent: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    box: tuple[int, int, int, int] = (0, 0, -1, -1)  # row0, row1, col0, col1 inclusive

    @property
    def age(self) -> tuple[datetime, str, int]:
        first = self.sightings[0]
        return first.on, first.pass_id, int(_keys(first)[0])


def link(sightings: Sequence[Sighting], options: LinkOptions | None = None) -> list[Track]:
    """Link sightings of many dates into tracks.

    Parameters
    ----------
    sightings : sequence of Sighting
        In any order, of any kinds; 乱占 is linked apart from the other three, which are told from
        each other once all dates are known, and dark ground (:mod:`pipeline.detect.dark`) apart
        from what is lighter. Those without pixels are dropped.

    Returns
    -------
    list of Track
        Sorted by kind, first date and first pixel; independent of the order of the input.
    """
    options = options or LinkOptions()
    tracks: list[Track] = []
    for family in range(3):
        own = sorted((s for s in sightings if _family(s) == family and s.rows.size), key=_order)
        tracks.extend(_close(t, options) for t in _link_family(own, options))
    return sorted(tracks, key=lambda t: t.kind)


def _family(sighting: Sighting) -> int:
    """Give 0 of 乱占, 1 of changed ground, 2 of dark ground: what is linked apart."""
    if sighting.kind is Kind.ZHAN:
        return 0
    return 2 if sighting.measures.get("dark") else 1


def _link_family(ordered: Sequence[Sighting], options: LinkOptions) -> list[_Open]:
    """Link sightings that may be one object, in time order."""
    tracks: list[_Open] = []
    for _, group in groupby(ordered, key=lambda s: (s.on, s.pass_id)):
        tracks = _add_pass(tracks, list(group), options)
    return sorted(tracks, key=lambda t: t.age)


def _add_pass(tracks: list[_Open], group: list[Sighting], options: LinkOptions) -> list[_Open]:
    """Give the tracks after one more pass."""
    boxes = np.array([t.box for t in tracks], dtype=np.int64).reshape(-1, 4)
    parent = list(range(len(tracks) + len(group)))  # union-find over tracks, then sightings
    for i, sighting in enumerate(group):
        for t in _overlapping(sighting, tracks, boxes, options):
            _join(parent, len(tracks) + i, t)
    members: dict[int, list[int]] = {}
    for i in range(len(parent)):
        members.setdefault(_root(parent, i), []).append(i)
    kept: list[_Open] = []
    for group_of in members.values():
        old = [tracks[i] for i in group_of if i < len(tracks)]
        new = [group[i - len(tracks)] for i in group_of if i >= len(tracks)]
        kept.append(old[0] if not new else _grown(old, new, options))
    return kept


def _overlapping(
    sighting: Sighting, tracks: list[_Open], boxes: NDArray[np.int64], options: LinkOptions
) -> Iterable[int]:
    """Give the indices of the tracks that a sighting belongs to."""
    keys = _keys(sighting)
    row0, row1, col0, col1 = _box(keys)
    near = (
        (boxes[:, 0] <= row1)
        & (boxes[:, 1] >= row0)
        & (boxes[:, 2] <= col1)
        & (boxes[:, 3] >= col0)
    )
    for t in np.flatnonzero(near):
        recent = tracks[t].recent
        small, large = sorted((keys.size, recent.size))
        if large > options.max_ratio * small:
            continue
        shared = np.intersect1d(keys, recent, assume_unique=True).size
        if shared >= options.min_overlap * small:
            yield int(t)


def _grown(old: list[_Open], new: list[Sighting], options: LinkOptions) -> _Open:
    """Merge tracks (perhaps none) and add the sightings of the newest pass."""
    if len(old) == 1:
        # Both are in order, and the newest pass is after those before it.
        sightings = [*old[0].sightings, *new]
        by_pass = [*old[0].by_pass, np.unique(np.concatenate([_keys(s) for s in new]))]
    else:
        sightings = sorted([s for t in old for s in t.sightings] + new, key=_order)
        by_pass = [
            np.unique(np.concatenate([_keys(s) for s in group]))
            for _, group in groupby(sightings, key=lambda s: (s.on, s.pass_id))
        ]
    recent = np.unique(np.concatenate(by_pass[-options.memory :]))
    return _Open(sightings, by_pass, recent, _box(recent))


def _close(track: _Open, options: LinkOptions) -> Track:
    """Freeze a track with its footprint and the kind that most of its sightings have."""
    kinds = Counter(s.kind for s in track.sightings)
    kind = min(kinds, key=lambda k: (-kinds[k], k))
    last = track.by_pass[-options.memory :]
    keys, counts = np.unique(np.concatenate(last), return_counts=True)
    # A low level shows only the deep part of an object, so a pixel need not be in most hits; two
    # keep the ragged edge of a single date out. Of one or two hits all pixels count.
    solid = keys if len(last) < 3 else keys[counts >= max(2, len(last) / 4)]
    footprint = solid if solid.size else keys
    return Track(kind, tuple(track.sightings), *_split(footprint), *_split(track.by_pass[0]))


def _order(sighting: Sighting) -> tuple[datetime, str, bytes, float, bool, str]:
    """Total order: equal keys mean equal sightings."""
    return (
        sighting.on,
        sighting.pass_id,
        _keys(sighting).astype(">i8").tobytes(),
        sighting.score,
        sighting.certain,
        sighting.kind.value,
    )


def _keys(sighting: Sighting) -> NDArray[np.int64]:
    return np.unique(sighting.rows.astype(np.int64) * _STRIDE + sighting.cols.astype(np.int64))


def _split(keys: NDArray[np.int64]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    return (keys // _STRIDE).astype(np.int32), (keys % _STRIDE).astype(np.int32)


def _box(keys: NDArray[np.int64]) -> tuple[int, int, int, int]:
    rows, cols = _split(keys)
    return int(rows[0]), int(rows[-1]), int(cols.min()), int(cols.max())


def _root(parent: list[int], i: int) -> int:
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


def _join(parent: list[int], a: int, b: int) -> None:
    low, high = sorted((_root(parent, a), _root(parent, b)))
    parent[high] = low
