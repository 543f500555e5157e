"""Folders, zips and tars from outside, read one and the same way; nothing in them is trusted.

Members are listed first. A name that leaves the archive, a link, or more bytes than allowed refuses
the whole archive; members are copied only to paths that the caller chooses, never to their own.
"""

from __future__ import annotations

import base64
import hashlib
import json
import lzma
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Protocol

from pipeline.errors import SceneUnusableError
from pipeline.io.atomic import disk_full_named, write_json

TEXT_LIMIT = 16 * 2**20  # bytes of one metadata file
_TEXTS_LIMIT = 64 * 2**20  # bytes of all metadata files of one tar
_TEXT_SUFFIXES = (".xml", ".rpb", ".rpc", ".txt", ".json", ".safe")
_MEMBERS_LIMIT = 100_000
_AGAIN = "Copy it again from the disk, or ask the sender for it again"
# RuntimeError: encrypted, or a compression that is not known here.
_DAMAGED = (
    *(OSError, EOFError, ValueError, RuntimeError),
    *(zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError),
)


class DamagedArchiveError(SceneUnusableError):
    """An archive that cannot be read to its end, as half a copy cannot."""


@dataclass(frozen=True)
class Limits:
    """What an archive may cost."""

    unpacked_bytes: int  # of all members together
    listings: Path | None = None  # folder where listings of tars are kept between runs
    known: tuple[Path, ...] = ()  # other such folders, which are only read


class Package(Protocol):
    """A folder or an archive as a flat list of members."""

    @property
    def path(self) -> Path:
        """Where it lies."""
        ...

    @property
    def members(self) -> Mapping[str, int]:
        """Bytes of each member, by its relative POSIX name, sorted."""
        ...

    def text(self, member: str) -> bytes:
        """Read a metadata file whole; raises ``SceneUnusableError`` if it is too large."""
        ...

    def local(self, member: str) -> Path | None:
        """Path of a member that lies unpacked on the disk, else None."""

    def take(self, wanted: Mapping[str, Path]) -> None:
        """Copy members to paths, each whole or not at all."""

    def state(self, members: Iterable[str]) -> list[tuple[str, int, int]]:
        """Name, bytes and mtime [ns] of what these members are read from."""
        ...


@dataclass(frozen=True)
class FolderPackage:
    """Some or all files below a folder."""

    path: Path
    members: Mapping[str, int]

    @classmethod
    def of(cls, folder: Path) -> FolderPackage:
        """All regular files below ``folder``; links are left out."""
        files = (p for p in sorted(folder.rglob("*")) if not p.is_symlink() and p.is_file())
        return cls(folder, {p.relative_to(folder).as_posix(): p.stat().st_size for p in files})

    def text(self, member: str) -> bytes:
        """Read a metadata file."""
        _small(self.path / member, self.members[member])
        with _read(self.path / member):
            return (self.path / member).read_bytes()

    def local(self, member: str) -> Path | None:
        """Give the path of a member."""
        return self.path / member

    def take(self, wanted: Mapping[str, Path]) -> None:
        """Copy members."""
        for member, target in wanted.items():
            with _read(self.path / member), (self.path / member).open("rb") as stream:
                _copy(stream, target, self.members[member])

    def state(self, members: Iterable[str]) -> list[tuple[str, int, int]]:
        """Say what the members are read from."""
        found = [(m, (self.path / m).stat()) for m in sorted(members)]
        return [(m, s.st_size, s.st_mtime_ns) for m, s in found]


@dataclass(frozen=True)
class ZipPackage:
    """A zip file."""

    path: Path
    members: Mapping[str, int]

    @classmethod
    def of(cls, path: Path, limits: Limits) -> ZipPackage:
        """List a zip; raises ``SceneUnusableError`` if it is damaged or dangerous."""
        with _read(path), zipfile.ZipFile(path) as archive:
            infos = [i for i in archive.infolist() if not i.is_dir()]
            links = [i.filename for i in infos if stat.S_ISLNK(i.external_attr >> 16)]
            sizes = {i.filename: i.file_size for i in infos}
        return cls(path, _checked(path, sizes, links, limits))

    def text(self, member: str) -> bytes:
        """Read a metadata file."""
        _small(self.path / member, self.members[member])
        with _read(self.path), zipfile.ZipFile(self.path) as archive:
            return archive.read(member)

    def local(self, member: str) -> Path | None:
        """Nothing lies unpacked."""
        return None

    def take(self, wanted: Mapping[str, Path]) -> None:
        """Copy members; the checksums of the zip are checked on the way."""
        with _read(self.path), zipfile.ZipFile(self.path) as archive:
            for member, target in wanted.items():
                with archive.open(member) as stream:
                    _copy(stream, target, self.members[member])

    def state(self, members: Iterable[str]) -> list[tuple[str, int, int]]:
        """Say what it is read from: the whole file, whatever the members."""
        return _file_state(self.path)


@dataclass(frozen=True)
class TarPackage:
    """A tar, plain or gzipped, listed by one pass that also keeps the metadata files."""

    path: Path
    members: Mapping[str, int]
    texts: Mapping[str, bytes]

    @classmethod
    def of(cls, path: Path, limits: Limits) -> TarPackage:
        """List a tar; raises ``SceneUnusableError`` if it is damaged or dangerous."""
        mark = _listing_name(path)
        kept = limits.listings / mark if limits.listings is not None else None
        folders = (limits.listings, *limits.known)
        known = next((f / mark for f in folders if f is not None and (f / mark).is_file()), None)
        if known is not None:
            found = json.loads(known.read_text(encoding="utf-8"))
            texts = {n: base64.b64decode(t) for n, t in found["texts"].items()}
            return cls(path, _checked(path, found["members"], [], limits), texts)
        sizes: dict[str, int] = {}
        texts: dict[str, bytes] = {}
        links: list[str] = []
        with _read(path), tarfile.open(path, "r|*") as archive:
            for info in archive:
                if info.isdir():
                    continue
                if not info.isfile():
                    links.append(info.name)
                    continue
                sizes[info.name] = info.size
                _checked(path, sizes, links, limits)
                if info.name.lower().endswith(_TEXT_SUFFIXES) and info.size <= TEXT_LIMIT:
                    stream = archive.extractfile(info)
                    texts[info.name] = stream.read() if stream else b""
                    if sum(map(len, texts.values())) > _TEXTS_LIMIT:
                        raise _refused(path, "its metadata files are too many to be a product's")
        members = _checked(path, sizes, links, limits)
        if kept is not None:
            encoded = {n: base64.b64encode(t).decode() for n, t in texts.items()}
            write_json(kept, {"members": dict(members), "texts": encoded})
        return cls(path, members, texts)

    def text(self, member: str) -> bytes:
        """Give a metadata file."""
        _small(self.path / member, self.members[member])
        return self.texts[member]

    def local(self, member: str) -> Path | None:
        """Nothing lies unpacked."""
        return None

    def take(self, wanted: Mapping[str, Path]) -> None:
        """Copy members in one pass."""
        left = dict(wanted)
        with _read(self.path), tarfile.open(self.path, "r|*") as archive:
            for info in archive:
                target = left.pop(info.name, None) if info.isfile() else None
                stream = archive.extractfile(info) if target is not None else None
                if target is not None and stream is not None:
                    _copy(stream, target, self.members[info.name])
                if not left:
                    break

    def state(self, members: Iterable[str]) -> list[tuple[str, int, int]]:
        """Say what it is read from: the whole file, whatever the members."""
        return _file_state(self.path)


ARCHIVES: Mapping[str, Callable[[Path, Limits], Package]] = {
    ".tar.gz": TarPackage.of,
    ".tgz": TarPackage.of,
    ".tar": TarPackage.of,
    ".zip": ZipPackage.of,
}
"""How to open an archive, by the end of its name."""


def _checked(
    path: Path, sizes: Mapping[str, int], links: list[str], limits: Limits
) -> Mapping[str, int]:
    """Sizes by name, sorted; raises if the archive is dangerous."""
    leaving = [n for n in sizes if _leaves(n)]
    if leaving or links:
        named = ", ".join(sorted([*leaving, *links])[:5])
        raise _refused(path, f"it holds links or paths that leave the archive ({named})")
    if len(sizes) > _MEMBERS_LIMIT:
        raise _refused(path, f"it holds more than {_MEMBERS_LIMIT} files")
    total = sum(sizes.values())
    if total > limits.unpacked_bytes:
        gib, most = total / 2**30, limits.unpacked_bytes / 2**30
        raise _refused(path, f"it unpacks to {gib:.1f} GiB, more than the {most:g} GiB allowed")
    return dict(sorted(sizes.items()))


def _leaves(name: str) -> bool:
    posix = PurePosixPath(name.replace("\\", "/"))
    nowhere = not posix.parts  # "." is the folder itself
    return nowhere or posix.is_absolute() or ".." in posix.parts or ":" in posix.parts[0]


def _refused(path: Path, why: str) -> SceneUnusableError:
    remedy = "Ask the sender what it is; if it is a product, raise max_unpacked_gb of the source"
    return SceneUnusableError(f"{path} is not unpacked: {why}", remedy)


def _small(name: Path, size: int) -> None:
    if size > TEXT_LIMIT:
        raise SceneUnusableError(f"{name} has {size} bytes, too many for metadata", _AGAIN)


@contextmanager
def _read(path: Path) -> Generator[None]:
    """Say of a damaged archive that it is damaged."""
    try:
        yield
    except _DAMAGED as error:
        # Of the disk's own errors too: a bad sector concerns one product and not the run.
        detail = " ".join(str(error).split()) or type(error).__name__
        raise DamagedArchiveError(
            f"{path} is damaged or copied by half ({detail})", _AGAIN
        ) from error


def _copy(stream: IO[bytes], target: Path, size: int) -> None:
    partial = target.with_name(f".{target.name}.partial")
    with disk_full_named(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with partial.open("wb") as file:
                shutil.copyfileobj(_Counted(stream, size), file, 2**20)
            if partial.stat().st_size != size:
                raise EOFError(f"{target.name} ends early")
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)


class _Counted:
    """Reads at most what the listing promised."""

    def __init__(self, stream: IO[bytes], size: int) -> None:
        self._stream, self._left = stream, size

    def read(self, n: int = -1) -> bytes:
        data = self._stream.read(n)
        self._left -= len(data)
        if self._left < 0:
            raise ValueError("a member is larger than its listing says")
        return data


def _listing_name(path: Path) -> str:
    mark = hashlib.sha256(json.dumps([str(path), *_file_state(path)]).encode()).hexdigest()[:24]
    return f"{mark}.json"


def _file_state(path: Path) -> list[tuple[str, int, int]]:
    found = path.stat()
    return [(path.name, found.st_size, found.st_mtime_ns)]
