"""What a machine does to the clock: edits while it is off, damage, a wrong time, hooks."""

from __future__ import annotations

import errno
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from test_88_clock_files import idle
from test_88_schedule import MONDAY, WEEKLY, World, write

from pipeline.commands.ending import guard
from pipeline.commands.noting import note_run
from pipeline.errors import ConfigurationError, DiskFullError, ExitCode
from pipeline.io.alerts import Alerts, payload, tell
from pipeline.io.atomic import write_bytes
from pipeline.io.blocks import block_mark, read_layer
from pipeline.io.processes import is_alive, mark_of
from pipeline.passes.failing import Failures
from pipeline.schedule import serving, starting
from pipeline.schedule.clock import Clock
from pipeline.schedule.listed import Listed, list_workflows, read_listed
from pipeline.schedule.memory import read_memory, write_memory
from pipeline.schedule.runs import Run, note, read_runs
from pipeline.schedule.standing import standing_of

DAILY = {"cron": "0 3 * * *"}
FREE = {"disk_gb": 0, "disk_critical_gb": 0}


def listed(folder: Path, **keys: Any) -> Listed:
    keys = {"schedule": {"cron": WEEKLY.cron}, "monitor": FREE} | keys
    return read_listed(write(folder, "a", **keys))


def wait_for(what: Callable[[], bool]) -> bool:
    until = time.monotonic() + 10
    while not what() and time.monotonic() < until:
        time.sleep(0.02)
    return what()


def looked(world: World, one: Listed) -> list[str]:
    """One look of a clock that begins now."""
    Clock((one,), start=world.start, now=lambda: world.now, once=True).step()
    return [name for name, _ in world.started]


def test_times_that_were_edited_while_no_clock_ran_wait_for_the_next(tmp_path: Path) -> None:
    world = World(MONDAY - timedelta(hours=1))
    assert not looked(world, listed(tmp_path))
    world.now = MONDAY - timedelta(minutes=30)
    edited = listed(tmp_path, schedule=DAILY)  # 03:00 was one and a half hours ago
    assert not looked(world, edited)
    world.now += timedelta(days=1)
    assert looked(world, edited) == ["a"]


def test_what_was_due_before_the_edit_is_still_caught_up(tmp_path: Path) -> None:
    world = World(MONDAY - timedelta(hours=1))
    assert not looked(world, listed(tmp_path))
    world.now = MONDAY + timedelta(hours=1)  # missed
    assert looked(world, listed(tmp_path, schedule=DAILY)) == ["a"]


def test_a_retry_waits_as_long_as_the_workflow_says(tmp_path: Path) -> None:
    """Two hours were cut down to none: all tries were spent within minutes."""
    world = World(MONDAY - timedelta(hours=1))
    one = listed(tmp_path, schedule={"cron": WEEKLY.cron, "retry_minutes": 120})
    assert not looked(world, one)
    memory, world.now = read_memory(one.memory), MONDAY + timedelta(minutes=10)
    assert memory is not None
    later = replace(memory, pending=MONDAY, tries=1, not_before=MONDAY + timedelta(hours=2))
    write_memory(one.memory, later, one.schedule)
    assert not looked(world, one)
    world.now = MONDAY + timedelta(hours=2, minutes=1)
    assert looked(world, one) == ["a"]


def test_an_edit_of_the_times_accuses_no_clock(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="siluan")
    world = World(MONDAY + timedelta(hours=1))
    assert not looked(world, listed(tmp_path, schedule=DAILY))
    assert not looked(world, listed(tmp_path))  # from daily to Mondays
    assert "the clock was wrong" not in caplog.text


@pytest.mark.parametrize("ran", [True, False])
def test_a_damaged_memory_is_said_and_made_of_the_list_of_runs(
    tmp_path: Path, ran: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="siluan")
    one = listed(tmp_path)
    if ran:
        began = MONDAY - timedelta(days=6)
        note(one.runs, Run(1, began, began, 0))
    one.memory.parent.mkdir(parents=True, exist_ok=True)
    one.memory.write_text("x")
    (finding,) = (f for f in standing_of(one, MONDAY).findings if "remembers" in f[1])
    assert (finding[0], str(one.memory) in finding[1]) == (2, True)
    # A time that passed unanswered is caught up where it is known that it did.
    assert looked(World(MONDAY + timedelta(hours=1)), one) == (["a"] if ran else [])
    assert len(re.findall(r"damaged .*a\.json", caplog.text)) == 1
    assert read_memory(one.memory) is not None


def test_a_list_of_runs_without_a_line_is_no_workflow_that_never_ran(tmp_path: Path) -> None:
    one = listed(tmp_path)
    one.runs.parent.mkdir(parents=True, exist_ok=True)
    one.runs.write_bytes(os.urandom(100))
    ((level, said),) = standing_of(one, MONDAY).findings
    assert (level, str(one.runs) in said, "never run" in said) == (2, True, False)
    note(one.runs, Run(1, MONDAY, MONDAY, 0))
    assert standing_of(one, MONDAY).level == 0


def test_a_run_of_a_clock_that_was_ahead_is_not_the_last_one_for_weeks(tmp_path: Path) -> None:
    one = listed(tmp_path)
    ahead = MONDAY + timedelta(days=21)
    note(one.runs, Run(1, ahead, ahead, 70))
    note(one.runs, Run(2, MONDAY, MONDAY, 0))
    s = standing_of(one, MONDAY + timedelta(hours=1))
    assert (s.level, s.last and s.last.pid, s.good) == (0, 2, MONDAY)


def test_a_state_folder_that_cannot_be_written_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = listed(tmp_path)
    for number, kind in ((errno.EROFS, ConfigurationError), (errno.EDQUOT, DiskFullError)):

        def refuse(path: Path, number: int = number) -> None:
            raise OSError(number, os.strerror(number), str(path))

        monkeypatch.setattr(serving, "hold", refuse)
        with pytest.raises(kind, match=re.escape(str(one.memory.parent))):
            serving.run_clock([one.path], once=True)


def test_a_file_that_breaks_is_said_in_a_sentence(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    one = listed(tmp_path)
    roster = serving.Roster([tmp_path])
    roster.read()
    one.path.write_text("name: [")
    roster.read()
    roster.close()
    (line,) = (r.getMessage() for r in caplog.records)
    assert re.match(r"[-0-9]{10}T[0-9:]{8}Z the clock goes on as before, though ", line)
    assert f"though {one.path} is not valid YAML" in line


def test_a_name_that_names_no_file_is_refused_in_words(tmp_path: Path) -> None:
    for name in ("湘江", "xiang jiang", "-a"):
        path = write(tmp_path, "a")
        path.write_text(path.read_text().replace("name: a", f"name: '{name}'"), "utf-8")
        with pytest.raises(ConfigurationError, match=f"'name' is '{name}': only a to z") as said:
            list_workflows([path])
        assert "pattern" not in str(said.value)


def test_a_process_that_has_ended_and_waits_to_be_asked_is_none() -> None:
    if mark_of(os.getpid()) is None:
        pytest.skip("this system does not list its processes")
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        mark = mark_of(process.pid)
        assert is_alive(process.pid, mark)
        process.kill()
        assert wait_for(lambda: not is_alive(process.pid, mark))
        assert process.returncode is None  # nobody has asked yet


@pytest.mark.parametrize(
    ("state", "threads", "there"), [("S", 1, True), ("Z", 3, True), ("Z", 1, False)]
)
def test_one_whose_threads_still_go_is_there(
    tmp_path: Path, state: str, threads: int, there: bool
) -> None:
    boot = tmp_path / "sys/kernel/random/boot_id"
    boot.parent.mkdir(parents=True)
    boot.write_text("b\n")
    (tmp_path / "7").mkdir()
    between = " 0" * 16
    (tmp_path / "7" / "stat").write_text(f"7 (a) b) {state}{between} {threads} 0 99 0\n")
    assert (mark_of(7, tmp_path) is not None) is there


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="processes are not listed")
def test_a_hook_that_hangs_leaves_nothing_behind(tmp_path: Path) -> None:
    left = tmp_path / "pid"
    script = f"sleep 100 & echo $! > '{left}'; sleep 100"
    alerts = Alerts(command=("/bin/sh", "-c", script), timeout_s=1.0)
    assert not tell(alerts, payload("a", 70, MONDAY, MONDAY))
    child = int(left.read_text())
    assert wait_for(lambda: mark_of(child) is None and not is_alive(child, "ended"))


@pytest.mark.parametrize("reaches", [True, False])
def test_status_says_that_nobody_could_be_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reaches: bool
) -> None:
    monkeypatch.setattr(signal, "signal", idle)  # the command owns its process
    command = [sys.executable, "-c", "" if reaches else "raise SystemExit(1)"]
    one = listed(tmp_path, alerts={"command": command, "codes": [3]})
    with pytest.raises(SystemExit):
        note_run(one.path, lambda: ExitCode.UNREACHABLE, debug=False)
    (run,) = read_runs(one.runs)
    assert (run.code, run.untold) == (3, not reaches)
    said = [what for _, what in standing_of(one, run.began).findings]
    assert any("nobody could be told" in s for s in said) is not reaches
    with pytest.raises(SystemExit):
        note_run(one.path, lambda: ExitCode.DONE, debug=False)
    assert not read_runs(one.runs)[-1].untold


def test_a_log_says_which_run_said_what_and_status_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(starting, "_COMMAND", (sys.executable, "-c", "print('湘江')"))
    one = listed(tmp_path)
    for _ in range(2):
        process = starting.start_run(one)
        while process.poll() is None:
            time.sleep(0.02)
    lines = one.log.read_text("utf-8").splitlines()
    assert lines[1::2] == ["湘江", "湘江"]
    assert all(re.fullmatch(r"== [-0-9]{10}T[0-9:]{8}Z siluan run .*", s) for s in lines[::2])
    note(one.runs, Run(1, MONDAY, MONDAY, 2))
    said = [what for _, what in standing_of(one, MONDAY).findings]
    assert any(f"see {one.log}" in s for s in said)
    os.utime(one.log, (0, 0))  # of another run, before; this one was begun by hand
    assert not any("see " in what for _, what in standing_of(one, MONDAY).findings)


def test_a_folder_in_the_place_of_a_file_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    block = tmp_path / "0_0.blk"
    block.mkdir()
    for read in (lambda: read_layer(str(block), "red"), lambda: block_mark(block)):
        with pytest.raises(OSError, match=re.escape(str(block))):
            read()
    monkeypatch.setattr(signal, "signal", idle)
    with pytest.raises(SystemExit) as left:
        guard(lambda: write_bytes(block, b"x"), debug=False)
    assert left.value.code == ExitCode.CONFIGURATION
    assert f"{block} is a folder where a file belongs" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [block]


def test_an_error_of_the_disk_says_of_which_file(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signal, "signal", idle)

    def work() -> ExitCode:
        raise OSError(errno.EIO, "Input/output error", "/state/0_0.blk")

    with pytest.raises(SystemExit):
        guard(work, debug=False)
    assert "Input/output error: '/state/0_0.blk'" in capsys.readouterr().err
    failures = Failures()
    with failures.of("tiny"):
        work()
    assert "/state/0_0.blk" in failures.counts["failed"]["tiny"]
