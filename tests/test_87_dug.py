"""A pond that no flood and no farmer made has nothing to wait for; small pieces are no history."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import cast
from unittest import mock

import numpy as np
import pytest

from pipeline.adjudicate.tracks import Track
from pipeline.config import GroundOptions
from pipeline.detect.objects import Pixels, Rejection
from pipeline.detect.seasons import longest_unseen
from pipeline.io.store import CorridorStore
from pipeline.model import NO_SWIR, Ground, Kind, Look, Seen, Sighting, Window
from pipeline.passes import ground_measures
from pipeline.passes.book import by_place, found_by_look
from pipeline.passes.change import grown, too_small
from pipeline.passes.ground import Site
from pipeline.passes.traits import trait_of, without_swir

FIRST = datetime(2025, 11, 1, tzinfo=UTC)
ROWS, COLS = (a.ravel().astype(np.int32) for a in np.mgrid[10:15, 10:14])
SIGHTING = Sighting(Kind.CAI, "now", FIRST, ROWS, COLS, 0.5, {}, True)
TRACK = Track(Kind.CAI, (SIGHTING,), ROWS, COLS, ROWS, COLS)
POND = {"wet_share": 1.0, "bar_share": 0.0, "wait_days": 60.0}


def look(days: float, rank: float | None, seen: Seen = Seen.MISS) -> Look:
    on = FIRST + timedelta(days=days)
    return Look(on, on.isoformat(), "s", 1.0, seen, True, rank, 1.0)


LOW = [*(look(d, 0.3) for d in range(-60, 0, 10)), look(0, 0.1, Seen.HIT)]


def bench(unseen: tuple[int, ...] = (), ground: float = 0.0) -> SimpleNamespace:
    """Two years of looks, each ten days, but in some months; ``ground``: share clear in these."""
    days = [FIRST - timedelta(days=d) for d in range(1, 730, 10)]
    history = [SimpleNamespace(id=d.isoformat(), acquired=d) for d in days]

    def each(ids: list[str], window: Window) -> Iterator[np.ndarray]:
        for i in ids:
            codes = np.full(window.shape, Ground.DRY, np.uint8)
            if datetime.fromisoformat(i).month in unseen:
                n = int(ground * ROWS.size)
                codes[ROWS[n:], COLS[n:]] = Ground.UNKNOWN
            yield codes

    quarter = SimpleNamespace(history=history, states=SimpleNamespace(each=each))
    return SimpleNamespace(
        given=mock.Mock(return_value=(None, None)), normals=SimpleNamespace(quarter=quarter)
    )


def pond(
    looks: list[Look], crops: float = 0.0, of: SimpleNamespace | None = None, **measures: float
) -> dict[str, float]:
    window = Window(0, 40, 0, 40)
    fields = np.zeros(window.shape, bool)
    fields[ROWS[: int(crops * ROWS.size)], COLS[: int(crops * ROWS.size)]] = True
    with (
        mock.patch.object(ground_measures, "cropland", return_value=(fields, None)),
        mock.patch.object(ground_measures, "window_of", return_value=window),
    ):
        how = (looks, FIRST, GroundOptions())
        return ground_measures.pond(None, of or bench(), TRACK, POND | measures, how)  # type: ignore[arg-type]


def test_a_pond_of_low_water_where_nothing_is_grown_was_dug() -> None:
    for found in (pond(LOW), pond(LOW, crops=0.15)):
        assert found == {"uncropped": 1.0, "dug": 1.0, "wait_days": 0.0}


@pytest.mark.parametrize("other", [{"crops": 0.5}, {"wet_share": 0.3}, {"bar_share": 0.6}])
def test_a_paddy_a_heap_and_a_pool_on_a_bar_were_not(other: dict[str, float]) -> None:
    assert pond(LOW, **other) == {}


def test_where_history_never_looked_while_crops_stand_it_may_be_a_paddy() -> None:
    for months in ((6, 7, 8, 9), (5, 6), (12, 1, 2)):  # any season: what grows where is not known
        assert pond(LOW, of=bench(months)) == {}
    assert "dug" in pond(LOW, of=bench((6,)))
    assert "dug" in pond(LOW, of=bench((6, 7, 8), ground=0.85))  # a fifth may be cropland
    assert pond(LOW, of=bench((6, 7, 8), ground=0.5)) == {}
    # Trees are green for the rest of the year: no crop grows in the months that nobody saw.
    assert "dug" in pond(LOW, of=bench((6, 7, 8, 9)), wooded=0.9)
    assert pond(LOW, of=bench((6, 7, 8, 9)), wooded=0.7) == {}
    assert np.isinf(longest_unseen([3.0], [np.array([False])], 1)).all()


@pytest.mark.parametrize("rank", [0.9, None])
def test_what_a_flood_may_have_left_waits_and_was_seen_often_enough_by_then(
    rank: float | None,
) -> None:
    found = pond([*LOW[:4], look(-20, rank), *LOW[5:]])
    assert found == {"uncropped": 1.0}
    base = POND | {"bright": 0.06, "ndvi": -0.2, "water": 0.6, "soil": 0.0, "certain_share": 1.0}
    base |= {"strip": 0.0, "linear": 0.0}
    assert trait_of(base | found).counted
    assert not trait_of(base).counted


def test_where_trees_stood_a_pond_waits_no_longer_than_a_pool() -> None:
    flooded = [*LOW[:4], look(-20, 0.9), *LOW[5:]]
    assert pond(flooded, wooded=0.8) == {"uncropped": 1.0, "wait_days": 30.0}
    assert pond(flooded, wooded=0.79) == {"uncropped": 1.0}
    assert pond(flooded, wooded=0.8, crops=0.5) == {}


@pytest.mark.parametrize("looks", [LOW, [*LOW[:4], look(-20, 0.9), *LOW[5:]]])
def test_mixed_pixels_where_trees_stood_wait_as_ponds_and_fellings_do(looks: list[Look]) -> None:
    mixed = {"wet_share": 0.0, "expected_water": -0.75, "water": -0.36, "z_water": 5.0}
    mixed |= {"lost_px": 16.0, "z_bright": 1.1, "wait_days": 90.0, "wooded": 1.0}
    told = {"uncropped": 1.0, "mixed_water": 1.0}
    assert pond(looks, **mixed) == told | {"wait_days": 60.0}
    assert pond(looks, **mixed, felled=0.0) == told | {"wait_days": 60.0}
    assert pond(looks, **mixed, felled=1.0) == told | {"wait_days": 90.0}


def test_without_swir_nothing_is_half_way_to_water() -> None:
    mixed = {"wet_share": 0.0, "expected_water": -0.75, "water": -0.36, "z_water": 5.0}
    mixed |= {"lost_px": 16.0, "z_bright": 1.1, "wait_days": 90.0, "wooded": 1.0}
    assert pond(LOW, **mixed)["mixed_water"]
    assert pond(LOW, **mixed, no_swir=1.0) == {}


def test_an_object_without_swir_is_one_that_no_look_with_it_has_shown() -> None:
    bands = {"now": ["red", "nir"], "then": ["red", "nir", "swir16"]}
    store = cast("CorridorStore", SimpleNamespace(note=lambda i: {"bands": bands[i]}))
    assert without_swir(store, TRACK) == {NO_SWIR: 1.0}
    both = replace(TRACK, sightings=(SIGHTING, replace(SIGHTING, pass_id="then")))
    assert without_swir(store, both) == {}


def test_what_is_only_too_small_is_no_history_either() -> None:
    def piece(n: int, seed: bool) -> Pixels:
        rows = np.arange(n, dtype=np.int32)
        return Pixels(rows, rows * 0, np.full(n, seed))

    pieces = [piece(3, True), piece(3, False), piece(20, True)]
    work = [(0, p) for p in pieces]
    results = [Rejection("no", False, p.rows.size) for p in pieces]
    (found,) = found_by_look(
        1, work, results, lambda p: grown(p.rows, p.cols), lambda p: too_small(p, 4)
    )
    assert found.sightings == ()
    assert [f[0].size for f in found.flagged] == [15]  # three pixels and those around them
    whole = replace(SIGHTING, rows=pieces[2].rows, cols=pieces[2].cols)
    (found,) = found_by_look(1, work[2:], [whole], lambda p: (p.rows, p.cols))
    assert len(found.flagged) == 1


def test_objects_are_examined_tile_after_tile_and_given_in_order() -> None:
    rng = np.random.default_rng(3)
    work: list[tuple[int, Pixels]] = []
    for k in range(40):
        rows, cols = rng.integers(0, 300, (2, 1)).astype(np.int32)
        work.append((k % 3, Pixels(rows, cols, np.ones(1, bool))))
    asked: list[tuple[int, int]] = []

    def examine(one: tuple[int, Pixels]) -> Rejection:
        asked.append((int(one[1].rows[0]) // 64, int(one[1].cols[0]) // 64))
        return Rejection(f"{one[0]} {one[1].rows[0]} {one[1].cols[0]}", False, 1)

    site = cast("Site", SimpleNamespace(store=SimpleNamespace(tile_px=64), workers=1))
    found = by_place(work, examine, site)
    expected = [f"{k} {p.rows[0]} {p.cols[0]}" for k, p in work]
    assert [f.reason for f in found if isinstance(f, Rejection)] == expected
    assert asked == sorted(asked)
    assert by_place([], examine, site) == []
