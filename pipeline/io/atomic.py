"""Files and folders that appear whole or not at all.

Everything is written beside its target under a dotted name, flushed to the disk and renamed. A
rename within a folder is atomic, so a reader sees the old content or the new one; a run killed at
any instant leaves at most a dotted leftover, which the next run removes.
"""

from __future__ import annotations

import errno
import filecmp
import json
import os
import shutil
import stat
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from pipeline.errors import DiskFullError

_FULL = (errno.ENOSPC, errno.EDQUOT)
# Windows would end lines in its own way.
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0)


@contextmanager
def disk_full_named(path: Path) -> Generator[None]:
    """Turn "no space left" into ``DiskFullError`` that names ``path``."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise DiskFullError(
            f"no space is left on the disk while writing {path}",
            "Free some space or choose another folder, then run again: nothing was half-written",
        ) from error


def write_bytes(path: Path, *data: bytes, durable: bool = True) -> None:
    """Write a file whole or not at all; ``data`` may come in pieces that follow each other.

    ``durable=False`` does not wait for the disk: for files that carry a checksum and can be made
    again, since a loss of power may then leave a damaged one. Several workers may write such a
    file at once; the last of them wins.

    Raises
    ------
    DiskFullError
        If the disk is full; the old content stays and no leftover remains.
    """
    mark = "partial" if durable else f"{uuid4().hex[:8]}.partial"
    partial = path.with_name(f".{path.name}.{mark}")
    with disk_full_named(path):
        try:
            try:
                _fill(partial, data, durable)
            except FileNotFoundError:
                path.parent.mkdir(parents=True, exist_ok=True)
                _fill(partial, data, durable)
            os.replace(partial, path)  # noqa: PTH105 - thousands of blocks a run
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
        if durable:
            _sync_folder(path.parent)


def _fill(path: Path, data: Sequence[bytes], durable: bool) -> None:
    """Write a new file by the system's calls; its folder must be there."""
    file = os.open(path, _WRITE, 0o666)
    try:
        for piece in data:
            left = memoryview(piece).cast("B")
            while left:
                left = left[os.write(file, left) :]
        if durable:
            os.fsync(file)
    finally:
        os.close(file)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text with the line ends it has, whole or not at all."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path, value: Any) -> None:
    """Write JSON, indented, keys in the order given, NaN refused, whole or not at all."""
    write_bytes(path, _json(value))


def write_json_if_changed(path: Path, value: Any) -> bool:
    """Write as :func:`write_json` does, only where the content differs. True if written."""
    return write_if_changed(path, _json(value))


def _json(value: Any) -> bytes:
    text = json.dumps(value, ensure_ascii=False, indent=1, allow_nan=False)
    return f"{text}\n".encode()


def write_if_changed(path: Path, data: bytes) -> bool:
    """Write only where the content differs; otherwise bytes and mtime stay. True if written."""
    if path.is_file() and path.read_bytes() == data:
        return False
    write_bytes(path, data)
    return True


def replace_dir(
    target: Path, build: Callable[[Path], None], volatile: frozenset[str] = frozenset()
) -> bool:
    """Let a whole folder appear at once.

    Parameters
    ----------
    target : Path
        The folder that appears, or is replaced.
    build : callable
        Fills the empty folder that it is given.
    volatile : frozenset of str
        Names of top-level files that may differ between runs over the same input; if only these
        differ they are replaced one by one and all else keeps its bytes and mtime.

    Returns
    -------
    bool
        True if anything but volatile files is new.

    Raises
    ------
    DiskFullError
        If the disk is full; the old folder stays and no leftover remains.
    """
    partial, old = (target.with_name(f".{target.name}.{end}") for end in ("partial", "old"))
    with disk_full_named(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        if old.exists() and not target.exists():
            old.rename(target)  # an earlier run died between the two renames below
        for leftover in (partial, old):
            remove_tree(leftover)
        try:
            partial.mkdir()
            build(partial)
            sync_tree(partial)
            changed = _settle(partial, target, old, volatile)
        finally:
            remove_tree(partial)
        _sync_folder(target.parent)
    return changed


def remove_tree(folder: Path) -> None:
    """Remove a folder with all in it, read-only files too; what cannot be removed stays."""
    if os.name == "nt":  # there a file's own mark forbids it, elsewhere only that of its folder
        for path in folder.rglob("*"):
            if path.is_file():
                path.chmod(stat.S_IWRITE)
    shutil.rmtree(folder, ignore_errors=True)


def latest_of(folder: Path, name: str = "latest") -> Path | None:
    """Give what :func:`point_latest` points to in a folder, there or not; None if to nothing yet.

    Raises
    ------
    OSError, UnicodeDecodeError
        It cannot be looked at.
    """
    link, pointer = folder / name, folder / f"{name}.txt"
    if is_there(link):
        return link
    return folder / pointer.read_text(encoding="utf-8").strip() if is_there(pointer) else None


def is_there(path: Path) -> bool:
    """Tell whether a name is there, also of a link that leads nowhere; not so is no answer.

    Raises
    ------
    OSError
        It cannot be looked at.
    """
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def point_latest(target: Path, name: str = "latest") -> Path:
    """Let the relative link ``latest`` beside ``target`` point to it, atomically.

    Where links cannot be made, ``latest.txt`` says the folder's name. Returns what was written.
    """
    link = target.with_name(name)
    partial = target.with_name(f".{name}.partial")
    if link.is_symlink() and os.readlink(link) == target.name:  # noqa: PTH115 (raw text wanted)
        return link
    with disk_full_named(link):
        partial.unlink(missing_ok=True)
        try:
            partial.symlink_to(target.name, target_is_directory=True)
            partial.replace(link)
        except (NotImplementedError, PermissionError, IsADirectoryError):
            partial.unlink(missing_ok=True)
            link = target.with_name(f"{name}.txt")
            write_if_changed(link, f"{target.name}\n".encode())
        return link


def _settle(partial: Path, target: Path, old: Path, volatile: frozenset[str]) -> bool:
    """Move what was built to where it belongs; true if more than volatile files changed."""
    if not target.exists():
        partial.rename(target)
        return True
    ours, theirs = _files(partial), _files(target)
    same = {n for n in ours & theirs if _alike(partial / n, target / n)}
    if all(name in volatile for name in (ours | theirs) - same):
        for name in sorted(ours - same):
            (partial / name).replace(target / name)
        return False
    for name in sorted(n for n in same if not (partial / n).samefile(target / n)):
        shutil.copystat(target / name, partial / name)
    target.rename(old)
    partial.rename(target)
    remove_tree(old)
    return True


def _alike(ours: Path, theirs: Path) -> bool:
    # Links to one file need not be read.
    return ours.samefile(theirs) or filecmp.cmp(ours, theirs, shallow=False)


def _files(folder: Path) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if not p.is_dir()}


def sync_tree(folder: Path) -> None:
    """Wait until the names and files below a folder are on the disk."""
    for path in sorted(folder.rglob("*")):
        if path.is_dir():
            _sync_folder(path)
    _sync_folder(folder)


def sync_files(folder: Path) -> None:
    """Wait until the files of a folder, and their names, are on the disk.

    For many files that were not waited for one by one (``durable=False``): the first wait brings
    most of them to the disk, and their names are waited for once.

    Raises
    ------
    DiskFullError
        If there is no room for what was written.
    """
    with disk_full_named(folder):
        for path in sorted(folder.iterdir()):
            if path.is_file():
                _sync(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    _sync_folder(folder)


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":  # a folder cannot be opened there
        return
    _sync(folder, os.O_RDONLY)


def _sync(path: Path, how: int) -> None:
    handle = os.open(path, how)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
