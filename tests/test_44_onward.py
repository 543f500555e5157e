"""An object on the shore goes on into the water where the bed elsewhere looks unlike it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.detect.onward import (
    Likeness,
    OnwardOptions,
    covered,
    likeness,
    onward,
    unlike_bed,
)
from pipeline.detect.water_frequency import N_BINS, UNSEEN
from pipeline.model import Ground

SHAPE = (60, 70)
RUBBLE, MUD, DEEP = (0.19, 0.09, -0.9), (0.11, 0.2, -0.6), (0.05, -0.3, 0.6)
LAND = np.zeros(SHAPE, bool)
LAND[:, :20] = True

SHALLOW = np.zeros(SHAPE, bool)
SHALLOW[:, 20:24] = True
FILL = np.zeros(SHAPE, bool)
FILL[20:34, 16:40] = True
FOOT = FILL & LAND


def bins() -> np.ndarray:
    out = np.full(SHAPE, N_BINS - 1, np.uint8)
    out[LAND] = 0
    out[:, 20:24] = np.arange(8, 24, 4, dtype=np.uint8)
    return out


def seen(
    fallen: int = 0, bed: tuple[float, float, float] = MUD, fill: np.ndarray = FILL, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Features and ground codes of a look whose water fell back by ``fallen`` pixels."""
    dry = np.zeros(SHAPE, bool)
    dry[:, : 20 + fallen] = True
    state = np.where(dry | fill, Ground.DRY, Ground.WET).astype(np.uint8)
    out = np.empty((3, *SHAPE), np.float32)
    for i in range(3):
        out[i] = np.where(fill, RUBBLE[i], np.where(dry, bed[i], DEEP[i]))
    return out + np.random.default_rng(seed).normal(0, 0.004, out.shape).astype(np.float32), state


def looks(n: int = 3, **how: object) -> list[Likeness]:
    every = [likeness(FOOT, *seen(**how, seed=i)) for i in range(n)]  # type: ignore[arg-type]
    return [k for k in every if k is not None]


@pytest.mark.parametrize("fallen", [9, 12])
def test_a_fill_goes_on_as_far_as_it_goes(fallen: int) -> None:
    part = onward(FOOT, bins(), looks(fallen=fallen))
    assert part is not None
    np.testing.assert_array_equal(part, FILL & ~LAND)


@pytest.mark.parametrize("fallen", [0, 3])
def test_without_other_bed_nothing_is_known_of_it(fallen: int) -> None:
    assert onward(FOOT, bins(), looks(fallen=fallen)) is None


def test_a_rim_of_two_pixels_is_a_shift_of_the_image() -> None:
    for wide in (2, 3):
        rim = FOOT.copy()
        rim[20:34, 20 : 20 + wide] = True
        at_once = np.full(SHAPE, N_BINS - 1, np.uint8)
        at_once[LAND] = 0
        assert (onward(FOOT, at_once, looks(fallen=12, fill=rim)) is None) is (wide == 2)


@pytest.mark.parametrize("what", ["weed", "nothing"])
def test_weed_and_pixels_without_features_are_no_bed(what: str) -> None:
    features, state = seen()
    afloat = np.zeros(SHAPE, bool)
    afloat[:16, 24:45] = afloat[38:, 24:45] = True
    state[afloat] = Ground.GREEN if what == "weed" else Ground.DRY
    features[:, afloat] = 0.5 if what == "weed" else np.nan
    assert not unlike_bed(FILL & ~LAND, features, state, bins())
    many = [k for k in [likeness(FOOT, features, state)] * 3 if k is not None]
    assert len(many) == 3
    assert onward(FOOT, bins(), many) is None


def test_bed_that_is_like_the_object_proves_nothing() -> None:
    assert onward(FOOT, bins(), looks(fallen=12, bed=RUBBLE, fill=FOOT)) is None
    assert onward(FOOT, bins(), looks(fallen=12, bed=RUBBLE)) is None


def test_what_lies_dry_now_and_then_is_a_bar() -> None:
    on_bar = bins()
    on_bar[FILL & ~LAND] = 20
    assert onward(FOOT, on_bar, looks(fallen=12)) is None
    unseen = bins()
    unseen[FILL & ~LAND] = UNSEEN
    assert onward(FOOT, unseen, looks(fallen=12)) is None


def test_one_look_and_half_of_the_looks() -> None:
    assert onward(FOOT, bins(), looks(1, fallen=12)) is None
    gone = [k for k in [likeness(FOOT, *seen(12, fill=FOOT, seed=9))] if k is not None]
    assert onward(FOOT, bins(), looks(2, fallen=12) + gone * 2) is not None
    assert onward(FOOT, bins(), looks(2, fallen=12) + gone * 3) is None


def test_what_is_elsewhere_and_what_is_cut_off_by_the_window_is_no_part() -> None:
    apart = FILL & ~SHALLOW
    assert onward(FOOT, bins(), looks(fallen=12, fill=apart)) is None
    endless = FILL.copy()
    endless[20:34, 20:] = True
    assert onward(FOOT, bins(), looks(fallen=12, fill=endless)) is None


def test_an_object_that_is_hardly_seen_says_nothing() -> None:
    features, state = seen()
    state[FOOT] = Ground.UNKNOWN
    assert likeness(FOOT, features, state) is None
    features[:, FOOT] = np.nan
    assert likeness(FOOT, features, seen()[1]) is None


def test_clouds_over_a_part_are_no_miss() -> None:
    clouded = []
    for i in range(4):
        features, state = seen(12, seed=i)
        if i > 1:
            state[:, 30:] = Ground.UNKNOWN
        one = likeness(FOOT, features, state)
        assert one is not None
        clouded.append(one)
    part = onward(FOOT, bins(), clouded)
    assert part is not None
    np.testing.assert_array_equal(part, FILL & ~LAND)


@pytest.mark.parametrize("mix", [0.25, 0.7])
def test_the_rim_of_a_part_is_covered_by_its_share(mix: float) -> None:
    part = FILL & ~LAND
    told = []
    for i in range(4):
        features, state = seen(12, seed=i)
        features[0][20:34, 40] = mix * RUBBLE[0] + (1 - mix) * DEEP[0]
        one = likeness(FOOT, features, state)
        assert one is not None
        told.append((features[0], one))
    none = np.zeros(SHAPE, bool)
    cloud = (np.full(SHAPE, 0.9, np.float32), Likeness(LAND, none, none))
    share = covered(FOOT, part, bins(), [*told, cloud])
    np.testing.assert_allclose(share[22:32, 40], mix, atol=0.06)
    np.testing.assert_allclose(share[22:32, 26:39], 1, atol=0.1)
    assert (share[FOOT] == 1).all()
    # Nothing on ground that was never water, and nothing far from the part.
    assert not share[LAND & ~FOOT].any()
    assert not share[:17].any()
    # Where no look tells the votes decide.
    np.testing.assert_array_equal(covered(FOOT, part, bins(), [cloud]), FOOT | part)


def drawn(
    fill: np.ndarray, of: tuple[float, float], texture: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Give part and shares by twelve looks at a fill and bed ``of`` so much light."""
    own = np.random.default_rng(99).normal(0, texture, SHAPE).astype(np.float32)
    every = []
    for i in range(12):
        features, state = seen(12, (of[1], 0.3, -0.5), fill, seed=i)
        features[0][fill] += (own + np.float32(of[0] - RUBBLE[0]))[fill]
        one = likeness(fill & LAND, features, state)
        assert one is not None
        every.append((features[0], one))
    part = onward(fill & LAND, bins(), [k for _, k in every])
    assert part is not None
    return part, covered(fill & LAND, part, bins(), every)


@pytest.mark.parametrize("of", [(0.12, 0.08, 0.02), (0.13, 0.11, 0.02), (0.15, 0.11, 0.03)])
def test_texture_makes_no_holes_in_a_part(of: tuple[float, float, float]) -> None:
    part, share = drawn(FILL, of[:2], of[2])
    inner = np.zeros(SHAPE, bool)
    inner[21:33, 17:39] = True
    assert np.count_nonzero(part & inner) > 0.98 * np.count_nonzero(WET & inner)
    assert (share[part & inner] == 1).all()


@pytest.mark.parametrize("bed", [0.15, 0.18, 0.2, 0.23])
def test_bed_as_light_as_a_fill_is_none_of_it(bed: float) -> None:
    """Brightness tells little there; what is unlike in NDVI or water is the bed all the same."""
    _, share = drawn(FILL, (0.19, bed))
    assert not (share[~FILL] > 0.5).any()
    assert (share[22:32, 17:38] == 1).all()


def test_bed_near_a_dark_strip_of_the_part_is_none_of_it() -> None:
    """The part is darker than the strip on the bank, and nearer to the bed."""
    told = []
    for i in range(12):
        features, state = seen(12, (0.15, 0.25, -0.5), seed=i)
        features[0][WET] -= 0.04
        features[0][state == Ground.WET] = 0.14
        one = likeness(FOOT, features, state)
        assert one is not None
        told.append((features[0], one))
    share = covered(FOOT, WET, bins(), told)
    assert (share[~FILL] <= 0.5).all()


@settings(deadline=None, max_examples=20)
@given(st.permutations(range(4)), st.booleans(), st.booleans())
def test_neither_order_nor_orientation_matters(order: list[int], up: bool, left: bool) -> None:
    turn = (slice(None, None, -1 if up else 1), slice(None, None, -1 if left else 1))
    every = [seen(fallen=12 + i, seed=i) for i in order]
    turned = [likeness(FOOT[turn], f[:, *turn], s[turn]) for f, s in every]
    plain = onward(FOOT, bins(), looks_of([seen(fallen=12 + i, seed=i) for i in range(4)]))
    other = onward(FOOT[turn], bins()[turn], [k for k in turned if k is not None])
    assert plain is not None
    assert other is not None
    np.testing.assert_array_equal(other[turn], plain)


def looks_of(every: list[tuple[np.ndarray, np.ndarray]]) -> list[Likeness]:
    return [k for k in (likeness(FOOT, *one) for one in every) if k is not None]


WET = FILL & ~LAND


@pytest.mark.parametrize(
    ("fallen", "bed", "unlike"),
    [
        (12, MUD, True),
        (12, RUBBLE, False),
        (0, MUD, False),  # no bed is bare: nothing is known of it
    ],
)
def test_a_fill_in_the_water_is_told_from_bed_where_there_is_some(
    fallen: int, bed: tuple[float, float, float], unlike: bool
) -> None:
    assert unlike_bed(WET, *seen(fallen, bed), bins()) is unlike


def test_little_bed_tells_nothing_of_a_large_object() -> None:
    features, state = seen(12)
    state[:4], state[50:] = Ground.UNKNOWN, Ground.UNKNOWN
    assert unlike_bed(WET, features, state, bins(), OnwardOptions(bed_pixels=30))
    assert not unlike_bed(WET, features, state, bins(), OnwardOptions(bed_pixels=3000))
    state[:12], state[42:] = Ground.UNKNOWN, Ground.UNKNOWN
    assert not unlike_bed(WET, features, state, bins(), OnwardOptions(bed_pixels=1))
