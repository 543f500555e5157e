"""What earlier years say of changed ground: a field is bare in its season, a heap was not there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from pipeline.adjudicate.tracks import Track
from pipeline.config import GroundOptions
from pipeline.detect.look_surface import Surface
from pipeline.detect.objects import Pixels, Rejection
from pipeline.detect.resemble import Signature
from pipeline.model import Ground, Kind, Sighting, Window
from pipeline.passes.book import _packed, _unpacked, found_by_look
from pipeline.passes.change import grown
from pipeline.passes.follow_ground import precedents_of
from pipeline.passes.traits import Trait, _table, by_pass, summed_up
from pipeline.passes.watch import Watched, record

FIRST = datetime(2025, 5, 10, tzinfo=UTC)
SIDE = 30
FIELD, HEAP = (0.07, 0.5, -0.5), (0.20, 0.08, -0.8)  # bright, ndvi, water
ROWS, COLS = (a.ravel().astype(np.int32) for a in np.mgrid[10:15, 10:17])
TRACK = Track(
    Kind.DUI, (Sighting(Kind.DUI, "now", FIRST, ROWS, COLS, 0.5, {}, True),), ROWS, COLS, ROWS, COLS
)  # fmt: skip
TRAIT = Trait(Signature(np.array(HEAP, np.float32)), timedelta(0), True)


def surface(bare: bool) -> Surface:
    """One look at a field, ploughed where the track lies or green."""
    fill = np.array(FIELD, np.float32)[:, None, None]
    expected = np.broadcast_to(fill, (3, SIDE, SIDE)).copy()
    seen = expected.copy()
    if bare:
        seen[:, ROWS, COLS] = np.array(HEAP, np.float32)[:, None]
    spread = np.broadcast_to(
        np.array((0.012, 0.05, 0.08), np.float32)[:, None, None], (3, SIDE, SIDE)
    )
    yes = np.ones((SIDE, SIDE), bool)
    return Surface(
        Window(0, SIDE, 0, SIDE), seen, expected, spread.copy(),
        np.full((SIDE, SIDE), Ground.DRY, np.uint8), yes, ~yes, ~yes, yes, yes,
        np.full((SIDE, SIDE), 20, np.uint16), np.ones((SIDE, SIDE), np.uint16),
        np.zeros((SIDE, SIDE), np.uint8), 0.1,
    )  # fmt: skip


def count(
    looks: dict[datetime, bool],
    sighted: dict[str, Any] | None = None,
    too_small: dict[str, Any] | None = None,
) -> int:
    """Ask for precedents among looks: was the place bare on that date?"""
    passes = [SimpleNamespace(id=when.isoformat(), acquired=when) for when in looks]

    vault = SimpleNamespace(get=lambda *_: None, put=lambda *_, **__: None)  # nothing is kept
    kept = SimpleNamespace(base="", key=lambda p: p.id, vault=vault)
    every = {**(too_small or {}), **(sighted or {})}
    states = SimpleNamespace(flagged=every, sighted=sighted or {})

    class Bench:
        looks = SimpleNamespace(passes=passes)
        least = [np.array([np.nan, 0.4])] * len(passes)
        normals = SimpleNamespace(quarter=SimpleNamespace(states=states, book=kept))

        def given(self, window: Window) -> tuple[None, SimpleNamespace]:
            return None, SimpleNamespace(bins=np.zeros((SIDE, SIDE), np.uint8))

        def surfaces(self, window: Window, wanted: Any) -> Iterator[Any]:
            for p in passes:
                if wanted(p):
                    yield p, surface(looks[p.acquired]), np.array([np.nan, 0.5])

    grid = SimpleNamespace(window=Window(0, SIDE, 0, SIDE))
    site = SimpleNamespace(
        store=SimpleNamespace(grid=grid), reach=lambda w: np.ones((SIDE, SIDE), np.uint16)
    )
    how = (FIRST, GroundOptions())
    return precedents_of(site, Bench(), TRACK, TRAIT, how)  # type: ignore[arg-type]


@pytest.mark.parametrize(("days", "counts"), [(365, 1), (365 - 50, 1), (365 + 50, 1), (730, 1)])
def test_the_same_season_of_an_earlier_year_counts(days: int, counts: int) -> None:
    when = FIRST - timedelta(days=days)
    assert count({when: True}) == counts
    assert count({when: False}) == 0


@pytest.mark.parametrize("days", [30, 100, 182, 365 - 90, 365 + 90])
def test_another_season_and_the_weeks_before_do_not(days: int) -> None:
    assert count({FIRST - timedelta(days=days): True}) == 0


def test_what_was_a_sighting_then_is_no_season() -> None:
    when = FIRST - timedelta(days=365)
    assert count({when: True}, {when.isoformat(): [(ROWS, COLS)]}) == 0
    elsewhere = {when.isoformat(): [(ROWS + 12, COLS)]}
    assert count({when: True}, elsewhere) == 1


def test_a_piece_too_small_to_be_a_sighting_is_a_season() -> None:
    when = FIRST - timedelta(days=365)
    small = {when.isoformat(): [grown(ROWS[:2], COLS[:2]), grown(ROWS[-2:], COLS[-2:])]}
    assert count({when: True}, too_small=small) == 1
    assert count({when: True}, small) == 0  # a third of it was a sighting


def test_what_was_sighted_is_kept_apart_from_what_is_only_no_history() -> None:
    small = Pixels(ROWS[:2], COLS[:2], np.ones(2, bool))
    no = Rejection("smaller than the smallest object", False, 2)
    work = [(0, small), (0, Pixels(ROWS, COLS, np.ones(ROWS.size, bool)))]
    (made,) = found_by_look(
        1, work, [no, TRACK.sightings[0]], lambda p: (p.rows, p.cols), lambda _: True
    )
    found = Watched()
    record(found, SimpleNamespace(id="now"), _unpacked(_packed(made)))  # type: ignore[arg-type]
    assert sorted(r.size for r, _ in found.flagged["now"]) == [2, ROWS.size]
    assert [r.size for r, _ in found.sighted["now"]] == [ROWS.size]


def test_a_pond_and_its_spoil_seen_apart_are_summed_up_by_date() -> None:
    base = {"bright": 0.1, "ndvi": 0.1, "water": 0.0, "bar_share": 0.0, "rectangularity": 0.9}
    base |= {"bare": -0.05, "wait_days": 0.0}
    pond = base | {"wet_share": 1.0, "area_m2": 4000.0}
    spoil = base | {"wet_share": 0.0, "area_m2": 6000.0}
    extra = base | {"wet_share": 0.0, "area_m2": 500.0}
    sightings = tuple(
        replace(TRACK.sightings[0], pass_id=f"p{i}", measures=m)
        for i in range(3)
        for m in (pond, spoil, extra)
    )
    measures = summed_up(replace(TRACK, sightings=sightings), GroundOptions())
    assert measures["kind_cai"] > measures["kind_jian"]


def test_measures_are_summed_up_as_one_by_one() -> None:
    rng = np.random.default_rng(3)
    names = ["area_m2", "bright", "ndvi", "odd"]
    each = [
        {n: float(v) for n, v in zip(names, rng.lognormal(0, 3, 4), strict=True)} for _ in range(25)
    ]
    each[4]["odd"] = float("nan")
    del each[9]["bright"]  # what not all have is no measure of the whole
    sightings = tuple(
        replace(TRACK.sightings[0], pass_id=f"p{i > 1}", measures=m) for i, m in enumerate(each)
    )
    found = by_pass(replace(TRACK, sightings=sightings))
    for one, own in zip(found, (each[:2], each[2:]), strict=True):
        areas = [m["area_m2"] for m in own]
        common = sorted(set.intersection(*(set(m) for m in own)))
        expected = {n: float(np.average([m[n] for m in own], weights=areas)) for n in common}
        expected["area_m2"] = float(sum(areas))
        assert list(one) == list(expected)
        np.testing.assert_array_equal(list(one.values()), list(expected.values()))
    table, values = _table(each)
    assert table == ["area_m2", "ndvi", "odd"]
    medians = [float(np.median([m[n] for m in each])) for n in table]
    np.testing.assert_array_equal(np.median(values, axis=1), medians)
