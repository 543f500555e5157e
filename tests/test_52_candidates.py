"""A track becomes a candidate: outline, area, evidence."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.adjudicate.candidates import assemble, outline
from pipeline.adjudicate.tracks import link
from pipeline.model import EvidenceState, Grid, Kind, Look, Seen, Sighting

GRID = Grid("EPSG:32649", Affine(10, 0, 700000, 0, -10, 3080000), (400, 400))
START = datetime(2025, 1, 1, 3, tzinfo=UTC)


@settings(deadline=None)
@given(st.sets(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1))
def test_outline_has_the_pixels_area_and_is_valid(pixels: set[tuple[int, int]]) -> None:
    rows, cols = np.array(sorted(pixels), dtype=np.int32).T
    shape = outline(rows[::-1], cols[::-1], GRID)
    assert shape.is_valid
    assert shape.area == pytest.approx(100 * len(pixels))
    assert shape.bounds[0] == 700000 + 10 * cols.min()
    assert shape.bounds[3] == 3080000 - 10 * rows.min()


def test_assemble() -> None:
    rows, cols = (a.ravel().astype(np.int32) for a in np.mgrid[10:14, 20:30])
    days = [START + timedelta(days=5 * i) for i in range(4)]
    sightings = [
        Sighting(Kind.ZHAN, f"p{i}", on, rows, cols, 0.9, {"area_px": 40.0}, True)
        for i, on in enumerate(days)
        if i
    ]
    looks = [
        Look(on, f"p{i}", "s2", 1.0, Seen.HIT if i else Seen.MISS) for i, on in enumerate(days)
    ]
    (track,) = link(sightings)
    found = assemble(
        track,
        looks[::-1],
        GRID,
        corridor_id="c",
        scene_ids=["b", "a", "b"],
        detector="zhan/1",
        until=days[-1],
    )
    assert found.evidence.state is EvidenceState.SUSPECTED
    assert found.evidence.appeared_after == days[0]
    # A UTM grid's scale error here is below 0.1 %, and the area on the ellipsoid has none.
    assert found.area_m2 == pytest.approx(4000, rel=2e-3)
    assert found.scene_ids == ("a", "b")
    assert 0.5 < found.score < 0.8
    assert found.looks == tuple(looks)
