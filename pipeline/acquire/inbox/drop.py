"""What lies in a drop: a folder, a zip or one file, listed without following anything."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import stat
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from pipeline.acquire.inbox.reasons import Fault, refuse, refuse_all
from pipeline.errors import DiskFullError, SceneUnusableError, SourceUnreachableError
from pipeline.io.archives import DamagedArchiveError, Limits, ZipPackage

DONE = "DONE"
_MOST_FILES = 20_000
_DEEPEST = 12
_UNPACKED_BYTES = 200 * 2**30  # of a zip
_NAMED = 5  # names that a receipt tells
_COPIES = 2  # what was unpacked, and the copies made of it
_SPARE_BYTES = 64 * 2**20
# Of a disk or a share that went away in the middle, or of a bad sector.
_LOST = tuple(
    getattr(errno, n)
    for n in ("EIO", "ENXIO", "ENODEV", "ESTALE", "ETIMEDOUT", "EREMOTEIO", "EHOSTDOWN")
    if hasattr(errno, n)
)


class NoRoomError(DiskFullError):
    """A zip for which the disk has no room; nothing of it was unpacked."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(*fault.en())
        self.fault = fault


@contextmanager
def reading(path: Path) -> Generator[None]:
    """Say of a disk or share that fails while a drop is read that it does.

    Raises
    ------
    SourceUnreachableError
        Instead of the bare error of the system; all other errors pass.
    """
    try:
        yield
    except OSError as error:
        if error.errno is None or error.errno not in _LOST:
            raise
        raise SourceUnreachableError(
            f"{path} cannot be read to its end ({os.strerror(error.errno)})",
            "Check the disk, its cable or the share, then run again: nothing was taken in",
        ) from error


@dataclass(frozen=True)
class Drop:
    """Regular files of a drop, by relative POSIX name."""

    root: Path
    files: Mapping[str, int]  # bytes
    elsewhere: Mapping[str, Path] = field(default_factory=dict[str, Path])  # named one by one

    def path(self, name: str) -> Path:
        """Give the path of a member."""
        return self.elsewhere.get(name, self.root / name)

    @property
    def state(self) -> dict[str, tuple[int, int]]:
        """Bytes and mtime [ns] of each file that is still there."""
        found: dict[str, tuple[int, int]] = {}
        for name in self.files:
            with contextlib.suppress(OSError):
                stat_ = self.path(name).stat()
                found[name] = (stat_.st_size, stat_.st_mtime_ns)
        return found


def snapshot(path: Path) -> str:
    """Digest of names, sizes and times of all below a path: it changes while something is copied.

    Nothing is followed or opened, and nothing refused.
    """
    digest = hashlib.sha256()
    for count, entry in enumerate(_entries(path)):
        if count > _MOST_FILES:
            break
        try:
            found = entry.lstat()
        except OSError:  # a copy in progress renames what it has finished
            digest.update(b"gone")
            continue
        said = (os.fsencode(entry), found.st_mode, found.st_size, found.st_mtime_ns)
        digest.update(repr(said).encode())
    return digest.hexdigest()


def _entries(path: Path) -> Iterator[Path]:
    yield path
    if path.is_symlink() or not path.is_dir():
        return
    for folder, below, files in os.walk(path):
        below.sort()
        for name in sorted([*below, *files]):
            yield Path(folder) / name


def is_done(folder: Path) -> bool:
    """Tell whether whoever copied says that all is there: ``DONE``, or ``DONE.txt`` of Windows."""
    return any((folder / name).is_file() for name in (DONE, "DONE.txt"))


def list_drop(folder: Path) -> Drop:
    """List a folder.

    Raises
    ------
    SubmissionRefusedError
        It holds links, too many files, or folders too deep.
    """
    if folder.is_symlink():
        raise refuse("leaves", file=folder.name)
    files: dict[str, int] = {}
    links: list[str] = []
    for path, is_link in _walk(folder, 0):
        name = path.relative_to(folder).as_posix()
        if is_link:
            links.append(name)
        elif not path.name.startswith("."):
            files[name] = path.lstat().st_size
        if len(files) + len(links) > _MOST_FILES:
            raise refuse("too_many", most=_MOST_FILES)
    refuse_all([Fault.of("leaves", file=n) for n in links[:5]])
    check_names([str(folder.absolute())])
    return Drop(folder, files)


def check_names(names: Iterable[str]) -> None:
    """Refuse what is no UTF-8 of the names of files to be opened: GDAL opens by UTF-8 alone.

    They come from shares and disks of Windows in GBK.
    """
    wrong = [n for n in names if not _utf8(n)]
    refuse_all([Fault.of("name", file=_as_gbk(PurePosixPath(n).name)) for n in wrong[:_NAMED]])


def _utf8(name: str) -> bool:
    return not any("\ud800" <= c <= "\udfff" for c in name)


def _as_gbk(name: str) -> str:
    return os.fsencode(name).decode("gb18030", "replace")


def _walk(folder: Path, depth: int) -> Iterator[tuple[Path, bool]]:
    """Yield files and links, sorted; folders are entered, links never."""
    if depth > _DEEPEST:
        raise refuse("too_many", most=_MOST_FILES)
    with os.scandir(folder) as found:
        entries = sorted(found, key=lambda e: e.name)
    for entry in entries:
        if entry.is_symlink() or _reparses(entry):
            yield Path(entry.path), True
        elif entry.is_dir(follow_symlinks=False):
            yield from _walk(Path(entry.path), depth + 1)
        elif entry.is_file(follow_symlinks=False):
            yield Path(entry.path), False
        else:
            yield Path(entry.path), True  # a pipe or a device is no file either


def _reparses(entry: os.DirEntry[str]) -> bool:
    """Tell a junction of Windows, which is no link to Python 3.11."""
    attributes = getattr(entry.stat(follow_symlinks=False), "st_file_attributes", 0)
    return bool(attributes & stat.FILE_ATTRIBUTE_REPARSE_POINT)


def unpack(path: Path, scratch: Path) -> Drop:
    """Unpack a zip into ``scratch``; its listing is checked before anything is written.

    Raises
    ------
    SubmissionRefusedError
        Damaged, encrypted, links, names that leave it, or more bytes than allowed.
    NoRoomError
        The disk has no room for what it holds and for the copies made of that.
    """
    if path.is_symlink():
        raise refuse("leaves", file=path.name)
    try:
        package = ZipPackage.of(path, Limits(_UNPACKED_BYTES))
        if len(package.members) > _MOST_FILES:
            raise refuse("too_many", most=_MOST_FILES)
        places = _places(package.members)
        _check_room(sum(package.members.values()), scratch)
        package.take({m: scratch / place for m, place in places.items()})
    except SceneUnusableError as error:
        what = error.what.replace(f"{path} is not unpacked: ", "").replace(str(path), path.name)
        half = isinstance(error, DamagedArchiveError)
        raise refuse("archive" if half else "unsafe", what=what) from error
    return list_drop(scratch)


def _places(members: Iterable[str]) -> dict[str, PurePosixPath]:
    """Where each member goes; some tools of Windows write folders with a backslash."""
    named = {m: m.replace("\\", "/") for m in members}
    places = {m: PurePosixPath(n) for m, n in named.items() if not n.endswith("/")}
    if len(set(places.values())) < len(places):
        raise refuse("unsafe", what="two members have one name 有重名文件")
    within = {parent for place in places.values() for parent in place.parents}
    both = sorted(str(p) for p in within & set(places.values()))
    if both:
        what = f"{', '.join(both[:_NAMED])}: a file and a folder of one name 文件与文件夹重名"
        raise refuse("unsafe", what=what)
    return places


def _check_room(size: int, scratch: Path) -> None:
    there = next(p for p in (scratch, *scratch.parents) if p.is_dir())
    need, free = _COPIES * size + _SPARE_BYTES, shutil.disk_usage(there).free
    if free < need:
        said = {"size": size, "need": need, "free": free}
        shown = {k: f"{v / 1e9:.1f} GB" for k, v in said.items()}
        raise NoRoomError(Fault.of("room", **shown))


def inside(name: str) -> bool:
    """Tell whether a name given by a pilot stays within the folder."""
    posix = PurePosixPath(name.replace("\\", "/"))
    return not posix.is_absolute() and ".." not in posix.parts and ":" not in name


def pick(files: Mapping[str, Path]) -> Drop:
    """Make a drop of files that somebody named one by one."""
    sizes = {name: path.stat().st_size for name, path in files.items()}
    return Drop(Path(), sizes, files)
