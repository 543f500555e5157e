"""What was handed over and what still waits, in a database of its own under ``state/outbox``.

The feed comes first: a number that lies in its folder was handed over, whatever became of the
process that wrote it. This database follows: what each number said is taken in once, in one
transaction, and from there every receiver has its own queue.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.exc import DatabaseError
from sqlalchemy.pool import StaticPool

from pipeline.deliver.changes import Held
from pipeline.deliver.features import epoch_of
from pipeline.deliver.feed import Page
from pipeline.deliver.outbox_tables import (
    EPOCH,
    FEED,
    REST,
    ROUND,
    SCHEMA_VERSION,
    Cursor,
    Parcel,
    begin_epoch,
    cursors,
    enqueue,
    held,
    hold,
    knows,
    move,
    oldest,
    open_round,
    pages,
    parcel_of,
    parts_of,
    queue,
    receivers,
    rounds,
    tables,
    version,
)
from pipeline.errors import ConfigurationError
from pipeline.io.sqlite import connected, open_engine
from pipeline.model import Status
from pipeline.publish.geojson import instant


class Outbox:
    """An outbox that was opened; see ``open_outbox``."""

    def __init__(self, path: Path | None) -> None:
        self.path = path or Path(":memory:")
        # One process, one thread, and the lock of the outbox: one connection will do.
        self._engine = open_engine(path, StaticPool)

    def close(self) -> None:
        """Let go of the file."""
        self._engine.dispose()

    # -- the feed ---------------------------------------------------------------------------

    def newest(self) -> int:
        """Give the newest number that was taken in; 0 before the first."""
        with self._connect() as connection:
            return int(connection.execute(sa.select(sa.func.max(pages.c.number))).scalar() or 0)

    def newest_full(self) -> list[int]:
        """Give the numbers of the newest full set that is whole; they follow each other."""
        query = sa.select(pages.c.number, pages.c.parts)
        query = query.where(pages.c.full, pages.c.part == pages.c.parts)
        with self._connect() as connection:
            last = connection.execute(query.order_by(pages.c.number.desc()).limit(1)).first()
        return list(range(last.number - last.parts + 1, last.number + 1)) if last else []

    def cursor(self, name: str) -> Cursor:
        """Give how far something has read."""
        query = sa.select(cursors).where(cursors.c.name == name)
        with self._connect() as connection:
            row = connection.execute(query).mappings().first()
        return Cursor(int(row["seq"]), str(row["mark"])) if row else Cursor()

    def move(self, name: str, to: Cursor) -> None:
        """Say how far something has read."""
        with self._connect() as connection:
            move(connection, name, to)

    def take_in(self, page: Page) -> None:
        """Take in what a number said: it is handed over, and every receiver gets it."""
        head = page.head
        with self._connect() as connection:
            row = {
                "number": head.number,
                "full": head.full,
                "part": head.part,
                "parts": head.parts,
                "events_to": head.events_to,
                "last_event": head.last_event,
                "sha256": page.sha256,
                "size": len(page.features),
            }
            connection.execute(insert(pages).values(row).on_conflict_do_nothing())
            # Of a full set too: where the database was lost, it may be all that tells the epoch.
            begin_epoch(connection, max(map(epoch_of, page.features), default=0))
            if head.full:
                for feature in page.features:
                    if not knows(connection, feature["id"]):
                        hold(connection, feature)  # the database was lost, and this is left
            else:
                names = connection.execute(sa.select(receivers.c.name)).scalars().all()
                for feature in page.features:
                    hold(connection, feature)
                    enqueue(connection, names, feature)
            move(connection, FEED, Cursor(head.events_to, head.last_event))

    def epoch(self) -> int:
        """Give the epoch of what is handed over now; see ``features.epoch_of``."""
        return self.cursor(EPOCH).seq

    def held(self, only: Collection[str] | None = None, epoch: int = 0) -> dict[str, Held]:
        """Give what was last handed over, by case; of an earlier epoch as revision 0."""
        told = sa.func.coalesce(sa.func.json_extract(held.c.body, "$.delivery.epoch"), 0)
        columns = (held.c.case_id, held.c.revision, held.c.status, held.c.ended, told)
        with self._connect() as connection:
            rows = [r for q in parts_of(sa.select(*columns), only) for r in connection.execute(q)]
        return {
            name: Held(revision if said >= epoch else 0, Status(status), bool(ended))
            for name, revision, status, ended, said in rows
        }

    def ids(self, *, ended: bool = False) -> list[str]:
        """Give the ids of open cases that were handed over, in order; of ended ones too."""
        query = sa.select(held.c.case_id).order_by(held.c.case_id)
        if not ended:
            query = query.where(sa.not_(held.c.ended))
        with self._connect() as connection:
            return [str(i) for i in connection.execute(query).scalars()]

    def features(self, ids: Sequence[str]) -> list[dict[str, Any]]:
        """Give features as they were last handed over."""
        with self._connect() as connection:
            query = sa.select(held.c.case_id, held.c.body)
            rows = [r for q in parts_of(query, ids) for r in connection.execute(q)]
        return [json.loads(r.body) for r in sorted(rows, key=lambda r: str(r.case_id))]

    def with_external(self, wanted: Collection[str]) -> list[tuple[str, str]]:
        """Give the cases that were handed over with one of some external ids, as (id, case)."""
        said = sa.func.json_extract(held.c.body, "$.properties.external_id")
        with self._connect() as connection:
            query = sa.select(said, held.c.case_id)
            rows = [r for q in parts_of(query, wanted, said) for r in connection.execute(q)]
        return [(str(external), str(case)) for external, case in rows]

    # -- receivers --------------------------------------------------------------------------

    def enqueue(self, name: str, features: Iterable[Mapping[str, Any]]) -> None:
        """Let features wait for a receiver; what it was given already is left out."""
        with self._connect() as connection:
            for feature in features:
                enqueue(connection, (name,), feature)

    def welcome(self, name: str) -> None:
        """Let a receiver hear of everything from now on."""
        with self._connect() as connection:
            new = insert(receivers).values(name=name, answers_after=None)
            connection.execute(new.on_conflict_do_nothing())

    def names(self) -> list[str]:
        """Name the receivers that were ever given anything."""
        with self._connect() as connection:
            query = sa.select(receivers.c.name).order_by(receivers.c.name)
            return [str(n) for n in connection.execute(query).scalars()]

    def forget(self, name: str) -> int:
        """Forget a receiver and all that waits for it; gives how many waited."""
        waits = queue.c.state.in_(("waiting", "dead"))
        mine = queue.c.receiver == name
        with self._connect() as connection:
            count = sa.select(sa.func.count()).select_from(queue).where(mine, waits)
            left = int(connection.execute(count).scalar_one())
            connection.execute(sa.delete(queue).where(mine))
            connection.execute(sa.delete(receivers).where(receivers.c.name == name))
            connection.execute(sa.delete(cursors).where(cursors.c.name == REST + name))
        return left

    def due(self, name: str, now: datetime) -> list[tuple[int, str]]:
        """Give what may be tried now, as (id, case): of each case the oldest that waits.

        Nothing may where the receiver asked to be left alone for longer, not even what is new.
        """
        if self.cursor(REST + name).mark > str(instant(now)):
            return []
        query = sa.select(queue.c.id, queue.c.case_id)
        query = query.where(queue.c.id.in_(oldest(name)), queue.c.due <= instant(now))
        with self._connect() as connection:
            rows = connection.execute(query.order_by(queue.c.id)).all()
        return [(int(i), str(case)) for i, case in rows]

    def parcel(self, number: int) -> Parcel:
        """Give one delivery."""
        query = sa.select(queue).where(queue.c.id == number)
        with self._connect() as connection:
            return parcel_of(connection.execute(query).mappings().one())

    def delivered(self, parcel: Parcel, answer: str | None) -> None:
        """Mark as delivered; older dead ones of the case need no more to be put back."""
        with self._connect() as connection:
            done: dict[str, Any] = {"state": "delivered", "body": None, "error": None}
            done |= {"answer": answer, "tries": parcel.tries + 1}
            connection.execute(sa.update(queue).where(queue.c.id == parcel.id).values(done))
            old = (
                sa.update(queue)
                .where(queue.c.receiver == parcel.receiver, queue.c.case_id == parcel.case_id)
                .where(queue.c.id < parcel.id, queue.c.state == "dead")
            )
            connection.execute(old.values(state="superseded", body=None))

    def postpone(self, parcel: Parcel, until: datetime, error: str) -> None:
        """Mark as tried without success; not before ``until`` again."""
        row = {"tries": parcel.tries + 1, "due": instant(until), "error": error}
        with self._connect() as connection:
            connection.execute(sa.update(queue).where(queue.c.id == parcel.id).values(row))

    def bury(self, parcel: Parcel, error: str) -> None:
        """Mark as refused for good; a person decides."""
        row = {"state": "dead", "tries": parcel.tries + 1, "error": error}
        with self._connect() as connection:
            connection.execute(sa.update(queue).where(queue.c.id == parcel.id).values(row))

    def dead(self) -> list[Parcel]:
        """List the dead letters, oldest first."""
        query = sa.select(queue).where(queue.c.state == "dead").order_by(queue.c.id)
        with self._connect() as connection:
            return [parcel_of(r) for r in connection.execute(query).mappings().all()]

    def hurry(self, name: str) -> None:
        """Let everything that waits be tried now."""
        mine = sa.update(queue).where(queue.c.receiver == name, queue.c.state == "waiting")
        with self._connect() as connection:
            connection.execute(mine.values(due=""))
            move(connection, REST + name, Cursor())

    def rest(self, name: str, until: datetime) -> None:
        """Let nothing be tried before an instant, neither what waits nor what is new by then."""
        self.move(REST + name, Cursor(mark=str(instant(until))))

    def next_due(self, name: str) -> str:
        """Give when the next try may be, UTC; empty where nothing waits."""
        query = sa.select(sa.func.min(queue.c.due)).where(queue.c.id.in_(oldest(name)))
        with self._connect() as connection:
            due = connection.execute(query).scalar()
        return "" if due is None else max(str(due), self.cursor(REST + name).mark)

    def read_by_feed(self, name: str) -> None:
        """Mark all that waits as delivered: this receiver reads the feed itself."""
        mine = sa.update(queue).where(queue.c.receiver == name, queue.c.state == "waiting")
        with self._connect() as connection:
            connection.execute(mine.values(state="delivered", body=None))

    def put_back(self, case_id: str) -> int:
        """Let the dead letters of a case wait again; gives how many."""
        query = sa.update(queue).where(queue.c.case_id == case_id, queue.c.state == "dead")
        with self._connect() as connection:
            return connection.execute(query.values(state="waiting", due="")).rowcount

    def counts(self, name: str) -> dict[str, int]:
        """Count the deliveries of a receiver by state."""
        query = sa.select(queue.c.state, sa.func.count()).where(queue.c.receiver == name)
        with self._connect() as connection:
            rows = connection.execute(query.group_by(queue.c.state)).all()
        return {str(state): int(n) for state, n in rows}

    def given(self, name: str, ids: Collection[str]) -> set[tuple[str, int]]:
        """Give what a receiver has of some cases, as (case, revision)."""
        query = sa.select(queue.c.case_id, queue.c.revision)
        query = query.where(queue.c.receiver == name, queue.c.state == "delivered")
        with self._connect() as connection:
            parts = parts_of(query, ids, queue.c.case_id)
            rows = [row for part in parts for row in connection.execute(part)]
        return {(str(row.case_id), int(row.revision)) for row in rows}

    # -- answers ----------------------------------------------------------------------------

    def heard(self, name: str) -> list[tuple[int, dict[str, Any]]]:
        """Give what came back with a delivery and waits for the ledger, with its id."""
        query = sa.select(queue.c.id, queue.c.answer).order_by(queue.c.id)
        query = query.where(queue.c.receiver == name, queue.c.answer.is_not(None))
        with self._connect() as connection:
            return [(int(i), json.loads(a)) for i, a in connection.execute(query).all()]

    def answered(self, name: str, ids: Sequence[int], after: str | None) -> None:
        """Forget answers that the ledger has, and remember where the next ones begin."""
        with self._connect() as connection:
            for part in range(0, len(ids), 500):
                some = queue.c.id.in_(ids[part : part + 500])
                connection.execute(sa.update(queue).where(some).values(answer=None))
            if after is not None:
                mine = sa.update(receivers).where(receivers.c.name == name)
                connection.execute(mine.values(answers_after=after))

    def answers_after(self, name: str) -> str | None:
        """Give where the next answers of a receiver begin."""
        query = sa.select(receivers.c.answers_after).where(receivers.c.name == name)
        with self._connect() as connection:
            return connection.execute(query).scalar()

    # -- the brake --------------------------------------------------------------------------

    def recent(self, what: str, most: int) -> list[int]:
        """Give how many recent rounds held that held any, newest first."""
        query = sa.select(rounds.c.size).where(rounds.c.what == what, rounds.c.size > 0)
        with self._connect() as connection:
            query = query.where(rounds.c.id != open_round(connection, what))
            found = connection.execute(query.order_by(rounds.c.id.desc()).limit(most)).scalars()
            return [int(n) for n in found]

    def note_round(self, what: str, size: int, now: datetime, released_by: str | None) -> None:
        """Remember how many a round held, and who released it; what a kill left goes on in it."""
        row = {"what": what, "size": size, "at": instant(now), "released_by": released_by}
        with self._connect() as connection:
            if not open_round(connection, what):
                made = connection.execute(insert(rounds).values(row)).inserted_primary_key
                move(connection, ROUND + what, Cursor(int(made[0]) if made else 0))

    def end_round(self, what: str) -> None:
        """Remember that all of a round happened."""
        with self._connect() as connection:
            move(connection, ROUND + what, Cursor())

    def was_released(self, what: str, size: int) -> bool:
        """Tell whether a person released the round that a kill left, and it held as many."""
        with self._connect() as connection:
            query = sa.select(rounds.c.released_by, rounds.c.size)
            row = connection.execute(query.where(rounds.c.id == open_round(connection, what)))
            found = row.first()
        return found is not None and found.released_by is not None and found.size >= size

    def set_up(self) -> None:
        """Make the tables, or check that they are ours.

        Raises
        ------
        ConfigurationError
            The file is no outbox, or one of another version.
        """
        try:
            with self._connect() as connection:
                tables.create_all(connection)
                mine = insert(version).values(value=SCHEMA_VERSION)
                if connection.execute(sa.select(version.c.value)).first() is None:
                    connection.execute(mine)
                found = connection.execute(sa.select(version.c.value)).scalar_one()
        except DatabaseError as error:
            raise ConfigurationError(
                f"{self.path} cannot be used as an outbox ({error.orig})",
                "Restore it from a backup; without one, move it away: what lies in the feed is "
                "read and sent again, under the same keys",
            ) from error
        if found != SCHEMA_VERSION:
            raise ConfigurationError(
                f"the outbox {self.path} has schema version {found}, this program {SCHEMA_VERSION}",
                "Use the program that wrote it, or a newer one",
            )

    @contextmanager
    def _connect(self) -> Generator[sa.Connection]:
        with connected(self._engine, self.path, "outbox", "nothing is lost") as connection:
            yield connection
