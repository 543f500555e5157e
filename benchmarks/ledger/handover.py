"""SIGKILL while an office writes, decides and hands over: nothing is lost, doubled, out of order.

A step is what a night brings: a run, decisions, and ``siluan deliver`` to a receiver over HTTP.
It is killed at a random instant and begun again. In the end the ledger is that of an office that
nobody disturbed, and the receiver holds of every case the revision, with the content, that an
undisturbed receiver holds.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import signal
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks.ledger.made import candidate, context, corridor
from benchmarks.ledger.receiving import SECRET, SECRET_ENV, Books, Receiver
from pipeline.deliver.place import find_place
from pipeline.deliver.service import DeliverRequest, deliver
from pipeline.io.atomic import write_json
from pipeline.ledger import Command, Edit, apply, change, open_ledger
from pipeline.ledger.codec import dump_case
from pipeline.model import Status

_FIRST = 3  # undisturbed, to see how long they take
_CASES = 2  # new ones a step
_NOW = datetime(2026, 3, 1, 4, tzinfo=UTC)
_NEXT = {
    Status.SUSPECTED: Status.ISSUED,
    Status.ISSUED: Status.VERIFIED,
    Status.VERIFIED: Status.RECTIFYING,
    Status.RECTIFYING: Status.CLOSED,
}


@dataclass(frozen=True)
class HandedOver:
    """What random kills came to."""

    kills: int
    steps: int  # that were finished
    cases: int  # that the receiver holds
    again: int  # deliveries that came once more, with the same content
    wrong: tuple[str, ...]  # what the receiver refused: another content, an older revision ...
    lost: int  # cases of which it does not hold what an undisturbed receiver holds
    torn: int  # 1 where the ledger is not that of the undisturbed office


def kill_deliveries(folder: Path, kills: int, seed: int = 7) -> HandedOver:
    """Kill an office so often while it is at work, and compare it with one that never was."""
    os.environ[SECRET_ENV] = SECRET
    dice = random.Random(seed)
    killed, calm = Receiver(), Receiver()
    try:
        mine, other = _settle(folder / "killed", killed.url), _settle(folder / "calm", calm.url)
        longest_s, at = 0.0, 0
        for at in range(_FIRST):
            began = time.perf_counter()
            _step(mine, at)
            longest_s = max(longest_s, time.perf_counter() - began)
        at += 1
        for _ in range(kills):
            at = _disturbed(mine, at, dice.uniform(0.0, longest_s))
        _step(mine, at)
        _deliver(mine)
        for step in range(at + 1):
            _step(other, step)
        _deliver(other)
        return _outcome(kills, at + 1, (mine, killed.books()), (other, calm.books()))
    finally:
        killed.close()
        calm.close()


def _disturbed(root: Path, at: int, wait_s: float) -> int:
    """Let a process do steps until it is killed; give the step to go on with."""
    ours, its = os.pipe()
    child = multiprocessing.get_context("fork").Process(target=_work_on, args=(root, at, its))
    child.start()
    os.close(its)
    os.read(ours, 1)  # it has begun
    time.sleep(wait_s)
    if child.pid is not None:
        os.kill(child.pid, signal.SIGKILL)
    child.join()
    done = os.read(ours, 1 << 16).count(b".")  # a dot when the next one begins
    os.close(ours)
    return at + done


def _work_on(root: Path, start: int, told: int) -> None:
    for step in range(start, start + 100_000):
        os.write(told, b".")
        _step(root, step)


def _settle(root: Path, url: str) -> Path:
    root.mkdir(parents=True)
    receiver = {
        "name": "city",
        "url": url,
        "secret_env": SECRET_ENV,
        "tries": 2,
        "pause_s": 0,
        "wait_s": 0,
    }
    # JSON is YAML.
    write_json(root / "deliver.yaml", {"receivers": [receiver], "brake": {"floor": 100_000}})
    return root


def _step(root: Path, step: int) -> None:
    """Do what a night brings; done twice it is as if done once."""
    begin = _CASES * step
    found = [candidate(n) for n in range(begin, begin + _CASES)]
    where = context((corridor(begin),), f"run-{step}", spots=True)
    said = _NOW + timedelta(days=step)
    with open_ledger(root / "state" / "ledger.sqlite") as ledger:
        cases = {c.case_id: c for c in apply(ledger, found, where).cases}
        mine = {c.case_id for c in ledger.scan() if c.run_id == where.run_id} & cases.keys()
        told = {e.case_id for e in ledger.events() if e.run_id == f"said-{step}"}
        # Of this step's cases all are issued; of those of the last steps some go on.
        edits = [
            Edit(c.case_id, "王工", said.date(), status=_NEXT[c.status])
            for c in ledger.scan()
            if c.status in _NEXT
            and c.case_id not in told
            and (c.case_id in mine or (c.issued and int(c.case_id[-2:], 16) % 3 == step % 3))
        ]
        change(ledger, edits, Command("siluan cases update", f"said-{step}", said, "0"))
    _deliver(root)


def _deliver(root: Path) -> None:
    place = find_place(None, root / "state", root / "deliver.yaml")
    deliver(DeliverRequest(place, at_once=True, now=lambda: datetime.now(UTC)))


def _outcome(
    kills: int, steps: int, mine: tuple[Path, Books], calm: tuple[Path, Books]
) -> HandedOver:
    held, want = mine[1], calm[1]
    lost = [c for c in want.held.keys() | held.held if _said(held, c) != _said(want, c)]
    return HandedOver(
        kills=kills,
        steps=steps,
        cases=len(held.held),
        again=held.again,
        wrong=(*held.wrong, *want.wrong),
        lost=len(lost),
        torn=int(list(_ledger(mine[0])) != list(_ledger(calm[0]))),
    )


def _said(books: Books, case: str) -> tuple[int | None, Any]:
    return books.held.get(case), books.last.get(case, {}).get("properties")


def _ledger(root: Path) -> Iterable[str]:
    with open_ledger(root / "state" / "ledger.sqlite", writing=False) as ledger:
        yield from (dump_case(case) for case in ledger.scan())
        for event in ledger.events():
            yield json.dumps(asdict(event), default=str)
