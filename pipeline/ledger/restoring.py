"""The second half of a restore: what was unpacked beside a state folder's content takes its place.

Everything is unpacked and checked below ``.restore.partial``; renaming that to ``.restore`` is the
instant at which the restore has happened. What is still to be moved after it is moved by whoever
opens the ledger next, so a kill leaves the state of before or that of after.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from pipeline.io.failpoints import failpoint
from pipeline.ledger.address import LedgerPlace, read_mark
from pipeline.ledger.lock import hold
from pipeline.ledger.maps import create_views
from pipeline.ledger.postgis import SCHEMA, PostgisLedger
from pipeline.ledger.rows import TABLES, fill
from pipeline.ledger.tables import meta

READY, PARTIAL, _DONE = ".restore", ".restore.partial", ".restore.done"
PLAN = "plan.json"
RESTORED = "restored"
"""Key under which a database remembers the restore that it holds."""


def finish_restore(file: Path) -> None:
    """Finish a restore of a state folder that was killed, if there is one.

    Raises
    ------
    LedgerHeldError
        It is being finished by another.
    """
    if (file.parent / READY).is_dir():
        with hold(file):
            settle(file.parent)


def settle(state: Path, held: PostgisLedger | None = None) -> None:
    """Let what was unpacked take its place, and keep aside what was there.

    The lock of the state folder is held; ``held`` is the ledger's database where that is too.
    """
    ready = state / READY
    if not ready.is_dir():
        return
    said: dict[str, Any] = json.loads((ready / PLAN).read_text(encoding="utf-8"))
    aside = state / said["aside"]
    url = read_mark(LedgerPlace(ready / "state" / "ledger.sqlite"))
    if url is not None:
        with ExitStack() as stack:
            ledger = held
            if ledger is None:
                ledger = PostgisLedger(url)
                stack.enter_context(ledger.hold())
            _settle_database(ledger, ready, said)
    failpoint("restore.loaded")
    for path in sorted(p for p in (ready / "state").rglob("*") if p.is_file()):
        name = path.relative_to(ready / "state")
        _put_aside(state, name, aside)
        (state / name).parent.mkdir(parents=True, exist_ok=True)
        path.replace(state / name)
        failpoint("restore.half_moved")
    for name in said["gone"]:
        _put_aside(state, Path(name), aside)
    if hasattr(os, "sync"):
        os.sync()  # the moves reach the disk before the list of them goes
    shutil.rmtree(state / _DONE, ignore_errors=True)
    ready.rename(state / _DONE)
    shutil.rmtree(state / _DONE, ignore_errors=True)


def _put_aside(state: Path, name: Path, aside: Path) -> None:
    # A journal that lies beside a database belongs to it, and would spoil the next one.
    for part in (name, *(name.with_name(f"{name.name}-{e}") for e in ("journal", "wal", "shm"))):
        if (state / part).exists():
            (aside / part).parent.mkdir(parents=True, exist_ok=True)
            (state / part).replace(aside / part)


def _settle_database(ledger: PostgisLedger, ready: Path, said: dict[str, Any]) -> None:
    """Load the ledger into its database, in one transaction; what was there is renamed."""
    with ledger.connect() as connection:
        if _remembered(connection) == said["id"]:
            return
        if _there(connection, SCHEMA):
            old = f"{SCHEMA}_{said['aside'].replace('-', '_').lower()}"
            connection.exec_driver_sql(f"ALTER SCHEMA {SCHEMA} RENAME TO {old}")
        connection.exec_driver_sql(f"CREATE SCHEMA {SCHEMA}")
        with open_lines(ready / "ledger") as lines:
            fill(connection, lines, {**said["marks"], RESTORED: said["id"]})
        create_views(connection)  # replaced in place: who may read them stays as it was


@contextmanager
def open_lines(folder: Path) -> Generator[dict[str, Any]]:
    """Open the lines of a ledger, by table."""
    files = {name: (folder / f"{name}.jsonl").open("rb") for name in TABLES}
    try:
        yield dict(files)
    finally:
        for file in files.values():
            file.close()


def _there(connection: sa.Connection, schema: str) -> bool:
    query = sa.text("SELECT count(*) FROM pg_namespace WHERE nspname = :schema")
    return bool(connection.execute(query, {"schema": schema}).scalar_one())


def _remembered(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table("meta", schema=SCHEMA):
        return None
    query = sa.select(meta.c.value).where(meta.c.key == RESTORED)
    return connection.execute(query).scalar()
