"""``siluan run`` over drone flights: from folders to cases with volumes in the patrol's ledger."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from affine import Affine
from PIL import Image
from shapely.geometry import Point, box, shape
from typer.testing import CliRunner

sys.path.insert(0, str(Path(__file__).parent))
from pairs import (
    CRS,
    FIRST,
    GSD,
    HEAP,
    HEAP_M3,
    HOUSE,
    SECOND,
    THIRD,
    N,
    X,
    Y,
    answers,
    cases,
    contents,
    fly,
    ground,
    patrol,
    place,
    published,
    run,
    satellites,
    workflow,
    write,
)

import pipeline.passes.flight_map as flight_map
import pipeline.passes.flight_rounds as rounds_module
from pipeline.adjudicate.evidence import FoldOptions, fold, since
from pipeline.cli import app
from pipeline.config import load_workflow
from pipeline.grid import reproject
from pipeline.io.flights import DiskFlight, FlightFolder, open_flights
from pipeline.io.settings import kind_of
from pipeline.ledger import apply, open_ledger
from pipeline.model import (
    LEAD_POINT,
    Candidate,
    Corridor,
    EvidenceState,
    Grid,
    Kind,
    LayerArea,
    Lead,
    LeadSource,
    Look,
    Seen,
    Status,
    SurfaceFit,
    Window,
)
from pipeline.office.doctor import Checkup, examine
from pipeline.office.finding import Weight
from pipeline.passes.flight_joining import joined
from pipeline.passes.flight_map import flight_maps
from pipeline.passes.flight_pairs import FlightPair, Pairing, pair_flights
from pipeline.passes.flight_places import PlaceSaid
from pipeline.passes.flight_residuals import residual_features
from pipeline.passes.inspect import Gone, Inspected, inspect_alone
from pipeline.passes.inspect_workflow import InspectOptions, load_inspection
from pipeline.passes.showing_flights import FlightViews, Taken, from_flights
from pipeline.passes.worklist import ask, worklist
from pipeline.pixel_map import PixelMap
from pipeline.prepare.flight_register import Registration


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    root = tmp_path_factory.mktemp("flights")
    before = fly(root / "one", FIRST, (), 1)
    return before, fly(root / "two", SECOND, ("heap", "house"), 2)


@pytest.mark.thorough
def test_two_flights_refine_what_satellites_saw_and_a_rerun_changes_nothing(
    tmp_path: Path, pair: tuple[Path, Path]
) -> None:
    seen = satellites(tmp_path / "state", place(HEAP, 6))
    issued = satellites(tmp_path / "state", place(HOUSE, 6), Status.ISSUED)
    elsewhere = satellites(tmp_path / "state", place((5, 40), 6))
    nothing = satellites(tmp_path / "state", place((41, 9), 5), gone_at=1)
    untouched = cases(tmp_path)[elsewhere]
    path = workflow(tmp_path, list(pair))
    code, said = run(path)
    assert (code, "2 object(s) by their surfaces" in said) == (0, True)
    left = published(tmp_path, "residuals")
    assert {f["properties"]["what"] for f in left} == {"picture_tie", "surface_block"}
    found = {f["properties"]["case_id"]: f["properties"] for f in published(tmp_path)}
    assert set(found) == {seen, issued}
    # The earlier flight was flown before satellites saw them, and did not show them.
    assert {p["appeared_after"] for p in found.values()} == {"2026-06-10T02:30:00Z"}
    assert answers(tmp_path) == {
        seen: "refined", issued: "refined", elsewhere: "undecided", nothing: "contradicted",
    }  # fmt: skip
    assert (
        "open cases under these flights: 4 (refined 证实并测量 2, contradicted 未见 1, "
        "undecided 不能判断 1)" in said
    )
    empty = cases(tmp_path)[nothing]
    assert [k.seen for k in empty.looks][1:] == [Seen.HIT, Seen.HIT, Seen.MISS]
    assert (empty.evidence.state, empty.status) == (EvidenceState.EXPIRED, Status.WATCH)
    assert empty.looks[-1].clear_share == 1.0
    heap, house = found[seen], found[issued]
    volume = heap["volume_m3"]
    assert volume["low"] < HEAP_M3 < volume["high"]
    assert volume["net"] == pytest.approx(HEAP_M3, rel=0.1)
    measured = heap["drone_measures"]
    assert measured["net_m3"] == {
        "value": volume["net"],
        "low": volume["low"],
        "high": volume["high"],
    }
    assert measured["fill_m3"]["low"] < HEAP_M3 < measured["fill_m3"]["high"]
    assert (
        measured["height_m"]["low"] < measured["height_m"]["value"] < measured["height_m"]["high"]
    )
    assert measured["side_slope"] == pytest.approx(0.6, abs=0.1)
    assert (measured["planarity_m"] > 0.1, measured["volume_is_least"]) == (True, False)
    assert (heap["kind"], heap["status"], heap["detector"]) == ("dui", "suspected", "drone/1")
    assert heap["sensors"] == ["drone", "sentinel-2-l2a"]
    assert heap["scene_ids"] == ["one", "s10", "s5", "two"]
    assert heap["first_seen"] == "2026-08-05T03:00:00Z"
    assert heap["gsd_m"] == pytest.approx(GSD, rel=0.01)
    assert heap["area_m2"] == pytest.approx(np.pi * 9, rel=0.2)
    assert (house["kind"], house["status"]) == ("jian", "issued")
    other = cases(tmp_path)[elsewhere]
    assert (other.evidence, other.looks, other.polygon) == (
        untouched.evidence,
        untouched.looks,
        untouched.polygon,
    )
    before, ledger = contents(tmp_path), cases(tmp_path)
    assert run(path)[0] == 0
    assert contents(tmp_path) == before
    assert cases(tmp_path) == ledger

    # A patrol over the same dates that sees none of it takes nothing of it back, and one that sees
    # it at 10 m brings looks and not its outline.
    look = Look(datetime(2026, 11, 20, 3, tzinfo=UTC), "s20", "sentinel-2-l2a", 1.0, Seen.HIT)
    coarse = Candidate(
        Kind.ZHAN, "bank", place(HEAP, 6), CRS, 144.0, (look,), fold((look,)), 0.5, {}, ("s20",),
        "zhan/1",
    )  # fmt: skip
    for candidates in ([], [coarse]):
        with open_ledger(tmp_path / "state" / "ledger.sqlite") as store:
            apply(store, candidates, patrol())
        kept = cases(tmp_path)[seen]
        assert (kept.kind, kept.status, kept.produced) == (Kind.DUI, Status.SUSPECTED, True)
        assert kept.measures == ledger[seen].measures
        assert kept.polygon.equals(ledger[seen].polygon)
        assert [k.sensor for k in kept.looks].count("drone") == 2
    assert "s20" in {k.pass_id for k in kept.looks}

    # A third flight without the heap: a miss of the case, which people end.
    third = fly(tmp_path / "three", THIRD, ("house",), 3)
    assert run(workflow(tmp_path, [*pair, third]))[0] == 0
    gone = cases(tmp_path)[seen]
    assert [k.seen for k in gone.looks if k.of_drone] == [Seen.MISS, Seen.HIT, Seen.MISS]
    assert (gone.status, gone.evidence.misses) == (Status.WATCH, 1)
    assert gone.evidence.state is EvidenceState.EXPIRED
    assert len(cases(tmp_path)) == len(ledger)
    told = {seen: "contradicted", issued: "refined"}
    assert answers(tmp_path) == {**told, elsewhere: "undecided", nothing: "contradicted"}


def test_pictures_alone_stay_on_watch_and_leave_the_kind_of_a_known_case(
    tmp_path: Path, pair: tuple[Path, Path]
) -> None:
    seen = satellites(tmp_path / "state", place(HEAP, 4))
    after = fly(tmp_path / "bare", SECOND, ("heap", "house"), 2, surface=False)
    path = workflow(tmp_path, [pair[0], after])
    assert run(path)[0] == 0
    assert published(tmp_path) == []
    watch = {f["id"]: f["properties"] for f in published(tmp_path, "watch")}
    known = watch.pop(seen)
    assert (known["kind"], known["detector"], known["volume_m3"]) == ("zhan", "zhan/1", None)
    assert known["drone_measures"] is None
    assert "drone" in known["sensors"]
    assert [f["detector"] for f in watch.values()] == ["drone-picture/1"] * len(watch)
    assert watch
    report = tmp_path / "out/latest/run.json"
    assert "part" not in json.loads(report.read_text("utf-8"))["counts"]
    assert run(path, "--corridor", "bank")[0] == 0  # of one corridor, as run.json says
    assert json.loads(report.read_text("utf-8"))["counts"]["part"] is True


def test_one_flight_is_held_against_what_the_office_knows_to_stand_there(tmp_path: Path) -> None:
    wide = reproject(box(X - 50, Y - 100, X + 100, Y + 50), CRS, "EPSG:4326")
    bank = Corridor("bank", "河岸", "river", wide, None, 5.0, "a test")
    folder = fly(tmp_path / "one", FIRST, ("heap", "house"), 2, relief=0.1)
    (flight,) = open_flights([folder])
    options = InspectOptions()
    pairing = pair_flights([flight], [bank], options.pairing, structures=True)
    (lone,) = pairing.lone
    house = LayerArea(reproject(place(HOUSE, 4), CRS, "EPSG:4326"), {"name": "民房"})
    found = inspect_alone(lone, [house], [bank], options)
    (heap,) = found.candidates
    assert (found.known, heap.kind, heap.detector) == (1, Kind.DUI, "drone-single/1")
    assert heap.polygon.intersects(place(HEAP, 1))
    # It is a lead: it confirms nothing, and a guessed ground gives no volume.
    assert (heap.evidence.state, heap.looks[0].certain) == (EvidenceState.FIRST, False)
    assert "net_m3" not in heap.measures
    assert heap.measures["height_m"] == pytest.approx(1.5, abs=0.4)
    # Its picture is shown, and that there is none from before is said.
    assert found.views is not None
    with open_ledger(tmp_path / "ledger.sqlite") as store:
        apply(store, [heap], replace(patrol(), spots=True, judged={}))
        (case,) = store.cases(corridors={"bank"})
    shown = from_flights([found.views], options.evidence, case)
    assert (shown.before, shown.rise) == (None, None)
    assert {m.code for m in shown.missing} == {"no_before", "no_rise"}
    assert shown.after is not None
    assert shown.after.clear.mean() > 0.5
    # A flight whose name ends as that of another does not show what the other saw.
    other = replace(flight, id="b")
    drawn = from_flights(
        [replace(found.views, after=replace(found.views.after, flight=other))],
        options.evidence,
        replace(case, looks=(replace(case.looks[0], pass_id="drone_river_drone_b"),)),
    )
    assert (drawn.after, {m.code for m in drawn.missing}) == (None, {"of_drone"})
    both = inspect_alone(lone, [], [bank], options).candidates
    assert sorted(c.kind for c in both) == [Kind.DUI, Kind.JIAN]
    # Without a layer, or without a surface, one flight says that it cannot decide.
    for layer, surface in ((False, True), (True, False)):
        bare = replace(flight, has_surface=surface)
        refused = pair_flights([bare], [bank], options.pairing, structures=layer)
        assert (refused.lone, "cannot say" in refused.set_aside[0].reason) == ((), True)


def test_the_map_of_the_page_shows_both_flights_small(
    tmp_path: Path, pair: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = open_flights(pair)
    grid = Grid(CRS, Affine(GSD, 0, X, 0, -GSD, Y), (N, N))
    down = PixelMap.shift(20, 0)
    read = DiskFlight(one.folder, grid, surface=False)
    moved = DiskFlight(two.folder, grid, surface=False, by=down)
    views = [FlightViews(grid, Taken(one, read), Taken(two, moved, down))]
    before, after = flight_maps(tmp_path / "maps", views, (1, None))
    assert [(m.when, m.flown) for m in (before, after)] == [
        ("before", one.flown),
        ("after", two.flown),
    ]
    for found, source in ((before, read), (after, moved)):
        (tile,) = found.tiles
        image = np.asarray(Image.open(found.folder / tile["name"]))
        want = source(grid.window, 1)
        np.testing.assert_array_equal(image[:N, :N, 3] == 255, want.valid)
        assert not image[N:, :, 3].any()
        off = np.abs(image[:N, :N, :3].astype(int) - want.colour.transpose(1, 2, 0))[want.valid]
        assert off.mean() < 12  # it is packed with loss
        west, north = reproject(Point(X, Y), CRS, "EPSG:4326").coords[0]
        assert tile["corners"][0] == pytest.approx([west, north], abs=1e-6)
    kept = contents_of(before.folder)
    monkeypatch.setattr(flight_map, "_render", None)
    same, _ = flight_maps(tmp_path / "maps", views, (1, None))
    monkeypatch.undo()
    assert same.folder == before.folder, "what is on the shelf is not made again"
    assert contents_of(same.folder) == kept
    # A mosaic of any size gives as many pixels, those of a square of so many.
    monkeypatch.setattr(flight_map, "_MOST_PX", 100)
    (alone,) = flight_maps(
        tmp_path / "maps", [FlightViews(grid, None, Taken(two, moved))], (1, None)
    )
    assert before.folder.exists(), "another inspection of this state may use it"
    assert flight_maps(tmp_path / "maps", [], (1, None)) == []
    assert before.folder.exists(), "a patrol without flights removes none"
    # The last used stay; what another process is writing is left alone.
    writing = tmp_path / "maps" / ".partial"
    writing.mkdir()
    monkeypatch.setattr(flight_map, "_KEPT", 2)
    os.utime(before.folder, (1, 1))
    flight_maps(tmp_path / "maps", [FlightViews(grid, None, Taken(two, moved))], (1, None))
    left = sorted(p.name for p in (tmp_path / "maps").iterdir())
    assert left == sorted([".partial", after.folder.name, alone.folder.name])
    seen = np.asarray(Image.open(alone.folder / alone.tiles[0]["name"]))
    assert np.argwhere(seen[..., 3]).max() == N // 5 - 1
    torn = replace(moved, folder=tmp_path / "nowhere")
    assert (
        flight_maps(tmp_path / "maps", [FlightViews(grid, None, Taken(one, torn))], (1, None)) == []
    )


def contents_of(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.iterdir()}


def test_what_cannot_be_compared_is_named(tmp_path: Path, pair: tuple[Path, Path]) -> None:
    far = reproject(box(X + 3000, Y, X + 3100, Y + 100), CRS, "EPSG:4326")
    path = workflow(tmp_path, list(pair), reproject(far, "EPSG:4326", CRS))
    code, said = run(path)
    assert code == 10
    for name in ("one", "two"):
        assert f"set aside {name}: the flight lies outside all corridors of the workflow" in said
    other = fly(tmp_path / "other", SECOND, (), 4)
    rng = np.random.default_rng(9)
    write(other / "ortho.tif", rng.integers(0, 255, (3, N, N), np.uint8))
    code, said = run(workflow(tmp_path, [pair[0], other]))
    assert code == 10
    assert "set aside one and other: the orthomosaics of the two flights cannot be brought" in said
    assert run(path, "--from", "2026-01-01")[0] == 2


@pytest.mark.thorough
def test_a_pair_that_fails_stops_no_other_and_is_named(
    tmp_path: Path, pair: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    third = fly(tmp_path / "three", THIRD, (), 3)
    path = workflow(tmp_path, [*pair, third])
    case = satellites(tmp_path / "state", place(HEAP, 4.0), Status.ISSUED)

    def compare(one: FlightPair, *_: Any) -> Inspected:
        if one.name == "two and three" and broken:
            raise RuntimeError("torn")
        return Inspected()

    monkeypatch.setattr(rounds_module, "inspect_pair", compare)
    broken = True
    assert run(path)[0] == 70
    report = json.loads((tmp_path / "out/latest/run.json").read_text())
    assert list(report["counts"]["failed"]) == ["two and three"]
    assert report["counts"]["worklist"][case]["why_zh"] == "本次比较失败，不能判断"
    broken = False
    assert run(path)[0] == 0
    # What was left out is not taken for done.
    assert json.loads((tmp_path / "out/latest/run.json").read_text())["run_id"] != report["run_id"]


def test_folders_that_are_no_flights_are_all_named(tmp_path: Path, pair: tuple[Path, Path]) -> None:
    flat = np.full((3, N, N), 90, np.uint8)
    for name in ("zoneless", "nowhere", "grey"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "flight.yaml").write_text(yaml.safe_dump({"flown": FIRST}))
    write(tmp_path / "zoneless" / "ortho.tif", flat)
    (tmp_path / "zoneless" / "flight.yaml").write_text("flown: 2026-06-10T10:30:00\n")
    write(tmp_path / "nowhere" / "ortho.tif", flat, crs=None)
    write(tmp_path / "grey" / "ortho.tif", flat[0])
    names = ("zoneless", "nowhere", "grey", "missing")
    code, said = run(workflow(tmp_path, [pair[0], *(tmp_path / n for n in names)]))
    assert code == 2
    for part in (
        "zoneless/flight.yaml: 'flown': Input should have timezone info",
        "nowhere/ortho.tif carries no coordinate reference system",
        "grey/ortho.tif holds 1 bands of uint8",
        f"{tmp_path / 'missing'} holds no ortho.tif",
    ):
        assert part in said
    code, said = run(workflow(tmp_path, list(pair), flihgts=[]))
    assert (code, "unknown key 'flihgts' (did you mean 'flights'?)" in said) == (2, True)
    assert not (tmp_path / "out").exists()


def test_a_reader_gives_pixels_edges_and_overviews(tmp_path: Path) -> None:
    colour, height = ground(())
    height[100:110, 100:110] = -9999
    write(tmp_path / "ortho.tif", colour)
    write(tmp_path / "dsm.tif", height.astype(np.float32), nodata=-9999.0)
    grid = Grid(CRS, Affine(GSD, 0, X, 0, -GSD, Y), (N, N))
    read = DiskFlight(tmp_path, grid, surface=True)
    inner = read(Window(50, 120, 60, 130), 1)
    np.testing.assert_array_equal(inner.colour, colour[:, 50:120, 60:130])
    assert inner.valid.all()
    want = np.where(height == -9999, np.nan, height)[50:120, 60:130]
    assert inner.height is not None
    np.testing.assert_allclose(inner.height, want.astype(np.float32), atol=1e-4)
    edge = read(Window(-20, 20, N - 10, N + 30), 1)
    assert edge.valid[20:, :10].all()
    assert edge.valid.sum() == 20 * 10
    assert edge.height is not None
    assert np.isfinite(edge.height).sum() == 20 * 10
    coarse = read(Window(-4, 200, 0, 202), 4)
    assert coarse.colour.shape == (3, 51, 51)
    mean = colour[1, :200, :200].reshape(50, 4, 50, 4).mean(axis=(1, 3))
    assert np.abs(coarse.colour[1, 1:, :50] - mean).mean() < 3
    assert not coarse.valid[0].any()
    assert coarse.valid[1:, :50].all()
    # A mosaic with an alpha band, in another CRS: shown where the ground is.
    other = Grid("EPSG:32650", *_there(grid))
    assert DiskFlight(tmp_path, other, surface=False)(other.window, 1).valid.mean() > 0.9
    alpha = np.where(np.indices((N, N))[1] < 40, 0, 255).astype(np.uint8)
    shaded = np.concatenate([colour, alpha[None]])
    write(tmp_path / "ortho.tif", shaded, photometric="RGB", alpha="YES")
    shown = DiskFlight(tmp_path, grid, surface=False)(Window(0, 40, 20, 60), 1)
    assert shown.colour.shape[0] == 3
    assert shown.valid[:, 20:].all()
    assert not shown.valid[:, :20].any()


def _there(grid: Grid) -> tuple[Affine, tuple[int, int]]:
    west, _, east, north = reproject(box(*grid.bounds), grid.crs, "EPSG:32650").bounds
    return Affine(GSD, 0, (west + east) / 2 - 10, 0, -GSD, north - 10), (200, 200)


def test_one_hit_of_surfaces_confirms_and_one_of_a_drones_pictures_does_not() -> None:
    on = datetime(2026, 9, 10, tzinfo=UTC)
    hit = Look(on, "drone_two", "drone", 1.0, Seen.HIT)
    assert fold([hit]).state is EvidenceState.SUSPECTED
    assert fold([replace(hit, certain=False)]).state is EvidenceState.FIRST
    assert fold([replace(hit, sensor="sentinel-2-l2a")]).state is EvidenceState.FIRST
    assert fold([replace(hit, seen=Seen.MISS)]).hits == 0


@pytest.mark.parametrize(
    ("flown", "said", "answer"),
    [
        ((7, 9), PlaceSaid(1.0, 0.0, 0.0, 0.0), "contradicted"),
        ((7, 9), PlaceSaid(0.5, 0.0, 0.0, 0.0), "undecided"),  # plants
        ((7, 9), PlaceSaid(1.0, 0.0, 0.5, 0.0), "undecided"),  # paved, maybe
        ((7, 9), PlaceSaid(1.0, 0.0, 0.0, 0.5), "undecided"),  # it may have stood there before
        ((8, 9), PlaceSaid(1.0, 0.0, 0.0, 0.0), "undecided"),  # both may show it
        ((6, 7), PlaceSaid(1.0, 0.0, 0.0, 0.0), None),  # flown before it was seen
    ],
)
def test_only_an_older_flight_and_bare_unchanged_ground_contradict(
    tmp_path: Path, flown: tuple[int, int], said: PlaceSaid, answer: str | None
) -> None:
    name = satellites(tmp_path / "state", place(HEAP, 6), gone_at=1)
    wide = reproject(place((20, 20), 60), CRS, "EPSG:4326")
    one, two = (
        FlightFolder(f"f{m}", tmp_path, datetime(2026, m, 20, tzinfo=UTC), CRS, GSD, None, True,
                     wide, wide, "x") for m in flown
    )  # fmt: skip
    grid = Grid(CRS, Affine(GSD, 0, X, 0, -GSD, Y), (N, N))
    pairing = Pairing((FlightPair(one, two, grid),), ())
    part: Any = replace(Inspected(), ask=lambda places: [said] * len(places))
    asked = ask(pairing, [part], cases(tmp_path).values(), ["bank"], FoldOptions())
    with open_ledger(tmp_path / "state" / "ledger.sqlite") as store:
        context = replace(patrol(), spots=True, judged={})
        apply(store, [], context, relooks=asked.looks)
        done = {c.case_id: c for c in store.cases()}
    work = (pairing, [part])
    items = worklist(asked, done.values(), work, ["bank"], FoldOptions())
    told = {i.case.case_id: i.answer.value for i in items}
    assert told == ({} if answer is None else {name: answer})
    expired = done[name].evidence.state is EvidenceState.EXPIRED
    assert expired == (answer == "contradicted")
    # The same flights again say the same, whatever they did to the case.
    assert ask(pairing, [part], done.values(), ["bank"], FoldOptions()) == asked


@pytest.mark.parametrize("known", [True, False])
def test_a_place_that_only_a_lead_points_at_is_on_the_worklist_and_never_contradicted(
    tmp_path: Path, known: bool
) -> None:
    name = satellites(tmp_path / "state", place(HEAP, 6))
    seen = cases(tmp_path)[name]
    day = date(2026, 9, 20 if known else 21)
    told = Lead(day, LeadSource.REPORT, "1", Kind.DUI, "热线", "k")
    case = replace(
        seen, looks=(), evidence=fold(()), detector=LEAD_POINT, leads=(told,), scene_ids=()
    )
    wide = reproject(place((20, 20), 60), CRS, "EPSG:4326")
    # In the office it is the next day by then.
    one, two = (
        FlightFolder(f"f{m}", tmp_path, datetime(2026, m, 19, 23, tzinfo=UTC), CRS, GSD, None, True,
                     wide, wide, "x") for m in (7, 9)
    )  # fmt: skip
    pairing = Pairing((FlightPair(one, two, Grid(CRS, Affine(GSD, 0, X, 0, -GSD, Y), (N, N))),), ())
    part: Any = replace(
        Inspected(), ask=lambda places: [PlaceSaid(1.0, 0.0, 0.0, 0.0)] * len(places)
    )
    asked = ask(pairing, [part], [case], ["bank"], FoldOptions())
    assert asked.looks == {}
    items = worklist(asked, [case], (pairing, [part]), ["bank"], FoldOptions())
    assert [i.answer.value for i in items] == (["undecided"] if known else [])


def test_one_miss_of_surfaces_ends_and_satellites_begin_anew() -> None:
    days = [datetime(2026, 9, d, tzinfo=UTC) for d in range(1, 9)]
    seen = [Look(d, f"s{d.day}", "s2", 1.0, Seen.HIT) for d in days]
    miss = Look(datetime(2026, 9, 4, 9, tzinfo=UTC), "drone_two", "drone", 1.0, Seen.MISS)
    assert fold([*seen[:4], miss]).state is EvidenceState.EXPIRED
    assert fold([*seen[:4], replace(miss, certain=False)]).state is EvidenceState.SUSPECTED
    states = [fold([*seen[:n], miss]).state for n in (5, 6, 7)]
    assert states == [EvidenceState.EXPIRED, EvidenceState.EXPIRED, EvidenceState.RELAPSED]
    assert since([*seen, miss]) == days[4]


def test_a_catalogue_gives_its_flights_without_what_is_superseded(
    tmp_path: Path, pair: tuple[Path, Path]
) -> None:
    root = tmp_path / "flights"
    for name, flown, instead in (("a", FIRST, None), ("b", SECOND, None), ("c", THIRD, "b")):
        folder = root / name
        folder.mkdir(parents=True)
        (folder / "ortho.tif").symlink_to(pair[0] / "ortho.tif")
        item = {"id": name, "properties": {"datetime": flown, "siluan:supersedes": instead}}
        (folder / "item.json").write_text(json.dumps(item))
    (root / "photos").mkdir()
    (root / "photos" / "item.json").write_text(
        json.dumps({"id": "p", "properties": {"datetime": FIRST}})
    )
    (root / "catalog.json").write_text("{}")
    assert [f.id for f in open_flights([root])] == ["a", "c"]
    path = workflow(tmp_path, [root])
    code, said = run(path, "--dry-run")
    assert (code, "a and c: pictures, 480 x 480 px of 0.1 m" in said) == (0, True)
    assert "set aside" not in said  # the first of a series has served the second
    assert not (tmp_path / "state").exists()
    (root / "c" / "item.json").write_text('{"id": "c", "properties": {"datetime": "2026-11-10"}}')
    code, said = run(path)
    assert (code, "c/item.json says when it was flown without a zone" in said) == (2, True)


def test_the_workflow_that_ships_is_one() -> None:
    root = Path(__file__).parents[1] / "workflows"
    assert kind_of(root / "inspect.yaml") == "inspect"
    assert kind_of(root / "patrol.yaml") == "patrol"
    shipped = load_inspection(root / "inspect.yaml")
    assert shipped.state == load_workflow(root / "patrol.yaml").state


def test_what_is_left_of_a_registration_is_a_map(pair: tuple[Path, Path]) -> None:
    flights = open_flights(list(pair))
    one = FlightPair(*flights, Grid(CRS, Affine(GSD, 0, X, 0, -GSD, Y), (N, N)))
    laid = Registration(
        PixelMap.shift(0, 0), np.array([[100.0, 40.0], [10.0, 20.0]]),
        np.array([[2.0, -1.0], [30.0, 0.0]]), np.array([True, False]), 2.2,
    )  # fmt: skip
    left = np.full((8, 8), 0.02, np.float32)
    left[0, 7] = np.nan
    fit = SurfaceFit((0, 0), (0, 0, 0), (0, 0), np.eye(5), "surface", 0.5, 0.03, left)
    found = residual_features(one, laid, fit)
    ties, blocks = found[:2], found[2:]
    there = reproject(shape(ties[0]["geometry"]), "EPSG:4326", CRS)
    assert there.distance(Point(X + 40 * GSD, Y - 100 * GSD)) < 0.02
    said = ties[0]["properties"]
    assert (said["east_m"], said["north_m"], said["agreed"]) == (-1 * GSD, -2 * GSD, True)
    assert [f["properties"]["agreed"] for f in ties] == [True, False]
    area = sum(reproject(shape(f["geometry"]), "EPSG:4326", CRS).area for f in blocks)
    assert area == pytest.approx((N * GSD) ** 2, rel=1e-3)
    assert [f["properties"]["residual_m"] for f in blocks].count(None) == 1
    assert len(residual_features(one, laid, None)) == 2


def test_cases_and_the_doctor_read_a_workflow_of_flights(tmp_path: Path) -> None:
    name = satellites(tmp_path / "state", place(HEAP, 6))
    path = workflow(tmp_path, [tmp_path / "gone"])
    listed = CliRunner().invoke(app, ["cases", "list", "--workflow", str(path)])
    assert (listed.exit_code, name[:8] in listed.output) == (0, True), listed.output
    said = [f for f in examine(Checkup(tmp_path, (path,))) if f.group == "workflow inspect.yaml"]
    assert [(f.what, f.weight) for f in said if "GB are free" not in f.what] == [
        (f"{tmp_path / 'gone'} is no folder", Weight.WRONG)
    ]


def drone(at: Any, flight: str, day: int, net_m3: float, kind: Kind = Kind.DUI) -> Candidate:
    look = Look(datetime(2026, 9, day, tzinfo=UTC), f"drone_{flight}", "drone", 1.0, Seen.HIT)
    return Candidate(
        kind, "bank", at, CRS, at.area, (look,), fold((look,)), 0.5, {"net_m3": net_m3},
        ("before", flight), "drone/1",
    )  # fmt: skip


def test_a_heap_in_a_large_case_and_a_heap_beside_a_heap_are_their_own_cases(
    tmp_path: Path,
) -> None:
    bank = satellites(tmp_path / "state", box(X, Y - 60, X + 60, Y))
    context = replace(patrol(), spots=True, judged={})
    heap, beside = drone(place((20, 20), 3), "a", 1, 10.0), drone(place((20, 30), 3), "b", 2, 10.0)
    with open_ledger(tmp_path / "state" / "ledger.sqlite") as store:
        apply(store, [heap], context)
        apply(store, [beside], context)
        apply(store, [heap, beside], context)
        done = {c.case_id: c for c in store.cases(corridors={"bank"})}
    assert len(done) == 3
    assert (done[bank].area_m2, done[bank].detector) == (3600.0, "zhan/1")
    assert {c.revision for c in done.values()} == {1}


def test_flights_over_one_object_are_joined_by_their_largest_change() -> None:
    first, grown = drone(place(HEAP, 4), "a", 1, 80.0), drone(place(HEAP, 3), "b", 9, 12.0)
    other = drone(place(HOUSE, 3), "b", 9, 60.0, Kind.JIAN)
    gone = Gone(
        reproject(place(HOUSE, 4), CRS, "EPSG:4326"),
        replace(other.looks[0], pass_id="drone_c", on=datetime(2026, 9, 20, tzinfo=UTC),
                seen=Seen.MISS),
    )  # fmt: skip
    parts = (Inspected((first,)), Inspected((grown, other)), Inspected(gone=(gone,)))
    heap, house = joined(parts)
    assert (heap.polygon, heap.measures) == (first.polygon, first.measures)
    assert [k.pass_id for k in heap.looks] == ["drone_a", "drone_b"]
    assert heap.scene_ids == ("a", "b", "before")
    assert [k.seen for k in house.looks] == [Seen.HIT, Seen.MISS]
    # A later pair is joined to the heap by its own earlier flight, which saw it: nothing is missed.
    held = replace(first.looks[0], seen=Seen.MISS, certain=False)
    of_pair = replace(grown, looks=(held, *grown.looks))
    for parts in ((Inspected((first,)), Inspected((of_pair,))),
                  (Inspected((of_pair,)), Inspected((first,)))):  # fmt: skip
        (whole,) = joined(parts)
        assert [k.seen for k in whole.looks] == [Seen.HIT, Seen.HIT]
    # Two objects of one flight that touch stay two.
    assert len(joined((Inspected((first, replace(grown, looks=first.looks))),))) == 2
