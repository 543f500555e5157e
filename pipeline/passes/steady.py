"""Sweep 2c: dates that make stable ground look changed are set aside.

The ground's median and spread are made tile by tile, in strips of all dates, and lie in the store's
``work`` folder while one date after the other is compared with them.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from pipeline.io.looks import LookReader
from pipeline.io.store import CorridorStore
from pipeline.io.tasks import map_tiles
from pipeline.io.vault import Vault, content_key
from pipeline.model import DateQuality, Pass, SetAside, Tile
from pipeline.passes.ground import Site
from pipeline.passes.strips import strips
from pipeline.prepare.quarantine import (
    QuarantineOptions,
    decide,
    difference_histogram,
    regional_shift,
    stable_ground,
    tally_change,
)
from pipeline.prepare.radiometry import BINS
from pipeline.prepare.sky import is_clear
from pipeline.prepare.temporal import median_and_spread

QUARANTINE_BANDS = ("green", "red", "nir", "swir16")
_LOOK = "Look at the scene and at its band table; other dates are not affected"
_LEAST_PASSES = 3

Image = NDArray[np.float32]


@dataclass(frozen=True)
class SteadySpec:
    """What the comparison needs; small, frozen, and read from disk where it works."""

    store: CorridorStore
    key: str
    ids: tuple[str, ...]
    bands: tuple[str, ...]
    quality: Mapping[str, DateQuality]
    mask_key: str
    options: QuarantineOptions

    @property
    def reader(self) -> LookReader:
        """Reader of looks with shift, offset and mask."""
        return LookReader(self.store, self.quality, self.mask_key)

    @property
    def dark(self) -> str:
        """Band in which water is darkest."""
        return "swir16" if "swir16" in self.bands else "nir"

    @property
    def folder(self) -> str:
        """Folder of the ground's layers."""
        return f"work/ground-{self.key}"


def quarantine(
    site: Site,
    passes: Sequence[Pass],
    how: tuple[str, QuarantineOptions],
    quality: dict[str, DateQuality],
    vault: Vault,
) -> tuple[list[Pass], list[SetAside]]:
    """Split the passes into those that are kept and those that are set aside, by name."""
    if len(passes) < _LEAST_PASSES:
        return list(passes), []
    spec = _spec(site, passes, how, quality)
    found = vault.get("quarantine", spec.key)
    if found is None:
        found = {"counts": _counts(site, spec)}
        vault.put("quarantine", spec.key, **found)
    kept: list[Pass] = []
    aside: list[SetAside] = []
    for p, (changed, stable) in zip(passes, found["counts"].tolist(), strict=True):
        verdict = decide(int(changed), int(stable), how[1])
        quality[p.id] = replace(quality[p.id], changed_stable_share=verdict.changed_share)
        if verdict.quarantined:
            aside.append(SetAside(p.id, "prepare", verdict.reason, _LOOK))
        else:
            kept.append(p)
    return kept, aside


def _spec(
    site: Site,
    passes: Sequence[Pass],
    how: tuple[str, QuarantineOptions],
    quality: Mapping[str, DateQuality],
) -> SteadySpec:
    mask_key, options = how
    notes = [site.store.note(p.id)["bands"] for p in passes]
    bands = tuple(b for b in QUARANTINE_BANDS if all(b in n for n in notes))
    ids = tuple(p.id for p in passes)
    shifts = [quality[i].shift_px for i in ids]
    return SteadySpec(
        store=site.store,
        key=content_key("quarantine", mask_key, ids, shifts, bands, options.model_dump()),
        ids=ids,
        bands=bands,
        quality={i: quality[i] for i in ids},
        mask_key=mask_key,
        options=options,
    )


def _counts(site: Site, spec: SteadySpec) -> NDArray[np.int64]:
    """Count changed and stable pixels of every pass; (T, 2)."""
    run = (site.workers, site.progress)
    map_tiles(partial(_write_ground, spec), spec.store.tiles, *run, "stable ground")
    regional = map_tiles(partial(_regional, spec), spec.ids, *run, "regional change")
    work = list(zip(spec.ids, regional, strict=True))
    counts = map_tiles(partial(_changes, spec), work, *run, "quarantine")
    shutil.rmtree(spec.store.root / spec.folder, ignore_errors=True)
    return np.array(counts, dtype=np.int64)


def _write_ground(spec: SteadySpec, tile: Tile) -> None:
    if spec.store.block_path(spec.folder, tile).exists():
        return
    shape = (len(spec.bands), *tile.core.shape)
    median, spread = np.empty(shape, np.float32), np.empty(shape, np.float32)
    frequency = np.empty(tile.core.shape, np.float32)
    reader = spec.reader
    for strip in strips(tile.core, len(spec.ids), 2):
        part = strip.within(tile.core)
        clear = np.stack([is_clear(reader.mask(i, strip)) for i in spec.ids])
        for k, band in enumerate(spec.bands):
            stack = np.stack([reader.band(i, band, strip) for i in spec.ids])
            median[k][part], spread[k][part], _ = median_and_spread(stack, clear)
        wet = np.zeros(strip.shape, np.int64)
        for i, pass_id in enumerate(spec.ids):
            green, dark = (reader.band(pass_id, b, strip) for b in ("green", spec.dark))
            wet += (green > dark) & clear[i]
        seen = clear.sum(axis=0)
        frequency[part] = np.where(seen > 0, wet / np.maximum(seen, 1), np.nan)
    stable = stable_ground(median, spread, frequency, spec.options)
    named = {f"median_{b}": median[k] for k, b in enumerate(spec.bands)}
    named |= {f"spread_{b}": spread[k] for k, b in enumerate(spec.bands)}
    layers = {n: spec.store.pack(v, tile, 1) for n, v in named.items()}
    layers["stable"] = spec.store.pack(stable.astype(np.int16), tile, 1)
    spec.store.write(spec.folder, tile, layers, durable=False)


@dataclass(frozen=True)
class _Compared:
    """One look over one tile beside the stable ground; all (B, H, W) but ``seen`` (H, W)."""

    median: Image
    spread: Image
    look: Image
    seen: NDArray[np.bool_]  # stable, clear, and not flooded: a flood is no fault of a date


def _compare(spec: SteadySpec, pass_id: str, tile: Tile) -> _Compared:
    reader, core = spec.reader, tile.core
    median, spread = (
        np.stack([reader.reference(spec.folder, f"{name}_{b}", core) for b in spec.bands])
        for name in ("median", "spread")
    )
    stable, _ = spec.store.dense(spec.folder, "stable", core)
    look = np.stack([reader.band(pass_id, b, core) for b in spec.bands])
    flooded = look[spec.bands.index("green")] > look[spec.bands.index(spec.dark)]
    seen = (stable == 1) & is_clear(reader.mask(pass_id, core)) & ~flooded
    return _Compared(median, spread, look, seen)


def _regional(spec: SteadySpec, pass_id: str) -> Image:
    """Give what the region did on one date, by band, over all tiles; float32 (B,)."""
    total = np.zeros((len(spec.bands), BINS), np.int64)
    for tile in spec.store.tiles:
        c = _compare(spec, pass_id, tile)
        for k, (median, look) in enumerate(zip(c.median, c.look, strict=True)):
            total[k] += difference_histogram(median, look, c.seen)
    return np.array([regional_shift(h) for h in total], np.float32)


def _changes(spec: SteadySpec, item: tuple[str, Image]) -> tuple[int, int]:
    """Count (changed, stable) pixels of one date over all tiles."""
    pass_id, shift = item
    changed = stable = 0
    for tile in spec.store.tiles:
        c = _compare(spec, pass_id, tile)
        found = tally_change(c.median, c.spread, c.look, c.seen, shift, spec.options)
        changed, stable = changed + found[0], stable + found[1]
    return changed, stable
