"""A small drowned valley with banks of every slope; levels per date; fills pasted."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from pipeline.detect import zhan
from pipeline.detect.expect import (
    Baseline,
    ExpectOptions,
    Totals,
    View,
    expect,
    judge_levels,
    tally_levels,
    tally_shore,
)
from pipeline.detect.kinds import water_scores
from pipeline.detect.level import fit_level, tally_level
from pipeline.detect.objects import join
from pipeline.detect.recession import RecessionOptions
from pipeline.detect.water_frequency import frequency_bins, tally_history
from pipeline.detect.zhan import HALO_PX, Pixels, Rejection, candidates, examine
from pipeline.detect.zhan_options import ZhanOptions
from pipeline.grid import tiles_over
from pipeline.model import Grid, Ground, Kind, Sighting, Window

SHAPE = (160, 200)
NOW = ("20240601T030000_x", datetime(2024, 6, 1, 3, tzinfo=UTC))
LEVELS = (6.0, 6.5, 7.0, 7.2, 7.8, 8.0, 8.4, 8.9, 9.3, 9.5, 9.8, 10.0)


def _bed(seed: int) -> np.ndarray:
    """Height of the ground [m]: a winding valley with steep and gentle banks, 0 m deep."""
    rng = np.random.default_rng(seed)
    y, x = np.indices(SHAPE).astype(float)
    axis = 80 + 12 * np.sin(x / 30 + rng.uniform(0, 6))
    gentle = 0.28 + 0.14 * np.sin(x / 17 + rng.uniform(0, 6))
    bed = np.abs(y - axis) * gentle
    bump = ndimage.gaussian_filter(rng.normal(0, 1, SHAPE), 4)
    return bed + 0.5 * bump / bump.std()


def _look(bed: np.ndarray, level: float, seed: int, fill: np.ndarray | None = None) -> np.ndarray:
    """Ground codes: mixed pixels unknown, plants above the highest water, some errors."""
    depth = ndimage.gaussian_filter(level - bed, 0.6)
    state = np.where(depth > 0.1, Ground.WET, np.where(depth < -0.1, Ground.DRY, Ground.UNKNOWN))
    state[bed > max(LEVELS) + 0.5] = Ground.GREEN
    if fill is not None:
        state[fill & (state != Ground.GREEN)] = Ground.DRY
        rim = ndimage.binary_dilation(fill) & ~fill & (state == Ground.WET)
        state[rim & (np.random.default_rng(seed).random(SHAPE) < 0.5)] = Ground.UNKNOWN
    rng = np.random.default_rng(seed + 1)
    wrong = rng.random(SHAPE) < 0.003
    state[wrong] = rng.integers(0, 4, int(wrong.sum()))
    return state.astype(np.uint8)


def _history(bed: np.ndarray) -> np.ndarray:
    return np.stack([_look(bed, q, i) for i, q in enumerate(LEVELS)])


REACH = np.ones(SHAPE, np.uint16)
REACH[:, 100:] = 2
REACH[:3] = 0


def _ranks(history: np.ndarray) -> np.ndarray:
    bins = frequency_bins(*tally_history(history))
    rows = [tally_level(s, bins, REACH, 2) for s in history]
    return np.array([[np.nan, *(fit_level(h).rank for h in r[1:])] for r in rows], np.float32)


def _detect(
    history: np.ndarray,
    state: np.ndarray,
    size: int = 500,
    options: ZhanOptions | None = None,
    silent: np.ndarray | None = None,
    seen: Callable[[], np.ndarray] | None = None,
    apart: np.ndarray | None = None,
) -> tuple[Pixels, list[Sighting | Rejection]]:
    """What the driver does: tiles with halo, merged counts, joined objects, windows."""
    grid = Grid("EPSG:32649", None, SHAPE)  # type: ignore[arg-type]
    ranks = _ranks(history)

    def cut(window: Window) -> View:
        at = window.slices
        base = Baseline.build(history[:, *at], ranks, REACH[at])
        mute = None if silent is None else silent[at]
        other = None if apart is None else apart[at]
        return View(window, state[at], REACH[at], base, silent=mute, apart=other)

    tiles = [(t.core, cut(t.halo)) for t in tiles_over(grid, size, HALO_PX)]
    level = np.sum([tally_levels(v, 2, core) for core, v in tiles], axis=0)
    days = judge_levels(level)
    shore = np.sum([tally_shore(v, days, core) for core, v in tiles], axis=0)
    totals = Totals(level, shore, days)
    parts = [candidates(v, core, totals) for core, v in tiles]
    rows = np.concatenate([p.rows for p in parts])
    cols = np.concatenate([p.cols for p in parts])
    seed = np.concatenate([p.seed for p in parts])
    order = np.lexsort((cols, rows))
    found = Pixels(rows[order], cols[order], seed[order])
    labels = join(found.rows, found.cols)
    whole = cut(grid.window)
    verdicts = []
    for label in range(int(labels.max(initial=-1)) + 1):
        own = labels == label
        one = Pixels(found.rows[own], found.cols[own], found.seed[own])
        verdicts.append(examine(one, whole, totals, NOW, options, seen))
    return found, verdicts


def _sightings(verdicts: list[Sighting | Rejection]) -> list[Sighting]:
    return [v for v in verdicts if isinstance(v, Sighting)]


def _fill(bed: np.ndarray, level: float, col: int, radius: float) -> np.ndarray:
    """A disc that grows from the shore at a column well into the water."""
    wet = np.flatnonzero(bed[:, col] < level)
    y, x = np.indices(SHAPE)
    return ((y - wet[0] - 6) ** 2 + (x - col) ** 2 <= radius**2) & (bed < level + 1)


def _covered(sightings: list[Sighting], fill: np.ndarray, water: np.ndarray) -> float:
    """Share of the part of the fill that would be water which sightings cover."""
    mask = np.zeros(SHAPE, bool)
    for s in sightings:
        mask[s.rows, s.cols] = True
    truth = fill & water
    return float((mask & truth).sum() / max(truth.sum(), 1))


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("level", [2.5, 4.0, 5.0, 5.7, 6.2, 7.5, 9.0, 10.3])
def test_a_level_alone_never_makes_a_certain_sighting(seed: int, level: float) -> None:
    bed = _bed(seed)
    _, verdicts = _detect(_history(bed), _look(bed, level, 100 + seed))
    assert not [s for s in _sightings(verdicts) if s.certain]


@pytest.mark.parametrize("seed", range(6))
def test_a_fill_at_an_ordinary_level_is_found_and_certain(seed: int) -> None:
    bed = _bed(seed)
    fill = _fill(bed, 8.7, 60 + 10 * seed, 8)
    _, verdicts = _detect(_history(bed), _look(bed, 8.7, 100 + seed, fill))
    known_water = bed < 8.0
    seen = [s for s in _sightings(verdicts) if s.certain]
    assert _covered(seen, fill, known_water) > 0.6
    assert len(seen) == 1


@pytest.mark.parametrize("seed", range(2))
def test_a_large_fill_that_is_known_does_not_hide_another_in_its_reach(seed: int) -> None:
    # Three arms of a reach are filled: so much ground that is dry at every level contradicts each.
    bed = _bed(seed)
    large = np.zeros(SHAPE, bool)
    for col in (12, 36, 60):
        large |= _fill(bed, 8.7, col, 14)
    small = _fill(bed, 8.7, 86, 7)
    state = _look(bed, 8.7, 100 + seed, large | small)
    history, water = _history(bed), bed < 8.0
    seen = [s for s in _sightings(_detect(history, state)[1]) if s.certain]
    assert _covered(seen, small, water) == 0
    edge = np.asarray(ndimage.binary_dilation(large), bool)
    known = _sightings(_detect(history, state, silent=edge)[1])
    assert _covered([s for s in known if s.certain], small, water) > 0.6
    # What has no say is still seen itself, and tiles say the same of it.
    assert _covered([s for s in known if s.certain], large, water) > 0.6
    tiled = _sightings(_detect(history, state, 70, silent=edge)[1])
    assert [str(v) for v in tiled] == [str(v) for v in known]


@pytest.mark.parametrize("seed", range(4))
def test_a_fill_below_everything_seen_is_at_most_uncertain(seed: int) -> None:
    bed = _bed(seed)
    fill = _fill(bed, 5.2, 60 + 10 * seed, 10)
    _, verdicts = _detect(_history(bed), _look(bed, 5.2, 100 + seed, fill))
    seen = _sightings(verdicts)
    assert not any(s.certain for s in seen)
    assert _covered(seen, fill, bed < 4.5) > 0.3 or any(
        isinstance(v, Rejection) and v.unknown for v in verdicts
    )


MUD, RUBBLE = (0.11, 0.2, -0.6), (0.19, 0.09, -0.9)


def _material(fill: np.ndarray | None, seed: int = 0) -> np.ndarray:
    """Features of a look all of whose ground is mud, but for a fill of rubble."""
    own = np.zeros(SHAPE, bool) if fill is None else fill
    every = [np.where(own, r, m) for r, m in zip(RUBBLE, MUD, strict=True)]
    noise = np.random.default_rng(seed).normal(0, 0.004, (3, *SHAPE))
    return (np.stack(every) + noise).astype(np.float32)


def _along(bed: np.ndarray) -> np.ndarray:
    """A fill five times as long as wide, along a shore."""
    y, x = np.indices(SHAPE)
    return (y > 80) & (x >= 55) & (x < 85) & (bed > 3.0) & (bed < 5.8)


@pytest.mark.parametrize("seed", [0, 4, 5, 6, 7, 8])
def test_a_fill_below_everything_seen_is_certain_where_the_bed_is_unlike_it(seed: int) -> None:
    # In the other valleys what is expected cuts the fill, and its parts are bed to each other.
    bed, level = _bed(seed), 5.4
    fill = _along(bed)
    state = _look(bed, level, 100 + seed, fill)
    found = {}
    for name, of in (("nothing", None), ("mud", None), ("rubble", fill)):
        seen = None if name == "nothing" else partial(_material, of, seed)
        found[name] = _sightings(_detect(_history(bed), state, seen=seen)[1])
    # It is long, as a rim of shore is: without its material, or of that of the bed, it is not told.
    for name in ("nothing", "mud"):
        assert not any(s.certain for s in found[name])
        assert _covered(found[name], fill, bed < 4.5) < 0.3
    told = [s for s in found["rubble"] if s.certain]
    assert len(told) == 1
    assert _covered(told, fill, bed < 4.5) > 0.3


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("level", [2.5, 4.0, 5.0, 5.7])
def test_bed_that_falls_dry_is_like_bed(seed: int, level: float) -> None:
    bed = _bed(seed)
    state, seen = _look(bed, level, 100 + seed), partial(_material, None, seed)
    assert not any(s.certain for s in _sightings(_detect(_history(bed), state, seen=seen)[1]))


@pytest.mark.parametrize(("level", "least", "asked"), [(5.4, 16, True), (5.4, 9999, False)])
def test_the_bed_is_asked_for_what_is_large_and_deep_only(
    level: float, least: int, asked: bool
) -> None:
    bed = _bed(0)
    fill, calls = _along(bed), list[int]()

    def seen() -> np.ndarray:
        calls.append(1)
        return _material(fill)

    state = _look(bed, level, 100, fill)
    _detect(_history(bed), state, options=ZhanOptions(bed_object=least), seen=seen)
    assert bool(calls) is asked


def test_the_bed_is_not_asked_at_an_ordinary_level() -> None:
    bed = _bed(0)

    def seen() -> np.ndarray:
        raise AssertionError("asked")

    fill = _fill(bed, 8.7, 60, 8)
    assert _sightings(_detect(_history(bed), _look(bed, 8.7, 100, fill), seen=seen)[1])


@settings(deadline=None, max_examples=8)
@given(st.integers(25, 120), st.sampled_from([4.9, 7.5, 8.7]), st.integers(0, 3))
def test_tiling_does_not_change_a_pixel(size: int, level: float, seed: int) -> None:
    bed = _bed(seed)
    history = _history(bed)
    state = _look(bed, level, 7, _fill(bed, level, 90, 9))
    whole, one = _detect(history, state)
    tiled, other = _detect(history, state, size)
    for name in ("rows", "cols", "seed"):
        assert np.array_equal(getattr(whole, name), getattr(tiled, name))
    assert [str(v) for v in one] == [str(v) for v in other]


def test_order_of_history_is_irrelevant() -> None:
    bed = _bed(1)
    history = _history(bed)
    state = _look(bed, 8.7, 5, _fill(bed, 8.7, 70, 8))
    straight, _ = _detect(history, state)
    turned, _ = _detect(history[::-1].copy(), state)
    assert np.array_equal(straight.rows, turned.rows)
    assert np.array_equal(straight.cols, turned.cols)


@settings(deadline=None, max_examples=10)
@given(st.floats(3.0, 10.5), st.floats(3.0, 10.5))
def test_a_higher_level_expects_no_less_known_water(a: float, b: float) -> None:
    bed = _bed(2)
    history = _history(bed)
    ranks = _ranks(history)
    base = Baseline.build(history, ranks, REACH)
    known = []
    for level in sorted((a, b)):
        view = View(Window(0, SHAPE[0], 0, SHAPE[1]), _look(bed, level, 3), REACH, base)
        counts = tally_levels(view, 2)
        days = judge_levels(counts)
        if any(d.unusable for d in days[1:]):
            return
        totals = Totals(counts, tally_shore(view, days), days)
        known.append(expect(view, totals).known)
    # Ranks of both dates are fitted, so allow the few pixels at the step of one bin.
    assert np.count_nonzero(known[0] > known[1]) <= 0.001 * known[0].size


@pytest.mark.parametrize(("level", "whole"), [(8.7, True), (5.2, False)])
def test_what_is_expected_of_some_pixels_is_what_is_expected_of_all(
    level: float, whole: bool
) -> None:
    bed = _bed(4)
    history = _history(bed)
    base = Baseline.build(history, _ranks(history), REACH)
    window = Window(0, SHAPE[0], 0, SHAPE[1])
    view = View(window, _look(bed, level, 5, _fill(bed, level, 70, 8)), REACH, base)
    counts = tally_levels(view, 2)
    days = judge_levels(counts)
    totals = Totals(counts, tally_shore(view, days), days)
    part = window if whole else Window(3, SHAPE[0] - 4, 5, SHAPE[1] - 2)
    asked = np.random.default_rng(1).random(part.shape) < 0.3
    every = expect(view, totals, None, part)
    some = expect(view, totals, None, part, asked)
    for name in ("deep", "beyond"):
        plain = getattr(every, name) & asked
        np.testing.assert_array_equal(getattr(some, name), plain, err_msg=name)
    assert (every.beyond & asked).any()
    told = every.shore.inside & asked
    np.testing.assert_array_equal(some.allowance_px[told], every.allowance_px[told])
    for name in ("known", "ordinary"):
        np.testing.assert_array_equal(getattr(some, name), getattr(every, name))


def test_pixels_that_history_rarely_saw_belong_to_no_shore() -> None:
    """``min_looks`` of the options decides, also after a look with other options."""
    bed = _bed(4)
    history = _history(bed)
    rare = np.zeros(SHAPE, bool)
    rare[:, 40:60] = True
    history[4:, rare] = Ground.UNKNOWN
    base = Baseline.build(history, _ranks(history), REACH)
    view = View(Window(0, SHAPE[0], 0, SHAPE[1]), _look(bed, 5.2, 5), REACH, base)
    counts = tally_levels(view, 2)
    days = judge_levels(counts)
    few, many = (ExpectOptions(recession=RecessionOptions(min_looks=looks)) for looks in (4, 5))
    found = []
    for options in (few, many):
        shores = tally_shore(view, days, None, options)
        inside = expect(view, Totals(counts, shores, days), options).shore.inside
        found.append((inside[:, 42:58].any(), inside[:, 70:].any(), int(shores.sum())))
    assert [f[:2] for f in found] == [(True, True), (False, True)]
    assert found[0][2] != found[1][2]


def _certain(bed: np.ndarray, level: float, change: np.ndarray, code: Ground) -> list[Sighting]:
    state = _look(bed, level, 11)
    state[change] = code
    return [s for s in _sightings(_detect(_history(bed), state)[1]) if s.certain]


def test_a_bridge_is_not_a_sighting() -> None:
    bed = _bed(0)
    x = np.indices(SHAPE)[1]
    deck = (x >= 50) & (x < 53) & (bed < 11)
    assert not _certain(bed, 8.7, deck, Ground.DRY)


def test_a_short_span_over_a_narrow_arm_says_that_it_closes() -> None:
    # SWIR blurs a deck to six pixels, which over ten of water is no slim object.
    bed = 11 * _bed(0)
    x = np.indices(SHAPE)[1]
    deck = (x >= 50) & (x < 56) & (bed < 11)
    groyne = deck & (np.cumsum(bed < 9.0, axis=0) < 4)
    said: list[float] = []
    for change in (deck, groyne):
        state = _look(bed, 9.6, 11)
        state[change] = Ground.DRY
        found = _sightings(_detect(_history(bed), state)[1])
        (one,) = [s for s in found if change[s.rows, s.cols].mean() > 0.5]
        assert one.measures["elongation"] < 3
        said.append(one.measures["span_px"] > 0)
    assert said == [1, 0]


def test_boats_are_not_sightings() -> None:
    bed = _bed(0)
    y, x = np.indices(SHAPE)
    boats = (np.abs(bed) < 4) & (x % 25 < 3) & (y % 12 < 3)
    assert not _certain(bed, 8.7, boats, Ground.DRY)


def test_an_island_on_a_bar_waits_until_boats_would_have_left() -> None:
    # Spoil on a bar that is ground at lower levels: too small to be kept in open water.
    bed = _bed(0)
    y, x = np.indices(SHAPE)
    bar = np.argwhere((bed > 7) & (bed < 7.4) & (x > 30) & (x < 90))
    near = [p for p in bar if (bed[p[0] - 4 : p[0] + 5, p[1] - 4 : p[1] + 5] < 8.6).all()]
    row, col = near[len(near) // 2]
    heap = (np.abs(y - row) <= 2) & (np.abs(x - col) <= 2)
    state = _look(bed, 9.6, 11)
    state[heap] = Ground.DRY
    found = [s for s in _sightings(_detect(_history(bed), state)[1]) if heap[s.rows, s.cols].any()]
    assert len(found) == 1
    assert found[0].rows.size <= 60
    assert found[0].certain
    assert found[0].measures["island"] == 1
    assert found[0].measures["bar_share"] >= 0.5
    assert found[0].measures["wait_days"] == 90
    assert next(iter(water_scores([found[0].measures]))) is Kind.CAI


POND = np.zeros(SHAPE, bool)
POND[4:22, 20:60] = True


@pytest.mark.parametrize("dry_before", [0, 1, 3])
def test_a_pond_that_is_drained_waits_and_where_it_was_dry_before_it_is_none(
    dry_before: int,
) -> None:
    bed = _bed(0)
    history = _history(bed)
    history[:, POND] = Ground.WET
    history[:dry_before, POND] = Ground.DRY
    fill = _fill(bed, 8.7, 110, 8)
    state = _look(bed, 8.7, 11, fill)
    state[POND] = Ground.DRY
    found = _sightings(_detect(history, state, apart=POND)[1])
    waits = {s.measures["wait_days"] for s in found if POND[s.rows, s.cols].all()}
    assert waits == ({120.0} if dry_before < 2 else set())  # of twelve looks
    (own,) = [s for s in found if fill[s.rows, s.cols].mean() > 0.5]
    assert own.certain
    assert own.measures["wait_days"] == 0
    # Without knowing that it is apart it would be a fill like any other.
    if not dry_before:
        known = _sightings(_detect(history, state)[1])
        assert {s.measures["wait_days"] for s in known if POND[s.rows, s.cols].all()} == {0.0}


def test_what_is_apart_tells_no_level_and_no_shore() -> None:
    bed = _bed(1)
    history = _history(bed)
    history[::2, POND], history[1::2, POND] = Ground.WET, Ground.DRY
    base = Baseline.build(history, _ranks(history), REACH)
    window = Window(0, SHAPE[0], 0, SHAPE[1])

    def told(pond: Ground, apart: np.ndarray | None) -> tuple[list[int], list[int]]:
        state = _look(bed, 8.7, 11)
        state[POND] = pond
        view = View(window, state, REACH, base, apart=apart)
        level = tally_levels(view, 2)
        return level.ravel().tolist(), tally_shore(view, judge_levels(level)).ravel().tolist()

    assert told(Ground.DRY, POND) == told(Ground.WET, POND)
    assert told(Ground.DRY, None)[0] != told(Ground.WET, None)[0]


def test_what_hangs_together_with_the_shore_is_an_occupation_first() -> None:
    assert water_scores([{"island": 0.0, "bar_share": 0.2}]) == {}
    scores = water_scores([{"island": 0.0, "bar_share": 1.0}] * 3)
    assert next(iter(scores)) is Kind.ZHAN
    assert scores[Kind.CAI] > 0.3


def test_hyacinth_is_not_a_sighting() -> None:
    bed = _bed(0)
    x = np.indices(SHAPE)[1]
    mat = (bed < 8) & (x > 60) & (x < 75)
    assert not _certain(bed, 8.7, mat, Ground.GREEN)
    bare_edge = ndimage.binary_dilation(mat) & ~mat & (bed < 8)
    state = _look(bed, 8.7, 11)
    state[mat], state[bare_edge] = Ground.GREEN, Ground.DRY
    assert not _sightings(_detect(_history(bed), state)[1])


def test_the_rim_of_a_mat_of_hyacinth_at_a_shore_is_explained_by_the_mat() -> None:
    bed = _bed(0)
    x = np.indices(SHAPE)[1]
    mat = (bed > 6.5) & (bed < 8.7) & (x > 60) & (x < 75)
    rim = ndimage.binary_dilation(mat, iterations=2) & ~mat & (bed < 8.7)
    state = _look(bed, 8.7, 11)
    state[mat], state[rim] = Ground.GREEN, Ground.DRY

    def seen(**options: float) -> bool:
        found = _sightings(_detect(_history(bed), state, options=ZhanOptions(**options))[1])
        return any(rim[s.rows, s.cols].any() for s in found)

    assert not seen()
    assert seen(green_share=100.0)


def test_a_date_that_contradicts_every_level_is_not_judged() -> None:
    bed = _bed(0)
    state = _look(bed, 8.7, 11)
    rng = np.random.default_rng(0)
    glint = (state == Ground.WET) & (ndimage.gaussian_filter(rng.normal(0, 1, SHAPE), 3) > 0.05)
    state[glint] = Ground.DRY
    found, _ = _detect(_history(bed), state)
    assert found.rows.size == 0


def test_few_dates_are_never_certain() -> None:
    bed = _bed(3)
    fill = _fill(bed, 8.7, 80, 9)
    _, verdicts = _detect(_history(bed)[::2], _look(bed, 8.7, 9, fill))
    seen = _sightings(verdicts)
    assert seen
    assert not any(s.certain for s in seen)


def test_an_empty_history_says_nothing() -> None:
    state = _look(_bed(0), 8.7, 0)
    found, _ = _detect(np.zeros((1, *SHAPE), np.uint8), state)
    assert found.rows.size == 0


@pytest.mark.parametrize("radius", [1, 2, 3])
def test_water_under_every_shift_is_that_of_a_general_filter(radius: int) -> None:
    rng = np.random.default_rng(radius)
    for share in (0.0, 0.01, 0.1, 1.0):
        expected = ndimage.gaussian_filter(rng.normal(size=(40, 33)), 4) > -0.05
        asked = rng.random(expected.shape) < share
        every = ndimage.minimum_filter(expected, 2 * radius + 1, mode="nearest")
        found = zhan._shifted(expected, radius, asked)  # pyright: ignore[reportPrivateUsage]
        np.testing.assert_array_equal(found, every & asked)


def _off_axis() -> np.ndarray:
    """Distance from the axis of a straight channel that runs across the window [px]."""
    y, x = np.indices(SHAPE).astype(float)
    return (y - 80 - 0.6 * (x - 100)) / np.hypot(1, 0.6)


def _canal() -> np.ndarray:
    """Its bed with steep banks, about five pixels from one to the other [m]."""
    return np.abs(_off_axis()) * 3.2


def _bank_fill() -> np.ndarray:
    """A fill of half its width along one bank, clear of its middle."""
    x = np.indices(SHAPE)[1]
    return (_off_axis() > -3.4) & (_off_axis() < -0.9) & (x >= 80) & (x < 95)


def _along_the_bank(apart: bool = False) -> list[Sighting]:
    bed = _canal()
    state = _look(bed, 8.7, 7, _bank_fill())
    ponds = np.ones(SHAPE, bool) if apart else None
    _, verdicts = _detect(_history(bed), state, apart=ponds)
    return _sightings(verdicts)


def test_a_fill_along_a_bank_of_a_narrow_channel_is_certain() -> None:
    (seen,) = _along_the_bank()
    assert seen.certain
    assert _bank_fill()[seen.rows, seen.cols].all()


def test_it_is_explained_where_the_banks_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zhan, "in_place", lambda *_: False)
    assert _along_the_bank() == []


def test_in_a_pond_it_is_explained() -> None:
    assert _along_the_bank(apart=True) == []


def test_beside_a_known_fill_the_banks_are_still_asked() -> None:
    bed, near = _canal(), np.zeros(SHAPE, bool)
    x = np.indices(SHAPE)[1]
    near[(np.abs(_off_axis()) < 3) & (x >= 100) & (x < 106)] = True  # from bank to bank
    state = _look(bed, 8.7, 7, _bank_fill() | near)

    def told(silent: np.ndarray | None) -> bool:
        _, verdicts = _detect(_history(bed), state, silent=silent)
        return any(_bank_fill()[s.rows, s.cols].all() for s in _sightings(verdicts))

    assert told(near)


def _moved_canal(seed: int) -> list[Sighting]:
    """What is seen of a winding channel in an image that lies up to two pixels off."""
    rng = np.random.default_rng(seed)
    y, x = np.indices(SHAPE).astype(float)
    slope, wave = rng.uniform(-0.65, 0.65), rng.uniform(12, 40)
    bend = rng.uniform(0, 8) * np.sin(x / wave)
    away = (y - 80 - slope * (x - 100) - bend) / np.hypot(1, slope)
    bed = np.where(away < 0, -away * rng.uniform(1, 4), away * rng.uniform(1, 4))
    by, level = rng.uniform(-2, 2, 2), rng.uniform(6.2, 9.9)
    state = _look(ndimage.shift(bed, by, order=1, mode="nearest"), level, seed)
    return _sightings(_detect(_history(bed), state)[1])


@pytest.mark.parametrize("seed", [83, 138, 296, 602, 1084, 1591])
def test_a_narrow_channel_in_a_shifted_image_is_no_sighting(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _moved_canal(seed) == []
    monkeypatch.setattr(zhan, "in_place", lambda *_: True)
    assert _moved_canal(seed) != []


@pytest.mark.thorough
@pytest.mark.parametrize("first", range(0, 400, 50))
def test_no_shifted_channel_gives_more_than_seeds_alone(
    first: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_banks = [len(_moved_canal(seed)) for seed in range(first, first + 50)]
    monkeypatch.setattr(zhan, "in_place", lambda *_: False)
    assert with_banks == [len(_moved_canal(seed)) for seed in range(first, first + 50)]


def test_along_one_bank_of_a_wide_river_nothing_is_told_by_banks() -> None:
    """Boats, quays and stone facing are as thin."""
    bed = np.maximum(_off_axis() * -4, (_off_axis() - 22) * 4)
    _, verdicts = _detect(_history(bed), _look(bed, 8.7, 7, _bank_fill()))
    assert not [s for s in _sightings(verdicts) if s.certain]
