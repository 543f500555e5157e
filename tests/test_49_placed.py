"""What lies around an object disproves a shift of the image, or does not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline.detect.placed import PlacedOptions, _moved, in_place, survivors, thick

Bool = NDArray[np.bool_]
Pair = tuple[Bool, Bool]
SIDE = 40
LEFT = 16  # first column of the channel


def between(low: int, high: int) -> Bool:
    col = np.arange(SIDE)
    return np.broadcast_to((col >= low) & (col < high), (SIDE, SIDE)).copy()


def channel(width: int = 5) -> Pair:
    """A channel down a window, and the land on both sides."""
    water = between(LEFT, LEFT + width)
    return water, ~water


def fill(rows: slice, cols: slice) -> Bool:
    out = np.zeros((SIDE, SIDE), np.bool_)
    out[rows, cols] = True
    return out


BANK = fill(slice(10, 20), slice(LEFT, LEFT + 2))  # two wide, along the left bank
NONE = np.zeros((SIDE, SIDE), np.bool_)


def told(mask: Bool, expected: Pair, seen: Pair, options: PlacedOptions | None = None) -> bool:
    seen = (seen[0] & ~mask, seen[1] | mask)
    return in_place(mask, expected, seen, survivors(mask, expected[0], 1), options)


def test_thick_pixels_are_those_of_full_blocks() -> None:
    mask = fill(slice(2, 4), slice(3, 9)) | fill(slice(8, 9), slice(0, 30))
    np.testing.assert_array_equal(thick(mask), fill(slice(2, 4), slice(3, 9)))


@given(st.integers(0, 2**16))
@settings(max_examples=30, deadline=None)
def test_thick_pixels_are_part_of_a_block_and_all_of_them_are(seed: int) -> None:
    mask = np.random.default_rng(seed).random((9, 11)) < 0.6
    out = thick(mask)
    for r, c in np.ndindex(mask.shape):
        blocks = [
            mask[a : a + 2, b : b + 2]
            for a in (r - 1, r)
            for b in (c - 1, c)
            if a >= 0 and b >= 0 and a + 2 <= mask.shape[0] and b + 2 <= mask.shape[1]
        ]
        assert out[r, c] == any(block.all() for block in blocks)


def test_each_shift_leaves_what_it_does_not_explain() -> None:
    left = survivors(BANK, channel()[0], 1)
    assert left[1, 1] == 20  # without a shift all of it
    assert left[1, 0] == 10  # the bank covers a column of it
    assert left[1, 2] == left[0, 1] == 20  # the other way it is still on water


@pytest.mark.parametrize("shift", [(1, 0), (-2, 1), (0, -3), (0, 0)])
def test_nothing_moves_in_from_the_other_edge(shift: tuple[int, int]) -> None:
    values = np.random.default_rng(1).random((7, 9)) < 0.5
    out = _moved(values, shift)
    for r, c in np.ndindex(values.shape):
        row, col = r + shift[0], c + shift[1]
        inside = 0 <= row < 7 and 0 <= col < 9
        assert out[r, c] == (inside and bool(values[row, col]))


@pytest.mark.parametrize("rows", [slice(10, 20), slice(0, 8)])
def test_a_fill_along_a_narrow_channel_is_where_it_seems_to_be(rows: slice) -> None:
    assert told(fill(rows, slice(LEFT, LEFT + 2)), channel(), channel())


@pytest.mark.parametrize("by", [1, 2])
def test_banks_that_moved_with_it_disprove_nothing(by: int) -> None:
    water = np.roll(channel()[0], by, axis=1)
    assert not told(BANK, channel(), (water, ~water))


def test_a_shift_along_the_channel_need_not_be_disproved() -> None:
    """It explains nothing, and straight banks cannot tell it."""
    water = np.roll(channel()[0], 1, axis=0)
    assert told(BANK, channel(), (water, ~water))


def test_beside_a_wide_river_there_is_one_bank() -> None:
    water = between(LEFT, SIDE)
    assert not told(BANK, (water, ~water), (water, ~water))
    wide = between(LEFT, LEFT + 17)  # the other bank lies beyond what is asked
    assert not told(BANK, (wide, ~wide), (wide, ~wide))
    near = between(LEFT, LEFT + 12)
    assert told(BANK, (near, ~near), (near, ~near))


def test_where_no_shift_explains_half_of_it_none_is_disproved() -> None:
    whole = fill(slice(10, 20), slice(LEFT, LEFT + 5))  # from bank to bank
    assert survivors(whole, channel()[0], 1).min() > 25
    assert not told(whole, channel(), channel())
    wider = fill(slice(10, 20), slice(LEFT, LEFT + 3))  # a shift leaves two thirds
    assert not told(wider, channel(), channel())


def test_each_of_the_explaining_shifts_must_be_contradicted() -> None:
    """Of three that would explain it, the one that comes from above is told by a pixel less."""
    begins = (channel()[0] & fill(slice(9, SIDE), slice(0, SIDE)), channel()[1])
    seen_land = fill(slice(9, 17), slice(LEFT + 5, LEFT + 6))
    assert not told(BANK, begins, (NONE, seen_land))
    assert told(BANK, channel(), (NONE, seen_land))


@pytest.mark.parametrize(("rows", "expected"), [(7, False), (8, True)])
def test_as_many_pixels_as_said_must_contradict(rows: int, expected: bool) -> None:
    # Only this much of the far bank is seen, and nothing else.
    seen_land = fill(slice(24, 24 + rows), slice(LEFT + 5, LEFT + 6))
    assert told(BANK, channel(), (NONE, seen_land)) is expected


@pytest.mark.parametrize(("wrong", "expected"), [(16, True), (17, False)])
def test_twice_as_many_as_without_a_shift(wrong: int, expected: bool) -> None:
    seen_land = fill(slice(8, 32), slice(LEFT + 5, LEFT + 6))  # 24 contradict the shift
    odd = fill(slice(8, 8 + wrong), slice(LEFT + 10, LEFT + 11))  # water on land: contradict both
    assert told(BANK, channel(), (odd, seen_land)) is expected


def test_land_and_water_both_contradict() -> None:
    """Under a shift the far bank is land where water belongs, and at the near one it is not."""
    water_only = (channel()[0] & fill(slice(22, 40), slice(0, SIDE)), NONE)
    land_only = (NONE, channel()[1])
    assert told(BANK, channel(), water_only)
    assert told(BANK, channel(), land_only)
    assert not told(BANK, channel(), (NONE, NONE))


def test_its_own_rim_says_nothing() -> None:
    rim = fill(slice(9, 21), slice(LEFT - 1, LEFT + 3)) & channel()[0]
    assert not told(BANK, channel(), (rim, NONE), PlacedOptions(against=1))


@pytest.mark.parametrize(("more", "expected"), [(8, True), (9, False)])
def test_a_third_of_it_must_be_thick(more: int, expected: bool) -> None:
    block = fill(slice(10, 12), slice(LEFT, LEFT + 2))
    line = fill(slice(12, 12 + more), slice(LEFT, LEFT + 1))
    assert told(block | line, channel(), channel()) is expected


def test_a_line_of_one_pixel_is_no_object() -> None:
    line = fill(slice(10, 20), slice(LEFT, LEFT + 1))
    assert not told(line, channel(), channel(), PlacedOptions(thick_share=0.0))
