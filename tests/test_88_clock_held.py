"""A workflow that is held, blocked or broken stops no other of its clock."""

from __future__ import annotations

import errno
import sys
import threading
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from test_88_clock_files import WEEKLY, idle
from test_88_schedule import MONDAY, Fake, World, write

from pipeline.errors import DiskFullError, ExitCode, LedgerHeldError
from pipeline.ledger.lock import held_by, hold
from pipeline.schedule import clock as clocks
from pipeline.schedule import serving
from pipeline.schedule.clock import Clock
from pipeline.schedule.due import Memory
from pipeline.schedule.listed import Listed, list_workflows, read_listed
from pipeline.schedule.memory import read_memory, write_memory
from pipeline.schedule.runs import note, read_runs
from pipeline.schedule.serving import Roster

NAMES = ("asks", "full", "good", "hangs", "unmounted")
"""What becomes of workflows of one clock, in the order in which they begin."""


@pytest.fixture
def several(tmp_path: Path) -> Path:
    """Workflows with states of their own, all due."""
    folder = tmp_path / "w"
    folder.mkdir()
    for name in NAMES:
        write(folder, name, schedule=WEEKLY, state=str(tmp_path / name / "state"))
        one = read_listed(folder / f"{name}.yaml")
        if name == "unmounted":
            (tmp_path / name).write_text("no folder")
        else:
            write_memory(one.memory, Memory(done=MONDAY - timedelta(days=400)))
    return folder


def test_what_another_clock_has_is_left_out_until_it_lets_go(
    several: Path, caplog: pytest.LogCaptureFixture
) -> None:
    held = read_listed(several / "good.yaml")
    roster = Roster([several])
    with hold(held.memory):
        roster.read()
        assert [w.name for w in roster.workflows] == ["asks", "full", "hangs"]
        assert not roster.changed()
        assert not roster.changed()
    assert {w.name: w.why.code for w in roster.held} == {
        "good": ExitCode.LEDGER_HELD,
        "unmounted": ExitCode.CONFIGURATION,
    }
    assert caplog.text.count("another `siluan schedule` has the workflow good") == 1
    assert caplog.text.count("the clock cannot write to") == 1
    assert roster.changed()
    assert [w.name for w in roster.workflows] == ["asks", "full", "good", "hangs"]
    (several.parent / "unmounted").unlink()
    assert roster.changed()
    assert (len(roster.workflows), roster.held) == (5, ())
    with pytest.raises(LedgerHeldError, match="another `siluan schedule`"):
        Roster([several]).read()
    roster.close()


def test_none_waits_for_one_that_hangs_or_fails(
    several: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    space = list[str]()

    def noted(path: Path, run: Any) -> None:
        if "full" in path.name and not space:
            raise OSError(errno.ENOSPC, "No space left on device")
        note(path, run)

    monkeypatch.setattr(clocks, "note", noted)
    ones = [w for w in list_workflows([several]).good if w.name != "unmounted"]
    world = World(MONDAY)
    clock = world.clock(tuple(ones))
    clock.step()
    assert [n for n, _ in world.started] == ["asks", "full", "good", "hangs"]
    for name, fake in world.started:
        # A cluster that does not answer is 3; one that hangs does not end.
        fake.code = {"asks": 3, "full": 0, "good": 0, "hangs": None}[name]
    for _ in range(3):
        clock.step()
    assert clock.codes == [3, 0, 0]
    asks, full, good, hangs = ones
    assert [r.code for r in read_runs(good.runs)] == [0]
    world.now += timedelta(days=7)
    clock.step()
    # Each has its next time but the one that hangs, and the one whose end cannot be kept.
    assert [n for n, _ in world.started[4:]] == ["asks", "good"]
    assert not read_runs(full.runs)
    space.append("made")
    clock.step()
    clock.step()
    assert [n for n, _ in world.started[6:]] == ["full"]
    assert [(r.ended, r.code) for r in read_runs(full.runs)] == [(MONDAY, 0)]
    known = read_memory(asks.memory)
    assert known is not None
    assert known.tries == 1
    clock.stop(grace_s=1)
    assert [r.code for r in read_runs(hangs.runs)] == [143]


@pytest.mark.parametrize("mended", [False, True])
def test_once_runs_all_that_can_and_says_what_could_not(
    mended: bool,
    several: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    started = list[str]()

    def start(one: Listed) -> Fake:
        started.append(one.name)
        return Fake(len(started), code=0)

    def noted(path: Path, run: Any) -> None:
        if "full" in path.name:
            raise OSError(errno.ENOSPC, "No space left on device")
        note(path, run)

    caplog.set_level("INFO", logger="siluan")
    monkeypatch.setattr(threading.Event, "wait", idle)
    monkeypatch.setattr(serving, "Clock", partial(Clock, start=start))
    if mended:
        (several.parent / "unmounted").unlink()
        assert serving.run_clock([several], once=True) == ExitCode.DONE
        assert started == ["asks", "full", "good", "hangs"]  # a new one waits for its next time
        return
    monkeypatch.setattr(clocks, "note", noted)
    with hold(read_listed(several / "good.yaml").memory):
        assert serving.run_clock([several], once=True) == ExitCode.CONFIGURATION
    assert started == ["asks", "full", "hangs"]
    assert caplog.text.count("full cannot be looked after") == 1


@pytest.mark.parametrize("full", [False, True])
def test_once_keeps_from_the_next_call_only_what_is_at_work(
    several: Path, monkeypatch: pytest.MonkeyPatch, full: bool
) -> None:
    """One run that hung kept all workflows of the line for cron from their times."""
    (several.parent / "unmounted").unlink()
    write(several, "turn", schedule=WEEKLY, state=str(several.parent / "hangs" / "state"))
    ones = {w.name: w for w in list_workflows([several]).good}
    missed = Memory(done=MONDAY - timedelta(days=400))
    write_memory(ones["turn"].memory, missed)
    started, waits, inner = list[tuple[str, Fake]](), list[int](), list[ExitCode]()

    def start(one: Listed) -> Fake:
        code = {"asks": 3, "hangs": None}.get(one.name, 0)
        started.append((one.name, Fake(len(started), code=code)))
        return started[-1][1]

    def remember(path: Path, memory: Memory, schedule: Any = None) -> None:
        if full and path.stem == "full":
            raise DiskFullError("no space is left")
        write_memory(path, memory, schedule)

    def held(name: str) -> bool:
        return held_by(ones[name].memory) is not None

    def wait(*_: object) -> None:
        waits.append(len(waits))
        if len(waits) == 2:  # all have ended by now but one, and another waits for that
            assert [n for n in sorted(ones) if held(n)] == ["hangs", "turn"]
            write_memory(ones["good"].memory, missed)  # its next time has come
            ones["good"].runs.unlink()
            inner.append(serving.run_clock([several], once=True))
            assert [n for n, _ in started][-1] == "good"
        elif len(waits) == 5:
            next(fake for name, fake in started if name == "hangs").code = 0

    monkeypatch.setattr(clocks, "write_memory", remember)
    monkeypatch.setattr(threading.Event, "wait", wait)
    monkeypatch.setattr(serving, "Clock", partial(Clock, start=start))
    code = serving.run_clock([several], once=True)
    first = ["asks", "good", "hangs"] if full else ["asks", "full", "good", "hangs"]
    assert [n for n, _ in started] == [*first, "good", "turn"]
    # What was let go counts all the same, and so does what the next call could not have.
    assert code == (ExitCode.DISK_FULL if full else ExitCode.UNREACHABLE)
    assert inner == [ExitCode.DISK_FULL if full else ExitCode.LEDGER_HELD]
    assert not any(held(n) for n in ones)
