from __future__ import annotations

import numpy as np
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline.detect.channel_water import of_channel
from pipeline.detect.water_frequency import UNSEEN
from pipeline.detect.waterline import waterline
from pipeline.model import Grid

RES_M = 10.0
SHAPE = (120, 80)
GRID = Grid("EPSG:32649", Affine(10, 0, 500000, 0, -10, 3000000), SHAPE)
RIVER = (slice(0, 120), slice(30, 45))
BANK = (slice(10, 80), slice(49, 52))  # a row of paddies, as long and narrow as an arm
ALWAYS, SPRING = np.uint8(31), np.uint8(8)


def _field(*places: tuple[slice, slice]) -> NDArray[np.float32]:
    out = np.full(SHAPE, -0.3, np.float32)
    for place in places:
        out[place] = 0.4
    return out


def _bins(**of: tuple[slice, slice]) -> NDArray[np.uint8]:
    out = np.zeros(SHAPE, np.uint8)
    for name, place in of.items():
        out[place] = ALWAYS if name == "river" else SPRING
    return out


def test_a_row_of_flooded_paddies_along_the_bank_is_no_waterline() -> None:
    field, bins = _field(RIVER, BANK), _bins(river=RIVER, paddies=BANK)
    out = of_channel(field, bins, RES_M)
    assert np.isnan(out[BANK]).all()
    assert np.array_equal(out[RIVER], field[RIVER])
    assert np.array_equal(out[field < 0], field[field < 0])
    lines = waterline(out, GRID)
    x = np.concatenate(lines)[:, 0]
    assert len(waterline(field, GRID)) == 3
    assert len(lines) == 2  # the banks
    assert x.max() < 500000 + 49 * 10


def test_a_pond_that_always_holds_water_is_no_channel() -> None:
    pond = (slice(20, 30), slice(60, 70))
    bins = _bins(river=RIVER)
    bins[pond] = ALWAYS
    assert np.isnan(of_channel(_field(RIVER, pond), bins, RES_M)[pond]).all()


def test_a_flood_that_joins_paddies_and_river_is_the_rivers() -> None:
    flood = (slice(10, 80), slice(30, 52))
    field = _field(RIVER, flood)
    out = of_channel(field, _bins(river=RIVER, paddies=BANK), RES_M)
    assert np.array_equal(out, field)


def test_a_flood_many_times_as_wide_as_the_channel_is_the_rivers() -> None:
    brook = (slice(0, 120), slice(38, 41))
    field = np.full(SHAPE, 0.4, np.float32)
    field[:, :2] = field[:, -2:] = -0.3
    assert np.array_equal(of_channel(field, _bins(river=brook), RES_M), field)


def test_decks_cut_a_river_and_leave_all_of_it() -> None:
    field = _field(RIVER)
    field[40:42], field[50:52] = -0.3, -0.3  # 80 m between two of them
    bins = _bins(river=RIVER)
    bins[40:42], bins[50:52] = 0, 0
    assert np.array_equal(of_channel(field, bins, RES_M), field)


def test_water_beside_a_channel_that_nobody_saw_is_not_traced() -> None:
    bins = np.full(SHAPE, UNSEEN, np.uint8)
    out = of_channel(_field(RIVER), bins, RES_M)
    assert np.isnan(out[RIVER]).all()


def test_what_is_unknown_stays_unknown() -> None:
    field = _field(RIVER)
    field[60:] = np.nan
    out = of_channel(field, _bins(river=RIVER), RES_M)
    assert np.array_equal(out, field, equal_nan=True)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31))
def test_only_water_is_taken_and_twice_is_once(seed: int) -> None:
    rng = np.random.default_rng(seed)
    field = rng.normal(size=SHAPE).astype(np.float32)
    field[RIVER] = np.abs(field[RIVER]) + 0.1
    bins = rng.integers(0, 10, SHAPE).astype(np.uint8)
    bins[RIVER] = ALWAYS
    before = field.copy()
    out = of_channel(field, bins, RES_M)
    assert np.array_equal(field, before)
    gone = np.isnan(out)
    assert (field[gone] > 0).all()
    assert np.array_equal(out[~gone], field[~gone])
    assert not gone[RIVER].any()
    assert np.array_equal(of_channel(out, bins, RES_M), out, equal_nan=True)
