"""The accuracy report: its numbers are what they are called, and its objects what they claim."""

from __future__ import annotations

import importlib
import json
import math
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import box

from benchmarks.accuracy import baselines
from benchmarks.accuracy.ablation import GUARDS, chosen, mostly_dry, mostly_wet, switched_off
from benchmarks.accuracy.goals import GOALS, goals_table
from benchmarks.accuracy.pool import Pool
from benchmarks.accuracy.report import Section, markdown
from benchmarks.accuracy.simulated import campaign, series
from benchmarks.accuracy.simulated.monthly import months_tables, score_months
from benchmarks.accuracy.simulated.placing import KINDS, LARGEST_M2, SMALLEST_M2, Placed, scatter
from benchmarks.accuracy.simulated.recall import recall_numbers
from benchmarks.accuracy.simulated.scoring import outline_offset_m, score_seed
from benchmarks.accuracy.simulated.shore import true_shore
from benchmarks.accuracy.simulated.tables import section
from benchmarks.accuracy.stats import median_interval, poisson, wilson
from pipeline.adjudicate import weighing
from pipeline.config import Options
from pipeline.detect.level_history import LevelHistory
from pipeline.detect.objects import Pixels
from pipeline.model import Look, Seen
from pipeline.passes import change, follow_ground, naming
from sample_scenes import schedule, truth
from sample_scenes.matching import match
from sample_scenes.surface import World, build_world


def test_intervals_are_those_of_the_books() -> None:
    # Garwood: none in an exposure of one gives 0..3.689; Wilson: 15 of 20 gives 0.531..0.888.
    assert poisson(0, 1.0) == pytest.approx((0.0, 3.6889), abs=1e-4)
    assert poisson(3, 2.0) == pytest.approx((0.30934, 4.38364), abs=1e-4)
    assert wilson(15, 20) == pytest.approx((0.5313, 0.8881), abs=1e-4)
    assert wilson(0, 0) == (0.0, 1.0)


@given(st.lists(st.floats(-50, 50), min_size=1, max_size=60))
@settings(max_examples=60, deadline=None)
def test_a_median_lies_in_its_interval(values: list[float]) -> None:
    middle, low, high = median_interval(values)
    assert min(values) <= low <= middle <= high <= max(values)


def test_matching_is_one_to_one_and_strict_about_overlap() -> None:
    true = [box(0, 0, 100, 100), box(200, 0, 300, 100)]
    giant, half = box(-500, -500, 900, 900), box(0, 0, 100, 40)
    twice = [box(0, 0, 100, 90), box(0, 0, 100, 80)]
    assert [(p.object, p.candidate) for p in match(true, twice)] == [(0, 0)]
    assert match(true, [giant]) == []  # covers all, and finds nothing
    assert len(match(true, [half])) == 1
    assert match(true, [box(0, 0, 100, 15)]) == []
    assert match([], twice) == match(true, []) == []


def test_an_outline_moved_aside_is_off_by_as_much() -> None:
    assert outline_offset_m(box(0, 0, 400, 400), box(0, 0, 400, 400)) == pytest.approx(0, abs=1e-9)
    assert outline_offset_m(box(-7, -7, 407, 407), box(0, 0, 400, 400)) == pytest.approx(7, abs=0.1)


@pytest.mark.parametrize("method", list(baselines.METHODS))
def test_baselines_find_a_plain_change(method: str) -> None:
    rng = np.random.default_rng(3)
    ground = 0.2 + 0.02 * rng.normal(size=(80, 80))
    names = ("blue", "green", "red", "nir", "swir16")

    def date(gain: float) -> dict[str, np.ndarray]:
        return {
            b: (gain * ground + 0.004 * rng.normal(size=ground.shape)).astype(np.float32)
            for b in names
        }

    before, after = date(1.0), date(1.1)
    for b in names:
        after[b][30:42, 20:36] = 0.05 if b == "swir16" else 0.12
    clear = np.ones((80, 80), bool)
    clear[:, 70:] = False
    strength = baselines.METHODS[method](before, after, clear)
    found = baselines.objects_of(strength, clear, 1.0, Affine(10, 0, 0, 0, -10, 800))
    largest = max(found, key=lambda s: s.area)
    true = box(200, 800 - 420, 360, 800 - 300)
    assert largest.intersection(true).area / largest.union(true).area > 0.9
    assert all(shapely.bounds(s)[2] <= 700 for s in found)  # nothing under the cloud


@pytest.fixture(scope="module")
def world() -> World:
    return build_world(series.options_of(5))


@pytest.fixture(scope="module")
def placed(world: World) -> tuple[Placed, ...]:
    return scatter(world, series.home_of(5), schedule.make(world.options))


def test_objects_stand_apart_inside_the_corridor_in_all_sizes(
    world: World, placed: tuple[Placed, ...]
) -> None:
    area = truth.corridor_shapes(world.options, world.ground)[series.home_of(5)]
    assert len(placed) >= 0.7 * len(KINDS)
    assert {p.thing.kind for p in placed} == set(KINDS)
    sizes = [p.thing.truth.area for p in placed]
    assert 0.8 * SMALLEST_M2 <= min(sizes) < 1000 < 20_000 < max(sizes) <= 1.3 * LARGEST_M2
    for i, p in enumerate(placed):
        assert area.contains(p.thing.shape)
        assert all(p.thing.shape.distance(q.thing.shape) > 30 for q in placed[:i])


def test_fills_lie_in_the_water_and_heaps_on_land(world: World, placed: tuple[Placed, ...]) -> None:
    levels = [d.pool_level for d in schedule.make(world.options)]
    often = float(np.quantile(levels, 0.75))
    for p in placed:
        where = p.thing.truth.representative_point()
        height = world.ground.height_at(where.x, where.y)
        if p.setting == "shore":
            assert height < often + 0.5
        if p.setting == "land":
            assert height > 15.9


def test_placing_is_the_same_for_a_seed(world: World, placed: tuple[Placed, ...]) -> None:
    again = scatter(world, series.home_of(5), schedule.make(world.options))
    assert [p.thing for p in again] == [p.thing for p in placed]


def test_a_third_of_the_looks_is_clear() -> None:
    days = schedule.make(series.options_of(5))
    assert 135 <= len(days) <= 146  # every fifth day of two years
    shares = [(1 - d.cloud) * (d.cloud < series.OVERCAST) for d in days]
    assert 0.28 < np.mean(shares) < 0.38


def test_the_true_shore_lies_where_the_ground_meets_the_level(world: World) -> None:
    made = series.Made(world.options, world, (), (), {})
    points = true_shore(made, 2, 14.0)
    at = [world.ground.height_at(x - 707_600, 3_084_000 - y) for x, y in points[::50]]
    assert abs(float(np.median(at)) - 14.0) < 0.1


def _case(name: str, kind: str, shape: shapely.Geometry, shelf: str = "suspected") -> dict:
    return {
        "id": name, "kind": kind, "corridor": "a", "shelf": shelf, "state": shelf, "hits": 3,
        "misses": 0, "certain": 3, "first": None, "score": 0.6,
        "suspected_on": "2025-03-01" if shelf == "suspected" else None,
        "measures": {}, "detector": "ground/1", "area_m2": shape.area, "wkt": shape.wkt,
        "rule": None,
    }  # fmt: skip


def _result(cases: list[dict]) -> dict:
    objects = [box(0, 0, 100, 100), box(1000, 0, 1030, 20), box(2000, 0, 2100, 100)]
    looks = ["2025-01-01", "2025-02-01", "2025-03-01", "2025-04-01"]
    return {
        "seed": 1, "home": "a", "dates": 40, "km": {"a": 10.0, "b": 5.0}, "months": 12.0,
        "objects": [
            {
                "id": f"cai-{i}", "kind": "cai", "corridor": "a", "setting": "land",
                "material": "water", "appeared": f"{looks[i]}T00:00:00+00:00",
                "area_m2": s.area, "wkt": s.wkt,
                "chances": looks if i < 2 else looks[:2],
            }
            for i, s in enumerate(objects)
        ],
        "traps": [{"trap": "harvest", "corridor": "b", "wkt": box(5000, 0, 5100, 100).wkt}],
        "cases": cases,
        "baselines": [],
    }  # fmt: skip


def test_a_score_counts_what_was_asked_and_calls_the_rest_false() -> None:
    wrong = _case("w", "zhan", box(5000, 0, 5090, 90)) | {"corridor": "b"}
    cases = [
        _case("r", "jian", box(0, 0, 100, 90)),
        _case("d", "cai", box(0, 60, 100, 120)),  # a second one over the same object
        _case("n", "cai", box(1000, 0, 1030, 15), "watch"),
        wrong,
        # Suspected in March and gone by December: the office had it all the same.
        _case("e", "zhan", box(5000, 0, 5090, 90), "gone")
        | {"state": "expired", "suspected_on": "2025-03-01", "corridor": "b"},
        _case("g", "zhan", box(6000, 0, 6090, 90), "gone") | {"state": "expired"},
        _case("u", "cai", box(2000, 0, 2100, 90)),  # true, but too few looks could show it
    ]
    scored = score_seed(_result(cases))
    assert [f.shelf for f in scored.fates] == ["suspected", "watch", "suspected"]
    assert [f.asked for f in scored.fates] == [True, True, False]
    assert (scored.fates[0].found_kind, scored.fates[0].delay) == ("jian", 3)
    assert {(t.id, t.like, t.empty) for t in scored.strays} == {
        ("d", "part, duplicate or giant over a true object", False),
        ("w", "harvest", True),
        ("e", "harvest", True),
    }
    assert scored.exposure == pytest.approx({"a": 1.2, "b": 0.6})
    assert scored.empty_exposure == pytest.approx(0.6)
    assert sum(e.true for e in scored.entries) == 3

    found = section([_result(cases)])
    assert found.numbers["recall_large"] == 1.0
    assert found.numbers["recall_small"] == 0.0
    assert found.numbers["false"] == pytest.approx(2 / 0.6)
    assert found.numbers["kind_macro"] == 0.5  # one 采 was called 乱建
    assert "| ≥ 1000 m² | cai | 2 | 2 | 0 | 0 |" in markdown(found)
    # Since January and since March; the one of February is small.
    assert "| 270-366 | 2 | 2 | 0 | 0 |" in markdown(found)
    assert "| 180-270 | 0 | 0 | 0 | 0 |" in markdown(found)
    # Of two that were asked for one was found, at its third look: the other was not reached.
    assert found.numbers["delay"] == 3
    assert found.numbers["delay_asked"] == math.inf
    assert "| cai 1, " in markdown(found).replace("(zhan 0, ", "| ")

    # What a layer explains was told to nobody: no false one, and nothing found.
    for case in (wrong, *cases[:2]):
        case["rule"] = "works-valid"
    assert [f.shelf for f in score_seed(_result(cases)).fates][:1] == ["missed"]
    assert {t.id for t in score_seed(_result(cases)).strays} == {"e"}
    assert score_seed(_result(cases), layers=False) == scored
    text = markdown(section([_result(cases)]))
    assert "| with the office's works layer | 0.50 [0.09, 0.91] | 0.00" in text
    assert "| without it | 1.00 [0.34, 1.00] | 1.00" in text


def test_a_fill_is_held_against_its_part_in_the_water_and_against_all_of_it() -> None:
    """The truth ends at usual high water; the outline of a case goes on where the fill does."""
    result = _result([_case("r", "zhan", box(0, 0, 100, 125))])
    assert score_seed(result).fates[0].whole is None
    first = {"kind": "zhan", "whole_wkt": box(0, 0, 100, 120).wkt}
    result["objects"][0] |= first
    fate = score_seed(result).fates[0]
    assert fate.area_bias == pytest.approx(0.25)
    assert fate.whole is not None
    assert fate.whole.share == pytest.approx(0.20)
    assert fate.whole.area_bias == pytest.approx(1.25 / 1.2 - 1)
    assert fate.whole.offset_m == pytest.approx(0)
    found = section([result])
    assert found.numbers["whole_bias"] == pytest.approx(1.25 / 1.2 - 1)
    assert "| zhan, all that was heaped up | 1 | " in markdown(found)
    assert "is 20.0" in markdown(found)
    assert "all that was heaped up |" not in markdown(section([_result([])]))


def test_what_no_look_could_show_is_missed_all_the_same() -> None:
    one = score_seed(_result([_case("r", "jian", box(0, 0, 100, 90))]))
    numbers = recall_numbers(one.fates)
    assert (numbers["recall_large"], numbers["recall_large_asked"]) == (0.5, 1.0)


def test_what_stood_in_a_monthly_list_was_told_whatever_came_of_it() -> None:
    hit, part = _case("r", "cai", box(0, 0, 100, 90)), _case("p", "cai", box(0, 80, 100, 120))
    far = _case("w", "zhan", box(5000, 0, 5090, 90)) | {"corridor": "b"}
    lists = [("2025-01-31", [far]), ("2025-02-28", [hit, part]), ("2025-03-31", [part])]
    result = _result([hit]) | {"monthly": [{"to": to, "told": told} for to, told in lists]}
    year = score_months(result)
    assert [(t.first, t.looks, t.last) for t in year.objects] == [
        ("2025-02-28", 2, False),  # told, and the part that is left does not find it
        (None, None, False),
        (None, None, False),
    ]
    assert [(s.id, s.months, s.like, s.empty) for s in year.strange] == [
        ("w", ("2025-01-31",), "harvest", True),
        ("p", ("2025-02-28", "2025-03-31"), "part, duplicate or giant over a true object", False),
    ]
    assert (year.told, year.withdrawn) == (3, 2)

    tables, numbers = months_tables([result, _result([])], [score_seed(result)])
    assert numbers["monthly_recall_large"] == 0.5
    assert numbers["monthly_false"] == pytest.approx(1 / 0.6)
    assert tables[0].rows[1][2:4] == (2, 1)
    assert months_tables([_result([])], []) == ((), {})


def test_goals_are_held_against_the_right_end() -> None:
    numbers = {"simulated.false": 0.2, "simulated.false_low": 0.1, "simulated.false_high": 0.6,
               "simulated.recall_large": 0.96, "simulated.area_bias": -0.2}  # fmt: skip
    rows = {r[0]: r for r in goals_table(numbers).rows}
    assert [rows[g.what][4] for g in GOALS if g.number in numbers] == ["yes", "**no**", "**no**"]
    assert sum(r[2] == "not measured here" for r in rows.values()) == len(GOALS) - 3


@pytest.mark.parametrize("guard", GUARDS, ids=lambda g: g.name.split(" (")[0])
def test_every_guard_can_be_switched_off(guard) -> None:
    plain = Options()
    off = Options.model_validate(guard.options)
    assert (off != plain) == bool(guard.options)
    mark = naming.code_mark()
    with switched_off(guard):  # fails where there is no such name
        # What is found of a look is kept by this name: no run may be given what another found.
        assert (naming.code_mark() != mark) == bool(guard.replace)
    assert naming.code_mark() == mark


def test_guards_are_chosen_by_how_their_names_begin() -> None:
    assert chosen(()) == GUARDS
    assert [g.name.split(" (")[0] for g in chosen(("waits", "flood"))] == [
        "all on", "flood rank", "waits", "flooded fields"
    ]  # fmt: skip
    with pytest.raises(ValueError, match=r"no guard begins with decks, barges; there are: all on"):
        chosen(("decks", "waits", "barges"))


def test_what_a_guard_names_is_off_without_it() -> None:
    by_name = {g.name.split(" (")[0]: g for g in GUARDS}
    with switched_off(by_name["ponds that nothing explains"]):
        assert follow_ground.pond(None, None, None, {}, None) == {}  # type: ignore[arg-type]
    shore = {"wet_share": 0.0, "shore_px": 1.0}
    high = [Look(datetime(2025, 6, 1, tzinfo=UTC), "a", "s", 1.0, Seen.HIT, True, level_rank=0.95)]
    assert not weighing.after_floods(high, shore)[0].certain
    with switched_off(by_name["banks after floods"]):
        assert weighing.after_floods(high, shore)[0].certain
    three = Pixels(np.arange(3, dtype=np.int32), np.zeros(3, np.int32), np.ones(3, bool))
    assert change.too_small(three, 4)
    with switched_off(by_name["small objects"]):
        assert not change.too_small(three, 4)


def test_without_a_level_what_is_mostly_wet_is_expected_wet() -> None:
    wet = np.array([[[9, 2, 0]], [[0, 0, 0]]], np.uint16)
    dry = np.array([[[1, 5, 0]], [[2, 5, 0]]], np.uint16)
    history = LevelHistory(np.array([0.2, 0.8], np.float32), wet, dry)
    assert mostly_wet(history, 0.1, 0.05).tolist() == [[9, 0, 0]]
    reach, ranks = np.ones((1, 3), np.uint16), np.array([np.nan, 0.9], np.float32)
    assert mostly_dry(history, reach, ranks, 0.05)[0].tolist() == [[0, 10, 0]]


def test_a_seed_that_other_code_made_is_not_taken_for_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []

    def run(folder: Path, seed: int, *, objects: bool, monthly: bool) -> dict:
        made.append(seed)
        return {"seed": seed}

    monkeypatch.setattr(campaign, "run_seed", run)
    job = campaign.Job(tmp_path / "scratch", tmp_path / "keep", 4)
    for mark, times in (("one", 1), ("one", 1), ("two", 2)):
        monkeypatch.setattr(campaign, "code_mark", lambda mark=mark: mark)
        assert campaign.run_job(job) == {"seed": 4}
        assert len(made) == times


def test_the_command_writes_both_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = importlib.import_module("benchmarks.accuracy.__main__")
    given = Section("simulated", "Simulated", (), {"recall_large": 0.5, "offset_m": float("nan")})
    monkeypatch.setattr(command, "PARTS", {"simulated": lambda _: lambda: given})
    assert command.main(["--only", "simulated", "--out", str(tmp_path / "new")]) == 0
    text = (tmp_path / "new/accuracy.md").read_text(encoding="utf-8")
    assert "| ≥ 0.95 | 0.5 |" in text
    assert text.strip() in capsys.readouterr().out
    plain = json.loads((tmp_path / "new/accuracy.json").read_text(encoding="utf-8"))
    assert plain["sections"][0]["numbers"] == {"recall_large": 0.5, "offset_m": None}
    assert plain["version"]
    assert plain["goals"][0]["reached"] == "0.5"

    document = tmp_path / "accuracy.md"
    for old in ("", "old tables\n"):
        document.write_text(f"# By hand\n\n{command.MARK}\n{old}", encoding="utf-8")
        command.main(["--only", "simulated", "--into", str(document)])
        written = document.read_text(encoding="utf-8")
        assert written.startswith(f"# By hand\n\n{command.MARK}\n\nMeasured on")
        assert "old tables" not in written


def test_parts_share_processes_and_the_first_failure_ends_all() -> None:
    with Pool(1, "test") as pool:
        roots = pool.begin(math.sqrt, [4.0, 9.0])
        others = pool.begin(math.sqrt, [16.0])
        assert (others(), roots()) == ([4.0], [2.0, 3.0])
        late = pool.begin(math.sqrt, [25.0, -1.0, *range(100)])
        with pytest.raises(ValueError, match="domain"):
            late()
