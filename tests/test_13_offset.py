"""A layer that is shifted as web maps shift is held against observed water and caught."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from affine import Affine
from shapely.geometry import Polygon, box
from shapely.geometry.base import BaseGeometry

sys.path.insert(0, str(Path(__file__).parent))
import office

from pipeline.errors import ConfigurationError
from pipeline.io.burn import burn
from pipeline.io.datum import FORWARD, Datum
from pipeline.io.layers import PositionRecord, load_layer
from pipeline.io.occurrence import read_occurrence, write_occurrence
from pipeline.model import Grid
from pipeline.office.importing import ImportRequest, import_layer
from pipeline.office.kinds import LayerKind
from pipeline.office.offset import Reference, check_position

DOMAIN = Path(__file__).resolve().parents[2] / "shared" / "domain"
RIVER = office.river()
LAKE = shapely.union_all(
    [
        shapely.Point(425_000 + 900 * np.cos(a), 3_100_000 + 1500 * np.sin(2 * a)).buffer(450)
        for a in np.linspace(0, 5, 12)
    ]
)


def shifted(geometry: BaseGeometry, datum: Datum) -> BaseGeometry:
    return shapely.transform(geometry, FORWARD[datum]) if datum.shifted else geometry


def wobbling(geometry: BaseGeometry, seed: int, metres: float) -> BaseGeometry:
    """Draw an outline as people draw: off by some metres, smoothly."""
    rng = np.random.default_rng(seed)
    phase = rng.uniform(0, 7, 4)

    def move(xy: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        dx = np.sin(xy[:, 1] / 900 + phase[0]) + np.sin(xy[:, 0] / 400 + phase[1])
        dy = np.sin(xy[:, 0] / 900 + phase[2]) + np.sin(xy[:, 1] / 400 + phase[3])
        return xy + metres * np.column_stack((dx, dy)) / 2

    return shapely.transform(shapely.segmentize(geometry, 100), move)


def counties() -> list[BaseGeometry]:
    """Two that meet in the river, as counties do."""
    whole = box(400_000, 3_049_000, 440_000, 3_091_000)
    line = np.array(wobbling(RIVER, 3, 60).coords)
    west = Polygon([(400_000, 3_049_000), *line, (400_000, 3_091_000)])
    return [office.lonlat(west), office.lonlat(whole.difference(west))]


def banks() -> list[BaseGeometry]:
    return [office.lonlat(wobbling(RIVER.buffer(w), 5, 30)) for w in (300,)]


def shore() -> list[BaseGeometry]:
    return [office.lonlat(wobbling(LAKE.buffer(40), 7, 20))]


def zones() -> list[BaseGeometry]:
    """Strips on the shore of the left bank."""
    strip = RIVER.buffer(350).difference(RIVER.buffer(200))
    left = [
        strip.intersection(box(400_000, y, 440_000, y + 5000))
        for y in range(3_052_000, 3_085_000, 5000)
    ]
    return [office.lonlat(shapely.get_parts(s)[0]) for s in left]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """An office without corridors, with a raster of observed water."""
    folder = tmp_path / "config"
    grid = Grid(office.METRIC, Affine(30, 0, 405_000, 0, -30, 3_106_000), (2000, 1000))
    water = shapely.union_all([RIVER.buffer(200), LAKE])
    occurrence = burn(water, grid).astype(np.float32)
    occurrence[:50] = np.nan
    write_occurrence(folder / "water" / "seen.tif", occurrence, grid)
    return folder


def importing(
    tmp_path: Path, config: Path, kind: str, shapes: list[BaseGeometry], **more: Any
) -> Any:
    fields = {"code": "430211", "name": "n", "zone": "保留区"}
    features = [office.feature(g, **{**fields, "code": f"43021{i}"}) for i, g in enumerate(shapes)]
    file = office.write_geojson(tmp_path / f"{more.pop('stem', kind)}.geojson", features)
    datum = more.pop("datum", Datum.WGS84)
    import_layer(ImportRequest(file, LayerKind(kind), config, datum=datum, **more))
    layer = load_layer(config / "layers", kind)
    assert layer is not None
    return layer.record.sources[-1].position


ALL = (Datum.WGS84, Datum.GCJ02, Datum.BD09)
# Four kilometres of lake are too few to tell the longer shift of BD-09 for certain.
TWO = (Datum.WGS84, Datum.GCJ02)
CASES = [
    (kind, drawn, datums, true)
    for kind, drawn, datums in (
        ("counties", counties, ALL),
        ("boundary", banks, ALL),
        ("boundary", shore, TWO),
        ("zones", zones, ALL),
    )
    for true in datums
]


@pytest.mark.parametrize(("kind", "drawn", "datums", "true"), CASES)
def test_observed_water_tells_the_datum(
    tmp_path: Path, config: Path, kind: str, drawn: Any, datums: tuple[Datum, ...], true: Datum
) -> None:
    shapes = [shifted(g, true) for g in drawn()]
    for declared in datums:
        if declared is true:
            position = importing(tmp_path, config, kind, shapes, datum=declared)
            assert position.position == "agrees"
            assert "seen.tif" in position.detail
        else:
            right = "cgcs2000" if true is Datum.WGS84 else true.value
            with pytest.raises(ConfigurationError, match=f"Declare --datum {right}"):
                importing(tmp_path, config, kind, shapes, datum=declared)


def test_a_small_lake_in_bd09_is_not_acquitted(tmp_path: Path, config: Path) -> None:
    shapes = [shifted(g, Datum.BD09) for g in shore()]
    with pytest.raises(ConfigurationError, match="Declare --datum bd09"):
        importing(tmp_path, config, "boundary", shapes)


@pytest.mark.parametrize("side", [-1, 1])
def test_a_flood_plain_on_one_side_is_no_shift(tmp_path: Path, config: Path, side: int) -> None:
    plain = RIVER.buffer(side * 1500, single_sided=True)
    drawn = office.lonlat(shapely.union_all([plain, RIVER.buffer(260)]).buffer(1))
    assert importing(tmp_path, config, "boundary", [drawn]).position in ("agrees", "unverified")


@pytest.mark.parametrize("seed", range(3))
def test_a_layer_that_has_nothing_to_do_with_the_river_is_not_accused(seed: int) -> None:
    rng = np.random.default_rng(seed)
    points = shapely.get_coordinates(shapely.segmentize(office.lonlat(RIVER), 0.0005))
    known = [Reference("river", 50, points, "follow")]
    for _ in range(10):
        wide, count = rng.uniform(1500, 9000), int(rng.integers(3, 10))
        x, y = 420_000 + rng.uniform(-2000, 2000), 3.06e6 + rng.uniform(0, 20_000)
        frame = box(x - wide / 2, y - wide / 2, x + wide / 2, y + wide / 2)
        places = rng.uniform(-wide / 2, wide / 2, (count, 2)) + np.array((x, y))
        cells = shapely.voronoi_polygons(shapely.MultiPoint(places), extend_to=frame)
        drawn = [office.lonlat(c.intersection(frame)) for c in shapely.get_parts(cells)]
        assert check_position(drawn, Datum.WGS84, known).position == "unverified"


def test_where_nothing_is_known_it_is_marked_and_not_passed_silently(
    tmp_path: Path, config: Path
) -> None:
    (config / "water" / "seen.tif").unlink()
    shapes = [shifted(g, Datum.GCJ02) for g in counties()]
    position = importing(tmp_path, config, "counties", shapes)
    assert position.position == "unverified"
    # With a reference that the office can draw in an hour it is told.
    line = office.feature(office.lonlat(RIVER))
    reference = office.write_geojson(tmp_path / "river.geojson", [line])
    with pytest.raises(ConfigurationError, match="Declare --datum gcj02"):
        importing(tmp_path, config, "counties", shapes, reference=reference)


def test_an_earlier_layer_is_evidence_if_its_own_place_is_known(
    tmp_path: Path, config: Path
) -> None:
    importing(tmp_path, config, "counties", counties())
    (config / "water" / "seen.tif").unlink()
    towns = [shifted(g, Datum.GCJ02) for g in counties()]
    for town in towns:
        assert town.is_valid
    features = [office.feature(g, code=f"4302111{i:02}", name="镇") for i, g in enumerate(towns)]
    file = office.write_geojson(tmp_path / "towns.geojson", features)
    ask = ImportRequest(file, LayerKind.TOWNSHIPS, config, datum=Datum.WGS84)
    with pytest.raises(ConfigurationError, match="against the imported counties"):
        import_layer(ask)


def test_a_name_that_betrays_a_web_map(tmp_path: Path, config: Path) -> None:
    (config / "water" / "seen.tif").unlink()
    with pytest.raises(ConfigurationError, match="names a web map .'amap_counties'"):
        importing(tmp_path, config, "counties", counties(), stem="amap_counties")
    position = importing(
        tmp_path, config, "counties", counties(), stem="amap_counties", accept_offset="王工"
    )
    assert position == PositionRecord(
        position="accepted", detail=position.detail, accepted_by="王工"
    )
    assert "web map" in position.detail


def test_a_straight_river_tells_by_the_side_that_it_sees(tmp_path: Path, config: Path) -> None:
    """It runs north: a shift to the north cannot be seen, but the one to the east is enough."""
    (config / "water" / "seen.tif").unlink()
    grid = Grid(office.METRIC, Affine(30, 0, 405_000, 0, -30, 3_095_000), (1600, 1000))
    straight = box(419_900, 3_040_000, 420_100, 3_095_000)
    write_occurrence(config / "water" / "s.tif", burn(straight, grid).astype(np.float32), grid)
    drawn = office.lonlat(box(419_700, 3_050_000, 420_300, 3_090_000))
    assert importing(tmp_path, config, "boundary", [drawn]).position == "agrees"
    with pytest.raises(ConfigurationError, match="Declare --datum gcj02"):
        importing(tmp_path, config, "boundary", [shifted(drawn, Datum.GCJ02)])


def test_occurrence_in_percent_and_what_is_none(tmp_path: Path) -> None:
    grid = Grid("EPSG:32649", Affine(10, 0, 7e5, 0, -10, 3.08e6), (8, 8))
    values = np.full(grid.shape, 50, np.float32)
    values[0] = 255
    write_occurrence(tmp_path / "p.tif", values, grid)
    read, where = read_occurrence(tmp_path / "p.tif")
    assert where == grid
    assert np.isnan(read[0]).all()
    assert (read[1:] == 0.5).all()
    write_occurrence(tmp_path / "q.tif", np.full(grid.shape, np.nan, np.float32), grid)
    with pytest.raises(ConfigurationError, match="holds no occurrence"):
        read_occurrence(tmp_path / "q.tif")


@pytest.mark.real
@pytest.mark.parametrize("renamed", [False, True])
def test_the_trap_of_zhuzhou(tmp_path: Path, renamed: bool) -> None:
    """Nothing but the six draft corridors that ship here is needed to catch it."""
    trap = DOMAIN / "zhuzhou_counties_GCJ02_TRAP.geojson"
    good = DOMAIN / "zhuzhou_counties_tianditu.geojson"
    if not trap.exists() or not good.exists():
        pytest.skip("the shared domain files do not lie beside the checkout")
    config = tmp_path / "config"
    config.mkdir()
    draft = Path(__file__).resolve().parents[1] / "config" / "corridors.geojson"
    (config / "corridors.geojson").write_bytes(draft.read_bytes())
    file = tmp_path / "counties.geojson"
    text = trap.read_text(encoding="utf-8")
    file.write_text(text.replace("cnmaps_amap", "x") if renamed else text, encoding="utf-8")
    ask = ImportRequest(file, LayerKind.COUNTIES, config, datum=Datum.WGS84)
    with pytest.raises(ConfigurationError, match=r"xiangjiang.*Declare --datum gcj02"):
        import_layer(ask)
    told = ImportRequest(file, LayerKind.COUNTIES, config, datum=Datum.GCJ02)
    assert "agrees" in import_layer(told).lines[-1]
    right = ImportRequest(good, LayerKind.COUNTIES, config, datum=Datum.WGS84, source="counties")
    assert "agrees" in import_layer(right).lines[-1]
