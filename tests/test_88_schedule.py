"""On a clock: what is due and when, what is remembered, what is told. No process is started."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families
from pydantic import BaseModel, ValidationError

from pipeline.commands.schedule import (
    Scheduler,
    _install,  # pyright: ignore[reportPrivateUsage]
    check_asked,
)
from pipeline.config import Workflow
from pipeline.errors import ConfigurationError, DiskFullError
from pipeline.io import atomic
from pipeline.io.alerts import Alerts, payload, tell
from pipeline.io.cron import Schedule
from pipeline.io.timed import TIMED
from pipeline.ledger.lock import held_by, hold
from pipeline.passes.inspect_workflow import InspectWorkflow
from pipeline.passes.recheck_workflow import RecheckWorkflow
from pipeline.schedule import units as units_module
from pipeline.schedule.clock import Clock, worst
from pipeline.schedule.due import begun, checked, due, interrupted, settled
from pipeline.schedule.listed import Listed, list_workflows, misspelt, read_listed
from pipeline.schedule.memory import read_memory, write_memory
from pipeline.schedule.runs import Run, note, read_runs
from pipeline.schedule.standing import standing_of
from pipeline.schedule.starting import LOG_BYTES, rotate
from pipeline.schedule.telling import for_people, for_programs, for_prometheus, summary
from pipeline.schedule.units import (
    calendar_of,
    cron_line,
    how_to_enable,
    left_behind,
    too_long_for_windows,
    units_of,
    write_units,
)

MONDAY = datetime(2026, 11, 22, 21, tzinfo=UTC)  # 05:00 of Monday the 23rd in Shanghai
WEEKLY = Schedule(cron="0 5 * * 1")


@pytest.mark.parametrize(
    ("cron", "said"),
    [
        ("0 5 31 2 *", "'0 5 31 2 *' never fires"),
        ("0 5 * *", "has 4 fields and needs five"),
        ("61 5 * * *", "out of range"),
        ("0 5 * * 8", "out of range"),
        ("0 20-6 * * *", "runs back"),
        ("0 5 * * L", "is wrong"),
        ("0 5 * * L5", "is wrong at 'L5'"),
        ("0 5 * * l5", "is wrong at 'l5'"),
        ("@weekly", "has 1 fields"),
    ],
)
def test_a_wrong_cron_line_is_named(cron: str, said: str) -> None:
    with pytest.raises(ValidationError, match=said.replace("*", r"\*")):
        Schedule(cron=cron)


def test_a_wrong_zone_is_named() -> None:
    with pytest.raises(ValidationError, match="no time zone is called 'Asia/Zhuzhou'"):
        Schedule(cron="0 5 * * 1", zone="Asia/Zhuzhou")


def test_zones_and_the_very_minute() -> None:
    assert WEEKLY.last(MONDAY) == MONDAY
    assert WEEKLY.last(MONDAY + timedelta(seconds=59)) == MONDAY
    assert WEEKLY.last(MONDAY - timedelta(seconds=1)) == MONDAY - timedelta(days=7)
    assert WEEKLY.next(MONDAY) == MONDAY + timedelta(days=7)


def test_clocks_that_go_forward_and_back() -> None:
    berlin = Schedule(cron="30 2 * * *", zone="Europe/Berlin")
    times, at = [], datetime(2026, 3, 28, 12, tzinfo=UTC)
    for _ in range(2):
        at = berlin.next(at)
        times.append(f"{at:%m-%d %H:%M}")
    assert times == ["03-29 01:30", "03-30 00:30"]  # 02:30 does not exist: 03:30 instead
    first = berlin.next(datetime(2026, 10, 24, 12, tzinfo=UTC))
    assert (first, berlin.next(first)) == (
        datetime(2026, 10, 25, 0, 30, tzinfo=UTC),  # the first 02:30, and not the second
        datetime(2026, 10, 26, 1, 30, tzinfo=UTC),
    )
    assert berlin.last(datetime(2026, 10, 25, 1, 30, tzinfo=UTC)) == first
    hourly = Schedule(cron="30 * * * *", zone="Europe/Berlin")
    hours = [first]
    for _ in range(3):
        hours.append(hourly.next(hours[-1]))
    assert [b - a for a, b in pairwise(hours)] == [timedelta(hours=1)] * 3
    assert [hourly.last(at + timedelta(minutes=59)) for at in hours] == hours
    forward = datetime(2026, 3, 28, 22, 30, tzinfo=UTC)
    spring = [forward]
    for _ in range(4):
        spring.append(hourly.next(spring[-1]))
    assert [b - a for a, b in pairwise(spring)] == [timedelta(hours=1)] * 4


@settings(max_examples=25, deadline=None)
@given(
    minute=st.sampled_from(["0", "*/7", "3,59"]),
    hour=st.sampled_from(["*", "2", "0-4"]),
    day=st.sampled_from(["*", "29", "1,15"]),
    week=st.sampled_from(["*", "1", "mon-fri"]),
    zone=st.sampled_from(["Asia/Shanghai", "Europe/Berlin", "Australia/Lord_Howe"]),
    minutes=st.integers(0, 2 * 366 * 24 * 60),
)
def test_last_and_next_hold_the_time_between_them(
    minute: str, hour: str, day: str, week: str, zone: str, minutes: int
) -> None:
    now = datetime(2025, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    schedule = Schedule(cron=f"{minute} {hour} {day} * {week}", zone=zone)
    last, following = schedule.last(now), schedule.next(now)
    assert last <= now < following
    assert schedule.next(last) == following
    assert schedule.last(following) == following


def test_what_was_missed_is_caught_up_once() -> None:
    memory = checked(None, WEEKLY, MONDAY + timedelta(days=1))
    assert due(memory, WEEKLY, MONDAY + timedelta(days=1)) is None  # a new workflow waits
    back = MONDAY + timedelta(days=30)
    at = due(memory, WEEKLY, back)
    assert at == MONDAY + timedelta(days=28)
    after = settled(begun(memory, at), WEEKLY, 10, back)
    assert due(after, WEEKLY, back) is None


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(-40 * 24 * 60, 40 * 24 * 60), max_size=12))
def test_a_clock_that_jumps_makes_at_most_one_run_a_due_time(jumps: list[int]) -> None:
    now, memory, ran = MONDAY, None, list[datetime]()
    for jump in [*jumps, 0, 8 * 24 * 60]:
        now += timedelta(minutes=jump)
        memory = checked(memory, WEEKLY, now)
        at = due(memory, WEEKLY, now)
        if at is not None:
            assert at <= now
            ran.append(at)
            memory = settled(begun(memory, at), WEEKLY, 0, now)
        assert due(memory, WEEKLY, now) is None
        assert memory.done <= now + timedelta(days=1)
    assert ran  # a week without a jump has one, whatever was before


def test_what_is_tried_again_and_what_is_not() -> None:
    schedule = Schedule(cron="0 5 * * 1", retries=2)
    memory = checked(None, schedule, MONDAY - timedelta(days=1))
    now, tries = MONDAY, 0
    while (at := due(memory, schedule, now)) is not None:
        memory, tries = settled(begun(memory, at), schedule, 137, now), tries + 1
        assert due(memory, schedule, now) is None
        now += timedelta(minutes=30)
    assert tries == 3
    fresh = checked(None, schedule, MONDAY - timedelta(days=1))
    held = settled(begun(fresh, MONDAY), schedule, 4, MONDAY)
    assert (held.tries, due(held, schedule, MONDAY)) == (0, None)
    assert due(settled(begun(fresh, MONDAY), schedule, 70, MONDAY), schedule, now) is None
    assert due(interrupted(begun(fresh, MONDAY)), schedule, MONDAY) == MONDAY


@dataclass
class Fake:
    """A process that ends when it is told."""

    pid: int
    code: int | None = None

    def poll(self) -> int | None:
        return self.code

    def terminate(self) -> None:
        self.code = -signal.SIGTERM

    def kill(self) -> None:
        self.code = -signal.SIGKILL


@dataclass
class World:
    now: datetime
    started: list[tuple[str, Fake]] = field(default_factory=list)

    def start(self, one: Listed) -> Fake:
        fake = Fake(2**22 + len(self.started))
        self.started.append((one.name, fake))
        return fake

    def clock(self, workflows: tuple[Listed, ...]) -> Clock:
        return Clock(workflows, start=self.start, now=lambda: self.now)


def write(folder: Path, name: str, **keys: Any) -> Path:
    content = {"name": name, "state": "state", "out": f"out/{name}", **keys}
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


@pytest.fixture
def two(tmp_path: Path) -> tuple[Listed, ...]:
    for name in ("a", "b"):
        write(tmp_path, name, schedule={"cron": "0 5 * * 1"})
    write(tmp_path, "c", kind="inspect")
    return list_workflows([tmp_path]).every()


def test_workflows_of_one_state_take_turns_and_none_overlaps_itself(
    two: tuple[Listed, ...],
) -> None:
    world = World(MONDAY - timedelta(hours=1))
    clock = world.clock(two)
    assert clock.step() == 30
    world.now = MONDAY
    clock.step()
    assert [n for n, _ in world.started] == ["a"]
    world.now = MONDAY + timedelta(days=7, hours=1)  # it runs for more than a week
    clock.step()
    assert len(world.started) == 1
    world.started[0][1].code = 0
    clock.step()
    clock.step()
    # The next time of a has come meanwhile, and b has waited longer.
    assert [n for n, _ in world.started] == ["a", "b"]
    world.started[1][1].code = -11
    clock.step()
    assert [n for n, _ in world.started] == ["a", "b", "a"]
    assert [r.code for r in read_runs(two[0].runs)] == [0]
    assert [r.code for r in read_runs(two[1].runs)] == [139]


def test_a_clock_that_is_ended_begins_the_run_again(two: tuple[Listed, ...]) -> None:
    world = World(MONDAY - timedelta(hours=1))
    world.clock(two[:1]).step()
    world.now = MONDAY
    clock = world.clock(two[:1])
    clock.step()
    clock.stop(grace_s=1)
    assert [r.code for r in read_runs(two[0].runs)] == [143]
    world.now += timedelta(minutes=3)
    world.clock(two[:1]).step()
    assert len(world.started) == 2
    # A clock that is killed, with its machine, forgets the run it had begun, and begins it again.
    world.clock(two[:1]).step()
    assert len(world.started) == 3


def test_one_look_starts_none_twice(two: tuple[Listed, ...]) -> None:
    world = World(MONDAY - timedelta(hours=1))
    clock = world.clock(two[:1])
    clock.once = True
    clock.step()
    world.now = MONDAY
    clock.step()
    world.started[0][1].code = 0
    world.now += timedelta(days=7)  # due again meanwhile
    clock.step()
    assert (len(world.started), clock.busy) == (1, False)


def test_a_held_ledger_is_waited_for(two: tuple[Listed, ...]) -> None:
    world = World(MONDAY - timedelta(hours=1))
    clock = world.clock(two[:1])
    clock.step()
    world.now = MONDAY
    ledger = two[0].state / "ledger.sqlite"
    with hold(ledger):
        assert held_by(ledger) is not None
        clock.step()
        assert not world.started
    assert held_by(ledger) is None
    clock.step()
    assert len(world.started) == 1


def test_a_killed_run_leaves_a_number_and_holds_nothing(tmp_path: Path) -> None:
    (tmp_path / "ledger.sqlite.lock").write_text("1\n")
    assert held_by(tmp_path / "ledger.sqlite") is None


@pytest.mark.parametrize(
    ("line", "holder"),
    [
        ("1: FLOCK  ADVISORY  WRITE 77 08:01:{inode} 0 EOF", 77),
        ("1: FLOCK  ADVISORY  WRITE 78 08:02:{inode} 0 EOF", None),  # of another file system
        ("1: -> FLOCK  ADVISORY  WRITE 77 08:01:{inode} 0 EOF", None),
        ("1: FLOCK  ADVISORY  WRITE 77 08:01:9{inode} 0 EOF", None),
        ("1: FLOCK", None),
    ],
)
def test_a_lock_of_another_file_or_one_that_waits_holds_nothing(
    tmp_path: Path, line: str, holder: int | None
) -> None:
    file, locks = tmp_path / "ledger.sqlite.lock", tmp_path / "locks"
    file.write_text("77\n")
    listed = line.format(inode=file.stat().st_ino)
    locks.write_text(f"0: POSIX  ADVISORY  READ 5 00:05:1 0 EOF\n{listed}\n")
    assert held_by(tmp_path / "ledger.sqlite", locks) == holder


@pytest.mark.parametrize("damage", [b"", b"{", b'{"done": "2026-01-01T00:00:00"}', b"\xff"])
def test_a_damaged_memory_is_no_memory(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "m.json"
    memory = begun(checked(None, WEEKLY, MONDAY), MONDAY)
    write_memory(path, memory)
    assert read_memory(path) == memory
    path.write_bytes(damage)
    assert read_memory(path) is None


def test_runs_are_read_past_a_torn_line(tmp_path: Path) -> None:
    path = tmp_path / "a.runs.jsonl"
    note(path, Run(1, MONDAY))
    note(path, Run(1, MONDAY, MONDAY + timedelta(minutes=2), 10))
    with path.open("a") as file:
        file.write('{"pid": 2, "beg')
    assert [(r.code, r.seconds) for r in read_runs(path)] == [(10, 120)]
    note(path, Run(3, MONDAY + timedelta(days=1)))
    assert [r.pid for r in read_runs(path)] == [1, 3]


def test_logs_are_rotated(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    for n in range(7):
        path.write_bytes(b"%d" % n + b"x" * LOG_BYTES)
        rotate(path)
    assert sorted(p.name for p in tmp_path.iterdir()) == [f"a.log.{n}" for n in range(1, 5)]
    assert (tmp_path / "a.log.1").read_bytes()[:1] == b"6"


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("schdule", "schedule"),
        ("Schedule", "schedule"),
        ("alert", "alerts"),
        ("monitors", "monitor"),
        ("inboxes", "inbox"),
    ],
)
def test_a_misspelt_key_of_the_clock_is_no_workflow_by_hand(
    tmp_path: Path, key: str, meant: str
) -> None:
    write(tmp_path, "a", **{key: {"cron": "0 5 * * 1"}})
    write(tmp_path, "b", near=1, notes=2)  # what `siluan run` says
    found = list_workflows([tmp_path])
    assert [w.name for w in found.good] == ["b"]
    assert f"unknown key '{key}' (did you mean '{meant}'?)" in str(found.wrong[0].why)


@pytest.mark.parametrize("kind", [Workflow, InspectWorkflow, RecheckWorkflow])
def test_no_key_of_a_kind_of_workflow_is_called_misspelt(kind: type[BaseModel]) -> None:
    names = {n for name, f in kind.model_fields.items() for n in (name, f.alias) if n}
    assert {n for n in names if misspelt(n)} == set()
    assert names >= set(TIMED)


def test_every_workflow_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    write(tmp_path, "a", schedule={"cron": "0 5 30 2 *"})
    write(tmp_path, "b", schedule={"cron": "x"})
    with pytest.raises(ConfigurationError, match=r"a\.yaml.*never fires.*b\.yaml.*needs five"):
        list_workflows([tmp_path]).every()
    twins = [write(tmp_path, "a"), tmp_path / "twin.yaml"]
    shutil.copy(*twins)
    with pytest.raises(ConfigurationError, match="are both called a"):
        list_workflows(twins).every()


def test_the_worst_code_is_heard() -> None:
    assert [int(worst(c)) for c in ([], [0, 10], [10, 3], [70, 2], [139, 0])] == [0, 10, 3, 70, 143]


def test_calendars_of_systemd() -> None:
    assert calendar_of(WEEKLY) == ("Mon *-*-* 05:00:00 Asia/Shanghai",)
    either = Schedule(cron="*/30 1-3 1 6 0", zone="UTC")
    assert calendar_of(either) == (
        "*-06-01 01,02,03:00,30:00 UTC",
        "Sun *-06-* 01,02,03:00,30:00 UTC",
    )


def test_a_day_that_begins_with_a_star_restricts_as_in_crontab() -> None:
    both = Schedule(cron="0 5 */10 * Mon", zone="UTC")  # the 1st, 11th, 21st, 31st, if a Monday
    found, at = list[str](), datetime(2026, 1, 1, tzinfo=UTC)
    for _ in range(2):
        at = both.next(at)
        found.append(f"{at:%m-%d %a}")
    assert found == ["05-11 Mon", "06-01 Mon"]
    assert both.last(at) == at
    assert calendar_of(both) == ("Mon *-*-01,11,21,31 05:00:00 UTC",)


def test_a_run_by_hand_after_the_due_time_is_the_run(
    two: tuple[Listed, ...], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="siluan")
    world = World(MONDAY - timedelta(hours=1))
    clock = world.clock(two[:1])
    clock.step()
    early, later = MONDAY - timedelta(minutes=1), MONDAY + timedelta(minutes=1)
    note(two[0].runs, Run(1, early, MONDAY + timedelta(minutes=2), 0))
    note(two[0].runs, Run(1, later, later, 70))
    note(two[0].runs, Run(2, later, later, 0, part=True))  # of one corridor, or other dates
    world.now = MONDAY + timedelta(hours=1)
    clock.step()
    assert len(world.started) == 1  # none of them answers it
    world.started[0][1].code = 2
    clock.step()
    assert "ended with 2 (configuration or arguments wrong, nothing started) after" in caplog.text
    assert f" s: see {two[0].log}" in caplog.text
    world.now = MONDAY + timedelta(days=7, hours=1)
    by_hand = world.now - timedelta(minutes=30)
    note(two[0].runs, Run(1, by_hand, by_hand, 10))
    clock.step()
    assert len(world.started) == 1
    assert "a has run already for 2026-11-29 21:00Z" in caplog.text


def test_what_is_asked_without_install_starts_no_clock(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="--as, --user and --out go with --install"):
        check_asked(install=False, once=False, beside=True)
    with pytest.raises(ConfigurationError, match="--once runs what is due"):
        check_asked(install=True, once=True, beside=False)
    assert too_long_for_windows([Path("x" * 300)]) > 300 - 261
    assert too_long_for_windows([Path("x")]) == 0


def test_a_line_for_cron_names_what_was_typed_and_old_units_are_named(
    two: tuple[Listed, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _install(list(two), [tmp_path], Scheduler.CRON, False, None)
    assert f" schedule {tmp_path} --once" in capsys.readouterr().out
    out = tmp_path / "units"
    write_units(units_of(two, user=True), True, out)
    (out / "siluan-theirs.timer").write_text("[Timer]\n")
    assert left_behind(out, [*units_of(two[:1], user=True)]) == ["siluan-b.timer"]


def test_units_are_written_over_no_foreign_file(two: tuple[Listed, ...], tmp_path: Path) -> None:
    units = units_of(two, user=True)
    out = tmp_path / "units"
    assert write_units(units, True, out)[1] == write_units(units, True, out)[1]
    (out / "siluan-b.timer").write_text("[Timer]\n")
    before = (out / "siluan-a.timer").read_bytes()
    with pytest.raises(ConfigurationError, match=r"siluan-b\.timer in .*not written by siluan"):
        write_units({k: v + "#\n" for k, v in units.items()}, True, out)
    assert (out / "siluan-a.timer").read_bytes() == before
    assert "RestartSec=30min" in units["siluan-a.service"]
    assert cron_line([Path("/a b/50%.yaml")]).count("\\%") == 1


@pytest.mark.parametrize("moving", [False, True])
@pytest.mark.parametrize("there", [False, True])
def test_units_are_written_all_or_none(
    two: tuple[Listed, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    moving: bool,
    there: bool,
) -> None:
    units, out = units_of(two, user=True), tmp_path / "a" / "units"
    if there:
        write_units(units, True, out)
    before = {p.name: p.read_bytes() for p in out.glob("*")}
    real, calls = Path.replace, list[Path]()

    def refuse(path: Path, *_: object) -> None:
        calls.append(path)
        if len(calls) == 3:
            raise OSError(errno.ENOSPC, "No space left on device")

    def replace(path: Path, target: Path) -> Path:
        refuse(path)
        return real(path, target)

    def write_bytes(path: Path, *data: bytes) -> None:
        refuse(path)
        atomic.write_bytes(path, *data)

    changed = {k: v + "#\n" for k, v in units.items()}
    with monkeypatch.context() as patched:
        if moving:
            patched.setattr(Path, "replace", replace)
        else:
            patched.setattr(units_module, "write_bytes", write_bytes)
        with pytest.raises(DiskFullError, match=f"no space is left.*{out}"):
            write_units(changed, True, out)
    assert {p.name: p.read_bytes() for p in out.glob("*")} == before
    assert (tmp_path / "a").exists() is there
    write_units(changed, True, out)
    assert {p.name: p.read_text() for p in out.iterdir()} == changed


def test_a_folder_that_takes_no_units_is_refused(
    two: tuple[Listed, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    units, file = units_of(two, user=True), tmp_path / "file"
    file.touch()
    for out, why in ((file, "it is a file"), (file / "units", "Not a directory")):
        with pytest.raises(ConfigurationError, match=rf"{out} cannot be written \({why}\)"):
            write_units(units, True, out)

    def refuse(path: Path, **_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(ConfigurationError, match=r"Read-only file system.*name a folder"):
        write_units(units, True, tmp_path / "units")


def test_no_unit_takes_the_name_of_another(tmp_path: Path) -> None:
    inbox = {"folder": "drops"}
    for name, keys, said in (
        ("a-inbox", {"schedule": {"cron": "0 5 * * 1"}}, "of the workflow a and one of a-inbox"),
        ("a", {"inbox": inbox, "state": "other"}, "two workflows are called a,"),
    ):
        folder = tmp_path / name
        folder.mkdir()
        paths = [write(tmp_path, "a", inbox=inbox), write(folder, name, **keys)]
        with pytest.raises(ConfigurationError, match=said):
            units_of(list_workflows(paths).every(), user=True)


def test_a_name_that_is_not_utf8_starts_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    times = {"schedule": {"cron": "0 5 * * 1"}}
    good = write(tmp_path, "a", **times)
    bad = Path(os.fsdecode(os.fsencode(tmp_path) + "/湘江.yaml".encode("gbk")))
    try:
        write(tmp_path, "b", **times).rename(bad)
    except OSError:
        pytest.skip("this disk takes no such name")
    listed, out = list_workflows([good, bad]).every(), tmp_path / "units"
    said = r"the name of .*\\xcf.*\.yaml, .* is not UTF-8"
    with pytest.raises(ConfigurationError, match=said):
        _install(list(listed), [tmp_path], Scheduler.SYSTEMD, True, out)
    assert not out.exists()
    with pytest.raises(ConfigurationError, match=said):
        _install(list(listed), [bad], Scheduler.CRON, False, None)
    _install(list(listed), [tmp_path], Scheduler.CRON, False, None)  # the folder can be said
    assert capsys.readouterr().out.startswith("*/5 ")


def test_a_user_is_told_when_timers_would_stop() -> None:
    assert "\nloginctl enable-linger " in how_to_enable(["siluan-a.timer"], True, None)
    assert "linger" not in how_to_enable(["siluan-a.timer"], False, None)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze here")
@pytest.mark.thorough
def test_systemd_takes_the_units(tmp_path: Path) -> None:
    folder = tmp_path / "河 50% $x"
    folder.mkdir()
    lines = ("0 5 * * 1", "*/20 * * * *", "30 2 1,15 * mon-fri", "0 5 29 2 *")
    for n, cron in enumerate(lines):
        write(folder, f"w{n}", schedule={"cron": cron, "zone": "Europe/Berlin"})
    listed = list_workflows([folder]).every()
    out, names = write_units(units_of(listed, user=False), False, tmp_path / "units")
    # KillMode etc. are checked by the same reader that systemd itself uses.
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *(str(out / n) for n in names)],
        capture_output=True,
        text=True,
        check=False,
    )
    said = [line for line in done.stderr.splitlines() if "siluan-" in line]
    assert not said, done.stderr
    for one in listed:
        assert one.schedule is not None
        found = [_elapses(event) for event in calendar_of(one.schedule)]
        assert min(found) == one.schedule.next(datetime.now(UTC)), one.schedule.cron


def _elapses(event: str) -> datetime:
    done = subprocess.run(
        ["systemd-analyze", "calendar", event], capture_output=True, text=True, check=True
    )
    line = next(s for s in done.stdout.splitlines() if "(in UTC)" in s or "Next elapse" in s)
    utc = next((s for s in done.stdout.splitlines() if "(in UTC)" in s), line)
    words = utc.split(": ", 1)[1].split()
    return datetime.fromisoformat(f"{words[1]} {words[2]}").replace(tzinfo=UTC)


def report(one: Listed, **keys: Any) -> None:
    assert one.out is not None
    folder = one.out / "2026"
    folder.mkdir(parents=True)
    aside = [
        {"what": "x.tif", "reason": "damaged", "remedy": "Copy it again"},
        {"what": "y", "reason": "cloud", "remedy": ""},
    ]
    seen = {"tiny": {"newest_clear": "2026-11-20T03:00:00Z"}, "far": {"newest_clear": None}}
    content = {"set_aside": aside, "counts": {"corridors": seen, **keys}}
    (folder / "run.json").write_text(json.dumps(content))
    (one.out / "latest").symlink_to("2026")


@pytest.fixture
def standing(tmp_path: Path) -> Listed:
    monitor = {"inbox": "inbox", "inbox_waits": 2, "disk_gb": 0, "disk_critical_gb": 0}
    path = write(tmp_path, "a", schedule={"cron": "0 5 * * 1"}, monitor=monitor)
    one = read_listed(path)
    (tmp_path / "inbox").mkdir()
    for name in ("渌水", ".渌水.part", "accepted", "渌水_回执.html", "飞行登记表.html"):
        (tmp_path / "inbox" / name).mkdir()
    return one


def test_how_a_workflow_stands(standing: Listed) -> None:
    now = MONDAY + timedelta(hours=1)
    fresh = standing_of(standing, now)
    assert (fresh.level, fresh.last, fresh.inbox, fresh.outbox) == (1, None, 1, None)
    note(standing.runs, Run(1, MONDAY, MONDAY + timedelta(minutes=3), 0))
    assert standing_of(standing, now).level == 0
    report(standing)
    box = standing.state / "outbox" / "outbox.sqlite"
    box.parent.mkdir()
    with sqlite3.connect(box) as database:
        database.execute("create table queue (state text)")
        database.executemany("insert into queue values (?)", [("waiting",), ("dead",), ("dead",)])
    database.close()
    s = standing_of(standing, now)
    assert s.outbox == {"waiting": 1, "dead": 2}
    assert [a["what"] for a in s.set_aside] == ["x.tif"]
    words = "\n".join(for_people(standing, s, now))
    assert s.good == MONDAY + timedelta(minutes=3)
    when = "next run   2026-11-30 05:00 Asia/Shanghai (0 5 * * 1), no `siluan schedule` is running"
    for said in ("code 0, 3.0 min", when, "2 dead letters", "Copy it"):
        assert said in words
    assert "corridor far was last seen clearly never" in words
    assert "corridor tiny" not in words
    assert json.loads(json.dumps(for_programs([s], now)))["level"] == 1


def bad_endings() -> Iterator[tuple[Run, timedelta, int, str]]:
    minute = timedelta(minutes=1)
    yield Run(1, MONDAY, MONDAY + minute, 70), minute, 2, "ended with 70: a bug"
    yield Run(1, MONDAY, MONDAY + minute, 3), minute, 1, "could not be reached"
    yield Run(2**22 + 5, MONDAY), minute, 1, "was killed"
    yield Run(1, MONDAY, MONDAY, 0), timedelta(days=7, hours=7), 1, "it is due for 7.0 h"
    yield Run(1, MONDAY, MONDAY, 0), timedelta(days=8), 2, "it is due for 1.0 d"


@pytest.mark.parametrize(("run", "later", "level", "said"), list(bad_endings()))
def test_what_is_not_fine(
    standing: Listed, run: Run, later: timedelta, level: int, said: str
) -> None:
    note(standing.runs, run)
    s = standing_of(standing, MONDAY + later)
    assert (s.level, len(s.findings)) == (level, 1)
    assert said in s.findings[0][1]


def test_a_clock_a_bad_ending_and_the_last_good_one_are_told(standing: Listed) -> None:
    note(standing.runs, Run(1, MONDAY, MONDAY + timedelta(minutes=3), 10))
    later = MONDAY + timedelta(days=1)
    note(standing.runs, Run(2, later, later, 3))
    with hold(standing.memory):
        s = standing_of(standing, later)
    assert s.clock is not None
    words = "\n".join(for_people(standing, s, later))
    assert "last good  2026-11-23 05:03" in words
    assert f"by the clock of process {s.clock}" in words
    assert summary([s, s]) == "2 workflows, 0 fine; warning: a, a"
    assert 'siluan_clock_running{workflow="a"} 1.0' in for_prometheus([s], later).decode()


def test_a_failed_corridor_is_critical(standing: Listed) -> None:
    report(standing, failed={"far": "a bug"})
    assert (2, "corridor far failed in the last run of it: a bug") in standing_of(
        standing, MONDAY
    ).findings


def test_what_prometheus_reads(standing: Listed) -> None:
    note(standing.runs, Run(1, MONDAY, MONDAY + timedelta(minutes=3), 10))
    report(standing)
    now = MONDAY + timedelta(hours=1)
    text = for_prometheus([standing_of(standing, now)], now).decode()
    samples = {
        (s.name, s.labels.get("corridor")): s.value
        for family in text_string_to_metric_families(text)
        for s in family.samples
    }
    assert samples["siluan_last_run_exit_code", None] == 10
    assert samples["siluan_last_run_duration_seconds", None] == 180
    assert samples["siluan_next_run_timestamp_seconds", None] == WEEKLY.next(now).timestamp()
    seen = datetime(2026, 11, 20, 3, tzinfo=UTC).timestamp()
    assert samples["siluan_clear_look_timestamp_seconds", "tiny"] == seen
    assert ("siluan_clear_look_timestamp_seconds", "far") not in samples


def test_a_command_is_told_and_its_failure_changes_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    out = tmp_path / "told.json"
    code = f"import sys, pathlib; pathlib.Path({str(out)!r}).write_text(sys.stdin.read())"
    alerts = Alerts(command=(sys.executable, "-c", code))
    message = payload("patrol", 70, MONDAY, MONDAY + timedelta(seconds=5))
    assert tell(alerts, message)
    assert json.loads(out.read_text()) == message
    assert set(message) == {"workflow", "code", "meaning", "began", "ended", "seconds"}
    assert not tell(alerts, payload("patrol", 0, MONDAY, MONDAY))
    assert not tell(Alerts(command=("/no/such/program",)), message)
    secret = "http://127.0.0.1:9/hook?token=abc"
    assert not tell(Alerts(webhook=secret), message)
    assert "abc" not in caplog.text
    assert caplog.text.count("was not sent") == 2


@pytest.mark.parametrize("keys", [{}, {"command": ["a"], "webhook": "http://b"}, {"webhook": "b"}])
def test_alerts_go_one_way(keys: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Alerts.model_validate(keys)


def test_all_that_is_wrong_with_alerts_is_named(tmp_path: Path) -> None:
    wrong = {"command": [], "codes": [999, -1, 3], "timeout_s": float("nan")}
    with pytest.raises(ConfigurationError) as said:
        read_listed(write(tmp_path, "a", alerts=wrong))
    for each in (
        "'alerts.command'",
        "'alerts.timeout_s'",
        "'alerts.codes': no exit codes: 999, -1",
    ):
        assert each in str(said.value)


def test_an_address_that_no_library_takes_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    alerts = Alerts.model_validate({"webhook": "https://host:44a/secret", "codes": [70]})
    now = datetime(2026, 7, 1, tzinfo=UTC)
    assert not tell(alerts, payload("patrol", 70, now, now))
    assert "was not sent" in caplog.text
    assert "secret" not in caplog.text


def test_shanghai_has_no_summer_time_that_matters() -> None:
    at = Schedule(cron="0 5 * * *").next(datetime(2026, 7, 1, tzinfo=UTC))
    assert at.astimezone(ZoneInfo("Asia/Shanghai")).hour == 5
