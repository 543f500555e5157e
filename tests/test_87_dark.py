"""A heap of coal is told after a season; soil that is as dark is nothing."""

from __future__ import annotations

import sys
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
import riverside
from riverside import Thing, at, painted, place, reported

from pipeline.model import Candidate, Kind

pytestmark = [pytest.mark.thorough, pytest.mark.timeout(400)]

APRIL = date(2025, 4, 10)
# Blue, green, red, nir, swir16 of as much light: carbon is neutral, and wet soil is brown.
COAL = np.array([0.035, 0.038, 0.042, 0.050, 0.070])[:, None, None]
SOIL = np.array([0.025, 0.038, 0.052, 0.060, 0.080])[:, None, None]
# As neutral, and with the index of a roof.
TAR = np.array([0.055, 0.058, 0.060, 0.066, 0.066])[:, None, None]

HEAP = Thing(place(60, 68, 90, 98), painted(COAL), APRIL)
WET = Thing(place(78, 86, 90, 98), painted(SOIL), APRIL)
FELT = Thing(place(78, 86, 106, 114), painted(TAR), APRIL, APRIL + timedelta(days=60))
BURNT = Thing(place(60, 68, 106, 114), painted(COAL), APRIL, APRIL + timedelta(days=60))
PLOT = place(104, 112, 104, 112)  # dark wet soil last spring, and coal now
SPRING = Thing(PLOT, painted(SOIL), date(2024, 3, 25), date(2024, 5, 14))
THINGS = [HEAP, WET, BURNT, FELT, SPRING, Thing(PLOT, painted(COAL), date(2025, 5, 1))]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Candidate]]:
    """What a run finds with default options, without dark ground, and with soil of any colour."""
    site = riverside.open_site(tmp_path_factory.mktemp("reach") / "store")
    scenes = ((d, riverside.scene(d, THINGS)) for d in riverside.DAYS)
    looks = riverside.prepared(site, riverside.gathered(site, scenes))
    return {
        "on": riverside.judged(site, looks),
        "off": riverside.judged(site, looks, {"ground": {"dark": {"most": 0.0}}}),
        "any": riverside.judged(site, looks, {"ground": {"dark": {"neutral": 0.3}}}),
    }


def test_a_heap_of_coal_is_one_suspected_heap(found: dict[str, list[Candidate]]) -> None:
    (heap,) = reported(HEAP.where, found["on"])
    assert heap.kind is Kind.DUI
    assert heap.area_m2 == pytest.approx(6400, rel=0.2)
    assert heap.measures["neutral"] > 0.75
    first = heap.evidence.first_seen
    assert first is not None
    sure = [k.on for k in heap.looks if k.certain and k.seen.value == "hit"]
    assert min(sure) - first >= timedelta(days=90)


def test_soil_as_dark_is_nothing(found: dict[str, list[Candidate]]) -> None:
    assert at(WET.where, found["on"]) == []


def test_by_its_colour_alone(found: dict[str, list[Candidate]]) -> None:
    assert len(reported(WET.where, found["any"])) == 1


def test_burnt_ground_that_is_green_after_two_months_is_not(
    found: dict[str, list[Candidate]],
) -> None:
    assert reported(BURNT.where, found["on"]) == []
    assert reported(FELT.where, found["on"]) == []


def test_dark_soil_of_last_spring_is_no_precedent(found: dict[str, list[Candidate]]) -> None:
    """It resembles coal by all that is modelled, and not by its colour."""
    (heap,) = reported(PLOT, found["on"])
    assert heap.measures["precedents"] == 0
    assert all(c.measures["precedents"] for c in at(PLOT, found["any"]))


def test_without_dark_ground_there_is_no_case(found: dict[str, list[Candidate]]) -> None:
    assert at(HEAP.where, found["off"]) == []
