"""Sweep 2c: dates that make stable ground look changed are set aside.

Every calendar quarter has its reference (:mod:`pipeline.prepare.reference`), of which the ground's
median and spread are made tile by tile, in strips, and lie in the store's ``ground`` folder while
one date after the other is compared with them. The counts of a look are kept under the names of the
ground and of the look.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from pipeline import __version__
from pipeline.io.looks import LookReader
from pipeline.io.store import CorridorStore, Layer
from pipeline.io.tasks import map_tiles
from pipeline.io.vault import Vault, content_key
from pipeline.model import DateQuality, Pass, SetAside, Tile
from pipeline.passes.ground import Site
from pipeline.passes.known_looks import Known
from pipeline.passes.layers import KEPT_TURNS, keep_used
from pipeline.passes.strips import packed_strips
from pipeline.prepare.options import PrepareOptions
from pipeline.prepare.quarantine import (
    GROUND_FIELDS,
    TALLY_FIELDS,
    QuarantineOptions,
    decide,
    difference_histogram,
    regional_shift,
    stable_ground,
    tally_change,
)
from pipeline.prepare.radiometry import BINS
from pipeline.prepare.reference import Epoch, epochs
from pipeline.prepare.sky import is_clear
from pipeline.prepare.temporal import median_and_spread

QUARANTINE_BANDS = ("green", "red", "nir", "swir16")
_LOOK = "Look at the scene and at its band table; other dates are not affected"
LEAST_PASSES = 3
_HELD_BYTES = 4 << 20  # of what is compared of one look, in each thread

Image = NDArray[np.float32]


@dataclass(frozen=True)
class SteadySpec:
    """What the comparison needs; small, frozen, and read from disk where it works."""

    store: CorridorStore
    folder: str  # of the ground's layers
    reference: tuple[str, ...]
    bands: tuple[str, ...]  # that all looks of the reference and those to be compared have
    quality: Mapping[str, DateQuality]
    mask_keys: Mapping[str, str]
    options: QuarantineOptions

    @property
    def reader(self) -> LookReader:
        """Reader of looks with shift, offset and mask."""
        return LookReader(self.store, self.quality, self.mask_keys)

    @property
    def dark(self) -> str:
        """Band in which water is darkest."""
        return "swir16" if "swir16" in self.bands else "nir"


def quarantine(
    site: Site,
    passes: Sequence[Pass],
    options: PrepareOptions,
    known: Known,
    vault: Vault,
) -> tuple[list[Pass], list[SetAside]]:
    """Split the passes into those that are kept and those that are set aside, by name."""
    if len(passes) < LEAST_PASSES:
        return list(passes), []
    counts: dict[str, tuple[int, int]] = {}
    used: list[str] = []
    for epoch in epochs([p.acquired for p in passes], options.reference):
        spec = _spec(site, passes, epoch, options.quarantine, known)
        used.append(spec.folder.split("/")[1])
        own = [passes[i].id for i in epoch.own]
        rule = options.quarantine
        keys = {i: content_key(*tally_content(spec.folder, known, i, rule)) for i in own}
        held = {i: vault.get("quarantine", keys[i]) for i in own}
        missing = [i for i in own if held[i] is None]
        made = _counts(site, spec, missing) if missing else {}
        for i, pair in made.items():
            vault.put("quarantine", keys[i], counts=np.array(pair, np.int64))
        for i, h in held.items():
            if h is not None:
                made[i] = (int(h["counts"][0]), int(h["counts"][1]))
        counts |= made
    keep_used(site, "ground", list(dict.fromkeys(used))[-KEPT_TURNS:])
    kept: list[Pass] = []
    aside: list[SetAside] = []
    for p in passes:
        verdict = decide(*counts[p.id], options.quarantine)
        share = verdict.changed_share
        known.quality[p.id] = replace(known.quality[p.id], changed_stable_share=share)
        if verdict.quarantined:
            aside.append(SetAside(p.id, "prepare", verdict.reason, _LOOK))
        else:
            kept.append(p)
    return kept, aside


def common_bands(
    store: CorridorStore, passes: Sequence[Pass], reference: Sequence[int], own: Sequence[int]
) -> tuple[str, ...]:
    """Give the bands that all looks of a quarter and of its reference have, by their places."""
    notes = [store.note(passes[i].id)["bands"] for i in sorted({*reference, *own})]
    return tuple(b for b in QUARANTINE_BANDS if all(b in n for n in notes))


def ground_content(
    known: Known, reference: Sequence[str], bands: Sequence[str], options: QuarantineOptions
) -> list[object]:
    """Give all that the stable ground of a quarter depends on."""
    content = [known.content(i) for i in reference]
    return ["ground", __version__, content, bands, options.model_dump(include={*GROUND_FIELDS})]


def tally_content(folder: str, known: Known, look: str, options: QuarantineOptions) -> list[object]:
    """Give all that the counts of a look depend on; ``folder`` is the stable ground's."""
    return [folder, known.content(look), options.model_dump(include={*TALLY_FIELDS})]


def _spec(
    site: Site, passes: Sequence[Pass], epoch: Epoch, options: QuarantineOptions, known: Known
) -> SteadySpec:
    reference = tuple(passes[i].id for i in epoch.reference)
    bands = common_bands(site.store, passes, epoch.reference, epoch.own)
    name = content_key(*ground_content(known, reference, bands, options))
    quality = known.quality_of(passes)
    return SteadySpec(
        site.store, f"ground/{name}/stable", reference, bands, quality, known.mask_keys, options
    )


def _counts(site: Site, spec: SteadySpec, ids: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Count changed and stable pixels of some passes."""
    run = (site.workers, site.progress)
    todo = [t for t in spec.store.tiles if not spec.store.block_path(spec.folder, t).exists()]
    map_tiles(partial(_write_ground, spec), todo, *run, "stable ground")
    counts = map_tiles(partial(_tally, spec), ids, *run, "quarantine")
    return dict(zip(ids, counts, strict=True))


def _write_ground(spec: SteadySpec, tile: Tile) -> None:
    reader, ids = spec.reader, spec.reference
    parts: dict[str, list[NDArray[np.int16 | np.float32]]] = {}
    for strip in packed_strips(spec.store, tile, len(ids), 4):
        clear = np.stack([strip.take(is_clear(reader.mask(i, strip.window))) for i in ids])
        found: list[tuple[Image, Image]] = []
        kept: dict[str, Image] = {}
        for band in spec.bands:
            stack = np.stack([strip.take(reader.band(i, band, strip.window)) for i in ids])
            found.append(median_and_spread(stack, clear)[:2])
            if band in ("green", spec.dark):
                kept[band] = stack
        wet = ((kept["green"] > kept[spec.dark]) & clear).sum(axis=0)
        seen = clear.sum(axis=0)
        frequency = np.where(seen > 0, wet / np.maximum(seen, 1), np.nan).astype(np.float32)
        median, spread = (np.stack([f[k] for f in found]) for k in (0, 1))
        stable = stable_ground(median, spread, frequency, spec.options)
        named = {f"median_{b}": m for b, m in zip(spec.bands, median, strict=True)}
        named |= {f"spread_{b}": s for b, s in zip(spec.bands, spread, strict=True)}
        for name, values in {**named, "stable": stable.astype(np.int16)}.items():
            parts.setdefault(name, []).append(values[0])
    layers = {n: Layer(np.concatenate(p), 1) for n, p in parts.items()}
    spec.store.write(spec.folder, tile, layers, durable=False)


@dataclass(frozen=True)
class _Compared:
    """One look over the stable ground of one tile, all (B, 1, N).

    Of that ground what is clear, and not flooded: a flood is no fault of a date.
    """

    median: Image
    spread: Image
    look: Image


def _compare(spec: SteadySpec, pass_id: str, tile: Tile) -> _Compared:
    reader, store = spec.reader, spec.store

    def ground(name: str) -> NDArray[np.generic]:
        layer = store.packed(spec.folder, name, tile)
        assert layer is not None  # a block of the ground holds all of its layers
        return layer.values

    at = np.flatnonzero(ground("stable") == 1)
    at = at[is_clear(reader.stored_mask(pass_id, tile)[at])]
    look = np.stack([reader.stored(pass_id, b, tile)[at] for b in spec.bands])
    dry = ~(look[spec.bands.index("green")] > look[spec.bands.index(spec.dark)])
    at, look = at[dry], look[:, dry]
    median, spread = (
        np.stack([ground(f"{name}_{b}")[at] for b in spec.bands]).astype(np.float32, copy=False)
        for name in ("median", "spread")
    )
    return _Compared(median[:, None], spread[:, None], look[:, None])


def _tally(spec: SteadySpec, pass_id: str) -> tuple[int, int]:
    """Count (changed, stable) pixels of one date over all tiles, once all said what the region did.

    What is compared is read and shifted once, as far as it may be kept.
    """
    total = np.zeros((len(spec.bands), BINS), np.int64)
    held: list[_Compared | None] = []
    room = _HELD_BYTES
    for tile in spec.store.tiles:
        c = _compare(spec, pass_id, tile)
        for k, (median, look) in enumerate(zip(c.median, c.look, strict=True)):
            total[k] += difference_histogram(median, look, np.ones(look.shape, bool))
        room -= 3 * c.look.nbytes
        held.append(c if room >= 0 else None)
    shift = np.array([regional_shift(h) for h in total], np.float32)
    changed = stable = 0
    for tile, known in zip(spec.store.tiles, held, strict=True):
        c = _compare(spec, pass_id, tile) if known is None else known
        seen = np.ones(c.look.shape[1:], bool)
        found = tally_change(c.median, c.spread, c.look, seen, shift, spec.options)
        changed, stable = changed + found[0], stable + found[1]
    return changed, stable
