"""Bare soil where trees stood: held back as a felling, until it shows that it is more."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.detect.normal import TERMS, Normal
from pipeline.detect.woods import only_felled, wooded_share
from pipeline.passes.traits import trait_of

SOIL_INDEX = 0.08
ALL = np.ones((4, 4), bool)


def normal_of(mean: float, swing: float, looks: int = 30) -> Normal:
    """Ground whose NDVI swings about a mean over the year."""
    coef = np.zeros((3, TERMS, 4, 4), np.float32)
    coef[1, 0], coef[1, 1] = mean, swing
    low, high = np.full((3, 4, 4), -1, np.float32), np.ones((3, 4, 4), np.float32)
    return Normal(coef, low + 1.1, low, high, np.full((4, 4), looks, np.uint16))


def dates(n: int = 6, **last: float) -> list[dict[str, float]]:
    """Sightings of bare soil; the later half may differ."""
    one = {"wet_share": 0.0, "area_m2": 5000.0, "core_bright": 0.16, "bare": 0.12, "ndvi": 0.18}
    return [one] * (n - n // 2) + [one | last] * (n // 2)


def test_a_wood_is_green_in_every_month() -> None:
    assert wooded_share(normal_of(0.75, 0.1), ALL) == 1.0
    assert wooded_share(normal_of(0.5, 0.3), ALL) == 0.0  # a field
    assert wooded_share(normal_of(0.75, 0.1, looks=0), ALL) == 0.0
    half = normal_of(0.75, 0.1)
    half.coef[1, 0, :2] = 0.2
    assert wooded_share(half, ALL) == 0.5


def test_bare_soil_where_trees_stood_may_be_no_more_than_a_felling() -> None:
    assert only_felled(1.0, dates(), SOIL_INDEX)
    assert only_felled(1.0, dates(1), SOIL_INDEX)
    no_swir = [{k: v for k, v in m.items() if k != "bare"} for m in dates()]
    assert only_felled(1.0, no_swir, SOIL_INDEX)


@pytest.mark.parametrize(
    ("wooded", "last"),
    [
        (0.2, {}),  # no trees stood there
        (1.0, {"area_m2": 9000.0}),  # it goes on growing
        (1.0, {"core_bright": 0.21}),  # earth was turned, or a roof was laid
        (1.0, {"core_bright": 0.12}),  # a dark roof, or tarmac
        (1.0, {"hollow_share": 0.4}),  # a pit whose pond no index calls water
        (1.0, {"bare": 0.02}),  # concrete is no soil
        (1.0, {"wet_share": 1.0}),  # a pit that filled
    ],
)
def test_a_felling_does_not_explain_what_came_after_it(
    wooded: float, last: dict[str, float]
) -> None:
    measures = dates(6, **last)
    if "wet_share" in last:
        measures = measures[3:]
    assert not only_felled(wooded, measures, SOIL_INDEX)


@pytest.mark.parametrize(
    "last",
    [
        {"core_bright": 0.19},  # soil that dries
        {"core_bright": 0.21, "around_bright": 0.14},  # as all bare ground around it does
        {"core_bright": 0.12, "ndvi": 0.30},  # it is green again
        {"area_m2": 6500.0},
    ],
)
def test_a_felling_explains_what_the_season_makes_of_it(last: dict[str, float]) -> None:
    measures = [{"around_bright": 0.11} | m for m in dates(6, **last)]
    assert only_felled(1.0, measures, SOIL_INDEX)


def test_what_stands_out_of_the_bare_ground_around_it_is_another_surface() -> None:
    measures = [{"around_bright": 0.11} | m for m in dates(6, core_bright=0.24, around_bright=0.12)]
    assert not only_felled(1.0, measures, SOIL_INDEX)


def test_a_cloud_over_a_part_is_no_growth() -> None:
    cut = dates(6)
    cut[0] = cut[0] | {"area_m2": 1500.0}
    assert only_felled(1.0, cut, SOIL_INDEX)


def test_what_grew_by_loads_while_it_was_new_is_a_heap() -> None:
    areas = [2500.0, 3500.0, 5000.0] + [5000.0] * 12
    assert not only_felled(1.0, [m | {"area_m2": a} for m, a in zip(dates(15), areas, strict=True)],
                           SOIL_INDEX)  # fmt: skip


def test_one_look_against_one_is_no_growth() -> None:
    assert only_felled(1.0, dates(5, area_m2=9000.0, core_bright=0.2), SOIL_INDEX)
    assert not only_felled(1.0, dates(5, bare=0.02), SOIL_INDEX)


def test_looks_of_light_soil_that_waited_count_and_of_dark_soil_do_not() -> None:
    base = {"bright": 0.16, "ndvi": 0.15, "water": -0.8, "wet_share": 0.0, "bar_share": 0.0}
    base |= {"wait_days": 90.0, "certain_share": 1.0, "strip": 0.0, "linear": 0.0}
    light = trait_of(base | {"felled": 1.0, "soil": 0.0})
    assert (light.counted, light.certain, light.wait.days) == (True, True, 90)
    assert not trait_of(base | {"felled": 1.0, "soil": 1.0}).counted
    assert not trait_of(base).counted  # a case of an earlier version
