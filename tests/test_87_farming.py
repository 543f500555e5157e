"""An object that came to a field with many alike must outlast plastic film."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.adjudicate.candidates import AdjudicateOptions
from pipeline.adjudicate.evidence import FoldOptions, fold
from pipeline.adjudicate.tracks import Track
from pipeline.adjudicate.weighing import weighed_again
from pipeline.config import GroundOptions
from pipeline.detect.farming import FarmingOptions
from pipeline.model import EvidenceState, Ground, Kind, Look, Seen, Sighting, Window
from pipeline.passes.farming import alike_tracks, farmed
from pipeline.passes.follow_ground import _lasted

FIRST = datetime(2025, 5, 7, tzinfo=UTC)
WINDOW = Window(0, 30, 0, 30)
ROWS, COLS = (a.ravel().astype(np.int32) for a in np.mgrid[10:15, 10:15])
FILM = {
    "core_bright": 0.15, "barest_ndvi": 0.14, "bare": 0.05, "expected_ndvi": 0.6,
    "wet_share": 0.0, "bar_share": 0.0, "wait_days": 0.0, "strip": 0.0, "linear": 0.0,
    "certain_share": 1.0, "soil": 0.0, "area_m2": 2500.0, "bright": 0.15, "ndvi": 0.14,
    "water": -0.4,
}  # fmt: skip
SITE = SimpleNamespace(store=SimpleNamespace(grid=SimpleNamespace(res_m=10.0)))
FIELD = [Ground.GREEN, Ground.DRY] * 4


def track(at: int = 0, kind: Kind = Kind.DUI, **of: float) -> Track:
    """Give a track that begins ``at`` pixels south of the first."""
    rows = ROWS + at
    one = Sighting(kind, "0", FIRST, rows, COLS, 0.5, FILM | of, True)
    return Track(kind, (one,), rows, COLS, rows, COLS)


def ask(alike: int, history: Sequence[Ground] = tuple(FIELD), **of: float) -> dict[str, float]:
    def each(names: Sequence[str], window: Window) -> Iterator[NDArray[np.uint8]]:
        return (np.full(window.shape, history[int(name)], np.uint8) for name in names)

    passes = [SimpleNamespace(id=str(i)) for i in range(len(history))]
    quarter = SimpleNamespace(history=passes, states=SimpleNamespace(each=each))
    bench = SimpleNamespace(normals=SimpleNamespace(quarter=quarter))
    return farmed(bench, track(), WINDOW, FILM | of, (alike, GroundOptions()))  # type: ignore[arg-type]


def test_tracks_are_counted_by_place_and_looks() -> None:
    some = [track(25 * k) for k in range(7)]
    assert alike_tracks(SITE, some, [t.first_on for t in some], FarmingOptions()) == [6] * 7  # type: ignore[arg-type]
    assert alike_tracks(SITE, [], [], FarmingOptions()) == []  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "other",
    [{"expected_ndvi": 0.2}, {"wet_share": 0.8}, {"bar_share": 0.7}, {"core_bright": 0.3}],
)
def test_yards_water_bars_and_lighter_roofs_are_no_fields_alike(other: dict[str, float]) -> None:
    some = [track(), *(track(25 * k, **other) for k in range(1, 7))]
    assert alike_tracks(SITE, some, [t.first_on for t in some], FarmingOptions())[0] == 0  # type: ignore[arg-type]


def test_nor_are_fills() -> None:
    some = [track(), *(track(25 * k, Kind.ZHAN) for k in range(1, 7))]
    assert alike_tracks(SITE, some, [t.first_on for t in some], FarmingOptions())[0] == 0  # type: ignore[arg-type]


def test_a_field_in_company_waits_and_one_alone_does_not() -> None:
    assert ask(5) == {"fields_alike": 5.0, "wait_days": 60.0}
    assert ask(5, wait_days=90.0)["wait_days"] == 90.0
    assert ask(4) == {}


@pytest.mark.parametrize("place", [[Ground.GREEN] * 8, [Ground.DRY] * 8])
def test_what_stands_in_a_wood_or_a_yard_does_not_wait(place: list[Ground]) -> None:
    assert ask(9, place) == {}


@pytest.mark.parametrize(
    "other",
    [
        {"wet_share": 0.8}, {"bar_share": 0.6}, {"precedents": 2.0}, {"strip": 1.0},
        {"filled_px": 20.0}, {"mixed_water": 1.0},
    ],
)  # fmt: skip
def test_water_bars_fills_and_what_is_doubted_anyway_are_not_asked(other: dict[str, float]) -> None:
    assert ask(9, **other) == {}


def test_what_was_there_long_before_this_run_is_no_company() -> None:
    some = [track(25 * k) for k in range(7)]
    since = [FIRST, *[FIRST - timedelta(days=200)] * 6]
    assert alike_tracks(SITE, some, since, FarmingOptions()) == [0, *[5] * 6]  # type: ignore[arg-type]


def test_a_date_without_swir_takes_no_colour_from_the_others() -> None:
    some = [track(25 * k) for k in range(7)]
    since = [t.first_on for t in some]
    whole = alike_tracks(SITE, some, since, FarmingOptions())  # type: ignore[arg-type]
    for k, t in enumerate(some):
        bare = {n: v for n, v in t.sightings[0].measures.items() if n != "bare"}
        date = replace(t.sightings[0], pass_id="without", measures=bare)
        some[k] = replace(t, sightings=(*t.sightings, date))
    assert alike_tracks(SITE, some, since, FarmingOptions()) == whole  # type: ignore[arg-type]


def state_of(seen: str, step: int, **of: float) -> EvidenceState:
    """Say what comes of looks at a field, from the first on."""
    words = {"h": Seen.HIT, "m": Seen.MISS, "u": Seen.UNKNOWN}
    looks = [
        Look(FIRST + timedelta(days=step * i), str(i), "s", 1.0, words[c], True, 0.2, 1.0)
        for i, c in enumerate(seen)
    ]
    measures = FILM | of
    found = _lasted(looks, track(), measures, (AdjudicateOptions(), FIRST, FIRST, 9))
    case = SimpleNamespace(case_id="one", measures=measures, area_m2=2500.0)
    every = weighed_again([case], {"one": found}, FoldOptions())["one"]  # type: ignore[list-item]
    return fold(every).state


ALIKE = {"fields_alike": 9.0, "wait_days": 60.0}


def test_film_is_not_told_and_a_heap_among_it_is_told_after_two_months() -> None:
    assert state_of("hhhhhh", 8) is EvidenceState.SUSPECTED
    assert state_of("hhhhhh", 8, **ALIKE) is EvidenceState.PROVISIONAL  # 40 days
    assert state_of("h" * 9, 8, **ALIKE) is EvidenceState.SUSPECTED


def test_bare_soil_before_the_film_came_does_not_count() -> None:
    words = {"h": Seen.HIT, "m": Seen.MISS}
    before = [
        Look(FIRST - timedelta(days=8 * (6 - i)), f"b{i}", "s", 1.0, words[c], True, 0.2, 1.0)
        for i, c in enumerate("mhhhhh")
    ]
    after = [
        Look(FIRST + timedelta(days=8 * i), str(i), "s", 1.0, Seen.HIT, True, 0.2, 1.0)
        for i in range(5)
    ]
    how = (AdjudicateOptions(), FIRST, FIRST, 9)
    found = _lasted([*before, *after], track(), FILM | ALIKE, how)
    assert fold(found).state is EvidenceState.PROVISIONAL


def test_a_crop_begins_the_wait_anew() -> None:
    assert state_of("hhhhhmmhhhhh", 8, **ALIKE) is EvidenceState.PROVISIONAL
    assert state_of("hhhhhmhhhhhh", 8, **ALIKE) is EvidenceState.SUSPECTED  # a cloud's shadow
