"""Places that need a drone, grouped into areas that one flight covers, as a planner reads them."""

from __future__ import annotations

import csv
import io
import json
import sys
from dataclasses import replace
from pathlib import Path

import pyogrio
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import box

sys.path.insert(0, str(Path(__file__).parent))
from test_64_cases import candidate, make, read, siluan

from pipeline.cases.flight_areas import AreaOptions, Place, group_places
from pipeline.cases.flight_plan import needing
from pipeline.model import Kind, Status

LIMITS = AreaOptions()


@settings(max_examples=12, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(0, 4000), st.floats(0, 4000), st.floats(5, 2500), st.floats(5, 200)),
        max_size=8,
    ),
    st.randoms(use_true_random=False),
)
def test_areas_hold_every_place_within_both_limits_in_any_order(
    boxes: list[tuple[float, float, float, float]], chance: object
) -> None:
    places = [Place(f"c{i}", box(x, y, x + w, y + h)) for i, (x, y, w, h) in enumerate(boxes)]
    areas = group_places(places, LIMITS)
    for area in areas:
        assert area.polygon.area <= LIMITS.most_m2
        assert shapely.minimum_bounding_radius(area.polygon) <= LIMITS.reach_m * (1 + 1e-9)
    for place in places:
        own = [a.polygon for a in areas if place.key in a.keys]
        assert shapely.union_all(own).buffer(1e-6).covers(place.outline)
    chance.shuffle(places)  # type: ignore[attr-defined]
    assert group_places(places, LIMITS) == areas


def test_neighbours_are_one_flight_and_far_ones_are_two() -> None:
    near = [Place("a", box(0, 0, 40, 40)), Place("b", box(300, 0, 340, 40))]
    assert [a.keys for a in group_places(near, LIMITS)] == [("a", "b")]
    far = [near[0], Place("b", box(1100, 0, 1140, 40))]
    assert [a.keys for a in group_places(far, LIMITS)] == [("a",), ("b",)]


def test_a_planner_gets_closed_polygons_with_cases_and_what_to_look_for(tmp_path: Path) -> None:
    make(tmp_path / "state", [candidate(i) for i in range(3)])
    ids = sorted(read(tmp_path / "state"))
    said = siluan("export", "--state", tmp_path / "state", "--out", tmp_path / "out", "--flights")
    folder = tmp_path / "out" / "flights"
    wanted = {w.case.case_id for w in needing(list(read(tmp_path / "state").values()))}
    assert (wanted, "areas for" in said) == (set(ids), True)
    _, _, shapes, fields = pyogrio.raw.read(folder / "flights.kml", columns=["Name"])
    drawn = shapely.from_wkb(shapes)
    areas = [g for g in drawn if g.geom_type == "Polygon"]
    assert all(g.is_valid and g.exterior.is_closed for g in areas)
    assert {n for n, g in zip(fields[0], drawn, strict=True) if g.geom_type == "Point"} == wanted
    for case in read(tmp_path / "state").values():
        place = shapely.from_geojson(json.dumps(_geometry(folder, case.case_id)))
        assert any(a.covers(place.centroid) for a in areas)
    _, _, alone, _ = pyogrio.raw.read(folder / "F001.kml")
    assert shapely.equals_exact(shapely.force_2d(shapely.from_wkb(alone)[0]), areas[0], 1e-6)
    rows = list(csv.DictReader(io.StringIO((folder / "flights.csv").read_text("utf-8-sig"))))
    assert {r["case_id"] for r in rows} == wanted
    assert all(r["look_for"] and "违法" not in r["look_for"] and r["why"] for r in rows)
    before = (folder / "flights.kml").read_bytes()
    siluan("export", "--state", tmp_path / "state", "--out", tmp_path / "out", "--flights")
    assert (folder / "flights.kml").read_bytes() == before


def _geometry(folder: Path, case_id: str) -> object:
    features = json.loads((folder / "flights.geojson").read_text())["features"]
    (own,) = (f for f in features if case_id in {c["case_id"] for c in f["properties"]["cases"]})
    return own["geometry"]


def test_what_people_hold_comes_first_and_what_10_m_settle_is_left_out(tmp_path: Path) -> None:
    make(tmp_path / "state", [candidate(i) for i in range(3)])
    a, b, c = sorted(read(tmp_path / "state").values(), key=lambda k: k.case_id)
    suspected = {"status": Status.SUSPECTED}
    heap = replace(a, kind=Kind.DUI, **suspected)
    large = replace(b, kind=Kind.JIAN, area_m2=5000.0, **suspected)
    small = replace(b, kind=Kind.JIAN, area_m2=500.0, **suspected)
    issued = replace(c, status=Status.ISSUED)
    assert [w.case for w in needing([heap, large, issued])] == [issued, heap]
    assert [w.case for w in needing([small])] == [small]
    shown = replace(heap.looks[-1], sensor="drone", certain=True)
    assert needing([replace(heap, looks=(shown,))]) == []
    assert needing([replace(heap, kind=Kind.ZHAN)]) == []
