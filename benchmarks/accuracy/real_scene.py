"""Real dates of one reservoir, taken apart so that any level and season can be put together again.

Of the Boadella series (Sentinel-2 L2A, 2020) the clear dates are warped to 10 m UTM. Where a date
shows a pixel wet and another one dry, both spectra are real; where it does not, the value of the
nearest pure pixel of that class and date is taken. A look at any level between the lowest and the
highest date is then wet below the level and dry above, with mixed pixels between, and land is
interpolated in time between the real dates around its day of the year. Nothing is drawn by hand.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.filters import threshold_otsu

from benchmarks.accuracy.real_masks import (
    distance,
    floats,
    grown,
    labelled,
    nearest,
    opened,
    shrunk,
)
from benchmarks.accuracy.real_registration import shift_between
from benchmarks.boadella_fills import Series, load
from pipeline.detect.water import water_score

Image = NDArray[np.float32]
Mask = NDArray[np.bool_]
Bands = dict[str, Image]

NAMES = ("blue", "green", "red", "nir", "swir16", "swir22")
CRS = "EPSG:32631"
HIGH, LOW, LOWEST = "2020-06-21", "2020-09-14", "2020-01-13"
BLUR_PX = 3  # water and land are pure so far from each other: SWIR sees 20 m, and blurs
SEASONS = {28: "2020-01-28", 33: "2020-02-02", 172: HIGH, 257: LOW}  # by day of the year


@dataclass(frozen=True)
class Scene:
    """What a look is put together from.

    ``height`` is 0 at the lowest date's shore, 1 at the highest one's; below 0 always wet, above 1
    never. ``wet`` and ``dry`` hold both spectra of every pixel by day of the year.
    """

    shape: tuple[int, int]
    height: Image
    slope: Image  # change of height per pixel
    wet: dict[int, Bands]
    dry: dict[int, Bands]
    valid: Mask
    outline: Mask
    cloud: Bands  # a clouded real date


def load_scene(data: Path) -> Scene:
    """Read and take apart; ``data`` is the folder of all shared imagery."""
    folder = data / "s2_l2a_boadella_reservoir"
    series = load(folder)
    return take_apart(series, _clouded(folder))


def _clouded(folder: Path) -> Bands:
    """Give the clouded date, warped as the others are."""
    from benchmarks.boadella_fills import load_date  # noqa: PLC0415 - beside its only use

    return _even(load_date(folder, "2020-01-18"))


def _even(bands: Bands) -> Bands:
    h, w = bands["green"].shape
    return {n: np.ascontiguousarray(v[: h // 6 * 6, : w // 6 * 6]) for n, v in bands.items()}


def take_apart(series: Series, cloud: Bands) -> Scene:
    """Find heights from the shores of three dates, and both spectra of each pixel."""
    dates = {d: _even({n: series.bands[n][i] for n in NAMES}) for i, d in enumerate(series.dates)}
    shape = dates[HIGH]["green"].shape
    outline = series.outline[: shape[0], : shape[1]]
    near = grown(outline, 6)
    finite = [np.isfinite(b["green"]) for b in dates.values()]
    valid = np.logical_and.reduce(finite)
    filled = {d: {n: _fill(v, valid) for n, v in b.items()} for d, b in dates.items()}
    filled = {d: _registered(b, filled[HIGH], valid & ~near) for d, b in filled.items()}
    filled[LOWEST] = _brought_to(filled[LOWEST], filled[LOW], near)
    water = {d: (water_score(b) > 0) & near for d, b in filled.items()}
    top = opened(water[HIGH] | water["2020-01-28"])
    mid = _main(water[LOW] & top)
    # The lowest date is hazy: inside the reservoir near infrared alone tells its two parts apart.
    dim = filled[LOWEST]["nir"]
    low = _main(opened(mid & (dim < threshold_otsu(dim[top]))))
    water[LOWEST] = low
    height = _height(low, mid, top)
    gy, gx = np.gradient(floats(ndimage.gaussian_filter(height, 1.0)))
    slope = np.clip(np.hypot(gy, gx), 0.02, 1.0).astype(np.float32)
    wet: dict[int, Bands] = {}
    dry: dict[int, Bands] = {}
    for day, name in SEASONS.items():
        own = water[name] & top
        wet[day] = _pure(filled[name], shrunk(own, BLUR_PX), top)
        own = ~grown(water[name], BLUR_PX)
        rim = _pure(filled[LOW], ~grown(mid, BLUR_PX), top)
        deep = _pure(filled[LOWEST], ~grown(low, BLUR_PX), top)
        below = {n: np.where(mid, deep[n], rim[n]) for n in NAMES}
        # The bed is seen at low water only: what was bare then is bare in every season.
        dry[day] = {n: np.where(top | ~own, below[n], filled[name][n]) for n in NAMES}
    return Scene(shape, height, slope, wet, dry, valid, outline, cloud)


def _main(water: Mask) -> Mask:
    """Give the one body of water: pools that were left behind are no part of an interpolation."""
    parts = labelled(water)
    body = max(parts, key=lambda p: int(p.sum()))
    return np.asarray(ndimage.binary_fill_holes(body), np.bool_)


def _registered(bands: Bands, onto: Bands, land: Mask) -> Bands:
    """Bring a date onto another one: 14 September lies a pixel beside the others."""
    found = shift_between(onto["red"], bands["red"], land)
    back = (-found.dy, -found.dx)
    if max(np.abs(back)) < 0.02:
        return bands
    return {
        n: np.asarray(ndimage.shift(v, back, order=3, mode="nearest"), np.float32).clip(0.001)
        for n, v in bands.items()
    }


def _fill(values: Image, valid: Mask) -> Image:
    return np.asarray(values[nearest(valid)], np.float32)


def _pure(bands: Bands, pure: Mask, where: Mask) -> Bands:
    """Give each pixel of ``where`` that is not pure the value of the nearest pure one."""
    index = nearest(pure)
    take = where & ~pure
    return {n: np.where(take, v[index], v).astype(np.float32) for n, v in bands.items()}


def _brought_to(odd: Bands, like: Bands, near: Mask) -> Bands:
    """Bring a hazy date to the radiometry of another one by a line through the land of both."""
    land = ~grown(near, 4)
    out: Bands = {}
    for name, values in odd.items():
        x, y = values[land], like[name][land]
        a, b = np.percentile(x, (20, 80)), np.percentile(y, (20, 80))
        gain = (b[1] - b[0]) / max(a[1] - a[0], 1e-3)
        out[name] = np.clip(b[0] + gain * (values - a[0]), 0.001, 1).astype(np.float32)
    return out


def _height(low: Mask, mid: Mask, top: Mask) -> Image:
    """Interpolate between shores by distance; 0, 0.5 and 1 on them."""
    out = np.where(top, 0.0, 1.2).astype(np.float32)
    for upper, lower, base in ((top, mid, 0.5), (mid, low, 0.0)):
        down = distance(~lower)
        up = distance(upper)
        share = down / np.maximum(down + up, 1e-6)
        band = upper & ~lower
        out[band] = (base + 0.5 * share)[band]
    out[low] = -0.2
    rim = distance(~top)
    return np.where(top, out, 1.0 + np.minimum(rim * 0.05, 0.5)).astype(np.float32)


def season(scene: Scene, parts: dict[int, Bands], day: float, odd: bool) -> Bands:
    """Interpolate land or water between the real dates around a day of the year."""
    winter = 33 if odd else 28
    days = [winter, 172, 257, winter + 365]
    day = day if day >= winter else day + 365
    k = max(i for i, d in enumerate(days) if d <= day)
    if k == 3:
        return parts[winter]
    share = np.float32((day - days[k]) / (days[k + 1] - days[k]))
    first, second = parts[days[k]], parts[winter if k == 2 else days[k + 1]]
    return {n: floats((1 - share) * first[n] + share * second[n]) for n in NAMES}


def look(scene: Scene, day: float, level: float, odd: bool, turbid: float) -> Bands:
    """Put a look together: ``turbid`` 0 is the dark water of summer, 1 that of a flood."""
    land = season(scene, scene.dry, day, odd)
    calm, flood = scene.wet[172], scene.wet[33 if odd else 28]
    share = np.clip((level - scene.height) / scene.slope + 0.5, 0, 1).astype(np.float32)
    mixed = np.float32(turbid)
    out: Bands = {}
    for n in NAMES:
        water = (1 - mixed) * calm[n] + mixed * flood[n]
        out[n] = (share * water + (1 - share) * land[n]).astype(np.float32)
    return out
