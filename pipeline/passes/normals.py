"""The seasonal normal of a corridor for one quarter: a product on disk, named by its inputs.

Written once per tile as int16 layers (10 000 for 1) under ``normal/KEY/normal`` in the corridor
store; a later run with the same history reads it and fits nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.detect.features import MODELLED
from pipeline.detect.normal import TERMS, Normal, NormalOptions, fit_normal
from pipeline.grid import box_of_mask
from pipeline.io.blocks import SCALE, Layer
from pipeline.io.store import CorridorStore
from pipeline.io.tasks import map_tiles
from pipeline.io.vault import content_key
from pipeline.model import Ground, Pass, Tile, Window
from pipeline.passes.ground import Site, States
from pipeline.passes.layers import keep_used
from pipeline.passes.naming import code_mark, history_content
from pipeline.passes.stored import stored_values
from pipeline.passes.strips import strips

_BORDER_PX = 2  # pixels around the corridor that need a model, for gradients
_ORIGIN = datetime(2000, 1, 1, tzinfo=UTC)


def day_of(when: datetime) -> float:
    """Days since the origin of all fits (UTC)."""
    return (when - _ORIGIN).total_seconds() / 86400


def normal_key(states: States, history: Sequence[Pass], options: NormalOptions) -> str:
    """Name a normal by everything that it depends on."""
    return content_key(code_mark(), history_content(states, history), options.model_dump())


def write_normals(
    states: States, history: Sequence[Pass], options: NormalOptions, what: str
) -> str:
    """Fit and write the tiles that are not there yet; give the folder of the product."""
    site = states.site
    key = normal_key(states, history, options)
    folder = f"normal/{key}/normal"
    todo = [t for t in site.store.tiles if not site.store.block_path(folder, t).exists()]

    def one(tile: Tile) -> None:
        site.store.write(folder, tile, _fit_tile(states, history, tile, options), durable=False)

    map_tiles(one, todo, site.workers, site.progress, what)
    return folder


def keep_normals(site: Site, step: str, folders: Sequence[str]) -> None:
    """Keep the normals that a step used, and drop those that no recent run had.

    What is dropped is fitted again when it is asked for.
    """
    keys = [folder.split("/")[1] for folder in folders]
    keep_used(site, "normal", keys, runs=2, step=step)


def _fit_tile(
    states: States, history: Sequence[Pass], tile: Tile, options: NormalOptions
) -> Mapping[str, Layer]:
    site, core = states.site, tile.core
    kept = site.store.kept(core)
    days = np.array([day_of(p.acquired) for p in history], np.float64)
    ids = [p.id for p in history]
    near = np.asarray(
        ndimage.binary_dilation(
            site.inside(core.pad(_BORDER_PX)), np.ones((2 * _BORDER_PX + 1,) * 2)
        ),
        bool,
    )[_BORDER_PX:-_BORDER_PX, _BORDER_PX:-_BORDER_PX]
    parts: list[dict[str, NDArray[np.int16]]] = []
    for strip in strips(core, max(len(ids), 1), 2 * len(MODELLED) + 1):
        part = strip.within(core)
        fitted = _fit_strip(states, (ids, days), strip, near[part], options)
        # Packed at once: 25 layers of a whole tile, twice, are more than all looks of a strip.
        parts.append({k: v[kept[part]] for k, v in fitted.items()})
    return {k: Layer(np.concatenate([p[k] for p in parts]), 1) for k in parts[0]}


def _fit_strip(
    states: States,
    dates: tuple[Sequence[str], NDArray[np.float64]],
    strip: Window,
    wanted: NDArray[np.bool_],
    options: NormalOptions,
) -> dict[str, NDArray[np.int16]]:
    """Give the layers of a strip, packed; 0 where no model is wanted.

    A river crosses a tile in a band or a corner: only the box of what is wanted is read and fitted.
    """
    ids, days = dates
    out = {name: np.zeros(strip.shape, np.int16) for name in _NAMES}
    box = box_of_mask(wanted, strip)
    if box is None or not ids:
        return out
    wide = box.pad(1)
    inner, part = box.within(wide), box.within(strip)
    state = states.history(ids, wide)
    use = (state == Ground.DRY) | (state == Ground.GREEN)
    stack = np.stack([states.features(i, wide) for i in ids], axis=1)
    padded = np.zeros(wide.shape, bool)
    padded[inner] = wanted[part]
    fitted = fit_normal(stack, use, days, padded, options)
    for name, values in _layers(fitted).items():
        out[name][part] = _pack(values[inner])
    return out


_NAMES = (
    "looks",
    *(
        f"{name}.{what}"
        for name in MODELLED
        for what in (*(str(j) for j in range(TERMS)), "spread", "low", "high")
    ),
)


def _layers(normal: Normal) -> dict[str, NDArray[np.float32]]:
    out: dict[str, NDArray[np.float32]] = {"looks": normal.looks.astype(np.float32) / SCALE}
    for k, name in enumerate(MODELLED):
        for j in range(TERMS):
            out[f"{name}.{j}"] = normal.coef[k, j]
        out[f"{name}.spread"] = normal.spread[k]
        out[f"{name}.low"] = normal.low[k]
        out[f"{name}.high"] = normal.high[k]
    return out


def _pack(values: NDArray[np.float32]) -> NDArray[np.int16]:
    return np.clip(np.rint(values * SCALE), -32767, 32767).astype(np.int16)


_READ = (
    *(f"{n}.{j}" for n in MODELLED for j in range(TERMS)),
    *(f"{n}.{part}" for part in ("spread", "low", "high") for n in MODELLED),
    "looks",
)


def read_normal(store: CorridorStore, folder: str, window: Window) -> Normal:
    """Read the model over any window; pixels without one have ``looks`` 0."""
    return _normal_of(store.reflectances(folder, _READ, window, 0.0))


def stored_normal(store: CorridorStore, folder: str, tile: Tile, at: NDArray[np.intp]) -> Normal:
    """Read the model of some stored pixels of a tile's core, all (1, N); ``at``: their places."""
    return _normal_of(stored_values(store, folder, _READ, (tile, at), 0.0)[:, None])


def _normal_of(held: NDArray[np.float32]) -> Normal:
    f = len(MODELLED)
    coef = held[: f * TERMS].reshape(f, TERMS, *held.shape[1:])
    spread, low, high = (held[f * (TERMS + k) : f * (TERMS + k + 1)] for k in range(3))
    looks = np.rint(held[-1] * SCALE).astype(np.uint16)
    return Normal(coef, np.maximum(spread, 1e-3, out=spread), low, high, looks)
