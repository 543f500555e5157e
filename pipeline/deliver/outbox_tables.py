"""The tables of the outbox, and the questions that it asks of them."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from pipeline.deliver.features import has_ended

SCHEMA_VERSION = 1
FEED = "feed"
"""The cursor of the feed over the ledger's events."""
EPOCH, ROUND = "epoch", "round: "
REST = "rest: "
"""The cursor that marks until when a receiver asked to be left alone."""

Query: TypeAlias = "sa.Select[*tuple[Any, ...]]"

tables = sa.MetaData()
version = sa.Table("version", tables, sa.Column("value", sa.Integer, primary_key=True))
pages = sa.Table(
    "pages",
    tables,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("full", sa.Boolean, nullable=False),
    sa.Column("part", sa.Integer, nullable=False),
    sa.Column("parts", sa.Integer, nullable=False),
    sa.Column("events_to", sa.Integer, nullable=False),
    sa.Column("last_event", sa.Text, nullable=False),
    sa.Column("sha256", sa.Text, nullable=False),
    sa.Column("size", sa.Integer, nullable=False),
)
cursors = sa.Table(
    "cursors",
    tables,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("seq", sa.Integer, nullable=False),
    sa.Column("mark", sa.Text, nullable=False),
)
held = sa.Table(
    "held",
    tables,
    sa.Column("case_id", sa.Text, primary_key=True),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("ended", sa.Boolean, nullable=False),
    sa.Column("body", sa.Text, nullable=False),  # the feature as it was handed over
)
receivers = sa.Table(
    "receivers",
    tables,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("answers_after", sa.Text),  # where the next answers begin, in its own words
)
queue = sa.Table(
    "queue",
    tables,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("receiver", sa.Text, nullable=False),
    sa.Column("case_id", sa.Text, nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("state", sa.Text, nullable=False),  # waiting delivered dead superseded
    sa.Column("body", sa.Text),  # the feature; dropped when delivered
    sa.Column("tries", sa.Integer, nullable=False, default=0),
    sa.Column("due", sa.Text, nullable=False, default=""),  # UTC, not before
    sa.Column("error", sa.Text),
    sa.Column("answer", sa.Text),  # JSON that came back and waits for the ledger
    sa.UniqueConstraint("receiver", "case_id", "revision"),
    sqlite_autoincrement=True,
)
sa.Index("queue_waiting", queue.c.receiver, queue.c.state, queue.c.case_id, queue.c.id)
rounds = sa.Table(
    "rounds",
    tables,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("what", sa.Text, nullable=False),
    sa.Column("size", sa.Integer, nullable=False),
    sa.Column("at", sa.Text, nullable=False),
    sa.Column("released_by", sa.Text),
)


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far the ledger's events were read, and which event that was."""

    seq: int = 0
    mark: str = ""


@dataclass(frozen=True, slots=True)
class Parcel:
    """One delivery of a queue."""

    id: int
    receiver: str
    case_id: str
    revision: int
    tries: int
    error: str | None
    body: dict[str, Any] = field(repr=False)


def oldest(name: str) -> sa.Select[tuple[int]]:
    """Ask of each case for the oldest delivery that waits for a receiver."""
    waits = sa.and_(queue.c.receiver == name, queue.c.state == "waiting")
    return sa.select(sa.func.min(queue.c.id)).where(waits).group_by(queue.c.case_id)


def open_round(connection: sa.Connection, what: str) -> int:
    """Give the id of a round of which a kill may have left something; 0 where there is none."""
    query = sa.select(cursors.c.seq).where(cursors.c.name == ROUND + what)
    return int(connection.execute(query).scalar() or 0)


def begin_epoch(connection: sa.Connection, epoch: int) -> None:
    """Let revisions begin anew where a page is of a later epoch.

    What was given in earlier ones keeps no number, so that the same numbers can wait again; what
    still waited is of a ledger that is no more, and all of it is handed over anew.
    """
    known = sa.select(cursors.c.seq).where(cursors.c.name == EPOCH)
    if epoch <= (connection.execute(known).scalar() or 0):
        return
    waits = queue.c.state.in_(("waiting", "dead"))
    connection.execute(sa.update(queue).where(waits).values(state="superseded", body=None))
    mine = sa.update(queue).where(queue.c.revision > 0)
    connection.execute(mine.values(revision=-queue.c.id))
    move(connection, EPOCH, Cursor(epoch))


def knows(connection: sa.Connection, case_id: str) -> bool:
    """Tell whether a case was ever handed over."""
    query = sa.select(held.c.case_id).where(held.c.case_id == case_id)
    return connection.execute(query).first() is not None


def hold(connection: sa.Connection, feature: Mapping[str, Any]) -> None:
    """Keep a feature as it was handed over."""
    delivery = feature["delivery"]
    row = {
        "case_id": feature["id"],
        "revision": feature["properties"]["revision"],
        "status": delivery["new_status"],
        "ended": has_ended(feature),
        "body": _json(feature),
    }
    upsert = insert(held).values(row)
    connection.execute(upsert.on_conflict_do_update(index_elements=["case_id"], set_=row))


def enqueue(connection: sa.Connection, names: Iterable[str], feature: Mapping[str, Any]) -> None:
    """Let a feature wait for receivers; what one was given already is left out."""
    for name in names:
        row = {
            "receiver": name,
            "case_id": feature["id"],
            "revision": feature["properties"]["revision"],
            "state": "waiting",
            "body": _json(feature),
        }
        connection.execute(insert(queue).values(row).on_conflict_do_nothing())


def move(connection: sa.Connection, name: str, to: Cursor) -> None:
    """Say how far something has read."""
    row = {"name": name, "seq": to.seq, "mark": to.mark}
    upsert = insert(cursors).values(row)
    connection.execute(upsert.on_conflict_do_update(index_elements=["name"], set_=row))


def parcel_of(row: sa.RowMapping) -> Parcel:
    """Read one delivery of a queue."""
    body = json.loads(row["body"]) if row["body"] else {}
    names = ("id", "receiver", "case_id", "revision", "tries", "error")
    return Parcel(**{n: row[n] for n in names}, body=body)


def parts_of(
    query: Query, only: Collection[str] | None, column: sa.ColumnElement[Any] = held.c.case_id
) -> list[Query]:
    """Ask for some ids in parts that the database takes; for all of them at once."""
    if only is None:
        return [query]
    ids = sorted(set(only))
    return [query.where(column.in_(ids[i : i + 500])) for i in range(0, len(ids), 500)]


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
