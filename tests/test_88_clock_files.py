"""The clock: files that are edited, inboxes, processes that are gone, a machine that dies."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parent))
import tiny
from test_88_schedule import MONDAY, Fake, World, write

from pipeline.commands.noting import in_turn
from pipeline.commands.schedule import timed
from pipeline.commands.status import status
from pipeline.errors import ConfigurationError, ExitCode, LedgerHeldError
from pipeline.io.alerts import Alerts, payload, tell
from pipeline.io.processes import is_alive, mark_of
from pipeline.ledger.lock import held_by, hold
from pipeline.schedule import serving
from pipeline.schedule.clock import Clock
from pipeline.schedule.due import Memory
from pipeline.schedule.inbox import Inboxes
from pipeline.schedule.listed import Listed, list_workflows, read_listed
from pipeline.schedule.memory import read_memory, write_memory
from pipeline.schedule.runs import Run, note, read_runs
from pipeline.schedule.serving import Roster
from pipeline.schedule.standing import standing_of
from pipeline.schedule.starting import inbox_words
from pipeline.schedule.units import units_of, write_units
from pipeline.schedule.verifying import verified

WEEKLY = {"cron": "0 5 * * 1"}
NO_LOCKS = Path("/nowhere/locks")


def test_a_number_that_another_process_has_taken_is_not_the_run(tmp_path: Path) -> None:
    mine = mark_of(os.getpid())
    assert mine is not None
    assert is_alive(os.getpid(), mine)
    assert not is_alive(os.getpid(), "another boot/1")
    path = tmp_path / "a.runs.jsonl"
    note(path, Run(os.getpid(), MONDAY))
    assert read_runs(path)[0].alive
    path.write_text(path.read_text().replace(mine, "another boot/1"))
    assert not read_runs(path)[0].alive
    # An entry of before there were marks: any process of that number counts.
    path.write_text(json.dumps({"pid": os.getpid(), "began": MONDAY.isoformat()}) + "\n")
    assert read_runs(path)[0].alive
    assert not is_alive(2**22 + 1)
    assert mark_of(2**22 + 1) is None


def test_without_a_list_of_locks_the_lock_itself_is_asked(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.sqlite"
    (tmp_path / "ledger.sqlite.lock").write_text(f"{os.getpid()}\n")
    assert held_by(ledger, NO_LOCKS) is None
    with hold(ledger):
        assert held_by(ledger, NO_LOCKS) == os.getpid()
    assert held_by(ledger, NO_LOCKS) is None


def test_a_webhook_that_drips_is_waited_for_once(caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip() -> None:
            peer, _ = server.accept()
            with peer:
                for byte in b"HTTP/1.1 200 OK\r\nX: " + b"y" * 200:
                    time.sleep(0.1)
                    try:
                        peer.send(bytes([byte]))
                    except OSError:
                        return

        thread = threading.Thread(target=drip)
        thread.start()
        address = f"http://127.0.0.1:{server.getsockname()[1]}/token"
        began = time.monotonic()
        alerts = Alerts.model_validate({"webhook": address, "timeout_s": 0.4})
        assert not tell(alerts, payload("patrol", 70, MONDAY, MONDAY))
        assert time.monotonic() - began < 4
        server.close()
    assert "was not sent (TimeoutError)" in caplog.text
    assert "token" not in caplog.text


def test_a_run_waits_for_its_turn_and_not_for_ever() -> None:
    said = iter([LedgerHeldError("held"), LedgerHeldError("held"), ExitCode.SET_ASIDE])

    def action() -> ExitCode:
        found = next(said)
        if isinstance(found, ExitCode):
            return found
        raise found

    assert in_turn(action, 1, look_s=0) == ExitCode.SET_ASIDE
    said = iter([LedgerHeldError("held")])
    with pytest.raises(LedgerHeldError):
        in_turn(action, 0)


def test_a_start_that_finds_the_ledger_held_is_no_try_of_systemd(tmp_path: Path) -> None:
    write(tmp_path, "weekly", schedule=WEEKLY)
    write(tmp_path, "hourly", schedule={"cron": "30 * * * *"})
    units = units_of(list_workflows([tmp_path]).every(), user=True)
    assert '"--wait" "1440"' in units["siluan-weekly.service"]
    assert '"--wait" "60"' in units["siluan-hourly.service"]
    assert "RestartPreventExitStatus=2 4 5 6 70" in units["siluan-weekly.service"]
    assert "\nRestart=" not in units["siluan-hourly.service"]


def test_no_unit_asks_for_what_systemd_before_244_refuses(tmp_path: Path) -> None:
    write(tmp_path, "a", schedule=WEEKLY, inbox={"folder": "drops"})
    units = units_of(list_workflows([tmp_path]).every(), user=False)
    assert "Restart=on-failure" in units["siluan-a.service"]
    for text in units.values():
        assert not ("\nType=oneshot" in text and "\nRestart=" in text)


def test_what_systemd_says_of_units_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert verified(tmp_path, ["siluan-a.timer"], False) == []
    program = tmp_path / "systemd-analyze"
    for code, line, said in (
        (0, "other.service: odd", "verify: nothing to object to"),
        (0, "siluan-a.timer:3: Unknown key", "verify: siluan-a.timer:3: Unknown key"),
        (1, "No such device", "could not look at them (No such device)"),
    ):
        program.write_text(f"#!/bin/sh\necho '{line}' >&2\nexit {code}\n")
        program.chmod(0o755)
        (found,) = verified(tmp_path, ["siluan-a.timer"], user=True)
        assert found.endswith(said)


@pytest.mark.thorough
def test_systemd_takes_the_units_of_an_inbox(tmp_path: Path) -> None:
    write(tmp_path, "a", schedule=WEEKLY, inbox={"folder": "收件 箱", "every_minutes": 2.5})
    out, names = write_units(
        units_of(list_workflows([tmp_path]).every(), False), False, tmp_path / "u"
    )
    assert len(names) == 4
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *(str(out / n) for n in names)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "siluan-" not in done.stderr, done.stderr
    assert "OnUnitInactiveSec=150" in (out / "siluan-a-inbox.timer").read_text()


def test_an_edited_workflow_is_noticed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="siluan")
    a = write(tmp_path, "a", schedule=WEEKLY)
    roster = Roster([tmp_path])
    roster.read()
    world = World(MONDAY - timedelta(hours=1))
    clock = world.clock(roster.workflows)
    clock.step()
    assert not roster.changed()
    # Another time of the day, which has passed today: it waits for the next.
    a.write_text(
        yaml.safe_dump(yaml.safe_load(a.read_text()) | {"schedule": {"cron": "30 3 * * *"}})
    )
    write(tmp_path, "b", schedule={"cron": "0 5 * * 1"})
    assert roster.changed()
    assert "on the clock now: a, b" in caplog.text
    clock.take(roster.workflows)
    clock.step()
    assert not world.started
    world.now = MONDAY + timedelta(hours=22, minutes=30)
    clock.step()
    assert [n for n, _ in world.started] == ["a"]
    # Gone while it runs: it is waited for, and not started again.
    a.unlink()
    assert roster.changed()
    clock.take(roster.workflows)
    assert clock.busy
    world.started[0][1].code = 0
    world.now += timedelta(days=2)
    clock.step()
    clock.step()
    assert "a" not in [n for n, _ in world.started[1:]]
    b = tmp_path / "b.yaml"
    good = b.read_text()
    b.write_text("name: [")
    write(tmp_path, "c", schedule=WEEKLY)
    assert roster.changed()
    assert sorted(w.name for w in roster.workflows) == ["b", "c"]
    assert caplog.text.count("the clock goes on as before") == 1
    assert [w.name for w in roster.wrong] == ["b"]
    write(tmp_path, "c", schedule={"cron": "0 6 * * 1"})
    assert roster.changed()
    assert caplog.text.count("the clock goes on as before") == 1
    # A new file of its name takes its place, and the old one is no second of it.
    (tmp_path / "b2.yaml").write_text(good)
    assert roster.changed()
    assert sorted(w.path.stem for w in roster.workflows) == ["b2", "c"]
    (tmp_path / "b2.yaml").unlink()
    b.write_text(good)
    assert roster.changed()
    assert (sorted(w.path.stem for w in roster.workflows), roster.wrong) == (["b", "c"], ())
    roster.close()


@pytest.fixture
def beside(tmp_path: Path) -> Path:
    """A good workflow that is due, and two files that are none."""
    folder = tmp_path / "w"
    folder.mkdir()
    write(folder, "a", schedule=WEEKLY, monitor={"disk_gb": 0, "disk_critical_gb": 0})
    write(folder, "never", schedule={"cron": "0 0 31 2 *"}).rename(folder / "never.yml")
    (folder / "torn.yaml").write_text("name: [")
    one = read_listed(folder / "a.yaml")
    write_memory(one.memory, Memory(done=MONDAY - timedelta(days=400)))
    return folder


def idle(*_: object) -> None:
    """Do nothing, whatever is asked."""


def test_one_that_cannot_be_read_stops_no_other(
    beside: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    started = list[str]()

    def start(one: Listed) -> Fake:
        started.append(one.name)
        return Fake(1, code=0)

    monkeypatch.setattr(threading.Event, "wait", idle)
    monkeypatch.setattr(serving, "Clock", partial(Clock, start=start))
    assert serving.run_clock([beside], once=True) == ExitCode.CONFIGURATION
    assert started == ["a"]
    for said in (r"left out: .*never.yml.*never fires", r"left out: .*torn.yaml is not valid"):
        assert len(re.findall(said, caplog.text)) == 1
    with pytest.raises(ConfigurationError, match=r"never\.yml"):
        list_workflows([beside / "never.yml"])
    with pytest.raises(ConfigurationError, match=r"never\.yml.*torn\.yaml"):
        timed([beside], whole=True)  # as --install asks


def test_status_says_what_cannot_be_read_and_all_the_rest(
    beside: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(signal, "signal", idle)  # the command owns its process
    gauges = beside / "siluan.prom"
    for json_ in (False, True):
        with pytest.raises(SystemExit) as left:
            status([beside], json_=json_, prometheus=gauges)
        assert left.value.code == 2
        said = capsys.readouterr().out
        if json_:
            told = json.loads(said)
            assert [w["workflow"] for w in told["unread"]] == ["never", "torn"]
            assert ([w["workflow"] for w in told["workflows"]], told["level"]) == (["a"], 2)
        else:
            assert said.startswith("3 workflows, 0 fine; critical: a, never, torn\n")
            assert re.search(r"critical: .*never\.yml.*'0 0 31 2 \*' never fires", said)
            assert "  next run " in said
    for name in ("a", "never", "torn"):
        assert f'siluan_status{{workflow="{name}"}} 2.0' in gauges.read_text()


def test_an_inbox_is_looked_into_at_its_interval(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    inbox = {"folder": "drops", "config": "office", "every_minutes": 2}
    one = read_listed(write(tmp_path, "a", inbox=inbox))
    assert inbox_words(one)[2:] == (
        *(str(tmp_path / "drops"), "--state", str(tmp_path / "state")),
        *("--config", str(tmp_path / "office")),
    )
    other = read_listed(write(tmp_path, "b", inbox=inbox | {"state": "elsewhere"}))
    assert inbox_words(other)[4] == str(tmp_path / "elsewhere")
    assert one.monitor.inbox == tmp_path / "drops"
    now, started = [0.0], list[Fake]()

    def start(_: Listed) -> Fake:
        started.append(Fake(1))
        return started[-1]

    inboxes = Inboxes(start, lambda: now[0])
    # Another workflow over the same inbox and state is the same inbox.
    inboxes.take([one, replace(one, name="b")])
    for at, code, number in ((0, 6, 1), (60, None, 1), (119, None, 1), (121, 2, 2), (300, 2, 3)):
        now[0] = float(at)
        inboxes.step()
        assert len(started) == number, at
        if code is not None:
            started[-1].code = code
            inboxes.step()
    assert inboxes.codes == [6, 2, 2]
    assert caplog.text.count("ended with 2 (configuration") == 1
    assert inboxes.step() > 60
    # Dropped while something is submitted: that is waited for, and nobody looks again.
    now[0] = 500.0
    inboxes.step()
    inboxes.take([])
    assert inboxes.busy
    started[-1].code = 0
    now[0] = 1000.0
    assert inboxes.step() == float("inf")
    assert len(started) == 4
    assert not inboxes.busy


def test_one_call_looks_again_while_a_run_of_the_workflow_lasts(tmp_path: Path) -> None:
    one = read_listed(write(tmp_path, "a", inbox={"folder": "drops", "every_minutes": 2}))
    now, started = [0.0], list[Fake]()

    def start(_: Listed) -> Fake:
        started.append(Fake(1))
        return started[-1]

    inboxes = Inboxes(start, lambda: now[0], once=True)
    inboxes.take([one])
    # After the end of a look, however long that took: the call must come to its own end.
    for at, code, number in ((0, None, 1), (500, 0, 1), (619, None, 1), (621, 0, 2)):
        now[0] = float(at)
        inboxes.step()
        assert len(started) == number, at
        if code is not None:
            assert inboxes.needs(one)
            started[-1].code = code
            inboxes.step()
            assert (inboxes.busy, inboxes.needs(one)) == (False, False)
    assert inboxes.codes == [0, 0]


def test_a_submission_that_does_not_end_is_killed(tmp_path: Path) -> None:
    inbox = {"folder": "drops", "config": "office"}

    class Deaf(Fake):
        asked = 0

        def terminate(self) -> None:
            self.asked += 1

    deaf = Deaf(1)
    inboxes = Inboxes(lambda _: deaf, lambda: 0.0)
    inboxes.take([read_listed(write(tmp_path, "a", inbox=inbox))])
    inboxes.step()
    inboxes.ask()
    inboxes.stop(grace_s=0.0)
    assert (deaf.asked, deaf.code) == (1, -signal.SIGKILL)


CLOCK = (sys.executable, "-c", "from pipeline.cli import main; main()", "schedule")


@pytest.mark.thorough
@pytest.mark.timeout(300)
def test_a_drop_is_answered_by_the_clock(tmp_path: Path) -> None:
    features = {"type": "FeatureCollection", "features": [tiny.corridor()]}
    (tmp_path / "office").mkdir()
    (tmp_path / "office/corridors.geojson").write_text(json.dumps(features), encoding="utf-8")
    drop = tmp_path / "drops" / "渌水"
    drop.mkdir(parents=True)
    (drop / "DONE").touch()
    path = write(tmp_path, "a", kind="inspect", inbox={"folder": "drops", "config": "office"})
    done = subprocess.run(
        [*CLOCK, str(path), "--once"], capture_output=True, text=True, check=False
    )
    assert done.returncode == ExitCode.QUARANTINED, done.stderr
    assert (tmp_path / "drops/quarantine/渌水").is_dir()
    assert list((tmp_path / "drops").glob("渌水*回执.html"))


@pytest.mark.thorough
@pytest.mark.timeout(900)
def test_a_machine_that_is_switched_off_catches_up_once_and_loses_nothing(tmp_path: Path) -> None:
    images = tiny.write_scenes(tmp_path / "images")
    times = {"schedule": {"cron": "0 5 * * 1"}}
    calm, dark = tmp_path / "calm", tmp_path / "dark"
    whole = read_listed(tiny.workflow(calm, images, **times))
    one = read_listed(tiny.workflow(dark, images, **times))
    assert one.schedule is not None
    now = datetime.now(UTC)
    missed = Memory(done=one.schedule.last(now) - timedelta(days=21))
    for listed in (whole, one):
        write_memory(listed.memory, missed)
    assert subprocess.run([*CLOCK, str(whole.path), "--once"], check=False).returncode == 0
    with subprocess.Popen([*CLOCK, str(one.path)], stderr=subprocess.DEVNULL) as clock:
        try:
            wait_for(lambda: list((one.state / "store").rglob("*.blk")))
            (run,) = read_runs(one.runs)
        finally:
            # The machine goes: nobody is asked.
            clock.kill()
    os.kill(run.pid, signal.SIGKILL)
    wait_for(lambda: not is_alive(run.pid, run.mark))
    told = standing_of(one, datetime.now(UTC)).findings
    assert any("was killed" in what for _, what in told), told
    assert held_by(one.state / "ledger.sqlite") is None
    assert subprocess.run([*CLOCK, str(one.path), "--once"], check=False).returncode == 0
    assert [r.code for r in read_runs(one.runs)] == [None, 0]
    memory = read_memory(one.memory)
    assert memory is not None
    assert memory.done == one.schedule.last(now)
    assert tiny.outputs(dark) == tiny.outputs(calm)
    assert subprocess.run([*CLOCK, str(one.path), "--once"], check=False).returncode == 0
    assert len(read_runs(one.runs)) == 2


def wait_for(what: Any) -> None:
    for _ in range(3000):
        if what():
            return
        time.sleep(0.1)
    raise AssertionError("it did not come")
