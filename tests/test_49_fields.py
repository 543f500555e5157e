"""Fields under water: told all over a region, never by the pit that was dug in one."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.config import GroundOptions
from pipeline.detect.look_surface import Places, Surface
from pipeline.model import Ground, Window
from pipeline.passes.change import pieces_of
from pipeline.passes.flooded import count_fields, fields_flooded
from tests.test_49_change import SIDE, surface

Bool = NDArray[np.bool_]


def look(wet: Bool) -> Surface:
    s = surface()
    s.state[:] = np.where(wet, Ground.WET, Ground.GREEN)
    s.land[:], s.dry[:] = True, True
    return s


def many(wet_squares: int, all_squares: int = 10) -> Counter[tuple[int, int, bool]]:
    """Squares of fields in a row, of which the first ones have a flooded one."""
    dry = Counter({(0, i, False): 900 for i in range(all_squares)})
    return dry + Counter({(0, i, True): 100 for i in range(wet_squares)})


def counted(s: Surface, window: Window) -> Counter[tuple[int, int, bool]]:
    """Count the pixels of a window, all of them cropland."""
    rows, cols = (a.ravel() for a in np.mgrid[window.row0 : window.row1, window.col0 : window.col1])
    row = s.take(Places((SIDE, SIDE), rows * SIDE + cols))
    return count_fields(row, np.ones((1, rows.size), bool), (rows, cols))


def test_the_squares_of_one_pond_are_no_flooded_region() -> None:
    assert not fields_flooded(many(1), GroundOptions())
    assert not fields_flooded(many(2), GroundOptions())  # one pond at their border
    assert fields_flooded(many(3), GroundOptions())
    assert not fields_flooded(many(3, 16), GroundOptions())  # less than a fifth
    assert not fields_flooded(many(2, 5), GroundOptions())
    assert fields_flooded(many(2, 4), GroundOptions())  # half of what is there
    assert fields_flooded(many(1, 1), GroundOptions())
    assert not fields_flooded(Counter(), GroundOptions())
    few = Counter({(0, 0, True): 10})
    assert not fields_flooded(few, GroundOptions())  # too little cropland to tell


def test_a_pit_at_the_corner_of_few_squares_does_not_explain_itself() -> None:
    pit = Window(0, 20, 60, 70)  # in the first two squares
    assert fields_flooded(many(3), GroundOptions())
    assert not fields_flooded(many(3), GroundOptions(), pit)
    assert not fields_flooded(many(5), GroundOptions(), pit)  # nor what another pit flooded
    assert fields_flooded(many(6), GroundOptions(), pit)  # rain, as others show
    # Where no other square is there to ask, water in fields stays doubtful.
    assert fields_flooded(many(2, 3), GroundOptions(), pit)


def test_what_the_level_explains_is_no_flooded_field() -> None:
    wet = np.zeros((SIDE, SIDE), bool)
    wet[:20] = True
    s = look(wet)
    whole = Window(0, SIDE, 0, SIDE)
    assert sum(n for (_, _, w), n in counted(s, whole).items() if w) == 20 * SIDE
    s.dry[:20] = False
    assert not any(w for _, _, w in counted(s, whole))


def test_counts_do_not_depend_on_how_the_ground_was_cut() -> None:
    rng = np.random.default_rng(5)
    s = look(rng.random((SIDE, SIDE)) < 0.3)
    whole = counted(s, Window(0, SIDE, 0, SIDE))
    parts = [Window(0, 31, 0, 17), Window(0, 31, 17, SIDE), Window(31, SIDE, 0, SIDE)]
    assert sum((counted(s, w) for w in parts), start=Counter()) == whole


@pytest.mark.parametrize("rows", [1, 191, 192, 193, 512, 1000])
def test_pieces_cover_a_tile_once_and_are_no_higher_than_they_may_be(rows: int) -> None:
    core = Window(7, 7 + rows, 3, 90)
    pieces = [t.core for t in pieces_of(core)]
    seen = [r for p in pieces for r in range(p.row0, p.row1)]
    assert seen == list(range(core.row0, core.row1))
    assert {(p.col0, p.col1) for p in pieces} == {(3, 90)}
    assert max(p.shape[0] for p in pieces) <= 192
