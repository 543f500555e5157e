"""Handing over by HTTP to a process that checks everything and misbehaves."""

from __future__ import annotations

import hashlib
import shutil
import sys
from collections import Counter
from collections.abc import Generator
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from handover import Office, Receiver, as_receiver, receiving
from receiver import SECRET

from pipeline.deliver import line, service, upkeep
from pipeline.deliver.sending import Sender
from pipeline.deliver.signing import sign, verify
from pipeline.errors import ConfigurationError, ExitCode
from pipeline.io import failpoints
from pipeline.ledger.status import Reason
from pipeline.model import Status


@pytest.fixture(scope="module")
def process() -> Generator[Receiver]:
    with receiving() as process:
        yield process


@pytest.fixture
def city(process: Receiver, monkeypatch: pytest.MonkeyPatch) -> Receiver:
    monkeypatch.setenv("CITY_SECRET", SECRET)
    process.forget()
    return process


@pytest.fixture
def office(tmp_path: Path, city: Receiver) -> Office:
    office = Office(tmp_path)
    office.settle(as_receiver(city.url))
    return office


@pytest.fixture
def ids(office: Office) -> list[str]:
    return office.run(3, 3, 3)


def later(office: Office, hours: float = 2) -> None:
    office.now += timedelta(hours=hours)


def test_signatures_hold_the_time_and_the_body() -> None:
    # By openssl: printf '1767225600.{"问题":1}' | openssl dgst -sha256 -hmac 0123456789abcdef
    key, body = b"0123456789abcdef", '{"问题":1}'.encode()
    known = "v1=4e95e90d6cedd02535a2a2a5d5d7c5d564f24035cba6a3130e957dd2860f1daf"
    assert sign(key, 1767225600, body) == known
    signature = sign(key, 1767225600, body)
    assert verify(key, "1767225600", signature, body, 1767225600 + 299)
    assert not verify(key, "1767225600", signature, body, 1767225600 + 301)
    assert not verify(key, "1767225601", signature, body, 1767225600)
    assert not verify(key, "1767225600", signature, body + b" ", 1767225600)
    assert not verify(b"another", "1767225600", signature, body, 1767225600)
    assert not verify(key, "-1", signature, body, 0)


def test_cases_arrive_with_their_pictures_once(office: Office, city: Receiver) -> None:
    ids = office.run(3, 3, 3)
    office.settle(as_receiver(city.url), evidence="out")
    data = b"a picture"
    sha = hashlib.sha256(data).hexdigest()
    for i in ids[:2]:
        office.pictured(i, 1, data, sha)
    office.issue(*ids)
    assert "city: 3 delivered, 0 waiting, 0 dead letters" in office.deliver().lines
    told = city.state()
    assert sorted(told["taken"]) == sorted([i, 2, "new"] for i in ids)
    assert told["chips"] == [sha]
    assert told["wrong"] == []
    assert office.deliver().code is ExitCode.DONE
    assert city.state()["seen"] == 3
    secret_free = [p for p in office.root.rglob("*") if p.is_file()]
    assert not any(SECRET.encode() in p.read_bytes() for p in secret_free)
    # A picture that went lost beside the feed holds its own case only.
    office.pictured(ids[0], 2, b"newer", hashlib.sha256(b"newer").hexdigest())
    office.run(4, 4, 4)
    office.settle(as_receiver("http://127.0.0.1:9", give_up=1), evidence="out")  # nobody there
    assert office.deliver().code is ExitCode.UNREACHABLE
    office.settle(as_receiver(city.url), evidence="out")
    shutil.rmtree(office.feed / "chips")
    later(office)
    report = office.deliver()
    assert report.code is ExitCode.SET_ASIDE
    assert "no longer beside the feed" in str(report.lines)
    assert city.state()["held"] == {ids[0]: 2, ids[1]: 3, ids[2]: 3}


def test_trouble_passes_and_nothing_is_lost_or_doubled(office: Office, city: Receiver) -> None:
    ids = office.run(3, 3, 3, 3, 3, 3)
    office.issue(*ids)
    trouble = [500, 429, "close", "taken-close", "twice", "taken-500", 503, "twice", "taken-close"]
    city.tell(faults={"next": trouble})
    for _ in range(4):
        office.deliver()
        later(office)
    assert office.deliver().code is ExitCode.DONE
    told = city.state()
    assert told["faults"]["next"] == []
    assert told["held"] == dict.fromkeys(ids, 2)
    assert len(told["taken"]) == 6
    assert told["wrong"] == []


@pytest.mark.thorough
def test_a_dead_receiver_is_left_alone_and_an_outbox_survives(
    office: Office, city: Receiver, ids: list[str]
) -> None:
    office.settle(as_receiver(city.url, give_up=2))
    office.issue(*ids)
    city.tell(faults={"always": 503})
    report = office.deliver()
    assert report.code is ExitCode.UNREACHABLE
    assert any("nothing more was tried after 2" in line for line in report.lines)
    assert city.state()["seen"] == 3  # two tries of the first, one of the second
    office.run(4, 4, 4)  # meanwhile there is news of all of them
    office.deliver()
    assert city.state()["seen"] == 5  # the third twice: the others are not due yet
    city.tell(faults={})
    assert "city: the next try is due 2026-03-01T04:0" in str(office.deliver().lines)
    assert office.deliver(now=True).code is ExitCode.DONE
    told = city.state()
    assert [r for c, r, _ in told["taken"] if c == ids[0]] == [2, 3]
    assert told["held"] == dict.fromkeys(ids, 3)
    assert told["wrong"] == []


def test_a_hang_has_an_end_and_holds_nobody_up(
    office: Office, city: Receiver, ids: list[str]
) -> None:
    office.settle(as_receiver(city.url, timeout_s=0.3, tries=1))
    office.issue(*ids)
    city.tell(faults={"cases": {ids[0]: "hang", ids[1]: "drip"}})
    report = office.deliver()
    assert report.code is ExitCode.UNREACHABLE
    assert "no answer to POST /cases within 0.3 s" in str(report.lines)
    assert city.state()["held"] == {ids[2]: 2}
    city.tell(faults={})
    later(office)
    office.deliver()
    assert city.state()["held"] == dict.fromkeys(ids, 2)


def test_what_is_refused_for_good_waits_for_a_person(
    office: Office, city: Receiver, ids: list[str]
) -> None:
    office.issue(*ids)
    city.tell(faults={"cases": {ids[1]: 422}})
    report = office.deliver()
    assert report.code is ExitCode.SET_ASIDE
    assert f"city: dead letter: {ids[1]} revision 2: POST /cases was answered 422" in str(
        report.lines
    )
    assert city.state()["held"] == {ids[0]: 2, ids[2]: 2}
    place = office.place()
    assert f"city: {ids[1]} revision 2, tried 1: POST /cases was answered 422" in str(
        upkeep.dead_letters(place).lines
    )
    assert "1 dead letters" in str(office.deliver().lines)  # not tried again by itself
    with pytest.raises(ConfigurationError, match="has no dead letter"):
        upkeep.put_back(place, ids[0])
    city.tell(faults={})
    assert "1 put back" in str(upkeep.put_back(place, ids[1]).lines)
    office.deliver()
    assert city.state()["held"] == dict.fromkeys(ids, 2)
    # A later revision goes its way, and the dead one is not put back after it.
    city.tell(faults={"cases": {ids[0]: 400}})
    office.say(Status.VERIFIED, ids[0])
    office.deliver()
    city.tell(faults={})
    office.say(Status.RECTIFYING, ids[0])
    office.deliver()
    assert city.state()["held"][ids[0]] == 4
    assert upkeep.dead_letters(place).lines == ("there are no dead letters",)
    assert city.state()["wrong"] == []


@pytest.mark.thorough
def test_a_wrong_secret_buries_nobody(
    office: Office, city: Receiver, ids: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    office.issue(*ids)
    monkeypatch.setenv("CITY_SECRET", "another-secret-altogether")
    report = office.deliver()
    assert report.code is ExitCode.UNREACHABLE
    assert "the signature is wrong" in str(report.lines)
    assert "0 delivered, 3 waiting, 0 dead letters" in str(report.lines)
    monkeypatch.setenv("CITY_SECRET", SECRET)
    # One that refuses a case like that, and takes the others, means the case.
    city.tell(faults={"cases": {ids[1]: 403}})
    later(office)
    assert "2 delivered, 0 waiting, 1 dead letters" in str(office.deliver().lines)
    for value in ("", "short"):
        monkeypatch.setenv("CITY_SECRET", value)
        with pytest.raises(ConfigurationError, match="CITY_SECRET"):
            office.deliver()


@pytest.mark.thorough
def test_a_new_receiver_gets_what_is_open(office: Office, city: Receiver, ids: list[str]) -> None:
    office.settle(brake={"floor": 2})
    office.issue(*ids[:2])
    office.deliver()
    office.say(Status.WITHDRAWN, ids[0], reason=Reason.CLOUD)
    office.issue(ids[2])
    office.deliver()
    office.settle(as_receiver(city.url), brake={"floor": 1})
    report = office.deliver()
    assert "2 cases would be sent to city for the first time at once" in str(report.lines)
    assert city.state()["seen"] == 0
    office.deliver(by="李工")
    assert sorted(city.state()["taken"]) == sorted([i, 2, "new"] for i in ids[1:])
    # An outbox that was lost: all is sent again, and what ended too.
    shutil.rmtree(office.state / "outbox")
    office.settle(as_receiver(city.url))
    office.deliver()
    told = city.state()
    assert [ids[0], 3, "ended"] in told["taken"]
    assert told["held"][ids[0]] == 3
    # One that is taken out of the office file is not forgotten by itself.
    city.tell(faults={"always": 500})
    office.say(Status.VERIFIED, ids[1])
    office.deliver()
    office.settle()
    assert "city is no longer in the office file, and 1 deliveries wait" in str(
        office.deliver().lines
    )
    assert "with 1 deliveries that it never took" in str(
        upkeep.forget(office.place(), "city").lines
    )


@pytest.mark.thorough
def test_killed_between_the_receiver_and_the_mark(
    office: Office, city: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = office.run(3, 3, 3)
    office.settle(as_receiver(city.url), evidence="out")
    office.pictured(ids[0], 1, b"x", hashlib.sha256(b"x").hexdigest())
    office.issue(*ids)
    for point in ("chip_sent", "posted", "marked"):
        monkeypatch.setattr(failpoints, "_passages", Counter())
        monkeypatch.setenv(failpoints.VARIABLE, f"deliver.{point}=interrupt")
        with pytest.raises(KeyboardInterrupt):
            office.deliver()
        monkeypatch.delenv(failpoints.VARIABLE)
    office.deliver()
    told = city.state()
    assert told["held"] == dict.fromkeys(ids, 2)
    assert len(told["taken"]) == 3
    assert told["wrong"] == []


def test_a_number_that_comes_again_after_a_restore_has_a_key_of_its_own(
    office: Office, city: Receiver, ids: list[str]
) -> None:
    office.issue(ids[0], ids[1])
    office.deliver()
    ledger = office.state / "ledger.sqlite"
    backup = ledger.read_bytes()
    office.say(Status.VERIFIED, *ids[:2])
    office.deliver()
    ledger.write_bytes(backup)
    office.say(Status.WITHDRAWN, ids[0], reason=Reason.DUPLICATE)  # revision 3, with other content
    report = office.deliver(full=True)
    assert report.code is ExitCode.DONE, report.lines
    state = city.state()
    assert state["wrong"] == []
    assert state["taken"][-2:] == [[ids[0], 3, "ended"], [ids[1], 2, "updated"]]
    assert state["last"][ids[0]]["delivery"]["key"] == f"{ids[0]}:3:3"
    assert state["last"][ids[0]]["delivery"]["epoch"] == 3
    # What comes later is of the same epoch; a new receiver hears the newest.
    office.say(Status.VERIFIED, ids[1])
    office.deliver()
    assert city.state()["last"][ids[1]]["delivery"]["key"] == f"{ids[1]}:3:3"
    assert city.state()["wrong"] == []


@pytest.mark.thorough
def test_killed_while_a_put_back_ledger_is_handed_over_again(
    office: Office, city: Receiver, ids: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    office.settle(as_receiver(city.url), page=1)
    office.issue(*ids)
    office.deliver()
    ledger = office.state / "ledger.sqlite"
    backup = ledger.read_bytes()
    office.say(Status.VERIFIED, *ids)
    office.deliver()
    ledger.write_bytes(backup)
    monkeypatch.setenv(failpoints.VARIABLE, "deliver.taken_in=interrupt")
    failpoints._passages.clear()
    with pytest.raises(KeyboardInterrupt):
        office.deliver(full=True)
    monkeypatch.delenv(failpoints.VARIABLE)
    office.deliver()
    state = city.state()
    assert state["wrong"] == []
    said = {i: state["last"][i]["properties"]["status"] for i in ids}
    assert said == dict.fromkeys(ids, "issued")


def test_no_reply_keeps_a_case_from_being_marked_or_another_receiver_waiting(
    office: Office, city: Receiver, ids: list[str]
) -> None:
    office.settle(as_receiver(city.url), as_receiver(city.url) | {"name": "county"})
    office.issue(*ids)
    deep = "[" * 200_000
    odd = '{"external_id":"A\\ud800"}'
    city.tell(faults={"next": [{"raw": odd}, {"raw": deep}, {"raw": deep, "status": 500}, 422]})
    report = office.deliver()
    assert report.code is ExitCode.SET_ASIDE
    said = "\n".join(report.lines)
    assert "city: 2 delivered, 0 waiting, 1 dead letters" in report.lines
    assert "county: 3 delivered, 0 waiting, 0 dead letters" in report.lines
    assert "city: not applied: in reply to its delivery: ZZ-" in said
    assert "its external_id holds U+D800" in said
    assert {c.external_id for c in office.cases().values()} == {None}
    assert "delivered, 0 waiting" in str(office.deliver().lines)
    assert city.state()["seen"] == 7  # of the city: three and one again; nothing is sent twice


def test_a_receiver_that_asks_for_rest_gets_it(
    office: Office, city: Receiver, ids: list[str]
) -> None:
    office.issue(*ids)
    asked = {"raw": "", "status": 429, "take": False, "headers": {"Retry-After": "7200"}}
    city.tell(faults={"next": [asked]})
    report = office.deliver()
    assert report.code is ExitCode.UNREACHABLE
    assert "city: nothing more was tried after it asked to be left alone for 7200 s" in report.lines
    later(office, 1.9)
    office.deliver()
    assert city.state()["seen"] == 1
    later(office, 0.2)
    assert office.deliver().code is ExitCode.DONE
    assert city.state()["held"] == dict.fromkeys(ids, 2)


def test_a_short_rest_is_waited_for_and_does_not_end_the_hand_over(
    office: Office, city: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    monkeypatch.setattr(service, "Sender", partial(Sender, sleep=waited.append))
    ids = office.run(*[3] * 8)
    office.issue(*ids)
    busy = {"raw": "", "status": 429, "take": False, "headers": {"Retry-After": "20"}}
    # At the second one it outlasts all tries: the next case is tried after what it asked for too.
    city.tell(faults={"next": [None, busy, busy, None, None, busy, None]})
    assert "city: 7 delivered, 1 waiting, 0 dead letters" in office.deliver().lines
    assert [s for s in waited if s] == [20, 20, 20]


def test_short_rests_have_an_end_of_their_own(
    office: Office, city: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    monkeypatch.setattr(service, "Sender", partial(Sender, sleep=waited.append))
    office.issue(*office.run(*[3] * 8))
    busy = {"raw": "", "status": 429, "take": False, "headers": {"Retry-After": "60"}}
    city.tell(faults={"next": [busy, None] * 8})
    report = office.deliver()
    assert "city: 5 delivered, 3 waiting, 0 dead letters" in report.lines
    assert "city: nothing more was tried after it asked to be left alone for 60 s" in report.lines
    assert sum(waited) == 300
    office.now += timedelta(seconds=59)
    office.deliver()
    assert city.state()["seen"] == 11
    office.now += timedelta(seconds=1)
    assert "city: 3 delivered, 0 waiting, 0 dead letters" in office.deliver().lines


def test_what_is_new_waits_too_where_a_receiver_rests(
    office: Office, city: Receiver, ids: list[str]
) -> None:
    office.issue(*ids[:2])
    asked = {"raw": "", "status": 503, "take": False, "headers": {"Retry-After": "7200"}}
    city.tell(faults={"next": [asked]})
    office.deliver()
    office.issue(ids[2])
    later(office, 1.9)
    report = office.deliver()
    assert city.state()["seen"] == 1
    assert "city: the next try is due 2026-03-01T06:00:0" in str(report.lines)
    assert "city: 3 delivered, 0 waiting, 0 dead letters" in office.deliver(now=True).lines
    # What was asked is over with it.
    office.say(Status.VERIFIED, ids[0])
    assert "city: 1 delivered, 0 waiting, 0 dead letters" in office.deliver().lines


def test_a_wish_to_rest_is_seconds_or_a_date_and_has_an_end() -> None:
    now = 1_767_225_600.0  # 2026-01-01T00:00:00Z
    for text, seconds in {
        "120": 120, "Thu, 01 Jan 2026 00:10:00 GMT": 600, "Wed, 31 Dec 2025 00:00:00 GMT": 0,
        "9" * 400: 86_400, "soon": 0, "": 0, "-5": 0, "Thu, 01 Jan 9999 00:00:00 GMT": 86_400,
    }.items():  # fmt: skip
        assert line._seconds(text, now) == seconds, text


def test_an_office_may_know_that_a_page_says_ok(
    office: Office, city: Receiver, ids: list[str]
) -> None:
    office.issue(*ids)
    pages = [
        {"raw": "<result>ok</result>", "type": "text/html"},
        {"raw": "<html><body>OK</body></html>", "type": "text/html"},
    ]
    city.tell(faults={"next": pages[:1]})
    assert "where city says ok by one, write pages: taken" in str(office.deliver().lines)
    later(office)
    office.settle(as_receiver(city.url, pages="taken"))
    city.tell(faults={"next": pages})
    report = office.deliver()
    assert report.code is ExitCode.DONE
    assert city.state()["held"] == dict.fromkeys(ids, 2)


@pytest.mark.parametrize(
    ("kind", "body", "taken"),
    [
        ("text/html; charset=utf-8", " <script>location='/login'</script>", False),
        ("application/json", "<!DOCTYPE html><html>请登录</html>", False),
        ("text/html", "ok", True),
        ("text/html", "", True),
        ("text/plain", "ok", True),
        ("application/xml", "<taken/>", True),
    ],
)
def test_a_web_page_takes_no_case(
    office: Office, city: Receiver, ids: list[str], kind: str, body: str, taken: bool
) -> None:
    office.issue(ids[0])
    city.tell(faults={"next": [{"raw": body, "type": kind, "take": taken}]})
    report = office.deliver()
    assert report.code is (ExitCode.DONE if taken else ExitCode.UNREACHABLE)
    assert ("answered 200 with a web page, as of a log-in" in str(report.lines)) is not taken
    later(office)
    office.deliver()
    assert city.state()["held"] == {ids[0]: 2}
    assert city.state()["wrong"] == []
