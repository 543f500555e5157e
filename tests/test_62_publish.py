"""What leaves the run: valid, deterministic, whole."""

import json
import os
from dataclasses import asdict, replace
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pyproj import Geod
from shapely import union_all
from shapely.geometry import MultiPolygon, Point, Polygon, box, shape

from pipeline.adjudicate.evidence import fold
from pipeline.adjudicate.rules import Rule
from pipeline.errors import ContractError, DiskFullError
from pipeline.io import failpoints
from pipeline.io.datum import to_gcj02
from pipeline.ledger.context import LedgerContext
from pipeline.ledger.lifecycle import open_case
from pipeline.model import (
    Attribution,
    Candidate,
    Case,
    EvidenceState,
    Kind,
    Look,
    NotObserved,
    PeopleRecord,
    PermitRef,
    Ruling,
    RunRecord,
    Seen,
    SetAside,
    Spoken,
    Status,
)
from pipeline.publish import PublishContext, Shelves, make_run_id, publish_run, split_cases
from pipeline.publish.contract import (
    _all_within,
    _limits,
    _spelled_out,
    _validator,
    check,
    schema,
)
from pipeline.publish.geojson import case_feature, feature_collection, to_bytes
from pipeline.publish.geometry import inner_point, to_wgs84

START, END = datetime(2025, 1, 1, tzinfo=UTC), datetime(2025, 6, 30, tzinfo=UTC)
X, Y = 710000.0, 3080000.0  # UTM 49N, near Zhuzhou
GEOD = Geod(ellps="WGS84")


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def case(polygon: Any = None, hits: int = 3) -> Case:
    outline = polygon or box(X, Y, X + 60, Y + 40)
    looks = tuple(
        Look(
            datetime(2025, 1, 1 + 5 * i, 3, tzinfo=UTC),
            f"p{i}",
            "s2",
            1.0,
            Seen.HIT,
            True,
            0.4,
            2.5,
        )
        for i in range(hits)
    )
    found = Candidate(
        kind=Kind.ZHAN,
        corridor_id="xiangjiang",
        polygon=outline,
        crs="EPSG:32649",
        area_m2=2400.0,
        looks=looks,
        evidence=fold(looks),
        score=0.55,
        measures={},
        scene_ids=("s1", "s2"),
        detector="zhan/1",
    )
    context = LedgerContext(
        "r1", "0.1.0", "cfg", ("xiangjiang",), (START, END), partial(fold, until=END)
    )
    made = open_case(found, context, (), None)
    assert made is not None
    return made


RECORD = RunRecord(
    run_id="abc123",
    workflow="sample",
    period=(START, END),
    inputs=({"id": "s2", "hrefs": ("a", "b"), "fingerprint": "f"}, {"id": "s1"}),
    config_hash="cfg",
    code_version="0.1.0",
    counts={"cases": 1},
    seconds={"gather": 1.23456},
    set_aside=(SetAside("s3", "acquire", "truncated"),),
)
UNSEEN = NotObserved("xiangjiang", "r1", box(113.1, 27.8, 113.2, 27.9), date(2025, 3, 1), 121)


def publish(out: Path, **more: Any) -> Any:
    context = PublishContext({"xiangjiang": "湘江"}, {"s2": 10.0}, {"run.log": b"x\n"})
    args: dict[str, Any] = {"cases": [case()], "hidden": [], "record": RECORD} | more
    shelves = Shelves(tuple(args["cases"]), suppressed=tuple(args["hidden"]))
    context = replace(context, audit=frozenset(args.get("audit", ())))
    return publish_run(out, shelves, [UNSEEN], args["record"], context)


def test_schema_is_a_schema_and_closed() -> None:
    Draft202012Validator.check_schema(schema())
    assert schema()["$id"].endswith("1.1.0")
    feature = case_feature(case())
    check("cases", feature_collection([feature]))
    assert set(feature["properties"]) == set(schema()["$defs"]["case_properties"]["properties"])
    feature["properties"]["casse_id"] = 1
    feature["properties"]["notice"] = "证据"
    with pytest.raises(ContractError, match=r"notice.*casse_id"):
        check("cases", feature_collection([feature]))
    with pytest.raises(ContractError, match="occurs twice"):
        check("cases", feature_collection([case_feature(case()), case_feature(case())]))


def test_the_feature_says_what_was_promised() -> None:
    feature = case_feature(case(), river_zh="湘江", gsd_m={"s2": 10.0})
    p = feature["properties"]
    assert feature["id"] == p["case_id"]
    assert "crs" not in feature
    assert (p["kind_zh"], p["status"], p["evidence_state"]) == ("乱占", "suspected", "suspected")
    assert p["notice"] == "仅为线索，不作为处罚依据"
    assert (p["in_management_area"], p["boundary_used"]) == ("unknown", "working")
    assert p["severity"] is None
    assert p["confidence_calibrated"] is False
    assert p["dates_seen"] == ["2025-01-01", "2025-01-06", "2025-01-11"]
    assert (p["gsd_m"], p["residual_m"], p["level_ranks"][0]["rank"]) == (10.0, 2.5, 0.4)
    outline = shape(feature["geometry"])
    assert outline.exterior.is_ccw
    assert outline.contains(Point(p["point_wgs84"]))
    azimuth, _, metres = GEOD.inv(*p["point_wgs84"], *p["point_gcj02"])
    assert 640 < metres < 680
    assert 115 < azimuth % 360 < 132


@pytest.mark.parametrize(
    ("lat", "lon", "gcj_lat", "gcj_lon"),
    [
        (31.1774276, 121.5272106, 31.17530398364597, 121.531541859215),
        (22.543847, 113.912316, 22.540796131694766, 113.9171764808363),
        (39.911954, 116.377817, 39.91334545536069, 116.38404722455657),
    ],
)
def test_gcj02_against_published_values(
    lat: float, lon: float, gcj_lat: float, gcj_lon: float
) -> None:
    got_lon, got_lat = to_gcj02(lon, lat)
    assert got_lat == pytest.approx(gcj_lat, abs=1e-6)
    assert got_lon == pytest.approx(gcj_lon, abs=1e-6)


def test_gcj02_leaves_the_rest_of_the_world_alone() -> None:
    assert to_gcj02(2.8, 42.3) == (2.8, 42.3)
    abroad = replace(case(box(490000, 4680000, 490060, 4680040)), crs="EPSG:32631")
    assert case_feature(abroad)["properties"]["point_gcj02"] is None
    check("cases", feature_collection([case_feature(abroad)]))


pixels = st.sets(st.tuples(st.integers(0, 7), st.integers(0, 7)), min_size=1, max_size=30)


@settings(max_examples=60, deadline=None)
@given(pixels)
def test_any_pixel_shape_survives_rounding(some: set[tuple[int, int]]) -> None:
    whole = union_all(
        [box(X + 10 * c, Y + 10 * r, X + 10 * c + 10, Y + 10 * r + 10) for c, r in some]
    )
    outline = to_wgs84(whole, "EPSG:32649")
    assert outline.is_valid
    assert abs(GEOD.geometry_area_perimeter(outline)[0]) == pytest.approx(100 * len(some), rel=2e-3)
    assert outline.contains(Point(inner_point(outline)))
    parts = outline.geoms if isinstance(outline, MultiPolygon) else [outline]
    for part in parts:
        assert part.exterior.is_ccw
        assert not any(hole.is_ccw for hole in part.interiors)
    again = json.loads(json.dumps(outline.__geo_interface__))
    assert shape(again).equals(outline)
    numbers = [v for part in parts for xy in part.exterior.coords for v in xy]
    assert all(round(v, 7) == v for v in numbers)


def test_a_sliver_is_refused_by_name() -> None:
    sliver = Polygon([(X, Y), (X + 1, Y), (X + 1, Y + 1e-6)])
    with pytest.raises(ContractError, match="case ZZ-2025-zhan"):
        case_feature(case(sliver))


def test_a_kind_that_imagery_does_not_tell_is_said_to_be_undecided() -> None:
    def said(of: Case) -> list[str]:
        return list(case_feature(of)["properties"]["reasons"])

    def weighed(kind: Kind, **measures: float) -> Case:
        return replace(case(), kind=kind, measures=measures)

    heap = weighed(Kind.DUI, kind_dui=0.53, kind_jian=0.47, kind_cai=0.0, wet_share=0.0)
    assert heap.kinds_alike == (Kind.DUI, Kind.JIAN)
    assert said(heap) == ["类型未定：影像难以区分乱堆与乱建"]
    sure = replace(heap, measures={**heap.measures, "kind_dui": 0.6, "kind_jian": 0.4})
    assert sure.kinds_alike == (Kind.DUI,)
    assert said(sure) == said(case()) == []
    edge = replace(heap, measures={**heap.measures, "kind_dui": 0.575, "kind_jian": 0.425})
    assert edge.kinds_alike == (Kind.DUI, Kind.JIAN)  # within 0.15 is also 0.15
    earth = weighed(Kind.DUI, kind_dui=0.53, kind_cai=0.44, kind_jian=0.03, wet_share=0.0)
    assert said(earth) == ["类型未定：影像难以区分乱堆与乱采（堆土或取土）"]
    pond = replace(earth, measures={**earth.measures, "mixed_water": 1.0})
    assert said(pond) == ["类型未定：影像难以区分乱堆与乱采"]
    # What is as good as the kind that was given, and what is better, are both no less likely.
    assert replace(heap, kind=Kind.JIAN).kinds_alike == (Kind.JIAN, Kind.DUI)
    by_hand = replace(heap, people=PeopleRecord("李", date(2025, 2, 1), kind_fixed=True))
    assert by_hand.kinds_alike == (Kind.DUI,)
    assert said(by_hand) == []
    for status in (Status.VERIFIED, Status.RECTIFYING, Status.CLOSED, Status.RELAPSED):
        assert replace(heap, status=status).kinds_alike == (Kind.DUI,)
    four = replace(sure, measures={**sure.measures, "no_swir": 1.0})
    assert said(four) == ["所用影像没有短波红外，裸土、建筑与水的区分较不可靠"]


def test_a_gentle_side_of_what_a_drone_measured_is_said_to_be_perhaps_the_rivers() -> None:
    def said(kind: Kind, slope: float, detector: str = "drone/1") -> list[str]:
        own = replace(case(), kind=kind, measures={"side_slope": slope}, detector=detector)
        return list(case_feature(own)["properties"]["reasons"])

    for kind in (Kind.DUI, Kind.CAI, Kind.ZHAN):
        assert said(kind, 0.31) == [
            "边坡平缓（坡度0.31）：若在水边，也可能是河流冲淤所致，请核对两次飞行之间的水情"
        ]
        # What was tipped stands at 0.58 and more; 0 is of what has no side; satellites see none.
        assert said(kind, 0.58) == said(kind, 0.0) == said(kind, 0.31, "zhan/1") == []
    assert said(Kind.JIAN, 0.31) == []
    verified = replace(
        case(), measures={"side_slope": 0.31}, detector="drone/1", status=Status.VERIFIED
    )
    assert case_feature(verified)["properties"]["reasons"] == []


def test_bytes_do_not_depend_on_order() -> None:
    some = [case(box(X + d, Y, X + d + 60, Y + 40)) for d in (0, 500, 900)]
    one, other = (
        to_bytes(feature_collection([case_feature(c) for c in order]))
        for order in (some, some[::-1])
    )
    assert one == other
    assert len(json.loads(one)["bbox"]) == 4
    assert one.count(b"\n") == 5
    assert json.loads(to_bytes(feature_collection([]))) == {
        "type": "FeatureCollection",
        "features": [],
    }


def test_who_is_published() -> None:
    suspected, first = case(), case(hits=1)
    expired = replace(first, evidence=replace(first.evidence, state=EvidenceState.EXPIRED))
    gone = replace(suspected, merged_into="x")
    closed = replace(suspected, status=Status.CLOSED)
    lost = replace(suspected, produced=False)
    held = replace(lost, status=Status.ISSUED)
    some = [suspected, first, expired, gone, closed, lost, held]
    assert split_cases(some) == Shelves((suspected, held), (first,))
    assert split_cases(some, {"lushui"}) == Shelves()


def test_what_layers_explain_is_on_its_own_list_and_what_people_hold_is_not() -> None:
    by = Ruling("suppressed", "permit-valid", (Spoken("permit-valid", "against", "在许可内"),))
    suspected, first = replace(case(), ruling=by), replace(case(hits=1), ruling=by)
    held = replace(suspected, status=Status.ISSUED)
    closed = replace(suspected, status=Status.CLOSED)
    kept = replace(case(), ruling=Ruling())
    found = split_cases([suspected, first, held, closed, kept])
    assert found == Shelves((held, kept), (), (suspected, first))


def test_suppressed_cases_are_published_with_their_rule(tmp_path: Path) -> None:
    said = (Spoken("permit-valid", "against", "在许可「A1」范围内"),)
    ref = PermitRef("A1", "2025-01-01", "2025-12-31")
    notes = Attribution(notes=("跨县：甲 60%，乙 40%",))
    hidden = replace(
        case(), attribution=notes, ruling=Ruling("suppressed", "permit-valid", said, ref)
    )
    done = publish(tmp_path, cases=[], hidden=[hidden], audit=[hidden.case_id])
    (feature,) = json.loads((done.folder / "suppressed.geojson").read_text())["features"]
    p = feature["properties"]
    assert p["ruling"]["rule"] == "permit-valid"
    assert p["ruling"]["rules"][0]["says"] == "against"
    assert p["reasons"] == ["在许可「A1」范围内", "跨县：甲 60%，乙 40%"]
    assert p["permit"] == {**asdict(ref)}
    assert p["audit"] is True
    assert json.loads((done.folder / "cases.geojson").read_text())["features"] == []
    assert case_feature(case())["properties"]["ruling"] is None


def test_the_schema_knows_every_rule() -> None:
    ruling = schema()["$defs"]["case_properties"]["properties"]["ruling"]["anyOf"][0]
    codes = [r.value for r in Rule]
    assert ruling["properties"]["rules"]["items"]["properties"]["code"]["enum"] == codes
    assert ruling["properties"]["rule"]["enum"] == [*codes, None]


def test_an_unchanged_rerun_leaves_the_bytes_alone(tmp_path: Path) -> None:
    first = publish(tmp_path)
    assert first.folder.name == "2025-06-30_abc123"
    assert first.latest.resolve() == first.folder.resolve()
    assert {p.name for p in first.files} == {
        "cases.geojson",
        "watch.geojson",
        "suppressed.geojson",
        "not_observed.geojson",
        "cases.gpkg",
        "siluan.qgs",
        "run.json",
        "run.log",
    }
    for path in first.files:
        os.utime(path, (1, 1))
    bytes_before = {p.name: p.read_bytes() for p in first.files}
    again = publish(tmp_path, record=replace(RECORD, seconds={"gather": 9.0}))
    assert not again.changed
    for path in again.files:
        same = path.name != "run.json"
        assert (path.read_bytes() == bytes_before[path.name]) is same
        assert (path.stat().st_mtime == 1) is same
    assert names(tmp_path) == ["2025-06-30_abc123", "latest"]
    report = json.loads((first.folder / "run.json").read_text(encoding="utf-8"))
    assert [i["id"] for i in report["inputs"]] == ["s1", "s2"]
    assert len(report["files"]["cases.geojson"]) == 64


def test_what_breaks_the_promise_is_not_published(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="confidence"):
        publish(tmp_path, cases=[replace(case(), score=1.5)])
    assert names(tmp_path) == []


@pytest.mark.parametrize("action", ["enospc", "interrupt"])
def test_dying_before_the_swap_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, action: str
) -> None:
    monkeypatch.setattr(failpoints, "_passages", type(failpoints._passages)())
    monkeypatch.setenv(failpoints.VARIABLE, f"publish.before_swap={action}")
    with pytest.raises(DiskFullError if action == "enospc" else KeyboardInterrupt):
        publish(tmp_path)
    assert names(tmp_path) == []
    assert publish(tmp_path).changed


def test_dying_after_the_swap_is_mended_by_the_next_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failpoints, "_passages", type(failpoints._passages)())
    monkeypatch.setenv(failpoints.VARIABLE, "publish.after_swap=interrupt")
    with pytest.raises(KeyboardInterrupt):
        publish(tmp_path)
    assert names(tmp_path) == ["2025-06-30_abc123"]
    assert not publish(tmp_path).changed
    assert (tmp_path / "latest" / "cases.geojson").exists()


def test_gdal_reads_it(tmp_path: Path) -> None:
    import pyogrio

    path = publish(tmp_path).folder / "cases.geojson"
    info = pyogrio.read_info(path)
    assert (info["features"], info["crs"]) == (1, "EPSG:4326")
    assert {"case_id", "kind_zh", "severity", "notice"} <= set(info["fields"])


def test_run_id_depends_on_content_only() -> None:
    def make(corridors: list[str], prints: dict[str, str]) -> str:
        return make_run_id("w", corridors, (START, END), prints, "c", "v")

    one = make(["a", "b"], {"s1": "1", "s2": "2"})
    assert one == make(["b", "a"], {"s2": "2", "s1": "1"})
    assert one != make(["a"], {"s1": "1", "s2": "2"})
    assert len(one) == 12


def _positions(outline: Any) -> Any:
    return outline["coordinates"][0]


@pytest.mark.parametrize(
    "wrong",
    [
        [181.0, 20.0],
        [113.0, -91],
        [113.0],
        [113.0, 27.0, 5.0],
        [True, 27.0],
        ["113", 27.0],
        [None, 27.0],
        (113.0, 27.0),
        {"x": 113.0},
        113.0,
        [float("nan"), 27.0],
    ],
)
def test_a_wrong_position_is_told_as_the_plain_schema_tells_it(wrong: Any) -> None:
    feature = case_feature(case())
    document = feature_collection([feature])
    plain = Draft202012Validator(_spelled_out(schema()["$defs"]["cases"], schema()["$defs"]))
    assert not [*plain.iter_errors(document)]
    for at in (0, 2, -1):
        broken = json.loads(json.dumps(document))
        _positions(broken["features"][0]["geometry"])[at] = wrong
        told, expected = (
            sorted(f"{list(e.absolute_path)} {e.message}" for e in v.iter_errors(broken))
            for v in (_validator("cases"), plain)
        )
        assert told == expected


def test_only_a_list_of_plain_positions_is_passed_over() -> None:
    position = schema()["$defs"]["position"]
    limits = _limits(position)
    assert limits == [(-180, 180), (-90, 90)]
    for more in ({"maxItems": 3}, {"minItems": 1}, {"items": True}):
        assert _limits({**position, **more}) is None
    axis = {"type": "number", "minimum": 0, "exclusiveMaximum": 5}
    assert _limits({**position, "prefixItems": [axis, axis]}) is None
    assert _all_within([[1.0, 2]], limits, {})
    assert not _all_within([[1.0, 2]], limits, {"prefixItems": []})
    assert not _all_within([[1.0, 2], [1.0, float("nan")]], limits, {})
