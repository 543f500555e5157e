"""What receivers answer is checked, and does what the table of words says and nothing else."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Generator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from handover import Office, Receiver, as_receiver, receiving
from receiver import SECRET

from pipeline.adjudicate.calibration import BetaMap, Calibration, Counts, Provenance
from pipeline.cases.where import Report
from pipeline.cases.words import LONGEST_ID
from pipeline.deliver import applying, contract, hearing, reading
from pipeline.deliver.automatic import Rules, choose, issue
from pipeline.deliver.changes import AUTOMATIC
from pipeline.deliver.line import Line, Outcome, Reply
from pipeline.deliver.place import open_outbox
from pipeline.deliver.service import DeliverRequest, deliver
from pipeline.errors import ExitCode
from pipeline.io import failpoints
from pipeline.ledger import Command, Edit, Event, change, open_ledger
from pipeline.ledger.codec import dump_case, load_case
from pipeline.ledger.lock import hold
from pipeline.ledger.status import Reason
from pipeline.model import Kind, Status

END = datetime(2026, 3, 1, tzinfo=UTC)
FLAT = BetaMap(offset=3, low=0, high=0, confirmed=0)  # 0.95 whatever the score
CLOSES = {"办结": {"status": "closed"}, "已处理": {}, "逾期": {"overdue": True}}


@pytest.fixture(scope="module")
def process() -> Generator[Receiver]:
    with receiving() as process:
        yield process


@pytest.fixture
def city(process: Receiver, monkeypatch: pytest.MonkeyPatch) -> Receiver:
    monkeypatch.setenv("CITY_SECRET", SECRET)
    process.forget()
    return process


def by_files(tmp_path: Path, **answers: Any) -> tuple[Office, list[str], Path]:
    """Give an office whose receiver reads the feed and answers by files, with three cases there."""
    office = Office(tmp_path)
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    office.settle(as_receiver(None, answers={"inbox": "inbox", "settle_s": 0, **answers}))
    ids = office.run(3, 3, 3)
    office.issue(*ids[:2])
    office.deliver()
    return office, ids, inbox


def history(office: Office, case_id: str) -> list[tuple[str, str | None, str]]:
    with open_ledger(office.state / "ledger.sqlite", writing=False) as ledger:
        return [(e.what, e.new, e.detail.get("by", "")) for e in ledger.events((case_id,))]


def test_an_answer_is_noted_with_its_source(tmp_path: Path) -> None:
    office, ids, inbox = by_files(tmp_path, columns={"案号": "external_id", "问题": "case_id"})
    head = "问题,版本,案号,办理状态,责任单位,整改期限,on"
    text = f"{head}\n{ids[0]},2,2026-7,已处理,水利局,2026年6月30日,"
    (inbox / "a.csv").write_bytes(text.encode("gbk"))
    report = office.deliver()
    assert report.code is ExitCode.DONE
    assert "city: answers applied 1, known already 0, not applied 0" in report.lines
    case = office.cases()[ids[0]]
    assert (case.status, case.external_id) == (Status.ISSUED, "2026-7")
    assert case.answer is not None
    assert (case.answer.status, case.answer.unit) == ("已处理", "水利局")
    assert case.answer.due == date(2026, 6, 30)
    assert load_case(dump_case(case), case.polygon) == case
    assert history(office, ids[0])[-2:] == [
        ("external", "2026-7", "city"),
        ("answered", "city · 已处理 · 水利局 · 2026-06-30", "city"),
    ]
    assert office.told(2) == [(ids[0], 3, "updated")]  # what the office took, said back
    assert "applied 1" in (inbox / "read" / "a.csv.report.txt").read_text()
    # The same file again, and the same words on another day, say nothing new.
    (inbox / "b.csv").write_bytes(text.encode())
    (inbox / "c.csv").write_bytes((text + "2026-02-28").encode())
    assert "answers applied 0, known already 2" in str(office.deliver().lines)
    assert office.cases()[ids[0]] == case
    # Imagery goes on, and what was answered stays.
    office.run(4, 4, 4)
    assert office.cases()[ids[0]].answer == case.answer


def test_an_answer_to_a_merged_case_reaches_the_one_that_took_it_over(tmp_path: Path) -> None:
    office, ids, inbox = by_files(tmp_path, words=CLOSES)
    gone, home = office.cases()[ids[0]], ids[1]
    gone = replace(gone, merged_into=home, revision=gone.revision + 1)
    event = Event(ids[0], gone.revision, "r", END, "absorbed", None, home)
    with (
        open_ledger(office.state / "ledger.sqlite") as ledger,
        ledger.transaction(lambda: None) as transaction,
    ):
        transaction.write([gone], [event])
    head = "case_id,revision,external_id,status,unit,on"
    lines = [f"{ids[0]},2,2026-7,办结,水利局,", f"{home},2,,已处理,,", f"{ids[0]},9,,已处理,,"]
    (inbox / "a.csv").write_text("\n".join([head, *lines]) + "\n", encoding="utf-8")
    before = office.cases()[home].people
    report = "\n".join(office.deliver().lines)
    assert "answers applied 2, known already 0, not applied 1" in report
    assert "revision 9 was never handed" in report
    after = office.cases()
    assert after[ids[0]] == gone
    said = after[home].answer
    assert said is not None
    # In their order: noted, and nothing is closed by a word about a part of it.
    assert (after[home].external_id, after[home].status) == ("2026-7", Status.ISSUED)
    assert (said.status, said.unit) == ("已处理", "水利局")
    assert [(w, n) for w, n, by in history(office, home) if by == "city"] == [
        ("external", "2026-7"),
        ("answered", "city · 办结 · 水利局"),
        ("answered", "city · 已处理 · 水利局"),
    ]
    # It is the receiver's word, and no person's; an older one about a part does not unsay it.
    assert after[home].people == before
    (inbox / "b.csv").write_text(f"{head}\n{ids[0]},2,,逾期,,2026-01-05\n", encoding="utf-8")
    assert "applied 0, known already 1" in str(office.deliver().lines)
    assert office.cases()[home] == after[home]


@pytest.mark.thorough
def test_a_word_does_what_the_table_says(tmp_path: Path) -> None:
    office, ids, inbox = by_files(tmp_path, words=CLOSES)
    answer = {"case_id": ids[0], "revision": 2, "status": "办结", "due": "2026-05-01"}

    def said(name: str, **more: Any) -> str:
        (inbox / name).write_text(json.dumps({"answers": [answer | more]}), encoding="utf-8")
        return "\n".join(office.deliver().lines)

    assert "issued cannot become closed by a named person" in said("1.json")
    office.say(Status.VERIFIED, ids[0])
    office.deliver()
    out = said("2.json", status="逾期", revision=3)
    assert "applied 1" in out
    record = office.cases()[ids[0]].people
    assert record is not None
    assert (record.overdue, record.due, record.by) == (True, date(2026, 5, 1), "city")
    office.say(Status.RECTIFYING, ids[0])
    office.deliver()
    assert "applied 1" in said("3.json", revision=office.cases()[ids[0]].revision)
    assert office.cases()[ids[0]].status is Status.CLOSED
    assert history(office, ids[0])[-1][2] == "city"


def test_every_bad_answer_gets_a_sentence_and_no_change(tmp_path: Path) -> None:
    office, ids, inbox = by_files(tmp_path)  # the third was never handed over
    before = office.cases()
    rows = {
        f"{ids[0]},1,已处理,,": "revision 1 was never handed to city",
        f"{ids[0]},x,已处理,,": "revision 'x' is none",
        f"{ids[2]},1,已处理,,": "it was never handed to city",
        "ZZ-2025-dui-00000000,2,已处理,,": "the ledger has no such case",
        "CS-2025-dui-00000000,2,已处理,,": "another office's case (ours begin with ZZ-)",
        ",2,已处理,,": "it names no case",
        f"{ids[1]},2,完成,,": "its status '完成' is not in the table of words",
        f"{ids[1]},2,已处理,5/3/2026,": "is no day that can be read in one way only",
        f"{ids[1]},2,已处理,,2031-01-01": "has not come yet",
    }
    text = "\n".join(["case_id,revision,status,due,on", *rows])
    (inbox / "a.csv").write_text(text, encoding="utf-8")
    (inbox / "b.csv").write_text("谁,什么\n1,2\n", encoding="utf-8")
    (inbox / "c.json").write_text('{"answers": 7}', encoding="utf-8")
    (inbox / "d.json").write_text("{", encoding="utf-8")
    report = office.deliver()
    assert report.code is ExitCode.SET_ASIDE
    said = "\n".join(report.lines)
    for line, sentence in enumerate(rows.values(), 2):
        assert any(f"line {line}: " in s and sentence in s for s in report.lines), sentence
    for sentence in ("has no column case_id, revision", "not what the description", "is no JSON"):
        assert sentence in said
    assert office.cases() == before
    assert not [p for p in inbox.iterdir() if p.is_file()]
    assert "line 10" in (inbox / "read" / "a.csv.report.txt").read_text()


@pytest.mark.thorough
def test_a_stale_answer_is_shown_and_not_applied(tmp_path: Path) -> None:
    office, ids, inbox = by_files(tmp_path)
    office.run(4, 4, 4)  # only looks came since: the answer holds
    (inbox / "a.csv").write_text(f"case_id,revision,status\n{ids[0]},2,已处理\n", encoding="utf-8")
    assert "applied 1" in str(office.deliver().lines)
    office.say(Status.VERIFIED, ids[1])
    (inbox / "a.csv").write_text(f"case_id,revision,status\n{ids[1]},2,驳回\n", encoding="utf-8")
    out = str(office.deliver().lines)
    assert "revision 2 was judged and the ledger has 4 (since then:" in out
    assert "status issued -> verified" in out
    assert office.cases()[ids[1]].answer is None


@pytest.mark.thorough
def test_a_file_that_may_still_be_written_waits_and_so_do_answers_of_a_held_ledger(
    tmp_path: Path,
) -> None:
    office, ids, inbox = by_files(tmp_path, settle_s=3600)
    (inbox / "a.csv").write_text(f"case_id,revision,status\n{ids[0]},2,已处理\n", encoding="utf-8")
    assert "answers" not in str(office.deliver().lines)
    office.settle(as_receiver(None, answers={"inbox": "inbox", "settle_s": 0}))
    with hold(office.state / "ledger.sqlite"):
        report = office.deliver()
        assert report.code is ExitCode.LEDGER_HELD
        assert "answers wait: a run holds the ledger" in report.lines
    assert "applied 1" in str(office.deliver().lines)


def test_answers_come_by_http_and_with_a_reply(
    tmp_path: Path, city: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    office = Office(tmp_path)
    office.settle(as_receiver(city.url, answers={"fetch": True}))
    ids = office.run(3, 3, 3)
    office.issue(*ids)
    city.tell(reply={"external_id": "A-1", "case_id": "ZZ-of-somebody-else"})
    assert "answers applied 3" in str(office.deliver().lines)
    assert {c.external_id for c in office.cases().values()} == {"A-1"}
    said = [
        {"case_id": ids[0], "revision": 2, "status": "处理中"},
        {"case_id": ids[0], "revision": 2, "status": "已处理", "unit": "水利局"},
        {"case_id": ids[1], "revision": 2, "unit": "联系人13912345678"},
    ]
    city.tell(answers=said, reply={})
    monkeypatch.setattr(failpoints, "_passages", Counter())
    monkeypatch.setenv(failpoints.VARIABLE, "deliver.answered=interrupt")
    with pytest.raises(KeyboardInterrupt):
        office.deliver()  # the ledger has the first page, and the outbox does not know it
    monkeypatch.delenv(failpoints.VARIABLE)
    report = office.deliver()
    assert "answers applied 0, known already 2, not applied 1" in str(report.lines)
    assert "telephone" in str(report.lines)
    answer = office.cases()[ids[0]].answer
    assert answer is not None
    assert (answer.status, answer.unit) == ("已处理", "水利局")
    assert "not applied" not in str(office.deliver().lines)  # the page was read


def _calibration() -> Calibration:
    """Give one that verdicts are behind."""
    made = Provenance(
        version="2026-01-01.1", made_on=date(2026, 1, 1), ledger_events=1,
        fitted_on={"dui ground/1": Counts(true=95, false=5)}, left_out={}, reliability=(),
    )  # fmt: skip
    kinds = {Kind.DUI: FLAT}
    return Calibration(basis="a test", detectors=("ground/1",), kinds=kinds, provenance=made)


def test_a_rule_issues_only_what_is_calibrated_and_says_so(tmp_path: Path) -> None:
    office = Office(tmp_path)
    ids = office.run(3, 3, 1)
    known = _calibration()
    place = office.place()
    with open_outbox(place) as outbox, open_ledger(place.ledger) as store:

        def chosen(least: float, calibration: Calibration | None = known) -> list[str]:
            rules = Rules("patrol", ("xiangjiang",), {Kind.DUI: least}, calibration)
            return [c.case_id for c, _ in choose(store, outbox, rules).cases]

        assert chosen(0.96) == []
        assert chosen(0.9, None) == []
        assert chosen(0.9, known.model_copy(update={"provenance": None})) == []
        assert sorted(chosen(0.9)) == sorted(ids[:2])
        rules = Rules("patrol", ("xiangjiang",), {Kind.DUI: 0.9}, known)
        done = issue(store, choose(store, outbox, rules), rules, lambda: office.now, "李工")
        assert sorted(done.applied) == sorted(ids[:2])
        assert {e.detail["command"] for e in done.events} == {AUTOMATIC}
        assert {e.detail["by"] for e in done.events} == {"自动交办 patrol"}
        assert done.events[0].detail["note"] == "confidence 0.9526 >= 0.9 (dui), released by 李工"
        assert chosen(0.9) == []
    office.deliver()
    assert {f["delivery"]["issued_automatically"] for f in office.page(1)["features"]} == {True}


def test_automatic_issue_waits_for_a_name_and_survives_a_kill(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    office = Office(tmp_path)
    office.settle(brake={"floor": 1})
    ids = office.run(3, 3, 1)
    known = _calibration()
    rules = Rules("patrol", ("xiangjiang",), {Kind.DUI: 0.9}, known)

    def go(by: str | None = None, rules: Rules = rules) -> Report:
        place = replace(office.place(), rules=rules)
        return deliver(DeliverRequest(place, False, by, now=lambda: office.now))

    waits = go(rules=replace(rules, calibration=None))
    assert waits.code is ExitCode.SET_ASIDE
    assert "its confidence is not calibrated" in str(waits.lines)
    simulated = _calibration().model_copy(update={"provenance": None})
    waits = go(rules=replace(rules, calibration=simulated))
    assert waits.code is ExitCode.SET_ASIDE
    assert "calibrated on no verdicts" in str(waits.lines)
    assert "2 cases would be issued by rule at once, more than 1" in str(go().lines)
    assert {c.status for c in office.cases().values()} == {Status.SUSPECTED, Status.WATCH}
    monkeypatch.setattr(failpoints, "_passages", Counter())
    monkeypatch.setenv(failpoints.VARIABLE, "deliver.issued=interrupt")
    with pytest.raises(KeyboardInterrupt):
        go("李工")
    monkeypatch.delenv(failpoints.VARIABLE)
    report = go("李工")
    assert "issued by rule" not in str(report.lines)  # the ledger has it
    assert sorted(i for i, _, _ in office.told(1)) == sorted(ids[:2])
    assert [what for what, *_ in history(office, ids[0])].count("status") == 1


def test_an_answer_without_a_day_may_say_again_what_it_said_before(tmp_path: Path) -> None:
    office, ids, inbox = by_files(tmp_path, words={"未处理": {}, "已处理": {}})
    for name, word in (("1", "未处理"), ("2", "已处理"), ("3", "未处理")):
        (inbox / f"{name}.csv").write_text(
            f"case_id,revision,status\n{ids[0]},2,{word}\n", encoding="utf-8"
        )
        office.deliver()
    answer = office.cases()[ids[0]].answer
    assert answer is not None
    assert answer.status == "未处理"


def test_what_is_no_text_is_refused_by_itself(tmp_path: Path) -> None:
    office, ids, inbox = by_files(tmp_path)
    known = {"case_id": ids[0], "revision": 2}
    bad: list[tuple[dict[str, Any], str]] = [
        ({"external_id": {"a": 1}}, "its external_id is neither text nor a whole number"),
        ({"external_id": True}, "its external_id is neither text nor a whole number"),
        ({"external_id": 2.5}, "its external_id is neither text nor a whole number"),
        ({"external_id": 2.0**60}, "its external_id is neither text nor a whole number"),
        ({"external_id": "x" * 101}, "external_id has 101 characters"),
        ({"external_id": "x" * 3_000_000}, "its external_id has 3000000 characters"),
        ({"external_id": "A\x01"}, "its external_id holds U+0001"),
        ({"external_id": "A\x00"}, "its external_id holds U+0000"),
        ({"unit": "局\ud800"}, "its unit holds U+D800"),
        ({"case_id": "ZZ\ud800"}, "its case_id holds U+D800"),
        ({"case_id": "X\ncity: 99 delivered, 0 waiting"}, "another office's case"),
    ]
    good = {"case_id": ids[1], "revision": 2.0, "external_id": 20260311004, "unit": "水利局"}
    answers = [known | b for b, _ in bad] + [good]
    (inbox / "a.json").write_text(json.dumps(answers), encoding="utf-8")
    before = office.cases()
    report = office.deliver()
    assert report.code is ExitCode.SET_ASIDE
    assert not any("\n" in line or line.startswith("city: 99") for line in report.lines)
    assert any("X\\ncity: 99 delivered" in line for line in report.lines)
    said = [line for line in report.lines if "not applied: a.json: answer" in line]
    for number, (_, sentence) in enumerate(bad, 1):
        assert any(f"answer {number}: " in s and sentence in s for s in said), sentence
    assert max(map(len, said)) < 400
    after = office.cases()
    assert after[ids[0]] == before[ids[0]]
    assert after[ids[1]].external_id == "20260311004"
    for line in (inbox / "read" / "a.json.report.txt").read_text("utf-8").splitlines():
        assert not line.startswith("city: 99")


def test_no_file_of_an_inbox_stops_the_others(tmp_path: Path) -> None:
    office, ids, inbox = by_files(tmp_path)
    (inbox / "a.json").mkdir()
    (inbox / "b.csv").mkdir()
    (inbox / "c.json").write_text("[" * 200_000)
    (inbox / "d.xlsx").write_bytes(b"PK")
    (inbox / "Thumbs.db").write_bytes(b"")
    (inbox / "e.csv").write_text(f"case_id,revision,status\n{ids[0]},2,已处理\n", encoding="utf-8")
    report = office.deliver()
    said = "\n".join(report.lines)
    assert report.code is ExitCode.SET_ASIDE
    assert "applied 1" in said
    for sentence in ("a.json is a folder", "c.json is no JSON", "left there: d.xlsx"):
        assert sentence in said
    assert "Thumbs" not in said
    left = {p.name for p in inbox.iterdir()}
    assert left == {"read", "d.xlsx", "Thumbs.db"}


def test_marks_of_open_files_and_broken_links_block_no_inbox(tmp_path: Path) -> None:
    office, ids, inbox = by_files(tmp_path)
    for name in (".#a.csv", "~$a.xlsx", "~$b.csv"):
        (inbox / name).symlink_to("nowhere")
    for name in ("README", "map.pdf"):
        (inbox / name).write_text("x")
    (inbox / "a.csv").write_text(f"case_id,revision,status\n{ids[0]},2,已处理\n", encoding="utf-8")
    report = office.deliver()
    assert report.code is ExitCode.DONE
    assert "city: answers applied 1, known already 0, not applied 0" in report.lines
    left = "city: only .csv and .json are read of its inbox; left there: README, map.pdf"
    assert left in report.lines
    assert "a.xlsx" not in str(report.lines)
    (inbox / "b.csv").symlink_to("nowhere")
    (inbox / "c.csv").write_text(f"case_id,revision,status\n{ids[1]},2,已处理\n", encoding="utf-8")
    report = office.deliver()
    assert report.code is ExitCode.UNREACHABLE
    assert "b.csv cannot be looked at" in str(report.lines)
    assert "city: answers applied 1, known already 0, not applied 0" in report.lines


def test_an_earlier_file_that_was_read_keeps_its_name_and_its_report(tmp_path: Path) -> None:
    office, ids, inbox = by_files(tmp_path)
    texts = [f"case_id,revision,status\n{ids[0]},{n},已处理\n" for n in (7, 8, 2)]
    for text in texts:
        (inbox / "answers.csv").write_text(text, encoding="utf-8")
        office.deliver()
    names = ["answers.csv", "answers-2.csv", "answers-3.csv"]
    kept = [(inbox / "read" / n).read_text("utf-8") for n in names]
    assert kept == texts
    reports = [(inbox / "read" / f"{n}.report.txt").read_text("utf-8") for n in names]
    assert ["revision 7" in reports[0], "revision 8" in reports[1]] == [True, True]
    assert "applied 1" in reports[2]


@pytest.mark.parametrize(
    "body",
    ["[" * 200_000, '{"answers": [], "next": "\\ud800"}', '{"answers": [], "next": "\\u0000"}'],
)
def test_no_page_of_answers_stops_the_hand_over(tmp_path: Path, city: Receiver, body: str) -> None:
    office = Office(tmp_path)
    office.settle(as_receiver(city.url, answers={"fetch": True}))
    ids = office.run(3, 3)
    office.issue(ids[0])
    office.deliver()
    office.issue(ids[1])
    city.tell(raw_answers=body)
    report = office.deliver()
    assert report.code is ExitCode.UNREACHABLE
    assert "city: its answers could not be taken" in str(report.lines)
    assert "city: 1 delivered, 0 waiting, 0 dead letters" in report.lines


def test_an_id_in_full_width_forms_is_the_same_id(tmp_path: Path) -> None:
    office, ids, inbox = by_files(tmp_path)
    wide = "".join(chr(ord(c) + 0xFEE0) for c in ids[0])
    rows = [f"{wide},2,已处理", f'" {ids[1]} ",2,未处理']
    (inbox / "a.csv").write_text("\n".join(["case_id,revision,status", *rows]), encoding="utf-8")
    assert "applied 2, known already 0, not applied 0" in str(office.deliver().lines)


def test_an_external_id_at_several_cases_is_named(tmp_path: Path) -> None:
    office, ids, inbox = by_files(tmp_path)

    def said(case: str, external: str) -> str:
        text = f"case_id,revision,external_id\n{case},2,{external}\n"
        (inbox / "a.csv").write_text(text, encoding="utf-8")
        return "\n".join(office.deliver().lines)

    assert "stands at" not in said(ids[0], "E1")
    both = ", ".join(sorted(ids[:2]))
    assert f"city: the external id E1 stands at 2 cases, see whether that is meant: {both}" in (
        said(ids[1], "E1")
    )


def test_external_ids_of_two_receivers_may_be_alike(tmp_path: Path) -> None:
    office = Office(tmp_path)
    for name in ("city", "county"):
        (tmp_path / name).mkdir()
    office.settle(
        *(
            as_receiver(None, answers={"inbox": name, "settle_s": 0}) | {"name": name}
            for name in ("city", "county")
        )
    )
    ids = office.run(3, 3, 3)
    office.issue(*ids)
    office.deliver()

    def said(name: str, case: str) -> str:
        text = f"case_id,revision,external_id\n{case},2,7\n"
        (tmp_path / name / "a.csv").write_text(text, encoding="utf-8")
        return "\n".join(office.deliver().lines)

    assert "stands at" not in said("city", ids[0]) + said("county", ids[1])
    both = ", ".join(sorted(ids[1:]))
    assert f"county: the external id 7 stands at 2 cases, see whether that is meant: {both}" in (
        said("county", ids[2])
    )


def test_an_issue_that_was_typed_in_late_refuses_no_answer_of_the_days_between(
    tmp_path: Path,
) -> None:
    office, ids, inbox = by_files(tmp_path, words=CLOSES | {"立案": {"status": "verified"}})
    paper = Edit(ids[2], "王工", date(2026, 2, 20), status=Status.ISSUED)  # today is 1 March
    with open_ledger(office.state / "ledger.sqlite") as ledger:
        command = Command("siluan cases update", "u1", office.now, "0")
        assert not change(ledger, [paper], command).refused
    office.deliver()
    for day, said in (("2026-02-19", "(2026-02-20)"), ("2026-02-25", "answers applied 1")):
        text = f"case_id,revision,status,on\n{ids[2]},2,立案,{day}\n"
        (inbox / "a.csv").write_text(text, encoding="utf-8")
        assert said in str(office.deliver().lines)
    assert office.cases()[ids[2]].status is Status.VERIFIED


def test_no_status_begins_before_the_one_it_follows_or_before_the_case_was_issued(
    tmp_path: Path,
) -> None:
    office, ids, inbox = by_files(tmp_path, words=CLOSES)
    office.now += timedelta(days=10)
    office.say(Status.VERIFIED, ids[0])
    office.now += timedelta(days=10)
    office.say(Status.RECTIFYING, ids[0])
    office.deliver()
    assert office.now.date() == date(2026, 3, 21)

    def said(on: str) -> str:
        text = f"case_id,revision,status,on\n{ids[0]},4,办结,{on}\n"
        (inbox / f"{on}.csv").write_text(text, encoding="utf-8")
        return "\n".join(office.deliver().lines)

    before = office.cases()
    assert "its day 1999-01-01 lies before the case was issued (2026-03-01)" in said("1999-01-01")
    why = (
        "its day 2026-03-20 lies before that of the status it would follow (rectifying, 2026-03-21)"
    )
    assert why in said("2026-03-20")
    assert office.cases() == before
    # News of an earlier day that comes late is news; and known once it was told.
    office.now += timedelta(days=30)
    assert "answers applied 1" in said("2026-04-01")
    case = office.cases()[ids[0]]
    assert case.people is not None
    assert (case.status, case.people.decided_on) == (Status.CLOSED, date(2026, 4, 1))
    office.say(Status.RECTIFYING, ids[0], reason=Reason.OTHER, note="还在")
    assert "answers applied 0, known already 1, not applied 0" in said("2026-04-01")


def test_nobody_waits_for_the_ledger_while_a_receiver_is_asked(
    tmp_path: Path, city: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    office = Office(tmp_path)
    office.settle(as_receiver(city.url, answers={"fetch": True}))
    ids = office.run(3)
    office.issue(*ids)
    office.deliver()
    asked: list[str | None] = []

    def answered(_line: Line, after: str | None) -> Reply:
        with hold(office.state / "ledger.sqlite"):  # as siluan cases update does meanwhile
            asked.append(after)
        said = {"case_id": ids[0], "revision": 2, "unit": f"局{len(asked)}"}
        body = json.dumps({"answers": [said], "next": str(len(asked))}).encode()
        return Reply(Outcome.TAKEN, "", 200, body)

    monkeypatch.setattr(Line, "get_answers", answered)
    monkeypatch.setattr(hearing, "_PAGES_MOST", 3)
    report = office.deliver()
    assert report.code is ExitCode.UNREACHABLE
    assert "city: there are more answers; run again" in report.lines
    assert "city: answers applied 3, known already 0, not applied 0" in report.lines
    # A receiver whose pages have no end is asked for a while, and goes on where that ended.
    monkeypatch.setattr(hearing, "_ASKED_S", -1.0)
    office.deliver()
    assert asked == [None, "1", "2", "3"]


def test_more_answers_than_a_case_or_a_page_can_have_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    office, ids, inbox = by_files(tmp_path)
    monkeypatch.setattr(applying, "_OF_ONE_CASE", 2)
    said = [{"case_id": i, "revision": 2, "unit": f"局{n}"} for n in range(3) for i in ids[:2]]
    (inbox / "a.json").write_text(json.dumps([*said, {}, {}, {}]), encoding="utf-8")
    (inbox / "b.json").write_text(json.dumps([{}] * 5001), encoding="utf-8")
    lines = office.deliver().lines
    assert "city: answers applied 4, known already 0, not applied 6" in lines
    assert sum("more than 2 answers of one case at once" in line for line in lines) == 2
    assert sum("it names no case" in line for line in lines) == 3
    assert any("b.json: 5001 new answers at once" in line for line in lines)


def test_answers_that_are_known_count_for_no_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    office, ids, inbox = by_files(tmp_path)
    monkeypatch.setattr(applying, "_OF_ONE_CASE", 2)
    monkeypatch.setattr(applying, "_MOST", 3)
    said = [
        {"case_id": ids[0], "revision": 2, "unit": f"局{n}", "on": f"2026-02-{n:02}"}
        for n in range(1, 9)
    ]
    told: list[str] = []
    for upto in (2, 4, 6, 10):  # each file holds all that was ever said
        more = [{"case_id": ids[1], "revision": 2, "unit": f"{n}"} for n in range(upto - 8)]
        (inbox / "a.json").write_text(json.dumps([*said[:upto], *more]), encoding="utf-8")
        told += [line for line in office.deliver().lines if "answers applied" in line]
    assert told == [
        f"city: answers applied 2, known already {known}, not applied {refused}"
        for known, refused in ((0, 0), (2, 0), (4, 0))
    ] + ["city: answers applied 0, known already 0, not applied 1"]
    assert "4 new answers at once" in "".join(
        p.read_text("utf-8") for p in (inbox / "read").glob("*.report.txt")
    )


def test_many_refusals_of_one_kind_are_not_printed_each(tmp_path: Path) -> None:
    office, _, inbox = by_files(tmp_path)
    (inbox / "a.json").write_text(json.dumps([{}] * 25), encoding="utf-8")
    lines = office.deliver().lines
    assert sum("it names no case" in line for line in lines) == 20
    assert "city: not applied: and 5 more; of files each stands in its report" in lines
    assert (inbox / "read" / "a.json.report.txt").read_text("utf-8").count("names no case") == 25


def test_the_description_tells_the_limits_of_answers() -> None:
    told = contract.text(contract.OPENAPI)
    for most in (applying._MOST, applying._OF_ONE_CASE, reading._LONGEST, LONGEST_ID):
        assert f"{most:,}" in told, most


def test_an_inbox_that_cannot_be_used_stops_nobody_else(tmp_path: Path) -> None:
    office, ids, inbox = by_files(tmp_path)
    (inbox / "read").write_text("a file where the folder should be")
    (inbox / "a.csv").write_text(f"case_id,revision,status\n{ids[0]},2,已处理\n", encoding="utf-8")
    office.issue(ids[2])
    report = office.deliver()
    assert report.code is ExitCode.UNREACHABLE
    assert "city: its answers could not be taken: a.csv cannot be moved to read/" in str(
        report.lines
    )
    assert "feed: 1 new, 1 updated" in str(report.lines)
    (inbox / "read").unlink()
    assert "answers applied 0, known already 1" in str(office.deliver().lines)
    assert [p.name for p in inbox.iterdir()] == ["read"]
