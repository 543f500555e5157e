"""Which outlines are corrections of a case, and which can only be a slip."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import shapely
from shapely.geometry import Polygon, box
from shapely.geometry.base import BaseGeometry

sys.path.insert(0, str(Path(__file__).parent))
from test_63_people import one

from pipeline.cases.outlines import corrected_outline
from pipeline.errors import ConfigurationError
from pipeline.grid import reproject

CASE = one()  # 60 m by 60 m


@pytest.mark.parametrize(
    ("drawn", "said"),
    [
        (
            box(-900, -900, 960, 960),
            r"its outline \(3459600 m²\) is 961 times as large as the case",
        ),
        (box(10, 10, 20, 20), "is 1/36 of the case"),
        (box(0, 0, 400, 9), "its outline reaches 340 m from that of the case"),
        (Polygon(), "its outline is empty"),
    ],
)
def test_what_cannot_be_a_correction_is_refused(drawn: BaseGeometry, said: str) -> None:
    moved = drawn if drawn.is_empty else reproject(drawn, CASE.crs, "EPSG:4326")
    with pytest.raises(ConfigurationError, match=said):
        corrected_outline(CASE, moved)


@pytest.mark.parametrize("drawn", [box(0, 0, 125, 125), box(20, 20, 42, 42), box(0, 0, 60, 70)])
def test_corrections_are_taken(drawn: BaseGeometry) -> None:
    moved = reproject(drawn, CASE.crs, "EPSG:4326")
    assert corrected_outline(CASE, moved) is moved
    assert corrected_outline(CASE, None) is None
    assert (
        corrected_outline(CASE, shapely.normalize(reproject(CASE.polygon, CASE.crs, "EPSG:4326")))
        is None
    )
