"""What a command says while it works, and last: lines for a log, a table, the one thing to do."""

from __future__ import annotations

import io
import logging
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.cells import cell_len

sys.path.insert(0, str(Path(__file__).parent))
from review_pages import case

from pipeline.closing import (
    NEXT,
    after_delivery,
    after_recheck,
    after_report,
    after_run,
    after_submit,
    closing_table,
)
from pipeline.errors import ExitCode
from pipeline.io.progress import DETAIL, Lines, ScreenHandler, counted, reporter
from pipeline.model import Kind, RunRecord, SetAside, Status
from pipeline.publish import Shelves
from pipeline.running.console import log_lines

RECORD = RunRecord(
    run_id="r",
    workflow="w",
    period=(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)),
    inputs=({"id": "p", "scenes": ["a", "b"], "fingerprint": "f"},),
    config_hash="h",
    code_version="0",
    counts={},
    seconds={"detect": 2.0, "publish": 1.4},
    set_aside=(SetAside("x", "gather", "it is broken", "Fetch it again"),),
)
SHELVES = Shelves(cases=(case(0), case(1)), watch=(case(2),))


def test_the_table_counts_every_list_by_kind_and_its_columns_stand_in_line() -> None:
    *table, read = closing_table(SHELVES, RECORD, 3.4)
    assert len({cell_len(line) for line in table}) == 1
    assert table[-1].split() == ["合计", "all", "1", "1", "1", "0"]
    kinds = {line.split()[0]: line.split()[1:] for line in table[1:-1]}
    assert set(kinds) == {k.zh for k in Kind}
    assert sum(int(n) for v in kinds.values() for n in v[:2] if n != "·") == 2
    assert "2 read, 1 set aside, of which 1 can be mended · 3 s" in read


def test_what_people_have_issued_or_verified_is_not_called_suspected() -> None:
    statuses = (Status.SUSPECTED, Status.ISSUED, Status.VERIFIED)
    shelves = Shelves(cases=tuple(replace(case(n), status=s) for n, s in enumerate(statuses)))
    head, *_, total, _ = closing_table(shelves, RECORD, 3.4)
    assert head.split()[:6] == ["疑似", "suspected", "已交办", "with", "people", "关注"]
    assert total.split() == ["合计", "all", "1", "2", "0", "0"]


def test_nothing_to_look_at_is_not_said_of_flights_that_were_not_compared(tmp_path: Path) -> None:
    quiet = replace(RECORD, set_aside=(), counts={"pairs": {}, "alone": {}})
    said = after_run(tmp_path, Shelves(), quiet, ())
    assert "no flight could be compared (why: above)" in said
    compared = replace(quiet, counts={"pairs": {"a and b": {}}, "alone": {}})
    assert "nothing to look at" in after_run(tmp_path, Shelves(), compared, ())


def test_one_thing_comes_next_and_what_broke_comes_first(tmp_path: Path) -> None:
    folder = tmp_path / "2026_r"
    (folder / "review").mkdir(parents=True)
    (folder / "review" / "index.html").write_text("")
    (tmp_path / "latest").symlink_to("2026_r")
    broken = replace(RECORD, counts={"failed": {"xiang": "why"}})
    assert "xiang" in after_run(folder, SHELVES, broken, ("source",))
    assert "1 source(s)" in after_run(folder, SHELVES, RECORD, ("source",))
    page = str(tmp_path / "latest" / "review" / "index.html")
    assert after_run(folder, SHELVES, RECORD, ()) == f"{NEXT}open {page}"
    assert "mend the 1" in after_run(folder, Shelves(), RECORD, ())
    assert "nothing" in after_run(folder, Shelves(), replace(RECORD, set_aside=()), ())


def test_a_corridor_of_which_nothing_was_judged_is_not_called_clean(tmp_path: Path) -> None:
    seen = {"passes": 9, "usable": 8, "judged": 3, "unjudged": {}}
    blind = {
        "young": seen | {"judged": 0, "unjudged": {"p": "0 looks"}},
        "cloudy": seen | {"judged": 0, "usable": 0},
        "empty": {"passes": 0, "usable": 0, "judged": 0},
        "idle": seen | {"judged": 0},
    }
    quiet = replace(RECORD, set_aside=())
    some = replace(quiet, counts={"corridors": blind | {"seen": seen, "flown": {}}})
    said = closing_table(Shelves(), some, 1.0)[-1]
    assert said.startswith("未能判断 not judged: young (历史影像不足")
    assert said.endswith("no case there says nothing")
    assert all(name in said for name in blind)
    assert "seen" not in said
    assert "flown" not in said
    assert "4 corridor(s) could not be judged" in after_run(tmp_path, Shelves(), some, ())
    flown = replace(quiet, counts={"corridors": {"flown": blind["empty"] | {"pictures": 2}}})
    assert "pictures only, compared but not judged" in closing_table(Shelves(), flown, 1.0)[-1]
    assert "no scene in the period" not in closing_table(Shelves(), flown, 1.0)[-1]
    del blind["young"]
    some = replace(quiet, counts={"corridors": blind})
    assert "look at period and sources" in after_run(tmp_path, Shelves(), some, ())
    some = replace(quiet, counts={"corridors": {"cloudy": blind["cloudy"]}})
    assert "find clear imagery of the 1" in after_run(tmp_path, Shelves(), some, ())
    fine = replace(quiet, counts={"corridors": {"seen": seen}})
    assert "未能判断" not in "".join(closing_table(Shelves(), fine, 1.0))
    many = {f"c{i}": blind["empty"] for i in range(7)}
    assert (
        "and 2 more" in closing_table(Shelves(), replace(quiet, counts={"corridors": many}), 1)[-1]
    )


def test_what_was_set_aside_or_did_not_answer_is_why_nothing_was_judged() -> None:
    blind = {"tiny": {"passes": 0, "usable": 0, "judged": 0}}
    mendable = replace(RECORD, counts={"corridors": blind})
    assert "tiny (影像被搁置" in closing_table(Shelves(), mendable, 1.0)[-1]
    assert "tiny (来源无应答" in closing_table(Shelves(), mendable, 1.0, ("source",))[-1]
    # Clouds have no remedy, and a layer of the office is no imagery.
    for aside in (
        SetAside("x", "prepare", "cloud"),
        SetAside("x", "publish", "it is broken", "Mend it"),
    ):
        other = replace(mendable, set_aside=(aside,))
        assert "tiny (无影像" in closing_table(Shelves(), other, 1.0)[-1]


def test_a_path_below_the_person_is_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert after_report((tmp_path / "a.docx",), ExitCode.DONE) == f"{NEXT}read a.docx"
    assert "missing" in after_report((tmp_path / "a.docx",), ExitCode.SET_ASIDE)


def test_every_ending_has_its_next(tmp_path: Path) -> None:
    said = [
        *(after_delivery(c, tmp_path) for c in (ExitCode.DONE, ExitCode.UNREACHABLE)),
        *(after_delivery(c, tmp_path) for c in (ExitCode.LEDGER_HELD, ExitCode.SET_ASIDE)),
        *(after_submit(c, False) for c in (ExitCode.DONE, ExitCode.DISK_FULL)),
        *(after_submit(c, False) for c in (ExitCode.QUARANTINED, ExitCode.UNREACHABLE)),
        after_submit(ExitCode.DONE, True),
        after_recheck(tmp_path, 2, (), unreachable=True, mendable=1),
        after_recheck(tmp_path, 2, (), unreachable=False, mendable=1),
        after_recheck(tmp_path, 0, (), unreachable=False, mendable=1),
        after_recheck(tmp_path, 0, (), unreachable=False, mendable=0),
    ]
    assert all(line.startswith(NEXT) and "\n" not in line for line in said)
    # Only "mend what was set aside" and "nothing" may be said twice.
    assert len(set(said)) == len(said)


def test_a_log_gets_a_line_a_minute_with_the_time_left(caplog: pytest.LogCaptureFixture) -> None:
    now = [0.0]
    lines = Lines(lambda: now[0])
    with caplog.at_level(logging.INFO, logger="siluan"):
        for done in range(1, 11):
            lines("registration", done, 10)
            now[0] += 40.0
        lines("", 1, 2)
    assert [r.getMessage() for r in caplog.records] == [
        "配准 registration: 3 of 10 块 tiles, about 5 min left",
        "配准 registration: 5 of 10 块 tiles, about 3 min left",
        "配准 registration: 7 of 10 块 tiles, about 2 min left",
        "配准 registration: 9 of 10 块 tiles, about 1 min left",
    ]


class _Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_who_watches_sees_a_bar_and_whole_log_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    screen, out = _Screen(), io.StringIO()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    handler = ScreenHandler()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setattr(sys, "stdout", out)
    with reporter() as progress:
        progress("reading scenes", 3, 12)
        handler.emit(logging.LogRecord("siluan", 20, "", 1, "a line of the log", None, None))
        print("for the file")
        for _ in counted("ab", progress, "corridors"):
            pass
        progress("", 1, 2)
    said = screen.getvalue()
    assert "3/12 景 scenes" in said
    assert "剩余 left" in said
    assert "a line of the log\n" in said
    assert out.getvalue() == "for the file\n"


def test_a_line_a_look_is_for_the_log_and_not_for_the_screen(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with log_lines() as kept:
        log = logging.getLogger("siluan")
        log.info("one look of many", extra={DETAIL: True})
        log.info("their sum")
    assert capsys.readouterr().err == "their sum\n"
    assert [line.split(" INFO ")[1] for line in kept] == ["one look of many\n", "their sum\n"]
