"""The numbered feed: what leaves, what does not, whole and once, whatever kills it."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

sys.path.insert(0, str(Path(__file__).parent))
from handover import Office, as_receiver

from pipeline.cli import app
from pipeline.deliver import upkeep
from pipeline.deliver.brake import held_back, limit
from pipeline.deliver.contract import FEED, OPENAPI, SAMPLES, document, text, validator, write_out
from pipeline.deliver.feed import read_head
from pipeline.deliver.options import BrakeOptions, DeliverOptions, load_options
from pipeline.deliver.place import open_outbox
from pipeline.deliver.service import HAND_OVER
from pipeline.deliver.signing import SIGNATURE, TIMESTAMP, sign
from pipeline.errors import ConfigurationError, ExitCode, LedgerHeldError
from pipeline.io import failpoints
from pipeline.ledger.lock import hold
from pipeline.ledger.status import Reason
from pipeline.model import Status


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


@pytest.fixture
def ids(office: Office) -> list[str]:
    return office.run(3, 3, 3, 1)


def test_only_what_people_issued_leaves_and_the_way_it_goes(office: Office, ids: list[str]) -> None:
    assert office.deliver().lines == ("feed: nothing new",)
    office.issue(ids[0], ids[1])
    office.say(Status.REJECTED, ids[2], reason=Reason.CLOUD)  # by the desk: nobody else's business
    assert office.deliver().lines[0].startswith("feed: 2 new in ")
    assert office.told(1) == sorted((i, 2, "new") for i in ids[:2])
    first = office.page(1)["features"][0]["delivery"]
    assert (first["old_status"], first["new_status"], first["reason"]) == (None, "issued", None)
    assert first["issued_automatically"] is False
    assert first["evidence"]["files"] == []
    assert "王工" not in (office.feed / "000001.geojson").read_text()

    office.run(4, 4, 4, 2)  # imagery goes on: all four have a new revision
    office.say(Status.WITHDRAWN, ids[1], reason=Reason.DUPLICATE)
    office.deliver()
    assert sorted(office.told(2)) == sorted([(ids[0], 3, "updated"), (ids[1], 4, "ended")])
    ended = next(f for f in office.page(2)["features"] if f["id"] == ids[1])["delivery"]
    assert (ended["old_status"], ended["new_status"]) == ("issued", "withdrawn")
    assert (ended["reason"], ended["reason_zh"]) == ("duplicate", "重复")
    assert [e["what"] for e in ended["events"]] == ["revised", "status"]

    office.issue(ids[1])
    office.say(Status.VERIFIED, ids[2], reason=Reason.OTHER, note="属实")
    office.deliver()
    assert sorted(office.told(3)) == sorted([(ids[1], 5, "reopened"), (ids[2], 4, "new")])
    office.say(Status.WITHDRAWN, ids[1], reason=Reason.DUPLICATE)
    office.say(Status.SUSPECTED, ids[1], reason=Reason.OTHER, note="再看")  # imagery's again
    office.deliver()
    (taken_back,) = office.page(4)["features"]
    assert (taken_back["id"], taken_back["properties"]["status"]) == (ids[1], "withdrawn")
    assert taken_back["delivery"]["change"] == "ended"
    office.run(5, 5, 5, 3)
    office.deliver()
    assert {i for i, _, _ in office.told(5)} == {ids[0], ids[2]}


@pytest.mark.thorough
def test_a_rerun_does_nothing_and_what_ended_is_quiet(office: Office, ids: list[str]) -> None:
    office.issue(*ids[:2])
    office.deliver()
    for status in (Status.VERIFIED, Status.RECTIFYING, Status.CLOSED):
        office.say(status, ids[0])
    office.deliver()
    assert office.page(2)["features"][0]["delivery"]["reason"] == "closed"
    before = {p: p.read_bytes() for p in office.feed.rglob("*") if p.is_file()}
    assert office.deliver().lines == ("feed: nothing new",)
    assert {p: p.read_bytes() for p in office.feed.rglob("*") if p.is_file()} == before
    office.run(4, 3, 3, 1)  # imagery sees the closed one again
    office.deliver()
    assert not (office.feed / "000003.geojson").exists()
    office.say(Status.RELAPSED, ids[0])
    office.deliver()
    assert [(i, c) for i, _, c in office.told(3)] == [(ids[0], "reopened")]


def test_full_is_all_that_is_open_in_numbers_of_their_own(office: Office, ids: list[str]) -> None:
    office.settle(page=2)
    office.issue(*ids[:3])
    assert "000001.geojson to 000002" in office.deliver().lines[0]
    assert len(office.told(1)) == 2
    office.say(Status.WITHDRAWN, ids[0], reason=Reason.TOO_SMALL)
    lines = office.deliver(full=True).lines
    assert lines[1].endswith("000004.geojson")
    assert sorted(office.told(4)) == sorted((i, 2, "snapshot") for i in ids[1:3])
    head = read_head(office.feed / "000004.geojson")
    assert (head.full, head.part, head.parts) == (True, 1, 1)
    index = json.loads((office.feed / "index.json").read_bytes())
    assert (index["newest"], index["newest_full"]) == (4, [4])
    # A reader who knows nothing reads the full set, and what comes after it.
    office.issue(ids[0])
    office.deliver()
    assert office.told(5) == [(ids[0], 4, "reopened")]


@pytest.mark.thorough
def test_cut_off_anywhere_it_ends_as_if_undisturbed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calm = Office(tmp_path / "calm")
    calm.settle(as_receiver(None), page=2)
    calm.issue(*calm.run(3, 3, 3))
    spare = tmp_path / "spare"
    shutil.copytree(calm.root, spare)
    calm.deliver()
    names = ["000001.geojson", "000002.geojson"]
    for point in ("before_page", "page_written", "taken_in"):
        cut = Office(tmp_path / f"{point}")
        shutil.copytree(spare, cut.root)
        monkeypatch.setattr(failpoints, "_passages", Counter())
        monkeypatch.setenv(failpoints.VARIABLE, f"deliver.{point}:2=interrupt")
        with pytest.raises(KeyboardInterrupt):
            cut.deliver()
        monkeypatch.delenv(failpoints.VARIABLE)
        cut.deliver()
        assert sorted(p.name for p in cut.feed.glob("*.geojson")) == names
        assert [(cut.feed / n).read_bytes() for n in names] == [
            (calm.feed / n).read_bytes() for n in names
        ]
        assert not list(cut.feed.glob(".*"))


@pytest.mark.thorough
def test_a_lost_outbox_is_read_from_the_feed(office: Office, ids: list[str]) -> None:
    office.issue(*ids[:2])
    office.deliver()
    office.say(Status.WITHDRAWN, ids[0], reason=Reason.OTHER, note="错")
    office.deliver()
    shutil.rmtree(office.state / "outbox")
    assert office.deliver().lines == ("feed: nothing new",)
    office.issue(ids[0])
    office.deliver()
    assert office.told(3) == [(ids[0], 4, "reopened")]
    # And a feed whose old numbers were put into an archive goes on counting.
    for path in office.feed.glob("*.geojson"):
        path.unlink()
    office.issue(ids[2])
    office.deliver()
    assert office.told(4) == [(ids[2], 2, "new")]


@pytest.mark.thorough
def test_another_ledger_is_refused_until_somebody_says_full(office: Office, ids: list[str]) -> None:
    office.issue(ids[0])
    backup = (office.state / "ledger.sqlite").read_bytes()
    office.say(Status.VERIFIED, ids[0])
    office.deliver()
    (office.state / "ledger.sqlite").write_bytes(backup)
    with pytest.raises(ConfigurationError, match="put back from a backup"):
        office.deliver()
    office.issue(ids[1])  # another event under the number of the lost one
    with pytest.raises(ConfigurationError, match="put back from a backup"):
        office.deliver()
    office.deliver(full=True)
    assert sorted(office.told(2)) == sorted([(ids[0], 2, "updated"), (ids[1], 2, "new")])
    office.say(Status.VERIFIED, ids[0])
    office.deliver()
    assert office.told(4) == [(ids[0], 3, "updated")]
    # The list of deliveries is lost, and of the feed a full set alone is left: the epoch goes on.
    office.deliver(full=True)
    paths = sorted(office.feed.glob("*.geojson"))
    for path in paths:
        if path != paths[-1]:
            path.unlink()
    assert read_head(paths[-1]).full
    shutil.rmtree(office.state / "outbox")
    office.say(Status.RECTIFYING, ids[0])
    office.deliver()
    (last,) = json.loads(max(office.feed.glob("*.geojson")).read_text("utf-8"))["features"]
    assert (last["delivery"]["key"], last["delivery"]["epoch"]) == (f"{ids[0]}:4:2", 2)


@pytest.mark.thorough
def test_two_states_do_not_write_into_one_feed(tmp_path: Path) -> None:
    one, other = Office(tmp_path / "1"), Office(tmp_path / "2")
    for office in (one, other):
        office.settle(feed="../feed")
        office.issue(office.run(3, 3)[0 if office is one else 1])
    one.deliver()
    with pytest.raises(ConfigurationError, match="another office's"):
        other.deliver()


def test_a_brake_waits_for_a_name(office: Office, ids: list[str]) -> None:
    assert limit([], BrakeOptions()) == 20
    assert limit([1, 9, 30], BrakeOptions(factor=3, floor=2)) == 27
    assert held_back("sent", 27, [1, 9, 30], BrakeOptions(factor=3, floor=2)) is None
    office.settle(brake={"factor": 2, "floor": 1})
    office.issue(*ids[:2])
    report = office.deliver()
    assert report.code is ExitCode.SET_ASIDE
    assert "2 cases would be handed over at once, more than 1 (there was none yet)" in str(
        report.lines
    )
    assert not office.feed.exists()
    assert any("would stop" in line for line in office.foretell().lines)
    assert office.deliver(by="李工").code is ExitCode.DONE
    assert len(office.told(1)) == 2
    office.run(4, 4, 3, 1)
    office.issue(ids[2])
    assert office.deliver().code is ExitCode.DONE  # 3 of a usual 2


def test_pictures_lie_beside_the_feed_and_absence_is_said(office: Office, ids: list[str]) -> None:
    office.settle(evidence="out")
    data = b"a picture"
    sha = hashlib.sha256(data).hexdigest()
    office.pictured(ids[0], 1, data, sha)
    office.pictured(ids[0], 9, b"of a later revision", hashlib.sha256(b"").hexdigest())
    office.pictured(ids[1], 1, data, hashlib.sha256(b"other").hexdigest())
    office.issue(*ids[:3])
    office.deliver()
    said = {f["id"]: f for f in office.page(1)["features"]}
    evidence = said[ids[0]]["delivery"]["evidence"]
    assert (evidence["revision"], [f["sha256"] for f in evidence["files"]]) == (1, [sha])
    assert said[ids[0]]["properties"]["chips"] == [{"name": "after.png", "sha256": sha}]
    assert (office.feed / "chips" / sha[:2] / sha).read_bytes() == data
    assert "not what its manifest says" in said[ids[1]]["delivery"]["evidence"]["note"]
    assert said[ids[1]]["properties"]["chips"] == []
    assert said[ids[2]]["delivery"]["evidence"]["note"] == "no pictures were made of this case yet"
    folder = office.pictured(ids[1], 2, data, sha)
    (folder / "manifest.json").write_text('{"files": [{"name": "../x"}]}')
    office.say(Status.VERIFIED, ids[1])
    office.deliver()
    assert "cannot be read" in office.page(2)["features"][0]["delivery"]["evidence"]["note"]


def test_looking_changes_nothing_and_two_at_once_do_not_work(
    office: Office, ids: list[str]
) -> None:
    office.issue(ids[0])
    lines = office.foretell().lines
    assert lines[0] == f"would be handed over: {ids[0]} revision 2: new, - -> issued"
    assert sorted(p.name for p in office.state.iterdir()) == [
        "ledger.sqlite",
        "ledger.sqlite.lock",
    ]
    assert upkeep.dead_letters(office.place()).lines == ("there are no dead letters",)
    with hold(office.place().outbox), pytest.raises(LedgerHeldError, match="siluan deliver"):
        office.deliver()


def test_a_reader_is_not_asked_to_read_damage(office: Office, ids: list[str]) -> None:
    office.issue(ids[0])
    office.deliver()
    shutil.rmtree(office.state / "outbox")
    (office.feed / "000001.geojson").write_bytes(b"{")
    with pytest.raises(ConfigurationError, match="no number of the feed that can be read"):
        office.deliver()


def test_every_bad_setting_is_named(tmp_path: Path) -> None:
    path = tmp_path / "deliver.yaml"
    path.write_text(
        yaml.safe_dump(
            {
                "page": 0,
                "barke": {},
                "automatic": {"patrol": {"dui": 0.2, "dua": 0.9}},
                "receivers": [
                    {"name": "City", "url": "ftp://x"},
                    {"name": "a", "url": "https://u:p@x", "secret_env": "A"},
                    {"name": "b", "url": "https://x"},
                    {"name": "c", "answers": {"fetch": True, "columns": {"案号": "no"}}},
                    {"name": "d", "answers": {"words": {"完": {"status": "watch"}}}},
                    {"name": "e", "answers": {"words": {"完": {"reason": "cloud"}}}},
                ],
            }
        )
    )
    with pytest.raises(ConfigurationError) as caught:
        load_options(path, named=True)
    for word in (
        "'page'",
        "did you mean 'brake'",
        "automatic.patrol.dui",
        "automatic.patrol.dua",
        "receivers.0.name",
        "receivers.0.url",
        "an address holds no user, password",
        "go together",
        "no is none of case_id",
        "no receiver makes a case watch",
        "a reason without a status",
    ):
        assert word in str(caught.value), word
    with pytest.raises(ConfigurationError, match="does not exist"):
        load_options(tmp_path / "none.yaml", named=True)
    assert load_options(tmp_path / "none.yaml", named=False) == DeliverOptions()
    twice = {"receivers": [{"name": "a"}, {"name": "a"}]}
    path.write_text(yaml.safe_dump(twice))
    with pytest.raises(ConfigurationError, match="receivers called a more than once"):
        load_options(path, named=True)


def test_what_ships_for_a_receivers_developer_is_true(tmp_path: Path) -> None:
    assert len(write_out(tmp_path / "contract")) == 7
    kinds = dict(zip(SAMPLES, ("item", "item", "feed", "answers"), strict=True))
    for name, kind in kinds.items():
        assert not list(validator(kind).iter_errors(json.loads(text(name)))), name
    broken = json.loads(text(SAMPLES[0]))
    del broken["delivery"]["change"]
    assert list(validator("item").iter_errors(broken))
    api = document(OPENAPI)
    assert api["openapi"].startswith("3.1")
    assert set(api["paths"]) == {"/cases", "/chips/{sha256}", "/answers"}
    for reference in _references(api):
        file, _, place = reference.partition("#")
        found = document(file) if file else api
        for part in place.strip("/").split("/"):
            found = found[part]
    assert document(FEED)["$defs"]["head"]["properties"]["schema_version"] == {"const": "1.0.0"}


def test_what_the_page_of_documentation_shows_works(tmp_path: Path) -> None:
    page = (Path(__file__).parent.parent / "docs" / "handover.md").read_text(encoding="utf-8")
    (tmp_path / "deliver.yaml").write_text(page.split("```yaml\n")[1].split("```")[0])
    options = load_options(tmp_path / "deliver.yaml", named=True)
    assert [r.name for r in options.receivers] == ["city", "county"]
    assert options.receivers[0].answers.words["办结"].status is Status.CLOSED
    shown: dict[str, Any] = {}
    exec(page.split("```python\n")[1].split("```")[0], shown)
    now, body = int(time.time()), '{"问题":1}'.encode()
    headers = {TIMESTAMP: str(now), SIGNATURE: sign(b"0123456789abcdef", now, body)}
    assert shown["is_ours"](b"0123456789abcdef", headers, body)
    assert not shown["is_ours"](b"0123456789abcdef", headers, body + b" ")
    assert sign(b"0123456789abcdef", 1767225600, body) in page


def _references(value: object) -> list[str]:
    if isinstance(value, dict):
        own = [v for k, v in value.items() if k == "$ref"]
        return own + [r for v in value.values() for r in _references(v)]
    return [r for v in value for r in _references(v)] if isinstance(value, list) else []


def test_the_command(office: Office, ids: list[str]) -> None:
    def siluan(*words: object, code: int = 0) -> str:
        done = CliRunner().invoke(app, ["deliver", *(str(w) for w in words)])
        assert done.exit_code == code, done.output
        return done.output

    office.issue(ids[0])
    state = ("--state", office.state)
    assert "nothing was changed" in siluan(*state, "--dry-run")
    assert "1 new" in siluan(*state)
    assert "has no dead letter" in siluan(*state, "--retry", ids[0], code=2)
    assert "needs somebody" in siluan(*state, "--release", code=2)
    assert "stand alone" in siluan(*state, "--dead", "--full", code=2)
    assert "--workflow FILE or --state DIR" in siluan(code=2)
    assert "openapi.json" in siluan("--contract", office.root / "c")


@pytest.mark.thorough
@pytest.mark.parametrize("point", ["before_page", "taken_in:2"])
def test_a_released_round_that_was_killed_goes_on_and_counts_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    office = Office(tmp_path)
    office.settle(page=2, brake={"floor": 1})
    office.issue(*office.run(3, 3, 3, 3, 3, 3))
    assert office.deliver().code is ExitCode.SET_ASIDE
    monkeypatch.setenv(failpoints.VARIABLE, f"deliver.{point}=interrupt")
    for _ in range(2):
        failpoints._passages.clear()
        with pytest.raises(KeyboardInterrupt):
            office.deliver(by="王工")
        if point != "before_page":
            break
    monkeypatch.delenv(failpoints.VARIABLE)
    assert office.deliver().code is ExitCode.DONE  # without another word: it was released
    with open_outbox(office.place()) as outbox:
        assert outbox.recent(HAND_OVER, 10) == [6]
        assert not outbox.was_released(HAND_OVER, 1)


def test_what_a_ledger_that_was_put_back_does_not_know_is_named(tmp_path: Path) -> None:
    office = Office(tmp_path)
    office.issue(*office.run(3))
    office.deliver()
    ledger = office.state / "ledger.sqlite"
    backup = ledger.read_bytes()
    late = office.run(3, 3)[1]
    office.issue(late)
    office.deliver()
    ledger.write_bytes(backup)
    report = office.deliver(full=True)
    assert report.code is ExitCode.SET_ASIDE
    assert f"does not know 1 cases that were handed over: {late}." in "\n".join(report.lines)
    # Once: what is done about it is people's.
    assert office.deliver().code is ExitCode.DONE
