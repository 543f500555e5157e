"""Reading all of a ledger, a few rows in memory at a time, for whoever counts."""

from __future__ import annotations

import json
from collections.abc import Generator
from datetime import datetime
from itertools import groupby
from typing import Any

import sqlalchemy as sa

from pipeline.ledger.codec import load_place
from pipeline.ledger.context import Event
from pipeline.ledger.interface import Whereabouts
from pipeline.ledger.tables import cases, events
from pipeline.model import Kind

_ROWS = 1000  # in memory at once


def streamed(query: sa.Select[*tuple[Any, ...]]) -> sa.Select[*tuple[Any, ...]]:
    """Let a question be answered a few rows at a time.

    Never the connection: it would keep that, and PostgreSQL then declares a cursor for whatever is
    said next, which may be none that has rows.
    """
    return query.execution_options(yield_per=_ROWS)


def whereabouts(connection: sa.Connection) -> Generator[Whereabouts]:
    """Give what and where all cases are, by id, without making cases of their bodies."""
    c = cases.c
    query = sa.select(c.case_id, c.revision, c.corridor_id, c.kind, c.body).order_by(c.case_id)
    with connection.execute(streamed(query)) as rows:
        for row in rows:
            place = load_place(row[4])
            county, name, township = (
                (place.county_code, place.county_zh, place.township_zh) if place else (None,) * 3
            )
            yield Whereabouts(row[0], row[1], row[2], Kind(row[3]), county, name, township)


def histories(connection: sa.Connection, upto: int) -> Generator[tuple[str, tuple[Event, ...]]]:
    """Give the events of each case up to a number, cases by id, events oldest first."""
    query = sa.select(events).where(events.c.seq <= upto).order_by(events.c.case_id, events.c.seq)
    with connection.execute(streamed(query)) as found:
        for case_id, rows in groupby(found.mappings(), key=lambda row: row["case_id"]):
            yield case_id, tuple(event_of(row) for row in rows)


def event_of(found: sa.RowMapping) -> Event:
    """Make an event of its row."""
    row: dict[str, Any] = dict(found)
    del row["seq"]
    row |= {"as_of": datetime.fromisoformat(row["as_of"]), "detail": json.loads(row["detail"])}
    return Event(**row)
