"""Objects and traps to paste: outlines that grow, filled with real ground of the same look.

An object is drawn five times finer than a pixel, averaged, and blurred by the sensor's point spread
(a Gaussian whose sigma is half a pixel of the band). What fills it is copied from a patch of real
ground elsewhere in the same look, as it is at low water, so its spectrum, texture and season are
those of that ground.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from benchmarks.accuracy.real_masks import floats, labelled
from benchmarks.accuracy.real_scene import NAMES, Bands, Image, Mask, Scene, look

FINE = 5
COARSE = ("swir16", "swir22")  # 20 m bands
SPREAD = 0.5  # sigma of the point spread, in pixels of the band
MIN_M2, MAX_M2 = 400.0, 50_000.0


@dataclass(frozen=True)
class Source:
    """A patch of real ground: where it is copied from."""

    row: int
    col: int
    size: int


@dataclass(frozen=True)
class Layer:
    """One cover of an object: which of its fine pixels, from which day, from which patch."""

    figure: Mask  # fine, of the object's window
    source: Source
    begins: float  # day of the series


@dataclass(frozen=True)
class Thing:
    """An object or a trap in its window."""

    id: str
    kind: str  # zhan cai dui jian, or "" for a trap
    what: str
    top: int
    left: int
    rank: Image  # fine: 0..1, the order in which it grows; above 1 outside
    layers: tuple[Layer, ...]
    day: float  # first day
    grows: float  # days until it is whole; 0 at once
    ends: float = np.inf
    on_days: tuple[float, ...] = ()  # a thing that is there on these days only
    spells: tuple[tuple[float, float], ...] = ()  # the last layer is there in these only
    truth: Mask | None = None  # fine; what counts as the object where it is not all of it
    seen_when: str = ""

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns of the window [px]."""
        return self.rank.shape[0] // FINE, self.rank.shape[1] // FINE

    def share(self, day: float) -> float:
        """Give how much of it stands on a day, 0..1."""
        if self.on_days:
            return float(any(abs(day - d) < 0.5 for d in self.on_days))
        if day < self.day or day > self.ends:
            return 0.0
        if self.grows <= 0:
            return 1.0
        return float(np.clip(0.25 + 0.75 * (day - self.day) / self.grows, 0, 1))


@dataclass
class Ground:
    """What is known of the ground when things are placed."""

    scene: Scene
    sample: Bands  # a look at low water in summer
    sources: dict[str, list[Source]]
    taken: Mask
    rng: np.random.Generator
    things: list[Thing] = field(default_factory=list[Thing])


def survey(scene: Scene, rng: np.random.Generator) -> Ground:
    """Find patches of real ground to copy from: soil, bright and built ground, water, green."""
    b = look(scene, 230, 0.2, False, 0.0)
    ndvi = (b["nir"] - b["red"]) / (b["nir"] + b["red"] + 0.01)
    bright = floats((b["blue"] + b["green"] + b["red"]) / 3)
    dry = scene.height > 0.45
    bare = dry & (ndvi < 0.25) & (b["swir16"] > b["green"])
    lasting = scene.height > 1.08
    green = lasting & (ndvi > 0.5)
    sources = {
        "soil": _patches(bare & lasting & (bright > 0.05), 5, rng),
        "sand": _patches(bare & ~lasting & (bright > 0.1), 5, rng),
        "built": _brightest(bright, lasting & (ndvi < 0.25), 3, 12),
        "water": _patches(scene.height < -0.1, 9, rng),
        "green": _patches(green, 7, rng),
    }
    taken = ~scene.valid
    taken[:6], taken[-6:], taken[:, :6], taken[:, -6:] = True, True, True, True
    return Ground(scene, b, sources, taken, rng)


def _patches(mask: Mask, size: int, rng: np.random.Generator, many: int = 40) -> list[Source]:
    for side in range(size, 1, -1):  # smaller patches where the ground has no larger ones
        centre = ndimage.minimum_filter(mask.astype(np.uint8), side) > 0
        half = side // 2
        inside = np.zeros_like(mask)  # a patch lies in the image as a whole
        inside[half : mask.shape[0] - side, half : mask.shape[1] - side] = True
        places = np.argwhere(centre & inside)
        if len(places) >= 3:
            chosen = rng.permutation(len(places))[:many]
            return [Source(int(r) - half, int(c) - half, side) for r, c in places[chosen]]
    raise SystemExit("the real imagery has no ground of a kind that is to be copied")


def _brightest(bright: Image, mask: Mask, size: int, many: int) -> list[Source]:
    """Give the brightest lasting ground: roofs, yards, the dam; no gardens between."""
    whole = np.asarray(ndimage.minimum_filter(mask.astype(np.uint8), size), np.bool_)
    mean = floats(np.where(whole, ndimage.uniform_filter(bright, size), 0))
    out: list[Source] = []
    left = mean.copy()
    left[:8], left[-8:], left[:, :8], left[:, -8:] = 0, 0, 0, 0
    for _ in range(many):
        r, c = np.unravel_index(int(np.argmax(left)), left.shape)
        if left[r, c] <= 0:
            break
        out.append(Source(int(r) - size // 2, int(c) - size // 2, size))
        left[max(r - 6, 0) : r + 7, max(c - 6, 0) : c + 7] = 0
    return out


def fine_grid(size: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Row and column [px] of the fine pixels of a square window, from its centre."""
    at = (np.arange(size * FINE) + 0.5) / FINE - size / 2
    return np.meshgrid(at, at, indexing="ij")


def blob(area_px: float, rng: np.random.Generator, rough: float = 0.25) -> Image:
    """Rank field of an irregular blob of a given area: 0 in its middle, 1 on its rim."""
    ratio = float(rng.uniform(0.45, 0.95))
    a = float(np.sqrt(area_px / (np.pi * ratio)))
    size = int(np.ceil(2 * a * (1 + rough))) + 5
    y, x = fine_grid(size)
    turn = float(rng.uniform(0, np.pi))
    u, v = x * np.cos(turn) + y * np.sin(turn), -x * np.sin(turn) + y * np.cos(turn)
    noise = ndimage.gaussian_filter(rng.normal(size=u.shape), FINE * max(a / 2.5, 0.6))
    noise /= max(float(noise.std()), 1e-9)
    radius = np.hypot(u / a, v / (a * ratio)) * (1 + rough * 0.5 * noise)
    return _one_piece(_ranked(radius, area_px))


def _one_piece(rank: Image) -> Image:
    """Leave the largest piece of it: what lies apart, tens of metres away, is another object."""
    largest = max(labelled(rank <= 1), key=np.count_nonzero)
    apart = (rank <= 1) & ~largest
    return np.where(apart, np.float32(2), rank)


def rectangle(area_px: float, rng: np.random.Generator) -> Image:
    """Rank field of a rectangle of a given area."""
    ratio = float(rng.uniform(0.35, 0.95))
    a = float(np.sqrt(area_px / (4 * ratio)))
    size = int(np.ceil(2 * np.hypot(a, a * ratio))) + 5
    y, x = fine_grid(size)
    turn = float(rng.uniform(0, np.pi))
    u, v = x * np.cos(turn) + y * np.sin(turn), -x * np.sin(turn) + y * np.cos(turn)
    return _ranked(np.maximum(np.abs(u) / a, np.abs(v) / (a * ratio)), area_px)


def _ranked(radius: NDArray[np.float64], area_px: float) -> Image:
    """Turn a radius into the share of the area that lies inside of it."""
    order = np.argsort(radius, axis=None)
    rank = np.empty(radius.size)
    rank[order] = (np.arange(radius.size) + 0.5) / (area_px * FINE * FINE)
    return rank.reshape(radius.shape).astype(np.float32)


def cover(figure: Mask, band: str, origin: tuple[int, int]) -> Image:
    """Share of each pixel that a fine figure covers, as the band's sensor sees it."""
    h, w = figure.shape[0] // FINE, figure.shape[1] // FINE
    share = figure.reshape(h, FINE, w, FINE).mean(axis=(1, 3)).astype(np.float32)
    if band not in COARSE:
        return np.asarray(ndimage.gaussian_filter(share, SPREAD), np.float32)
    # A 20 m band: blurred by its own point spread, sampled on its own grid, then spread again.
    wide = ndimage.gaussian_filter(share, 2 * SPREAD)
    top, left = origin[0] % 2, origin[1] % 2
    padded = np.pad(wide, ((top, (h + top) % 2), (left, (w + left) % 2)))
    coarse = padded.reshape(padded.shape[0] // 2, 2, padded.shape[1] // 2, 2).mean(axis=(1, 3))
    return np.asarray(np.kron(coarse, np.ones((2, 2)))[top : top + h, left : left + w], np.float32)


def copied(bands: Bands, source: Source, shape: tuple[int, int], name: str) -> Image:
    """Tile a patch of real ground over a window, mirrored at its borders."""
    patch = bands[name][
        source.row : source.row + source.size, source.col : source.col + source.size
    ]
    rows, cols = (_mirror(n, source.size) for n in shape)
    return patch[np.ix_(rows, cols)]


def _mirror(n: int, size: int) -> NDArray[np.int64]:
    at = np.arange(n) % (2 * size)
    return np.where(at < size, at, 2 * size - 1 - at)


def paste(bands: Bands, things: list[Thing], day: float, real: Bands) -> None:
    """Paste all things that stand on a day into a look, in place.

    ``real`` is the same look at low water: patches are copied from it, whatever the level.
    """
    for thing in things:
        share = thing.share(day)
        if share <= 0:
            continue
        h, w = thing.size
        window = slice(thing.top, thing.top + h), slice(thing.left, thing.left + w)
        grown = thing.rank <= share
        fallow = thing.spells and not any(a <= day <= b for a, b in thing.spells)
        for layer in thing.layers[:-1] if fallow else thing.layers:
            if day < layer.begins:
                continue
            figure = grown & layer.figure
            if not figure.any():
                continue
            for n in NAMES:
                alpha = cover(figure, n, (thing.top, thing.left))
                fresh = copied(real, layer.source, (h, w), n)
                bands[n][window] = alpha * fresh + (1 - alpha) * bands[n][window]


def outline_mask(thing: Thing, day: float) -> Mask:
    """Fine mask of what stands of it on a day, for the truth."""
    grown = thing.rank <= thing.share(day)
    return grown if thing.truth is None else grown & thing.truth
