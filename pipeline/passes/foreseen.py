"""What a run is about to do, told before it is done: of every look and tile what is read or made.

Layers are named by what they depend on (:mod:`pipeline.passes.sky`), so whether one is there can be
asked without making it. Where a name rests on the checksum of a layer that is yet to be made, the
name is not known: such a layer *follows*, which is to say that it is made again if what it rests on
comes out different. New scenes are taken to be sound, clear and on the scale of the others.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from pipeline.io.store import CorridorStore
from pipeline.io.vault import content_key
from pipeline.model import Tile

STEPS = ("dark target", "mask", "clear share", "shift", "steadiness", "state")
"""Layers of a look in the order in which they are made; each rests on those before it."""

WHOLE = ""
"""Name of the tile of a result that belongs to the whole corridor."""

_UNKNOWN = "~not made yet~"


@dataclass(frozen=True)
class PlannedStore(CorridorStore):
    """A store that is asked, as if the passes to be read were in it."""

    expected: Mapping[str, Mapping[str, Any]] = field(default_factory=dict[str, Mapping[str, Any]])
    asked: dict[str, tuple[str, ...]] = field(default_factory=dict[str, "tuple[str, ...]"])
    held: CorridorStore | None = None  # which the run goes on with: it remembers checksums

    @classmethod
    def over(cls, held: CorridorStore, expected: Mapping[str, Mapping[str, Any]]) -> PlannedStore:
        """Ask a store that holds what it holds, with notes of passes that will be read."""
        place = (held.root, held.grid, held.tile_px, held.stored, held.all_tiles)
        return cls(*place, expected=expected, held=held)

    def marks(self, folder: str, tiles: Sequence[Tile]) -> list[str]:
        """Give checksums of blocks."""
        return super().marks(folder, tiles) if self.held is None else self.held.marks(folder, tiles)

    def note(self, pass_id: str) -> dict[str, Any]:
        """Give what is, or will be, noted of a pass."""
        planned = self.expected.get(pass_id)
        return dict(planned) if planned is not None else super().note(pass_id)

    def lacks(self, folder: str) -> tuple[str, ...]:
        """Name the tiles of which a folder has no block; each folder is looked into once."""
        if folder not in self.asked:
            there = frozenset[str]() if is_unknown(folder) else self.written(folder)
            names = (self.tile_name(t) for t in self.tiles)
            self.asked[folder] = tuple(name for name in names if name not in there)
        return self.asked[folder]


def unknown(what: str) -> str:
    """Give a mark for the checksum of something that is yet to be made."""
    return f"{_UNKNOWN}{what}"


def is_unknown(content: object) -> bool:
    """Tell whether content holds something that only making it will tell."""
    text = json.dumps(content, default=str)
    return _UNKNOWN in text or "NaN" in text


def planned_key(*content: Any) -> str:
    """Name content as :func:`content_key` does, or say that the name is not known yet."""
    key = content_key(*content)
    return unknown(key) if is_unknown(content) else key


@dataclass(frozen=True, order=True)
class Deed:
    """One layer of one look that is made, over one tile or the whole corridor."""

    step: str
    look: str  # id of the pass
    tile: str
    follows: bool = False  # only if what it rests on comes out different


@dataclass(frozen=True)
class Foresight:
    """All that a run is about to do in one corridor."""

    corridor_id: str
    what: Mapping[str, str]  # pass id → new, skip, recompute, retry or damaged
    scenes: Mapping[str, Sequence[str]]  # pass id → ids of its scenes
    tiles: tuple[str, ...]
    deeds: frozenset[Deed]
    judged_anew: bool = False  # the known looks: by other rules than the last run that ended
    read_bytes: float | None = None  # of all passes that are read; None: nobody says it

    @property
    def reads(self) -> tuple[str, ...]:
        """Ids of the passes of which pixels are read."""
        return tuple(i for i, w in self.what.items() if w != "skip")

    def made(self, step: str) -> set[str]:
        """Give the looks of which something of a step is made for certain."""
        return self._looks[step, False]

    def following(self, step: str) -> set[str]:
        """Give the other looks of which a step may be made again."""
        return self._looks[step, True] - self.made(step)

    @cached_property
    def _looks(self) -> Mapping[tuple[str, bool], set[str]]:
        """Looks by step, and whether they only follow: a long corridor has 100,000 deeds."""
        out = {(step, follows): set[str]() for step in STEPS for follows in (False, True)}
        for deed in self.deeds:
            out[deed.step, deed.follows].add(deed.look)
        return out

    def layers_of_tiles(self) -> dict[str, dict[tuple[str, str], bool]]:
        """Give by tile the layers (step, look) of it, and whether they are made for certain."""
        out: dict[str, dict[tuple[str, str], bool]] = {tile: {} for tile in self.tiles}
        for deed in self.deeds:
            if deed.tile != WHOLE:
                layers = out[deed.tile]
                key = (deed.step, deed.look)
                layers[key] = layers.get(key, False) or not deed.follows
        return out
