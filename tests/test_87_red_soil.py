"""Red soil is bare though its NDVI is that of thin plants; straw of the same NDVI is not."""

from __future__ import annotations

import sys
from datetime import date
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
import riverside
from riverside import Thing, at, painted, place, reported

from pipeline.model import Candidate, EvidenceState

pytestmark = [pytest.mark.thorough, pytest.mark.timeout(400)]

APRIL = date(2025, 4, 10)
# Blue, green, red, nir, swir16: an NDVI of 0.25 both, of laterite and of straw on soil.
LATERITE = np.array([0.05, 0.08, 0.15, 0.25, 0.37])[:, None, None]
STRAW = np.array([0.08, 0.11, 0.14, 0.233, 0.30])[:, None, None]


HEAP = Thing(place(28, 36, 22, 30), painted(LATERITE), APRIL)
LOAD = Thing(place(28, 36, 4, 12), painted(STRAW), APRIL)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Candidate]]:
    """What a run finds with default options, and with red soil taken for any soil."""
    site = riverside.open_site(tmp_path_factory.mktemp("reach") / "store")
    scenes = ((d, riverside.scene(d, [HEAP, LOAD])) for d in riverside.DAYS)
    looks = riverside.prepared(site, riverside.gathered(site, scenes))
    off = {"ground": {"change": {"red_ndvi": 0.2}, "disturb": {"red_ndvi": 0.18}}}
    return {
        "on": riverside.judged(site, looks),
        "off": riverside.judged(site, looks, off),
    }


def test_a_heap_of_red_soil_is_suspected_once(found: dict[str, list[Candidate]]) -> None:
    (heap,) = reported(HEAP.where, found["on"])
    assert heap.area_m2 == pytest.approx(6400, rel=0.25)
    assert heap.measures["redness"] > 0.25
    assert heap.measures["barest_ndvi"] > 0.18


def test_straw_of_the_same_ndvi_is_not(found: dict[str, list[Candidate]]) -> None:
    assert reported(LOAD.where, found["on"]) == []


def test_without_its_colour_the_heap_is_no_case(found: dict[str, list[Candidate]]) -> None:
    assert reported(HEAP.where, found["off"]) == []
    kept = at(HEAP.where, found["off"])
    assert all(c.evidence.state is not EvidenceState.SUSPECTED for c in kept)
