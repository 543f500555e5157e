"""A working corridor from observed water."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import shapely
import shapely.affinity
from affine import Affine
from shapely.geometry import LineString, box

sys.path.insert(0, str(Path(__file__).parent))
import office

from pipeline.errors import ConfigurationError
from pipeline.io.burn import burn
from pipeline.model import Grid
from pipeline.office.derive import DeriveOptions, derive, orient

GRID = Grid(office.METRIC, Affine(20, 0, 414_000, 0, -20, 3_066_000), (850, 600))
LINE = office.river(16_000)
CHANNEL = LINE.buffer(150)
FLOODED = LINE.buffer(260)


def occurrence() -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Channel, a flood plain that is rarely wet, an island, a bridge, ponds, and a gap in time."""
    share = np.zeros(GRID.shape, np.float32)
    share[burn(FLOODED, GRID)] = 0.1
    share[burn(CHANNEL, GRID)] = 0.95
    island = LINE.interpolate(5000).buffer(80)
    share[burn(island, GRID)] = 0.2
    bridge = LINE.interpolate(9000).buffer(20, cap_style="square").envelope
    share[burn(shapely.affinity.scale(bridge, 30, 1), GRID)] = 0
    share[burn(box(414_500, 3_060_000, 414_700, 3_060_200), GRID)] = 1
    noise = np.random.default_rng(1).random(GRID.shape)
    share[noise > 0.999] = 0.3
    share[:2] = np.nan
    return share


def test_line_and_polygon_follow_the_water() -> None:
    found = derive(occurrence(), GRID, DeriveOptions(), river=True)
    assert found.centreline is not None
    truth = LINE.intersection(box(*GRID.bounds))
    inner = truth.segmentize(50)
    middle = [
        p for p in map(shapely.Point, inner.coords) if 300 < truth.project(p) < truth.length - 300
    ]
    off = shapely.distance(found.centreline, middle)
    assert np.percentile(off, 95) < 2 * found.accuracy_m
    assert found.centreline.length == pytest.approx(truth.length, rel=0.03)
    assert found.polygon.is_valid
    assert (
        found.polygon.intersection(FLOODED).area
        > 0.99 * FLOODED.intersection(box(*GRID.bounds)).area
    )
    assert found.polygon.difference(LINE.buffer(260 + 50 + 40)).area < 0.01 * found.polygon.area
    assert "flood trace" in found.rule
    reservoir = derive(occurrence(), GRID, DeriveOptions(), river=False)
    assert reservoir.centreline is None
    assert reservoir.polygon.equals(found.polygon)


def test_no_water_is_said() -> None:
    with pytest.raises(ConfigurationError, match="fewer than 200 pixels"):
        derive(np.zeros(GRID.shape, np.float32), GRID, DeriveOptions(), river=True)


def test_a_line_is_turned_downstream() -> None:
    line = LineString([(420_000, 3_060_000), (420_300, 3_065_000)])
    rough = office.lonlat(LineString([(420_900, 3_066_000), (420_500, 3_059_000)]))
    assert orient(line, None, rough, office.METRIC) == (line.reverse(), True)
    assert orient(line, None, None, office.METRIC) == (line, False)
    top = office.lonlat(shapely.Point(420_300, 3_066_000))
    assert orient(line, (top.x, top.y), None, office.METRIC) == (line.reverse(), True)
    across = office.lonlat(LineString([(410_000, 3_062_000), (430_000, 3_062_000)]))
    assert orient(line, None, across, office.METRIC)[1] is False
