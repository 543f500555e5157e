"""Changed ground: unexpected pixels, objects, looks at them, and kinds."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.detect.change import Run, deviation, flag
from pipeline.detect.change_options import ChangeOptions
from pipeline.detect.decks import goes_out, strip_over
from pipeline.detect.deviations import dry_counts
from pipeline.detect.disturb import Marked, Region, examine
from pipeline.detect.disturb_options import DisturbOptions
from pipeline.detect.features import features
from pipeline.detect.kinds import KindOptions, kind_scores, of_mixture
from pipeline.detect.level_history import tally_by_level
from pipeline.detect.look_surface import NDVI, WATER, Surface, decided
from pipeline.detect.objects import Pixels, Rejection
from pipeline.detect.regional import regional_offsets, tally_residuals
from pipeline.detect.resemble import Signature, alike_share, resemble
from pipeline.detect.water_frequency import N_BINS
from pipeline.model import Ground, Kind, Seen, Sighting, Window

SIDE = 60
STAMP = ("p1", datetime(2025, 5, 1, tzinfo=UTC))
CALM = Region(soil_ceiling=0.13, fields_flooded=False)
FIELD = (0.07, 0.5, -0.5)  # bright, ndvi, water
HEAP = (0.20, 0.08, -0.8)
POND = (0.06, -0.2, 0.6)


def surface(residual_px: float = 0.1) -> Surface:
    """A field beside a river of ten columns, as expected."""
    expected = np.empty((3, SIDE, SIDE), np.float32)
    for k, value in enumerate(FIELD):
        expected[k] = value
    state = np.full((SIDE, SIDE), Ground.GREEN, np.uint8)
    land = np.ones((SIDE, SIDE), bool)
    land[:, :10] = False
    state[:, :10] = Ground.WET
    spread = np.empty_like(expected)
    for k, value in enumerate((0.012, 0.05, 0.08)):
        spread[k] = value
    return Surface(
        Window(0, SIDE, 0, SIDE), expected.copy(), expected, spread, state, land, ~land & False,
        ~land & False, land.copy(), np.ones((SIDE, SIDE), bool),
        np.where(land, 20, 0).astype(np.uint16), np.ones((SIDE, SIDE), np.uint16),
        np.where(land, 0, 31).astype(np.uint8), residual_px,
    )  # fmt: skip


def put(s: Surface, part: tuple[slice, slice], look: tuple[float, ...], state: Ground) -> Surface:
    seen, states = s.seen.copy(), s.state.copy()
    for k, value in enumerate(look):
        seen[k][part] = value
    states[part] = state
    return replace(s, seen=seen, state=states)


def box(row: int, col: int, high: int, wide: int) -> tuple[slice, slice]:
    return slice(row, row + high), slice(col, col + wide)


def judge(
    s: Surface, region: Region = CALM, bare: float = 0.05, red: float = 0.0, **options: float
) -> list[Sighting | Rejection]:
    """All objects of a look, by their first pixel; ``red``: redness of all that is seen."""
    from pipeline.detect.objects import split

    z = deviation(s, np.zeros(3, np.float32))
    colour = np.full((SIDE, SIDE), red, np.float32)
    flags = flag(s, z, colour=lambda: colour)
    rows, cols = np.nonzero(flags.marked)
    pieces = split([Pixels(rows.astype(np.int32), cols.astype(np.int32), flags.seed[rows, cols])])
    index = np.full((SIDE, SIDE), bare, np.float32)
    marked = Marked(s, z, flags, index, colour)
    how = DisturbOptions.model_validate(options)
    return [examine(p, marked, region, STAMP, how) for p in pieces]


def test_ground_as_expected_says_nothing() -> None:
    assert judge(surface()) == []


def test_a_heap_is_one_certain_sighting() -> None:
    (found,) = judge(put(surface(), box(20, 30, 5, 7), HEAP, Ground.DRY))
    assert isinstance(found, Sighting)
    assert found.certain
    assert found.rows.size == 35
    assert found.measures["wait_days"] == 0
    assert found.measures["expected_water"] == pytest.approx(FIELD[WATER])
    assert found.measures["rectangularity"] == pytest.approx(1.0)


def test_water_above_dry_ground_is_certain_though_no_level_is_known() -> None:
    """A flood that reaches ground that was never wet covers what is lower first."""

    def certain(shoal: Ground, wide: int, *, levelled: bool = False) -> bool:
        s = put(surface(), box(20, 30, 5, 7), POND, Ground.WET)
        lower = np.zeros_like(s.land)
        lower[:, 10 : 10 + wide] = True
        state = np.where(lower, shoal, s.state).astype(np.uint8)
        known = np.full_like(s.levelled, levelled)
        bins = np.where(lower, 3, s.bins).astype(np.uint8)
        s = replace(s, shoal=lower, land=s.land & ~lower, state=state, levelled=known, bins=bins)
        found = [k for k in judge(s) if isinstance(k, Sighting) and k.cols.min() == 30]
        (pond,) = found
        assert pond.kind is Kind.CAI
        return pond.certain

    assert certain(Ground.DRY, 3)
    assert not certain(Ground.WET, 3)
    assert not certain(Ground.UNKNOWN, 3)
    assert not certain(Ground.DRY, 0)
    assert certain(Ground.DRY, 0, levelled=True)


@pytest.mark.parametrize(
    ("shore", "levelled", "seen", "often"),
    [
        (Ground.DRY, False, Seen.HIT, 10), (Ground.WET, False, Seen.UNKNOWN, 10),
        (Ground.UNKNOWN, False, Seen.UNKNOWN, 10), (Ground.DRY, True, Seen.UNKNOWN, 10),
        (Ground.DRY, False, Seen.UNKNOWN, 19),
    ],
)  # fmt: skip
def test_a_pit_on_a_bar_is_seen_below_all_levels_where_the_shore_is_dry(
    shore: Ground, levelled: bool, seen: Seen, often: int
) -> None:
    """A level that is known and says nothing of a pixel stays the better witness.

    The last one is a hollow: wet at three fifths of the levels, in a bar that is at one third.
    """
    where = box(20, 30, 5, 7)
    s = surface()
    lower = s.land.copy()
    state = np.where(lower, shore, s.state).astype(np.uint8)
    s = replace(
        s, shoal=lower, land=s.land & ~lower, dry=s.land & False, state=state,
        levelled=np.full_like(s.levelled, levelled),
        bins=np.where(lower, 10, s.bins).astype(np.uint8),
    )  # fmt: skip
    s.bins[where] = often
    pit = Signature(np.array(POND, np.float32))
    mask = np.zeros_like(s.land)
    mask[where] = True
    assert resemble(mask, put(s, where, POND, Ground.WET), pit).seen is seen


def test_ground_like_a_bare_field_must_stay_bare_for_a_season() -> None:
    soil = (0.11, 0.15, -0.8)
    (found,) = judge(put(surface(), box(20, 30, 5, 7), soil, Ground.DRY), bare=0.2)
    assert isinstance(found, Sighting)
    assert found.certain
    assert found.measures["wait_days"] == 90
    # A roof as dark as that is no soil.
    (roof,) = judge(put(surface(), box(20, 30, 5, 7), soil, Ground.DRY), bare=0.0)
    assert isinstance(roof, Sighting)
    assert roof.certain
    assert roof.measures["wait_days"] == 0


def test_a_thin_rim_of_bare_shore_is_none_and_a_heap_on_it_is_one() -> None:
    bare = surface()
    expected = bare.expected.copy()
    expected[:, :, 10:20] = np.array([0.12, 0.14, -0.6])[:, None, None]
    bare = replace(bare, expected=expected, seen=expected.copy())
    lighter = (0.19, 0.14, -0.6)
    (rim,) = judge(put(bare, box(20, 10, 6, 1), lighter, Ground.DRY))
    assert isinstance(rim, Rejection)
    assert rim.unknown
    for part in (box(20, 10, 6, 4), box(20, 14, 6, 1)):
        (heap,) = judge(put(bare, part, lighter, Ground.DRY))
        assert isinstance(heap, Sighting)
    # Lost plants are no matter of the water's edge.
    (green,) = judge(put(surface(), box(20, 10, 6, 1), HEAP, Ground.DRY))
    assert isinstance(green, Sighting)


def test_the_greener_half_of_a_felled_wood_counts() -> None:
    s = put(surface(), box(20, 30, 5, 7), (0.11, 0.15, -0.8), Ground.DRY)
    (half,) = judge(s, bare=0.2)
    s = put(s, box(20, 37, 5, 12), (0.11, 0.24, -0.8), Ground.DRY)
    (whole,) = judge(s, bare=0.2)
    assert isinstance(half, Sighting)
    assert isinstance(whole, Sighting)
    assert half.certain
    assert not whole.certain
    assert whole.rows.size < 50


def test_straw_and_brash_are_never_certain() -> None:
    straw = (0.11, 0.19, -0.8)
    (found,) = judge(put(surface(), box(20, 30, 5, 7), straw, Ground.DRY), bare=0.2)
    assert isinstance(found, Sighting)
    assert not found.certain


def test_puddles_do_not_make_straw_bare() -> None:
    s = put(surface(), box(20, 30, 5, 10), (0.11, 0.19, -0.8), Ground.DRY)
    s = put(s, box(20, 30, 5, 4), POND, Ground.WET)
    (found,) = judge(s, bare=0.2)
    assert isinstance(found, Sighting)
    assert 0.2 < found.measures["wet_share"] < 0.5
    assert not found.certain
    heap = put(surface(), box(20, 30, 5, 10), HEAP, Ground.DRY)
    heap = put(heap, box(20, 30, 5, 4), POND, Ground.WET)
    assert [f.certain for f in judge(heap) if isinstance(f, Sighting)] == [True]
    flooded = judge(heap, Region(0.13, fields_flooded=True))
    assert [f.certain for f in flooded if isinstance(f, Sighting)] == [False]


@pytest.mark.parametrize("look", [(0.04, 0.1, -0.6), (0.2, 0.45, -0.6)])
def test_dark_or_green_ground_is_not_bare(look: tuple[float, ...]) -> None:
    assert judge(put(surface(), box(20, 30, 5, 7), look, Ground.DRY)) == []


def test_a_pond_waits_and_a_flooded_country_makes_none_certain() -> None:
    s = put(surface(), box(20, 30, 6, 6), POND, Ground.WET)
    (found,) = judge(s)
    assert isinstance(found, Sighting)
    assert found.certain
    assert found.kind is Kind.CAI
    assert found.measures["wait_days"] == 60
    (flooded,) = judge(s, Region(0.13, fields_flooded=True))
    assert isinstance(flooded, Sighting)
    assert not flooded.certain


def test_red_soil_is_bare_by_its_colour_up_to_its_own_ndvi() -> None:
    def look(ndvi: float) -> Surface:
        return put(surface(), box(20, 30, 6, 6), (0.11, ndvi, -0.6), Ground.DRY)

    (found,) = judge(look(0.25), bare=0.25, red=0.28)
    assert isinstance(found, Sighting)
    assert found.certain
    assert found.rows.size == 36
    assert found.measures["redness"] == pytest.approx(0.28)
    assert judge(look(0.25), bare=0.2, red=0.14) == []  # straw, brash
    assert judge(look(0.33), bare=0.2, red=0.28) == []  # plants on it
    (straw,) = judge(look(0.19), bare=0.2, red=0.14)
    assert isinstance(straw, Sighting)
    assert not straw.certain


def test_without_its_colour_no_soil_is_red() -> None:
    s = put(surface(), box(20, 30, 6, 6), (0.11, 0.25, -0.6), Ground.DRY)
    assert not flag(s, deviation(s, np.zeros(3, np.float32))).marked.any()


def test_a_small_yard_beside_the_river_is_no_rim_of_its_shore() -> None:
    """Its field is green and bare in turn, so that all of its plants are no deviation."""
    s = surface()
    s.spread[NDVI] = 0.18
    yard = put(s, box(20, 10, 3, 3), (0.26, 0.08, -0.9), Ground.DRY)
    (found,) = judge(yard)
    assert isinstance(found, Sighting)
    (mud,) = judge(put(s, box(20, 10, 3, 3), (0.12, 0.08, -0.9), Ground.DRY))
    assert isinstance(mud, Rejection)  # little lighter: mixed pixels of a level explain it
    # As light as it may be, a line of sand that a flood left is one.
    for part in (box(20, 10, 4, 1), box(20, 10, 4, 2)):
        (sand,) = judge(put(s, part, (0.22, 0.12, -0.9), Ground.DRY))
        assert isinstance(sand, Rejection)
    # What is no rim by its breadth from the water on stays none.
    (bank,) = judge(put(s, box(20, 10, 6, 2), (0.22, 0.12, -0.9), Ground.DRY))
    assert isinstance(bank, Sighting)
    # And a yard of three pixels may be one where looks are shifted by half of one.
    blurred = replace(put(s, box(20, 10, 3, 3), (0.26, 0.08, -0.9), Ground.DRY), residual_px=0.6)
    (shifted,) = judge(blurred)
    assert isinstance(shifted, Rejection)


def test_a_small_pond_is_seen_with_its_rim_and_a_damp_field_is_not() -> None:
    damp = (0.065, 0.2, -0.15)  # more than half way from the field to water
    rim = put(surface(), box(20, 30, 3, 3), damp, Ground.DRY)
    (found,) = judge(put(rim, box(21, 31, 1, 1), POND, Ground.WET))
    assert isinstance(found, Sighting)
    assert found.kind is Kind.CAI
    assert found.rows.size == 9
    assert found.measures["wet_share"] == 1  # its rim is neither water nor bare
    assert judge(rim) == []  # without a pure pixel in its middle it is wet soil
    dry_rim = put(surface(), box(20, 30, 3, 3), (0.07, 0.4, -0.4), Ground.DRY)
    (alone,) = judge(put(dry_rim, box(21, 31, 1, 1), POND, Ground.WET))
    assert isinstance(alone, Rejection)


NARROW = (0.065, -0.12, -0.1)  # a pond of 30 m: SWIR sees its banks, the 10 m bands see water


def test_a_narrow_pond_is_told_by_its_near_infrared() -> None:
    (found,) = judge(put(surface(), box(20, 30, 3, 4), NARROW, Ground.DRY))
    assert isinstance(found, Sighting)
    assert (found.kind, found.measures["wet_share"]) == (Kind.CAI, 1.0)
    assert found.measures["wait_days"] == 60
    for damp in ((0.065, 0.1, -0.1), (0.2, -0.12, -0.1), (0.065, -0.12, -0.3)):
        # Soil, a pale roof, and what is not half way to water.
        assert not any(
            isinstance(f, Sighting) and f.kind is Kind.CAI
            for f in judge(put(surface(), box(20, 30, 3, 4), damp, Ground.DRY))
        )
    foot = np.zeros((SIDE, SIDE), bool)
    foot[20:23, 30:34] = True
    pond = Signature(np.array(NARROW, np.float32))
    assert pond.watery
    there = put(surface(), box(20, 30, 3, 4), NARROW, Ground.DRY)
    assert resemble(foot, there, pond).seen is Seen.HIT
    assert resemble(foot, surface(), pond).seen is Seen.MISS


def test_where_the_score_cannot_decide_the_near_infrared_does() -> None:
    seen = np.zeros((3, 1, 4), np.float32)
    seen[NDVI] = [-0.1, 0.1, -0.1, -0.1]
    seen[WATER] = [0.02, 0.02, -0.4, 0.02]
    state = np.array([[Ground.UNKNOWN] * 3 + [Ground.DRY]], np.uint8)
    said = decided(seen, state, ChangeOptions())
    assert said.tolist() == [[Ground.WET, Ground.UNKNOWN, Ground.UNKNOWN, Ground.DRY]]


def test_looks_too_weak_alone_start_a_pond_together() -> None:
    wide = replace(surface(), spread=surface().spread.copy())
    wide.spread[WATER] = 0.14  # a deviation of three
    pond = put(wide, box(20, 30, 3, 4), NARROW, Ground.DRY)
    clouded = put(wide, box(20, 30, 3, 4), HEAP, Ground.UNKNOWN)

    def started(*looks: Surface) -> bool:
        run, seeds = Run.begin((SIDE, SIDE)), np.zeros((SIDE, SIDE), bool)
        for s in looks:
            z = deviation(s, np.zeros(3, np.float32))
            flags = flag(s, z)
            assert not flags.seed.any()
            run = run.seen(s, z, flags)
            seeds = run.seeds(flags)
        return bool(seeds.any())

    assert not started(pond)
    assert started(pond, pond)
    assert started(pond, clouded, pond)
    assert not started(pond, wide, pond)  # it was gone in between


def test_water_over_the_bank_is_a_shore_unless_it_is_thick() -> None:
    thin = put(surface(0.6), box(5, 10, 40, 2), POND, Ground.WET)
    (found,) = judge(thin)
    assert isinstance(found, Rejection)
    assert "shore" in found.reason
    (pit,) = judge(put(surface(0.6), box(20, 10, 12, 12), POND, Ground.WET))
    assert isinstance(pit, Sighting)


def test_water_above_all_known_levels_is_no_claim() -> None:
    s = put(surface(), box(20, 30, 6, 6), POND, Ground.WET)
    assert judge(replace(s, dry=np.zeros_like(s.dry))) == []


def test_a_line_is_never_certain() -> None:
    (road,) = judge(put(surface(), box(5, 30, 40, 3), HEAP, Ground.DRY))
    assert isinstance(road, Sighting)
    assert not road.certain


@pytest.mark.parametrize(("wide", "bridge"), [(1, True), (2, True), (14, False), (0, False)])
def test_a_narrow_strip_over_water_is_a_bridge(wide: int, bridge: bool) -> None:
    land = np.ones((SIDE, SIDE), bool)
    land[:, :20] = False
    water = np.where(land, -0.5, 0.5).astype(np.float32)
    water[30 - wide // 2 : 30 - wide // 2 + wide, :20] = 0.05
    mask = np.zeros((SIDE, SIDE), bool)
    mask[29:32, 22:27] = True
    assert strip_over(mask, water, bins_of(land)) is bridge


def bins_of(land: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Give a history in which water never came to the land and never left the rest."""
    return np.where(land, 0, N_BINS - 1).astype(np.uint8)


@pytest.mark.parametrize("width", [2, 3, 4, 5])
def test_a_heap_on_a_dike_or_before_an_old_pier_is_no_ramp(width: int) -> None:
    dike = np.zeros((SIDE, SIDE), bool)
    dike[30 : 30 + width] = True
    heap = dike.copy()
    heap[:, :20] = heap[:, 28:] = False
    water = np.where(dike, -0.5, 0.5).astype(np.float32)
    assert not strip_over(heap, water, bins_of(dike))
    assert strip_over(heap, water, bins_of(heap))  # were it new, it would be a bridge
    pier = np.zeros((SIDE, SIDE), bool)
    pier[:, :20] = pier[30:32, 20:50] = True
    heap[:] = False
    heap[28:34, 12:19] = True
    water = np.where(pier, -0.5, 0.5).astype(np.float32)
    assert not strip_over(heap, water, bins_of(pier))


def over_water(deck: bool) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Water score of a look at a river of twenty columns, with a deck across it or not."""
    land = np.ones((SIDE, SIDE), bool)
    land[:, :20] = False
    water = np.where(land, -0.5, 0.5).astype(np.float32)
    if deck:
        water[29:31, :20] = 0.05
    return water, land


def test_a_ramp_that_hangs_together_with_bare_shore_is_a_bridge_and_a_fill_beside_it_is_not() -> (
    None
):
    water, land = over_water(True)
    ramp = np.zeros((SIDE, SIDE), bool)
    ramp[29:31, 20:34] = True
    shore = ramp.copy()
    shore[3:29, 20:22] = True  # pulls the centre off the deck's line
    assert strip_over(shore, water, bins_of(land))
    assert not strip_over(shore, over_water(False)[0], bins_of(land))
    fill = np.zeros((SIDE, SIDE), bool)
    fill[8:32, 20:26] = True
    assert not strip_over(fill, water, bins_of(land))


@pytest.mark.parametrize("degrees", [-40, -17, -6, 4, 9, 13, 28])
@pytest.mark.parametrize("wide", [1.5, 3.0])
def test_a_deck_is_found_in_any_direction_and_over_a_shore_that_falls_dry(
    degrees: float, wide: float
) -> None:
    """The ramp ends eight pixels before what was always water, as on a gentle bank."""
    rows, cols = np.indices((SIDE, SIDE)).astype(np.float64)
    turn = np.radians(degrees)
    along = (42 - cols) * np.cos(turn) + (rows - 30) * np.sin(turn)
    off = np.abs((rows - 30) * np.cos(turn) - (42 - cols) * np.sin(turn))
    bins = np.where(cols < 30, N_BINS - 1, np.where(cols < 38, 12, 0)).astype(np.uint8)
    water = np.where(cols < 30, 0.5, -0.5).astype(np.float32)
    ramp = (off <= 2) & (along >= -4) & (cols >= 38)
    assert not strip_over(ramp, water, bins)
    blurred = np.clip((off - wide / 2) / 2, 0, 1)  # SWIR sees twenty metres
    deck = np.where(cols < 30, 0.05 + 0.45 * blurred, -0.5).astype(np.float32)
    assert strip_over(ramp, deck, bins)
    mole = np.where((cols < 30) & (off <= 5), 0.05, water).astype(np.float32)
    assert not strip_over(ramp, mole, bins)


@pytest.mark.parametrize("degrees", [-17, -6, 6, 17])
def test_a_deck_over_a_wide_river_lies_in_one_of_the_directions(degrees: float) -> None:
    """It is a pixel and a half wide and 350 m long: rays 11 degrees apart leave it half way."""
    rows, cols = np.indices((SIDE, SIDE)).astype(np.float64)
    turn = np.radians(degrees)
    along = (44 - cols) * np.cos(turn) + (rows - 30) * np.sin(turn)
    off = np.abs((rows - 30) * np.cos(turn) - (44 - cols) * np.sin(turn))
    land = cols >= 42
    water = np.where(land, -0.5, np.where(off <= 0.7, 0.05, 0.5)).astype(np.float32)
    ramp = land & (off <= 2) & (along >= -6)
    assert strip_over(ramp, water, bins_of(land))


def test_a_ramp_and_bare_shore_may_end_on_ground_that_falls_dry() -> None:
    """Four pixels before what is always water; the shore beside it pulls the middle away."""
    water, land = over_water(True)
    bins = bins_of(land)
    bins[:, 20:24] = 12
    shore = np.zeros((SIDE, SIDE), bool)
    shore[29:31, 24:40] = shore[3:29, 24:26] = True
    assert strip_over(shore, water, bins)
    fill = np.zeros((SIDE, SIDE), bool)
    fill[3:31, 24:30] = True  # most of it lies elsewhere
    assert not strip_over(fill, water, bins)


def test_a_yard_to_whose_middle_a_deck_points_is_no_landing() -> None:
    water, land = over_water(True)
    yard, landing = np.zeros((2, SIDE, SIDE), bool)
    yard[22:38, 28:44] = True
    landing[26:34, 28:36] = True  # of some 80 m
    assert not strip_over(yard, water, bins_of(land))
    assert strip_over(landing, water, bins_of(land))


def test_a_heap_at_a_narrow_bridge_that_has_stood_for_long_is_no_ramp() -> None:
    """A deck of a pixel or two was wet on every look of its history, as the river is."""
    (deck, land), (open_water, _) = over_water(True), over_water(False)
    heap = np.zeros((SIDE, SIDE), bool)
    heap[28:32, 22:30] = True
    unknown = np.full_like(deck, np.nan)
    for was, bridge in ((deck, False), (open_water, True), (unknown, True)):
        assert strip_over(heap, deck, bins_of(land), was) is bridge
        assert goes_out(heap, [deck] * 8, bins_of(land), before=lambda was=was: was) is bridge


def test_what_was_before_is_asked_only_where_there_is_a_strip() -> None:
    def never() -> NDArray[np.float32]:
        raise AssertionError

    open_water, land = over_water(False)
    heap = np.zeros((SIDE, SIDE), bool)
    heap[28:32, 22:30] = True
    assert not goes_out(heap, [open_water] * 3, bins_of(land), before=never)


def test_a_deck_that_is_younger_than_its_ramp_is_seen_on_the_newest_looks() -> None:
    (whole, land), (open_water, _) = over_water(True), over_water(False)
    ramp = np.zeros((SIDE, SIDE), bool)
    ramp[28:32, 22:30] = True
    looks = [open_water] * 10 + [whole] * 8
    assert goes_out(ramp, looks, bins_of(land))
    assert not goes_out(ramp, looks[:10], bins_of(land))
    assert not goes_out(ramp, looks, bins_of(land), DisturbOptions(deck_looks=100))


def test_a_small_heap_where_plants_are_dormant_has_a_rim_of_light() -> None:
    pale = surface()
    pale.expected[NDVI] = pale.seen[NDVI] = 0.3
    rim = put(pale, box(20, 30, 3, 3), (0.14, 0.22, -0.7), Ground.DRY)
    (found,) = judge(put(rim, box(21, 31, 1, 1), HEAP, Ground.DRY))
    assert isinstance(found, Sighting)
    assert found.rows.size == 9
    assert judge(rim) == []
    faint = put(pale, box(20, 30, 3, 3), (0.11, 0.22, -0.7), Ground.DRY)  # less than half as light
    (alone,) = judge(put(faint, box(21, 31, 1, 1), HEAP, Ground.DRY))
    assert isinstance(alone, Rejection)


def test_soil_of_mixed_pixels_is_bare_and_a_felling_of_them_is_not() -> None:
    wood = surface()
    wood.expected[NDVI] = wood.seen[NDVI] = 0.7
    mixed = (0.11, 0.28, -0.7)  # of the plants around it a quarter is left
    (heap,) = judge(put(wood, box(20, 30, 2, 3), mixed, Ground.DRY), bare=0.2)
    assert isinstance(heap, Sighting)
    assert heap.certain
    assert heap.measures["wait_days"] == 90
    for part in (box(20, 30, 5, 7), box(20, 30, 2, 12)):
        felled = judge(put(wood, part, mixed, Ground.DRY), bare=0.2)
        assert not any(f.certain for f in felled if isinstance(f, Sighting))


def test_what_a_swath_or_a_cloud_hides_of_a_felling_does_not_make_it_small() -> None:
    wood = surface()
    wood.expected[NDVI] = wood.seen[NDVI] = 0.7
    felled = put(wood, box(20, 30, 12, 12), (0.11, 0.28, -0.7), Ground.DRY)
    nothing = (np.nan, np.nan, np.nan)
    for hidden in (nothing, (0.5, 0.5, -0.3)):
        part = put(felled, box(20, 33, 12, 9), hidden, Ground.UNKNOWN)
        part = put(part, box(24, 30, 8, 3), hidden, Ground.UNKNOWN)  # 4 x 3 pixels are left
        assert judge(part, bare=0.2) == []
        hid = put(put(wood, box(20, 30, 2, 3), HEAP, Ground.DRY), box(22, 20, 9, 20), hidden,
                  Ground.UNKNOWN)  # fmt: skip
        (beside,) = (f for f in judge(hid) if isinstance(f, Sighting))
        assert beside.measures["lost_px"] == 6 + 9 * 20
    # Beside water that was not seen it is as small as it looks.
    bank = put(wood, box(20, 10, 2, 3), (0.11, 0.28, -0.7), Ground.DRY)
    dry = bank.expected.copy()
    dry[NDVI, :, :10] = -0.2
    (heap,) = judge(put(replace(bank, expected=dry), box(0, 0, SIDE, 10), nothing, Ground.UNKNOWN))
    assert isinstance(heap, Sighting)
    assert heap.measures["lost_px"] == 6


def test_little_history_is_not_certain() -> None:
    s = put(surface(), box(20, 30, 5, 7), HEAP, Ground.DRY)
    few = np.where(s.land, 5, 0).astype(np.uint16)
    (found,) = judge(replace(s, looks=few))
    assert isinstance(found, Sighting)
    assert not found.certain


def test_an_edge_of_the_expected_ground_is_no_change_under_a_shift() -> None:
    """A bright yard seen one pixel further east by a badly registered date."""
    s = surface()
    expected, seen = s.expected.copy(), s.seen.copy()
    for k, value in enumerate(HEAP):
        expected[k][box(20, 30, 8, 8)] = value
        seen[k][box(20, 31, 8, 8)] = value
    state = s.state.copy()
    state[box(20, 31, 8, 8)] = Ground.DRY
    moved = replace(s, expected=expected, seen=seen, state=state)
    assert judge(replace(moved, residual_px=0.5)) == []
    assert judge(replace(moved, residual_px=0.0)) != []


def test_what_the_whole_region_did_is_taken_out() -> None:
    s = surface()
    hazy = s.seen.copy()
    hazy[0] += 0.05
    s = replace(s, seen=hazy)
    total = tally_residuals(s, s.window, 1)
    offsets = regional_offsets(total)
    z = deviation(s, offsets)
    assert np.nanmax(np.abs(z[0])) < 0.5
    halves = tally_residuals(s, Window(0, 31, 0, SIDE), 1) + tally_residuals(
        s, Window(31, SIDE, 0, SIDE), 1
    )
    assert np.array_equal(halves, total)
    few = regional_offsets(total, ChangeOptions(region_pixels=10_000))
    assert not few.any()


def test_a_bar_that_lightens_as_a_whole_is_no_change() -> None:
    s = surface()
    bar = np.zeros(s.land.shape, bool)
    bar[box(10, 10, 20, 20)] = True
    seen = s.seen.copy()
    seen[0][bar] += 0.05
    s = replace(s, seen=seen, bar=bar, shoal=bar, land=s.land & ~bar, dry=s.dry | bar)
    offsets = regional_offsets(tally_residuals(s, s.window, 1))
    assert np.nanmedian(np.abs(deviation(s, offsets)[0][bar])) < 0.5
    assert np.nanmax(np.abs(deviation(s, np.zeros(3, np.float32))[0][bar])) > 1


def test_known_dry_is_the_mirror_of_known_wet() -> None:
    states = np.array([Ground.DRY, Ground.DRY, Ground.WET, Ground.DRY], np.uint8)[:, None, None]
    ranks = np.array([0.3, 0.5, 0.9, 0.6], np.float32)
    history = tally_by_level(states, ranks)

    def at(rank: float) -> int:
        ranks = np.array([np.nan, rank], np.float32)
        return int(dry_counts(history, np.ones((1, 1), np.uint16), ranks, 0.05)[0][0, 0])

    assert at(0.2) == 3
    assert at(0.4) == 2
    assert at(0.7) == 0


def test_a_bar_that_lies_dry_longer_than_ever_is_not_compared() -> None:
    states = np.full((4, 1, 1), Ground.DRY, np.uint8)
    history = tally_by_level(states, np.array([0.3, 0.4, 0.5, 0.6], np.float32))
    reach = np.ones((1, 1), np.uint16)

    def at(rank: float) -> bool:
        ranks = np.array([np.nan, rank], np.float32)
        return bool(dry_counts(history, reach, ranks, 0.05)[1][0, 0] >= 2)

    assert at(0.45)
    assert not at(0.2)
    assert not at(float("nan"))


def bars() -> Surface:
    """Ground that is under water part of the year, dry at this level."""
    s = surface()
    return replace(s, land=np.zeros_like(s.land), bar=s.land.copy(), shoal=s.land.copy())


def test_on_a_bar_a_pixel_needs_company() -> None:
    lone = put(bars(), box(30, 30, 1, 2), HEAP, Ground.DRY)
    assert judge(lone) == []
    (found,) = judge(put(bars(), box(30, 30, 6, 6), HEAP, Ground.DRY))
    assert isinstance(found, Sighting)
    assert kind_scores([found.measures])[Kind.CAI] > 0.5
    drowned = bars()
    drowned = replace(drowned, dry=np.zeros_like(drowned.dry))
    assert judge(put(drowned, box(30, 30, 6, 6), HEAP, Ground.DRY)) == []


def test_water_on_a_bar_is_unexpected_below_all_known_levels_and_bare_ground_is_not() -> None:
    low = replace(bars(), bar=np.zeros((SIDE, SIDE), bool))  # never seen dry so low
    (pond,) = judge(put(low, box(30, 30, 6, 6), POND, Ground.WET))
    assert isinstance(pond, Sighting)
    assert (pond.kind, pond.measures["bar_share"]) == (Kind.CAI, 1.0)
    assert judge(put(low, box(30, 30, 6, 6), HEAP, Ground.DRY)) == []
    foot = np.zeros((SIDE, SIDE), bool)
    foot[30:36, 30:36] = True
    pit, heap = Signature(np.array(POND, np.float32)), Signature(np.array(HEAP, np.float32))
    there = put(low, box(30, 30, 6, 6), POND, Ground.WET)
    assert resemble(foot, there, pit).seen is Seen.HIT
    assert resemble(foot, low, pit).seen is Seen.MISS
    alone = replace(low, shoal=foot)  # nothing lies as high
    there = put(alone, box(30, 30, 6, 6), HEAP, Ground.DRY)
    assert resemble(foot, there, heap).seen is Seen.UNKNOWN


def test_below_all_known_levels_a_heap_on_a_bar_is_told_by_ground_that_lies_as_high() -> None:
    nowhere = np.zeros((SIDE, SIDE), bool)
    bins = np.full((SIDE, SIDE), 12, np.uint8)
    bins[:20] = 24  # lower ground, that has dried for less long
    low = replace(bars(), bar=nowhere, bins=bins)
    heap = Signature(np.array(HEAP, np.float32))
    foot = nowhere.copy()
    foot[box(30, 30, 6, 6)] = True

    def says(s: Surface) -> Seen:
        return resemble(foot, s, heap).seen

    def lighter(s: Surface, part: tuple[slice, ...], by: float) -> Surface:
        seen = s.seen.copy()
        seen[0][part] += by
        return replace(s, seen=seen)

    all_of_it = (slice(None), slice(None))
    there = put(low, box(30, 30, 6, 6), HEAP, Ground.DRY)
    assert says(there) is Seen.HIT
    assert says(low) is Seen.MISS
    # A bar that dries becomes lighter as a whole: what lies as high says by how much.
    assert says(lighter(there, all_of_it, 0.04)) is Seen.HIT
    assert says(lighter(low, all_of_it, 0.04)) is Seen.MISS
    # Ground that lies lower says nothing of it, and none is no control.
    assert says(lighter(low, (slice(0, 20),), 0.12)) is Seen.MISS
    assert says(replace(there, bins=np.where(foot, 12, 24).astype(np.uint8))) is Seen.UNKNOWN
    # No level need be known, if what lies as high lies dry.
    unlevelled = replace(there, levelled=nowhere, dry=nowhere)
    assert says(unlevelled) is Seen.HIT
    assert says(put(unlevelled, box(45, 20, 3, 30), POND, Ground.WET)) is Seen.HIT
    assert says(put(unlevelled, box(45, 20, 6, 38), POND, Ground.WET)) is Seen.UNKNOWN
    # What is as light as the heap in many places around is nothing special here.
    assert says(put(there, box(40, 12, 16, SIDE - 14), HEAP, Ground.DRY)) is Seen.UNKNOWN
    assert says(put(low, all_of_it, HEAP, Ground.DRY)) is Seen.UNKNOWN


def test_what_stands_out_on_a_bar_is_unlike_ground_that_lies_as_high_at_any_level() -> None:
    bins = np.full((SIDE, SIDE), 12, np.uint8)
    bins[:20] = 24
    s = replace(bars(), bins=bins)
    heap = Signature(np.array(HEAP, np.float32))
    foot = np.zeros((SIDE, SIDE), bool)
    foot[box(30, 30, 6, 6)] = True
    there = put(s, box(30, 30, 6, 6), HEAP, Ground.DRY)
    assert alike_share(foot, there, heap) == 0
    assert alike_share(foot, put(there, box(2, 2, 15, 50), HEAP, Ground.DRY), heap) == 0  # lower
    assert 0.2 < alike_share(foot, put(there, box(40, 2, 14, 40), HEAP, Ground.DRY), heap) < 0.5
    # All of it lightened alike: not what is unlike its own normal counts.
    seen = there.seen.copy()
    seen[0] += 0.04
    assert alike_share(foot, replace(there, seen=seen), heap) == 0
    # Off bars, and where nothing lies as high, nothing tells.
    assert np.isnan(alike_share(foot, replace(there, shoal=np.zeros_like(foot)), heap))
    alone = replace(there, bins=np.where(foot, 12, 24).astype(np.uint8))
    assert np.isnan(alike_share(foot, alone, heap))


def test_a_pool_on_a_bar_is_told_by_how_often_it_was_dry_not_by_its_normal() -> None:
    few = bars()
    few.spread[WATER] = 0.8  # of three looks, pooled: no water can stand out
    few.looks[few.looks > 0] = 3
    (pool,) = judge(put(few, box(30, 30, 3, 3), POND, Ground.WET))
    assert isinstance(pool, Sighting)
    assert pool.certain
    assert judge(put(few, box(30, 30, 2, 2), POND, Ground.WET)) == []  # four pixels have no core
    (doubted,) = judge(put(few, box(30, 30, 3, 3), POND, Ground.WET), sparse_pool=4)
    assert isinstance(doubted, Sighting)
    assert not doubted.certain
    land = surface()
    land.spread[WATER] = 0.8
    assert judge(put(land, box(30, 30, 3, 3), POND, Ground.WET)) == []


def test_a_small_heap_is_seen_with_its_mixed_rim_and_a_large_one_as_it_is() -> None:
    mixed = (0.11, 0.27, -0.6)  # more than half of the plants gone
    small = put(surface(), box(20, 30, 3, 3), mixed, Ground.GREEN)
    small = put(small, box(21, 31, 1, 1), HEAP, Ground.DRY)
    (found,) = judge(small)
    assert isinstance(found, Sighting)
    assert found.rows.size == 9
    assert found.measures["wet_share"] == 0
    assert found.measures["core_bright"] > 0.15 > found.measures["bright"]
    assert found.certain  # by what is pure of it: its rim alone is as dark as a field
    assert judge(put(surface(), box(20, 30, 3, 3), mixed, Ground.GREEN)) == []
    large = put(surface(), box(20, 30, 8, 8), mixed, Ground.GREEN)
    large = put(large, box(21, 31, 6, 6), HEAP, Ground.DRY)
    (whole,) = judge(large)
    assert isinstance(whole, Sighting)
    assert 36 <= whole.rows.size < 50  # corners at most


FOOT = np.zeros((SIDE, SIDE), bool)
FOOT[20:25, 30:37] = True
SEEN_AS = Signature(np.array(HEAP, np.float32))


SPOIL = (0.17, 0.2, -0.8)


@pytest.mark.parametrize(
    ("beside", "state", "share"),
    [
        ((0.04, 0.0, -0.2), Ground.DRY, 0.5),  # a pond; its SWIR is half that of the banks
        ((0.04, 0.0, -0.04), Ground.UNKNOWN, 0.5),  # neither water nor land by its score
        ((0.03, -0.2, 0.3), Ground.WET, 0.5),
        ((0.03, 0.35, -0.2), Ground.DRY, 0.0),  # plants in the shade of what was built
        ((0.035, 0.05, -0.6), Ground.DRY, 0.0),  # a dark roof: SWIR is as light as ever
        ((0.068, 0.147, -0.42), Ground.DRY, 0.0),  # tarmac, or dark rubble
        ((0.04, 0.0, -0.9), Ground.UNKNOWN, 0.0),  # a cloud
        (FIELD, Ground.GREEN, 0.0),
    ],
)
def test_a_pit_is_told_by_the_dark_ground_beside_its_spoil(
    beside: tuple[float, float, float], state: Ground, share: float
) -> None:
    s = put(surface(), box(20, 30, 6, 6), SPOIL, Ground.DRY)
    found, *_ = judge(put(s, box(20, 36, 6, 6), beside, state), bare=-0.02)
    assert isinstance(found, Sighting)
    assert found.measures["hollow_share"] == pytest.approx(share, abs=0.09)
    assert (next(iter(kind_scores([found.measures]))) is Kind.CAI) == (share > 0)


def test_what_was_dark_before_is_no_pit() -> None:
    s = put(surface(), box(20, 30, 6, 6), SPOIL, Ground.DRY)
    s = put(s, box(20, 36, 6, 6), (0.04, 0.0, -0.2), Ground.DRY)
    s.expected[:, 20:26, 36:42] = s.seen[:, 20:26, 36:42]
    found, *_ = judge(s)
    assert isinstance(found, Sighting)
    assert found.measures["hollow_share"] == 0


@pytest.mark.parametrize(
    ("ndvi", "index", "certain"),
    [(0.31, -0.15, False), (0.31, -0.05, True), (0.12, -0.15, True)],
    ids=["snow", "thin cloud or rubble among plants", "blue roof"],
)
def test_plants_under_thin_snow_are_never_certain(
    ndvi: float, index: float, *, certain: bool
) -> None:
    s = surface()
    s.expected[NDVI] = s.seen[NDVI] = 0.7
    (found,) = judge(put(s, box(20, 30, 8, 8), (0.19, ndvi, -0.56), Ground.DRY), bare=index)
    assert isinstance(found, Sighting)
    assert found.certain == certain


def test_ordinary_bare_ground_around_tells_how_wet_the_soil_is() -> None:
    yard = (0.14, 0.15, -0.7)
    s = put(surface(), box(20, 30, 5, 7), HEAP, Ground.DRY)
    (alone,) = judge(s)
    assert isinstance(alone, Sighting)
    assert "around_bright" not in alone.measures
    s = put(s, box(40, 30, 6, 6), yard, Ground.DRY)
    s.expected[:, 40:46, 30:36] = s.seen[:, 40:46, 30:36]
    (found,) = judge(s)
    assert isinstance(found, Sighting)
    assert found.measures["around_bright"] == pytest.approx(0.14)


def test_a_look_is_a_hit_a_miss_or_nothing() -> None:
    s = surface()
    there = put(s, box(20, 30, 5, 7), HEAP, Ground.DRY)
    assert resemble(FOOT, there, SEEN_AS).seen is Seen.HIT
    assert resemble(FOOT, s, SEEN_AS).seen is Seen.MISS
    cloudy = there.state.copy()
    cloudy[:, :34] = Ground.UNKNOWN
    assert resemble(FOOT, replace(there, state=cloudy), SEEN_AS).seen is Seen.UNKNOWN
    half = put(s, box(20, 30, 5, 7), tuple(0.6 * a + 0.4 * b for a, b in zip(FIELD, HEAP,
               strict=True)), Ground.DRY)  # fmt: skip
    assert resemble(FOOT, half, SEEN_AS).seen is Seen.UNKNOWN


def test_other_ground_is_no_hit_though_it_is_as_far_away() -> None:
    s = surface()
    flooded = put(s, box(20, 30, 5, 7), POND, Ground.WET)
    assert resemble(FOOT, flooded, SEEN_AS).seen is Seen.UNKNOWN
    ploughed = put(s, box(20, 30, 5, 7), (0.09, 0.12, -0.7), Ground.DRY)
    assert resemble(FOOT, ploughed, SEEN_AS).seen is Seen.UNKNOWN


def test_ground_that_looks_like_the_object_anyway_tells_nothing() -> None:
    s = surface()
    winter = s.expected.copy()
    for k, value in enumerate(HEAP):
        winter[k] = value + (0.01 if k == 0 else 0)
    same = replace(s, expected=winter, seen=winter.copy())
    assert resemble(FOOT, same, SEEN_AS).seen is Seen.UNKNOWN


def test_haze_around_is_taken_out_of_a_look() -> None:
    s = surface()
    hazy = s.seen.copy()
    hazy[0] += 0.09
    hazy[NDVI] -= 0.15
    assert resemble(FOOT, replace(s, seen=hazy), SEEN_AS).seen is Seen.MISS


def numbers(**more: float) -> dict[str, float]:
    base = {"wet_share": 0.0, "bar_share": 0.0, "rectangularity": 0.7, "area_m2": 1000.0}
    return {**base, **more}


def test_a_small_pit_without_a_pure_pixel_of_water_is_one_by_how_far_its_score_rose() -> None:
    dry = numbers(bare=-0.02)
    mixed = dry | {"water": -0.2, "expected_water": -0.6, "z_water": 3.6}
    assert next(iter(kind_scores([mixed] * 3))) is Kind.CAI
    assert next(iter(kind_scores([dry] * 3 + [mixed] * 3))) is Kind.CAI  # it filled
    # Tarmac and felt rise as far: what may be a roof or a heap is told beside it.
    assert kind_scores([mixed | {"water": 0.3, "z_water": 9.0}])[Kind.CAI] == pytest.approx(0.5)

    plain = kind_scores([dry])
    for none in (
        {"z_water": 2.5},  # ash, concrete, wet soil
        {"area_m2": 3600.0},  # a yard: a pond of that size has water of its own
        {"expected_water": -0.2},  # a damp bank
        {"expected_water": 0.4, "water": 0.9},  # nothing becomes wetter than water
        {"water": np.nan},
    ):
        scores = kind_scores([mixed | none])
        assert scores[Kind.CAI] == plain[Kind.CAI] == 0.0, none
    # Without SWIR all that is dry is wetter than plants.
    four = {k: v for k, v in mixed.items() if k != "bare"}
    assert kind_scores([four])[Kind.CAI] == 0.0
    # No cliff: as sure as the rise is beyond what dry covers do.
    steps = [kind_scores([mixed | {"z_water": z}])[Kind.CAI] for z in np.arange(2.4, 3.7, 0.1)]
    assert steps == sorted(steps)
    assert max(np.diff(steps)) < 0.12


def test_red_earth_on_land_may_as_well_have_been_dug() -> None:
    earth = numbers(bare=0.24, redness=0.27)
    scores = kind_scores([earth] * 3)
    assert list(scores) == [Kind.DUI, Kind.CAI, Kind.JIAN]
    assert 0 < scores[Kind.DUI] - scores[Kind.CAI] < 0.15
    assert sum(scores.values()) == pytest.approx(1.0, abs=0.002)
    for none in ({"redness": 0.19}, {"bare": 0.09}, {"bare": np.nan}, {"redness": np.nan}):
        assert kind_scores([earth | none] * 3)[Kind.CAI] == 0.0, none  # sand, rubble, no SWIR
    # Whatever the shares are, none changes places; nor does a roof become the better one.
    more = [{"bar_share": bar} for bar in np.linspace(0, 1, 11)]
    more += [{"bare": 0.105, "rectangularity": r} for r in (0.7, 0.9, 1.0)]
    for other in more:
        plain = kind_scores([earth | other], KindOptions(earth_dug=0.0))
        both = kind_scores([earth | other])
        assert next(iter(plain)) is next(iter(both))
        assert both[Kind.CAI] >= plain[Kind.CAI]


def test_a_mixture_is_half_a_pit_by_its_scores_as_well() -> None:
    roof = {Kind.DUI: 0.517, Kind.JIAN: 0.483, Kind.CAI: 0.0}
    scores = of_mixture(roof)
    assert next(iter(scores)) is Kind.CAI
    assert scores == pytest.approx({Kind.CAI: 0.5, Kind.DUI: 0.2585, Kind.JIAN: 0.2415}, abs=0.001)
    assert of_mixture({Kind.CAI: 0.0, Kind.DUI: 0.0, Kind.JIAN: 1.0}) == {
        Kind.CAI: 0.5,
        Kind.JIAN: 0.5,
        Kind.DUI: 0.0,
    }
    for known in ({Kind.CAI: 0.8, Kind.DUI: 0.2, Kind.JIAN: 0.0}, {Kind.CAI: 1.0, Kind.DUI: 0.0}):
        whole = {Kind.JIAN: 0.0, **known}
        assert of_mixture(whole) == whole
        assert next(iter(of_mixture(whole))) is Kind.CAI


def test_kinds_keep_their_alternatives() -> None:
    roof = kind_scores([numbers(bare=-0.02, rectangularity=0.9)] * 3)
    soil = kind_scores([numbers(bare=0.2)] * 3)
    pond = kind_scores([numbers(wet_share=1.0)] * 3)
    assert next(iter(roof)) is Kind.JIAN
    assert next(iter(soil)) is Kind.DUI
    assert next(iter(pond)) is Kind.CAI
    for scores in (roof, soil, pond):
        assert sum(scores.values()) == pytest.approx(1.0, abs=0.002)
    growing = [numbers(bare=0.06, area_m2=a) for a in (400.0, 800.0, 1600.0)]
    assert kind_scores(growing)[Kind.DUI] > kind_scores([numbers(bare=0.06)] * 3)[Kind.DUI]
    # A third of it stands under water: no roof and no heap does.
    assert next(iter(kind_scores([numbers(bare=-0.02, wet_share=0.35)] * 3))) is Kind.CAI
    # A pond in which SWIR sees the banks is dark and no water, and a pit all the same.
    assert next(iter(kind_scores([numbers(bare=-0.02, hollow_share=0.4)] * 3))) is Kind.CAI
    # Corners of it between clouds say little of the whole, however many.
    corner = numbers(bare=-0.02, area_m2=100.0)
    whole = numbers(bare=-0.02, area_m2=1000.0, hollow_share=0.4)
    assert next(iter(kind_scores([corner] * 3 + [whole] * 2))) is Kind.CAI
    # It was dug before it filled; what dried again was a puddle.
    dry, filled = numbers(bare=-0.02), numbers(bare=-0.02, hollow_share=0.4)
    assert next(iter(kind_scores([dry] * 3 + [filled] * 3))) is Kind.CAI
    assert next(iter(kind_scores([filled] * 2 + [dry] * 4))) is Kind.JIAN
    # Without the index nothing is forced.
    assert abs(kind_scores([numbers()])[Kind.DUI] - kind_scores([numbers()])[Kind.JIAN]) < 0.15


def test_features_of_a_sensor_without_swir_or_blue() -> None:
    plain: dict[str, NDArray[np.float32]] = {
        b: np.full((2, 2), v, np.float32) for b, v in (("green", 0.1), ("red", 0.1), ("nir", 0.3))
    }
    found = features(plain, np.zeros((2, 2), np.float32))
    assert np.isnan(found["bare"]).all()
    assert found["bright"][0, 0] == pytest.approx(0.1)
    assert found["ndvi"][0, 0] == pytest.approx(0.2 / 0.41)
