"""Steps of the mask over stored pixels say what each step says of the whole grid at once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from numpy.typing import NDArray
from scipy import ndimage
from shapely.geometry import LineString, Polygon

from pipeline.io.blocks import Layer
from pipeline.io.looks import LookReader
from pipeline.io.store import open_store
from pipeline.model import Corridor, Grid, Reach
from pipeline.passes import clearsky
from pipeline.passes.ground import Site
from pipeline.passes.reduce import _clear_pixels  # pyright: ignore[reportPrivateUsage]
from pipeline.passes.sky import LOW, USUAL, Looked, SkySpec, Turn
from pipeline.prepare.maskoptions import History, MaskOptions
from pipeline.prepare.masksteps import finish, flag, hint
from pipeline.prepare.rescue import RescueOptions
from pipeline.prepare.shadow import ShadowOptions
from pipeline.prepare.sky import Sky, is_clear
from pipeline.prepare.spectral import SpectralOptions

SIDE = 96
BANDS = ("blue", "green", "red", "nir", "swir16")
OPTIONS = MaskOptions(
    dilate_cloud_m=40,
    dilate_soft_m=20,
    speckle_px=3,
    rescue=RescueOptions(around_px=6, shadow_px=5, object_px=4, around_share=0.05),
    shadow=ShadowOptions(reach_px=8),
    spectral=SpectralOptions(haze_box_px=3),
)


def smooth(rng: np.random.Generator, scale: float) -> NDArray[np.float64]:
    image = ndimage.gaussian_filter(rng.normal(size=(SIDE, SIDE)), scale)
    return image / image.std()


def sky_of(folder: Path, seed: int, classes: bool) -> tuple[SkySpec, Turn]:
    """Write a look and all that the steps ask of it: few patches, so that most of it is clear."""
    rng = np.random.default_rng(seed)
    grid = Grid("EPSG:32650", Affine(10, 0, 500000, 0, -10, 3300000), (SIDE, SIDE))
    line = LineString([(500000, 3299100), (500400, 3299500), (500960, 3299700)])
    store = replace(open_store(folder, grid, 32, line), stored=line.buffer(150))
    light = 0.12 + 0.04 * smooth(rng, 6) + 0.25 * (smooth(rng, 3) > 2.2)
    images = {b: light * rng.uniform(0.7, 1.3) + 0.01 * smooth(rng, 1) for b in BANDS}
    codes = np.where(smooth(rng, 3) > 2.2, Sky.CLOUD, Sky.CLEAR)
    codes[smooth(rng, 2) > 2.6] = Sky.RESCUED
    codes[smooth(rng, 2) > 2.7] = Sky.CIRRUS
    codes[rng.random(codes.shape) < 0.003] = Sky.NODATA
    scl = np.where(smooth(rng, 3) > 1.8, 3, 4)
    scl[smooth(rng, 3) > 1.6] = 9
    hot, risen = images["blue"] - 0.5 * images["red"], smooth(rng, 3) > 1
    for tile in store.tiles:
        own = tile.core.slices
        layers = {
            b: store.pack((v * 10_000).astype(np.int16)[own], tile, 1) for b, v in images.items()
        }
        layers["scl"] = store.pack(scl.astype(np.int16)[own][::2, ::2], tile, 2)
        store.write("look", tile, layers)
        for name in ("raw", "code"):
            store.write(
                f"sky/{name}/look", tile, {"mask": store.pack(codes.astype(np.int16)[own], tile, 1)}
            )
        kept = store.kept(tile.core)
        lows = {LOW[0]: 0.6 * images["blue"], LOW[1]: hot - 0.06 * risen}
        low = {n: Layer(v.astype(np.float32)[own][kept], 1) for n, v in lows.items()}
        store.write("sky/l/low", tile, low)
        usual = {n: Layer((1.4 * images[n]).astype(np.float32)[own][kept], 1) for n in USUAL}
        store.write("sky/u/usual", tile, usual)
    look = Looked(
        "look", (140.0, 40.0), "", "sky/raw/look", "sky/hint/look", "sky/code/look", "sky/mask/look"
    )
    turn = Turn((look,), (look,), (look,), "sky/l/low", "sky/u/usual")
    return SkySpec(store, BANDS, classes, {}, OPTIONS), turn


@pytest.mark.parametrize(("seed", "classes"), [(1, True), (2, True), (3, False)])
def test_steps_say_what_they_say_of_the_whole_grid(
    tmp_path: Path, seed: int, classes: bool
) -> None:
    spec, turn = sky_of(tmp_path, seed, classes)
    store, (look,) = spec.store, turn.own
    window = store.grid.window
    date, scl = spec.date(look, window), spec.scl(look, window)
    low = spec.references(turn.low, LOW, window)
    history = History(*low, *spec.references(turn.usual, USUAL, window))
    raw, codes = spec.codes(look.raw, window), spec.codes(look.code, window)
    whole = {
        "hint": hint(date, raw, look.sun, history, OPTIONS),
        "mask": finish(date, codes, (scl, look.sun), history, OPTIONS, 10.0),
        "flag": flag(date, scl, (low[0], low[1]), OPTIONS),
    }
    flagged = replace(look, raw="sky/flag/look")
    for tile in store.tiles:
        clearsky._hint(spec, clearsky.Job(turn, tile, (look,)))  # pyright: ignore[reportPrivateUsage]
        clearsky._finish(spec, clearsky.Job(turn, tile, (look,)))  # pyright: ignore[reportPrivateUsage]
        clearsky._flag(spec, clearsky.Job(turn, tile, (flagged,)))  # pyright: ignore[reportPrivateUsage]
    stored = np.zeros(window.shape, bool)
    for tile in store.tiles:
        stored[tile.core.slices] = store.kept(tile.core)
    for step, expected in whole.items():
        found = spec.codes(f"sky/{step}/look", window)
        np.testing.assert_array_equal(found[stored], expected[stored], err_msg=step)
        assert len(np.unique(found[stored])) > 2, step


def test_clear_pixels_by_reach_are_those_of_the_drawn_mask(tmp_path: Path) -> None:
    spec, _ = sky_of(tmp_path, 4, True)
    reach = Polygon([(500007, 3299995), (500007, 3299308), (500611, 3299213), (500803, 3299997)])
    corridor = Corridor("c", "c", "river", reach, None, 10.0, "drawn for this test")
    site = Site(corridor, spec.store, (Reach(1, "1", reach),))  # wider than what is stored
    reader = LookReader(spec.store, {}, {"look": "m"})
    for tile in spec.store.tiles:
        held = spec.store.packed("sky/code/look", "mask", tile)
        assert held is not None
        spec.store.write("mask/m/look", tile, {"mask": held})
        own = site.reach(tile.core)
        plain = [own, own * is_clear(reader.mask("look", tile.core))]
        expected = [np.bincount(a.ravel(), minlength=2) for a in plain]
        found = _clear_pixels(site, {"look": "m"}, ("look",), tile)
        np.testing.assert_array_equal(found, expected)
