"""Sweep 2b: the shift of every look against the median of its reference, by votes of windows.

Every calendar quarter has its reference (:mod:`pipeline.prepare.reference`), made in strips and
kept in the store's ``align`` folder; then one date at a time is measured against it, in windows on
a lattice of the corridor's grid. What was found of a look is kept under the names of the reference
and of the look, so that a new look is the only one that is measured.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from pipeline import __version__
from pipeline.grid import box_of_mask
from pipeline.io.blocks import Layer
from pipeline.io.looks import LookReader
from pipeline.io.store import CorridorStore
from pipeline.io.tasks import map_tiles
from pipeline.io.vault import Vault, content_key
from pipeline.model import DateQuality, Pass, Tile, Window
from pipeline.passes.ground import Site
from pipeline.passes.known_looks import Known
from pipeline.passes.layers import KEPT_TURNS, keep_used
from pipeline.passes.strips import packed_strips
from pipeline.prepare.options import PrepareOptions
from pipeline.prepare.reference import epochs
from pipeline.prepare.register import (
    Matched,
    RegisterOptions,
    WindowShift,
    lattice_windows,
    reference_median,
    vote,
)
from pipeline.prepare.sky import is_clear

_MOST_WET = 0.1  # share of looks wet beyond which ground is none to register on


@dataclass(frozen=True)
class AlignSpec:
    """What measuring shifts needs; small, frozen, and read from disk where it works."""

    store: CorridorStore
    folder: str  # of the reference
    reference: tuple[str, ...]
    dark: Mapping[str, str]  # pass id → the band that water is darkest in
    quality: Mapping[str, DateQuality]
    mask_keys: Mapping[str, str]
    options: RegisterOptions

    @property
    def reader(self) -> LookReader:
        """Reader of looks with their mask, not yet shifted."""
        return LookReader(self.store, self.quality, self.mask_keys)


def register(
    site: Site,
    passes: Sequence[Pass],
    options: PrepareOptions,
    known: Known,
    vault: Vault,
) -> None:
    """Add shift and residual of every pass to ``known.quality``."""
    rule, store = options.register_, site.store
    dark = darkest_bands(store, passes)
    found: dict[str, NDArray[np.float64]] = {}
    used: list[str] = []
    for epoch in epochs([p.acquired for p in passes], options.reference):
        reference = tuple(passes[i].id for i in epoch.reference)
        name = content_key(*reference_content(known, reference, dark))
        spec = AlignSpec(
            store, f"align/{name}/red", reference, dark,
            known.quality_of(passes), known.mask_keys, rule,
        )  # fmt: skip
        used.append(name)
        own = [passes[i].id for i in epoch.own]
        keys = {i: content_key(name, known.content(i), rule.model_dump()) for i in own}
        held = {i: vault.get("register", keys[i]) for i in own}
        missing = tuple(i for i in own if held[i] is None)
        votes = _votes(site, spec, missing) if missing else {}
        for i, value in votes.items():
            vault.put("register", keys[i], vote=value)
        found |= {i: np.asarray(h["vote"], np.float64) for i, h in held.items() if h is not None}
        found |= votes
    keep_used(site, "align", list(dict.fromkeys(used))[-KEPT_TURNS:])
    for p in passes:
        dy, dx, residual = found[p.id].tolist()
        residual_m = residual * store.grid.res_m
        known.quality[p.id] = replace(known.quality[p.id], shift_px=(dy, dx), residual_m=residual_m)


def darkest_bands(store: CorridorStore, passes: Sequence[Pass]) -> dict[str, str]:
    """Give the band that water is darkest in, by pass."""
    bands = {p.id: store.note(p.id)["bands"] for p in passes}
    return {i: "swir16" if "swir16" in b else "nir" for i, b in bands.items()}


def reference_content(
    known: Known, reference: Sequence[str], dark: Mapping[str, str]
) -> list[object]:
    """Give all that the picture to register on depends on."""
    return ["align", __version__, [[known.content(i), dark[i]] for i in reference]]


def _votes(site: Site, spec: AlignSpec, ids: Sequence[str]) -> dict[str, NDArray[np.float64]]:
    """Give (dy, dx, residual) [px] of some passes."""
    options, store = spec.options, site.store
    run = (site.workers, site.progress)
    todo = [t for t in store.tiles if not store.block_path(spec.folder, t).exists()]
    map_tiles(partial(_write_reference, spec), todo, *run, "reference picture")
    boxes = [box_of_mask(store.kept(t.core), t.core) for t in store.all_tiles]
    windows = lattice_windows(
        store.grid.shape, options.size_px, options.stride_px, [b for b in boxes if b is not None]
    )
    groups: dict[tuple[int, int], list[Window]] = {}
    for window in windows:
        place = (window.row0 // store.tile_px, window.col0 // store.tile_px)
        groups.setdefault(place, []).append(window)
    work = [tuple(own) for own in groups.values()]
    results = map_tiles(partial(_measure, spec, tuple(ids)), work, *run, "registration")
    by_window = {
        window: shifts
        for own, found in zip(work, results, strict=True)
        for window, shifts in zip(own, found, strict=True)
    }
    votes: dict[str, NDArray[np.float64]] = {}
    for t, i in enumerate(ids):
        # In the order of the lattice, because sums of floats remember their order.
        row = [by_window[window][t] for window in windows if by_window[window]]
        result = vote([shift for shift in row if shift is not None], options)
        votes[i] = np.array([result.dy, result.dx, result.residual_px], dtype=np.float64)
    return votes


def _measure(
    spec: AlignSpec, ids: Sequence[str], windows: Sequence[Window]
) -> list[list[WindowShift | None]]:
    """Give the shifts of dates by window; empty where nothing is stored."""
    region = Window.around(windows)
    stored = np.zeros(region.shape, bool)
    for tile in spec.store.touched(region):
        common = tile.core.intersect(region)
        assert common is not None  # the region touches it
        stored[common.within(region)] = spec.store.kept(tile.core)[common.within(tile.core)]
    used = [w for w in windows if stored[w.within(region)].any()]
    found: dict[Window, list[WindowShift | None]] = {w: [] for w in windows}
    if not used:
        return list(found.values())
    reader = spec.reader
    reference = reader.reference(spec.folder, "red", region)
    land = spec.store.dense(spec.folder, "land", region)[0] == 1
    parts = {w: w.within(region) for w in used}
    matched = {w: Matched(np.ascontiguousarray(reference[part])) for w, part in parts.items()}
    for pass_id in ids:
        red = reader.band(pass_id, "red", region)
        ok = is_clear(reader.mask(pass_id, region)) & land
        for w, part in parts.items():
            look, seen = np.ascontiguousarray(red[part]), np.ascontiguousarray(ok[part])
            found[w].append(matched[w].shift(look, seen, spec.options))
    return list(found.values())


def _write_reference(spec: AlignSpec, tile: Tile) -> None:
    """Write median red of the clear looks, and where water was seen on a few looks at most."""
    reader, ids = spec.reader, spec.reference
    medians, lands = list[NDArray[np.float32]](), list[NDArray[np.int16]]()
    for strip in packed_strips(spec.store, tile, len(ids), 2):
        red = np.stack([strip.take(reader.band(i, "red", strip.window)) for i in ids])
        clear = np.stack([strip.take(is_clear(reader.mask(i, strip.window))) for i in ids])
        medians.append(reference_median(red, clear)[0])
        wet = np.zeros(clear.shape[1:], dtype=np.int32)
        for t, pass_id in enumerate(ids):
            bands = ("green", spec.dark[pass_id])
            green, low = (strip.take(reader.band(pass_id, b, strip.window)) for b in bands)
            wet += (green > low) & clear[t]
        land = ~(wet > _MOST_WET * np.maximum(clear.sum(axis=0), 1))
        lands.append(land[0].astype(np.int16))
    layers = {"red": Layer(np.concatenate(medians), 1), "land": Layer(np.concatenate(lands), 1)}
    spec.store.write(spec.folder, tile, layers, durable=False)
