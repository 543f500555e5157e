"""Files and folders appear whole or not at all."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.errors import ConfigurationError, DiskFullError
from pipeline.io import failpoints
from pipeline.io.atomic import (
    point_latest,
    replace_dir,
    write_bytes,
    write_if_changed,
    write_json,
    write_text,
)


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def full(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def filler(**files: str) -> Callable[[Path], None]:
    def build(folder: Path) -> None:
        for name, text in files.items():
            write_text(folder / name.replace("_", "."), text)

    return build


def test_written_whole_and_replaced(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "a.json"
    write_json(path, {"名": 1})
    assert path.read_text(encoding="utf-8") == '{\n "名": 1\n}\n'
    write_bytes(path, b"x")
    assert path.read_bytes() == b"x"
    assert names(path.parent) == ["a.json"]
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(path, float("nan"))


def test_pieces_follow_each_other_though_the_system_takes_a_few_bytes_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.write
    monkeypatch.setattr(os, "write", lambda file, data: real(file, bytes(data[:3])))
    write_bytes(tmp_path / "a.bin", b"SLB1", b"", b"0123456789", b"\n", durable=False)
    assert (tmp_path / "a.bin").read_bytes() == b"SLB10123456789\n"


def test_a_full_disk_is_named_and_leaves_the_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DiskFullError, match=r"a\.txt"):
        write_text(path, "new")
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_a_system_that_writes_little_at_a_time_writes_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.write
    monkeypatch.setattr(os, "write", lambda handle, data: real(handle, data[:3]))
    path = tmp_path / "new" / "folders" / "a"
    write_bytes(path, b"0123456789")
    assert path.read_bytes() == b"0123456789"


def test_other_trouble_stays_what_it_is(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(IsADirectoryError):
        write_text(tmp_path / "a", "x")


def test_unchanged_content_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "a"
    assert write_if_changed(path, b"1")
    os.utime(path, (1, 1))
    assert not write_if_changed(path, b"1")
    assert path.stat().st_mtime == 1
    assert write_if_changed(path, b"2")


def test_folder_appears_at_once_and_keeps_what_is_the_same(tmp_path: Path) -> None:
    run = tmp_path / "run"
    volatile = frozenset({"run.json"})
    assert replace_dir(run, filler(a_txt="1", b_txt="2", run_json="x"), volatile)
    os.utime(run / "a.txt", (1, 1))
    inode = run.stat().st_ino
    assert not replace_dir(run, filler(a_txt="1", b_txt="2", run_json="y"), volatile)
    assert run.stat().st_ino == inode
    assert (run / "run.json").read_text() == "y"
    assert replace_dir(run, filler(a_txt="1", b_txt="3"), volatile)
    assert (run / "a.txt").stat().st_mtime == 1
    assert names(run) == ["a.txt", "b.txt"]
    assert names(tmp_path) == ["run"]


def test_a_failed_build_leaves_the_old_folder(tmp_path: Path) -> None:
    run = tmp_path / "run"
    replace_dir(run, filler(a_txt="1"))
    with pytest.raises(DiskFullError, match="run"):
        replace_dir(run, full)
    assert (run / "a.txt").read_text() == "1"
    assert names(tmp_path) == ["run"]


def test_leftovers_of_a_killed_run_are_healed(tmp_path: Path) -> None:
    run = tmp_path / "run"
    replace_dir(run, filler(a_txt="1"))
    run.rename(tmp_path / ".run.old")  # killed between the two renames
    (tmp_path / ".run.partial").mkdir()
    (tmp_path / ".run.partial" / "half").touch()
    assert not replace_dir(run, filler(a_txt="1"))
    assert names(tmp_path) == ["run"]


def test_latest_is_a_relative_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("one", "two", "two"):
        (tmp_path / name).mkdir(exist_ok=True)
        assert str(point_latest(tmp_path / name).readlink()) == name
    monkeypatch.setattr(Path, "symlink_to", lambda *_, **__: (_ for _ in ()).throw(PermissionError))
    said = point_latest(tmp_path / "one")
    assert said.read_text() == "one\n"


def test_failpoints(monkeypatch: pytest.MonkeyPatch) -> None:
    failpoints.failpoint("gather.block")
    with pytest.raises(ValueError, match="unknown fail-point"):
        failpoints.failpoint("gather.blok")
    monkeypatch.setattr(failpoints, "_passages", type(failpoints._passages)())
    monkeypatch.setenv(failpoints.VARIABLE, "gather.block:2=enospc")
    failpoints.failpoint("gather.block")
    failpoints.failpoint("gather.pass_done")
    with pytest.raises(OSError, match=r"gather\.block") as caught:
        failpoints.failpoint("gather.block")
    assert caught.value.errno == errno.ENOSPC
    failpoints.failpoint("gather.block")
    monkeypatch.setenv(failpoints.VARIABLE, "prepare.masked=interrupt")
    with pytest.raises(KeyboardInterrupt):
        failpoints.failpoint("prepare.masked")
    monkeypatch.setenv(failpoints.VARIABLE, "prepare.maskd")
    with pytest.raises(ConfigurationError, match=r"prepare\.masked"):
        failpoints.failpoint("prepare.masked")
