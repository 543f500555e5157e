"""Times that are edited while one is unanswered, and what a damaged memory is made anew from."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parent))
from test_88_schedule import MONDAY, World, write

from pipeline.schedule.listed import Listed, read_listed
from pipeline.schedule.memory import read_memory, write_memory
from pipeline.schedule.runs import Run, note
from pipeline.schedule.standing import standing_of

WEEKLY = "0 5 * * 1"
MONTHLY = "0 5 1 * *"  # its last time, 31 October 21:00Z, lies before the Monday that was missed
HOURLY = "0 * * * *"


@pytest.fixture
def a(tmp_path: Path) -> Path:
    return write(tmp_path, "a", schedule={"cron": WEEKLY, "retry_minutes": 30, "retries": 2})


def put(path: Path, cron: str) -> Listed:
    content = yaml.safe_load(path.read_text())
    content["schedule"]["cron"] = cron
    path.write_text(yaml.safe_dump(content))
    return read_listed(path)


def on_the_clock(path: Path, at: datetime) -> World:
    """Let a clock see it for the first time an hour before Monday, 05:00, and end."""
    world = World(MONDAY - timedelta(hours=1))
    world.clock((read_listed(path),)).step()
    world.now = at
    return world


@pytest.mark.parametrize("cron", [MONTHLY, HOURLY, "0 6 * * 1"])
def test_a_missed_time_is_caught_up_whatever_the_times_are_now(a: Path, cron: str) -> None:
    world = on_the_clock(a, MONDAY + timedelta(hours=5, minutes=10))
    one = put(a, cron)
    clock = world.clock((one,))
    clock.step()
    assert len(world.started) == 1
    world.started[0][1].code = 0
    clock.step()
    clock.step()
    assert len(world.started) == 1  # the new times wait for their next
    # Nothing was missed of times that had been answered when they were edited.
    world.clock((put(a, "0 7 * * *"),)).step()
    assert len(world.started) == 1


def test_what_was_missed_is_due_for_status_until_it_ran(a: Path) -> None:
    world = on_the_clock(a, MONDAY + timedelta(hours=8))
    one = put(a, MONTHLY)
    clock = world.clock((one,))
    clock.step()
    note(one.runs, Run(1, MONDAY - timedelta(days=6), MONDAY - timedelta(days=6), 0))
    assert standing_of(one, world.now).due_since == MONDAY
    note(one.runs, Run(2, world.now, world.now, 0))
    assert standing_of(one, world.now).due_since is None


@pytest.mark.parametrize("cron", [MONTHLY, "0 6 * * 2"])
def test_a_retry_that_waits_is_not_lost_by_an_edit(a: Path, cron: str) -> None:
    world = on_the_clock(a, MONDAY)
    clock = world.clock((read_listed(a),))
    clock.step()
    world.started[0][1].code = 3
    clock.step()
    clock = world.clock((put(a, cron),))
    world.now += timedelta(minutes=29)
    clock.step()
    assert len(world.started) == 1
    world.now += timedelta(minutes=2)
    clock.step()
    assert len(world.started) == 2
    world.started[1][1].code = 3
    clock.step()
    world.now += timedelta(minutes=31)
    clock.step()
    world.started[2][1].code = 3
    clock.step()
    world.now += timedelta(minutes=31)
    clock.step()
    assert len(world.started) == 3  # two retries, as the workflow says


def test_what_is_edited_during_its_run_does_not_run_again_after_it(a: Path) -> None:
    world = on_the_clock(a, MONDAY)
    clock = world.clock((read_listed(a),))
    clock.step()
    world.now += timedelta(hours=2, minutes=10)
    clock.take((put(a, HOURLY),))
    clock.step()
    world.started[0][1].code = 10
    clock.step()
    clock.step()
    assert len(world.started) == 1
    world.now += timedelta(minutes=50)
    clock.step()
    assert len(world.started) == 2


def test_times_that_nobody_has_any_more_start_nothing_when_the_run_ends(tmp_path: Path) -> None:
    a = write(tmp_path, "a", schedule={"cron": HOURLY})
    world = on_the_clock(a, MONDAY)
    clock = world.clock((read_listed(a),))
    clock.step()
    assert len(world.started) == 1
    world.now += timedelta(minutes=10)
    clock.take((put(a, "0 5 * * 3"),))
    clock.step()
    world.now += timedelta(hours=2)
    world.started[0][1].code = 0
    clock.step()
    clock.step()
    assert len(world.started) == 1


def test_what_a_clock_that_was_ahead_owed_is_forgotten(a: Path) -> None:
    world = on_the_clock(a, MONDAY)
    one = read_listed(a)
    memory = read_memory(one.memory)
    assert memory is not None
    write_memory(
        one.memory, replace(memory, done=MONDAY, owed=MONDAY + timedelta(days=7)), one.schedule
    )
    clock = world.clock((one,))
    clock.step()
    known = read_memory(one.memory)
    assert known is not None
    assert known.owed is None


def test_an_old_time_that_came_during_the_run_is_still_owed(a: Path) -> None:
    world = on_the_clock(a, MONDAY)
    clock = world.clock((read_listed(a),))
    clock.step()
    world.now += timedelta(days=7, hours=1)
    clock.take((put(a, MONTHLY),))
    world.started[0][1].code = 0
    clock.step()
    clock.step()
    assert len(world.started) == 2
    known = read_memory(read_listed(a).memory)
    assert known is not None
    assert known.owed == MONDAY + timedelta(days=7)


def damaged(path: Path) -> Listed:
    one = read_listed(path)
    one.memory.write_text("{")
    return one


@pytest.mark.parametrize("code", [3, 143, None])
def test_a_damaged_memory_forgets_no_retry(a: Path, code: int | None) -> None:
    world = on_the_clock(a, MONDAY + timedelta(minutes=20))
    one = damaged(a)
    ended = None if code is None else MONDAY + timedelta(minutes=10)
    note(one.runs, Run(2**22, MONDAY, ended, code))
    clock = world.clock((one,))
    clock.step()
    assert len(world.started) == (code is None)  # a run that was killed with its machine
    world.now += timedelta(minutes=21)
    clock.step()
    assert len(world.started) == 1


@pytest.mark.parametrize("codes", [(3, 3, 3), (0,), (3, 10), (2,), (10, 3)])
def test_a_damaged_memory_makes_no_run_that_is_not_due(a: Path, codes: tuple[int, ...]) -> None:
    world = on_the_clock(a, MONDAY + timedelta(days=2))
    one = damaged(a)
    for i, code in enumerate(codes):
        at = MONDAY + timedelta(minutes=40 * i)
        note(one.runs, Run(i + 1, at, at + timedelta(minutes=5), code))
    clock = world.clock((one,))
    clock.step()
    assert not world.started
    world.now = datetime(2026, 11, 29, 21, tzinfo=UTC)
    clock.step()
    assert len(world.started) == 1
