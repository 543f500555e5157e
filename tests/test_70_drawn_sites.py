"""Drawn sites of the simulated world: each a place of its own, its traps where they belong."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import combinations

import numpy as np
import pytest
import shapely
from pydantic import ValidationError
from shapely.geometry import box, shape
from shapely.geometry.base import BaseGeometry

from benchmarks.accuracy.simulated.campaign import HELD_OUT, HELD_OUT_EMPTY
from sample_scenes import corridor, office, schedule, terrain, traps
from sample_scenes.geo import to_wgs84
from sample_scenes.objects import RESERVOIR, RIVER, SceneObject
from sample_scenes.options import SampleOptions
from sample_scenes.site import Place, place
from sample_scenes.terrain import Terrain

MANY = pytest.mark.thorough


@dataclass(frozen=True)
class Site:
    options: SampleOptions
    ground: Terrain
    areas: dict[str, BaseGeometry]
    traps: dict[str, SceneObject]

    @property
    def here(self) -> Place:
        return place(self.options.site)

    def heights(self, area: BaseGeometry) -> np.ndarray:
        x0, y0, x1, y1 = area.bounds
        gx, gy = np.meshgrid(np.arange(x0 + 2, x1, 6), np.arange(y0 + 2, y1, 6))
        inside = shapely.contains_xy(area, gx, gy)
        points = zip(gx[inside], gy[inside], strict=True)
        return np.array([self.ground.height_at(x, y) for x, y in points])


@cache
def drawn(number: int) -> Site:
    options = SampleOptions(seed=number, site=number, per_month=7, sky="third", events=False)
    ground = terrain.build(options)
    things = {t.id: t for t in traps.build(options, ground)}
    return Site(options, ground, corridor.corridor_shapes(options, ground), things)


def every(*numbers: int) -> list[object]:
    rest = [n for n in range(1, 21) if n not in numbers] + [33, *HELD_OUT, *HELD_OUT_EMPTY]
    return [*numbers, *(pytest.param(n, marks=MANY) for n in rest)]


@pytest.mark.parametrize("number", every(1, 2))
def test_every_trap_of_a_site_lies_where_such_a_thing_belongs(number: int) -> None:
    site = drawn(number)
    assert len(site.traps) == len(traps.build(SampleOptions(), site.ground))
    assert site.areas[RIVER].disjoint(site.areas[RESERVOIR])
    for name, thing in site.traps.items():
        assert site.areas[thing.corridor_id].buffer(1).contains(thing.shape), name
        z = site.heights(thing.shape)
        if name.startswith(("barge", "boats", "pontoon")):
            assert np.mean(z < 0.6) > 0.8, name  # wet in winter too
        elif name.startswith("boat-2"):
            assert np.mean(z < 8.5) > 0.7
        elif name.startswith(("harvest", "paddy", "roof", "levee")):
            assert np.mean(z > 5.3) > 0.9, name  # above the highest water
        elif name.startswith("felled"):
            assert np.mean(z > 16) > 0.9, name
        elif name.startswith("dam"):
            assert abs(thing.shape.centroid.y - site.here.reservoir.dam_y - 35) < 20
        elif name.startswith("hyacinth"):
            assert np.mean(z < (13.2 if thing.corridor_id == RESERVOIR else 5.0)) > 0.6, name
    for a, b in combinations(site.traps.values(), 2):
        if not (a.id.startswith("bridge-new") and b.id.startswith("bridge-new")):
            assert a.shape.disjoint(b.shape), (a.id, b.id)


@pytest.mark.parametrize("number", every(1, 2))
def test_bridges_of_a_site_reach_from_bank_to_bank(number: int) -> None:
    site = drawn(number)
    spans = [t.shape for n, t in site.traps.items() if n.startswith("bridge-new")]
    whole = shapely.union_all([s.buffer(0.01) for s in spans])
    assert whole.geom_type == "Polygon"
    assert whole.area == pytest.approx(sum(s.area for s in spans), rel=0.02)
    for deck in (site.traps["bridge-old"].shape, whole):
        left = deck.difference(site.here.river.centreline(4000).buffer(1))
        assert left.geom_type == "MultiPolygon"  # the middle of the stream runs under it
        corners = np.array(deck.minimum_rotated_rectangle.exterior.coords[:4])
        long = np.argmax(
            [np.hypot(*(corners[1] - corners[0])), np.hypot(*(corners[2] - corners[1]))]
        )
        ends = (corners[[0, 3]], corners[[1, 2]]) if long == 0 else (corners[:2], corners[2:])
        assert all(site.ground.height_at(*e.mean(axis=0)) > 4.5 for e in ends)


@pytest.mark.parametrize("number", every(1))
def test_the_office_knows_the_works_of_a_site_at_their_true_places(number: int) -> None:
    site = drawn(number)
    known = {f["id"]: f for f in office.works(site.options, site.ground)["features"]}
    assert known.keys() == {"levee-1", "dam-1"}
    for name, work in known.items():
        assert shape(work["geometry"]).contains(to_wgs84(site.traps[name].truth))


def test_crops_and_drift_keep_their_season_on_every_site() -> None:
    site = drawn(1)
    floods = {d for d in site.here.levels.floods if d.year == 2025}
    for name, low, high in (("harvest-1", 6, 7), ("harvest-2", 8, 10), ("paddy-1", 4, 5)):
        assert low <= site.traps[name].steps[0][0].month <= high
    for name in ("debris-1", "debris-2"):
        came = site.traps[name].steps[0][0].date()
        assert any(0 <= (came - d).days <= 4 for d in floods)


def test_a_site_is_the_same_again_and_another_is_another() -> None:
    one, other = drawn(1), drawn(2)
    assert traps.build(one.options, one.ground) == tuple(one.traps.values())
    y = np.arange(0, 4000, 100.0)
    course = [s.here.river.centre_x(y) for s in (one, other)]
    assert np.abs(course[0] - course[1]).mean() > 50
    levels = [[d.pool_level for d in schedule.make(s.options)][:100] for s in (one, other)]
    assert np.abs(np.subtract(*levels)).mean() > 0.2
    for name, thing in one.traps.items():
        assert thing.shape.distance(other.traps[name].shape) > 0 or name.startswith("bridge")
        if thing.until is not None:
            assert thing.steps != other.traps[name].steps or thing.until != other.traps[name].until


def test_many_sites_are_many_places() -> None:
    lines = [place(n).river.centreline(4000) for n in range(60)]
    assert len({line.wkb for line in lines}) == 60
    assert len({place(n).levels for n in range(60)}) == 60
    frame = box(0, 0, 2000, 4001)
    assert all(frame.contains(line) for line in lines)


def test_a_drawn_site_is_whole_and_without_events() -> None:
    for wrong in ({"site": 3}, {"site": 3, "events": False, "size": 200}):
        with pytest.raises(ValidationError, match="site 3 has no events"):
            SampleOptions.model_validate(wrong)
