"""Sweep 2: what belongs to the date and not to the tile.

In this order: radiometry of every pass (dark targets), clear-sky mask, registration, quarantine.
Everything that crosses tiles is an exact sum of integers or a vote of windows on a fixed lattice.

What was found is kept by the names of all that it depends on: histograms by pass, everything else
by the set of passes, because references are medians over all of them. So a run that reads nothing
new computes nothing here, and no result depends on what was kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from pipeline import __version__
from pipeline.io.failpoints import failpoint
from pipeline.io.looks import LookReader
from pipeline.io.store import CorridorStore
from pipeline.io.tasks import map_tiles
from pipeline.io.vault import Vault, content_key, keep_newest
from pipeline.model import DateQuality, Pass, SetAside, Tile
from pipeline.passes.align import register
from pipeline.passes.clearsky import write_masks
from pipeline.passes.gather import fingerprint
from pipeline.passes.ground import Site
from pipeline.passes.steady import quarantine
from pipeline.prepare.mask import Sky
from pipeline.prepare.options import PrepareOptions
from pipeline.prepare.radiometry import BINS, HIGHEST, LOWEST, band_histogram, check_radiometry

CLEAR_CODES = (int(Sky.CLEAR), int(Sky.RESCUED))
_LOOK = "Look at the scene and at its band table; other dates are not affected"
_KEPT_BYTES = 256 << 20  # of small results in one corridor's store
_KEPT_LAYERS = 3  # sets of masks, and of states: of as many workflows over one store


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
    vault = Vault(site.store.root / "kept")
    aside: list[SetAside] = []
    quality = {p.id: _fresh(p) for p in passes}
    good = _radiometry(site, passes, (options, vault), quality, aside)
    key = _mask_key(site, good, quality, options)
    write_masks(site, good, quality, key, options.mask)
    good, reach_clear = _clear(site, good, (key, options, vault), quality, aside)
    failpoint("prepare.masked")
    register(site, good, (key, options.register_), quality, vault)
    good, odd = quarantine(site, good, (key, options.quarantine), quality, vault)
    aside += odd
    kept = {p.id: quality[p.id] for p in good}
    corrected = {i: q.reflectance_offset for i, q in kept.items() if q.reflectance_offset}
    failpoint("prepare.reduced")
    return Reduced(tuple(good), kept, key, tuple(aside), corrected, reach_clear)


def tidy(store: CorridorStore, mask_key: str, state_key: str) -> None:
    """Drop layers and small results of inputs that no recent run had."""
    keep_newest(store.root / "mask", mask_key, _KEPT_LAYERS)
    keep_newest(store.root / "state", state_key, _KEPT_LAYERS)
    keep_newest(store.root / "feature", state_key, _KEPT_LAYERS)
    Vault(store.root / "kept").trim(_KEPT_BYTES)


def _fresh(p: Pass) -> DateQuality:
    return DateQuality(p.id, (0.0, 0.0), 0.0, 0.0, 0.0, 0.0)


def _source(site: Site, p: Pass) -> list[object]:
    """All that the stored pixels of a pass depend on."""
    return [p.id, fingerprint(p), site.store.note(p.id)]


def _dark_targets(
    site: Site, passes: Sequence[Pass], wanted: Sequence[str], vault: Vault
) -> list[dict[str, NDArray[np.int64]]]:
    """Histograms of the bands that each pass has, over the whole corridor."""
    found: dict[str, dict[str, NDArray[np.int64]]] = {}
    keys = {
        p.id: content_key(__version__, LOWEST, HIGHEST, BINS, wanted, _source(site, p))
        for p in passes
    }
    for p in passes:
        held = vault.get("dark", keys[p.id])
        if held is not None:
            found[p.id] = {b: np.asarray(h, dtype=np.int64) for b, h in held.items()}
    missing = [
        (p.id, tuple(b for b in wanted if b in site.store.note(p.id)["bands"]))
        for p in passes
        if p.id not in found
    ]
    work = partial(_histograms, site.store)
    results = map_tiles(work, missing, site.workers, site.progress, "radiometry")
    for (pass_id, _), histograms in zip(missing, results, strict=True):
        vault.put("dark", keys[pass_id], **histograms)
        found[pass_id] = histograms
    return [found[p.id] for p in passes]


def _histograms(
    store: CorridorStore, item: tuple[str, Sequence[str]]
) -> dict[str, NDArray[np.int64]]:
    pass_id, bands = item
    reader = LookReader(store)
    out = {b: np.zeros(BINS, np.int64) for b in bands}
    for tile in store.tiles:
        everywhere = np.ones(tile.core.shape, dtype=bool)
        for b in bands:
            out[b] += band_histogram(reader.band(pass_id, b, tile.core), everywhere)
    return out


def _radiometry(
    site: Site,
    passes: Sequence[Pass],
    how: tuple[PrepareOptions, Vault],
    quality: dict[str, DateQuality],
    aside: list[SetAside],
) -> list[Pass]:
    """Sensors are compared among themselves: their bands differ."""
    rule = how[0].radiometry
    kept: list[Pass] = []
    for sensor in sorted({p.sensor for p in passes}):
        own = [p for p in passes if p.sensor == sensor]
        dates = _dark_targets(site, own, rule.bands, how[1])
        for p, verdict in zip(own, check_radiometry(dates, rule), strict=True):
            if not verdict.usable:
                # Cloud is nothing that anybody could mend.
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
    options: PrepareOptions,
) -> str:
    """Name the mask by all that it depends on: it is temporal, so every pass is part of it."""
    content = [[_source(site, p), quality[p.id].reflectance_offset] for p in passes]
    return content_key(__version__, content, options.mask.model_dump())


def _clear(
    site: Site,
    passes: Sequence[Pass],
    how: tuple[str, PrepareOptions, Vault],
    quality: dict[str, DateQuality],
    aside: list[SetAside],
) -> tuple[list[Pass], dict[str, tuple[float, ...]]]:
    """Measure the clear share of every reach; passes without clear sky are set aside."""
    if not passes:
        return [], {}
    mask_key, options, vault = how
    reaches = [[r.index, r.polygon.wkb_hex] for r in site.reaches]
    key = content_key("clear", mask_key, [p.id for p in passes], reaches)
    found = vault.get("clear", key)
    if found is None:
        ids = tuple(p.id for p in passes)
        work = partial(_clear_pixels, site.detached(), mask_key, ids)
        parts = map_tiles(work, site.store.tiles, site.workers, site.progress, "clear shares")
        found = {"pixels": np.sum(parts, axis=0)}
        vault.put("clear", key, **found)
    sums = np.asarray(found["pixels"], dtype=np.int64)[:, 1:]
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


def _clear_pixels(site: Site, mask_key: str, ids: Sequence[str], tile: Tile) -> NDArray[np.int64]:
    """Pixels by reach index: all of them, then those clear on each date; (T + 1, n_reach + 1)."""
    reader = LookReader(site.store, {}, mask_key)
    reach = site.reach(tile.core)
    size = site.n_reach + 1
    rows = [np.bincount(reach.ravel(), minlength=size)]
    for pass_id in ids:
        seen = np.isin(reader.mask(pass_id, tile.core), CLEAR_CODES)
        rows.append(np.bincount((reach * seen).ravel(), minlength=size))
    return np.stack(rows)
