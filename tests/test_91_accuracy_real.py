"""The parts of the accuracy report that stand on real imagery."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import shapely
from scipy import ndimage

from benchmarks.accuracy import (
    real_change,
    real_injected,
    real_registration,
    real_sensors,
    real_sequence,
    real_sharpen,
    real_water,
)
from benchmarks.accuracy.real_baselines import auc, cva, ir_mad, otsu
from benchmarks.accuracy.real_objects import (
    FINE,
    Layer,
    Source,
    Thing,
    _patches,
    blob,
    cover,
    paste,
    rectangle,
)
from benchmarks.accuracy.real_run import Truth, score
from benchmarks.accuracy.real_scene import NAMES
from benchmarks.accuracy.real_series import Plan, schedule
from benchmarks.accuracy.report import markdown
from benchmarks.accuracy.stats import counted, poisson
from pipeline.model import Case, Evidence, EvidenceState, Kind, Look, Seen, Status

DATA = Path(__file__).resolve().parents[1].parent / "shared" / "data"
ALL = (
    real_water,
    real_change,
    real_registration,
    real_injected,
    real_sequence,
    real_sensors,
    real_sharpen,
)


def data() -> Path:
    if not DATA.is_dir():
        if os.environ.get("SILUAN_REQUIRE_REAL"):
            pytest.fail(f"{DATA} is missing and SILUAN_REQUIRE_REAL is set")
        pytest.skip(f"real imagery is not beside the checkout ({DATA})")
    return DATA


@pytest.mark.parametrize("rough", [0.25, 0.35, 0.9])
def test_an_object_is_one_piece(rough: float) -> None:
    """A heap of two pieces 50 m apart counted a case on the smaller one as false."""
    in_pieces = 0
    for seed in range(60):
        rank = blob(100.0, np.random.default_rng(seed), rough)
        assert ndimage.label(rank <= 1)[1] == 1
        in_pieces += int((rank == 2).any())
    assert in_pieces or rough < 0.9  # the roughest ones did fall apart


@pytest.mark.parametrize("part", ALL, ids=lambda m: m.__name__.rsplit(".", 1)[-1])
def test_a_part_says_plainly_that_its_imagery_is_absent(part, tmp_path: Path) -> None:
    section = part.measure(tmp_path / "nothing", tmp_path)
    assert section.tables == ()
    assert section.numbers == {}
    assert section.note.startswith("Not measured")
    assert section.note in markdown(section)


@pytest.mark.parametrize("shape", [blob, rectangle])
@pytest.mark.parametrize("area_px", [4.0, 37.0, 400.0])
def test_a_figure_has_its_area_and_grows_from_its_middle(shape, area_px: float) -> None:
    rank = shape(area_px, np.random.default_rng(3))
    assert (rank <= 1).sum() / FINE**2 == pytest.approx(area_px, rel=0.02)
    half = rank <= 0.5
    assert half.sum() / FINE**2 == pytest.approx(area_px / 2, rel=0.02)
    assert not (half & ~(rank <= 1)).any()


@pytest.mark.parametrize("band", ["red", "swir16"])
def test_blur_moves_light_and_makes_none(band: str) -> None:
    rank = np.pad(rectangle(40.0, np.random.default_rng(1)), 6 * FINE, constant_values=9.0)
    share = cover(rank <= 1, band, (4, 6))
    assert share.sum() == pytest.approx(40.0, rel=0.02)
    assert 0 <= share.min() <= share.max() <= 1 + 1e-6


def test_a_thing_takes_the_ground_of_the_same_look() -> None:
    bands = {n: np.full((40, 40), 0.1, np.float32) for n in NAMES}
    for n in NAMES:
        bands[n][:5, :5] = 0.4
    rank = np.zeros((12 * FINE, 12 * FINE), np.float32)
    layer = Layer(rank <= 1, Source(0, 0, 5), 10.0)
    thing = Thing("x", "dui", "heap", 20, 20, rank, (layer,), 10.0, 0.0, ends=30.0)
    for day, value in ((9.0, 0.1), (10.0, 0.4), (30.0, 0.4), (31.0, 0.1)):
        look = {n: v.copy() for n, v in bands.items()}
        paste(look, [thing], day, {n: v.copy() for n, v in look.items()})
        assert look["red"][26, 26] == pytest.approx(value, abs=1e-3)
        assert look["red"][15, 15] == pytest.approx(0.1)


def test_patches_lie_in_the_image_as_a_whole() -> None:
    mask = np.ones((30, 30), bool)
    for size in (3, 5, 7):
        for source in _patches(mask, size, np.random.default_rng(size), many=10_000):
            assert 0 <= source.row <= 30 - source.size
            assert 0 <= source.col <= 30 - source.size


def test_a_schedule_holds_its_history_and_is_the_same_again() -> None:
    one, two = (schedule(Plan(), np.random.default_rng(5)) for _ in range(2))
    assert one == two
    assert sum(n.day < Plan().history_days for n in one) >= 24
    assert sum(np.hypot(*n.shift) > 0.9 for n in one) >= 1  # a date that jumps by a pixel


def case(name: str, polygon: shapely.Geometry, hits: str, kind: Kind = Kind.ZHAN) -> Case:
    first = datetime(2023, 1, 10, tzinfo=UTC)
    seen = {"h": Seen.HIT, "m": Seen.MISS}
    looks = tuple(
        Look(first + timedelta(days=10 * k), f"p{k}", "s", 1.0, seen[h]) for k, h in enumerate(hits)
    )
    evidence = Evidence(EvidenceState.SUSPECTED, 3, 0, 3, first, first, None, False)
    return Case(
        name, kind, "c", polygon, "EPSG:32631", polygon.area, Status.SUSPECTED, evidence, looks,
        0.5, {}, (), "zhan/1", 1, "r", "0", "h",
    )  # fmt: skip


def test_one_object_takes_one_case_and_what_is_left_is_false() -> None:
    square = shapely.box(0, 0, 100, 100)
    truth = [Truth("a", "zhan", "fill", 10_000.0, square, date(2023, 1, 1))]
    looks = [date(2023, 1, 5) + timedelta(days=10 * k) for k in range(6)]
    cases = [
        case("good", shapely.box(5, 0, 105, 100), "hhh"),
        case("again", shapely.box(0, 0, 100, 60), "hhh"),
        case("waits", shapely.box(300, 0, 400, 100), "hm"),
        case("gone", shapely.box(600, 0, 700, 100), "hhhmmmm"),
    ]
    result = score(cases, truth, looks, {})
    (verdict,) = result.verdicts
    assert verdict.state == "found"
    assert verdict.looks == 3
    assert {f.id for f in result.false} == {"again", "gone"}  # told once is told
    assert {f.lies_on for f in result.false} == {"fill:a", "open ground"}


def test_a_thin_outline_does_not_find_and_says_why() -> None:
    truth = [Truth("a", "zhan", "fill", 10_000.0, shapely.box(0, 0, 100, 100), date(2023, 1, 1))]
    result = score([case("thin", shapely.box(0, 0, 100, 10), "hhh")], truth, [], {})
    assert result.verdicts[0].state == "outline wrong"
    assert "IoU 0.10" in result.verdicts[0].why
    assert len(result.false) == 1


def test_bounds_are_exact_and_shares_have_intervals() -> None:
    low, high = poisson(0, 2.0)
    assert low == 0
    assert high == pytest.approx(3.689 / 2, abs=1e-3)  # exact Poisson, 97.5 %
    assert counted(0, 0) == "-"
    assert counted(9, 10) == "9/10 = 0.90 [0.60, 0.98]"


def test_baselines_find_a_plain_change() -> None:
    rng = np.random.default_rng(2)
    ground = rng.normal(0.2, 0.05, (1, 60, 60)) * np.array([0.6, 0.8, 1.0, 1.4])[:, None, None]
    before = (ground + rng.normal(0, 0.005, (4, 60, 60))).astype(np.float32)
    after = (1.2 * ground + 0.01 + rng.normal(0, 0.005, (4, 60, 60))).astype(np.float32)
    after[:, 20:30, 20:30] += 0.3
    changed = np.zeros((60, 60), bool)
    changed[20:30, 20:30] = True
    every = np.ones((60, 60), bool)
    for field in (cva(before, after, every), ir_mad(before, after, every)):
        assert auc(field, changed, ~changed) > 0.97
        assert otsu(field, every)[changed].mean() > 0.9


@pytest.mark.real
@pytest.mark.thorough
def test_water_holds_on_the_chip_and_inside_the_reservoir(tmp_path: Path) -> None:
    section = real_water.measure(data(), tmp_path)
    assert section.numbers["water_f1"] >= 0.87
    assert section.numbers["water_f1_known"] >= 0.90
    assert section.numbers["boadella_outside_share"] <= 0.02
    assert (tmp_path / "bolzano.png").stat().st_size > 100_000


@pytest.mark.real
def test_swir_is_drawn_nearer_to_what_was_delivered(tmp_path: Path) -> None:
    section = real_sharpen.measure(data(), tmp_path)
    assert len(section.tables[0].rows) == 8
    assert section.numbers["swir_shore_error_ratio"] <= 0.75


@pytest.mark.real
@pytest.mark.thorough
def test_known_shifts_of_real_pairs_are_recovered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(real_registration, "SHIFTS", ((0.3, -0.7),))
    section = real_registration.measure(data(), Path())
    assert section.numbers["registration_rms_px"] <= 0.2


@pytest.mark.real
@pytest.mark.thorough
def test_construction_is_ranked_above_unchanged_ground(tmp_path: Path) -> None:
    section = real_change.measure(data(), tmp_path)
    rows = {r[0]: r for r in section.tables[0].rows}
    ours = rows["this project's rules, one earlier date"]
    assert float(str(ours[1])) >= 0.93
    assert float(str(ours[3])) <= 0.005
