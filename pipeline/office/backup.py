"""``siluan backup``: all of a state folder that cannot be made again, in one file."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import zipfile
from collections.abc import Generator, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any

from pipeline import __version__
from pipeline.errors import ConfigurationError
from pipeline.io.atomic import disk_full_named
from pipeline.io.failpoints import failpoint
from pipeline.ledger.address import LedgerPlace, settle_place
from pipeline.ledger.postgis import PostgisLedger
from pipeline.ledger.restoring import finish_restore
from pipeline.ledger.rows import TABLES, dump_marks, dump_rows, schema_of
from pipeline.ledger.sql import SqlLedger
from pipeline.ledger.sqlite import SqliteLedger
from pipeline.ledger.tables import READABLE
from pipeline.office.copying import copy_whole, named_as, unharmed

FORMAT = "siluan-backup/1"
MANIFEST = "manifest.json"
LEDGER, STATE = "ledger", "state"  # folders within the archive

REMADE = frozenset(
    {"store", "catalogues", "disk", "cache", "baselines", "shadow", "dask-scratch-space"}
)
"""Folders of a state folder that runs make again."""

OUTBOX = "outbox"
"""Folder of a state folder with the list of deliveries."""

_PICTURES = frozenset({".tif", ".jpg", ".jpeg", ".png"})
_SQLITE = b"SQLite format 3\0"
_CHUNK = 1 << 20


@dataclass
class Manifest:
    """What an archive holds."""

    made: str  # UTC
    by: str  # program and version
    store: str  # "sqlite" or "postgresql"
    schema: str  # of the ledger's cases, as tables.SCHEMA_VERSION
    marks: dict[str, str]  # what the ledger says of itself
    rows: dict[str, int]  # by table of the ledger
    members: dict[str, dict[str, Any]] = field(default_factory=dict[str, "dict[str, Any]"])
    left_out: list[str] = field(default_factory=list[str])  # large files, by name
    format: str = FORMAT


def backup(state: Path, to: Path, *, flights: bool = False) -> list[str]:
    """Keep a state folder in an archive, whole or not at all; give lines to print.

    A run may be at work meanwhile: the ledger is as it stood at one instant, and everything beside
    it is copied before, so that nothing in the archive knows more than its ledger.

    Parameters
    ----------
    flights : bool
        With the mosaics and photos of flights too; they are large.

    Raises
    ------
    ConfigurationError
        There is no ledger, or it is damaged; the archive is there already, or would lie in the
        state folder.
    """
    if to.exists():
        raise ConfigurationError(f"{to} is there already", "Name another file")
    if to.resolve().is_relative_to(state.resolve()):
        raise ConfigurationError(
            f"{to} lies in the state folder {state}, and the next backup would take it in",
            "Name a file elsewhere, best on another disk",
        )
    to.parent.mkdir(parents=True, exist_ok=True)
    finish_restore((state / "ledger.sqlite").resolve())
    place = settle_place(state / "ledger.sqlite")
    if place.url is None and not place.file.is_file():
        raise ConfigurationError(f"there is no ledger at {place.file}", "Check --state")
    partial, work = to.with_name(f".{to.name}.partial"), to.with_name(f".{to.name}.work")
    with disk_full_named(to):
        try:
            shutil.rmtree(work, ignore_errors=True)
            work.mkdir()
            with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED, compresslevel=3) as archive:
                manifest = _pack(archive, place, work, flights=flights)
            with partial.open("rb") as file:
                os.fsync(file.fileno())
            check(partial)
            failpoint("backup.packed")
            partial.replace(to)
        finally:
            partial.unlink(missing_ok=True)
            shutil.rmtree(work, ignore_errors=True)
    failpoint("backup.written")
    rows = ", ".join(f"{n} {name}" for name, n in manifest.rows.items())
    lines = [f"kept {rows} and {_files(manifest)} files of {state} in {to}"]
    if manifest.left_out:
        lines.append(
            f"not kept: {len(manifest.left_out)} mosaics and photos of flights (--with-flights)"
        )
    return lines


def check(path: Path) -> Manifest:
    """Read a whole archive and hold it against its manifest.

    Raises
    ------
    ConfigurationError
        It is no archive of ours, or is damaged: every damaged member named.
    """
    with open_archive(path) as (archive, manifest):
        bad = [name for name in manifest.members if not _intact(archive, name, manifest)]
        if bad:
            raise damaged(path, bad)
        return manifest


def damaged(path: Path, members: Iterable[str]) -> ConfigurationError:
    """Say what of an archive is not as it was written."""
    return ConfigurationError(
        f"{path} is damaged: {', '.join(members)}", "Take another backup; nothing was changed"
    )


@contextmanager
def open_archive(path: Path) -> Generator[tuple[zipfile.ZipFile, Manifest]]:
    """Open an archive and read its manifest.

    Raises
    ------
    ConfigurationError
        It is no archive of ours, or of a newer program.
    """
    with ExitStack() as stack:
        try:
            archive = stack.enter_context(zipfile.ZipFile(path))
            said: dict[str, Any] = json.loads(archive.read(MANIFEST))
            _refuse_unreadable(path, said)
            manifest = Manifest(**said)
            listed = set(archive.namelist())
        except FileNotFoundError as error:
            raise ConfigurationError(f"there is no file {path}", "Check its name") from error
        except (zipfile.BadZipFile, KeyError, ValueError, TypeError, OSError) as error:
            raise ConfigurationError(
                f"{path} is not a backup that siluan made, or its end is missing", "Take another"
            ) from error
        extra = sorted(listed ^ {MANIFEST, *manifest.members})
        if extra or not all(safe(name) for name in manifest.members):
            raise damaged(path, extra or [n for n in manifest.members if not safe(n)])
        yield archive, manifest


def _refuse_unreadable(path: Path, said: dict[str, Any]) -> None:
    """Refuse what a newer program kept, before anything else of it is read."""
    remedy = "Use the program that wrote it, or a newer one"
    if said["format"] != FORMAT:
        raise ConfigurationError(
            f"{path} is of the form {said['format']}, this program reads {FORMAT}", remedy
        )
    if said["schema"] not in READABLE:
        raise ConfigurationError(
            f"the ledger in {path} has schema version {said['schema']}, this program "
            f"{READABLE[-1]}",
            remedy,
        )


def safe(name: str) -> bool:
    """Tell whether a member lies where members lie; an archive may come from anybody."""
    parts = name.split("/")
    inside = parts[0] in (LEDGER, STATE) and len(parts) > 1
    return inside and not any(p in ("", ".", "..") or "\\" in p or ":" in p for p in parts)


def kept_files(state: Path, *, flights: bool) -> tuple[list[Path], list[str]]:
    """Give the files of a state folder that cannot be made again, and those that are too large."""
    kept: list[Path] = []
    large: list[str] = []
    for path in sorted(p for p in state.rglob("*") if p.is_file() and not p.is_symlink()):
        name = path.relative_to(state)
        top = name.parts[0]
        if top in REMADE or top.startswith((".", "ledger.", "replaced-")):
            continue
        if any(part.startswith(".") for part in name.parts) or _beside_database(path):
            continue
        if top == "flights" and path.suffix.lower() in _PICTURES and not flights:
            large.append(name.as_posix())
        else:
            kept.append(path)
    return kept, large


def _pack(archive: zipfile.ZipFile, place: LedgerPlace, work: Path, *, flights: bool) -> Manifest:
    state = place.file.parent
    made = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    store = "sqlite" if place.url is None else "postgresql"
    manifest = Manifest(made, f"siluan {__version__}", store, "", {}, {})
    # The list of deliveries before the rest is looked for: a number of the feed that it does not
    # know is found by the next hand-over; one that it knows and that is not there is lost.
    for deliveries in (True, False):
        kept, manifest.left_out = kept_files(state, flights=flights)
        for path in kept:
            name = path.relative_to(state)
            if (name.parts[0] == OUTBOX) is not deliveries:
                continue
            with suppress(FileNotFoundError):  # a receipt may be moved while we look
                _add(archive, manifest, f"{STATE}/{name.as_posix()}", _bytes_of(path, work))
    with unharmed(place.file):
        _pack_ledger(archive, manifest, place, work)
    content = json.dumps(vars(manifest), ensure_ascii=False, indent=1)
    archive.writestr(MANIFEST, content)
    return manifest


def _pack_ledger(
    archive: zipfile.ZipFile, manifest: Manifest, place: LedgerPlace, work: Path
) -> None:
    ledger: SqlLedger
    copy = work / "ledger.sqlite"
    if place.url is None:
        copy_whole(place.file, copy)
        ledger = SqliteLedger(copy, writing=False)
    else:
        ledger = PostgisLedger(place.url)
    with named_as(copy, place.file):
        ledger.set_up(writing=False)
    failpoint("backup.copied")
    with ledger.connect() as connection:
        manifest.schema = schema_of(connection)
        manifest.marks = dump_marks(connection)
        for table in TABLES:
            lines = dump_rows(connection, table)
            manifest.rows[table] = _add(archive, manifest, f"{LEDGER}/{table}.jsonl", lines)


def _add(archive: zipfile.ZipFile, manifest: Manifest, name: str, parts: Iterator[bytes]) -> int:
    """Write a member piece by piece; give the number of pieces."""
    digest, size, count = hashlib.sha256(), 0, 0
    first = next(parts, b"")  # before the member is begun: a file may be gone
    with archive.open(name, "w", force_zip64=True) as file:
        for part in chain((first,), parts) if first else ():
            file.write(part)
            digest.update(part)
            size += len(part)
            count += 1
    manifest.members[name] = {"sha256": digest.hexdigest(), "bytes": size}
    return count


def _bytes_of(path: Path, work: Path) -> Iterator[bytes]:
    """Read a file; a database (of deliveries, say) as it stands at one instant."""
    with path.open("rb") as file:
        if file.read(len(_SQLITE)) == _SQLITE:
            copy = work / "database"
            copy.unlink(missing_ok=True)
            with unharmed(path):
                copy_whole(path, copy)
            path = copy
    with path.open("rb") as file:
        while part := file.read(_CHUNK):
            yield part


def _beside_database(path: Path) -> bool:
    return path.name.endswith(("-journal", "-wal", "-shm", ".lock"))


def _intact(archive: zipfile.ZipFile, name: str, manifest: Manifest) -> bool:
    digest = hashlib.sha256()
    try:
        with archive.open(name) as file:
            while part := file.read(_CHUNK):
                digest.update(part)
    except (zipfile.BadZipFile, OSError, ValueError, sqlite3.Error):
        return False
    return digest.hexdigest() == manifest.members[name]["sha256"]


def _files(manifest: Manifest) -> int:
    return sum(name.startswith(f"{STATE}/") for name in manifest.members)
