"""Sweep 2: what belongs to the date and not to the tile.

In this order: radiometry of every pass (dark targets), clear-sky mask, registration, quarantine.
Everything that crosses tiles is an exact sum of integers or a vote of windows on a fixed lattice.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pipeline.io.failpoints import failpoint
from pipeline.io.looks import LookReader
from pipeline.io.tasks import map_tiles
from pipeline.model import DateQuality, Pass, SetAside, Tile, Window
from pipeline.passes.gather import fingerprint
from pipeline.passes.ground import Site
from pipeline.prepare.mask import MaskOptions, Sky, clear_sky, halo_px
from pipeline.prepare.options import PrepareOptions
from pipeline.prepare.quarantine import (
    QuarantineOptions,
    decide,
    difference_histogram,
    regional_shift,
    stable_ground,
    tally_change,
)
from pipeline.prepare.radiometry import band_histogram, check_radiometry
from pipeline.prepare.register import (
    RegisterOptions,
    WindowShift,
    lattice_windows,
    reference_median,
    vote,
    window_shift,
)
from pipeline.prepare.temporal import median_and_spread

CLEAR_CODES = (int(Sky.CLEAR), int(Sky.RESCUED))
MASK_BANDS = ("blue", "green", "red", "nir", "swir16")
QUARANTINE_BANDS = ("green", "red", "nir", "swir16")
_LOOK = "Look at the scene and at its band table; other dates are not affected"


@dataclass(frozen=True)
class Reduced:
    """The passes that count, and what was found of each."""

    passes: tuple[Pass, ...]
    quality: Mapping[str, DateQuality]
    mask_key: str
    set_aside: tuple[SetAside, ...]
    corrected: Mapping[str, float]  # pass id → offset added, where the catalogue's flag was wrong
    reach_clear: Mapping[str, tuple[float, ...]]  # pass id → clear share by reach index, 0 unused


def reduce_dates(site: Site, passes: Sequence[Pass], options: PrepareOptions) -> Reduced:
    """Judge every gathered pass; those that are of no use are set aside by name."""
    aside: list[SetAside] = []
    quality = {p.id: _fresh(p) for p in passes}
    good = _radiometry(site, passes, options, quality, aside)
    key = _mask_key(site, good, quality, options.mask)
    good, reach_clear = _mask(site, good, (key, options), quality, aside)
    failpoint("prepare.masked")
    _register(site, good, (key, options.register_), quality)
    good = _quarantine(site, good, (key, options.quarantine), quality, aside)
    kept = {p.id: quality[p.id] for p in good}
    corrected = {i: q.reflectance_offset for i, q in kept.items() if q.reflectance_offset}
    failpoint("prepare.reduced")
    return Reduced(tuple(good), kept, key, tuple(aside), corrected, reach_clear)


def _fresh(p: Pass) -> DateQuality:
    return DateQuality(p.id, (0.0, 0.0), 0.0, 0.0, 0.0, 0.0)


def _held(site: Site, passes: Sequence[Pass], wanted: Sequence[str]) -> list[str]:
    """Bands of ``wanted`` that every pass has."""
    notes = [set(site.store.note(p.id)["bands"]) for p in passes]
    return [b for b in wanted if all(b in n for n in notes)]


def _sum_tiles(
    site: Site, work: Callable[[Tile], NDArray[np.int64]], what: str
) -> NDArray[np.int64]:
    parts = map_tiles(work, site.store.tiles, site.workers, site.progress, what)
    return np.asarray(np.sum(parts, axis=0), dtype=np.int64)


def _radiometry(
    site: Site,
    passes: Sequence[Pass],
    options: PrepareOptions,
    quality: dict[str, DateQuality],
    aside: list[SetAside],
) -> list[Pass]:
    """Sensors are compared among themselves: their bands differ."""
    kept: list[Pass] = []
    reader = LookReader(site.store)
    for sensor in sorted({p.sensor for p in passes}):
        own = [p for p in passes if p.sensor == sensor]
        bands = _held(site, own, options.radiometry.bands)

        def counts(
            tile: Tile, own: list[Pass] = own, bands: list[str] = bands
        ) -> NDArray[np.int64]:
            everywhere = np.ones(tile.core.shape, dtype=bool)
            return np.stack(
                [
                    np.stack(
                        [band_histogram(reader.band(p.id, b, tile.core), everywhere) for b in bands]
                    )
                    for p in own
                ]
            )

        sums = _sum_tiles(site, counts, "radiometry")
        dates = [{b: sums[i, k] for k, b in enumerate(bands)} for i in range(len(own))]
        for p, verdict in zip(own, check_radiometry(dates, options.radiometry), strict=True):
            if not verdict.usable:
                # Cloud is nothing that anybody could mend.
                rule = options.radiometry
                cloud = verdict.deviation > rule.step + rule.step_tolerance
                aside.append(SetAside(p.id, "prepare", verdict.reason, "" if cloud else _LOOK))
                continue
            quality[p.id] = replace(quality[p.id], reflectance_offset=verdict.offset)
            kept.append(p)
    return sorted(kept, key=lambda p: (p.acquired, p.id))


def _mask_key(
    site: Site,
    passes: Sequence[Pass],
    quality: Mapping[str, DateQuality],
    options: MaskOptions,
) -> str:
    """Name the mask by all that it depends on: it is temporal, so every pass is part of it."""
    content = [
        [p.id, fingerprint(p), quality[p.id].reflectance_offset, site.store.note(p.id)]
        for p in passes
    ]
    text = json.dumps([content, options.model_dump()], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _mask(
    site: Site,
    passes: Sequence[Pass],
    how: tuple[str, PrepareOptions],
    quality: dict[str, DateQuality],
    aside: list[SetAside],
) -> tuple[list[Pass], dict[str, tuple[float, ...]]]:
    """Write the mask of every tile that has none yet; passes without clear sky are set aside."""
    key, options = how
    store = site.store
    reader = LookReader(store, {p.id: quality[p.id] for p in passes}, key)
    missing = [
        t
        for t in store.tiles
        if any(not store.block_path(f"mask/{key}/{p.id}", t).exists() for p in passes)
    ]

    def one(tile: Tile) -> None:
        codes = mask_over(site, passes, reader, tile.core, options.mask)
        for p, code in zip(passes, codes, strict=True):
            layer = store.pack(code.astype(np.int16), tile, 1)
            store.write(f"mask/{key}/{p.id}", tile, {"mask": layer})

    if passes:
        map_tiles(one, missing, site.workers, site.progress, "clear sky")

    def clear(tile: Tile) -> NDArray[np.int64]:
        reach = site.reach(tile.core)
        seen = [np.isin(reader.mask(p.id, tile.core), CLEAR_CODES) for p in passes]
        size = site.n_reach + 1
        return np.stack(
            [np.bincount(r.ravel(), minlength=size) for r in (reach, *(reach * s for s in seen))]
        )

    if not passes:
        return [], {}
    sums = _sum_tiles(site, clear, "")[:, 1:]
    kept: list[Pass] = []
    by_reach: dict[str, tuple[float, ...]] = {}
    for p, counts in zip(passes, sums[1:], strict=True):
        share = float(counts.sum() / max(sums[0].sum(), 1))
        by_reach[p.id] = (
            0.0,
            *(float(c / max(n, 1)) for c, n in zip(counts, sums[0], strict=True)),
        )
        quality[p.id] = replace(quality[p.id], clear_share=share)
        if share < options.least_clear:
            reason = f"only {share:.1%} of the corridor is clear"
            aside.append(SetAside(p.id, "prepare", reason))
        else:
            kept.append(p)
    return kept, by_reach


def mask_over(
    site: Site,
    passes: Sequence[Pass],
    reader: LookReader,
    core: Window,
    options: MaskOptions,
) -> NDArray[np.uint8]:
    """Clear-sky codes of all passes over ``core``, uint8 (T, H, W).

    Passes with and without the producer's classes, and with and without SWIR, are masked apart:
    one poor pass must not change what is said of all others.
    """
    res = site.store.grid.res_m
    window = core.pad(halo_px(options, res)).intersect(site.store.grid.window)
    assert window is not None
    out = np.zeros((len(passes), *core.shape), dtype=np.uint8)
    groups: dict[tuple[bool, bool], list[int]] = {}
    for i, p in enumerate(passes):
        held = site.store.note(p.id)["bands"]
        groups.setdefault(("scl" in held, "swir16" in held), []).append(i)
    for (has_scl, _), indices in sorted(groups.items()):
        own = [passes[i] for i in indices]
        bands = reader.stack([p.id for p in own], _held(site, own, MASK_BANDS), window)
        scl = None
        if has_scl:
            still = LookReader(site.store)
            scl = np.stack([still.codes(p.id, "scl", window) for p in own])
        codes = clear_sky(bands, scl, [_sun(p) for p in own], options, res)
        part = core.within(window)
        out[indices] = codes[:, part[0], part[1]]
    return out


def _sun(p: Pass) -> tuple[float, float] | None:
    scene = p.scenes[0]
    if scene.sun_azimuth_deg is None or scene.sun_elevation_deg is None:
        return None
    return scene.sun_azimuth_deg, scene.sun_elevation_deg


def _register(
    site: Site,
    passes: Sequence[Pass],
    how: tuple[str, RegisterOptions],
    quality: dict[str, DateQuality],
) -> None:
    key, options = how
    if not passes:
        return
    reader = LookReader(site.store, {p.id: quality[p.id] for p in passes}, key)
    dark = {p.id: "swir16" if _held(site, [p], ("swir16",)) else "nir" for p in passes}

    def one(window: Window) -> list[WindowShift | None]:
        if not site.stored(window).any():
            return [None] * len(passes)
        stack = np.stack([reader.band(p.id, "red", window) for p in passes])
        clear = np.stack([np.isin(reader.mask(p.id, window), CLEAR_CODES) for p in passes])
        reference = reference_median(stack, clear)
        land = ~_ever_wet(reader, dark, window, clear)
        return [
            window_shift(reference, stack[i], clear[i] & land, options) for i in range(len(passes))
        ]

    windows = lattice_windows(site.store.grid.shape, options.size_px, options.stride_px)
    found = map_tiles(one, windows, site.workers, site.progress, "registration")
    for i, p in enumerate(passes):
        own = [shift for row in found if (shift := row[i]) is not None]
        result = vote(own, options)
        quality[p.id] = replace(
            quality[p.id],
            shift_px=(result.dy, result.dx),
            residual_m=result.residual_px * site.store.grid.res_m,
        )


def _ever_wet(
    reader: LookReader,
    dark: Mapping[str, str],
    window: Window,
    clear: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    """Where a plain index saw water on more than a few looks: no ground to register on."""
    wet = np.zeros(window.shape, dtype=np.int32)
    for i, (pass_id, other) in enumerate(dark.items()):
        green, low = reader.band(pass_id, "green", window), reader.band(pass_id, other, window)
        wet += (green > low) & clear[i]
    return wet > 0.1 * np.maximum(clear.sum(axis=0), 1)


def _quarantine(
    site: Site,
    passes: Sequence[Pass],
    how: tuple[str, QuarantineOptions],
    quality: dict[str, DateQuality],
    aside: list[SetAside],
) -> list[Pass]:
    """Set dates aside that make stable ground look changed."""
    key, options = how
    if len(passes) < 3:
        return list(passes)
    reader = LookReader(site.store, {p.id: quality[p.id] for p in passes}, key)
    bands = _held(site, passes, QUARANTINE_BANDS)
    shifts = _sum_tiles(
        site, lambda t: _differences(_ground(reader, passes, bands, t, options)), "stable ground"
    )
    regional = np.array([[regional_shift(h) for h in row] for row in shifts], np.float32)

    def changes(tile: Tile) -> NDArray[np.int64]:
        ground = _ground(reader, passes, bands, tile, options)
        return np.array(
            [
                tally_change(
                    ground.median,
                    ground.spread,
                    ground.look(i),
                    ground.seen(i),
                    regional[i],
                    options,
                )
                for i in range(len(passes))
            ],
            dtype=np.int64,
        )

    counts = _sum_tiles(site, changes, "quarantine")
    kept: list[Pass] = []
    for p, (changed, stable) in zip(passes, counts, strict=True):
        verdict = decide(int(changed), int(stable), options)
        quality[p.id] = replace(quality[p.id], changed_stable_share=verdict.changed_share)
        if verdict.quarantined:
            aside.append(SetAside(p.id, "prepare", verdict.reason, _LOOK))
        else:
            kept.append(p)
    return kept


@dataclass(frozen=True)
class _Ground:
    """Stable ground of a tile with all its looks."""

    stack: Mapping[str, NDArray[np.float32]]
    clear: NDArray[np.bool_]
    median: NDArray[np.float32]  # (B, H, W)
    spread: NDArray[np.float32]
    stable: NDArray[np.bool_]

    def look(self, i: int) -> NDArray[np.float32]:
        """All bands of one look, (B, H, W)."""
        return np.stack([s[i] for s in self.stack.values()])

    def seen(self, i: int) -> NDArray[np.bool_]:
        """Stable ground that is clear and not flooded on one date: a flood is no fault of it."""
        dark = self.stack["swir16"] if "swir16" in self.stack else self.stack["nir"]
        flooded = self.stack["green"][i] > dark[i]
        return self.stable & self.clear[i] & ~flooded


def _ground(
    reader: LookReader,
    passes: Sequence[Pass],
    bands: Sequence[str],
    tile: Tile,
    options: QuarantineOptions,
) -> _Ground:
    ids = [p.id for p in passes]
    stack = reader.stack(ids, bands, tile.core)
    clear = np.stack([np.isin(reader.mask(i, tile.core), CLEAR_CODES) for i in ids])
    found = [median_and_spread(stack[b], clear) for b in bands]
    median, spread = np.stack([f[0] for f in found]), np.stack([f[1] for f in found])
    dark = stack["swir16"] if "swir16" in stack else stack["nir"]
    wet = ((stack["green"] > dark) & clear).sum(axis=0)
    seen = clear.sum(axis=0)
    frequency = np.where(seen > 0, wet / np.maximum(seen, 1), np.nan).astype(np.float32)
    return _Ground(stack, clear, median, spread, stable_ground(median, spread, frequency, options))


def _differences(ground: _Ground) -> NDArray[np.int64]:
    return np.stack(
        [
            np.stack(
                [
                    difference_histogram(ground.median[k], s[i], ground.seen(i))
                    for k, s in enumerate(ground.stack.values())
                ]
            )
            for i in range(ground.clear.shape[0])
        ]
    )
