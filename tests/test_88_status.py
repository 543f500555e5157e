"""What `siluan status` says of a clock that is dead, and of files that are broken."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from test_88_schedule import MONDAY, write

from pipeline.commands.status import status
from pipeline.errors import ConfigurationError
from pipeline.schedule import leavings
from pipeline.schedule import standing as standing_module
from pipeline.schedule.due import Memory
from pipeline.schedule.listed import Listed, files_of, list_workflows, read_listed
from pipeline.schedule.memory import write_memory
from pipeline.schedule.runs import Run, note
from pipeline.schedule.standing import standing_of, standings_of
from pipeline.schedule.telling import for_programs, for_prometheus

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
    for path in (tmp_path, tmp_path / "a.yaml" / "x.prom", Path()):
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


def published(one: Listed, day: int, clear: dict[str, str | None], **counts: Any) -> Path:
    """Leave what a run of that day leaves, whatever the end of its period."""
    assert one.out is not None
    report = one.out / f"2026-01-{31 - day:02d}_{day:012x}" / "run.json"
    report.parent.mkdir(parents=True)
    seen = {name: {"newest_clear": at and f"2026-{at}T03:00:00Z"} for name, at in clear.items()}
    end, aside = counts.pop("end", None), counts.pop("aside", ())
    found = {"workflow": one.name, "counts": {"corridors": seen, **counts}}
    found |= {"period": {"end": end}} if end else {}
    found |= {"set_aside": [{"what": w, "reason": "r", "remedy": "mend it"} for w in aside]}
    report.write_text(json.dumps(found))
    os.utime(report, (day, day))
    latest = one.out / "latest"
    latest.unlink(missing_ok=True)
    latest.symlink_to(report.parent.name)
    return report


def told(one: Listed) -> tuple[dict[str, str], set[str]]:
    """Give days of clear looks and failed corridors, as status tells them."""
    s = standing_of(one, MONDAY)
    days = {k: f"{at:%m-%d}" if at else "never" for k, at in s.newest_clear.items()}
    return days, set(s.failed)


def test_a_run_of_a_corridor_hides_no_other(tmp_path: Path) -> None:
    one = listed(tmp_path)
    published(one, 1, {"gone": "01-01", "far": "01-01"})
    published(one, 2, {"far": "10-01", "near": "11-01", "low": None}, failed={"ill": "a bug"})
    assert told(one) == ({"far": "10-01", "near": "11-01", "low": "never"}, {"ill"})
    published(one, 3, {"near": "11-20"}, part=True)
    assert told(one) == ({"far": "10-01", "near": "11-20", "low": "never"}, {"ill"})
    said = [what for _, what in standing_of(one, MONDAY).findings]
    assert any("corridor far was last seen clearly 52 d ago" in what for what in said)
    # Of dates long past, and one that fails now: what is known of it stays known.
    published(one, 4, {"near": "02-01"}, part=True, failed={"far": "a bug"})
    assert told(one)[0] == {"far": "10-01", "near": "11-20", "low": "never"}
    assert told(one)[1] == {"ill", "far"}
    broken = published(one, 5, {"low": None}, part=True)
    last = published(one, 6, {"ill": "11-21", "far": "11-21"}, part=True)
    broken.write_text("{")
    others = {"workflow": "b", "counts": {"corridors": {"theirs": {"newest_clear": None}}}}
    beside = last.parent.with_name("2026-02-01_00000000000f") / "run.json"
    beside.parent.mkdir()
    beside.write_text(json.dumps(others))
    mended = {"far": "11-21", "ill": "11-21", "near": "11-20", "low": "never"}
    assert told(one) == (mended, set())
    # A corridor that the workflow has no more is forgotten with the next run of all.
    published(one, 7, {"far": "11-22"})
    assert told(one) == ({"far": "11-22"}, set())


def test_a_part_answers_for_its_dates_and_its_inputs_alone(tmp_path: Path) -> None:
    one, end = listed(tmp_path), "2026-11-30T00:00:00Z"
    published(one, 1, {"a": "11-01"}, failed={"b": "a bug"}, end=end, aside=["x"])
    published(one, 2, {"b": "02-01"}, part=True, end="2025-12-31T00:00:00Z")
    assert told(one)[1] == {"b"}  # of last year
    assert [a["what"] for a in standing_of(one, MONDAY).set_aside] == ["x"]
    published(one, 3, {"b": "11-02"}, part=True, end=end, aside=["y", "x"])
    assert told(one)[1] == set()
    assert sorted(a["what"] for a in standing_of(one, MONDAY).set_aside) == ["x", "y"]


def test_no_more_than_some_earlier_runs_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = listed(tmp_path)
    for day in range(1, 6):
        published(one, day, {f"c{day}": "11-20"}, part=True)
    monkeypatch.setattr(leavings, "MOST_EARLIER", 2)
    assert set(told(one)[0]) == {"c5", "c4", "c3"}


def test_a_part_is_not_how_the_workflow_fares(tmp_path: Path) -> None:
    one = listed(tmp_path)
    later = MONDAY + timedelta(hours=1)
    for code in (0, 2):  # the last of them named no corridor of the workflow
        note(one.runs, Run(code + 5, later, later, code, part=True))
    s = standing_of(one, later)
    assert (s.level, s.last and s.last.pid, s.good) == (0, 1, MONDAY + timedelta(minutes=3))
    for code, level in ((70, 2), (5, 2), (3, 1), (143, 1), (10, 0)):
        later += timedelta(minutes=1)
        note(one.runs, Run(code + 5, later, later, code, part=True))
        s = standing_of(one, later)
        assert (s.level, s.last and s.last.pid) == (level, 1), code
        said = [what for _, what in s.findings if "the last run of a part" in what]
        assert len(said) == (level > 0)
    note(one.runs, Run(2**22 + 5, later, part=True))  # no process of that number is there
    assert any("a part that began" in what for _, what in standing_of(one, later).findings)
    one.runs.unlink()
    note(one.runs, Run(5, later, later, 0, part=True))
    s = standing_of(one, later)
    assert (s.last and s.last.pid, s.good, s.part) == (5, None, None)


def test_workflows_of_one_name_are_told_apart(tmp_path: Path) -> None:
    paths = [tmp_path / "one", tmp_path / "two"]
    for folder in paths:
        folder.mkdir()
        listed(folder)
    listed(paths[0], "b")
    (paths[1] / "c.yaml").write_text("name: [")
    (tmp_path / "b.yaml").write_text("name: [")
    found = list_workflows([*paths, tmp_path])
    every = [s for _, s in standings_of(found.good, MONDAY)[0]]
    text = for_prometheus(every, MONDAY, found.wrong).decode()
    levels = dict(re.findall(r'siluan_status{workflow="(.*)"} (.*)', text))
    labels = {f"a ({p / 'a.yaml'})": "0.0" for p in paths} | {"c": "2.0"}
    twins = {f"b ({paths[0] / 'b.yaml'})": "0.0", f"b ({tmp_path / 'b.yaml'})": "2.0"}
    assert levels == labels | twins
    assert text.count("siluan_last_run_exit_code{") == 3
    listed_all = for_programs(every, MONDAY, found.wrong)["workflows"]
    assert len({w["path"] for w in listed_all}) == 3


@pytest.mark.parametrize(("warns", "alarms", "level"), [(0, 3, 2), (3, 0, 1), (3, 3, 2), (0, 0, 0)])
def test_little_space_is_critical_whatever_the_limit_of_the_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, warns: float, alarms: float, level: int
) -> None:
    listed(tmp_path)
    limits = {"disk_gb": warns, "disk_critical_gb": alarms}
    one = read_listed(write(tmp_path, "a", monitor=limits))

    def free(_: Path) -> int:
        return 2_000_000_000

    monkeypatch.setattr(standing_module, "_free", free)
    assert standing_of(one, MONDAY).level == level


BARE = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C"}


@pytest.mark.parametrize("locale", [{"PYTHONUTF8": "1"}, BARE])
def test_a_file_whose_name_cannot_be_said_is_told_all_the_same(
    tmp_path: Path, locale: dict[str, str]
) -> None:
    folder, gauges = tmp_path / "w", tmp_path / "siluan.prom"
    folder.mkdir()
    try:
        for name in (b"\xff\xfe.yaml", "湘江.yaml".encode()):
            (Path(os.fsdecode(os.fsencode(folder) + b"/" + name))).write_text("name: [")
    except OSError:
        pytest.skip("this disk takes no such name")
    words = [sys.executable, "-c", "from pipeline.cli import main; main()", "status"]
    said = dict[str, str]()
    for form in ("--json", "--no-json"):
        done = subprocess.run(
            [*words, "--workflow", folder, "--prometheus", gauges, *([form] * (form == "--json"))],
            capture_output=True,
            check=False,
            env=os.environ | locale,
        )
        assert (done.returncode, done.stderr) == (2, b"")
        said[form] = done.stdout.decode()
    for name in ("\\xff\\xfe", "湘江"):
        assert f"\n{name}: critical" in said["--no-json"]
        label = name.replace("\\", "\\\\")
        assert f'siluan_status{{workflow="{label}"}} 2.0' in gauges.read_text("utf-8")
    assert [w["workflow"] for w in json.loads(said["--json"])["unread"]] == ["湘江", "\\xff\\xfe"]


def test_output_that_lacks_chinese_ends_nothing() -> None:
    code = "from pipeline import cli; cli.app = lambda: print('下一步 Next: é'); cli.main()"
    latin = b"\\u4e0b\\u4e00\\u6b65 Next: \xe9"
    for encoding, said in (("latin-1", latin), ("ascii:replace", b"???")):
        env = os.environ | {"PYTHONIOENCODING": encoding}
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, check=False, env=env
        )
        assert (done.returncode, done.stdout.startswith(said)) == (0, True), done
