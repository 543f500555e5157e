"""Simulated pairs of drone flights: orthomosaic and surface of two dates, with truth.

A river bank of a quarter to half a hectare: water, gravel, grass, a road, a yard with a house,
trees in the wind, a crop that grows, cars that come and go, shadows that turn; and what is looked
for: a new building, a container, heaps, a pit, a fill into the water, a shed that goes. Surfaces
have the faults of image matching: blur, noise that hangs together over metres, a tilt, waves and
holes on water. All is drawn from one seed.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from sample_scenes.drone_render import Look, crowns, render, rough_noise

F32 = NDArray[np.float32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class PairOptions:
    """How large and how good a pair is."""

    side_m: float = 80.0
    gsd_m: float = 0.05
    noise_m: float = 0.02  # of each surface, over half a metre
    wave_m: float = 0.015  # of each surface, over eight metres
    tilt: float = 0.002  # most, of the later surface [1]
    lift_m: float = 0.4  # most, of the later surface
    shift_px: float = 1.0  # most per axis, of the later flight
    warp_px: float = 0.6  # deviation per axis of its local distortion, over ten metres
    objects: bool = True  # false: nothing that is looked for


@dataclass(frozen=True)
class Flight:
    """One date: colour uint8 (3, H, W), height float32 (H, W) with NaN."""

    colour: NDArray[np.uint8]
    height: F32


@dataclass(frozen=True)
class TrueObject:
    """One object that should be found, with what is true of it."""

    kind: str  # structure | pile | pit | fill | removed
    name: str
    mask: Mask  # (H, W) where the ground changed
    fill_m3: float
    cut_m3: float
    height_m: float  # mean of the top, or of the highest tenth; signed


@dataclass(frozen=True)
class Pair:
    """Two dates and the truth."""

    gsd_m: float
    before: Flight
    after: Flight
    truth: tuple[TrueObject, ...]
    water: tuple[Mask, Mask]
    true_dz: F32  # without noise; from the water's level where ground came into water
    standing: Mask  # (H, W) structures of both dates, as an office's layer of them would know


@dataclass
class _Scene:
    """What is being built."""

    gsd: float
    n: int
    rng: np.random.Generator
    ground: tuple[F32, F32]
    top: tuple[F32, F32]  # with all that stands on it
    paint: tuple[NDArray[np.uint8], NDArray[np.uint8]]
    level: float
    taken: Mask
    truth: list[TrueObject] = field(default_factory=list[TrueObject])
    standing: list[Mask] = field(default_factory=list[Mask])
    y: F32 = field(default_factory=lambda: np.zeros((1, 1), np.float32))
    x: F32 = field(default_factory=lambda: np.zeros((1, 1), np.float32))


WATER, GRAVEL, GRASS, SOIL, ROAD, CONCRETE, TREE, CROP, ROOF, STEEL, CAR, SAND, TILE = range(13)


def make_pair(seed: int, options: PairOptions | None = None) -> Pair:
    """Make one pair."""
    o = options or PairOptions()
    scene = _land(np.random.default_rng(seed), o)
    _standing(scene)
    if o.objects:
        _wanted(scene)
    _passing(scene)
    return _observe(scene, o)


def _land(rng: np.random.Generator, o: PairOptions) -> _Scene:
    n = round(o.side_m / o.gsd_m)
    y, x = (a.astype(np.float32) for a in np.mgrid[0:n, 0:n] * o.gsd_m + o.gsd_m / 2)
    bend = 2.5 * np.sin(y / 17 + rng.uniform(0, 6))
    shore = 0.2 * o.side_m + bend
    ground = 100 + np.clip((x - shore) / 4, -1.5, 1.4) + 0.012 * (x - shore)
    ground = ground + rng.uniform(-0.015, 0.015) * y
    ground = ground + 0.12 * rough_noise(rng, n, 6 / o.gsd_m) + 0.01 * rough_noise(rng, n, 4)
    level = float(100 + rng.uniform(-0.015, 0.015))
    paint = np.full((n, n), GRASS, np.uint8)
    paint[rough_noise(rng, n, 4 / o.gsd_m) > 0.3] = SOIL
    paint[x < shore + 7 + rough_noise(rng, n, 2 / o.gsd_m)] = GRAVEL
    road = 0.62 * o.side_m + 1.5 * np.sin(y / 25)
    paint[np.abs(x - road) < 2.5] = ROAD
    yard = (x > 0.68 * o.side_m) & (y > 0.55 * o.side_m)
    paint[yard] = CONCRETE
    ground = np.where(yard, ground.astype(np.float32) * 0.3 + 0.7 * np.median(ground[yard]), ground)
    paint[ground < level] = WATER
    scene = _Scene(
        o.gsd_m, n, rng,
        (ground.astype(np.float32), ground.astype(np.float32)),
        (ground.astype(np.float32), ground.astype(np.float32)),
        (paint, paint.copy()),
        level, np.zeros((n, n), bool), y=y, x=x,
    )  # fmt: skip
    scene.taken[:] = ground < level + 0.1
    rim = round(2.5 / o.gsd_m)
    for edge in (np.s_[:rim], np.s_[-rim:], np.s_[:, :rim], np.s_[:, -rim:]):
        scene.taken[edge] = True
    scene.ground = (scene.ground[0].copy(), scene.ground[1].copy())
    scene.top = (scene.ground[0].copy(), scene.ground[1].copy())
    return scene


def _box(s: _Scene, at: tuple[float, float], size: tuple[float, float], turn: float) -> Mask:
    u, v = _turned(s, at, turn)
    return (np.abs(u) <= size[0] / 2) & (np.abs(v) <= size[1] / 2)


def _turned(s: _Scene, at: tuple[float, float], turn: float) -> tuple[F32, F32]:
    dy, dx = s.y - at[0], s.x - at[1]
    return dy * np.cos(turn) + dx * np.sin(turn), -dy * np.sin(turn) + dx * np.cos(turn)


def _room(s: _Scene, radius: float, on: Mask | None = None) -> tuple[float, float] | None:
    """Find a place with nothing within ``radius`` [m] of it, and keep it."""
    free = np.asarray(ndimage.distance_transform_edt(~s.taken[::4, ::4])) * 4 * s.gsd > radius
    if on is not None:
        free &= on[::4, ::4]
    places = np.argwhere(free)
    if not len(places):
        return None
    r, c = places[s.rng.integers(len(places))] * 4
    s.taken |= (s.y - s.y[r, c]) ** 2 + (s.x - s.x[r, c]) ** 2 < (radius + 0.5) ** 2
    return float(s.y[r, c]), float(s.x[r, c])


def _stand(s: _Scene, dates: tuple[int, ...], mask: Mask, height: F32 | float, paint: int) -> None:
    """Let something stand on the ground of some dates."""
    for d in dates:
        raised = s.ground[d] + np.asarray(height, np.float32)
        s.top[d][mask] = np.maximum(s.top[d], raised)[mask]
        s.paint[d][mask] = paint


def _house(s: _Scene, at: tuple[float, float], dates: tuple[int, ...], low: float = 2.8) -> Mask:
    size = (float(s.rng.uniform(4.5, 9)), float(s.rng.uniform(5, 11)))
    turn = float(s.rng.uniform(0, np.pi))
    mask = _box(s, at, size, turn)
    floor = float(np.median(s.ground[0][mask]))
    height = float(s.rng.uniform(low, 6))
    roof = np.full(mask.shape, height, np.float32)
    if s.rng.random() < 0.4:
        u, _ = _turned(s, at, turn)
        roof += 0.35 * (size[0] / 2 - np.abs(u))
    paint = int(s.rng.choice([ROOF, TILE, STEEL]))
    _stand(s, dates, mask, floor + roof - s.ground[0], paint)
    return mask


def _standing(s: _Scene) -> None:
    """Place what stands on both dates: a house, trees that move."""
    place = _room(s, 7)
    if place:
        s.standing.append(_house(s, place, (0, 1)))
    for _ in range(int(s.rng.integers(5, 10))):
        radius = float(s.rng.uniform(1.2, 3))
        place = _room(s, radius + 0.5)
        if place is None:
            continue
        height = float(s.rng.uniform(3.0, 8.0))
        for d in (0, 1):
            sway = s.rng.normal(0, 0.25, 2) * d
            at = (place[0] + float(sway[0]), place[1] + float(sway[1]))
            mask, crown = crowns(s.rng, s.y - at[0], s.x - at[1], radius, height, s.gsd)
            _stand(s, (d,), mask, crown, TREE)


def _wanted(s: _Scene) -> None:
    """Place what is looked for."""
    rng = s.rng
    place = _room(s, 7.5)
    if place:
        _note(s, "structure", "building", _house(s, place, (1,)))
    place = _room(s, 4.5)
    if place:
        mask = _box(s, place, (2.44, 6.06), float(rng.uniform(0, np.pi)))
        _stand(s, (1,), mask, float(np.median(s.ground[1][mask])) + 2.59 - s.ground[1], STEEL)
        _note(s, "structure", "container", mask)
    for _ in range(int(rng.integers(2, 4))):
        _heap(s)
    _dig(s)
    _into_water(s)
    if rng.random() < 0.5:
        place = _room(s, 5)
        if place:
            mask = _box(s, place, (3.5, 5.0), float(rng.uniform(0, np.pi)))
            _stand(s, (0,), mask, 2.6, TILE)
            _note(s, "removed", "shed", mask)


def _heap(s: _Scene) -> None:
    radius = float(s.rng.uniform(1.6, 4.5))
    place = _room(s, radius * 1.3 + 1.5)
    if place is None:
        return
    u, v = _turned(s, place, float(s.rng.uniform(0, np.pi)))
    away = np.hypot(u / float(s.rng.uniform(1, 1.3)), v)
    away = away * (1 + 0.08 * rough_noise(s.rng, s.n, 1.5 / s.gsd))
    slope = float(np.tan(np.radians(s.rng.uniform(28, 37))))
    height = np.maximum(radius - away, 0) * slope
    height = height * (1 + 0.05 * rough_noise(s.rng, s.n, 0.3 / s.gsd))
    mask = height > 0.02
    s.ground[1][mask] += height[mask].astype(np.float32)
    s.top[1][mask] = s.ground[1][mask]
    s.paint[1][mask] = int(s.rng.choice([SAND, GRAVEL, SOIL]))
    _note(s, "pile", "heap", np.asarray(mask, bool))


def _dig(s: _Scene) -> None:
    size = float(s.rng.uniform(3, 7)), float(s.rng.uniform(3, 8))
    place = _room(s, max(size) * 0.7 + 1.0)
    if place is None:
        return
    u, v = _turned(s, place, float(s.rng.uniform(0, np.pi)))
    inside = np.minimum(size[0] / 2 - np.abs(u), size[1] / 2 - np.abs(v))
    inside = inside + 0.15 * rough_noise(s.rng, s.n, 1.5 / s.gsd)
    deep = np.minimum(np.maximum(inside, 0) * 1.2, float(s.rng.uniform(0.6, 2.2)))
    deep = np.minimum(deep, s.ground[1] - s.level - 0.1)  # no ground water
    mask = deep > 0.02
    s.ground[1][mask] -= deep[mask].astype(np.float32)
    s.top[1][mask] = s.ground[1][mask]
    s.paint[1][mask] = SOIL
    _note(s, "pit", "pit", np.asarray(mask, bool))


def _into_water(s: _Scene) -> None:
    """Tip ground into the water from the shore."""
    row = float(s.rng.uniform(0.25, 0.75)) * s.n * s.gsd
    line = np.flatnonzero(s.ground[0][int(row / s.gsd)] < s.level)
    shore = float(line.max()) * s.gsd
    long, out = float(s.rng.uniform(6, 12)), float(s.rng.uniform(4, 8))
    u, v = s.y - row, shore - s.x
    inside = np.minimum(long / 2 - np.abs(u), out - v)
    inside = inside + 0.3 * rough_noise(s.rng, s.n, 2 / s.gsd)
    top = s.level + np.minimum(np.maximum(inside, -1) * 1.0 + 0.1, float(s.rng.uniform(0.5, 1.0)))
    mask = (inside > -0.1) & (v > -2) & (top > s.ground[1]) & (top > s.level)
    mask &= ~(s.taken & (s.ground[0] >= s.level + 0.1))
    s.ground[1][mask] = top[mask]
    s.top[1][mask] = s.ground[1][mask]
    s.paint[1][mask] = SOIL
    _note(s, "fill", "fill", np.asarray(mask, bool))


def _note(s: _Scene, kind: str, name: str, mask: Mask) -> None:
    all_dz = _true_dz(s)
    dz = all_dz[mask]
    thick = dz[np.abs(dz) > 0.15]
    high = np.sort(np.abs(thick))[-max(1, thick.size // 10) :].mean() * np.sign(dz.sum())
    inner = np.asarray(ndimage.distance_transform_edt(mask)) * s.gsd > 0.6
    steep = kind in ("structure", "removed")
    area = s.gsd**2
    s.truth.append(
        TrueObject(
            kind, name, mask.copy(),
            float(dz[dz > 0].sum()) * area, float(-dz[dz < 0].sum()) * area,
            float(all_dz[inner].mean() if steep else high),
        )
    )  # fmt: skip


def _true_dz(s: _Scene) -> F32:
    return np.maximum(s.top[1], s.level) - np.maximum(s.top[0], s.level)


def _passing(s: _Scene) -> None:
    """Place what comes and goes and is nobody's concern: cars, a crop."""
    size = float(s.rng.uniform(9, 13))
    place = _room(s, size * 0.75)
    if place:
        mask = _box(s, place, (size, size), float(s.rng.uniform(0, np.pi)))
        s.paint[0][mask] = SOIL
        tall = float(s.rng.uniform(0.8, 2.4))
        lumps = tall * (1 + 0.15 * rough_noise(s.rng, s.n, 0.15 / s.gsd))
        _stand(s, (1,), mask, lumps, CROP)
    for d in (0, 0, 1, 1, 1):
        place = _room(s, 3.2)
        if place is None:
            continue
        turn = float(s.rng.uniform(0, np.pi))
        body = _box(s, place, (1.8, 4.5), turn)
        cabin = _box(s, place, (1.6, 2.4), turn)
        _stand(s, (d,), body, np.where(cabin, 1.5, 0.95).astype(np.float32), CAR)


def _observe(s: _Scene, o: PairOptions) -> Pair:
    truth_dz = _true_dz(s)
    shift = s.rng.uniform(-o.shift_px, o.shift_px, 2)
    flights: list[Flight] = []
    water: list[Mask] = []
    azimuth = s.rng.uniform(0, 2 * np.pi)
    for d in (0, 1):
        wet = s.ground[d] < s.level
        wet &= s.top[d] < s.level
        look = Look(float(azimuth + d * s.rng.uniform(0.8, 2.5)), float(s.rng.uniform(30, 65)))
        surface = np.maximum(s.top[d], s.level)
        colour = render(s.rng, surface, s.paint[d], wet, s.gsd, look)
        height = _matched(s, surface, wet, o)
        if d == 1:
            height = height + np.float32(s.rng.uniform(-o.lift_m, o.lift_m))
            tilt = s.rng.uniform(-o.tilt, o.tilt, 2)
            height = height + (tilt[0] * s.y + tilt[1] * s.x).astype(np.float32)
            place = _places(s, shift, o)
            colour = np.stack([_warped(c.astype(np.float32), place) for c in colour])
            colour = np.clip(np.rint(colour), 0, 255).astype(np.uint8)
            height = _warped(height, place)
        flights.append(Flight(colour, height))
        water.append(wet)
    stood = np.any([np.zeros((s.n, s.n), bool), *s.standing], axis=0)
    return Pair(
        o.gsd_m, flights[0], flights[1], tuple(s.truth), (water[0], water[1]), truth_dz, stood
    )


def _places(s: _Scene, shift: NDArray[np.float64], o: PairOptions) -> NDArray[np.float32]:
    """Where the pixels of the later flight really lie, (2, H, W) [px]."""
    grid = np.indices((s.n, s.n), dtype=np.float32)
    for k in (0, 1):
        grid[k] += np.float32(shift[k]) + o.warp_px * rough_noise(s.rng, s.n, 10 / s.gsd)
    return grid


def _warped(values: F32, place: NDArray[np.float32]) -> F32:
    return np.asarray(ndimage.map_coordinates(values, place, order=1, mode="nearest"), np.float32)


def _matched(s: _Scene, surface: F32, wet: Mask, o: PairOptions) -> F32:
    """Give the surface as image matching does."""
    height = np.asarray(ndimage.gaussian_filter(surface, 1.3), np.float32)
    noise = o.noise_m * rough_noise(s.rng, s.n, 0.25 / s.gsd)
    noise += o.wave_m * rough_noise(s.rng, s.n, 4 / s.gsd)
    noise += 0.3 * o.noise_m * s.rng.standard_normal((s.n, s.n), dtype=np.float32)
    waves = 0.35 * rough_noise(s.rng, s.n, 1.0 / s.gsd)
    holes = wet & (rough_noise(s.rng, s.n, 1.5 / s.gsd) > 0.6)
    height = height + np.where(wet, waves, noise)
    height[holes] = np.nan
    return height.astype(np.float32)
