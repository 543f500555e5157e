"""A reach of 1.2 km with one of every trap in it, and true objects beside them, through the sweeps.

Fifteen months of looks are the history, five months the patrol. The west bank is gentle and has a
bar, the east bank is steep; fields lie in the west, woods and grass in the east.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock
from uuid import uuid4

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from scipy import ndimage
from shapely.geometry import box

from pipeline.adjudicate.candidates import AdjudicateOptions
from pipeline.adjudicate.evidence import fold
from pipeline.adjudicate.tracks import link
from pipeline.config import DetectOptions
from pipeline.detect.objects import Pixels, split
from pipeline.detect.water import WaterOptions
from pipeline.io.blocks import Layer
from pipeline.io.store import CorridorStore
from pipeline.io.store_grid import describe_grid
from pipeline.model import Candidate, Corridor, EvidenceState, Grid, Pass, Reach, Scene
from pipeline.passes.follow import FollowOptions, follow
from pipeline.passes.gather import fingerprint
from pipeline.passes.ground import Looks, Site
from pipeline.passes.merge import one_problem
from pipeline.passes.reduce import reduce_dates
from pipeline.passes.states import write_states
from pipeline.passes.watch import WatchOptions, watch
from pipeline.prepare.options import PrepareOptions
from sample_scenes.spectra import MATERIALS, season

SIDE = 120
MIDDLE = 60  # the channel's column
LEFT, TOP = 700_000, 3_080_000
BANDS = ("blue", "green", "red", "nir", "swir16")
PATROL = datetime(2025, 4, 1, tzinfo=UTC)
SUSPECTED = (EvidenceState.SUSPECTED, EvidenceState.RELAPSED)

Float = NDArray[np.float64]
Where = tuple[slice, slice]
INLET: Where = (slice(90, 99), slice(70, 94))  # of a side stream, from the east


SNOW = (0.70, 0.70, 0.68, 0.60, 0.60, 0.08, 0.06)  # as MATERIALS has its rows


def material(name: str) -> Float:
    if name == "snow":
        return np.array([*SNOW[:4], SNOW[5]])[:, None, None]
    blue, green, red, nir, _, swir, _ = MATERIALS[name]
    return np.array([blue, green, red, nir, swir])[:, None, None]


def _height() -> Float:
    """0 in the deepest water, 1 where the highest ordinary level reaches."""
    col = np.arange(SIDE) - MIDDLE
    west, east = (-col - 10) / 14, (col - 10) / 6
    out = np.broadcast_to(np.maximum(west, east), (SIDE, SIDE)).copy()
    out[INLET] = np.minimum(out[INLET], 0.1)
    return out


HEIGHT = _height()
SLOPE = np.where(np.arange(SIDE) < MIDDLE, 1 / 14, 1 / 6)[None]
_RNG = np.random.default_rng(3)
TEXTURE = 1 + 0.5 * ndimage.gaussian_filter(_RNG.normal(size=(SIDE, SIDE)), 1.5)


HISTORY = [date(2024, 1, 4) + timedelta(days=14 * i) for i in range(32)]
PATROL_LEVELS = (
    0.6,
    0.8,
    0.7,
    0.75,
    0.65,
    0.8,
    0.7,
    0.75,
    1.03,
    0.85,
    0.8,
    0.75,
    -0.05,
    -0.1,
    -0.1,
)
"""The ninth look shows a flood; the last three, water lower than any history."""
PATROL_DAYS = [date(2025, 4, 3) + timedelta(days=10 * i) for i in range(len(PATROL_LEVELS))]
DAYS = (*HISTORY, *PATROL_DAYS)


def level_of(day: date) -> float:
    """Water level; in the history the year's course with a wild part, between 0.2 and 0.95."""
    if day in PATROL_DAYS:
        return PATROL_LEVELS[PATROL_DAYS.index(day)]
    wild = np.random.default_rng(day.toordinal()).uniform(-0.2, 0.2)
    course = 0.5 + 0.2 * np.sin((day.timetuple().tm_yday - 90) / 58)
    return float(np.clip(course + wild, 0.2, 0.95))


@dataclass(frozen=True)
class Thing:
    """Something in the picture, from the first day to the day before the last."""

    where: Where
    paint: Callable[[Float, date, Float], Float]  # (bands, day, share of water) -> bands
    start: date = date(2000, 1, 1)
    end: date = date(2100, 1, 1)
    afloat: bool = False  # only where there is water


def made_of(name: str, share: float = 1.0) -> Callable[[Float, date, Float], Float]:
    def paint(under: Float, _: date, wet: Float) -> Float:
        del wet
        return (1 - share) * under + share * material(name)

    return paint


def place(row0: int, row1: int, col0: int, col1: int) -> Where:
    return slice(row0, row1), slice(col0, col1)


def painted(with_: Float) -> Callable[[Float, date, Float], Float]:
    """Cover what lies there with reflectances (bands, 1, 1)."""

    def paint(under: Float, _: date, wet: Float) -> Float:
        del wet
        return np.broadcast_to(with_, under.shape).copy()

    return paint


def water_share(day: date) -> Float:
    """Share of every pixel that is under water, 0..1."""
    return np.clip((level_of(day) - HEIGHT) / SLOPE + 0.5, 0, 1)


def scene(day: date, things: Sequence[Thing]) -> Float:
    """Reflectance (band, row, col) of one date, before the instrument."""
    when = datetime(day.year, day.month, day.day, 3, tzinfo=UTC)
    green = season(when, 190, 80)
    wood = material("canopy") * (0.75 + 0.25 * green)
    grass = (1 - green) * material("dry_grass") + green * material("grass")
    cycle = float(np.interp(when.timetuple().tm_yday, (60, 95, 290, 310), (0.05, 1, 1, 0.05)))
    field = (1 - cycle) * material("stubble") + cycle * material("crop")
    rows, cols = np.indices((SIDE, SIDE))
    fields = (cols < MIDDLE) & (rows < 42)
    land = np.where(fields, field, np.where((cols < MIDDLE) | (rows < 50), wood, grass))
    land = np.where(HEIGHT < 1.05, material("mud") * 1.1, land) * TEXTURE
    wet = water_share(day)
    out = wet * material("water_silty") + (1 - wet) * land
    for thing in things:
        if not thing.start <= day < thing.end:
            continue
        part = (slice(None), *thing.where)
        new = thing.paint(out[part], day, wet[thing.where])
        keep = wet[thing.where] if thing.afloat else 1.0
        out[part] = keep * new + (1 - keep) * out[part]
    return out


def instrument(image: Float, seed: int, shift: int = 0) -> NDArray[np.int16]:
    """Blur, noise and, perhaps, a shift by whole pixels to the east."""
    rng = np.random.default_rng(seed)
    blurred = np.stack([ndimage.gaussian_filter(b, 0.5, mode="nearest") for b in image])
    north, east = rng.normal(0, 0.15, 2)
    by = (0, north, east + shift)
    moved = ndimage.shift(blurred, by, order=1, mode="nearest")
    return np.rint((moved + rng.normal(0, 0.003, image.shape)) * 10_000).astype(np.int16)


def a_pass(day: date, name: str) -> Pass:
    when = datetime(day.year, day.month, day.day, 3, tzinfo=UTC)
    scene_ = Scene(
        id=f"{name}-{day}", sensor="made", platform="made", acquired=when,
        footprint_wgs84=box(113, 27, 114, 28), assets={}, tile="", datatake="", baseline="",
        sun_azimuth_deg=150.0, sun_elevation_deg=50.0, cloud_share=None,
    )  # fmt: skip
    return Pass(f"{when:%Y%m%d}_{name}", "made", when, (scene_,))


def open_site(folder: Path) -> Site:
    grid = Grid("EPSG:32649", Affine(10, 0, LEFT, 0, -10, TOP), (SIDE, SIDE))
    whole = box(LEFT, TOP - 10 * SIDE, LEFT + 10 * SIDE, TOP)
    store = CorridorStore(folder, grid, 128, whole)
    describe_grid(store.root, store.grid, store.tile_px)
    corridor = Corridor("made", "河", "river", box(113, 27, 114, 28), None, 10.0, "a test")
    return Site(corridor, store, (Reach(1, "made-1", whole),))


def keep(site: Site, p: Pass, image: NDArray[np.int16]) -> None:
    """Gather one look into the store."""
    for tile in site.store.tiles:
        layers: dict[str, Layer] = {}
        for k, band in enumerate(BANDS):
            part = image[k][tile.core.slices]
            half = band == "swir16"
            layers[band] = site.store.pack(part[::2, ::2] if half else part, tile, 1 + half)
        site.store.write(p.id, tile, layers)
    note = {"bands": sorted(BANDS), "usable": True, "set_aside": []}
    site.store.finish(p.id, fingerprint(p), note)


def gathered(
    site: Site, images: Iterable[tuple[date, Float]], shift: int = 0, name: str = "made"
) -> tuple[Pass, ...]:
    """Store looks; ``shift`` in whole pixels to the east."""
    out: list[Pass] = []
    for day, image in images:
        p = a_pass(day, name)
        keep(site, p, instrument(image, day.toordinal(), shift))
        out.append(p)
    return tuple(out)


def prepared(
    site: Site,
    passes: Sequence[Pass],
    water: Mapping[str, Any] | None = None,
    prepare: Mapping[str, Any] | None = None,
) -> Looks:
    """Reduce the looks as a run does; ``water`` are options of ``detect.water``."""
    reduced = reduce_dates(site, passes, PrepareOptions.model_validate(prepare or {}))
    options = WaterOptions.model_validate(water or {})
    keys = write_states(site, reduced.passes, reduced, options)
    return Looks(reduced.passes, reduced.quality, reduced.mask_keys, keys)


def judged(
    site: Site,
    looks: Looks,
    options: Mapping[str, Any] | None = None,
    only: Sequence[Where] | None = None,
) -> list[Candidate]:
    """Watch, link, follow, fold and merge as a run does.

    ``options`` of ``detect``; ``only`` examines what lies in these places, to save time.
    """
    detect = DetectOptions.model_validate(options or {})
    adjudicate = AdjudicateOptions()
    until = looks.passes[-1].acquired
    how = FollowOptions(
        WatchOptions(detect.zhan, detect.ground, detect.epoch),
        detect.observe,
        adjudicate,
    )

    def chosen(parts: Sequence[Pixels]) -> list[Pixels]:
        pieces = split(parts)
        return pieces if only is None else [p for p in pieces if any(_in(p, w) for w in only)]

    with (
        # What is kept of a look does not know what a test replaces.
        mock.patch("pipeline.passes.book._VERSION", uuid4().hex),
        mock.patch("pipeline.passes.watch.split", chosen),
        mock.patch("pipeline.passes.change.split", chosen),
    ):
        watched = watch(site, looks, PATROL, how.watch)
    tracks = link(watched.sightings, adjudicate.link)
    every = follow(site, looks, watched, tracks, (how, until))
    return one_problem(every, adjudicate.fold, until)[0]


def _in(pixels: Pixels, where: Where) -> bool:
    rows, cols = where
    inside = (pixels.rows >= rows.start) & (pixels.rows < rows.stop)
    return bool((inside & (pixels.cols >= cols.start) & (pixels.cols < cols.stop)).any())


def at(where: Where, found: Sequence[Candidate]) -> list[Candidate]:
    """Candidates that cover two pixels or more of a place."""
    rows, cols = where
    place = box(LEFT + 10 * cols.start, TOP - 10 * rows.stop,
                LEFT + 10 * cols.stop, TOP - 10 * rows.start)  # fmt: skip
    return [c for c in found if c.polygon.intersection(place).area >= 200]


def ever_suspected(candidate: Candidate) -> bool:
    """Tell whether a run that ended at any of its looks would have suspected it."""
    looks = candidate.looks
    return any(fold(looks[: i + 1]).state in SUSPECTED for i in range(len(looks)))


def reported(where: Where, found: Sequence[Candidate]) -> list[Candidate]:
    """What was ever suspected in a place."""
    return [c for c in at(where, found) if ever_suspected(c)]


def strays(places: Iterable[Where], found: Sequence[Candidate]) -> list[Candidate]:
    """What was ever suspected in none of the places."""
    own = [c for where in places for c in at(where, found)]
    return [c for c in found if ever_suspected(c) and not any(c is o for o in own)]
