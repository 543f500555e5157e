"""A ledger as lines of JSON, the same of every store: so one moves into another."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import islice, zip_longest
from typing import Any

import sqlalchemy as sa

from pipeline.ledger.codec import light_of
from pipeline.ledger.streams import streamed
from pipeline.ledger.tables import LIGHT, cases, create_tables, events, meta, revisions

TABLES = {t.name: t for t in (cases, revisions, events)}
"""By name, in the order in which they must be written."""

_MANY = 1000


def dump_rows(connection: sa.Connection, name: str) -> Iterator[bytes]:
    """Give a table as lines, in the order of its key, a few in memory at a time."""
    table = TABLES[name]
    # What a row says again of its body is made anew: lines stay those of every form.
    told = [c for c in table.columns if c.name not in LIGHT]
    query = sa.select(*told).order_by(*table.primary_key.columns)
    with connection.execute(streamed(query)) as rows:
        for row in rows.mappings():
            yield _line(dict(row))


def dump_marks(connection: sa.Connection) -> dict[str, str]:
    """Give what the ledger says of itself, but its version: see ``schema_of``."""
    rows = connection.execute(sa.select(meta.c.key, meta.c.value).order_by(meta.c.key))
    return {key: value for key, value in rows if key != "schema_version"}


def schema_of(connection: sa.Connection) -> str:
    """Give the schema version of the ledger, by which a program knows whether it can read rows."""
    query = sa.select(meta.c.value).where(meta.c.key == "schema_version")
    return str(connection.execute(query).scalar_one())


def fill(
    connection: sa.Connection, lines: dict[str, Iterable[bytes]], marks: dict[str, str]
) -> dict[str, int]:
    """Make a new ledger of lines; count its rows by table.

    Raises
    ------
    ValueError
        A line is none of ours.
    """
    create_tables(connection)
    counts = {name: _load(connection, table, lines[name]) for name, table in TABLES.items()}
    if marks:
        connection.execute(sa.insert(meta), [{"key": k, "value": v} for k, v in marks.items()])
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(
            "SELECT setval(pg_get_serial_sequence('events', 'seq'), "
            "coalesce(max(seq), 0) + 1, false) FROM events"
        )
    return counts


def known_to(connection: sa.Connection, lines: dict[str, Iterable[bytes]]) -> bool:
    """Tell whether lines hold all that a ledger holds: then nothing is lost where they replace it.

    Events only grow: those of the ledger must be the first of the lines. With as many events, the
    cases must be the same, because looks that could not see change a case without an event.
    """
    more = False
    for mine, theirs in zip_longest(dump_rows(connection, "events"), lines["events"]):
        if mine is None:
            more = True
            break
        if mine != theirs:
            return False
    if more:
        return True
    pairs = zip_longest(dump_rows(connection, "cases"), lines["cases"])
    return all(mine == theirs for mine, theirs in pairs)


def _load(connection: sa.Connection, table: sa.Table, lines: Iterable[bytes]) -> int:
    left, count = iter(lines), 0
    while part := list(islice(left, _MANY)):
        rows = [_row(line) for line in part]
        if table is cases:
            rows = [row | light_of(json.loads(row["body"])) for row in rows]
        connection.execute(sa.insert(table), rows)
        count += len(part)
    return count


def _line(row: dict[str, Any]) -> bytes:
    if "geometry" in row:
        row["geometry"] = bytes(row["geometry"]).hex()
    return json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _row(line: bytes) -> dict[str, Any]:
    row: dict[str, Any] = json.loads(line)
    if "geometry" in row:
        row["geometry"] = bytes.fromhex(row["geometry"])
    return row
