"""What looks like a case and is none: no trap is reported, and each is without its guard.

All traps and four true objects lie in one reach (:mod:`riverside`), which goes through the sweeps
of a run with default options; a second reading of the same reach has bad dates. Reported means
suspected at any look, by the fold of a run; what stays on watch is asserted apart. :data:`GUARDS`
says how the guards of a trap are switched off, several jointly where one alone is not enough; that
the trap is reported then, and silent with them where it is judged alone too, is shown under
``thorough``. That each part of a bundle is needed or enough is not shown; what replaces
``Normal.at`` for the roof is no guard but what a pixel is used to.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
from scipy import ndimage
from shapely.geometry import box

sys.path.insert(0, str(Path(__file__).parent))
import riverside
from riverside import Float, Thing, Where, at, made_of, material, place, reported, strays

from benchmarks.accuracy.ablation import mostly_wet
from pipeline.adjudicate.areas import AreaIndex, Spot
from pipeline.adjudicate.rules import Subject
from pipeline.adjudicate.screen import Screener
from pipeline.detect.normal import Normal
from pipeline.grid import reproject
from pipeline.model import Attribution, Candidate, EvidenceState, LayerArea, Look, Pass, Window
from pipeline.passes.ground import Looks, Site


def drifting(under: Float, day: date, wet: Float) -> Float:
    """A barge at anchor that swings: a pixel further every look, six long and two wide."""
    del wet
    out, k = under.copy(), day.toordinal() // 10 % 3
    out[:, 1 + k : 7 + k, 2:4] = material("deck")
    return out


def moored(under: Float, _: date, wet: Float) -> Float:
    """Barges side by side at the water's edge, wherever that is: thirty metres out."""
    out = under.copy()
    for row in range(wet.shape[0]):
        for col in np.flatnonzero(wet[row] >= 0.5)[-3:]:
            out[:, row, col] = material("deck")[:, 0, 0]
    return out


APRIL, JUNE = date(2025, 4, 10), date(2025, 6, 5)


def light_soil(under: Float, day: date, wet: Float) -> Float:
    """Subsoil of a wood, brighter than any field here, and without brash."""
    halves = (made_of(name)(under, day, wet) for name in ("red_soil", "sand"))
    return sum(halves, start=np.zeros_like(under)) / 2


TRAPS: Mapping[str, Thing] = {
    "bridge": Thing(place(6, 8, 34, 79), made_of("road"), APRIL),
    "weir": Thing(place(112, 114, 34, 79), made_of("rubble"), APRIL),
    "sluice": Thing(place(87, 102, 82, 84), made_of("rubble"), APRIL),
    "drawdown": Thing(place(99, 110, 49, 54), lambda under, _, __: under),
    "harvest": Thing(place(12, 22, 4, 16), made_of("stubble"), JUNE, date(2025, 8, 15)),
    "fallow": Thing(place(12, 22, 20, 32), made_of("red_soil"), APRIL, date(2025, 7, 8)),
    "paddy": Thing(place(28, 38, 4, 16), made_of("water_silty"), APRIL, date(2025, 7, 1)),
    "weed": Thing(place(20, 27, 38, 46), made_of("hyacinth", 0.9), APRIL, JUNE, afloat=True),
    "thin weed": Thing(place(34, 41, 38, 46), made_of("hyacinth", 0.35), APRIL, JUNE, afloat=True),
    "debris": Thing(
        place(70, 83, 36, 44), made_of("drift", 0.8), date(2025, 6, 24), date(2025, 8, 20),
        afloat=True,
    ),
    "snow": Thing(place(62, 74, 98, 112), made_of("snow"), APRIL, JUNE),
    "felled": Thing(place(60, 72, 6, 18), made_of("stubble"), APRIL),
    "felled bare": Thing(place(104, 115, 22, 32), light_soil, JUNE),  # away from all others
    "roof": Thing(place(84, 92, 8, 16), made_of("bright_roof")),
    "barge": Thing(place(62, 74, 57, 63), drifting, APRIL, date(2025, 6, 25), afloat=True),
    "barges ashore": Thing(place(62, 68, 64, 78), moored, APRIL, JUNE, afloat=True),
    "levee": Thing(place(14, 46, 79, 82), made_of("rubble"), APRIL),
}  # fmt: skip
TRUE: Mapping[str, Thing] = {
    "fill": Thing(place(50, 58, 36, 46), made_of("rubble"), APRIL),
    "heap": Thing(place(28, 36, 22, 30), made_of("rubble"), APRIL),
    "shed": Thing(place(100, 107, 8, 16), made_of("blue_roof"), APRIL),
    "spoil": Thing(place(88, 94, 40, 46), made_of("spoil"), APRIL),
}


@dataclass(frozen=True)
class Guard:
    """How the guards of a trap are switched off jointly: options, and functions replaced."""

    options: Mapping[str, Any] = field(default_factory=dict[str, Any])  # of ``detect``
    replace: Mapping[str, Any] = field(default_factory=dict[str, Any])  # by their dotted names
    prepare: Mapping[str, Any] = field(default_factory=dict[str, Any])  # options of ``prepare``


def _no(*_: object) -> bool:
    return False


def _not_its_own(*_: object) -> dict[str, float]:
    return {}


def _none(*_: object, **__: object) -> None:
    return None


def _no_cloud(date_: Mapping[str, Any], *_: object) -> Any:
    return np.zeros(date_["blue"].shape, bool)


def _yes(*_: object) -> bool:
    return True


def _nobody_looked(_: object, window: Window) -> Any:
    return np.full(window.shape, np.nan, np.float32)


def _nothing_over_water(bands: Mapping[str, Float], _: object) -> Any:
    return np.zeros(bands["green"].shape, bool)


def _like_the_rest(self: Normal, day: float, own: Callable[..., Any] = Normal.at) -> Any:
    """Expect of every pixel what its surroundings are, and forget what itself was."""
    expected = own(self, day)
    return np.broadcast_to(np.nanmedian(expected, axis=(1, 2))[:, None, None], expected.shape)


def _ground(**parts: Any) -> dict[str, Any]:
    return {"ground": parts}


def _as_they_are(looks: Sequence[Look], *_: object) -> list[Look]:
    return list(looks)


AT_ONCE = {"days": 0.0}  # slim strips that leave the shore
SPAN = Guard(
    _ground(disturb={"linear_elongation": 1e6}, ramps=AT_ONCE),
    {
        "pipeline.detect.zhan.spans": _no,
        "pipeline.detect.zhan.closes": _no,
        "pipeline.passes.follow_ground.goes_out": _no,
    },
)
BARE = Guard(
    _ground(disturb={"soil_ndvi": 0.3, "wait_soil_days": 0.0}),
    {"pipeline.passes.follow_ground.own_ground": _not_its_own},
)
AFLOAT = Guard(
    {"water": {"green_ndvi": 0.8}, "zhan": {"deck_index": -1.0}},
    {"pipeline.detect.water.bright_over_water": _nothing_over_water},
)
GUARDS: Mapping[str, Guard] = {
    "bridge": SPAN,
    "weir": SPAN,
    "sluice": SPAN,
    "drawdown": Guard(replace={"pipeline.detect.expect.known_wet": mostly_wet}),
    "harvest": BARE,
    "fallow": Guard(_ground(disturb={"wait_soil_days": 0.0})),
    "paddy": Guard(_ground(flooded_fields=1.0, disturb={"wait_water_days": 0.0})),
    "weed": AFLOAT,
    "thin weed": Guard({"zhan": {"deck_index": -1.0}}, AFLOAT.replace),
    "snow": Guard({}, AFLOAT.replace, {"mask": {"spectral": {"snow_visible": 1.0}}}),
    "debris": Guard({"zhan": {"high_water": 0.0}} | _ground(ramps=AT_ONCE)),
    "felled": BARE,
    "felled bare": Guard(replace={"pipeline.passes.ground_measures.only_felled": _no}),
    "roof": Guard(
        replace={
            "pipeline.detect.normal.Normal.at": _like_the_rest,
            # Earlier years know it as well, in its season and in any.
            "pipeline.passes.follow_ground.precedents_of": _no,
            "pipeline.passes.follow_ground.own_ground": _not_its_own,
        }
    ),
    # What drifts is drawn by the part that it always covered, which is as slim as a ramp.
    "barge": Guard(
        {"zhan": {"afloat_max_px": 4}} | _ground(ramps={"days": 0.0}),
        {"pipeline.detect.zhan._grounded": _yes},
    ),
    "barges ashore": Guard({"zhan": {"deck_index": -1.0}}),
    "levee": Guard(_ground(disturb={"linear_elongation": 1e6})),
}


# Whole dates, and how their guards are switched off.
SHIFTED, GLINTING = riverside.PATROL_DAYS[1:5], riverside.PATROL_DAYS[5:9]
DATES: Mapping[str, Guard] = {
    "shifted date": Guard(
        _ground(change={"shift_sigmas": 0.0}),
        {"pipeline.passes.reduce.register": _none, "pipeline.detect.expect.View.radius_px": 0},
    ),
    "glint": Guard(
        {"zhan": {"expect": {"level": {"max_misfit": 0.5}}}},
        {
            "pipeline.prepare.masksteps.haze_test": _no_cloud,
            "pipeline.prepare.masksteps.cloud_test": _no_cloud,
            "pipeline.detect.water.bright_over_water": _nothing_over_water,
            "pipeline.detect.expect.known_wet": mostly_wet,
            "pipeline.detect.zhan._grounded": _yes,
        },
    ),
}


def glint(day: date, under: Float) -> Float:
    """Sun glint adds much the same at all wavelengths; the wind leaves patches of it."""
    if day not in GLINTING:
        return under
    rng = np.random.default_rng(5)
    field_ = ndimage.gaussian_filter(rng.normal(size=(riverside.SIDE, riverside.SIDE)), 5)
    strength = np.random.default_rng(day.toordinal()).uniform(0.14, 0.26)
    patches = strength * np.clip(4 * (field_ / field_.std() - 0.7), 0, 2)  # on a fifth of it
    bright = np.array([1, 1, 1, 1, 0.9])[:, None, None]
    return under + riverside.water_share(day) * patches * bright


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return riverside.open_site(tmp_path_factory.mktemp("reach") / "store")


@pytest.fixture(scope="module")
def passes(site: Site) -> tuple[Pass, ...]:
    things = [*TRAPS.values(), *TRUE.values()]
    return riverside.gathered(site, ((d, riverside.scene(d, things)) for d in riverside.DAYS))


@pytest.fixture(scope="module")
def looks(site: Site, passes: tuple[Pass, ...]) -> Looks:
    return riverside.prepared(site, passes)


@pytest.fixture(scope="module")
def found(site: Site, looks: Looks) -> list[Candidate]:
    return riverside.judged(site, looks)


def judged_without(
    site: Site, passes: Sequence[Pass], guard: Guard, only: Sequence[Where] | None = None
) -> list[Candidate]:
    """Prepare and judge with a guard off."""
    with ExitStack() as stack:
        for name, stand_in in guard.replace.items():
            stack.enter_context(mock.patch(name, stand_in))
        # What is kept of a look is named by options, and not by functions that tests replace.
        mark = str(sorted(guard.replace))
        stack.enter_context(mock.patch("pipeline.passes.states._LAYERS", mark))
        if ".prepare." in mark:
            stack.enter_context(mock.patch("pipeline.passes.clearsky.__version__", mark))
        looks = riverside.prepared(site, passes, guard.options.get("water"), guard.prepare)
        return riverside.judged(site, looks, guard.options, only)


def nothing_at(found: Sequence[Candidate], *names: str) -> None:
    for name in names:
        assert reported(TRAPS[name].where, found) == [], name


def watched_at(found: Sequence[Candidate], *names: str) -> None:
    """It was seen and is kept in sight, so something held it back."""
    for name in names:
        kept = at(TRAPS[name].where, found)
        assert any(c.evidence.hits >= 3 for c in kept), name
        assert all(c.evidence.state is not EvidenceState.SUSPECTED for c in kept), name


@pytest.mark.parametrize("name", TRUE)
def test_a_true_object_is_found_among_the_traps(found: list[Candidate], name: str) -> None:
    assert len(reported(TRUE[name].where, found)) == 1


def test_nothing_but_the_true_objects_is_reported(found: list[Candidate]) -> None:
    assert strays([t.where for t in TRUE.values()], found) == []


def test_bridge_is_not_reported(found: list[Candidate]) -> None:
    nothing_at(found, "bridge")
    watched_at(found, "bridge")


def test_weir_is_not_reported(found: list[Candidate]) -> None:
    nothing_at(found, "weir")
    watched_at(found, "weir")


def test_sluice_is_not_reported(found: list[Candidate]) -> None:
    nothing_at(found, "sluice")
    watched_at(found, "sluice")


def test_drawdown_band_is_not_reported(found: list[Candidate]) -> None:
    nothing_at(found, "drawdown")


def test_crops_are_not_reported(found: list[Candidate]) -> None:
    nothing_at(found, "harvest", "fallow", "paddy")
    watched_at(found, "harvest", "fallow", "paddy")


def test_floating_weed_is_not_reported(found: list[Candidate]) -> None:
    nothing_at(found, "weed", "thin weed")


def test_flood_debris_is_not_reported(found: list[Candidate]) -> None:
    nothing_at(found, "debris")
    watched_at(found, "debris")


def test_felled_forest_is_not_reported(found: list[Candidate]) -> None:
    nothing_at(found, "felled", "felled bare")
    watched_at(found, "felled", "felled bare")


def test_snow_is_not_reported(found: list[Candidate]) -> None:
    nothing_at(found, "snow")


def test_permanent_bright_roof_is_not_reported(found: list[Candidate]) -> None:
    assert at(TRAPS["roof"].where, found) == []


def test_boat_at_anchor_is_not_reported(found: list[Candidate]) -> None:
    nothing_at(found, "barge", "barges ashore")


def test_levee_clearing_is_not_reported(found: list[Candidate]) -> None:
    nothing_at(found, "levee")
    watched_at(found, "levee")


def test_authorised_works_are_not_reported(found: list[Candidate]) -> None:
    (heap,) = reported(TRUE["heap"].where, found)
    here = reproject(box(*heap.polygon.buffer(50).bounds), heap.crs, "EPSG:4326")
    works = LayerArea(here, {"name": "堤防加固", "from": "2025-01-01", "to": "2025-12-31"}, True)
    first, last = heap.evidence.first_seen, heap.evidence.last_seen
    assert first is not None
    assert last is not None
    spot = Spot.of(heap.polygon, heap.crs)
    asked = Subject(frozenset({heap.kind}), spot, first.date(), last.date(), 2.0, Attribution())
    explained = Screener(AreaIndex({"works": [works]}))(asked)
    assert (explained.outcome, explained.rule) == ("suppressed", "works-valid")
    assert Screener(AreaIndex({"works": []}))(asked).outcome == "kept"  # without its guard


@pytest.fixture(scope="module")
def bad_dates(site: Site, passes: tuple[Pass, ...]) -> tuple[Pass, ...]:
    """The true objects alone; four looks of them are a pixel off, and over four lies glint."""
    things = [TRAPS["roof"], *TRUE.values()]
    days = riverside.PATROL_DAYS[:12]  # up to the low water
    images = {d: glint(d, riverside.scene(d, things)) for d in days}
    off = [(d, image) for d, image in images.items() if d in SHIFTED]
    rest = [(d, image) for d, image in images.items() if d not in SHIFTED]
    patrol = (
        *riverside.gathered(site, off, 1, "bad"),
        *riverside.gathered(site, rest, 0, "bad"),
    )
    return (*passes[: len(riverside.HISTORY)], *sorted(patrol, key=lambda p: p.acquired))


@pytest.fixture(scope="module")
def found_on_bad_dates(site: Site, bad_dates: tuple[Pass, ...]) -> list[Candidate]:
    return riverside.judged(site, riverside.prepared(site, bad_dates))


def fresh(found: Sequence[Candidate], days: Sequence[date]) -> list[Candidate]:
    """What was first seen on some days, was suspected, and is no true object."""
    own = strays([t.where for t in TRUE.values()], found)
    firsts = [(c, c.evidence.first_seen) for c in own]
    return [c for c, first in firsts if first is not None and first.date() in days]


def test_date_shifted_by_a_pixel_is_not_reported(found_on_bad_dates: list[Candidate]) -> None:
    assert fresh(found_on_bad_dates, SHIFTED) == []


def test_glint_is_not_reported(found_on_bad_dates: list[Candidate]) -> None:
    assert fresh(found_on_bad_dates, GLINTING) == []


def test_true_objects_are_found_in_spite_of_bad_dates(found_on_bad_dates: list[Candidate]) -> None:
    assert strays([t.where for t in TRUE.values()], found_on_bad_dates) == []
    for name, thing in TRUE.items():
        assert reported(thing.where, found_on_bad_dates), name


@pytest.mark.thorough
@pytest.mark.parametrize("name", GUARDS)
def test_trap_is_reported_without_its_guard(
    site: Site, passes: tuple[Pass, ...], looks: Looks, name: str
) -> None:
    where = TRAPS[name].where
    assert reported(where, riverside.judged(site, looks, {}, [where])) == []  # the control
    assert reported(where, judged_without(site, passes, GUARDS[name], [where]))


@pytest.mark.thorough
@pytest.mark.parametrize(("name", "days"), [("shifted date", SHIFTED), ("glint", GLINTING)])
def test_bad_date_is_reported_without_its_guard(
    site: Site, bad_dates: tuple[Pass, ...], name: str, days: Sequence[date]
) -> None:
    assert fresh(judged_without(site, bad_dates, DATES[name]), days)


@pytest.mark.thorough
def test_a_heap_beside_an_old_bridge_is_told(tmp_path: Path) -> None:
    """A deck of one pixel was wet on every look of the history; only what it was says it is old."""
    deck = Thing(place(40, 41, 34, 86), made_of("road"))
    # Its landing; a pixel farther inland than the flood reaches that stands till July.
    heap = Thing(place(37, 44, 80, 88), made_of("rubble"), APRIL)
    fill = Thing(place(42, 48, 46, 52), made_of("rubble"), APRIL)
    old = riverside.open_site(tmp_path / "store")
    seen = ((d, riverside.scene(d, [deck, heap, fill])) for d in riverside.DAYS)
    looks = riverside.prepared(old, riverside.gathered(old, seen))
    places = [heap.where, fill.where]

    def told() -> list[int]:
        found = riverside.judged(old, looks, {}, places)
        return [len(reported(where, found)) for where in places]

    assert told() == [1, 1]
    with mock.patch("pipeline.passes.follow_ground.water_before", _nobody_looked):
        assert told() == [0, 0]  # the fill reaches the deck, and is its pier then


@pytest.mark.thorough
def test_paddies_at_low_water_are_held_by_the_flooded_fields_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They outlast the wait of ponds, and no level says that a flood filled them."""
    monkeypatch.setattr(riverside, "PATROL_LEVELS", (0.45, 0.5, 0.42) * 5)
    until = date(2025, 8, 20)
    paddies = [
        Thing(where, made_of("water_silty"), APRIL, until)
        for where in (place(28, 38, 4, 16), place(80, 90, 95, 107))
    ]
    low = riverside.open_site(tmp_path / "store")
    seen = ((d, riverside.scene(d, [*paddies, *TRUE.values()])) for d in riverside.DAYS)
    looks = riverside.prepared(low, riverside.gathered(low, seen))
    places = [p.where for p in paddies]

    def told(options: Mapping[str, Any]) -> list[int]:
        found = riverside.judged(low, looks, options, places)
        return [len(reported(where, found)) for where in places]

    assert told({}) == [0, 0]
    assert told(_ground(flooded_fields=1.0)) == [1, 1]


@pytest.mark.thorough
def test_a_field_that_lies_bare_beyond_its_season_is_held_by_its_own_ground_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Last spring it was tilled, and this year's crop is late: bare for longer than soil waits.

    Another plot, which nobody tilled in the year before, is reported: nothing else holds it back.
    """
    monkeypatch.setattr(riverside, "PATROL_LEVELS", (0.6, 0.7, 0.65) * 5)
    tilled, first = place(12, 22, 4, 16), place(12, 22, 20, 32)
    soil = made_of("red_soil")
    plots = [
        Thing(tilled, soil, date(2024, 4, 5), date(2024, 5, 10)),
        *(Thing(where, soil, APRIL) for where in (tilled, first)),
    ]
    fields = riverside.open_site(tmp_path / "store")
    seen = ((d, riverside.scene(d, plots)) for d in riverside.DAYS)
    looks = riverside.prepared(fields, riverside.gathered(fields, seen))

    def told() -> list[int]:
        found = riverside.judged(fields, looks, {}, [tilled, first])
        return [len(reported(where, found)) for where in (tilled, first)]

    assert told() == [0, 1]
    # Looks of the year before in its season say nothing of what stays for months longer.
    monkeypatch.setattr("pipeline.passes.follow_ground.own_ground", _not_its_own)
    assert told() == [1, 1]
    monkeypatch.undo()
    monkeypatch.setattr(riverside, "PATROL_LEVELS", (0.6, 0.7, 0.65) * 5)
    monkeypatch.setattr("pipeline.passes.follow_ground.precedents_of", lambda *_: 0)
    assert told() == [0, 1]


@pytest.mark.thorough
def test_a_bank_that_a_flood_silted_is_held_by_the_flood_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Grass at the water's edge lies under sand from the flood on, to the last look."""
    flood = riverside.PATROL_DAYS[8]
    bank = place(72, 84, 77, 81)
    sand = Thing(bank, made_of("sand"), flood)
    silted = riverside.open_site(tmp_path / "store")
    seen = ((d, riverside.scene(d, [sand, *TRUE.values()])) for d in riverside.DAYS)
    looks = riverside.prepared(silted, riverside.gathered(silted, seen))

    assert reported(bank, riverside.judged(silted, looks, {}, [bank])) == []
    monkeypatch.setattr("pipeline.adjudicate.weighing.after_floods", _as_they_are)
    assert len(reported(bank, riverside.judged(silted, looks, {}, [bank]))) == 1
