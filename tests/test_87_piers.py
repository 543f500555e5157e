"""A fill as narrow as a deck is asked whether one leads from it; a wide one is not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.adjudicate.tracks import Track
from pipeline.config import EpochOptions, GroundOptions
from pipeline.detect.water_frequency import N_BINS
from pipeline.detect.zhan_options import ZhanOptions
from pipeline.model import Ground, Kind, Sighting, Window
from pipeline.passes import deck_looks, piers
from pipeline.passes.watch import WatchOptions

FIRST = datetime(2025, 3, 1, tzinfo=UTC)
MONTHS, YEAR = timedelta(days=200), timedelta(days=365)
SIDE = 60
WHOLE = Window(0, SIDE, 0, SIDE)
OPTIONS = WatchOptions(ZhanOptions(), GroundOptions(), EpochOptions())


def track(high: int, wide: int, col: int = 20) -> Track:
    box = np.mgrid[10 : 10 + high, col : col + wide]
    rows, cols = (a.ravel().astype(np.int32) for a in box)
    seen = Sighting(Kind.ZHAN, "one", FIRST, rows, cols, 0.5, {}, True)
    return Track(Kind.ZHAN, (seen,), rows, cols, rows, cols)


@pytest.mark.parametrize(("high", "wide", "asked"), [(5, 16, True), (6, 6, True), (12, 30, False)])
def test_only_what_is_as_narrow_as_a_deck_may_be_its_pier(
    high: int, wide: int, asked: bool
) -> None:
    nothing: Any = None
    with mock.patch.object(piers, "is_bridge", return_value=True) as question:
        found = piers.goes_on_as_deck(nothing, nothing, track(high, wide), MONTHS, OPTIONS)
    assert (found, question.called) == (asked, asked)


def river(deck: bool) -> NDArray[np.float32]:
    """Water score of a look: a deck of two pixels in rows 10 and 11, neither dry nor water."""
    water = np.full((SIDE, SIDE), 0.5, np.float32)
    water[:, 50:] = -0.5
    if deck:
        water[10:12, :50] = 0.05
    return water


def quarter_of(looks: list[tuple[NDArray[np.float32], NDArray[np.uint8]]]) -> Any:
    """Give a history of some looks: water scores and ground codes of a whole grid."""

    def each(ids: list[str], w: Window) -> Any:
        return (looks[int(k)][1][w.slices] for k in ids)

    def features(name: str, w: Window, names: tuple[str]) -> Any:
        assert names == ("water",)
        return looks[int(name)][0][w.slices][None]

    history = [SimpleNamespace(id=str(k)) for k in range(len(looks))]
    states = SimpleNamespace(each=each, features=features)
    return SimpleNamespace(history=history, states=states)


def asked(before: bool | None, now: bool = True, stood: timedelta = MONTHS) -> bool:
    """Ask for the deck of a pier of 2 x 8 pixels in the water; ``before``: of the same place.

    History has three years of looks, or none that is clear (None).
    """
    cols = np.indices((SIDE, SIDE))[1]
    bins = np.where(cols < 50, N_BINS - 1, 0).astype(np.uint8)

    def state(water: NDArray[np.float32]) -> NDArray[np.uint8]:
        known = np.where(water > 0, Ground.WET, Ground.DRY)
        return np.where(np.abs(water) > 0.06, known, Ground.UNKNOWN).astype(np.uint8)

    past = river(bool(before))
    seen = state(past) if before is not None else np.full_like(bins, Ground.UNKNOWN)
    look = river(now)
    surface = SimpleNamespace(seen=np.stack([look, look, look]), state=state(look))

    def given(w: Window) -> Any:
        return None, SimpleNamespace(bins=bins[w.slices])

    def surfaces(w: Window, _: object) -> Any:
        return iter([(None, _cut(surface, w), None)] * 5)

    bench = SimpleNamespace(
        given=given,
        surfaces=surfaces,
        normals=SimpleNamespace(quarter=quarter_of([(past, seen)] * 100)),
    )
    site = SimpleNamespace(store=SimpleNamespace(grid=SimpleNamespace(window=WHOLE)))
    return piers.goes_on_as_deck(site, bench, track(2, 8, 32), stood, OPTIONS)  # type: ignore[arg-type]


def _cut(surface: SimpleNamespace, window: Window) -> SimpleNamespace:
    return SimpleNamespace(
        seen=surface.seen[(slice(None), *window.slices)], state=surface.state[window.slices]
    )


@pytest.mark.parametrize(
    ("before", "now", "bridge"),
    [(False, True, True), (True, True, False), (None, True, True), (False, False, False)],
)
def test_a_fill_before_a_thin_bridge_that_was_always_there_is_none_of_its_parts(
    before: bool | None, now: bool, bridge: bool
) -> None:
    """The old deck was neither dry nor water on any look; where none tells, it counts as new."""
    assert asked(before, now) is bridge


def test_what_goes_on_as_a_deck_is_held_back_for_a_year() -> None:
    assert asked(False, stood=YEAR - timedelta(days=1))
    assert not asked(False, stood=YEAR)


def test_a_cloud_is_no_deck_in_the_history() -> None:
    water = np.full((20, 20), 0.5, np.float32)
    cloudy = np.full_like(water, 0.02)
    wet, unknown = (np.full(water.shape, c, np.uint8) for c in (Ground.WET, Ground.UNKNOWN))
    looks = [(water, wet)] * 3 + [(cloudy, unknown)] * 5

    def before(some: list[tuple[NDArray[np.float32], NDArray[np.uint8]]]) -> NDArray[np.float32]:
        return deck_looks.water_before(quarter_of(some), Window(0, 20, 0, 20))

    assert (before(looks) == 0.5).all()
    assert np.isnan(before(looks[1:])).all()  # two looks tell nothing
    assert np.isnan(before([])).all()


def test_a_part_that_most_sightings_show_is_connected_and_no_speck() -> None:
    def seen(day: int, *parts: tuple[slice, slice]) -> Sighting:
        mask = np.zeros((SIDE, SIDE), bool)
        for part in parts:
            mask[part] = True
        rows, cols = (a.astype(np.int32) for a in np.nonzero(mask))
        on = FIRST + timedelta(days=day)
        return Sighting(Kind.DUI, str(day), on, rows, cols, 0.5, {}, True)

    ramp, speck = np.s_[10:14, 10:20], np.s_[10:12, 30:33]
    beyond, bank = np.s_[10:14, 5:10], np.s_[10:30, 10:36]
    sightings = (*(seen(day, ramp, speck, beyond) for day in range(3)), seen(9, bank))
    own = (sightings[-1].rows, sightings[-1].cols)
    whole = Track(Kind.DUI, sightings, *own, *own)
    footprint, steady = deck_looks.parts_of(whole, WHOLE, 4)
    assert footprint.sum() == own[0].size
    assert (steady.sum(), steady[ramp].all()) == (40, True)
    assert len(deck_looks.parts_of(whole, WHOLE, 41)) == 1
