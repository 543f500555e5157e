"""Sweep 2: what belongs to the date and not to the tile.

In this order: radiometry of every pass (dark targets), clear-sky mask, registration, quarantine.
Everything that crosses tiles is an exact sum of integers or a vote of windows on a fixed lattice.

What was found of a look is kept by the names of all that it depends on: the look itself and the
reference of its quarter. So a run that reads nothing new computes nothing here, a new look touches
little but itself, and no result depends on what was kept.
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
from pipeline.io.vault import Vault, content_key
from pipeline.model import DateQuality, Pass, SetAside, Tile
from pipeline.passes.align import register
from pipeline.passes.clearsky import write_masks
from pipeline.passes.ground import Site
from pipeline.passes.known_looks import Known
from pipeline.passes.sky import source_of
from pipeline.passes.steady import quarantine
from pipeline.prepare.band_order import BANDS as ORDER_BANDS
from pipeline.prepare.band_order import ORDER, RULE, tally_order
from pipeline.prepare.options import PrepareOptions
from pipeline.prepare.radiometry import (
    BINS,
    HIGHEST,
    LOWEST,
    WRONG_ORDER,
    WRONG_SCALE,
    band_histogram,
    check_radiometry,
)
from pipeline.prepare.sky import Sky, is_clear

CLEAR_CODES = (int(Sky.CLEAR), int(Sky.RESCUED))
_LOOK = "Look at the scene and at its band table; other dates are not affected"
_ORDER_TILES, _EVERY = 8, 5
_BANDS = "Put its band table in the order of the files, or name the one that fits (docs/folders.md)"
_UNSURE = ": haze or thin cloud over all of it, or a fault of the scene; which is not known"
_TABLE = "Correct scale and offset of its band table, or name the table that fits (docs/folders.md)"


@dataclass(frozen=True)
class Reduced:
    """The passes that count, and what was found of each."""

    passes: tuple[Pass, ...]
    quality: Mapping[str, DateQuality]
    # Pass id → key of its mask in the store; of looks that were set aside as well, so that their
    # masks stay and the next run need not make them again to set them aside.
    mask_keys: Mapping[str, str]
    set_aside: tuple[SetAside, ...]
    corrected: Mapping[str, float]  # pass id → offset added, where the catalogue's flag was wrong
    reach_clear: Mapping[str, tuple[float, ...]]  # pass id → clear share by reach index, 0 unused


def reduce_dates(site: Site, passes: Sequence[Pass], options: PrepareOptions) -> Reduced:
    """Judge every gathered pass; those that are of no use are set aside by name."""
    vault = Vault(site.store.root / "kept", memory=site.store.results)
    aside: list[SetAside] = []
    quality = {p.id: _fresh(p) for p in passes}
    good = _radiometry(site, passes, (options, vault), quality, aside)
    masks = write_masks(site, good, quality, options, vault)
    known = Known.of(site.store, good, quality, masks)
    good, reach_clear = _clear(site, good, (known, options, vault), aside)
    failpoint("prepare.masked")
    register(site, good, options, known, vault)
    good, odd = quarantine(site, good, options, known, vault)
    aside += odd
    kept = {p.id: quality[p.id] for p in good}
    corrected = {i: q.reflectance_offset for i, q in kept.items() if q.reflectance_offset}
    failpoint("prepare.reduced")
    return Reduced(tuple(good), kept, masks, tuple(aside), corrected, reach_clear)


def _fresh(p: Pass) -> DateQuality:
    return DateQuality(p.id, (0.0, 0.0), 0.0, 0.0, 0.0, 0.0)


def dark_key(store: CorridorStore, p: Pass, wanted: Sequence[str]) -> str:
    """Name the histograms of a pass by what they are counted from."""
    rule = (LOWEST, HIGHEST, BINS, RULE, _ORDER_TILES, _EVERY)
    return content_key(__version__, *rule, wanted, source_of(store, p))


def reaches_mark(site: Site) -> list[list[object]]:
    """Give what clear shares by reach depend on, of the corridor."""
    return [[r.index, r.polygon.wkb_hex] for r in site.reaches]


def clear_shares(pixels: NDArray[np.generic]) -> tuple[float, tuple[float, ...]]:
    """Give the clear share of the corridor, and by reach index (0 unused).

    Parameters
    ----------
    pixels : int64 (2, n_reach + 1)
        All pixels by reach index, and those that are clear.
    """
    every, counts = np.asarray(pixels, dtype=np.int64)[:, 1:]
    shares = (float(c / max(n, 1)) for c, n in zip(counts, every, strict=True))
    return float(counts.sum() / max(every.sum(), 1)), (0.0, *shares)


def _dark_targets(
    site: Site, passes: Sequence[Pass], wanted: Sequence[str], vault: Vault
) -> list[dict[str, NDArray[np.int64]]]:
    """Histograms of the bands that each pass has, over the whole corridor."""
    found: dict[str, dict[str, NDArray[np.int64]]] = {}
    keys = {p.id: dark_key(site.store, p, wanted) for p in passes}
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
        for b in bands:
            values = reader.known(pass_id, b, tile)
            out[b] += band_histogram(values, np.ones(values.shape, dtype=bool))
    if all(b in store.note(pass_id)["bands"] for b in ORDER_BANDS):
        out[ORDER] = _order(reader, pass_id)
    return out


def _order(reader: LookReader, pass_id: str) -> NDArray[np.int64]:
    """Count what speaks against the order of the bands, on some pixels of some tiles.

    Plants are everywhere along a river, and a share of them is enough.
    """
    tiles, counts = reader.store.tiles, np.zeros(4, np.int64)
    every = _EVERY if len(tiles) > 1 else 1  # a small corridor has few enough
    for tile in tiles[:: -(-len(tiles) // _ORDER_TILES) or 1]:
        bands = [reader.stored(pass_id, b, tile)[::every] for b in ORDER_BANDS]
        counts += tally_order(np.stack(bands))
    return counts


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
                # Dark ground that is lighter than on other dates is that, or haze, or a fault.
                unsure = verdict.sky and verdict.deviation <= rule.step + rule.step_tolerance
                reason = verdict.reason + (_UNSURE if unsure else "")
                remedy = "" if verdict.sky else _remedy(verdict.reason)
                aside.append(SetAside(p.id, "prepare", reason, remedy))
                continue
            quality[p.id] = replace(quality[p.id], reflectance_offset=verdict.offset)
            kept.append(p)
    return sorted(kept, key=lambda p: (p.acquired, p.id))


def _remedy(reason: str) -> str:
    if reason.startswith(WRONG_SCALE):
        return _TABLE
    return _BANDS if reason.startswith(WRONG_ORDER) else _LOOK


def _clear(
    site: Site,
    passes: Sequence[Pass],
    how: tuple[Known, PrepareOptions, Vault],
    aside: list[SetAside],
) -> tuple[list[Pass], dict[str, tuple[float, ...]]]:
    """Measure the clear share of every reach; passes without clear sky are set aside."""
    if not passes:
        return [], {}
    known, options, vault = how
    quality = known.quality
    reaches = reaches_mark(site)
    keys = {p.id: content_key("clear", known.mask(p.id), reaches) for p in passes}
    held = {p.id: vault.get("clear", keys[p.id]) for p in passes}
    ids = tuple(i for i, h in held.items() if h is None)
    if ids:
        work = partial(_clear_pixels, site.detached(), known.mask_keys, ids)
        parts = map_tiles(work, site.store.tiles, site.workers, site.progress, "clear shares")
        pixels = np.sum(parts, axis=0)
        for i, counts in zip(ids, pixels[1:], strict=True):
            held[i] = {"pixels": np.stack([pixels[0], counts])}
            vault.put("clear", keys[i], pixels=np.stack([pixels[0], counts]))
    kept: list[Pass] = []
    by_reach: dict[str, tuple[float, ...]] = {}
    for p in passes:
        found = held[p.id]
        assert found is not None
        share, by_reach[p.id] = clear_shares(found["pixels"])
        quality[p.id] = replace(quality[p.id], clear_share=share)
        if share < options.least_clear:
            reason = f"only {share:.1%} of the corridor is clear"
            aside.append(SetAside(p.id, "prepare", reason))
        else:
            kept.append(p)
    return kept, by_reach


def _clear_pixels(
    site: Site, mask_keys: Mapping[str, str], ids: Sequence[str], tile: Tile
) -> NDArray[np.int64]:
    """Pixels by reach index: all of them, then those clear on each date; (T + 1, n_reach + 1)."""
    reader = LookReader(site.store, {}, mask_keys)
    reach = site.reach(tile.core)
    size = site.n_reach + 1
    rows = [np.bincount(reach.ravel(), minlength=size)]
    kept = site.store.kept(tile.core)
    own = reach[kept]
    rest = rows[0] - np.bincount(own, minlength=size)  # of which no mask says anything
    for pass_id in ids:
        seen = own[is_clear(reader.stored_mask(pass_id, tile))]
        counts = rest + np.bincount(seen, minlength=size)
        counts[0] = reach.size - counts[1:].sum()  # what is hidden counts as outside
        rows.append(counts)
    return np.stack(rows)
