"""What stands out on a bar from ground that lies as high waits less, and what was seen counts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from unittest import mock

import numpy as np
import pytest

from pipeline.adjudicate.evidence import FoldOptions
from pipeline.adjudicate.tracks import Track
from pipeline.config import GroundOptions
from pipeline.detect.resemble import Signature
from pipeline.model import Kind, Look, Seen, Sighting, Window
from pipeline.passes import bars
from pipeline.passes.traits import trait_of

FIRST = datetime(2025, 9, 1, tzinfo=UTC)
ROWS, COLS = (a.ravel().astype(np.int32) for a in np.mgrid[10:15, 10:14])
TRACK = Track(
    Kind.DUI,
    (Sighting(Kind.DUI, "first", FIRST, ROWS, COLS, 0.5, {}, True),),
    ROWS,
    COLS,
    ROWS,
    COLS,
)
SPOIL = {"wet_share": 0.0, "bar_share": 0.9, "wait_days": 60.0}
NAN = float("nan")


def measures(
    shares: Sequence[float],
    seen: str = "",
    begin: int = 0,
    before: Sequence[Look] = (),
    ranks: Sequence[float | None] = (),
    **of: float,
) -> tuple[dict[str, float], list[str]]:
    """Give what follows from what looks say, and the looks that were asked."""
    seen = seen or "h" * len(shares)
    words = {"h": Seen.HIT, "m": Seen.MISS, "u": Seen.UNKNOWN}
    looks = [
        Look(FIRST + timedelta(days=begin + 10 * i), str(i), "s", 1.0, words[c], True, 0.2, 1.0)
        for i, c in enumerate(seen)
    ]
    looks = [replace(k, level_rank=r) for k, r in zip(looks, ranks or [0.2] * 9, strict=False)]
    passes = [SimpleNamespace(id=str(i)) for i in range(len(seen))]
    told = dict(zip((p.id for p in passes), shares, strict=False))
    asked: list[str] = []

    def surfaces(_: Window, wanted: Callable[[SimpleNamespace], bool]) -> list[tuple[object, ...]]:
        some = [p for p in passes if wanted(p)]
        asked.extend(p.id for p in some)
        return [(p, told[p.id], None) for p in some]

    bench = SimpleNamespace(
        looks=SimpleNamespace(passes=passes),
        surfaces=surfaces,
        normals=SimpleNamespace(quarter=SimpleNamespace(book=None)),
    )
    signature = Signature(np.array([0.2, 0.1, -0.9], np.float32))
    with (
        mock.patch.object(bars, "rows_of", lambda _, __, some, judge: judge(some)),
        mock.patch.object(bars, "alike_share", lambda _, surface, *__: surface),
    ):
        how = ([*before, *looks], FIRST, signature, GroundOptions(), FoldOptions())
        window = Window(0, 40, 0, 40)
        return bars.standing_out(bench, TRACK, window, SPOIL | of, how), asked  # type: ignore[arg-type]


def test_what_few_of_its_like_look_like_waits_as_a_pool_does() -> None:
    assert measures([0.0, 0.1, 0.2])[0] == {"apart": 1.0, "wait_days": 30.0}
    assert measures([0.5, 0.1, 0.1])[0] == {"apart": 1.0, "wait_days": 30.0}  # the middle one tells
    assert measures([0.0, 0.1], wait_days=20.0)[0]["wait_days"] == 20.0  # and never longer


def test_looks_at_levels_that_history_hardly_knows_tell_nothing() -> None:
    assert measures([0.0, 0.0, 0.0], ranks=(0.03, 0.04, 0.2))[0] == {}
    assert measures([0.0, 0.0, 0.0], ranks=(0.03, 0.06, 0.2))[0]
    assert measures([0.0, 0.0], ranks=(None, None))[0]  # whether it was low is not known


@pytest.mark.parametrize("shares", [[0.3, 0.3, 0.0], [0.0], [NAN, 0.0, NAN], [NAN, NAN]])
def test_what_dries_like_the_rest_or_is_told_by_one_look_waits_on(shares: list[float]) -> None:
    assert measures(shares)[0] == {}


@pytest.mark.parametrize("other", [{"wet_share": 0.8}, {"bar_share": 0.3}, {"wait_days": 90.0}])
def test_water_dry_land_and_what_looks_like_soil_are_not_asked(other: dict[str, float]) -> None:
    assert measures([0.0, 0.0, 0.0], **other) == ({}, [])


@pytest.mark.parametrize(
    ("days", "rank", "seen", "waits"),
    [
        (20, 0.95, Seen.UNKNOWN, True),  # the bar was under water, and what lies there came with it
        (20, None, Seen.UNKNOWN, False),
        (20, 0.8, Seen.UNKNOWN, False),
        (70, 0.95, Seen.UNKNOWN, False),
    ],
)
def test_what_may_have_come_with_high_water_waits_on(
    days: int, rank: float | None, seen: Seen, waits: bool
) -> None:
    flood = Look(FIRST - timedelta(days=days), "flood", "s", 1.0, seen, True, rank, 1.0)
    assert (measures([0.0, 0.0], before=[flood])[0] == {}) is waits
    # Wet sand that a flood left is no hit yet: what was seen between changes nothing.
    dry = Look(FIRST - timedelta(days=5), "dry", "s", 1.0, Seen.MISS, True, 0.3, 1.0)
    assert (measures([0.0, 0.0], before=[flood, dry])[0] == {}) is waits


def test_a_flood_that_stands_high_for_long_is_one() -> None:
    ranks = {90: 0.95, 60: 0.85, 40: 0.8, 10: 0.5}
    looks = [
        Look(FIRST - timedelta(days=d), f"{d}", "s", 1.0, Seen.UNKNOWN, True, r, 1.0)
        for d, r in ranks.items()
    ]
    assert measures([0.0, 0.0], before=looks)[0] == {}
    assert measures([0.0, 0.0], before=looks[1:])[0]


def test_hits_since_the_first_sighting_are_asked() -> None:
    found, asked = measures([0.0, 0.9, 0.9, 0.0], "hmuh")
    assert found
    assert asked == ["0", "3"]
    assert measures([0.0, 0.0, 0.0], begin=-10)[1] == ["1", "2"]


def test_what_was_seen_while_it_waited_counts() -> None:
    base = SPOIL | {"bright": 0.2, "ndvi": 0.1, "water": -0.9, "soil": 0.0, "certain_share": 1.0}
    base |= {"strip": 0.0, "linear": 0.0}
    assert trait_of(base | measures([0.0, 0.0])[0]).counted
    assert not trait_of(base).counted
