"""Ledgers for tests: in a file, in PostgreSQL, and of earlier forms."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import tempfile
import zlib
from collections.abc import Generator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from uuid import uuid4

import pytest
import services
import sqlalchemy as sa
from shapely.geometry import MultiPolygon, box

from pipeline.adjudicate.evidence import fold
from pipeline.ledger import LedgerContext, LedgerPlace, LedgerStore, open_ledger
from pipeline.ledger.service import LedgerResult, apply
from pipeline.model import Candidate, Case, Kind, Look, Seen

START, END = datetime(2025, 1, 1, tzinfo=UTC), datetime(2025, 6, 30, tzinfo=UTC)
CONTEXT = LedgerContext("r", "0", "h", ("c",), (START, END), partial(fold, until=END))


def candidate(x: float, hits: int, corridor: str = "c", crs: str = "EPSG:32649") -> Candidate:
    looks = tuple(
        Look(datetime(2025, 1, 1 + i, 3, tzinfo=UTC), f"p{i}", "s2", 1.0, Seen.HIT, True, 0.4)
        for i in range(hits)
    )
    shape = MultiPolygon([box(x, 0, x + 30, 30), box(x + 40, 0, x + 50.5, 10)])
    return Candidate(
        kind=Kind.ZHAN,
        corridor_id=corridor,
        polygon=shape,
        crs=crs,
        area_m2=shape.area,
        looks=looks,
        evidence=fold(looks),
        score=0.5,
        measures={"z": 1.0 / 3},
        scene_ids=("s1",),
        detector="zhan/1",
    )


FOUND = [candidate(0, 3), candidate(500, 1)]


def run(
    place: Path | LedgerPlace, found: list[Candidate] = FOUND, *, shadow: bool = False
) -> LedgerResult:
    with open_ledger(place) as ledger:
        store: LedgerStore = ledger  # the type checker proves the protocol
        return apply(store, found, CONTEXT, shadow=shadow)


def read(place: Path | LedgerPlace) -> tuple[tuple[Case, ...], int]:
    with open_ledger(place, writing=False) as ledger:
        return ledger.cases(), len(ledger.events())


@contextmanager
def there(what: object) -> Generator[dict[str, str]]:
    """Enter a service; without its programs skip, or fail where they are required."""
    try:
        found = what.__enter__()
    except services.MissingServiceError as error:
        if os.environ.get("SILUAN_REQUIRE_SERVICES") == "1":
            pytest.fail(str(error))
        pytest.skip(str(error))
    try:
        yield found
    finally:
        what.__exit__(None, None, None)


@contextmanager
def server() -> Generator[str]:
    """Start PostgreSQL with PostGIS; give the address up to the database's name."""
    # Below /tmp: the database's user must be able to walk to its folder.
    folder = Path(tempfile.mkdtemp(prefix="siluan-pg-"))
    folder.chmod(0o755)
    try:
        with there(services.postgres(folder / "server")) as env:
            yield f"postgresql://{env['PGUSER']}@{env['PGHOST']}:{env['PGPORT']}/"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def database(base: str) -> str:
    """Make an empty database with PostGIS on a server; give its address."""
    name = f"t{uuid4().hex[:12]}"
    sql(f"{base}postgres", f"CREATE DATABASE {name} TEMPLATE stac")
    return f"{base}{name}"


def sql(url: str, statement: str) -> list[tuple[object, ...]]:
    """Say one thing to a database, as its owner; give the rows."""
    engine = sa.create_engine(
        sa.make_url(url).set(drivername="postgresql+psycopg"),
        isolation_level="AUTOCOMMIT",
        poolclass=sa.NullPool,
    )
    with engine.connect() as connection:
        found = connection.exec_driver_sql(statement)
        return [tuple(r) for r in found] if found.returns_rows else []


def old_ledger(path: Path, version: str) -> None:
    """Make a ledger as programs of schema version 1 or 2 left it, with what is in ``FOUND``."""
    scratch = path.with_name("scratch.sqlite")
    run(scratch)
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.executescript(OLD_DDL)
        raw.execute("INSERT INTO meta VALUES ('schema_version', ?)", (version,))
        raw.execute("ATTACH ? AS new", (str(scratch),))
        raw.create_function("unpacked", 1, lambda body: zlib.decompress(body).decode())
        for table in ("cases", "revisions", "events"):
            columns = [r[1] for r in raw.execute(f"PRAGMA main.table_info({table})")]
            told = ", ".join("unpacked(body)" if c == "body" else c for c in columns)
            raw.execute(f"INSERT INTO main.{table} SELECT {told} FROM new.{table}")
    scratch.unlink()


KILLED = (
    "import importlib.util as u, pathlib, sys\n"
    "sys.path.insert(0, sys.argv[1])\n"
    "import ledgers\n"
    "from pipeline.ledger import LedgerPlace\n"
    "ledgers.run(LedgerPlace(pathlib.Path(sys.argv[2]), sys.argv[3] or None))\n"
)


def run_elsewhere(python: str, place: LedgerPlace, env: dict[str, str]) -> int:
    """Run in a process of its own; give how it ended."""
    command = [python, "-c", KILLED, str(Path(__file__).parent), str(place.file), place.url or ""]
    return subprocess.run(command, env={**os.environ, **env}, check=False).returncode


OLD_DDL = """
CREATE TABLE meta ("key" TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY ("key"));
CREATE TABLE cases (
  case_id TEXT NOT NULL, corridor_id TEXT NOT NULL, kind TEXT NOT NULL, status TEXT NOT NULL,
  evidence_state TEXT NOT NULL, revision INTEGER NOT NULL, merged_into TEXT, crs TEXT NOT NULL,
  min_x FLOAT NOT NULL, min_y FLOAT NOT NULL, max_x FLOAT NOT NULL, max_y FLOAT NOT NULL,
  geometry BLOB NOT NULL, body TEXT NOT NULL, PRIMARY KEY (case_id));
CREATE INDEX ix_cases_corridor_id ON cases (corridor_id);
CREATE INDEX ix_cases_status ON cases (status);
CREATE INDEX cases_box ON cases (min_x, max_x, min_y, max_y);
CREATE TABLE revisions (
  case_id TEXT NOT NULL, revision INTEGER NOT NULL, run_id TEXT NOT NULL, geometry BLOB NOT NULL,
  body TEXT NOT NULL, PRIMARY KEY (case_id, revision),
  FOREIGN KEY(case_id) REFERENCES cases (case_id));
CREATE TABLE events (
  seq INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, case_id TEXT NOT NULL, revision INTEGER NOT NULL,
  run_id TEXT NOT NULL, as_of TEXT NOT NULL, what TEXT NOT NULL, old TEXT, new TEXT,
  detail TEXT NOT NULL, FOREIGN KEY(case_id) REFERENCES cases (case_id));
CREATE INDEX ix_events_case_id ON events (case_id);
CREATE TRIGGER events_no_update BEFORE UPDATE ON events
BEGIN SELECT RAISE(ABORT, 'events is append-only'); END;
CREATE TRIGGER events_no_delete BEFORE DELETE ON events
BEGIN SELECT RAISE(ABORT, 'events is append-only'); END;
CREATE TRIGGER revisions_no_update BEFORE UPDATE ON revisions
BEGIN SELECT RAISE(ABORT, 'revisions is append-only'); END;
CREATE TRIGGER revisions_no_delete BEFORE DELETE ON revisions
BEGIN SELECT RAISE(ABORT, 'revisions is append-only'); END;
"""
