"""What comes on a disk is not trusted: what is hostile, broken or foreign is passed over."""

from __future__ import annotations

import io
import shutil
import sys
import tarfile
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
import parcel
import tiny

from pipeline.errors import ConfigurationError, SceneUnusableError
from pipeline.io.archives import FolderPackage, Limits, TarPackage, ZipPackage
from pipeline.io.safexml import parse_xml

WHEN = datetime(2024, 1, 5, 3, 1, 12, tzinfo=UTC)
LOOK = parcel.bands_of(tiny.look(0, fill=False))
LIMITS = Limits(2**30)


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    folder = tmp_path / "disk"
    folder.mkdir()
    return folder


@pytest.mark.parametrize(
    "name", ["../evil.xml", "/etc/evil.xml", "a/../../evil.xml", "C:/evil.xml"]
)
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_paths_that_leave_an_archive_refuse_it(
    disk: Path, tmp_path: Path, name: str, kind: str
) -> None:
    path = disk / f"S2.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(name, "x")
    else:
        with tarfile.open(path, "w") as archive:
            archive.addfile(tarfile.TarInfo(name), io.BytesIO())
    found = parcel.search(disk, tmp_path / "state")
    assert "leave the archive" in parcel.reasons(found)[path.name]
    assert not list(tmp_path.rglob("evil*"))


def test_links_in_an_archive_refuse_it(disk: Path, tmp_path: Path) -> None:
    with tarfile.open(disk / "a.tar", "w") as archive:
        link = tarfile.TarInfo("S2.SAFE/MTD_MSIL2A.xml")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    assert "links" in parcel.reasons(parcel.search(disk, tmp_path / "state"))["a.tar"]


@pytest.mark.parametrize("kind", ["bomb.zip", "bomb.tar.gz"])
def test_a_bomb_is_not_unpacked(disk: Path, tmp_path: Path, kind: str) -> None:
    zeros = b"\0" * 40_000_000
    if kind.endswith("zip"):
        with zipfile.ZipFile(disk / kind, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("S2.SAFE/a.jp2", zeros)
    else:
        with tarfile.open(disk / kind, "w:gz") as archive:
            info = tarfile.TarInfo("a.tiff")
            info.size = len(zeros)
            archive.addfile(info, io.BytesIO(zeros))
    assert (disk / kind).stat().st_size < 100_000
    found = parcel.search(disk, tmp_path / "state", max_unpacked_gb=0.01)
    assert "more than the 0.01 GiB allowed" in parcel.reasons(found)[kind]


def test_a_member_larger_than_its_listing_stops(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.jp2", b"0" * 1000)
    package = ZipPackage.of(path, LIMITS)
    lying = ZipPackage(path, {"a.jp2": 10})
    with pytest.raises(SceneUnusableError, match="larger than its listing"):
        lying.take({"a.jp2": tmp_path / "out.jp2"})
    assert not (tmp_path / "out.jp2").exists()
    package.take({"a.jp2": tmp_path / "out.jp2"})
    assert (tmp_path / "out.jp2").stat().st_size == 1000


@pytest.mark.parametrize("kind", [".zip", ".tar", ".tar.gz"])
@pytest.mark.parametrize("share", [0.05, 0.5, 0.97])
def test_an_archive_copied_by_half_is_named(
    disk: Path, tmp_path: Path, kind: str, share: float
) -> None:
    loose = tmp_path / "loose"
    loose.mkdir()
    qa = np.full((200, 200), 21824, "uint16")
    noise = {str(b): np.random.default_rng(b).random((200, 200)) for b in range(2, 8)}
    name = parcel.write_landsat(loose, WHEN, noise, qa)
    path = disk / f"{name}{kind}"
    files = sorted(loose.iterdir())
    if kind == ".zip":
        parcel.zip_folder(loose, path)
    else:
        parcel.tar_files(files, path)
    assert len(parcel.search(disk, tmp_path / "whole").scenes) == 1
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    found = parcel.search(disk, tmp_path / "state")
    assert not found.scenes
    (aside,) = found.set_aside
    assert (
        "copied by half" in aside.reason or "incomplete" in aside.reason or "lacks" in aside.reason
    )
    assert "again" in aside.remedy


def test_an_encrypted_zip_is_named(disk: Path, tmp_path: Path) -> None:
    root = parcel.write_safe(tmp_path, WHEN, LOOK)
    path = parcel.zip_folder(root, disk / "a.zip")
    data = bytearray(path.read_bytes())
    for mark, at in ((b"PK\3\4", 6), (b"PK\1\2", 8)):  # the flag of encryption
        start = data.find(mark)
        while start >= 0:
            data[start + at] |= 1
            start = data.find(mark, start + 4)
    path.write_bytes(bytes(data))
    found = parcel.search(disk, tmp_path / "state")
    assert not found.scenes
    assert "encrypted" in next(iter(parcel.reasons(found).values()))


ENTITY = '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>'
LAUGHS = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'


@pytest.mark.parametrize("head", [ENTITY, LAUGHS])
def test_entities_are_not_expanded(disk: Path, tmp_path: Path, head: str) -> None:
    root = parcel.write_safe(disk, WHEN, LOOK)
    sheet = root / "MTD_MSIL2A.xml"
    text = sheet.read_text("utf-8")
    first, _, rest = text.partition("\n")
    sheet.write_text(f"{first}\n{head}\n{rest}", "utf-8")
    found = parcel.search(disk, tmp_path / "state")
    assert not found.scenes
    assert "entities or a DTD" in next(iter(parcel.reasons(found).values()))


def test_chinese_encodings_are_read() -> None:
    text = '<?xml version="1.0" encoding="GB2312"?>\n<a><StationID>密云</StationID></a>'
    assert parse_xml(text.encode("gb2312"), "x").findtext("StationID") == "密云"
    with pytest.raises(SceneUnusableError, match="x is not well-formed"):
        parse_xml(b'<?xml version="1.0" encoding="nonsense"?><a/>', "x")


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        (
            '<BOA_QUANTIFICATION_VALUE unit="none">10000<',
            "<BOA_QUANTIFICATION_VALUE>0<",
            "no BOA_QUANT",
        ),
        (">10000</BOA_Q", ">viel</BOA_Q", "hold no number"),
        ('band_id="8"', 'band_id="80"', "no BOA_ADD_OFFSET for band(s) 8"),
        ("Sentinel-2A</SPACE", "</SPACE", "does not name a spacecraft"),
        ("<EXT_POS_LIST>", "<EXT_POS_LIST>999 ", "nowhere on Earth"),
        ("</n1:General_Info>", "", "not well-formed"),
    ],
)
def test_metadata_that_do_not_hold_together(
    disk: Path, tmp_path: Path, old: str, new: str, why: str
) -> None:
    root = parcel.write_safe(disk, WHEN, LOOK)
    sheet = root / "MTD_MSIL2A.xml"
    text = sheet.read_text("utf-8")
    assert old in text
    changed = text.replace(old, new, 1)
    if new.endswith("999 "):
        changed = changed.replace("999 27.8", "999 113.0 999 27.8", 1).replace(
            "999 113.0 999", "999 113.0"
        )
    sheet.write_text(changed, "utf-8")
    found = parcel.search(disk, tmp_path / "state")
    assert not found.scenes
    assert why in next(iter(parcel.reasons(found).values()))


def test_a_renamed_folder_is_known_by_its_metadata(disk: Path, tmp_path: Path) -> None:
    root = parcel.write_safe(disk, WHEN, LOOK)
    root.rename(disk / "新建文件夹")
    (scene,) = parcel.search(disk, tmp_path / "state").scenes
    assert scene.id == root.name.removesuffix(".SAFE")


def test_what_is_unknown_is_counted_and_harms_nothing(disk: Path, tmp_path: Path) -> None:
    parcel.write_safe(disk, WHEN, LOOK)
    parcel.write_raster(disk / "heights.tif", np.zeros((1, 8, 8), "float32"), 10)
    (disk / "radar.h5").write_bytes(b"x")
    with zipfile.ZipFile(disk / "letters.zip", "w") as archive:
        archive.writestr("letter.docx", "x")
    (disk / "readme.docx").write_bytes(b"x")
    found = parcel.search(disk, tmp_path / "state")
    assert len(found.scenes) == 1
    assert {a.what for a in found.set_aside} == {"heights.tif", "radar.h5", "letters.zip"}
    assert not any(a.remedy for a in found.set_aside)
    (note,) = found.notes
    assert "3 file(s) are no product known here: heights.tif, letters.zip, radar.h5" in note


def test_what_is_not_opened_is_counted_and_named(disk: Path, tmp_path: Path) -> None:
    """A disk of such archives alone looked like one of an empty period."""
    names = ["a.rar", "b.7z", "c.tar.bz2", "d.tar.xz", "e.part1.rar", "f.7z.001", "g.tbz2"]
    for name in names:
        (disk / name).write_bytes(b"x")
    (disk / "linked.SAFE").symlink_to(parcel.write_safe(tmp_path / "away", WHEN, LOOK))
    (disk / "linked.zip").symlink_to(tmp_path / "away")
    found = parcel.search(disk, tmp_path / "state")
    assert not found.scenes
    assert {a.what for a in found.set_aside} == {*names, "linked.SAFE", "linked.zip"}
    assert not any(a.remedy for a in found.set_aside)
    archives, links = found.notes
    assert "7 archive(s) of a kind that is not opened here: a.rar, b.7z, c.tar.bz2" in archives
    assert "2 symbolic link(s) are not followed: linked.SAFE, linked.zip" in links


@pytest.mark.parametrize(
    ("sheet", "old", "new", "why"),
    [
        ("MTD_MSIL2A.xml", ">-1000<", "><", "hold no number"),
        ("MTD_MSIL2A.xml", ">-1000<", ">nan<", "hold no number"),
        ("MTD_MSIL2A.xml", ">3.5<", ">inf<", "hold no number"),
        ("MTD_MSIL2A.xml", ">10000<", ">nan<", "hold no number"),
        ("MTD_TL.xml", ">52.5<", ">nan<", "hold no number"),
        ("MTD_TL.xml", "LEVEL", "LEVEL", "which is not what its name says"),
    ],
)
def test_a_number_that_is_none_refuses_one_product_and_not_the_disk(
    disk: Path, tmp_path: Path, sheet: str, old: str, new: str, why: str
) -> None:
    other = WHEN + timedelta(days=10)
    root = parcel.write_safe(disk, WHEN, LOOK)
    parcel.write_safe(disk, other, LOOK)
    (path,) = root.rglob(sheet)
    text = path.read_text("utf-8")
    if old == "LEVEL":
        old, new = f"{WHEN:%Y}-{WHEN:%m-%dT%H}", f"{WHEN.year - 1}-{WHEN:%m-%dT%H}"
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")
    parcel.write_manifest(root)
    found = parcel.search(disk, tmp_path / "state")
    assert [s.acquired.date() for s in found.scenes] == [other.date()]
    (said,) = parcel.reasons(found).values()
    assert why in said


def test_an_absent_disk_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="that the disk is in"):
        parcel.search(tmp_path / "nothing", tmp_path / "state")


def test_a_full_disk_leaves_nothing_half_written(
    disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rasterio.errors import RasterioIOError

    from pipeline.errors import DiskFullError
    from pipeline.io import transcode

    parcel.write_safe(disk, WHEN, LOOK)
    usage = shutil.disk_usage(tmp_path)

    def full(*_: object, **__: object) -> None:
        raise RasterioIOError("write failed")

    monkeypatch.setattr(transcode, "_windows", full)
    monkeypatch.setattr(transcode.shutil, "disk_usage", lambda _: usage._replace(free=0))
    with pytest.raises(DiskFullError, match="no space is left"):
        parcel.search(disk, tmp_path / "state")
    assert not [
        p for p in (tmp_path / "state").rglob("*") if p.is_file() and "disk" in p.parts[-3:]
    ]


def test_an_unreadable_file_is_damage_to_one_product(
    disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bad sector: the operating system gives an error in the middle of the disk."""
    parcel.write_safe(disk, WHEN, LOOK)
    real = Path.read_bytes

    def bad(self: Path) -> bytes:
        if self.name == "MTD_TL.xml":
            raise OSError(5, "Input/output error")
        return real(self)

    monkeypatch.setattr(Path, "read_bytes", bad)
    found = parcel.search(disk, tmp_path / "state")
    assert not found.scenes
    assert "Input/output error" in next(iter(parcel.reasons(found).values()))


def test_a_tar_is_listed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.xml").write_text("<a/>")
    path = parcel.tar_files([tmp_path / "a.xml"], tmp_path / "a.tar.gz")
    limits = Limits(2**20, tmp_path / "listings")
    first = TarPackage.of(path, limits)
    monkeypatch.setattr(tarfile, "open", lambda *_, **__: pytest.fail("read again"))
    again = TarPackage.of(path, limits)
    assert again == first
    assert again.text("a.xml") == b"<a/>"


def test_folders_leave_links_out(tmp_path: Path) -> None:
    (tmp_path / "real.txt").write_text("x")
    (tmp_path / "link.txt").symlink_to("/etc/passwd")
    assert set(FolderPackage.of(tmp_path).members) == {"real.txt"}
