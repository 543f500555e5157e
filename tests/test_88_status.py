"""What `siluan status` says of a clock that is dead, and of files that are broken."""

from __future__ import annotations

import json
import signal
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from test_88_schedule import MONDAY, write

from pipeline.commands.status import status
from pipeline.errors import ConfigurationError
from pipeline.schedule import standing as standing_module
from pipeline.schedule.due import Memory
from pipeline.schedule.listed import Listed, files_of, list_workflows, read_listed
from pipeline.schedule.memory import write_memory
from pipeline.schedule.runs import Run, note
from pipeline.schedule.standing import standing_of

NO_LIMIT = {"disk_gb": 0, "disk_critical_gb": 0}


def idle(*_: object) -> None:
    """Do nothing, whatever is asked."""


def listed(folder: Path, name: str = "a", cron: str = "0 5 * * 1") -> Listed:
    one = read_listed(write(folder, name, schedule={"cron": cron}, monitor=NO_LIMIT))
    note(one.runs, Run(1, MONDAY, MONDAY + timedelta(minutes=3), 0))
    return one


def left(one: Listed, content: str) -> Path:
    assert one.out is not None
    path = one.out / "latest" / "run.json"
    path.parent.mkdir(parents=True)
    path.write_text(content)
    return path


@pytest.mark.parametrize("cron", ["0 * * * *", "0 6 * * *", "0 5 * * 1"])
@pytest.mark.parametrize("remembered", [True, False])
def test_a_clock_that_is_dead_for_two_weeks_is_critical(
    tmp_path: Path, cron: str, remembered: bool
) -> None:
    one = listed(tmp_path, cron=cron)
    assert one.schedule is not None
    if remembered:
        write_memory(one.memory, Memory(done=MONDAY))
    now = MONDAY + timedelta(days=14, hours=9)
    s = standing_of(one, now)
    assert s.due_since == one.schedule.next(MONDAY)
    assert s.level == 2
    # A run answers all that was due until it began, and a memory of a wrong clock answers nothing.
    write_memory(one.memory, Memory(done=now + timedelta(days=300)))
    assert standing_of(one, now).due_since == s.due_since
    note(one.runs, Run(3, now, now, 0, part=True))
    assert standing_of(one, now).level == 2
    note(one.runs, Run(2, now, now, 0))
    assert standing_of(one, now).level == 0


@pytest.mark.parametrize(
    "content",
    [
        '{"cou',
        "[]",
        '{"counts": null}',
        '{"set_aside": null}',
        '{"counts": {"corridors": {"far": {"newest_clear": "garbage"}}}}',
        '{"counts": {"corridors": {"far": {"newest_clear": "2026-11-01T03:00:00"}}}}',  # no zone
    ],
)
def test_a_report_that_cannot_be_read_is_told(tmp_path: Path, content: str) -> None:
    one = listed(tmp_path)
    path = left(one, content)
    s = standing_of(one, MONDAY)
    assert s.level == 1
    assert f"what the last run left cannot be read: {path}" in s.findings[0][1]
    path.unlink()  # the link to the newest run leads nowhere
    assert standing_of(one, MONDAY).level == 1
    path.parent.rmdir()  # nothing was published yet
    assert standing_of(one, MONDAY).level == 0


def test_an_outbox_or_a_list_of_runs_that_is_broken_is_told(tmp_path: Path) -> None:
    one = listed(tmp_path)
    box = one.state / "outbox" / "outbox.sqlite"
    box.parent.mkdir()
    box.write_bytes(b"no database" * 100)
    ((level, said),) = standing_of(one, MONDAY).findings
    assert (level, str(box) in said) == (1, True)
    box.unlink()
    paths = (str(one.runs), str(one.memory))
    for path in map(Path, paths):
        path.unlink(missing_ok=True)
        path.mkdir()
    found = standing_of(one, MONDAY)
    assert [level for level, _ in found.findings] == [2, 2]
    assert [p in said for p, (_, said) in zip(paths, found.findings, strict=True)] == [True] * 2


def test_one_that_cannot_be_looked_at_keeps_no_other_from_being_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a", "b"):
        note(listed(tmp_path, name).runs, Run(1, datetime.now(UTC), datetime.now(UTC), 0))

    def broken(one: Listed, now: datetime) -> Any:
        if one.name == "a":
            raise ZeroDivisionError
        return standing_of(one, now)

    monkeypatch.setattr(signal, "signal", idle)  # the command owns its process
    monkeypatch.setattr(standing_module, "standing_of", broken)
    with pytest.raises(SystemExit) as ended:
        status([tmp_path], json_=True)
    told = json.loads(capsys.readouterr().out)
    assert (ended.value.code, [w["workflow"] for w in told["workflows"]]) == (2, ["b"])
    assert "ZeroDivisionError" in told["unread"][0]["why"]
    monkeypatch.setattr(standing_module, "standing_of", standing_of)
    for path in (tmp_path, tmp_path / "a.yaml" / "x.prom"):
        with pytest.raises(SystemExit) as ended:
            status([tmp_path], prometheus=path)
        said = capsys.readouterr()
        assert said.out.startswith("2 workflows, 2 fine\n")
        assert (ended.value.code, f"{path} cannot be written" in said.err) == (2, True)


def test_a_program_to_tell_is_found_from_the_workflow_and_missed_in_time(tmp_path: Path) -> None:
    def told(*command: str) -> Listed:
        return read_listed(write(tmp_path, "a", alerts={"command": [*command]}, monitor=NO_LIMIT))

    here = told("./tell.sh", "--river")
    assert here.alerts is not None
    assert here.alerts.command == (str(tmp_path / "tell.sh"), "--river")
    ((level, said), _) = standing_of(here, MONDAY).findings
    assert (level, str(tmp_path / "tell.sh") in said) == (1, True)
    (tmp_path / "tell.sh").write_text("#!/bin/sh\n")
    (tmp_path / "tell.sh").chmod(0o755)
    assert standing_of(here, MONDAY).level == 0
    bare = told("sh").alerts
    assert bare is not None
    assert bare.command == ("sh",)
    with pytest.raises(ConfigurationError, match=r"a list of program and arguments: \[tell-us\]"):
        read_listed(write(tmp_path, "a", alerts={"command": "tell-us"}))


def test_hidden_files_of_a_folder_are_no_workflows(tmp_path: Path) -> None:
    listed(tmp_path)
    (tmp_path / "._a.yaml").write_bytes(b"\x00\x05\x16\x07")
    assert [f.name for f in files_of([tmp_path])] == ["a.yaml"]
    assert not list_workflows([tmp_path]).wrong
