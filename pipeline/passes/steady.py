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
from pipeline.io.blocks import Layer
from pipeline.io.looks import LookReader
from pipeline.io.store import CorridorStore
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
    Deviation,
    QuarantineOptions,
    decide,
    deviation_of,
    regional_shift,
    stable_ground,
    tally_change,
)
from pipeline.prepare.radiometry import BINS, difference_histograms
from pipeline.prepare.reference import Epoch, epochs
from pipeline.prepare.sky import is_clear
from pipeline.prepare.temporal import median_and_spread

QUARANTINE_BANDS = ("green", "red", "nir", "swir16")
_LOOK = "Look at the scene and at its band table; other dates are not affected"
LEAST_PASSES = 3
_Sums = tuple[NDArray[np.int32], NDArray[np.int32]]
"""Bins of the raveled histograms (B, BINS) of differences that are not empty, and their counts."""

_LOOKS_AT_ONCE = 8
_GUESSING = 2  # tiles that say first what the region did
_HELD_BYTES = 4 << 20  # of what is compared of them, over all tiles

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
        clear = known.quality[p.id].clear_share
        verdict = decide(*counts[p.id], options.quarantine, clear)
        share = verdict.changed_share
        known.quality[p.id] = replace(known.quality[p.id], changed_stable_share=share)
        if verdict.quarantined:
            # What only the sky explains nobody can mend: it stands in run.json, and is no code 10.
            remedy = _LOOK if verdict.wrong else ""
            aside.append(SetAside(p.id, "prepare", verdict.reason, remedy))
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
    counts: dict[str, tuple[int, int]] = {}
    for begin in range(0, len(ids), _LOOKS_AT_ONCE):
        some = ids[begin : begin + _LOOKS_AT_ONCE]
        counts |= dict(zip(some, _tally(site, spec, some), strict=True))
    return counts


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
class _Ground:
    """The stable ground of a tile: places among its stored pixels, and what is usual there."""

    at: NDArray[np.intp]
    median: Image  # (B, N)
    spread: Image


@dataclass(frozen=True)
class _Part:
    """What one tile says of one look; no deviation where too much hangs on the shift."""

    sums: _Sums
    deviation: Deviation | None


def _ground(spec: SteadySpec, tile: Tile) -> _Ground:
    def layer(name: str) -> NDArray[np.generic]:
        found = spec.store.packed(spec.folder, name, tile)
        assert found is not None  # a block of the ground holds all of its layers
        return found.values

    at = np.flatnonzero(layer("stable") == 1)
    median, spread = (
        np.stack([layer(f"{name}_{b}")[at] for b in spec.bands]).astype(np.float32, copy=False)
        for name in ("median", "spread")
    )
    return _Ground(at, median, spread)


def _compare(
    spec: SteadySpec, pass_id: str, tile: Tile, ground: _Ground
) -> tuple[NDArray[np.intp], Image]:
    """Give which stable ground of a tile is compared, intp (M,), and a look there, (B, M).

    Of that ground what is clear, and not flooded: a flood is no fault of a date.
    """
    reader = spec.reader
    own = np.flatnonzero(is_clear(reader.stored_mask(pass_id, tile)[ground.at]))
    at, wet = ground.at[own], ("green", spec.dark)
    seen = {b: reader.stored(pass_id, b, tile, at) for b in wet}
    dry = np.flatnonzero(~(seen["green"] > seen[spec.dark]))
    own, at = own[dry], at[dry]
    look = np.empty((len(spec.bands), own.size), np.float32)
    for values, b in zip(look, spec.bands, strict=True):
        values[:] = seen[b][dry] if b in seen else reader.stored(pass_id, b, tile, at)
    return own, look


def _tally(site: Site, spec: SteadySpec, ids: Sequence[str]) -> list[tuple[int, int]]:
    """Count (changed, stable) pixels of some dates over all tiles.

    Which pixels look changed hangs on what the region did, and that on all tiles. But some tiles
    tell it nearly, so that most pixels are told at once; of the others what is compared is kept, as
    far as it may be. Where there is too much of it, or the guess was wrong, tiles are compared
    again.
    """
    run, tiles = (site.workers, site.progress), spec.store.tiles
    some = [tiles[len(tiles) * k // _GUESSING] for k in range(_GUESSING)] if tiles else []
    begun = map_tiles(partial(_differences, spec, tuple(ids)), dict.fromkeys(some), site.workers)
    guesses = tuple(_shifts(spec, [b[i] for b in begun]) for i in range(len(ids)))
    most = _HELD_BYTES // (8 * len(spec.bands) * len(ids) * max(len(tiles), 1))
    first = partial(_first, spec, tuple(ids), guesses, most)
    parts = map_tiles(first, tiles, *run, "quarantine")
    shifts = [_shifts(spec, [p[i].sums for p in parts]) for i in range(len(ids))]
    counts = np.zeros((len(ids), 2), np.int64)
    again: list[tuple[Tile, tuple[int, ...]]] = []
    for tile, part in zip(tiles, parts, strict=True):
        left: list[int] = []
        for i, (one, shift) in enumerate(zip(part, shifts, strict=True)):
            if one.deviation is not None and one.deviation.holds(shift):
                counts[i] += one.deviation.count(shift)
            else:
                left.append(i)
        if left:
            again.append((tile, tuple(left)))
    work = partial(_second, spec, tuple(ids), tuple(shifts))
    second = map_tiles(work, again, *run, "quarantine")
    for (_, which), found in zip(again, second, strict=True):
        counts[list(which)] += found
    return [(int(changed), int(stable)) for changed, stable in counts]


def _shifts(spec: SteadySpec, sums: Sequence[_Sums]) -> NDArray[np.float32]:
    """Give what the region did by band, float32 (B,), from what some tiles or all say of a look."""
    total = np.zeros(len(spec.bands) * BINS, np.int64)
    for bins, counts in sums:
        total[bins] += counts
    every = total.reshape(len(spec.bands), BINS)
    return np.array([regional_shift(h) for h in every], np.float32)


def _summed(ground: _Ground, own: NDArray[np.intp], look: Image) -> _Sums:
    sums = difference_histograms(ground.median, look, own).ravel()
    bins = np.flatnonzero(sums)
    return bins.astype(np.int32), sums[bins].astype(np.int32)


def _differences(spec: SteadySpec, ids: Sequence[str], tile: Tile) -> list[_Sums]:
    """Give what a tile says of what the region did on some looks."""
    ground = _ground(spec, tile)
    return [_summed(ground, *_compare(spec, i, tile, ground)) for i in ids]


def _first(
    spec: SteadySpec,
    ids: Sequence[str],
    guesses: Sequence[NDArray[np.float32]],
    most: int,
    tile: Tile,
) -> list[_Part]:
    """Compare some looks over a tile; of no more than so many pixels of each anything is held."""
    ground = _ground(spec, tile)
    out: list[_Part] = []
    for pass_id, guess in zip(ids, guesses, strict=True):
        own, look = _compare(spec, pass_id, tile, ground)
        deviation = deviation_of(ground.median, ground.spread, look, guess, spec.options, own)
        held = deviation if deviation.limit.shape[1] <= most else None
        out.append(_Part(_summed(ground, own, look), held))
    return out


def _second(
    spec: SteadySpec,
    ids: Sequence[str],
    shifts: Sequence[NDArray[np.float32]],
    job: tuple[Tile, Sequence[int]],
) -> list[tuple[int, int]]:
    """Count (changed, stable) pixels of a tile on some dates, by their places among ``ids``."""
    tile, which = job
    ground = _ground(spec, tile)
    out: list[tuple[int, int]] = []
    for i in which:
        own, compared = _compare(spec, ids[i], tile, ground)
        median, spread = ground.median[:, None, own], ground.spread[:, None, own]
        look = compared[:, None]
        seen = np.ones(look.shape[1:], bool)
        out.append(tally_change(median, spread, look, seen, shifts[i], spec.options))
    return out
