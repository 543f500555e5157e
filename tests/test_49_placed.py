"""What lies around an object disproves a shift of the image, or does not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline.detect.placed import PlacedOptions, in_place, survivors, thick

Bool = NDArray[np.bool_]
SIDE = 40


def channel(width: int) -> tuple[Bool, Bool]:
    """A channel down the middle of a window, and the land on both sides."""
    col = np.arange(SIDE)
    water = np.broadcast_to((col >= 16) & (col < 16 + width), (SIDE, SIDE)).copy()
    return water, ~water


def look(width: int, moved: int = 0) -> tuple[Bool, Bool]:
    """The same, seen by a date that is shifted by so many columns."""
    water = np.roll(channel(width)[0], moved, axis=1)
    return water, ~water


def fill(rows: slice, cols: slice) -> Bool:
    out = np.zeros((SIDE, SIDE), np.bool_)
    out[rows, cols] = True
    return out


def told(mask: Bool, expected: tuple[Bool, Bool], moved: int = 0, width: int = 5) -> bool:
    seen = look(width, moved)
    seen = (seen[0] & ~mask, seen[1] | mask)
    return in_place(mask, expected, seen, survivors(mask, expected[0], 1))


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
    expected = channel(5)
    mask = fill(slice(10, 20), slice(16, 18))  # two wide, along the left bank
    left = survivors(mask, expected[0], 1)
    assert left[1, 1] == 20  # without a shift all of it
    assert left[1, 0] == 10  # the bank covers a column of it
    assert left[1, 2] == left[0, 1] == 20  # the other way it is still on water


def test_a_fill_along_a_narrow_channel_is_where_it_seems_to_be() -> None:
    expected = channel(5)
    assert told(fill(slice(10, 20), slice(16, 18)), expected)


@pytest.mark.parametrize("by", [1, 2])
def test_banks_that_moved_with_it_disprove_nothing(by: int) -> None:
    expected = channel(5)
    mask = fill(slice(14, 22), slice(16, 18))
    assert not told(mask, expected, moved=by)


def test_a_shift_the_other_way_is_no_excuse() -> None:
    """Under it the fill would be wider than it looks."""
    assert told(fill(slice(14, 22), slice(16, 18)), channel(5), moved=0)
    left = survivors(fill(slice(14, 22), slice(16, 18)), channel(5)[0], 1)
    assert left[1, 2] == left[1, 1]


def test_a_line_of_one_pixel_is_no_object() -> None:
    assert not told(fill(slice(10, 20), slice(16, 17)), channel(5))
    thin = PlacedOptions(thick_share=0.0)
    mask = fill(slice(10, 20), slice(16, 17))
    seen = (channel(5)[0] & ~mask, channel(5)[1] | mask)
    assert not in_place(mask, channel(5), seen, survivors(mask, channel(5)[0], 1), thin)


def test_a_shore_that_nobody_saw_disproves_nothing() -> None:
    expected, mask = channel(5), fill(slice(10, 20), slice(16, 18))
    far = np.broadcast_to(np.abs(np.arange(SIDE) - 18) > 8, (SIDE, SIDE))
    narrow = np.broadcast_to(np.abs(np.arange(SIDE) - 19) < 2, (SIDE, SIDE))
    seen = (narrow & ~mask, far | mask)  # between is a band that is neither
    assert not in_place(mask, expected, seen, survivors(mask, expected[0], 1))


def test_beside_the_edge_of_a_window_nothing_moves_in() -> None:
    expected = channel(5)
    corner = fill(slice(0, 8), slice(16, 18))
    assert told(corner, expected)
