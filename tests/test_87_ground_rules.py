"""Rules for pools, ponds and small pieces are asked where looks become candidates, and history."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from unittest import mock

import numpy as np
import pytest
from affine import Affine
from numpy.typing import NDArray
from shapely.geometry import box

from pipeline.adjudicate.candidates import AdjudicateOptions
from pipeline.adjudicate.evidence import FoldOptions, fold
from pipeline.adjudicate.tracks import Track
from pipeline.config import GroundOptions
from pipeline.detect.objects import Pixels, Rejection
from pipeline.grid import Grid
from pipeline.model import Candidate, Ground, Kind, Look, Seen, Sighting, Window
from pipeline.passes import change, follow_ground, ground_measures
from pipeline.passes.change import ChangeSweep
from pipeline.passes.company import Company
from pipeline.passes.flooded import Flooded

FIRST = datetime(2025, 11, 1, tzinfo=UTC)
ROWS, COLS = (a.ravel().astype(np.int32) for a in np.mgrid[10:15, 10:14])
WINDOW = Window(0, 40, 0, 40)
SEEN = {"h": Seen.HIT, "m": Seen.MISS}
WATER = {
    "bright": 0.06, "ndvi": -0.2, "water": 0.6, "wet_share": 1.0, "bar_share": 1.0, "bare": -0.05,
    "rectangularity": 0.9, "linear": 0.0, "soil": 0.0, "area_m2": 2000.0, "wait_days": 18.0,
}  # fmt: skip


def looks(text: str, every: int = 5, begin: int = 0) -> list[Look]:
    out: list[Look] = []
    for i, c in enumerate(text):
        on = FIRST + timedelta(days=begin + every * i)
        out.append(Look(on, on.isoformat(), "s", 1.0, SEEN[c], True, 0.2, 1.0))
    return out


@contextmanager
def told(found: list[Look], seasonal: Callable[..., int] | int = 0) -> Generator[None]:
    """Say what looks say of the place; nothing else explains it, or earlier years do."""
    earlier = seasonal if callable(seasonal) else mock.Mock(return_value=seasonal)
    with (
        mock.patch.object(follow_ground, "looks_at_ground", return_value=found),
        mock.patch.object(follow_ground, "precedents_of", earlier),
        mock.patch.object(follow_ground, "felled", return_value={}),
        mock.patch.object(follow_ground, "_outline", return_value=box(0, 0, 50, 40)),
        mock.patch.object(
            ground_measures, "cropland", return_value=(np.zeros(WINDOW.shape, bool), None)
        ),
    ):
        yield


def candidate(
    found: list[Look], seasonal: Callable[..., int] | int = 0, *, mat: bool = False,
    before: bool | None = None, field: Mapping[str, float] | None = None,
    alike: int = 0, facing: bool = False, stood: int = 300, **measures: float,
) -> Candidate:  # fmt: skip
    """Of dry ground all along, or of water on which a ``mat`` of plants lay of late.

    ``before``: whether it was a bar before it came; default: what its sightings say. ``field``:
    what is measured where bare ground is the place's own. ``alike``: places that came to look so.
    ``facing``: another piece of a bridge is seen; ``stood``: days until the end of the run.
    """
    bar = (WATER | measures)["bar_share"] >= 0.5 if before is None else before
    sighting = Sighting(Kind.CAI, FIRST.isoformat(), FIRST, ROWS, COLS, 0.5, WATER | measures, True)
    track = Track(Kind.CAI, (sighting,), ROWS, COLS, ROWS, COLS)
    grid = Grid("EPSG:32649", Affine(10, 0, 500_000, 0, -10, 3_100_000), WINDOW.shape)
    site = SimpleNamespace(
        store=SimpleNamespace(grid=grid, note=lambda _: {"bands": ["swir16"]}),
        corridor=SimpleNamespace(id="river"),
        reach=lambda w: np.ones(w.shape, np.uint16),
    )  # fmt: skip
    days = [FIRST - timedelta(days=d) for d in range(1, 400, 10)]
    codes = [Ground.GREEN if k < 5 else Ground.WET for k in range(len(days))]
    codes = codes if mat else [Ground.DRY] * len(days)
    history = [SimpleNamespace(id=d.isoformat(), acquired=d, scenes=()) for d in days]
    quarter = SimpleNamespace(
        history=history,
        states=SimpleNamespace(
            each=lambda _, window: (np.full(window.shape, c, np.uint8) for c in codes)
        ),
    )
    levels = [0.9 if k < 5 else k % 10 / 10 for k in range(len(days))]
    bench = SimpleNamespace(
        looks=SimpleNamespace(passes=history),
        normals=SimpleNamespace(quarter=quarter),
        given=lambda _: (None, None),
        ranks=[np.array([np.nan, level], np.float32) for level in levels],
        history=lambda w: SimpleNamespace(bins=np.full(w.shape, 16 * bar, np.uint8)),
    )
    how = (AdjudicateOptions(), FIRST + timedelta(days=stood), FIRST, Company(alike, facing))
    own = mock.patch.object(follow_ground, "own_ground", return_value=field or {})
    with told(found, seasonal), own:
        return follow_ground.ground_candidate(site, bench, track, GroundOptions(), how)  # type: ignore[arg-type]


def test_a_pool_that_was_gone_between_is_no_suspected_candidate() -> None:
    assert candidate(looks("hhhhh")).evidence.state.value == "suspected"
    assert candidate(looks("hhhmh")).evidence.state.value == "provisional"
    # What stands on dry ground is missed on one look in a hundred.
    heap = {"wet_share": 0.0, "bar_share": 0.0, "ndvi": 0.1, "water": -0.7, "wait_days": 0.0}
    with mock.patch.object(follow_ground, "is_bridge", return_value=False):
        assert candidate(looks("hhhmh"), **heap).evidence.state.value == "suspected"
        # What may become a bridge stays on watch, whatever its looks.
        with mock.patch.object(follow_ground, "may_span", return_value=True):
            ramp = candidate(looks("hhhhh"), **heap)
        assert (ramp.evidence.state.value, ramp.measures["strip"]) == ("provisional", 1.0)
        # So does what another piece faces, for the year in which a bridge is built.
        with mock.patch.object(follow_ground, "may_span", return_value=False):
            built = [candidate(looks("hhhhh"), facing=True, stood=d, **heap) for d in (300, 366)]
        assert [(c.evidence.state.value, c.measures["strip"]) for c in built] == [
            ("provisional", 1.0), ("suspected", 0.0)
        ]  # fmt: skip


def test_water_from_which_a_mat_of_plants_went_stays_on_watch() -> None:
    pool, pond = (candidate(looks("hhhhh"), mat=True, bar_share=s) for s in (1.0, 0.0))
    assert (pool.evidence.state.value, pool.measures["floated"]) == ("provisional", 1.0)
    assert pond.measures["floated"] == 0.0  # on land that was never water nothing floats


def test_a_paddy_that_its_own_water_made_a_bar_waits_as_on_land() -> None:
    waits = {"wait_days": 18.0}
    own, bar = (candidate(looks("hhhhhh"), before=b, **waits) for b in (False, True))
    assert [c.measures["bar_share"] for c in (own, bar)] == [0.0, 1.0]
    # Only of ponds on land it is asked whether a crop grows there.
    assert ["uncropped" in c.measures for c in (own, bar)] == [True, False]


def test_spoil_that_stands_out_on_its_bar_is_told_after_a_month() -> None:
    spoil = {"wet_share": 0.0, "ndvi": 0.1, "water": -0.9, "wait_days": 60.0}
    apart = {"apart": 1.0, "wait_days": 30.0}

    def state(text: str, says: dict[str, float]) -> str:
        with (
            mock.patch.object(follow_ground, "is_bridge", return_value=False),
            mock.patch.object(follow_ground, "standing_out", return_value=says),
        ):
            return candidate(looks(text), **spoil).evidence.state.value

    assert [state("hhhhhhh", says) for says in ({}, apart)] == ["provisional", "suspected"]
    # What was seen of it before it was gone says nothing of how long the other stays.
    assert state("hhhhhmh", apart) == "provisional"


def test_a_field_that_is_its_own_bare_ground_stays_on_watch_for_half_a_year() -> None:
    bare = {"wet_share": 0.0, "bar_share": 0.0, "ndvi": 0.2, "water": -0.5, "wait_days": 0.0}
    own = {"own_ground": 1.0, "wait_days": 180.0}

    def state(text: str, every: int, says: dict[str, float]) -> str:
        with mock.patch.object(follow_ground, "is_bridge", return_value=False):
            return candidate(looks(text, every=every), field=says, **bare).evidence.state.value

    assert [state("hhhhhh", 25, says) for says in ({}, own)] == ["suspected", "provisional"]
    assert state("hhhhhhhhhhh", 25, own) == "suspected"
    assert state("hhhhhmmhhhhh", 25, own) == "provisional"  # a crop stood between


def test_what_came_with_many_alike_to_a_field_stays_on_watch_for_two_months() -> None:
    film = {"wet_share": 0.0, "bar_share": 0.0, "ndvi": 0.14, "water": -0.5, "wait_days": 0.0}

    def state(text: str, alike: int, share: float = 1.0) -> str:
        with (
            mock.patch.object(follow_ground, "is_bridge", return_value=False),
            mock.patch("pipeline.passes.farming.tilled_share", return_value=share),
        ):
            found = candidate(looks(text, every=10), alike=alike, **film)
        return found.evidence.state.value

    assert [state("hhhh", n) for n in (0, 5)] == ["suspected", "provisional"]
    assert state("h" * 10, 5) == "suspected"
    assert state("hhhh", 5, share=0.3) == "suspected"


def test_a_ramp_is_what_most_sightings_show_of_an_object() -> None:
    def seen(day: int, rows: NDArray[np.int32], cols: NDArray[np.int32]) -> Sighting:
        on = FIRST + timedelta(days=day)
        return Sighting(Kind.DUI, on.isoformat(), on, rows, cols, 0.5, {}, True)

    bank = tuple(a.ravel().astype(np.int32) for a in np.mgrid[10:40, 10:14])
    sightings = (*(seen(day, ROWS, COLS) for day in range(4)), seen(9, *bank))
    track = Track(Kind.DUI, sightings, *bank, *bank)
    site = SimpleNamespace(store=SimpleNamespace(grid=SimpleNamespace(window=WINDOW)))
    bench = SimpleNamespace(
        given=lambda w: (None, SimpleNamespace(bins=np.zeros(w.shape, np.uint8))),
        surfaces=lambda *_: (),
    )
    asked: list[int] = []

    def leads(mask: NDArray[np.bool_], *_: object) -> bool:
        asked.append(int(mask.sum()))
        return mask.sum() == ROWS.size

    with mock.patch.object(follow_ground, "goes_out", leads):
        options = GroundOptions().disturb
        assert follow_ground.is_bridge(site, bench, track, options)  # type: ignore[arg-type]
    assert asked == [bank[0].size, ROWS.size]


@pytest.mark.parametrize(("text", "state"), [("hhhhh", "suspected"), ("hhhmh", "provisional")])
def test_nor_is_it_one_where_the_place_of_a_case_is_looked_at_again(text: str, state: str) -> None:
    measures = WATER | {"certain_share": 1.0, "strip": 0.0, "precedents": 0.0}
    case = SimpleNamespace(evidence=SimpleNamespace(first_seen=FIRST), measures=measures)
    how = (GroundOptions(), FoldOptions())
    with told(looks(text)):
        seen = follow_ground.relook_ground(None, None, case, (ROWS, COLS), how)  # type: ignore[arg-type]
    assert fold(seen).state.value == state


def test_a_candidate_is_asked_whether_a_flood_or_a_farmer_explains_it() -> None:
    land = {"bar_share": 0.0, "wait_days": 60.0}
    low = looks("mmmmmm", 10, -60)
    dug = candidate([*low, *looks("hh")], **land)
    assert (dug.measures["dug"], dug.measures["wait_days"]) == (1.0, 0.0)
    assert all(k.certain for k in dug.looks if k.seen is Seen.HIT)
    waits = candidate([*low[:2], *looks("hh")], **land)
    assert "dug" not in waits.measures
    assert not any(k.certain for k in waits.looks if k.seen is Seen.HIT)


def test_the_search_of_a_quarter_keeps_small_pieces_out_of_history() -> None:
    def pixels(row: int, n: int, seed: bool) -> Pixels:
        cols = np.arange(n, dtype=np.int32)
        return Pixels(np.full(n, row, np.int32), cols, np.full(n, seed))

    pieces = [pixels(0, 3, True), pixels(10, 3, False), pixels(20, 30, True)]
    sweep = ChangeSweep.__new__(ChangeSweep)
    store = SimpleNamespace(tile_px=512)
    site = SimpleNamespace(workers=1, progress=None, store=store)
    sweep.quarter = SimpleNamespace(name="q", site=site)  # type: ignore[assignment]
    sweep.options = GroundOptions()
    sweep._parts = (None,)  # type: ignore[assignment]
    joined = Pixels(*(np.concatenate([getattr(p, n) for p in pieces])
                      for n in ("rows", "cols", "seed")))  # fmt: skip
    no = Rejection("no", False, 1)
    regions = change._Regions(0.1, [Flooded()], [np.zeros(3, np.float32)])  # pyright: ignore[reportPrivateUsage]
    dark = pixels(40, 3, True)  # of dark ground none is kept out
    piece = change._Piece([joined], [dark], {"rows": np.zeros(0)})  # pyright: ignore[reportPrivateUsage]
    with (
        mock.patch.object(ChangeSweep, "_regions", return_value=regions),
        mock.patch.object(ChangeSweep, "_pixels", return_value=piece),
        mock.patch.object(ChangeSweep, "_examine", return_value=no),
    ):
        (found,), _ = sweep._search(range(1), {})
    assert found.sighted == ()
    assert [int(rows.max()) for rows, _ in found.flagged] == [1]  # the first, and what it blurs
    assert sum(n for _, _, n, _ in found.rejected) == 4
    assert change.too_small(pieces[0], 4)


HEAP = {
    "wet_share": 0.0, "bar_share": 1.0, "ndvi": 0.1, "water": -0.7, "bright": 0.2,
    "wait_days": 18.0,
}  # fmt: skip


POND = HEAP | {
    "bar_share": 0.0, "water": -0.2, "expected_water": -0.7, "z_water": 3.4, "z_bright": 1.9,
    "lost_px": 11.0, "soil": 1.0, "wait_days": 90.0, "ndvi": 0.3, "bright": 0.08,
}  # fmt: skip


def test_a_pond_of_mixed_pixels_waits_for_floods_and_not_for_a_season() -> None:
    with mock.patch.object(follow_ground, "is_bridge", return_value=False):
        found = candidate(looks("hhhhhhhh", 10), **POND)
        assert (found.kind, found.evidence.state.value) == (Kind.CAI, "suspected")
        assert found.measures["wait_days"] == 60.0
        scores = {k: found.measures[f"kind_{k}"] for k in ("cai", "dui", "jian")}
        assert max(scores, key=lambda k: scores[k]) == "cai"  # its alternatives say the same
        assert sum(scores.values()) == pytest.approx(1.0, abs=0.002)
        gone = candidate(looks("hhhhmhh", 10), **POND)
        assert gone.evidence.state.value == "provisional"
        for other in (
            {"z_bright": 3.5}, {"z_water": 2.0}, {"water": -0.4}, {"lost_px": 20.0},
            {"lost_px": 9.0}, {"lost_px": 0.0}, {"expected_water": 0.1},
        ):  # fmt: skip
            soil = candidate(looks("hhhhhhhh", 10), **POND | other)
            assert "mixed_water" not in soil.measures
            assert soil.evidence.state.value == "provisional"


def in_its_season(*args: object) -> int:
    """Find a precedent in the first hundred days of a year from then, and none after."""
    when = args[-1][0]  # type: ignore[index]
    return int((when - FIRST).days % 365 < 100)


@pytest.mark.parametrize(
    ("days", "text", "other", "left"),
    [
        (130, "hhhhhhhhhhhhhh", {}, 0.0), (110, "hhhhhhhhhhhh", {}, 1.0),
        (130, "hhhhmhhhhhhhhh", {}, 1.0), (130, "hhhhhhhhhhhhhh", HEAP, 0.0),
        (110, "hhhhhhhhhhhh", HEAP, 1.0), (130, "hhhhmhhhhhhhhh", HEAP, 1.0),
        (400, "h" * 41, {}, 0.0), (150, "h" * 15 + "m", {}, 0.0),
    ],
)  # fmt: skip
def test_what_outlasts_the_season_of_a_field_is_asked_of_the_season_it_is_in(
    days: int, text: str, other: dict[str, float], left: float
) -> None:
    """A paddy was there last year in May, and none in September."""

    assert (len(text) - 1) * 10 == days
    how = (FIRST, GroundOptions())
    measures = WATER | other | {"certain_share": 1.0, "strip": 0.0}
    track = SimpleNamespace(rows=ROWS, cols=COLS)
    with told(looks(text, 10), in_its_season):
        found = follow_ground._seasons(None, None, track, measures, how)  # type: ignore[arg-type]
    assert found == left


def test_a_candidate_that_outlasts_that_season_is_suspected() -> None:
    pond = {"bar_share": 0.0, "wait_days": 60.0}
    assert candidate(looks("h" * 14, 10), in_its_season, **pond).evidence.state == "suspected"
    assert candidate(looks("h" * 14, 10), 1, **pond).evidence.state == "provisional"
