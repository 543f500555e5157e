"""Dark dry ground that took the place of plants, and is no soil by its colour."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline.adjudicate.tracks import link
from pipeline.detect.change import Flags
from pipeline.detect.dark import DarkOptions, as_dark, flag_dark, neutrality
from pipeline.detect.kinds import kind_scores
from pipeline.detect.look_surface import BRIGHT, NDVI, WATER, Surface
from pipeline.detect.objects import Rejection
from pipeline.model import Ground, Kind, Sighting, Window
from pipeline.passes.book import Found, _packed, _unpacked  # pyright: ignore[reportPrivateUsage]
from pipeline.passes.change import neutral_of

SHAPE = (12, 12)
HEAP = (slice(3, 8), slice(4, 9))
ON = datetime(2025, 6, 1, 3, tzinfo=UTC)
OWN = DarkOptions()

Float = NDArray[np.float32]


def full(value: float) -> Float:
    return np.full(SHAPE, value, np.float32)


def surface(*, bright: float = 0.04, ndvi: float = 0.1, water: float = -0.25) -> Surface:
    """Give grass with a heap of coal on it, or of something else."""
    seen = np.stack([full(0.05), full(0.7), full(-0.6)])
    for k, value in ((BRIGHT, bright), (NDVI, ndvi), (WATER, water)):
        seen[k][HEAP] = value
    yes, no = np.ones(SHAPE, bool), np.zeros(SHAPE, bool)
    return Surface(
        Window(0, SHAPE[0], 0, SHAPE[1]),
        seen,
        np.stack([full(0.05), full(0.7), full(-0.6)]),
        np.stack([full(0.01), full(0.05), full(0.05)]),
        np.full(SHAPE, Ground.DRY, np.uint8),
        yes, no, no, yes, yes,
        np.full(SHAPE, 20, np.uint16), np.ones(SHAPE, np.uint16), np.zeros(SHAPE, np.uint8), 0.1,
    )  # fmt: skip


def z_of(s: Surface) -> Float:
    return ((s.seen - s.expected) / s.spread).astype(np.float32)


def unlit() -> Flags:
    return Flags(*np.zeros((4, *SHAPE), bool))


def marked(s: Surface, o: DarkOptions = OWN) -> Flags:
    return flag_dark(s, z_of(s), unlit(), o)


def test_coal_on_grass_is_dark_ground_and_nothing_else_is() -> None:
    out = marked(surface())
    assert out.bare[HEAP].all()
    assert np.count_nonzero(out.bare) == 25
    assert np.array_equal(out.seed, out.bare)
    assert not out.wet.any()
    assert not out.rim.any()


@pytest.mark.parametrize(
    "other",
    [
        {"bright": 0.066},  # wet soil
        {"bright": 0.019},  # shade
        {"ndvi": 0.21},  # plants
        {"water": -0.09},  # wet
    ],
)
def test_what_is_lighter_darker_greener_or_wetter_is_not(other: dict[str, float]) -> None:
    assert not marked(surface(**other)).bare.any()


def test_each_limit_holds_what_lies_on_it() -> None:
    assert marked(surface(bright=0.0649)).bare.sum() == 25
    assert marked(surface(bright=0.0201)).bare.sum() == 25
    assert marked(surface(ndvi=0.199)).bare.sum() == 25
    assert marked(surface(water=-0.101)).bare.sum() == 25


@pytest.mark.parametrize("what", ["land", "state", "looks", "expected"])
def test_only_known_dry_land_that_should_be_green(what: str) -> None:
    s = surface()
    where = {
        "land": np.zeros(SHAPE, bool),
        "state": np.full(SHAPE, Ground.UNKNOWN, np.uint8),
        "looks": np.zeros(SHAPE, np.uint16),
        "expected": np.stack([full(0.05), full(0.29), full(-0.6)]),
    }[what]
    changed = replace(s, **{what: where})
    assert not flag_dark(changed, z_of(s), unlit(), OWN).bare.any()


def test_weaker_pixels_join_and_begin_nothing() -> None:
    s = surface()
    z = z_of(s)
    z[NDVI][HEAP] = -3.9
    out = flag_dark(s, z, unlit(), OWN)
    assert out.bare[HEAP].all()
    assert not out.seed.any()
    z[NDVI][HEAP] = -2.4
    assert not flag_dark(s, z, unlit(), OWN).bare.any()


def test_what_is_lighter_or_wet_is_left_to_those() -> None:
    s = surface()
    for name in ("bare", "wet", "rim"):
        light = unlit()
        getattr(light, name)[4, 5] = True
        out = flag_dark(s, z_of(s), light, OWN)
        assert not out.bare[4, 5]
        assert out.bare.sum() == 24


def test_it_can_be_turned_off() -> None:
    assert not marked(surface(), DarkOptions(most=0)).bare.any()


@pytest.mark.parametrize("what", ["shoal", "green"])
def test_bars_and_plants_are_not_dark_ground(what: str) -> None:
    s = surface()
    if what == "green":
        s.state[HEAP] = Ground.GREEN
    else:  # a bar that lies dry is ground, and never was land
        s = replace(s, land=np.zeros(SHAPE, bool), bar=np.ones(SHAPE, bool))
        assert s.ground.all()
    assert not flag_dark(s, z_of(s), unlit(), OWN).bare.any()


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**31))
def test_a_pixel_is_judged_by_itself(seed: int) -> None:
    rng = np.random.default_rng(seed)
    s = surface()
    s.seen[BRIGHT] = rng.uniform(0, 0.1, SHAPE)
    s.seen[NDVI] = rng.uniform(0, 0.4, SHAPE)
    s.seen[WATER] = rng.uniform(-0.4, 0.1, SHAPE)
    whole = flag_dark(s, z_of(s), unlit(), OWN)
    rows = np.array(rng.permutation(SHAPE[0]))
    arrays = {
        n: np.ascontiguousarray(a[..., rows, :])
        for n, a in vars(s).items()
        if isinstance(a, np.ndarray)
    }
    moved = replace(s, **arrays)
    again = flag_dark(moved, z_of(moved), unlit(), OWN)
    assert np.array_equal(again.bare, whole.bare[rows])
    assert np.array_equal(again.seed, whole.seed[rows])


def test_neutrality_is_blue_over_red() -> None:
    blue = np.array([0.035, 0.03, -0.01, 0.05, np.nan], np.float32)
    red = np.array([0.042, 0.06, 0.05, 0.0, 0.05], np.float32)
    out = neutrality(blue, red)
    assert out[:3].tolist() == pytest.approx([0.8333, 0.5, 0.0], abs=1e-3)
    assert np.isfinite(out[3])
    assert out[3] > 1
    assert np.isnan(out[4])


def sighting(day: int, *, dark: bool, at: int = 0) -> Sighting:
    rows, cols = (v.ravel().astype(np.int32) for v in np.mgrid[at : at + 5, 0:5])
    when = ON + timedelta(days=day)
    measures = {
        "hollow_share": 1.0, "area_m2": 2500.0, "wet_share": 0.0, "bar_share": 0.0, "soil": 0.0,
        "wait_days": 0.0,
    }  # fmt: skip
    own = Sighting(Kind.DUI, f"p{day}", when, rows, cols, 0.5, measures, certain=True)
    out = as_dark(own, 0.84, OWN, 90.0) if dark else own
    assert isinstance(out, Sighting)
    return out


def test_a_sighting_says_that_it_is_dark_and_no_hollow() -> None:
    own = sighting(0, dark=True)
    assert own.measures["dark"] == 1
    assert own.measures["neutral"] == pytest.approx(0.84)
    assert own.measures["hollow_share"] == 0
    assert own.certain


@pytest.mark.parametrize("colour", [0.749, float("nan")])
def test_what_is_as_brown_as_soil_or_of_no_known_colour_is_no_sighting(colour: float) -> None:
    out = as_dark(sighting(0, dark=False), colour, OWN, 90.0)
    assert isinstance(out, Rejection)
    assert not out.unknown
    assert out.pixels == 25
    assert isinstance(as_dark(sighting(0, dark=False), 0.751, OWN, 90.0), Sighting)


def test_it_waits_as_soil_does_whatever_its_index() -> None:
    """Tarmac and ash have the index of roofs, and burnt ground may have."""
    plain = sighting(0, dark=False)
    own = sighting(0, dark=True)
    assert own.measures["wait_days"] == 90
    assert own.measures["soil"] == 1
    longer = replace(plain, measures=dict(plain.measures) | {"wait_days": 180.0})
    out = as_dark(longer, 0.9, OWN, 90.0)
    assert isinstance(out, Sighting)
    assert out.measures["wait_days"] == 180


def test_what_was_uncertain_stays_uncertain() -> None:
    unsure = replace(sighting(0, dark=False), certain=False)
    out = as_dark(unsure, 0.9, OWN, 90.0)
    assert isinstance(out, Sighting)
    assert not out.certain


def test_dark_and_light_sightings_of_one_place_are_two_tracks() -> None:
    every = [sighting(d, dark=bool(d % 2)) for d in range(6)]
    tracks = link(every)
    assert [len(t.sightings) for t in tracks] == [3, 3]
    assert {bool(t.sightings[0].measures.get("dark")) for t in tracks} == {True, False}
    assert all(len({s.measures.get("dark") for s in t.sightings}) == 1 for t in tracks)


def test_dark_ground_is_no_mixture_of_water() -> None:
    half = {
        "water": -0.1, "expected_water": -0.6, "z_water": 9.0, "bare": 0.1, "area_m2": 1000.0,
        "wet_share": 0.0, "hollow_share": 0.0, "bar_share": 0.0, "rectangularity": 0.7,
    }  # fmt: skip
    assert next(iter(kind_scores([half]))) is Kind.CAI
    assert kind_scores([half | {"dark": 1.0}])[Kind.CAI] == 0


class Bands:
    """Reflectances of one look, as a store would give them."""

    looks = SimpleNamespace(reader=lambda _: Bands)
    site = SimpleNamespace(store=None)

    @staticmethod
    def band(_: str, name: str, window: Window) -> Float:
        out = full(0.03 if name == "blue" else 0.04)
        if name == "blue":
            out[3, 4], out[3, 5] = np.nan, 0.4  # a cloud's rim
        return out[window.slices]


def test_the_colour_is_the_middle_of_what_is_known() -> None:
    rows, cols = (v.ravel().astype(np.int32) for v in np.mgrid[HEAP])
    states, look = cast("Any", Bands), cast("Any", SimpleNamespace(id="p"))
    assert neutral_of(states, look, (rows, cols)) == pytest.approx(0.75)
    assert np.isnan(neutral_of(states, look, (rows[:1], cols[:1])))


def sparse(row: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    return np.array([row], np.int32), np.array([0], np.int32)


def test_what_two_searches_found_of_a_look_is_kept_together() -> None:
    one, other = sighting(0, dark=False), sighting(0, dark=True, at=20)
    light = Found((one,), (sparse(1), sparse(2)), (("a", False, 1, 4),))
    dark = Found((other,), (sparse(3), sparse(4)), (("b", True, 2, 9),))
    both = light.beside(dark)
    assert both.sightings == (one, other)
    assert [int(r[0]) for r, _ in both.flagged] == [1, 3, 2, 4]
    assert [int(r[0]) for r, _ in both.sighted] == [1, 3]
    assert both.rejected == (("a", False, 1, 4), ("b", True, 2, 9))
    again = _unpacked(_packed(both))
    assert [int(r[0]) for r, _ in again.sighted] == [1, 3]
    assert [s.measures for s in again.sightings] == [one.measures, other.measures]
