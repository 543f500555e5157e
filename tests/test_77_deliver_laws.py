"""Whatever people, imagery, receivers and kills do in whatever order: in the end all is there."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))
from handover import Office, as_receiver, receiving
from receiver import SECRET

from benchmarks.ledger.handover import kill_deliveries
from pipeline.deliver import service, upkeep
from pipeline.deliver.line import Outcome, Reply
from pipeline.deliver.place import open_outbox
from pipeline.io import failpoints
from pipeline.ledger.status import Mover, Reason, allowed
from pipeline.model import Status

FAULTS = ("", "500", "lost", "422", "403")
POINTS = ("before_page", "page_written", "taken_in", "posted", "marked")
MOVE = st.tuples(st.just("move"), st.integers(0, 2), st.integers(0, 5))
LOOK = st.tuples(st.just("look"), st.just(0), st.just(0))
DELIVER = st.tuples(
    st.just("deliver"),
    st.lists(st.sampled_from(FAULTS), max_size=6),
    st.sampled_from(("", *POINTS)),
)
STEPS = st.lists(st.one_of(MOVE, MOVE, LOOK, DELIVER), min_size=4, max_size=14)


@dataclass
class Memory:
    """A receiver in this process, which fails as it is told to."""

    faults: list[str] = field(default_factory=list)
    held: dict[str, int] = field(default_factory=dict)
    bodies: dict[str, str] = field(default_factory=dict)

    def post_case(self, body: bytes, key: str) -> Reply:
        fault = self.faults.pop(0) if self.faults else ""
        if fault == "500":
            return Reply(Outcome.LATER, "500")
        if fault == "422":
            return Reply(Outcome.REFUSED, "422")
        if fault == "403":
            return Reply(Outcome.DOUBTFUL, "403")
        feature = json.loads(body)
        case, revision = feature["id"], feature["properties"]["revision"]
        digest = hashlib.sha256(body).hexdigest()
        if key in self.bodies:
            assert self.bodies[key] == digest, "one key with two contents"
        else:
            assert revision > self.held.get(case, 0), "out of order"
            self.held[case], self.bodies[key] = revision, digest
        return Reply(Outcome.LATER, "lost") if fault == "lost" else Reply(Outcome.TAKEN, body=b"")


def play(office: Office, memory: Memory, steps: list[Any]) -> None:
    """Let it all happen, then let trouble end."""
    hits = 3
    for what, one, other in steps:
        ids = office.run(hits, hits, hits)
        if what == "look":
            hits += 1
        elif what == "move":
            case = office.cases()[ids[one]]
            ways = allowed(case.status, Mover.PERSON)
            office.say(ways[other % len(ways)], ids[one], reason=Reason.OTHER, note="因")
        else:
            memory.faults = list(one)
            cut_off(office, other)
            office.now += timedelta(hours=2)
    memory.faults = []
    for _ in range(3):
        office.deliver()
        office.now += timedelta(hours=2)
        with open_outbox(office.place()) as outbox:
            dead = {p.case_id for p in outbox.dead()}
        for case_id in dead:
            upkeep.put_back(office.place(), case_id)


def cut_off(office: Office, point: str) -> None:
    failpoints._passages.clear()
    if point:
        os.environ[failpoints.VARIABLE] = f"deliver.{point}=interrupt"
    try:
        office.deliver()
    except KeyboardInterrupt:
        assert point
    finally:
        os.environ.pop(failpoints.VARIABLE, None)


def check(office: Office, memory: Memory) -> None:
    """Hold the feed, the outbox and the receiver against the ledger."""
    numbers = sorted(int(p.stem) for p in office.feed.glob("0*.geojson"))
    assert numbers == list(range(1, len(numbers) + 1))
    said = [entry for n in numbers for entry in office.told(n)]
    assert len({(i, r) for i, r, _ in said}) == len(said), "a revision was handed over twice"
    last = {i: r for i, r, _ in said}
    with open_outbox(office.place()) as outbox:
        held = outbox.held()
    # A new receiver gets what is open: what ended before anything reached it is none of its.
    unheard = {i for i, h in held.items() if h.ended and i not in memory.held}
    assert memory.held == {i: r for i, r in last.items() if i not in unheard}
    assert {i: h.revision for i, h in held.items()} == last
    for case_id, case in office.cases().items():
        if case.held:
            assert last[case_id] == case.revision
            assert not held[case_id].ended
        elif case_id in held:
            assert held[case_id].ended
            if case.status not in (Status.WATCH, Status.SUSPECTED):
                assert held[case_id].status is case.status


def law(monkeypatch: pytest.MonkeyPatch, steps: list[Any]) -> None:
    memory = Memory()

    @contextmanager
    def line(options: object) -> Generator[Memory]:
        yield memory

    with monkeypatch.context() as patched, tempfile.TemporaryDirectory() as folder:
        patched.setenv("CITY_SECRET", SECRET)
        patched.setattr(service, "open_line", line)
        office = Office(Path(folder))
        office.settle(as_receiver("https://city.example", tries=1), page=2)
        office.run(3, 3, 3)
        play(office, memory, steps)
        check(office, memory)


@given(STEPS)
@settings(max_examples=2, deadline=None, derandomize=True)
def test_in_the_end_the_receiver_has_what_was_said_last(steps: list[Any]) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        law(monkeypatch, steps)


@pytest.mark.thorough
@pytest.mark.timeout(1800)
@given(STEPS)
@settings(max_examples=40, deadline=None)
def test_in_the_end_the_receiver_has_what_was_said_last_thorough(steps: list[Any]) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        law(monkeypatch, steps)


@pytest.mark.thorough
@pytest.mark.timeout(600)
def test_killed_at_random_instants_nothing_is_lost_or_doubled(tmp_path: Path) -> None:
    done = kill_deliveries(tmp_path, 10)
    assert (done.wrong, done.lost, done.torn) == ((), 0, 0)
    assert done.cases == 2 * done.steps


@pytest.mark.thorough
@pytest.mark.timeout(600)
def test_killed_at_every_point_for_real(tmp_path: Path) -> None:
    with receiving() as city:
        office = Office(tmp_path)
        answers = {"inbox": "inbox", "settle_s": 0}
        office.settle(as_receiver(city.url, answers=answers), evidence="out", page=2)
        ids = sorted(office.run(3, 3, 3))
        office.pictured(ids[0], 1, b"x", hashlib.sha256(b"x").hexdigest())
        office.issue(*ids)
        (tmp_path / "inbox").mkdir()
        command = [sys.executable, "-c", "from pipeline.cli import main; main()", "deliver"]
        command += ["--state", str(office.state)]
        command += ["--settings", str(tmp_path / "deliver.yaml")]
        base = os.environ | {"CITY_SECRET": SECRET}
        died = Counter[str]()
        answer = f"case_id,revision,status\n{ids[0]},2,已处理\n"
        for point in (*POINTS[:3], "chip_sent", *POINTS[3:], "answered"):
            if point == "answered":
                (tmp_path / "inbox" / "a.csv").write_text(answer, encoding="utf-8")
            env = base | {failpoints.VARIABLE: f"deliver.{point}"}
            done = subprocess.run(command, env=env, capture_output=True, check=False)
            died[point] = int(done.returncode == -signal.SIGKILL)
        assert died == dict.fromkeys(died, 1)
        done = subprocess.run(command, env=base, capture_output=True, check=True, text=True)
        assert "0 waiting, 0 dead letters" in done.stdout
        told = city.state()
        assert {i: told["held"][i] for i in ids} == {
            i: c.revision for i, c in office.cases().items()
        }
        assert told["wrong"] == []
