"""What comes to many fields alike in the same weeks is plastic film, and no heap."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.detect.farming import FarmingOptions, places_alike, tilled_share
from pipeline.model import Ground

FILM = (0.15, 0.14, 0.05)  # bright, NDVI, BSI
ROOF = (0.38, 0.04, 0.0)
NAN = float("nan")


def counted(
    *others: tuple[float, float, float, tuple[float, float, float]],
    own: tuple[float, float, float] = FILM,
) -> int:
    """Count for one object at 0, 0 on day 0; others are (x, y, day, like)."""
    rows = [(0.0, 0.0, 0.0, own), *others]
    at = np.array([r[:2] for r in rows], np.float64)
    days = np.array([r[2] for r in rows], np.float64)
    return int(places_alike(at, days, np.array([r[3] for r in rows], np.float64))[0])


def fields(
    n: int, like: tuple[float, float, float] = FILM, day: float = 0.0
) -> list[tuple[float, float, float, tuple[float, float, float]]]:
    return [(250.0 * (k + 1), 30.0, day, like) for k in range(n)]


def test_fields_with_film_are_counted_by_place() -> None:
    assert counted(*fields(6)) == 6
    pieces = [(220.0 + 10 * k, 30.0, 0.0, FILM) for k in range(6)]
    assert counted(*pieces, *fields(5, ROOF)) == 1  # a dump in pieces is one place


@pytest.mark.parametrize("at", [(1000.0, 500.0), (1050.0, 450.0)])
def test_a_dump_in_pieces_is_one_place_wherever_it_lies(at: tuple[float, float]) -> None:
    heaps = [(at[0] + 20 * i, at[1] + 20 * k, 0.0, FILM) for i in range(2) for k in range(2)]
    assert counted(*heaps, *fields(3)) == 4


def test_what_lies_beside_it_or_far_away_has_no_say() -> None:
    beside = [(-60.0, 10.0 * k, 0.0, FILM) for k in range(6)]
    far = [(5000.0 + 250 * k, 0.0, 0.0, FILM) for k in range(6)]
    assert counted(*beside, *far) == 0


@pytest.mark.parametrize(("day", "n"), [(-60.0, 0), (-30.0, 6), (10.0, 6), (30.0, 0)])
def test_it_must_have_come_in_the_same_weeks_and_not_later(day: float, n: int) -> None:
    assert counted(*fields(6, day=day)) == n


@pytest.mark.parametrize(
    "like", [ROOF, (0.21, 0.14, 0.05), (0.15, 0.26, 0.05), (0.15, 0.14, 0.13), (0.15, 0.14, NAN)]
)
def test_what_is_lighter_greener_or_of_another_colour_is_not_alike(
    like: tuple[float, float, float],
) -> None:
    assert counted(*fields(6, like)) == 0


def test_without_a_colour_nothing_is_said() -> None:
    assert counted(*fields(6), own=(0.15, 0.14, NAN)) == 0
    assert places_alike(np.empty((0, 2)), np.empty(0), np.empty((0, 3))).size == 0


def codes(*looks: Ground, n: int = 10) -> Sequence[NDArray[np.uint8]]:
    return [np.full(n, look, np.uint8) for look in looks]


def test_tilled_is_what_was_bare_and_green_by_turns() -> None:
    bare, green = Ground.DRY, Ground.GREEN
    assert tilled_share(codes(bare, green, green, bare)) == 1.0
    assert tilled_share(codes(bare, green, green, Ground.UNKNOWN)) == 0.0  # one look may be haze
    assert tilled_share(codes(*[green] * 9)) == 0.0  # a wood
    assert tilled_share(codes(*[bare] * 9)) == 0.0  # a yard
    assert tilled_share([]) == 0.0
    half = [np.array([look] * 5 + [green] * 5, np.uint8) for look in (bare, bare, green, green)]
    assert tilled_share(half) == 0.5


def test_more_looks_may_be_asked_for() -> None:
    o = FarmingOptions(looks=3)
    assert tilled_share(codes(*[Ground.DRY, Ground.GREEN] * 2), o) == 0.0
    assert tilled_share(codes(*[Ground.DRY, Ground.GREEN] * 3), o) == 1.0
