"""What permanent water says of a boundary: outside, displaced, or nothing."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from numpy.typing import NDArray
from shapely.geometry import box
from shapely.geometry.base import BaseGeometry

sys.path.insert(0, str(Path(__file__).parent))
import office

from pipeline.errors import ConfigurationError
from pipeline.grid import reproject
from pipeline.io.datum import Datum
from pipeline.io.occurrence import write_occurrence
from pipeline.model import Grid
from pipeline.office.checking import NAME, CheckRequest, check_boundary
from pipeline.office.defects import against_water, crossings
from pipeline.office.importing import ImportRequest, import_layer
from pipeline.office.kinds import LayerKind

CRS = "EPSG:32649"
X, Y, PX = 700_000.0, 3_080_000.0, 20.0
GRID = Grid(CRS, Affine(PX, 0, X, 0, -PX, Y), (200, 120))  # 4 km by 2.4 km


def river(bulge: bool = False, pond: bool = False) -> NDArray[np.float32]:
    """A river of 400 m that runs through from north to south."""
    out = np.full(GRID.shape, 0.05, np.float32)
    out[:, 50:70] = 0.98
    if bulge:
        out[90:110, 70:85] = 0.95
    if pond:
        out[20:40, 100:110] = 1.0
    return out


def boundary(
    west: float = 800, east: float = 1600, north: float = 0, south: float = 4000
) -> BaseGeometry:
    """A box of metres from the grid's corner, lon/lat."""
    return reproject(box(X + west, Y - south, X + east, Y - north), CRS, "EPSG:4326")


def test_a_boundary_that_holds_the_water_has_no_defect() -> None:
    assert against_water([boundary()], river(pond=True), GRID) == []
    # The river goes on beyond its ends, and a boundary of another place says nothing.
    assert against_water([boundary(north=1000, south=3000)], river(), GRID) == []
    assert against_water([boundary(west=1800, east=2300)], river(), GRID) == []


def test_permanent_water_outside_is_named_with_its_area() -> None:
    (found,) = against_water([boundary(east=1450)], river(bulge=True), GRID)
    assert found.code == "water-outside"
    # 20 rows by the pixels whose middle lies more than 30 m beyond the line at 1450 m.
    assert found.area_m2 == pytest.approx(400 * 220, rel=0.15)
    assert "常年水面约" in found.text
    assert found.geometry_wgs84.centroid.distance(boundary(1490, 1700, 1800, 2200).centroid) < 5e-4


@pytest.mark.parametrize("by", [-240.0, 260.0])
def test_a_displaced_boundary_gets_the_smallest_shift_that_holds_the_water(by: float) -> None:
    lonlat = [boundary(900 + by, 1500 + by)]
    found = against_water(lonlat, river(), GRID)
    (shift,) = [d for d in found if d.code == "shifted"]
    assert shift.shift_m is not None
    # 100 m of ground on each side: that much less than it was moved by is enough.
    assert shift.shift_m[0] == pytest.approx(-np.sign(by) * (abs(by) - 100), abs=35)
    assert abs(shift.shift_m[1]) <= 30


def test_crossings_are_named_where_they_were() -> None:
    line = "feature 2 (下段) was invalid (Self-intersection[113.0867 27.8483]); area 4 m² before"
    (found,) = crossings("湘江", [line, "something else"])
    assert (found.geometry_wgs84.x, found.geometry_wgs84.y) == (113.0867, 27.8483)
    assert "自相交" in found.text


def test_the_command_writes_what_it_found_and_leaves_the_layer(tmp_path: Path) -> None:
    request = CheckRequest(tmp_path, tmp_path / "out")
    with pytest.raises(ConfigurationError, match="no boundary was imported"):
        check_boundary(request)
    part = office.feature(boundary(east=1450), name="上段")
    file = office.write_geojson(tmp_path / "b.geojson", [part])
    import_layer(
        ImportRequest(file, LayerKind.BOUNDARY, tmp_path, Datum.CGCS2000, accept_offset="王工")
    )
    with pytest.raises(ConfigurationError, match="no water was observed"):
        check_boundary(request)
    before = (tmp_path / "layers/boundary.gpkg").read_bytes()
    (tmp_path / "water").mkdir()
    write_occurrence(tmp_path / "water/x.tif", river(bulge=True), GRID)
    lines = check_boundary(request)
    assert lines[0] == "x.tif: 1 defect(s)"
    document = json.loads((tmp_path / "out" / NAME).read_text(encoding="utf-8"))
    (feature,) = document["features"]
    assert (feature["id"], feature["properties"]["layer_revision"]) == ("water-outside-0001", 1)
    assert (tmp_path / "layers/boundary.gpkg").read_bytes() == before
