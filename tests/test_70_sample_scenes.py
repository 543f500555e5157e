"""The simulated sample: the same for a seed, consistent with its own truth, read as STAC."""

from __future__ import annotations

import json
import time
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pystac
import pytest
import rasterio
from pydantic import ValidationError
from rasterio.errors import RasterioIOError
from shapely.geometry import box, mapping, shape
from shapely.ops import unary_union

from pipeline.errors import ConfigurationError
from sample_scenes import events, office, overview, schedule, terrain, traps, truth
from sample_scenes import make as maker
from sample_scenes.fields import to_coarse
from sample_scenes.geo import to_wgs84
from sample_scenes.landcover import LandCover
from sample_scenes.options import BANDS, RES, SampleOptions
from sample_scenes.score import hidden_lines, report, score
from sample_scenes.score import main as score_main
from sample_scenes.shapes import clip, footprint
from sample_scenes.surface import World, build_world, reflectance, water_fraction

SMALL = SampleOptions(size=160, months=3)


@dataclass(frozen=True)
class Made:
    root: Path
    said: dict[str, Any]
    cpu_s: float

    @property
    def items(self) -> list[dict[str, Any]]:
        return [
            json.loads(p.read_text()) for p in sorted(self.root.glob("sentinel-2-l2a/*/*.json"))
        ]

    def read(self, item: dict[str, Any], band: str) -> np.ndarray:
        href = item["assets"][band]["href"]
        with rasterio.open(self.root / "sentinel-2-l2a" / item["id"] / href) as source:
            return source.read(1)

    def json(self, name: str) -> dict[str, Any]:
        return json.loads((self.root / name).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    root = tmp_path_factory.mktemp("sample") / "data"
    start = time.process_time()
    said = maker.make(root, SampleOptions())
    return Made(root, said, time.process_time() - start)


@pytest.fixture(scope="module")
def world() -> World:
    return build_world(SampleOptions())


def _bytes(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


@pytest.mark.thorough
def test_a_seed_gives_the_same_bytes_and_another_gives_others(tmp_path: Path) -> None:
    for name, options in (("a", SMALL), ("b", SMALL), ("c", SMALL.model_copy(update={"seed": 8}))):
        maker.make(tmp_path / name, options)
    first, again, other = (_bytes(tmp_path / n) for n in "abc")
    assert first == again
    assert {k for k in first if k.endswith(".tif")}
    assert first.keys() != other.keys() or first != other


def test_sample_that_is_there_is_kept_and_a_strange_folder_is_refused(tmp_path: Path) -> None:
    assert maker.make(tmp_path / "d", SMALL)["fresh"] is True
    assert maker.make(tmp_path / "d", SMALL)["fresh"] is False
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(ConfigurationError, match="not made by sample_scenes"):
        maker.make(tmp_path / "mine", SMALL)
    assert maker.main(["--out", str(tmp_path / "mine")]) == 2
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"


def test_options_off_the_lattice_or_misspelt_are_refused() -> None:
    with pytest.raises(ValidationError, match="multiple of 20"):
        SampleOptions(size=170)
    with pytest.raises(ValidationError, match="sise"):
        SampleOptions.model_validate({"sise": 400})


def test_making_it_costs_little(made: Made) -> None:
    assert made.cpu_s < 45  # about 12 s of CPU where it was written


def test_content_is_what_the_project_asks_for(made: Made) -> None:
    features = made.json("truth.geojson")["features"]
    kinds = Counter(f["properties"]["kind"] for f in features if not f["properties"]["is_trap"])
    traps = [f for f in features if f["properties"]["is_trap"]]
    assert made.said["dates"] >= 40
    assert kinds["zhan"] >= 8
    assert min(kinds[k] for k in ("cai", "dui", "jian")) >= 4
    assert len(traps) >= sum(kinds.values())
    assert all(f["properties"]["kind"] is None and f["properties"]["trap"] for f in traps)
    areas = [f["properties"]["area_m2"] for f in features if f["properties"]["kind"] == "zhan"]
    assert min(areas) < 1000
    assert max(areas) > 14_000


def test_every_event_starts_in_the_second_year_and_is_seen_afterwards(made: Made) -> None:
    for feature in made.json("truth.geojson")["features"]:
        said = feature["properties"]
        if said["is_trap"]:
            continue
        assert said["appeared"] > "2025-01-01"
        assert len(said["visible_dates"]) >= 3, said["id"]
        assert min(said["visible_dates"]) >= said["appeared"]
        if said["kind"] == "zhan":
            assert len(said["wet_dates"]) >= 2, said["id"]


def test_truth_lies_inside_its_corridor_and_is_valid(made: Made) -> None:
    corridors = {f["id"]: shape(f["geometry"]) for f in made.json("corridors.geojson")["features"]}
    assert {"sample-river", "sample-reservoir", "sample-river-centreline"} == set(corridors)
    assert corridors["sample-river"].disjoint(corridors["sample-reservoir"])
    for feature in made.json("truth.geojson")["features"]:
        area, said = shape(feature["geometry"]), feature["properties"]
        assert area.is_valid
        share = area.intersection(corridors[said["corridor_id"]]).area / area.area
        assert share > (0.999 if not said["is_trap"] else 0.85), said["id"]


def test_items_are_read_by_pystac(made: Made) -> None:
    catalogue = pystac.Catalog.from_file(str(made.root / "catalog.json"))
    items = list(catalogue.get_items(recursive=True))
    assert len(items) == made.said["items"]
    assert len({i.id for i in items}) == len(items)
    for item in items:
        assert item.datetime is not None
        assert set(item.assets) == {*BANDS, "scl"}
        assert all(Path(a.get_absolute_href() or "").is_file() for a in item.assets.values())
        pystac_code = item.properties.get("proj:code") or item.properties.get("proj:epsg")
        assert pystac_code in ("EPSG:32649", 32649)


def test_files_say_what_the_items_say(made: Made) -> None:
    for item in made.items:
        for asset in item["assets"].values():
            path = made.root / "sentinel-2-l2a" / item["id"] / asset["href"]
            with rasterio.open(path) as source:
                assert list(source.shape) == asset["proj:shape"]
                assert list(source.transform)[:6] == asset["proj:transform"]
                assert source.nodata == 0
                # On the lattice of the MGRS square, so that 20 m pixels hold four of 10 m.
                assert (source.transform.c - 699_960) % 20 == 0
                assert (source.transform.f - 3_100_020) % 20 == 0
                assert source.block_shapes[0] == (128, 128)


def test_the_offset_is_in_the_later_half_and_one_item_lies(made: Made) -> None:
    liars: list[str] = []
    halves: list[tuple[str, bool]] = []
    for item in made.items:
        said, told = item["properties"], item["assets"]["blue"]["raster:bands"][0]["offset"]
        late = said["s2:processing_baseline"] >= "04.00"
        halves.append((said["datetime"], late))
        numbers = made.read(item, "blue")
        dark = float(np.quantile(numbers[numbers > 0], 0.02))
        if said["eo:cloud_cover"] < 70:
            assert (dark > 1000) == late, item["id"]
        if late and told == 0:
            liars.append(item["id"])
            assert said["earthsearch:boa_offset_applied"] is True
        else:
            assert told == (-0.1 if late else 0)
            assert said["earthsearch:boa_offset_applied"] is False
    assert len(liars) == 1
    order = [late for _, late in sorted(halves)]
    assert order == sorted(order)
    assert 0.4 < np.mean(order) < 0.6


def test_the_odd_items_are_there(made: Made) -> None:
    by_time: dict[str, list[dict[str, Any]]] = {}
    for item in made.items:
        by_time.setdefault(item["properties"]["datetime"], []).append(item)
    pairs = [p for p in by_time.values() if len(p) == 2]
    duplicate = [p for p in pairs if len({i["properties"]["grid:code"] for i in p}) == 1]
    halves = [p for p in pairs if len({i["properties"]["grid:code"] for i in p}) == 2]
    assert len(duplicate) == len(halves) == 1
    assert len({i["properties"]["s2:processing_baseline"] for i in duplicate[0]}) == 2
    west, east = sorted(halves[0], key=lambda i: i["bbox"][0])
    assert west["bbox"][2] > east["bbox"][0] > west["bbox"][0]
    assert west["properties"]["s2:datatake_id"] == east["properties"]["s2:datatake_id"]
    broken: list[tuple[str, str]] = []
    for item in made.items:
        for band in ("green", "swir16"):
            try:
                made.read(item, band)
            except RasterioIOError:
                broken.append((item["id"], band))
    assert [band for _, band in broken] == ["green"]


def test_zero_means_no_data_and_nothing_else(made: Made) -> None:
    empty = [i for i in made.items if (made.read(i, "scl") == 0).any()]
    assert len(empty) == 1
    wedge = made.read(empty[0], "scl") == 0
    for band in BANDS:
        numbers = made.read(empty[0], band)
        same = numbers == 0 if numbers.shape == wedge.shape else (numbers == 0)[::2, ::2]
        np.testing.assert_array_equal(same, wedge)


def test_scl_covers_the_classes_and_makes_its_usual_mistakes(made: Made, world: World) -> None:
    days = {f"{d.when:%Y%m%d}": d for d in schedule.make(world.options)}
    total, silt, roof = np.zeros(12, int), 0, 0
    bright = to_coarse(world.cover.share[10, 16:-16, 16:-16], 2) > 0.6
    for item in made.items:
        scl = made.read(item, "scl")
        total += np.bincount(scl.ravel(), minlength=12)
        day = days.get(item["id"].split("_")[2])
        if day is None or day.cloud > 0 or day.cirrus > 0 or scl.shape != bright.shape:
            continue
        silt += int((scl == 10).sum())
        roof += int(np.isin(scl[bright], (8, 9)).sum())
    assert (total[[2, 3, 4, 5, 6, 7, 8, 9, 10]] > 100).all()
    assert silt > 1000
    assert roof > 20


def test_levels_move_and_the_second_autumn_is_lower_than_ever() -> None:
    options = SampleOptions()
    days = schedule.make(options)
    first, lowest = schedule.lowest_pool(options, days)
    assert lowest < first - 2
    year = options.start + timedelta(days=365)
    assert max(d.pool_level for d in days if d.when < year) > 15
    assert {d.dn_offset for d in days} == {0, 1000}
    assert np.ptp([d.river_level for d in days]) > 2
    clear = [d for d in days if d.cloud < 0.3 and d.cirrus == 0]
    assert 0.4 < len(clear) / len(days) < 0.8


def test_more_level_is_never_less_water(world: World) -> None:
    days = sorted(schedule.make(world.options), key=lambda d: d.pool_level)
    pool = world.ground.body == 2
    before = np.zeros(pool.shape, np.float32)
    for day in days[::6]:
        wet, depth = water_fraction(world.ground, day)
        assert ((wet >= before) | ~pool).all()
        assert (depth >= 0).all()
        before = wet


def test_water_is_darker_than_land_in_the_shortwave(world: World) -> None:
    day = next(d for d in schedule.make(world.options) if d.silt < 0.7 and d.glint == 0)
    surface, wet = reflectance(world, day)
    assert surface.min() > 0
    assert surface.max() < 0.8
    swir = surface[BANDS.index("swir16")]
    assert np.median(swir[wet > 0.99]) < 0.03 < np.median(swir[wet == 0])


def test_without_events_only_traps_remain() -> None:
    options = SampleOptions(size=160, months=24, events=False)
    world, days = build_world(options), schedule.make(options)
    features = truth.truth(world, days, {})["features"]
    assert features
    assert all(f["properties"]["is_trap"] for f in features)


# --- score -----------------------------------------------------------------------------------


def _square(x: float, side: float, ident: str, **said: Any) -> dict[str, Any]:
    lon, lat, step = 113.1 + x * 1e-5, 27.8, side * 1e-5
    ring = [[lon, lat], [lon + step, lat], [lon + step, lat + step], [lon, lat + step], [lon, lat]]
    return {
        "type": "Feature",
        "id": ident,
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": {"kind": "zhan", **said},
    }


def _all(*features: dict[str, Any]) -> dict[str, Any]:
    return {"type": "FeatureCollection", "features": list(features)}


TRUTH = _all(
    _square(0, 50, "zhan-1", appeared="2025-02-01"),
    _square(1000, 50, "zhan-2", appeared="2025-03-01"),
    _square(2000, 50, "zhan-3", appeared="2025-11-01"),
    _square(3000, 300, "shore", kind=None, trap="drawdown"),
    _square(3000, 60, "boat", kind=None, trap="boat at anchor"),
)


@pytest.mark.thorough
@pytest.mark.parametrize("options", [SampleOptions(seed=21), SMALL])
def test_truth_of_any_seed_is_polygons_that_are_really_there(options: SampleOptions) -> None:
    # Along the frame's edge an outline meets it in lines and points, which cover no ground.
    seeds = range(30) if options is SMALL else [options.seed]
    for seed in seeds:
        chosen = options.model_copy(update={"seed": seed})
        ground = terrain.build(chosen)
        made = traps.build(chosen, ground) if options is SMALL else events.build(chosen, ground)
        drawn = [(t, footprint(t.shape, t.grows_from, chosen.padded)) for t in made]
        there = tuple((t, f) for t, f in drawn if f is not None)
        world = World(chosen, ground, LandCover.__new__(LandCover), there, ())
        features = truth.truth(world, schedule.make(chosen), {})["features"]
        assert features
        for feature in features + truth.corridors(chosen, ground)["features"][:-1]:
            area = shape(feature["geometry"])
            assert area.geom_type in ("Polygon", "MultiPolygon"), (seed, feature["id"])
            assert area.is_valid, (seed, feature["id"])
            assert area.area > 0, (seed, feature["id"])


def test_what_only_touches_the_frame_is_not_inside() -> None:
    frame = box(0, 0, 10, 10)
    assert clip(box(10, 0, 20, 10), frame).is_empty
    both = clip(unary_union([box(10, 0, 20, 3), box(8, 5, 20, 8), box(10, 3, 20, 5)]), frame)
    assert both.equals(box(8, 5, 10, 8))
    assert clip(box(9.99, 0, 20, 10), frame).is_empty  # it would collapse when rounded


def test_score_counts_found_watch_missed_and_false() -> None:
    cases = _all(_square(5, 50, "C1"), _square(3005, 50, "C2"), _square(9000, 30, "C3"))
    watch = _all(_square(1000, 45, "W1"), _square(3200, 60, "W2"))
    one = score(cases, watch, TRUTH).of("zhan")
    assert [m.event for m in one.found] == ["zhan-1"]
    assert [m.event for m in one.on_watch] == ["zhan-2"]
    assert one.missed == ("zhan-3",)
    assert [f.looks_like for f in one.false] == ["boat at anchor", "open ground"]
    assert [f.looks_like for f in one.watch_other] == ["drawdown"]
    text = report(score(cases, watch, TRUTH))
    assert "1 found, 1 on watch, 1 missed of 3; 2 false" in text


def test_what_layers_put_aside_is_said_with_what_lies_there() -> None:
    hidden = _all(_square(3005, 50, "C2", ruling={"rule": "works-valid"}))
    assert hidden_lines(hidden, TRUTH) == [
        "put aside by the office's layers: 1",
        "  works-valid  C2: boat at anchor (boat)",
    ]


def test_the_office_knows_the_works_that_are_drawn(world: World) -> None:
    known = {f["id"]: f for f in office.works(SampleOptions(), world.ground)["features"]}
    drawn = {
        t.id: t for t in traps.build(SampleOptions(), world.ground) if "authorised" in str(t.trap)
    }
    assert known.keys() == drawn.keys()
    for name, thing in drawn.items():
        site, said = shape(known[name]["geometry"]), known[name]["properties"]
        assert site.contains(to_wgs84(thing.truth))
        assert thing.until is not None
        start, end = (d.date().isoformat() for d in (thing.steps[0][0], thing.until))
        assert said["开工日期"] <= start < end <= said["完工日期"]


def test_score_is_one_to_one_and_refuses_giants_and_fragments() -> None:
    twice = score(_all(_square(0, 50, "A"), _square(2, 48, "B")), _all(), TRUTH).of("zhan")
    assert len(twice.found) == 1
    assert twice.false[0].looks_like == "part or duplicate of zhan-1"
    giant = score(_all(_square(-200, 500, "G")), _all(), TRUTH).of("zhan")
    assert not giant.found
    assert len(giant.false) == 1
    crumb = score(_all(_square(0, 15, "F")), _all(), TRUTH).of("zhan")
    assert not crumb.found


def test_score_does_not_ask_for_what_came_later_or_for_other_kinds() -> None:
    one = score(_all(), _all(), TRUTH, until="2025-06-30T00:00:00Z").of("zhan")
    assert one.missed == ("zhan-1", "zhan-2")
    other = score(_all(_square(0, 50, "D", kind="dui")), _all(), TRUTH, ("zhan", "dui"))
    assert other.of("zhan").events == 3
    assert other.of("dui").false[0].looks_like == "another kind: zhan-1"
    with pytest.raises(KeyError):
        other.of("cai")


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_perfect_cases_score_perfectly_and_are_drawn(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    events = [f for f in made.json("truth.geojson")["features"] if f["properties"]["kind"]]
    (tmp_path / "cases.geojson").write_text(json.dumps(_all(*events)))
    (tmp_path / "watch.geojson").write_text(json.dumps(_all()))
    given = [
        "--picture",
        str(tmp_path / "overview.png"),
        "--out",
        str(tmp_path),
        "--truth",
        str(made.root / "truth.geojson"),
    ]
    assert score_main([*given, "--kinds", "zhan", "cai", "dui", "jian"]) == 0
    said = capsys.readouterr().out
    assert "zhan: 10 found, 0 on watch, 0 missed of 10; 0 false" in said
    with rasterio.open(tmp_path / "overview.png") as picture:
        assert (picture.height, picture.width) == (1200, 1200)
        red = picture.read()
    assert ((red[0] == 255) & (red[1] == 30) & (red[2] == 30)).sum() > 500
    assert score_main(["--out", str(tmp_path / "nowhere")]) == 2


def test_overview_skips_what_it_cannot_read(made: Made) -> None:
    newest = overview.newest_clear(made.root)
    assert newest is not None
    assert "20251" in newest.name


def test_truth_outlines_are_large_enough_to_see(made: Made) -> None:
    for feature in made.json("truth.geojson")["features"]:
        if feature["properties"]["kind"]:
            assert feature["properties"]["area_m2"] > 3 * RES**2
            assert mapping(shape(feature["geometry"]))["type"] in ("Polygon", "MultiPolygon")
