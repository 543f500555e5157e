"""What a flood bares at the shore is certain once its plants could have grown again."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from pipeline.adjudicate.evidence import FoldOptions, fold
from pipeline.adjudicate.weighing import after_floods
from pipeline.model import DRONE, Look, Seen

START = datetime(2025, 6, 1, 3, tzinfo=UTC)
SHORE = {"wet_share": 0.0, "shore_px": 1.4, "bar_share": 0.0}
SEEN = {"h": Seen.HIT, "m": Seen.MISS, "?": Seen.UNKNOWN}


def looks(text: str, high: int = 1, days: int = 10) -> list[Look]:
    """Say h hit, m miss, ? nothing; the first ``high`` looks are at high water."""
    out: list[Look] = []
    for i, c in enumerate(text):
        on = START + timedelta(days=days * i)
        rank = 0.95 if i < high else 0.5
        out.append(Look(on, f"{on:%Y%m%d}", "s2", 1.0, SEEN[c], True, level_rank=rank))
    return out


def state(seen: list[Look], **measures: float) -> str:
    return fold(after_floods(seen, SHORE | measures)).state.value


def test_ground_that_is_bare_for_weeks_after_high_water_is_no_case_yet() -> None:
    assert state(looks("hhhhh")) == "provisional"
    assert state(looks("hhhhh"), shore_px=3.9) == "provisional"
    assert state(looks("?hhhh")) == "provisional"  # a look that only tells the level
    assert state(looks("hhhhh", high=0)) == "suspected"
    off = FoldOptions(flood_rank=1.0)
    assert fold(after_floods(looks("hhhhh"), SHORE, off)).state.value == "suspected"


def test_what_is_bare_for_longer_counts_all_that_was_seen_of_it() -> None:
    seen = looks("hhhhhhhh")
    assert state(seen[:7]) == "provisional"  # sixty days after it
    assert state(seen) == "suspected"


def test_a_flood_lasts_until_the_river_has_fallen() -> None:
    """It may have risen again between two looks at a level that is still high."""
    ranks = [0.95, 0.89, 0.86, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6]
    seen = [
        replace(k, level_rank=r) for k, r in zip(looks("hhhhhhhhhh", high=0), ranks, strict=True)
    ]
    assert state(seen[:9]) == "provisional"  # sixty days after the last look at 0.86
    assert state(seen) == "suspected"
    over = FoldOptions(flood_over=0.9)
    assert fold(after_floods(seen[:8], SHORE, over)).state.value == "suspected"
    # A level of 0.86 by itself is no flood, and once it has fallen another one is.
    calm = [replace(k, level_rank=0.86) for k in seen[:4]]
    assert state(calm) == "suspected"
    # It lasts four months after the last look at high water, and no longer: a reservoir stands so.
    for days, told in ((110, "provisional"), (130, "suspected")):
        later = [
            replace(k, on=START + timedelta(days=days + i), level_rank=0.86)
            for i, k in enumerate(seen[1:5])
        ]
        assert state([replace(seen[0], seen=Seen.MISS), *later]) == told
    fallen = [replace(k, level_rank=r) for k, r in zip(seen, [0.95, 0.6, *[0.86] * 8], strict=True)]
    assert state(fallen[:8]) == "suspected"


def test_a_level_that_may_as_well_be_low_begins_no_flood() -> None:
    def told(least: float | None) -> str:
        seen = looks("hhhhh")
        return state([replace(seen[0], level_least=least), *seen[1:]])

    assert told(None) == told(0.76) == "provisional"
    assert told(0.7) == "suspected"
    # One that goes on is ended by no such doubt.
    seen = [replace(k, level_rank=0.95, level_least=0.9) for k in looks("hhhhhhhh")]
    seen[3:] = [replace(k, level_rank=0.92, level_least=0.1) for k in seen[3:]]
    assert state(seen) == "provisional"


def test_what_was_green_again_between_had_been_bared_by_the_flood() -> None:
    """All but the miss would do: the hits before it must not count, and those after it do."""
    seen = looks("hhhhhmhh")
    assert state(seen) == "provisional"
    assert fold([replace(k, undoes=False) for k in after_floods(seen, SHORE)]).state.value == (
        "suspected"
    )
    assert state([*seen, replace(seen[-1], on=START + timedelta(days=80), pass_id="z")]) == (
        "suspected"
    )


def test_a_miss_withdraws_no_case_that_a_flood_does_not_hold() -> None:
    # What was certain once the flood was over counts as everywhere else.
    assert state(looks("hhhhhhhhm")) == "suspected"
    # Nor do hits that wait for something else, half a year after it.
    wait = [replace(k, certain=False, pending=True) for k in looks("?" * 15 + "hhhhhh")]
    last = looks("?" * 21 + "hmh")[-3:]
    assert state([*wait, *last]) == fold([*wait, *last]).state.value == "suspected"


def test_floods_that_come_often_hide_nothing_that_stood_before_them() -> None:
    before = replace(looks("h", high=0)[0], on=START - timedelta(days=10), pass_id="a")
    often = [
        replace(k, level_rank=0.95 if i % 5 == 0 else 0.5)
        for i, k in enumerate(looks("h" * 20, high=0))
    ]
    assert state(often) == "provisional"
    assert state([before, *often]) == "suspected"
    gone = replace(often[0], seen=Seen.MISS)
    assert state([before, gone, *often[1:]]) == "provisional"


@pytest.mark.parametrize(
    "other",
    [{"shore_px": 4.1}, {"wet_share": 1.0}, {"mixed_water": 1.0}],
)
def test_what_lies_inland_and_what_is_water_is_not_asked(other: dict[str, float]) -> None:
    seen = looks("hhhhh")
    assert after_floods(seen, SHORE | other) == seen
    assert after_floods(seen, {}) == seen  # a fill, or a case of an earlier version


def test_a_later_flood_says_nothing_of_what_stood_before_it() -> None:
    seen = looks("hhhhhh", high=0)
    flooded = [*seen[:4], *(replace(k, level_rank=0.95) for k in seen[4:])]
    assert after_floods(flooded, SHORE)[:4] == seen[:4]
    assert state(flooded) == "suspected"


def test_looks_that_were_weighed_stay_what_they_are() -> None:
    once = after_floods(looks("?hhmhhhhh"), SHORE)
    assert after_floods(once, SHORE) == once


def test_a_drone_measured_what_stands_there() -> None:
    (hit,) = looks("h")
    measured = replace(hit, sensor=DRONE)
    assert after_floods([measured], SHORE) == [measured]


ROOF = {"redness": -0.08, "z_bright": 12.6, "ndvi": 0.09}


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ({}, "suspected"),
        ({"redness": -0.041, "z_bright": 5.0, "ndvi": 0.18}, "suspected"),
        ({"redness": -0.22, "ndvi": 0.28}, "suspected"),  # a large roof of blue steel
        ({"redness": -0.03}, "provisional"),  # grey, or silt that is hardly brown
        ({"z_bright": 4.9}, "provisional"),  # wet
        ({"ndvi": 0.24}, "provisional"),  # plants are greener than they are red
        ({"redness": -0.09, "ndvi": -0.09}, "provisional"),  # ice, and water over sand
        ({"redness": float("nan")}, "provisional"),
        ({"ndvi": float("nan")}, "provisional"),
    ],
)
def test_no_flood_lays_down_a_blue_roof(other: dict[str, float], told: str) -> None:
    assert state(looks("?hhhh"), **(ROOF | other)) == told


def test_cases_of_earlier_versions_are_no_blue_roof() -> None:
    for name in ROOF:
        assert state(looks("?hhhh"), **{k: v for k, v in ROOF.items() if k != name}) == (
            "provisional"
        )


def test_at_high_water_itself_a_blue_roof_is_uncertain() -> None:
    seen = after_floods(looks("hhhhh", high=3), SHORE | ROOF)
    assert [k.certain for k in seen] == [False, False, False, True, True]
    # Between two looks at high water the flood may not be over; of silt nothing is certain then.
    fell = [replace(k, level_rank=r) for k, r in zip(looks("hhh"), (0.95, 0.8, 0.95), strict=True)]
    assert [k.certain for k in after_floods(fell, SHORE | ROOF)] == [False, True, True]
    assert not any(k.certain for k in after_floods(fell, SHORE))


def test_how_blue_is_an_option() -> None:
    bluer = FoldOptions(flood_redness=-0.1)
    assert fold(after_floods(looks("?hhhh"), SHORE | ROOF, bluer)).state.value == "provisional"
