from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.detect.expect import ReachDay, judge_levels
from pipeline.detect.level import fit_cut, fit_level, leave_out, tally_level
from pipeline.detect.level_history import tally_by_level
from pipeline.detect.look_history import known_wet
from pipeline.detect.water_frequency import N_BINS, UNSEEN, frequency_bins, tally_history
from pipeline.model import Ground, Level, stand_alone
from pipeline.passes.told_levels import tell_levels

H = W = 40


def _valley(levels: list[float]) -> np.ndarray:
    """A sloping bed, 0 at the left and 1 at the right; wet where it lies below the level."""
    bed = np.broadcast_to(np.linspace(0, 1, W), (H, W))
    return np.stack([np.where(bed < q, Ground.WET, Ground.DRY) for q in levels]).astype(np.uint8)


HISTORY = [0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75]
REACH = np.ones((H, W), np.uint16)


def _rank(history: np.ndarray, state: np.ndarray) -> float:
    return _fit(history, state).rank


def _fit(history: np.ndarray, state: np.ndarray):
    bins = frequency_bins(*tally_history(history))
    return fit_level(tally_level(state, bins, REACH, 1)[1])


def test_bins_are_the_quantised_frequency() -> None:
    n_wet = np.array([[0, 1, 2, 3, 0]], np.uint16)
    n_clear = np.array([[3, 3, 3, 3, 0]], np.uint16)
    assert frequency_bins(n_wet, n_clear).tolist() == [[0, 10, 21, N_BINS - 1, 255]]


def test_green_is_not_wet_in_history() -> None:
    states = np.array([Ground.WET, Ground.GREEN, Ground.DRY, Ground.UNKNOWN], np.uint8)
    n_wet, n_clear = tally_history(states[:, None, None])
    assert (n_wet[0, 0], n_clear[0, 0]) == (1, 3)


@settings(deadline=None, max_examples=40)
@given(st.floats(0.05, 0.95), st.floats(0.05, 0.95))
def test_rank_is_monotone_in_level(a: float, b: float) -> None:
    history = _valley(HISTORY)
    low, high = sorted((a, b))
    assert _rank(history, _valley([low])[0]) <= _rank(history, _valley([high])[0]) + 1e-9


def test_saturated_only_below_everything_seen() -> None:
    history = _valley(HISTORY)
    assert not any(_fit(history, s).saturated for s in history)
    assert _fit(history, _valley([0.2])[0]).saturated
    assert _fit(history, _valley([0.2])[0]).rank < _fit(history, history[0]).rank


@settings(deadline=None, max_examples=25)
@given(st.permutations(range(len(HISTORY))), st.integers(0, 9))
def test_order_of_history_is_irrelevant(order: list[int], look: int) -> None:
    history = _valley(HISTORY)
    assert _fit(history, history[look]) == _fit(history[list(order)], history[look])
    ranks = np.array([_rank(history, s) for s in history], np.float32)
    straight = tally_by_level(history, ranks)
    shuffled = tally_by_level(history[list(order)], ranks[list(order)])
    assert np.array_equal(straight.wet, shuffled.wet)
    assert np.array_equal(straight.dry, shuffled.dry)


@settings(deadline=None, max_examples=25)
@given(st.integers(1, W - 1), st.integers(0, 2**31))
def test_histograms_add_up_over_any_cut_and_subtract_again(cut: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    state = rng.integers(0, 4, (H, W)).astype(np.uint8)
    bins = frequency_bins(*tally_history(_valley(HISTORY)))
    reach = rng.integers(0, 3, (H, W)).astype(np.uint16)
    whole = tally_level(state, bins, reach, 2)
    left = tally_level(state[:, :cut], bins[:, :cut], reach[:, :cut], 2)
    right = tally_level(state[:, cut:], bins[:, cut:], reach[:, cut:], 2)
    assert np.array_equal(whole, left + right)
    assert np.array_equal(leave_out(whole, left), right)
    bins[rng.random(bins.shape) < 0.1] = UNSEEN
    plain = np.zeros((3, N_BINS, 2), np.int64)
    use = (state != Ground.UNKNOWN) & (bins != UNSEEN) & (reach > 0)
    np.add.at(plain, (reach[use], bins[use], (state[use] == Ground.WET).astype(int)), 1)
    assert np.array_equal(tally_level(state, bins, reach, 2), plain)


def test_partial_cloud_and_errors_hardly_move_the_rank() -> None:
    rng = np.random.default_rng(3)
    history = _valley(HISTORY)
    state = _valley([0.52])[0]
    clean = _rank(history, state)
    noisy = state.copy()
    wrong = rng.random(state.shape) < 0.03
    noisy[wrong] = np.where(noisy[wrong] == Ground.WET, Ground.DRY, Ground.WET)
    noisy[:25] = Ground.UNKNOWN
    assert abs(_rank(history, noisy) - clean) < 0.06


def test_wet_ground_in_every_bin_fits_many_levels() -> None:
    # Ground never seen dry before is dark and wet: a quarter of every bin passes for water.
    hist = np.zeros((N_BINS, 2), np.int64)
    hist[0, 0], hist[-1] = 9000, (400, 9000)
    hist[1:-1] = 170, 100
    assert fit_cut(hist).spread > 9
    assert (
        judge_levels(np.stack([hist, hist]))[1].unusable
        == "the level may be lower than any that was seen, or far higher"
    )
    # A smear around a level that was seen is no such doubt.
    smeared = hist.copy()
    smeared[1:6], smeared[20:-1] = (265, 5), (5, 265)
    assert fit_cut(smeared).spread == 0
    step = hist.copy()
    step[1:16], step[16:-1] = (265, 5), (5, 265)
    assert fit_cut(step).spread < 4
    assert not judge_levels(np.stack([step, step]))[1].unusable
    # Without ground that is wet at some levels only, all levels say the same.
    steady = hist.copy()
    steady[1:-1] = 3, 1
    assert fit_cut(steady).spread == 0


def test_the_least_level_is_what_lower_ones_contradict() -> None:
    hist = np.zeros((N_BINS, 2), np.int64)
    hist[0, 0], hist[-1, 1] = 9000, 9000
    hist[1:8], hist[8:-1] = (100, 0), (0, 100)
    sharp = fit_level(hist)
    assert sharp.rank - 2 / N_BINS <= sharp.least <= sharp.rank
    # Mixed pixels of a steep bank are wet in every second bin, whatever the level.
    smeared = hist.copy()
    smeared[1:-1] = 48, 52
    smeared[1:4], smeared[-4:-1] = (100, 0), (0, 100)
    assert fit_level(smeared).least < fit_level(smeared).rank - 0.3
    # With too little ground between the levels any of them may be it.
    few = hist.copy()
    few[1:-1] = few[1:-1] // 30
    assert fit_level(few).least is None


def test_land_under_water_tells_of_a_flood_however_little_bank_there_is() -> None:
    walled = np.zeros((N_BINS, 2), np.int64)
    walled[0], walled[1:-1, 1], walled[-1, 1] = (1000, 8000), 5, 9000
    least = fit_level(walled).least
    assert least is not None
    assert least > 0.9
    bars = np.zeros((N_BINS, 2), np.int64)  # wide and low, below a steep bank
    bars[0], bars[15:30, 1], bars[1:15, 1], bars[-1, 1] = (1000, 8000), 250, 2, 9000
    least = fit_level(bars).least
    assert least is not None
    assert least > 0.9
    # A tenth of the land that passes for water is none.
    low = np.zeros((N_BINS, 2), np.int64)
    low[0], low[1:-1, 0], low[-1, 1] = (9100, 900), 100, 9000
    assert fit_level(low).least == 0


def test_too_little_water_has_no_level() -> None:
    level = fit_level(np.zeros((N_BINS, 2), np.int64))
    assert np.isnan(level.rank)
    assert level.misfit == 1.0


@settings(deadline=None, max_examples=25)
@given(st.floats(0, 1), st.floats(0, 1), st.integers(0, 2**31))
def test_known_wet_never_shrinks_as_the_level_rises(a: float, b: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    states = rng.integers(0, 4, (12, 10, 10)).astype(np.uint8)
    history = tally_by_level(states, rng.random(12).astype(np.float32))
    low, high = sorted((a, b))
    assert (known_wet(history, low, 0.05) <= known_wet(history, high, 0.05)).all()


def test_known_wet_needs_a_lower_level() -> None:
    history = _valley(HISTORY)
    ranks = np.array([_rank(history, s) for s in history], np.float32)
    by_level = tally_by_level(history, ranks)
    lowest = known_wet(by_level, float(ranks[0]), 0.05)
    assert not lowest.any()
    middle = known_wet(by_level, float(ranks[5]), 0.05)
    assert (middle[:, : int(0.45 * W)] > 0).all()
    assert not middle[:, int(0.56 * W) :].any()


DAYS = [datetime(2025, 6, 1, tzinfo=UTC) + timedelta(days=d) for d in (0, 10, 20, 30, 40, 95)]


def test_a_level_unlike_those_before_and_after_is_told_as_not_known() -> None:
    assert stand_alone(DAYS, [0.2, 0.25, 0.8, 0.3, 0.3, 0.3]) == (False, False, True) + (False,) * 3
    assert stand_alone(DAYS, [0.8, None, 0.2, 0.9, 0.9, 0.3]) == (False, False, True) + (False,) * 3
    # A flood that lasts, a river that falls, neighbours too far away, the first and the last.
    assert not any(stand_alone(DAYS, [0.2, 0.8, 0.8, 0.2, 0.2, 0.9]))
    assert not any(stand_alone(DAYS, [0.9, 0.8, 0.6, 0.3, 0.1, 0.9]))
    assert not any(stand_alone(DAYS[3:], [0.2, 0.9, 0.2]))
    assert stand_alone([], []) == ()


def test_levels_that_contradict_the_water_are_told_with_the_reason() -> None:
    def day(rank: float, unusable: str = "") -> ReachDay:
        return ReachDay(Level(rank, False, 0.1, 900), 3, unusable)

    outside = day(float("nan"), "outside all reaches")
    ranks = {"c": 0.2, "a": 0.25, "b": 0.9}
    levels = {i: (outside, day(r), day(0.5, "no" * (i == "b"))) for i, r in ranks.items()}
    levels["d"] = (outside, outside, day(0.5))
    times = dict(zip("abcd", DAYS, strict=False))
    told = tell_levels(levels, times)
    assert list(told) == ["a", "b", "c", "d"]
    assert told["a"] == [
        {"rank": rank, "below_history": False, "known": True} for rank in (0.25, 0.5)
    ]
    one, other = told["b"]
    assert one is not None
    assert (one["rank"], one["known"]) == (0.9, False)
    assert "a short flood, or misread" in one["why"]
    assert other == {"rank": 0.5, "below_history": False, "known": False, "why": "no"}
    assert told["d"][0] is None
    assert tell_levels({}, {}) == {}
