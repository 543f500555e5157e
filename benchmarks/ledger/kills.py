"""SIGKILL within transactions: the ledger is always that of the last whole one.

The writer says when a transaction begins and when it has ended; it is killed at a random instant of
that time, as long as transactions took undisturbed. What still comes after it is counted apart.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import random
import signal
import time
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.ledger.made import candidate, context, corridor
from pipeline.ledger import AnyPlace, LedgerPlace, LedgerStore, apply, open_ledger
from pipeline.ledger.codec import dump_case

_STEPS = 100_000
_FIRST = 3  # undisturbed, to see how long they take


@dataclass(frozen=True)
class Killed:
    """What random kills came to."""

    kills: int
    steps: int  # transactions that were finished meanwhile
    torn: int  # ledgers that were neither before nor after a transaction
    inside: int  # kills between the beginning of a transaction and its end
    undone: int  # ... of which nothing was left


def kill_often(place: LedgerPlace, calm: Path, kills: int, seed: int = 7) -> Killed:
    """Kill a process that writes one transaction after another, and look each time.

    Parameters
    ----------
    place : LedgerPlace
        The ledger that is written and killed.
    calm : Path
        A ledger that is led to the same step without a kill.
    """
    dice = random.Random(seed)
    longest_s = _longest(place)  # whatever else this machine has to do
    with open_ledger(calm) as ledger:
        for n in range(_FIRST):
            _one(ledger, n)
        at, torn, inside, undone = _FIRST, 0, 0, 0
        for _ in range(kills):
            # Forked, so that a kill costs no start of an interpreter; nothing is open here.
            ours, its = os.pipe()
            child = multiprocessing.get_context("fork").Process(
                target=_write_on, args=(place, at, its)
            )
            child.start()
            os.close(its)
            for _ in range(dice.choice((1, 1, 1, 3))):  # the first transaction, or the second
                os.read(ours, 1)
            time.sleep(dice.uniform(0.0, longest_s))
            if child.pid is not None:
                os.kill(child.pid, signal.SIGKILL)
            child.join()
            open_still = os.read(ours, 1 << 16).count(b".") % 2 == 0
            os.close(ours)
            with open_ledger(place) as killed:  # the lock went with the process
                step, mark = _step(killed), _mark(killed)
            inside += open_still
            undone += open_still and step == at
            for n in range(at, step):
                _one(ledger, n)
            at = step
            torn += mark != _mark(ledger)
    return Killed(kills, at - _FIRST, torn, inside, undone)


def _longest(place: AnyPlace) -> float:
    """Give how long an undisturbed transaction took at most [s]."""
    longest = 0.0
    with open_ledger(place) as ledger:
        for step in range(_FIRST):
            began = time.perf_counter()
            _one(ledger, step)
            longest = max(longest, time.perf_counter() - began)
    return longest


def _write_on(place: AnyPlace, start: int, told: int) -> None:
    """Write one transaction after another; a dot when one begins, and when it has ended."""
    with open_ledger(place) as ledger:
        for step in range(start, start + _STEPS):
            os.write(told, b".")
            _one(ledger, step)
            os.write(told, b".")


def _one(ledger: LedgerStore, step: int) -> None:
    """Write what the nth run finds: three new cases, and the last ones again with another look."""
    found = [candidate(n) for n in range(3 * step, 3 * step + 3)]
    found += [candidate(n, hits=9) for n in range(max(0, 3 * step - 3), 3 * step)]
    places = tuple(sorted({corridor(n) for n in range(max(0, 3 * step - 3), 3 * step + 3)}))
    apply(ledger, found, replace(context(places, f"run-{step}"), run_id=f"run-{step}"))


def _step(ledger: LedgerStore) -> int:
    events = ledger.events()
    return 1 + max((int(e.run_id.removeprefix("run-")) for e in events), default=-1)


def _mark(ledger: LedgerStore) -> str:
    digest = hashlib.sha256()
    for case in ledger.scan():
        digest.update(dump_case(case).encode() + case.polygon.wkb)
    # Numbers of events that were never committed may be missing in PostgreSQL.
    digest.update(repr(ledger.events()).encode())
    return digest.hexdigest()
