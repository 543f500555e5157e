"""Looking at a hand-over, and what persons do to it: dry run, dead letters, retry, forget."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path

from pipeline.cases.where import Report
from pipeline.deliver.automatic import choose
from pipeline.deliver.brake import held_back
from pipeline.deliver.outbox import Outbox
from pipeline.deliver.place import Place, open_outbox
from pipeline.deliver.planning import catch_up, require_same
from pipeline.deliver.service import HAND_OVER, ISSUE, DeliverRequest, counted, due_plan
from pipeline.errors import ConfigurationError, ExitCode
from pipeline.ledger import open_ledger


def foretell(request: DeliverRequest) -> Report:
    """Say what a hand-over would do, case by case, and change nothing; nobody is asked.

    Raises
    ------
    ConfigurationError
        The ledger is not the feed's.
    """
    place, brake = request.place, request.place.options.brake
    lines: list[str] = []
    with _copy(place) as outbox, open_ledger(place.ledger, writing=False) as store:
        catch_up(place.feed, outbox)
        if not request.full:
            require_same(store, outbox)
        if place.rules is not None and place.rules.waits is None:
            chosen = choose(store, outbox, place.rules)
            lines += [f"would be issued by rule: {c.case_id} ({p:.4f})" for c, p in chosen.cases]
            stop = held_back(ISSUE, len(chosen.cases), outbox.recent(ISSUE, brake.recent), brake)
            lines += [f"would stop: {stop}"] if stop else []
        due = due_plan(store, outbox, request)
        lines += [
            f"would be handed over: {i.case_id} revision {i.revision}: {i.change}, "
            f"{i.old_status or '-'} -> {i.status}{f' ({i.reason})' if i.reason else ''}"
            for i in due.items
        ]
        lines.append(f"feed: {counted(due.items)}, in {len(due.sheets)} numbers")
        if request.full:
            lines.append("feed: and all open cases")
        recent = outbox.recent(HAND_OVER, brake.recent)
        stop = held_back(HAND_OVER, len(due.items), recent, brake)
        goes_on = outbox.was_released(HAND_OVER, len(due.items))
        lines += [f"would stop: {stop}"] if stop and not goes_on else []
        for receiver in place.options.receivers:
            waiting = outbox.counts(receiver.name).get("waiting", 0)
            lines.append(f"{receiver.name}: {waiting} waiting from earlier")
    return Report((*lines, "nothing was changed"))


def dead_letters(place: Place) -> Report:
    """List what receivers refused for good, and why."""
    with _copy(place) as outbox:
        dead = outbox.dead()
    lines = [
        f"{p.receiver}: {p.case_id} revision {p.revision}, tried {p.tries}: {p.error}" for p in dead
    ]
    end = "put one back with siluan deliver --retry CASE" if dead else "there are no dead letters"
    return Report((*lines, end), ExitCode.SET_ASIDE if dead else ExitCode.DONE)


def put_back(place: Place, case_id: str) -> Report:
    """Let the dead letters of a case wait again; the next hand-over sends them.

    Raises
    ------
    ConfigurationError
        It has none.
    """
    with open_outbox(place) as outbox:
        count = outbox.put_back(case_id)
    if not count:
        raise ConfigurationError(f"{case_id} has no dead letter", "See siluan deliver --dead")
    return Report((f"{case_id}: {count} put back; run siluan deliver",))


def forget(place: Place, name: str) -> Report:
    """Forget a receiver that the office file no longer names.

    Raises
    ------
    ConfigurationError
        It is still named, or was never given anything.
    """
    if any(r.name == name for r in place.options.receivers):
        raise ConfigurationError(f"{name} is in the office file", "Take it out there first")
    with open_outbox(place) as outbox:
        if name not in outbox.names():
            raise ConfigurationError(f"nothing was ever given to {name}", "Check the name")
        left = outbox.forget(name)
    return Report((f"{name} is forgotten, with {left} deliveries that it never took",))


@contextmanager
def _copy(place: Place) -> Generator[Outbox]:
    """Open a copy of the outbox, so that looking changes nothing."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "outbox.sqlite"
        if place.outbox.is_file():
            there = f"{place.outbox.resolve().as_uri()}?mode=ro"
            with (
                closing(sqlite3.connect(there, uri=True)) as source,
                closing(sqlite3.connect(path)) as target,
            ):
                source.backup(target)
        with closing(Outbox(path)) as outbox:
            outbox.set_up()
            yield outbox
