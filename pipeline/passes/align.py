"""Sweep 2b: the shift of every look against the median of all, by votes of windows.

Windows lie on a lattice of the corridor's grid and are worked on by the tile in which they begin:
the reference is made in strips of all dates, then one date at a time is measured against it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from pipeline.io.burn import burn
from pipeline.io.looks import LookReader
from pipeline.io.store import CorridorStore
from pipeline.io.tasks import map_tiles
from pipeline.io.vault import Vault, content_key
from pipeline.model import DateQuality, Pass, Window
from pipeline.passes.ground import Site
from pipeline.passes.strips import strips
from pipeline.prepare.register import (
    RegisterOptions,
    WindowShift,
    lattice_windows,
    reference_median,
    vote,
    window_shift,
)
from pipeline.prepare.sky import is_clear

_MOST_WET = 0.1  # share of looks wet beyond which ground is none to register on


@dataclass(frozen=True)
class AlignSpec:
    """What measuring shifts needs; small, frozen, and read from disk where it works."""

    store: CorridorStore
    ids: tuple[str, ...]
    dark: tuple[str, ...]  # per pass: the band that water is darkest in
    quality: Mapping[str, DateQuality]
    mask_key: str
    options: RegisterOptions

    @property
    def reader(self) -> LookReader:
        """Reader of looks with their mask, not yet shifted."""
        return LookReader(self.store, self.quality, self.mask_key)


def register(
    site: Site,
    passes: Sequence[Pass],
    how: tuple[str, RegisterOptions],
    quality: dict[str, DateQuality],
    vault: Vault,
) -> None:
    """Add shift and residual of every pass to ``quality``; kept under the mask's key."""
    if not passes:
        return
    mask_key, options = how
    notes = [site.store.note(p.id)["bands"] for p in passes]
    spec = AlignSpec(
        store=site.store,
        ids=tuple(p.id for p in passes),
        dark=tuple("swir16" if "swir16" in bands else "nir" for bands in notes),
        quality={p.id: quality[p.id] for p in passes},
        mask_key=mask_key,
        options=options,
    )
    key = content_key("register", mask_key, spec.ids, spec.dark, options.model_dump())
    found = vault.get("register", key)
    if found is None:
        found = {"votes": _votes(site, spec)}
        vault.put("register", key, **found)
    for p, (dy, dx, residual) in zip(passes, found["votes"].tolist(), strict=True):
        residual_m = residual * site.store.grid.res_m
        quality[p.id] = replace(quality[p.id], shift_px=(dy, dx), residual_m=residual_m)


def _votes(site: Site, spec: AlignSpec) -> NDArray[np.float64]:
    """Give (dy, dx, residual) [px] of every pass."""
    options = spec.options
    windows = lattice_windows(site.store.grid.shape, options.size_px, options.stride_px)
    groups: dict[tuple[int, int], list[Window]] = {}
    for window in windows:
        place = (window.row0 // site.store.tile_px, window.col0 // site.store.tile_px)
        groups.setdefault(place, []).append(window)
    work = [tuple(own) for own in groups.values()]
    results = map_tiles(partial(_measure, spec), work, site.workers, site.progress, "registration")
    by_window = {
        window: shifts
        for own, found in zip(work, results, strict=True)
        for window, shifts in zip(own, found, strict=True)
    }
    votes: list[tuple[float, float, float]] = []
    for i in range(len(spec.ids)):
        # In the order of the lattice, because sums of floats remember their order.
        row = [by_window[window][i] for window in windows if by_window[window]]
        result = vote([shift for shift in row if shift is not None], options)
        votes.append((result.dy, result.dx, result.residual_px))
    return np.array(votes, dtype=np.float64)


def _measure(spec: AlignSpec, windows: Sequence[Window]) -> list[list[WindowShift | None]]:
    """Give the shifts of all dates by window; empty where nothing is stored."""
    region = Window(
        min(w.row0 for w in windows),
        max(w.row1 for w in windows),
        min(w.col0 for w in windows),
        max(w.col1 for w in windows),
    )
    stored = burn(spec.store.stored, spec.store.grid.sub(region))
    used = [w for w in windows if stored[w.within(region)].any()]
    found: dict[Window, list[WindowShift | None]] = {w: [] for w in windows}
    if not used:
        return list(found.values())
    reference, land = _reference(spec, region)
    reader = spec.reader
    for pass_id in spec.ids:
        red = reader.band(pass_id, "red", region)
        ok = is_clear(reader.mask(pass_id, region)) & land
        for w in used:
            part = w.within(region)
            pieces = [np.ascontiguousarray(a[part]) for a in (reference, red)]
            mask = np.ascontiguousarray(ok[part])
            found[w].append(window_shift(pieces[0], pieces[1], mask, spec.options))
    return list(found.values())


def _reference(spec: AlignSpec, region: Window) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Median red of the clear looks, and where water was seen on a few looks at most."""
    reader = spec.reader
    reference = np.empty(region.shape, np.float32)
    land = np.empty(region.shape, np.bool_)
    for strip in strips(region, len(spec.ids), 2):
        part = strip.within(region)
        red = np.stack([reader.band(i, "red", strip) for i in spec.ids])
        clear = np.stack([is_clear(reader.mask(i, strip)) for i in spec.ids])
        reference[part] = reference_median(red, clear)
        wet = np.zeros(strip.shape, dtype=np.int32)
        for i, (pass_id, other) in enumerate(zip(spec.ids, spec.dark, strict=True)):
            green, low = (reader.band(pass_id, b, strip) for b in ("green", other))
            wet += (green > low) & clear[i]
        land[part] = ~(wet > _MOST_WET * np.maximum(clear.sum(axis=0), 1))
    return reference, land
