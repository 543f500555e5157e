"""A corridor store filled from arrays: what prepare works on, without imagery."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from scipy import ndimage
from shapely.geometry import box

from pipeline.io.blocks import NODATA, Layer
from pipeline.io.store import CorridorStore
from pipeline.io.store_grid import describe_grid
from pipeline.model import Corridor, Grid, Pass, Reach, Scene
from pipeline.passes.gather import fingerprint
from pipeline.passes.ground import Site

BANDS = {"blue": 0.05, "green": 0.07, "red": 0.06, "nir": 0.28, "swir16": 0.18}
CLOUD = {"blue": 0.6, "green": 0.58, "red": 0.57, "nir": 0.6, "swir16": 0.35}
ROOF = {"blue": 0.36, "green": 0.38, "red": 0.40, "nir": 0.42, "swir16": 0.40}
LEFT, TOP = 700_000, 3_080_000


def looks(dates: int, side: int, seed: int = 0) -> list[dict[str, NDArray[np.float64]]]:
    """Land with a river, clouds with shadows, a standing roof and a new one; classes in ``scl``."""
    rng = np.random.default_rng(seed)
    texture = 1 + 0.6 * ndimage.gaussian_filter(rng.normal(size=(side, side)), 2)
    out: list[dict[str, NDArray[np.float64]]] = []
    for t in range(dates):
        date = {b: v * texture + rng.normal(0, 0.003, (side, side)) for b, v in BANDS.items()}
        date["scl"] = np.full((side, side), 4.0)
        river = (slice(None), slice(side // 2, side // 2 + 14))
        for b, v in zip(BANDS, (0.05, 0.06, 0.04, 0.02, 0.01), strict=True):
            date[b][river] = v + rng.normal(0, 0.002, date[b][river].shape)
        things = [((side // 3, side // 5), 8, ROOF)]
        if t > dates // 2:
            things.append(((side // 2, side // 4), 7, ROOF))
        size = side // 6
        for _ in range(int(rng.integers(3))):
            place = (int(rng.integers(side - size)), int(rng.integers(side - size)))
            things.append((place, int(rng.integers(3, size)), CLOUD))
        for (row, col), wide, spectrum in things:
            part = (slice(row, row + wide), slice(col, col + wide))
            if spectrum is CLOUD:
                away = (slice(max(row - 12, 0), max(row - 12, 0) + wide), part[1])
                for b in BANDS:
                    date[b][away] *= 0.45
            for b in BANDS:
                date[b][part] = spectrum[b] + rng.normal(0, 0.004, date[b][part].shape)
            date["scl"][part] = 9
        out.append(date)
    return out


def a_pass(index: int) -> Pass:
    when = datetime(2024, 1, 1, 3, tzinfo=UTC) + timedelta(days=10 * index)
    scene = Scene(
        id=f"s{index:03d}",
        sensor="made",
        platform="made",
        acquired=when,
        footprint_wgs84=box(113, 27, 114, 28),
        assets={},
        tile="",
        datatake="",
        baseline="",
        sun_azimuth_deg=150.0,
        sun_elevation_deg=40.0,
        cloud_share=None,
    )
    return Pass(f"{when:%Y%m%d}_made", "made", when, (scene,))


def site(folder: Path, side: int, tile_px: int) -> Site:
    """A store whose stored pixels leave out two corners of the grid."""
    grid = Grid("EPSG:32649", Affine(10, 0, LEFT, 0, -10, TOP), (side, side))
    whole = box(LEFT, TOP - 10 * side, LEFT + 10 * side, TOP)
    corner = box(LEFT, TOP - 200, LEFT + 300, TOP).union(
        box(LEFT + 10 * side - 150, TOP - 10 * side, LEFT + 10 * side, TOP - 10 * side + 400)
    )
    store = CorridorStore(folder, grid, tile_px, whole.difference(corner))
    describe_grid(store.root, store.grid, store.tile_px)
    corridor = Corridor("made", "河", "river", box(113, 27, 114, 28), None, 10.0, "a test")
    inner = box(LEFT + 400, TOP - 10 * side + 400, LEFT + 10 * side - 400, TOP - 400)
    return Site(corridor, store, (Reach(1, "made-1", inner),))


def fill(
    where: Site, dates: list[dict[str, NDArray[np.float64]]], without: dict[int, str]
) -> list[Pass]:
    """Gather the dates into the store; ``without`` says which band a date lacks."""
    passes: list[Pass] = []
    for t, date in enumerate(dates):
        p = a_pass(t)
        held = [b for b in date if without.get(t) != b]
        for tile in where.store.tiles:
            layers: dict[str, Layer] = {}
            for b in held:
                values = date[b][tile.core.slices]
                whole = np.rint(values * (1 if b == "scl" else 10_000)).astype(np.int16)
                if b == "swir16":
                    layers[b] = where.store.pack(whole[::2, ::2], tile, 2)
                else:
                    layers[b] = where.store.pack(whole, tile, 1)
            where.store.write(p.id, tile, layers)
        where.store.finish(
            p.id, fingerprint(p), {"bands": sorted(held), "usable": True, "set_aside": []}
        )
        passes.append(p)
    return passes


def masks(where: Site, keys: Mapping[str, str], passes: list[Pass]) -> NDArray[np.int16]:
    """What the sweeps wrote, over the whole grid; (T, H, W)."""
    window = where.store.grid.window
    return np.stack(
        [where.store.dense(f"mask/{keys[p.id]}/{p.id}", "mask", window)[0] for p in passes]
    )


__all__ = ["NODATA", "a_pass", "fill", "looks", "masks", "site"]
