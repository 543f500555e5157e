"""What is refused: each reason with its sentence in two languages, and nothing is kept."""

from __future__ import annotations

import html
import json
import os
import shutil
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

sys.path.insert(0, str(Path(__file__).parent))
import flight

from pipeline.acquire.inbox import drop as drops
from pipeline.acquire.inbox import tiff
from pipeline.acquire.inbox.reasons import REASONS
from pipeline.errors import DiskFullError
from pipeline.io import cog, failpoints
from pipeline.office import flights

Make = Callable[[Path], None]


def mosaic(form: dict[str, Any] | None = None, name: str = "o.tif", **how: Any) -> Make:
    """Make a drop of one mosaic and a form."""

    def make(folder: Path) -> None:
        more = dict(how)
        data = more.pop("data", None)
        flight.write_tif(folder / name, flight.picture() if data is None else data, **more)
        flight.write_form(folder, **(form or {}))

    return make


def surface(data: Any = None, **how: Any) -> Make:
    """Make a drop of a mosaic and a surface model."""

    def make(folder: Path) -> None:
        mosaic()(folder)
        more = {"gsd": 2 * flight.GSD, "name": "dsm.tif", **how}
        heights = flight.heights() if data is None else data
        flight.write_tif(folder / more.pop("name"), heights, **more)

    return make


def text(name: str, content: bytes, **form: Any) -> Make:
    def make(folder: Path) -> None:
        flight.write_form(folder, **form)
        (folder / name).write_bytes(content)

    return make


def form(content: str) -> Make:
    def make(folder: Path) -> None:
        mosaic()(folder)
        (folder / "flight.yaml").write_bytes(content.encode("gb18030"))

    return make


def no_form(folder: Path) -> None:
    flight.write_tif(folder / "o.tif", flight.picture())


def surface_alone(folder: Path) -> None:
    flight.write_tif(folder / "dsm.tif", flight.heights())
    flight.write_form(folder)


def feet_said(folder: Path) -> None:
    surface()(folder)
    flight.write_form(folder, height_unit="ft")


def two(folder: Path) -> None:
    mosaic()(folder)
    flight.write_tif(folder / "p.tif", flight.picture())


def link(folder: Path) -> None:
    mosaic()(folder)
    (folder / "dsm.tif").symlink_to("/etc/hostname")


def linked_folder(folder: Path) -> None:
    mosaic()(folder)
    (folder / "more").symlink_to(folder.parent, target_is_directory=True)


def deep(folder: Path) -> None:
    mosaic()(folder)
    (folder / "/".join("abcdefghijklmnop")).mkdir(parents=True)


def many_px(folder: Path) -> None:
    """Write a header of 500,000 px a side, and no pixel."""
    flight.write_form(folder)
    with rasterio.open(
        folder / "o.tif", "w", driver="GTiff", width=500_000, height=500_000, count=3,
        dtype="uint8", crs=flight.CRS, transform=rasterio.Affine(0.05, 0, 4e5, 0, -0.05, 3e6),
        tiled=True, blockxsize=8192, blockysize=8192, sparse_ok=True, bigtiff="yes",
    ):  # fmt: skip
        pass


def huge_block(folder: Path) -> None:
    """Write a bomb: one block that unpacks to a gigabyte."""
    flight.write_form(folder)
    with rasterio.open(
        folder / "o.tif", "w", driver="GTiff", width=20_000, height=20_000, count=3,
        dtype="uint8", crs=flight.CRS, transform=rasterio.Affine(0.05, 0, 4e5, 0, -0.05, 3e6),
        tiled=True, blockxsize=20_000 // 16 * 16, blockysize=20_000 // 16 * 16, sparse_ok=True,
    ):  # fmt: skip
        pass


def cut(folder: Path) -> None:
    mosaic(tiled=True, blockxsize=32, blockysize=32)(folder)
    path = folder / "o.tif"
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])


def tiles(**second: Any) -> Make:
    def make(folder: Path) -> None:
        flight.write_form(folder)
        flight.write_tif(folder / "t_1_1.tif", flight.picture())
        flight.write_tif(folder / "t_1_2.tif", **{"data": flight.picture(), **second})

    return make


def turned(folder: Path) -> None:
    mosaic(transform=rasterio.Affine(0.05, 0.01, 4e5, 0.01, -0.05, 3e6))(folder)


ZONED = (40_420_690.0, 3_050_500.0)
FEET = "EPSG:4547+6360"  # heights in US survey feet
UNDER = "../../../etc/passwd"

BAD: list[tuple[str, str, Make]] = [
    ("no form", "no_form", no_form),
    ("form misspelt", "form", mosaic({"drown": "x"})),
    ("form without zone", "form", mosaic({"flown": "2026-11-20T10:30:00"})),
    ("form in the future", "form", mosaic({"flown": "2027-11-20T10:30:00+08:00"})),
    ("form no YAML", "form", form("队伍: [")),
    ("form a list", "form", form("- 队伍")),
    ("form unfolds", "form", form("a: &a [1]\nb: *a\n")),
    ("form nested", "form", form("a: " + "[" * 20_000)),
    ("form too long", "form", form("#" * 70_000)),
    ("form without gcp", "form", mosaic({"gcp": None})),
    ("form of unknown CRS", "form", mosaic({"horizontal": "EPSG:999999"})),
    ("nothing", "nothing", text("readme.txt", b"")),
    ("surface alone", "nothing", surface_alone),
    ("ECW alone", "foreign", text("result.ecw", b"x")),
    ("an archive in the folder", "foreign", text("结果.rar", b"Rar!")),
    ("two mosaics", "several", two),
    ("names what is not there", "no_file", mosaic({"files": {"mosaic": ["x.tif"]}})),
    ("names what lies outside", "leaves", mosaic({"files": {"mosaic": [UNDER]}})),
    ("names a root", "leaves", mosaic({"files": {"mosaic": ["/etc/passwd"]}})),
    ("names a drive", "leaves", mosaic({"files": {"mosaic": ["C:\\x.tif"]}})),
    ("a link", "leaves", link),
    ("a linked folder", "leaves", linked_folder),
    ("too deep", "too_many", deep),
    ("a VRT", "not_tiff", text("o.tif", b"<VRTDataset rasterXSize='1'/>")),
    ("HTML", "not_tiff", text("o.tif", b"\n<!DOCTYPE html><script>alert(1)</script>")),
    ("JPEG", "not_tiff", text("o.tif", b"\xff\xd8\xff\xe0")),
    ("no bytes", "not_tiff", text("o.tif", b"")),
    ("500,000 px", "too_large", many_px),
    ("a block of a gigabyte", "too_large", huge_block),
    ("tiles far apart", "too_large", tiles(corner=(900_000.0, 3_050_500.0))),
    ("header only", "unreadable", text("o.tif", b"II*\0\x08\0\0\0")),
    ("cut off", "unreadable", cut),
    ("no CRS", "no_crs", mosaic(crs=None)),
    ("another CRS than said", "other_crs", mosaic({"horizontal": "EPSG:4548"})),
    ("no place", "no_place", mosaic(transform=rasterio.Affine.identity())),
    ("turned", "no_place", turned),
    ("degrees as metres", "degrees", mosaic(corner=(113.19, 27.56), gsd=5e-7)),
    ("metres as degrees", "metres", mosaic(crs="EPSG:4490")),
    ("zone in eastings", "not_there", mosaic(corner=(38_420_690.0, 3_050_500.0))),
    ("zone not in eastings", "not_there", mosaic(crs="EPSG:4526")),
    ("10 m pixels", "gsd", mosaic(gsd=10.0)),
    ("another gsd than said", "gsd", mosaic({"gsd_m": 0.2})),
    ("floats", "depth", mosaic(data=flight.picture().astype("float32"))),
    ("five bands", "bands", mosaic(data=flight.picture(5))),
    ("bands that do not fit", "bands", mosaic({"bands": ["red", "green", "blue", "nir"]})),
    ("a surface in colours", "bands", surface(flight.picture(3, 48))),
    ("tiles of other pixels", "tiles", tiles(gsd=0.06)),
    ("tiles of another lattice", "tiles", tiles(corner=(420_694.82, 3_050_500.0))),
    ("tiles of another CRS", "tiles", tiles(crs="EPSG:4548")),
    ("tiles of other bands", "tiles", tiles(data=flight.picture(4))),
    ("surface elsewhere", "mismatch", surface(corner=(420_694.0, 3_050_500.0))),
    ("surface too coarse", "mismatch", surface(gsd=1.0)),
    ("surface of another CRS", "mismatch", surface(crs="EPSG:4528", corner=ZONED)),
    ("feet by the CRS", "feet", surface(crs=FEET)),
    ("feet by the band", "feet", surface(units="ft")),
    ("feet by the form", "feet", feet_said),
    ("heights of no ground", "heights", surface(flight.heights() + 20_000)),
    ("no picture", "empty", mosaic(data=np.zeros((3, 96, 96), "uint8"))),
    ("no heights", "empty", surface(np.full((1, 48, 48), -9999, "float32"), nodata=-9999)),
    ("supersedes nothing", "supersedes", mosaic({"supersedes": "20200101T0000Z-00000000"})),
]  # fmt: skip


def kept(state: Path) -> list[str]:
    """Names of what was taken in, or half of it."""
    root = state / "flights"
    return [
        p.name for p in root.iterdir() if p.name not in ("quarantine", "catalog.json", ".desk.lock")
    ]


@pytest.mark.parametrize(("code", "make"), [b[1:] for b in BAD], ids=[b[0] for b in BAD])
def test_it_is_refused_with_a_receipt_and_nothing_is_kept(
    tmp_path: Path, code: str, make: Make
) -> None:
    folder = tmp_path / "渌水<b>"
    folder.mkdir()
    make(folder)
    before = sorted(str(p) for p in folder.rglob("*"))
    answer = flight.hand_in(tmp_path, folder)
    assert flight.codes(answer) == [code]
    assert answer.code == 6
    assert kept(tmp_path / "state") == []
    assert sorted(str(p) for p in folder.rglob("*")) == before
    receipt = (tmp_path / "渌水<b>_回执.html").read_text("utf-8")
    what, remedy = answer.faults[0].zh()
    assert html.escape(what) in receipt
    assert "previous exception" not in receipt
    assert html.escape(remedy) in receipt
    assert "渌水&lt;b&gt;" in receipt
    assert "<script>" not in receipt
    (record,) = (tmp_path / "state/flights/quarantine").iterdir()
    assert json.loads((record / "drop.json").read_text("utf-8"))["faults"][0]["code"] == code


def test_every_reason_is_tested() -> None:
    apart = {"twice", "older", "archive", "photos", "changed", "loose", "room"}
    apart |= {"unit", "scale", "relief", "other_vertical"}  # test_27_inbox_heights
    apart |= {"name", "unsafe", "packed"}  # here below, and test_27_inbox_watch
    apart |= {"corrects"}  # test_27_inbox_against
    assert {b[1] for b in BAD} | apart == set(REASONS)


def test_all_faults_are_named_at_once(tmp_path: Path) -> None:
    folder = tmp_path / "drop"
    text("o.tif", b"<html>", gcp=None)(folder)
    assert flight.codes(flight.hand_in(tmp_path, folder)) == ["form", "not_tiff"]


def test_a_key_that_is_given_twice_is_named_with_its_lines(tmp_path: Path) -> None:
    mosaic()(tmp_path / "drop")
    path = tmp_path / "drop" / "flight.yaml"
    said = path.read_text("utf-8").splitlines()
    more = ["flown: 2026-01-20T10:30:00+08:00", "files: {mosaic: [o.tif], mosaic: [p.tif]}"]
    path.write_text("\n".join([*said, *more]), "utf-8")
    answer = flight.hand_in(tmp_path, tmp_path / "drop")
    assert flight.codes(answer) == ["form"]
    was = next(n for n, line in enumerate(said, 1) if line.startswith("flown"))
    assert f"'flown' (lines {was}, {len(said) + 1})" in answer.lines[0]
    assert "'mosaic' (lines" in answer.lines[0]
    assert f"flown（第 {was}、{len(said) + 1} 行）" in (tmp_path / "drop_回执.html").read_text(
        "utf-8"
    )


@pytest.mark.parametrize("flown", [1790000000, 1.79e9, "1790000000", "1790000000000", "1.79e9"])
def test_a_bare_number_is_no_time_with_a_zone(tmp_path: Path, flown: object) -> None:
    mosaic({"flown": flown})(tmp_path / "drop")
    answer = flight.hand_in(tmp_path, tmp_path / "drop")
    assert flight.codes(answer) == ["form"]
    assert "no bare number" in answer.lines[0]


def test_the_same_flight_twice(tmp_path: Path) -> None:
    first = flight.hand_in(tmp_path, flight.odm(tmp_path / "a"))
    receipt = tmp_path / "a_回执.html"
    before = receipt.read_bytes()
    again = flight.hand_in(tmp_path, tmp_path / "a")
    assert (again.taken, again.id) == (True, first.id)
    assert receipt.read_bytes() == before
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    assert flight.codes(flight.hand_in(tmp_path, tmp_path / "b")) == ["twice"]
    flight.write_form(tmp_path / "b", gcp=5)
    assert flight.codes(flight.hand_in(tmp_path, tmp_path / "b")) == ["twice"]
    assert kept(tmp_path / "state") == [first.id]


def test_a_flight_older_than_the_one_in_use(tmp_path: Path) -> None:
    first = flight.hand_in(tmp_path, flight.odm(tmp_path / "new"))
    old = flight.odm(tmp_path / "old", seed=2, flown="2026-11-19T10:30:00+08:00")
    answer = flight.hand_in(tmp_path, old)
    assert flight.codes(answer) == ["older"]
    assert first.id in (tmp_path / "old_回执.html").read_text("utf-8")
    beside = {"seed": 3, "flown": "2026-11-19T10:30:00+08:00"}
    apart = flight.odm(tmp_path / "apart", **beside)
    for path in apart.rglob("*.tif"):
        with rasterio.open(path, "r+") as sink:
            sink.transform = rasterio.Affine.translation(-4, 0) * sink.transform
    assert flight.hand_in(tmp_path, apart).taken


def test_a_drop_that_changes_while_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop = flight.odm(tmp_path / "drop")
    real = flights.build_flight

    def meddled(*words: Any) -> Any:
        built = real(*words)
        os.utime(drop / "odm_dem/dsm.tif", ns=(1, 1))
        return built

    monkeypatch.setattr(flights, "build_flight", meddled)
    assert flight.codes(flight.hand_in(tmp_path, drop)) == ["changed"]
    assert kept(tmp_path / "state") == []


def bomb(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("o.tif", b"\0" * 2**22)


def climbing(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../../up.tif", b"x")


def half(path: Path) -> None:
    bomb(path)
    path.write_bytes(path.read_bytes()[:-40])


def twins(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/o.tif", b"x")
        archive.writestr("a\\o.tif", b"y")


def file_and_folder(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a", b"x")
        archive.writestr("a\\o.tif", b"y")


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (file_and_folder, "unsafe"),
        (bomb, "unsafe"),
        (climbing, "unsafe"),
        (twins, "unsafe"),
        (half, "archive"),
    ],
)
def test_a_dangerous_zip_is_not_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Make, code: str
) -> None:
    monkeypatch.setattr(drops, "_UNPACKED_BYTES", 2**20)
    make(tmp_path / "drop.zip")
    answer = flight.hand_in(tmp_path, tmp_path / "drop.zip")
    assert flight.codes(answer) == [code]
    assert kept(tmp_path / "state") == []
    assert not (tmp_path / "up.tif").exists()
    assert not (tmp_path.parent / "up.tif").exists()


def test_limits_come_before_any_pixel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    many_px(tmp_path / "drop")
    monkeypatch.setattr(rasterio.io.DatasetReader, "read", None, raising=False)
    with pytest.raises(Exception, match="500000 x 500000") as refused:
        tiff.read_header(tmp_path / "drop/o.tif", "o.tif")
    assert refused.type.__name__ == "SubmissionRefusedError"


def test_more_files_than_a_flight_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drops, "_MOST_FILES", 3)
    mosaic()(tmp_path / "drop")
    for n in range(3):
        (tmp_path / "drop" / f"{n}.txt").touch()
    assert flight.codes(flight.hand_in(tmp_path, tmp_path / "drop")) == ["too_many"]


def test_names_that_no_terminal_should_see(tmp_path: Path) -> None:
    mosaic(name="a\x1b[31m\n.tif", crs=None)(tmp_path / "drop")
    answer = flight.hand_in(tmp_path, tmp_path / "drop")
    assert flight.codes(answer) == ["no_crs"]
    assert "\x1b" not in "".join(answer.lines)
    odd = tmp_path / os.fsdecode(b"\xff")
    odd.mkdir()
    assert flight.codes(flight.hand_in(tmp_path, odd)) == ["name"]


def test_a_name_in_gbk_is_told_as_such(tmp_path: Path) -> None:
    """GDAL opens by UTF-8 alone, and a file is not damaged for its name."""
    mosaic()(tmp_path / "plain")
    folder = tmp_path / os.fsdecode("渌水".encode("gbk"))
    shutil.copytree(tmp_path / "plain", folder)
    answer = flight.hand_in(tmp_path, folder)
    assert flight.codes(answer) == ["name"]
    assert "渌水" in answer.lines[0]
    inner = (tmp_path / "plain").rename(tmp_path / "drop")
    (inner / "o.tif").rename(inner / os.fsdecode("正射.tif".encode("gbk")))
    (inner / os.fsdecode("说明.txt".encode("gbk"))).touch()
    answer = flight.hand_in(tmp_path, inner)
    assert [f.values[0][1] for f in answer.faults] == ["正射.tif"]
    alone = next(inner.glob("*.tif"))
    assert flight.codes(flight.hand_in(tmp_path, alone)) == ["name"]
    alone.rename(inner / "o.tif")
    assert flight.hand_in(tmp_path, inner).taken  # what is not opened may be called as it likes


def test_photos_in_gbk_beside_a_flight_do_not_refuse_it(tmp_path: Path) -> None:
    drop = flight.odm(tmp_path / "drop")
    folder = drop / os.fsdecode("原始照片".encode("gbk"))
    folder.mkdir()
    (folder / os.fsdecode("照片1.JPG".encode("gbk"))).write_bytes(b"\xff\xd8\xff\xd9")
    (folder / os.fsdecode("略图.tif".encode("gbk"))).touch()
    answer = flight.hand_in(tmp_path, drop)
    assert answer.taken, answer.faults
    alone = tmp_path / "photos"
    shutil.copytree(folder, alone)
    next(alone.glob("*.tif")).unlink()
    flight.write_form(alone)
    assert flight.codes(flight.hand_in(tmp_path, alone)) == ["name"]  # here they are read


def test_a_mosaic_in_floats_is_not_told_to_state_its_bands(tmp_path: Path) -> None:
    drop = tmp_path / "drop"
    mosaic({"bands": ["red", "green", "blue"]}, data=flight.picture().astype("float32"))(drop)
    answer = flight.hand_in(tmp_path, drop)
    assert "float32" in answer.lines[0]
    assert "bands" not in answer.lines[0]


def test_what_was_seen_in_place_of_a_mosaic_is_named(tmp_path: Path) -> None:
    flight.write_form(tmp_path / "drop")
    for name in ("a.ecw", "b.PNG"):
        (tmp_path / "drop" / name).touch()
    flight.hand_in(tmp_path, tmp_path / "drop")
    assert "a.ecw, b.PNG" in (tmp_path / "drop_回执.html").read_text("utf-8")


@pytest.mark.parametrize("how", ["before", "while", "after"])
def test_a_full_disk_keeps_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    drop = flight.odm(tmp_path / "drop")
    with monkeypatch.context() as patched:
        usage = shutil.disk_usage(tmp_path)._replace(free=100)
        if how == "before":
            patched.setattr(shutil, "disk_usage", lambda _: usage)
        elif how == "while":
            free = iter([2**40])  # as it was when it began
            patched.setattr(shutil, "disk_usage", lambda _: usage._replace(free=next(free, 100)))
            patched.setattr(cog, "copy", _no_space)
        else:
            failpoints._passages.clear()
            patched.setenv(failpoints.VARIABLE, "submit.built=enospc")
        with pytest.raises(DiskFullError):
            flight.hand_in(tmp_path, drop)
    assert kept(tmp_path / "state") == []
    assert not (tmp_path / "drop_回执.html").exists()
    assert flight.hand_in(tmp_path, drop).taken


def _no_space(*_: Any, **__: Any) -> None:
    raise rasterio.errors.RasterioIOError("write failed")
