"""The watched folder: what begins when, what is left alone, what is moved where."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import sys
import zipfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import flight
import office

from pipeline.acquire.inbox.page import NAME_ZH
from pipeline.errors import ConfigurationError, DiskFullError
from pipeline.io import failpoints
from pipeline.io.archives import ZipPackage
from pipeline.office import inbox as inboxes
from pipeline.office.flights import desk
from pipeline.office.inbox import InboxReport, look

Look = Callable[..., InboxReport]


@pytest.fixture
def box(tmp_path: Path) -> Path:
    office.make_config(tmp_path)
    (tmp_path / "收件箱").mkdir()
    return tmp_path / "收件箱"


@pytest.fixture
def see(tmp_path: Path, box: Path) -> Look:
    def seeing(after: float = 0) -> InboxReport:
        """Look so many seconds after the first look."""
        when = flight.NOW + timedelta(seconds=after)
        with desk(tmp_path / "config", tmp_path / "state", when) as at:
            return look(box, at)

    return seeing


def names(folder: Path) -> list[str]:
    """Names in a folder; the form that always lies in the inbox is left out."""
    found = sorted(p.name for p in folder.iterdir()) if folder.is_dir() else []
    return [n for n in found if n != NAME_ZH]


def flights(tmp_path: Path) -> list[str]:
    return [p.parent.name for p in (tmp_path / "state/flights").glob("*/item.json")]


@pytest.mark.parametrize("mark", ["DONE", "DONE.txt"])
def test_done_begins_at_once(tmp_path: Path, box: Path, see: Look, mark: str) -> None:
    (flight.odm(box / "渌水") / mark).touch()
    report = see()
    assert report.code == 0
    assert "渌水: taken in as" in report.lines[0]
    assert names(box) == ["accepted", "渌水_回执.html"]
    assert names(box / "accepted") == ["渌水"]
    assert len(flights(tmp_path)) == 1
    assert see(60).lines == ()


def test_without_it_two_looks_that_see_the_same(tmp_path: Path, box: Path, see: Look) -> None:
    drop = flight.odm(box / "a")
    assert see().lines == ("a: not complete yet, left alone",)
    assert see(59).lines == ("a: not complete yet, left alone",)
    (drop / "more.txt").write_text("x")  # the copy goes on
    assert see(61).lines == ("a: not complete yet, left alone",)
    assert see(120).lines == ("a: not complete yet, left alone",)
    assert names(box) == ["a"]
    assert "taken in" in see(121).lines[0]
    assert names(box / "accepted") == ["a"]


def test_a_file_with_its_size_but_half_its_content_is_left_alone_for_a_day(
    tmp_path: Path, box: Path, see: Look
) -> None:
    drop = flight.odm(box / "a")
    path = drop / "odm_orthophoto/odm_orthophoto.tif"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 3] + bytes(len(whole) - len(whole) // 3))
    os.utime(path, ns=(10**18, 10**18))
    see()
    assert "left alone" in see(61).lines[0]
    assert "left alone" in see(23 * 3600).lines[0]
    assert names(box) == ["a"]
    report = see(25 * 3600)
    assert report.code == 6
    assert names(box) == ["a_回执.html", "quarantine"]
    assert (box / "quarantine/a/odm_orthophoto/odm_orthophoto.tif").stat().st_size == len(whole)
    assert "已移到 quarantine/a" in (box / "a_回执.html").read_text("utf-8")
    assert flights(tmp_path) == []


def test_what_is_no_half_copy_is_refused_without_waiting_a_day(box: Path, see: Look) -> None:
    for name, content in (("web", b"<html>"), ("zeros", bytes(400))):
        flight.write_form(box / name)
        (box / name / "o.tif").write_bytes(content)
    see()
    see(61)
    assert names(box / "quarantine") == ["web"]


def test_an_archive_that_is_not_opened_gets_an_answer(box: Path, see: Look) -> None:
    packed = ["a.rar", "b.7z", "c.tar.gz", "d.TGZ"]
    for name in packed:
        (box / name).write_bytes(b"Rar!")
    assert see().code == 0
    assert see(61).code == 6
    assert names(box / "quarantine") == packed
    assert "改用 zip 格式" in (box / "c.tar.gz_回执.html").read_text("utf-8")


def test_a_zip_that_leads_out_is_no_half_copy(box: Path, see: Look) -> None:
    with zipfile.ZipFile(box / "a.zip", "w") as archive:
        archive.writestr("../../evil.tif", b"x")
    see()
    assert see(61).code == 6
    assert names(box / "quarantine") == ["a.zip"]


def test_with_done_it_is_refused_at_once(box: Path, see: Look) -> None:
    drop = flight.odm(box / "a")
    (drop / "DONE").touch()
    path = drop / "odm_orthophoto/odm_orthophoto.tif"
    path.write_bytes(path.read_bytes()[:-2000])
    assert see().code == 6
    assert names(box / "quarantine") == ["a"]


def test_the_same_dropped_again_and_again(tmp_path: Path, box: Path, see: Look) -> None:
    (flight.odm(box / "a") / "DONE").touch()
    see()
    for n in ("", "-2"):
        shutil.copytree(box / "accepted/a", box / "a")
        report = see()
        assert report.code == 6
        assert "taken in already" in report.lines[0]
        assert (box / "quarantine" / f"a{n}").is_dir()
    assert len(flights(tmp_path)) == 1


@pytest.mark.parametrize("point", ["submit.built", "submit.taken"])
def test_interrupted_it_goes_on(
    tmp_path: Path, box: Path, see: Look, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    (flight.odm(box / "a") / "DONE").touch()
    failpoints._passages.clear()
    with monkeypatch.context() as patched:
        patched.setenv(failpoints.VARIABLE, f"{point}=interrupt")
        with pytest.raises(KeyboardInterrupt):
            see()
    assert names(box) == ["a"]
    assert see().code == 0
    assert names(box) == ["a_回执.html", "accepted"]
    assert len(flights(tmp_path)) == 1


def test_a_full_disk_keeps_the_drop_for_the_next_look(
    tmp_path: Path, box: Path, see: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    (flight.odm(box / "a") / "DONE").touch()
    failpoints._passages.clear()
    with monkeypatch.context() as patched:
        patched.setenv(failpoints.VARIABLE, "submit.built=enospc")
        with pytest.raises(DiskFullError):
            see()
    assert (names(box), flights(tmp_path)) == (["a"], [])
    assert see().code == 0


def test_a_zip_without_room_is_left_packed_and_others_are_answered(
    tmp_path: Path, box: Path, see: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = flight.odm(tmp_path / "big")
    shutil.make_archive(str(box / "a"), "zip", packed)
    (flight.odm(box / "b", seed=2) / "DONE").touch()
    see()
    with monkeypatch.context() as patched:
        # Room for the flight that is a folder, and not for the zip.
        usage = shutil.disk_usage(tmp_path)._replace(free=2**26)
        patched.setattr(shutil, "disk_usage", lambda _: usage)
        patched.setattr(ZipPackage, "take", lambda *_: pytest.fail("it was unpacked"))
        for after in (61, 3600, 90_000):
            report = see(after)
            assert (report.code, "free" in report.lines[0]) == (5, True)
    assert names(box) == ["a.zip", "a.zip_回执.html", "accepted", "b_回执.html"]
    assert "空闲空间" in (box / "a.zip_回执.html").read_text(encoding="utf-8")
    assert not (tmp_path / "state/flights/quarantine").exists()
    assert see(90_100).code == 0
    assert len(flights(tmp_path)) == 2


def test_a_disk_that_fails_in_a_checksum_is_said_and_others_are_answered(
    tmp_path: Path, box: Path, see: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in "ab":
        (flight.odm(box / n, seed=ord(n)) / "DONE").touch()
    whole, count = hashlib.file_digest, iter(range(100))

    def digest(*said: Any) -> Any:
        if next(count) == 1:
            raise OSError(errno.EIO, "Input/output error")
        return whole(*said)

    with monkeypatch.context() as patched:
        patched.setattr(hashlib, "file_digest", digest)
        report = see()
    assert (report.code, "cannot be read to its end" in report.lines[0]) == (3, True)
    assert (names(box), len(flights(tmp_path))) == (["a", "accepted", "b_回执.html"], 1)
    assert see().code == 0


def test_links_loose_files_and_what_is_no_drop(tmp_path: Path, box: Path, see: Look) -> None:
    outside = flight.odm(tmp_path / "outside")
    (box / "link").symlink_to(outside, target_is_directory=True)
    flight.write_tif(box / "loose.tif", flight.picture())
    flight.write_form(box)
    (box / ".hidden").mkdir()
    see()
    report = see(61)
    assert report.code == 6
    assert [line.split(":")[0] for line in report.lines if "receipt" not in line] == [
        "link",
        "loose.tif",
    ]
    assert names(box / "quarantine") == ["link", "loose.tif"]
    assert (box / "quarantine/link").is_symlink()
    assert names(box) == [
        ".hidden",
        "flight.yaml",
        "link_回执.html",
        "loose.tif_回执.html",
        "quarantine",
    ]
    assert len(names(outside)) == 3
    assert flights(tmp_path) == []


def test_what_cannot_be_moved_is_answered_once(
    tmp_path: Path, box: Path, see: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    (flight.odm(box / "a") / "DONE").touch()
    (flight.odm(box / "b", seed=2, gcp="x") / "DONE").touch()
    monkeypatch.setattr(inboxes, "_moved", lambda *_: False)
    assert see().code == 6
    assert "仍在原处" in (box / "b_回执.html").read_text("utf-8")
    again = see(10)
    assert again.code == 0
    assert all("answered before" in line for line in again.lines)
    flight.write_form(box / "b")
    assert see(20).code == 0  # corrected in its place
    assert len(flights(tmp_path)) == 2


def test_a_link_in_the_way_of_a_receipt_is_not_followed(
    tmp_path: Path, box: Path, see: Look
) -> None:
    precious = tmp_path / "precious"
    precious.write_text("mine")
    for name in ("a_回执.html", ".a_回执.html.partial"):
        (box / name).symlink_to(precious)
    (flight.odm(box / "a") / "DONE").touch()
    see()
    assert precious.read_text() == "mine"
    assert "已接收" in (box / "a_回执.html").read_text("utf-8")


def test_a_linked_quarantine_is_refused(tmp_path: Path, box: Path, see: Look) -> None:
    (box / "quarantine").symlink_to(tmp_path)
    with pytest.raises(ConfigurationError, match="is a link"):
        see()


def test_as_it_is_typed(tmp_path: Path, box: Path) -> None:
    from typer.testing import CliRunner

    from pipeline.cli import app

    (flight.odm(box / "a") / "DONE").touch()
    words = ["submit", "--inbox", box, "--config", tmp_path / "config", "--state", tmp_path / "s"]
    done = CliRunner().invoke(app, [str(w) for w in words])
    assert done.exit_code == 0
    assert "a: taken in as" in done.output
