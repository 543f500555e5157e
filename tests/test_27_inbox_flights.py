"""Flights as tools write them: recognised, checked and taken in whole."""

from __future__ import annotations

import json
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pystac
import pytest
import rasterio
import shapely
from rasterio.enums import ColorInterp
from shapely.geometry import LineString, box

sys.path.insert(0, str(Path(__file__).parent))
import flight
import office

from pipeline.acquire.inbox import blocks, pixels, place, tiff
from pipeline.acquire.inbox.checks import Sheet
from pipeline.acquire.inbox.shelf import flights_in, in_use
from pipeline.io import cog
from pipeline.model import Corridor, Grid


def item(tmp_path: Path, name: str) -> dict[str, Any]:
    path = tmp_path / "state/flights" / name / "item.json"
    return json.loads(path.read_text("utf-8"))


def terra(folder: Path, prj: bool) -> None:
    """Write DJI Terra's results; their place is in files beside them."""
    inner = folder / "map"
    for name, data, gsd in (
        ("result.tif", flight.picture(), flight.GSD),
        ("dsm.tif", flight.heights(), 2 * flight.GSD),
    ):
        path = flight.write_tif(inner / name, data, gsd, None, (0, 0), nodata=None)
        with rasterio.open(path, "r+") as sink:
            sink.transform = rasterio.Affine.identity()
        x, y = flight.CORNER[0] + gsd / 2, flight.CORNER[1] - gsd / 2
        path.with_suffix(".tfw").write_text(f"{gsd}\n0\n0\n-{gsd}\n{x}\n{y}\n")
        if prj:
            wkt = rasterio.CRS.from_string(flight.CRS).to_wkt(version="WKT1_ESRI")
            path.with_suffix(".prj").write_text(wkt)
    flight.write_tif(inner / "gsddsm.tif", flight.heights(96))
    flight.write_form(folder, horizontal=None if prj else flight.CRS)


def pix4d(folder: Path) -> None:
    """Write tiles of one mosaic, which meet and leave one corner out."""
    whole = flight.picture(4)
    whole[3] = 255
    for row, col in ((0, 0), (0, 1), (1, 0)):
        part = whole[:, row * 48 : row * 48 + 48, col * 48 : col * 48 + 48]
        corner = (flight.CORNER[0] + col * 2.4, flight.CORNER[1] - row * 2.4)
        name = f"2_mosaic/tiles/p_transparent_mosaic_group1_{row + 1}_{col + 1}.tif"
        flight.write_tif(folder / name, part, corner=corner, photometric="RGB", alpha="yes")
    flight.write_tif(folder / "1_dsm/p_dsm.tif", flight.heights(96), nodata=-10000)
    flight.write_tif(folder / "1_dsm/p_dtm.tif", flight.heights(96), nodata=-10000)
    flight.write_form(folder)


def plain(**how: Any) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        kind, bands = how.pop("kind", "uint8"), how.pop("bands", 3)
        form = how.pop("form", {})
        flight.write_tif(folder / "ortho.tif", flight.picture(bands, kind=kind), **how)
        flight.write_form(folder, **form)

    return make


@pytest.mark.parametrize(
    ("make", "tool", "bands", "share", "dsm"),
    [
        (flight.odm, "OpenDroneMap", 3, 86 / 96, True),
        (lambda f: terra(f, True), "DJI Terra", 3, 1.0, True),
        (lambda f: terra(f, False), "DJI Terra", 3, 1.0, True),
        (pix4d, "Pix4D", 3, 0.75, True),
        (plain(bands=4, photometric="RGB", alpha="no"), "", 4, 1.0, False),
        (plain(kind="uint16", compress="deflate"), "", 3, 1.0, False),
        (plain(compress="jpeg", photometric="ycbcr", tiled=True, blockxsize=32, blockysize=32),
         "", 3, 1.0, False),
        (plain(bands=5, form={"bands": ["blue", "green", "red", "other", "nir"]}),
         "", 4, 1.0, False),
    ],
    ids=["odm", "terra-prj", "terra", "pix4d", "rgbn", "16bit", "jpeg", "multispectral"],
)  # fmt: skip
def test_what_tools_write_is_taken_in(
    tmp_path: Path,
    make: Callable[[Path], None],
    tool: str,
    bands: int,
    share: float,
    dsm: bool,
) -> None:
    make(tmp_path / "drop")
    answer = flight.hand_in(tmp_path, tmp_path / "drop")
    assert answer.taken, answer.lines
    found = item(tmp_path, answer.id)
    assert found["properties"]["siluan:tool"] == tool
    assert found["properties"]["siluan:valid_share"] == pytest.approx(share, abs=1e-3)
    assert found["properties"]["proj:code"] == flight.CRS
    assert ("dsm" in found["assets"]) is dsm
    (river,) = found["properties"]["siluan:corridors"]
    assert river["id"] == "river"
    assert 2 < river["length_m"] < 10  # 4.8 m of mosaic beside a winding line
    with rasterio.open(tmp_path / "state/flights" / answer.id / "ortho.tif") as source:
        assert source.count == bands
        assert source.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert (source.dataset_mask() > 0).mean() == pytest.approx(share, abs=1e-3)
        assert (source.transform.c, source.transform.f) == pytest.approx(flight.CORNER)


def test_pixels_and_heights_come_in_as_they_were(tmp_path: Path) -> None:
    drop = tmp_path / "drop"
    pix4d(drop)
    folder = tmp_path / "state/flights" / flight.hand_in(tmp_path, drop).id
    whole = flight.picture(4)[:3]
    with rasterio.open(folder / "ortho.tif") as source:
        seen = source.dataset_mask() > 0
        assert not seen[48:, 48:].any()
        assert (source.read()[:, seen] == whole[:, seen]).all()
    with rasterio.open(folder / "dsm.tif") as source:
        assert (source.read() == flight.heights(96)).all()
    assert (folder / "flight.yaml").read_bytes() == (drop / "flight.yaml").read_bytes()


def test_bands_that_are_declared_are_put_in_order(tmp_path: Path) -> None:
    order = ["blue", "green", "red", "other", "nir"]
    plain(bands=5, form={"bands": order})(tmp_path / "drop")
    answer = flight.hand_in(tmp_path, tmp_path / "drop")
    with rasterio.open(tmp_path / "state/flights" / answer.id / "ortho.tif") as source:
        assert (source.read() == flight.picture(5)[[2, 1, 0, 4]]).all()


def test_an_alpha_band_that_is_not_marked_is_known_by_its_values(tmp_path: Path) -> None:
    data = flight.picture(4)
    data[3] = 255
    data[3, :24] = 0
    flight.write_tif(tmp_path / "drop/ortho.tif", data, photometric="RGB", alpha="no")
    flight.write_form(tmp_path / "drop")
    answer = flight.hand_in(tmp_path, tmp_path / "drop")
    assert item(tmp_path, answer.id)["properties"]["siluan:valid_share"] == 0.75
    assert item(tmp_path, answer.id)["assets"]["ortho"]["siluan:bands"][-1] == "blue"


@pytest.mark.parametrize(
    ("crs", "corner", "gsd"),
    [
        ("EPSG:4490", (113.1967, 27.5650), 5e-7),
        ("EPSG:32649", (716_350.0, 3_051_000.0), 0.05),
        ("EPSG:4526", (38_420_690.0, 3_050_500.0), 0.05),
    ],
)
def test_any_crs_will_do(tmp_path: Path, crs: str, corner: tuple[float, float], gsd: float) -> None:
    flight.write_tif(tmp_path / "drop/ortho.tif", flight.picture(), gsd, crs, corner)
    flight.write_form(tmp_path / "drop", gsd_m=None)
    answer = flight.hand_in(tmp_path, tmp_path / "drop")
    assert answer.taken, answer.lines
    assert item(tmp_path, answer.id)["properties"]["gsd"] == pytest.approx(0.05, rel=0.1)


def test_a_zip_is_taken_in_as_its_folder_is(tmp_path: Path) -> None:
    import shutil

    flight.odm(tmp_path / "drop")
    archive = shutil.make_archive(str(tmp_path / "drop"), "zip", tmp_path / "drop")
    from_zip = flight.hand_in(tmp_path, Path(archive))
    assert from_zip.taken
    assert flight.codes(flight.hand_in(tmp_path, tmp_path / "drop")) == ["twice"]


def test_a_zip_whose_folders_are_written_with_backslashes_is_taken_in(tmp_path: Path) -> None:
    drop = flight.odm(tmp_path / "drop")
    with zipfile.ZipFile(tmp_path / "drop.zip", "w") as archive:
        archive.writestr("drop\\odm_dem\\", b"")  # a folder of its own
        for path in drop.rglob("*.*"):
            name = path.relative_to(tmp_path).as_posix().replace("/", "\\")
            archive.writestr(name, path.read_bytes())
    answer = flight.hand_in(tmp_path, tmp_path / "drop.zip")
    assert answer.taken, answer.lines
    assert "dsm" in item(tmp_path, answer.id)["assets"]


def test_a_mosaic_may_be_named_with_its_surface_and_form(tmp_path: Path) -> None:
    mosaic = flight.write_tif(tmp_path / "a/x.tif", flight.picture())
    dsm = flight.write_tif(tmp_path / "b/y.tif", flight.heights(), 2 * flight.GSD)
    form = flight.write_form(tmp_path / "c")
    answer = flight.hand_in(tmp_path, mosaic, dsm=dsm, flight=form)
    assert answer.taken, answer.lines
    assert set(item(tmp_path, answer.id)["assets"]) == {"ortho", "dsm"}
    assert (tmp_path / "a/x.tif_回执.html").is_file()


def test_the_catalogue_is_plain_stac(tmp_path: Path) -> None:
    answer = flight.hand_in(tmp_path, flight.odm(tmp_path / "drop"))
    catalogue = pystac.Catalog.from_file(str(tmp_path / "state/flights/catalog.json"))
    (found,) = catalogue.get_items()
    assert found.id == answer.id
    assert Path(found.assets["ortho"].get_absolute_href() or "").is_file()


def test_what_supersedes_takes_the_place_of_the_other(tmp_path: Path) -> None:
    first = flight.hand_in(tmp_path, flight.odm(tmp_path / "a"))
    second = flight.hand_in(tmp_path, flight.odm(tmp_path / "b", supersedes=first.id, gcp=5))
    assert second.taken, second.lines
    flights = flights_in(tmp_path / "state/flights")
    assert {f.id for f in flights} == {first.id, second.id}
    assert [f.id for f in in_use(flights)] == [second.id]
    third = flight.hand_in(tmp_path, flight.odm(tmp_path / "c", supersedes=second.id, gcp=6))
    assert third.taken, third.lines


def test_history_is_taken_in_when_it_says_so(tmp_path: Path) -> None:
    flight.hand_in(tmp_path, flight.odm(tmp_path / "new"))
    old = flight.odm(tmp_path / "old", seed=2, flown="2026-05-01T09:00:00+08:00", history=True)
    assert flight.hand_in(tmp_path, old).taken


def test_a_flight_without_a_corridor_waits_for_one(tmp_path: Path) -> None:
    corner = (430_000.0, 3_050_500.0)
    flight.write_tif(tmp_path / "drop/ortho.tif", flight.picture(), corner=corner)
    flight.write_form(tmp_path / "drop")
    answer = flight.hand_in(tmp_path, tmp_path / "drop")
    assert answer.taken
    assert "awaiting corridor" in " ".join(answer.lines)
    assert "等待河段" in (tmp_path / "drop_回执.html").read_text("utf-8")
    path = tmp_path / "config/corridors.geojson"
    content = json.loads(path.read_text("utf-8"))
    content["features"][0]["properties"]["half_width_m"] = 15_000
    path.write_text(json.dumps(content), "utf-8")
    flight.hand_in(tmp_path, flight.odm(tmp_path / "other", seed=3))
    assert item(tmp_path, answer.id)["properties"]["siluan:awaiting_corridor"] is False


def test_kilometres_count_each_stretch_once_and_from_beside_the_line() -> None:
    x, y = 420_000, 3_050_000
    line = office.lonlat(LineString([(x, y), (x, y + 5000)]))
    around = office.lonlat(box(x - 400, y, x + 400, y + 5000))
    river = Corridor("r", "江", "river", around, line, 10, "a test")
    lake = Corridor("l", "湖", "reservoir", around, None, 10, "a test")
    far = Corridor("f", "远", "river", office.lonlat(box(0, y, 9, y + 9)), line, 10, "a test")
    banks = [box(x - 300, y, x - 200, y + 400), box(x + 200, y + 200, x + 900, y + 600)]
    one, two = place.covered(office.lonlat(shapely.union_all(banks)), [river, lake, far])
    assert one.length_m == pytest.approx(600, abs=2)
    assert one.of_m == pytest.approx(5000, abs=5)
    assert (two.id, two.length_m) == ("l", None)
    assert two.area_m2 == pytest.approx(400 * 100 + 400 * 200, rel=0.01)


def test_nothing_beside_a_tiff_is_looked_at(tmp_path: Path) -> None:
    path = flight.write_tif(tmp_path / "a.tif", flight.picture())
    (tmp_path / "a.tif.aux.xml").write_text(
        "<PAMDataset><SRS>EPSG:3857</SRS><GeoTransform>0,1,0,0,0,-1</GeoTransform></PAMDataset>"
    )
    mask = flight.write_tif(tmp_path / "m.tif", np.zeros((1, 96, 96), "uint8"), crs=None)
    with rasterio.open(mask, "r+") as sink:
        sink.update_tags(INTERNAL_MASK_FLAGS_1="2")
    mask.rename(tmp_path / "a.tif.msk")
    (tmp_path / "a.tif.ovr").write_text("<VRTDataset/>")
    found = tiff.read_header(path, "a.tif")
    assert found.crs == flight.CRS
    assert found.transform.a == flight.GSD
    assert not found.masked
    with tiff.opened(path) as source:
        assert source.files == [str(path)]


def test_a_window_is_all_that_is_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a file in tiles and of one in strips no window is larger than its bound."""
    seen: list[tuple[int, int]] = []
    real = cog.write_cog

    def spy(target: Path, spec: cog.CogSpec, windows: Any) -> None:
        def noted() -> Any:
            for filled in windows:
                seen.append(filled.data.shape[1:])
                yield filled

        real(target, spec, noted())

    monkeypatch.setattr(pixels, "write_cog", spy)
    monkeypatch.setattr(blocks, "BLOCK_PX", 16)
    monkeypatch.setattr(blocks, "_STEP", 64)
    monkeypatch.setattr(cog, "BLOCK_PX", 16)
    plan = pixels.BandPlan((1, 2, 3), ("red", "green", "blue"), None)
    for how, most in (
        ({"tiled": True, "blockxsize": 16, "blockysize": 16}, (64, 64)),
        ({}, (16, 96)),
    ):
        path = flight.write_tif(tmp_path / "a.tif", flight.picture(), **how)
        header = tiff.read_header(path, "a.tif")
        grid = Grid(flight.CRS, header.transform, header.shape)
        seen.clear()
        pixels.write_mosaic(Sheet((header,), grid, flight.GSD), plan, tmp_path / "out.tif")
        assert max(s[0] for s in seen) <= most[0]
        assert max(s[1] for s in seen) <= most[1]
        assert sum(s[0] * s[1] for s in seen) == 96 * 96
        with rasterio.open(tmp_path / "out.tif") as source:
            assert (source.read() == flight.picture()).all()


def test_infrared_and_a_marked_alpha_is_honoured(tmp_path: Path) -> None:
    data = flight.picture(5)
    data[4, :48] = 0
    colours = [ColorInterp.red, ColorInterp.green, ColorInterp.blue,
               ColorInterp.undefined, ColorInterp.alpha]  # fmt: skip
    flight.write_tif(tmp_path / "drop/o.tif", data, photometric="RGB", colours=colours)
    flight.write_form(tmp_path / "drop")
    answer = flight.hand_in(tmp_path, tmp_path / "drop")
    assert item(tmp_path, answer.id)["assets"]["ortho"]["siluan:bands"][-1] == "nir"
    assert item(tmp_path, answer.id)["properties"]["siluan:valid_share"] == 0.5


@pytest.mark.parametrize(
    ("said", "kept", "note"),
    [(1985, "1985", False), ("ellipsoid", "ellipsoid", False), ("unknown", "unknown", True)],
)
def test_what_heights_refer_to_is_kept(tmp_path: Path, said: object, kept: str, note: bool) -> None:
    answer = flight.hand_in(tmp_path, flight.odm(tmp_path / "drop", vertical=said))
    assert item(tmp_path, answer.id)["properties"]["siluan:vertical"] == kept
    receipt = (tmp_path / "drop_回执.html").read_text("utf-8")
    assert ("只用于前后两次飞行的比较" in receipt) is note
