"""``siluan restore``: a state folder as it was when it was kept; see ``pipeline.office.backup``."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import zipfile
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa

from pipeline.errors import ConfigurationError
from pipeline.io.atomic import disk_full_named, sync_tree, write_json, write_text
from pipeline.io.failpoints import failpoint
from pipeline.ledger.address import LedgerPlace, check_url, read_mark
from pipeline.ledger.lock import hold, refuse_network_share
from pipeline.ledger.postgis import PostgisLedger
from pipeline.ledger.restoring import PARTIAL, PLAN, READY, open_lines, settle
from pipeline.ledger.rows import fill, known_to
from pipeline.ledger.sql import SqlLedger
from pipeline.ledger.sqlite import SqliteLedger
from pipeline.ledger.upgrade import form_of
from pipeline.office.backup import (
    LEDGER,
    OUTBOX,
    STATE,
    Manifest,
    damaged,
    kept_files,
    open_archive,
)

FEED = "feed"
"""Folder of a state folder with what was handed over, where the office file names no other."""

_CHUNK = 1 << 20


@dataclass(frozen=True)
class RestoreRequest:
    """What the command was given."""

    archive: Path
    state: Path
    ledger: str | None = None  # address of a database; None: where it is, or a file
    over: bool = False  # even if the archive does not know all that the ledger there holds


def restore(request: RestoreRequest) -> list[str]:
    """Bring a state folder back from an archive, whole or not at all; give lines to print.

    What runs make again stays; what lay there and is replaced is kept aside.

    Raises
    ------
    ConfigurationError
        The archive is damaged, or the ledger there holds what it does not.
    LedgerHeldError
        A run holds that ledger.
    """
    file = (request.state / "ledger.sqlite").resolve()
    with open_archive(request.archive) as (archive, manifest), ExitStack() as stack:
        stack.enter_context(hold(file))
        if (outbox := file.parent / OUTBOX / "outbox.sqlite").is_file():
            stack.enter_context(hold(outbox))  # no hand-over goes on in what is put aside
        settle(file.parent)  # what an earlier restore left to do
        target = _target(request, file)
        database: PostgisLedger | None = None
        if target.url is None:
            refuse_network_share(file)
        else:
            database = PostgisLedger(target.url)
            stack.enter_context(database.hold())
        with disk_full_named(file):
            partial = file.parent / PARTIAL
            shutil.rmtree(partial, ignore_errors=True)
            try:
                _unpack(request.archive, archive, manifest, partial)
                if not request.over:
                    _refuse_newer(file, target, database, partial, request.archive)
                aside = _stage(manifest, target, partial)
                sync_tree(partial)
                failpoint("restore.unpacked")
                partial.rename(file.parent / READY)
            finally:
                shutil.rmtree(partial, ignore_errors=True)
        failpoint("restore.committed")
        settle(file.parent, database)
    rows = ", ".join(f"{n} {name}" for name, n in manifest.rows.items())
    lines = [f"restored {rows} of {manifest.made} into {target.url or file}"]
    if (file.parent / aside).is_dir():
        lines.append(f"what lay there is kept in {file.parent / aside}; remove it when content")
    if manifest.left_out:
        lines.append(f"{len(manifest.left_out)} mosaics and photos of flights are not in it")
    return lines


def _target(request: RestoreRequest, file: Path) -> LedgerPlace:
    if request.ledger is None:
        return LedgerPlace(file, read_mark(LedgerPlace(file)))
    try:
        return LedgerPlace(file, check_url(request.ledger))
    except ValueError as error:
        raise ConfigurationError(f"--ledger is no address ({error})", "Correct it") from error


def _unpack(path: Path, archive: zipfile.ZipFile, manifest: Manifest, to: Path) -> None:
    bad: list[str] = []
    for name, said in manifest.members.items():
        digest, target = hashlib.sha256(), to / name
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with archive.open(name) as source, target.open("wb") as sink:
                while part := source.read(_CHUNK):
                    digest.update(part)
                    sink.write(part)
                sink.flush()
                os.fsync(sink.fileno())
        except (zipfile.BadZipFile, EOFError, ValueError):
            bad.append(name)
            continue
        if digest.hexdigest() != said["sha256"]:
            bad.append(name)
    if bad:
        raise damaged(path, bad)


def _refuse_newer(
    file: Path, target: LedgerPlace, database: PostgisLedger | None, partial: Path, archive: Path
) -> None:
    """Refuse to replace a ledger that holds what the archive does not know.

    Asked are the ledger that will be written, and the one that the state folder has now.
    """
    asked: list[SqlLedger] = [] if database is None else [database]
    now = read_mark(LedgerPlace(file))
    if now is not None and now != target.url:
        asked.append(PostgisLedger(now))
    if now is None and file.exists():
        asked.append(SqliteLedger(file))
    for ledger in asked:
        with ledger.connect() as connection, open_lines(partial / LEDGER) as lines:
            if form_of(connection, ledger.name) is None or known_to(connection, lines):
                continue
        raise ConfigurationError(
            f"the ledger {ledger.name} holds what {archive} does not",
            "Take a backup of it, then say --over",
        )


def _stage(manifest: Manifest, target: LedgerPlace, partial: Path) -> str:
    """Make ready what takes its place, and the list of what goes; name the folder for that."""
    state, staged = target.file.parent, partial / STATE
    staged.mkdir(exist_ok=True)
    if target.url is None:
        _build(staged / "ledger.sqlite", partial, manifest)
    else:
        write_text(staged / "ledger.url", f"{target.url}\n")
    there, _ = kept_files(state, flights=False)
    names = {p.relative_to(state).as_posix() for p in there} | {"ledger.sqlite", "ledger.url"}
    # What was handed over was handed over: numbers of a feed are neither taken back nor made again.
    for path in (staged / FEED).rglob("*"):
        if path.is_file() and (state / path.relative_to(staged)).is_file():
            path.unlink()
    names = {n for n in names if not n.startswith(f"{FEED}/")}
    coming = {p.relative_to(staged).as_posix() for p in staged.rglob("*") if p.is_file()}
    identity = hashlib.sha256(json.dumps(vars(manifest), sort_keys=True).encode()).hexdigest()
    aside = f"replaced-{datetime.now(UTC):%Y%m%dT%H%M%S%f}"
    said = {"id": f"{identity[:16]}-{aside}", "marks": manifest.marks, "aside": aside}
    write_json(partial / PLAN, {**said, "gone": sorted(names - coming)})
    return aside


def _build(path: Path, partial: Path, manifest: Manifest) -> None:
    """Make the ledger's file from the lines, and hold it against the manifest."""
    ledger = SqliteLedger(path)
    with ledger.connect() as connection, open_lines(partial / LEDGER) as lines:
        counts = fill(connection, lines, manifest.marks)
        broken = connection.execute(sa.text("PRAGMA foreign_key_check")).first()
        if counts != manifest.rows or broken is not None:
            raise ConfigurationError(
                "the rows of the archive are not those that it names", "Take another backup"
            )
    shutil.rmtree(partial / LEDGER)
