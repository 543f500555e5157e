"""The ledger in a file: without loss, of any earlier form, on a disk that can keep it."""

import json
import signal
import sqlite3
import sys
from contextlib import closing
from dataclasses import fields, replace
from enum import Enum
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

sys.path.insert(0, str(Path(__file__).parent))
import ledgers
from ledgers import CONTEXT, FOUND, candidate, read, run

from pipeline.config import load_workflow
from pipeline.errors import ConfigurationError, DiskFullError
from pipeline.io import failpoints
from pipeline.ledger import LedgerPlace, apply, open_ledger, postgis
from pipeline.ledger.codec import dump_case, load_case
from pipeline.ledger.lock import refuse_network_share
from pipeline.ledger.plan import plan
from pipeline.ledger.tables import REVISION, SCHEMA_VERSION
from pipeline.model import (
    Attribution,
    Case,
    Evidence,
    EvidenceState,
    Grade,
    Inherited,
    Kind,
    Lead,
    LeadSource,
    Look,
    PeopleRecord,
    PermitRef,
    ReceiverAnswer,
    Ruling,
    Seen,
    Severity,
    Spoken,
    Standing,
    Status,
)


def test_round_trip_and_idempotence(tmp_path: Path) -> None:
    path = tmp_path / "state" / "ledger.sqlite"
    first = run(path)
    assert first.counts["opened"] == 2
    assert read(path) == (first.cases, 2)
    before = path.read_bytes()
    again = run(path)
    assert again.events == ()
    assert again.cases == first.cases
    assert path.read_bytes() == before
    case = replace(first.cases[0], status=Status.ISSUED, merged_from=("a",), proposal="回弹")
    assert load_case(dump_case(case), case.polygon) == case


def test_a_ruling_travels_and_a_case_from_before_there_was_one_opens() -> None:
    done = plan((), FOUND, CONTEXT)
    said = (Spoken("permit-valid", "against", "在许可「A1」范围内"),)
    ref = PermitRef("A1", "2025-01-01", None)
    ruling = Ruling("suppressed", "permit-valid", said, ref, 12.5)
    case = replace(done.cases[0], ruling=ruling, attribution=Attribution(notes=("跨县",)))
    assert load_case(dump_case(case), case.polygon) == case
    # A ledger of 0.2 before screening named the permit with the place, and had no ruling.
    old = json.loads(dump_case(case))
    del old["ruling"], old["attribution"]["boundary_verified"]
    old["attribution"]["permit"] = {"id": "A1", "valid_from": None, "valid_to": None}
    assert load_case(json.dumps(old), case.polygon) == replace(case, ruling=None)


def test_what_is_no_ledger_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with pytest.raises(ConfigurationError, match="no ledger at"):
        read(path)
    path.write_text("not a database, certainly not one of ours" * 30)
    with pytest.raises(ConfigurationError, match="cannot be used as a ledger"):
        run(path)
    path.unlink()
    run(path)
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.execute("UPDATE meta SET value='99'")
    with pytest.raises(ConfigurationError, match="schema version 99"):
        run(path)


@pytest.mark.parametrize("writing", [True, False])
def test_an_emptied_ledger_is_not_begun_anew_in_silence(tmp_path: Path, writing: bool) -> None:
    path = tmp_path / "ledger.sqlite"
    path.touch()
    (tmp_path / "observed").mkdir()  # a run that was killed before it began leaves no more
    with open_ledger(path):
        pass
    path.write_bytes(b"")
    (tmp_path / "observed" / "xiangjiang.json").write_text("{}")
    with (
        pytest.raises(ConfigurationError, match=r"is empty .* left observed.*siluan restore"),
        open_ledger(path, writing=writing),
    ):
        pass
    assert path.read_bytes() == b""
    path.unlink()  # asked for by whoever deletes it
    with open_ledger(path):
        pass


def test_the_list_of_runs_tells_of_a_ledger_that_was_emptied(tmp_path: Path) -> None:
    path, runs = tmp_path / "ledger.sqlite", tmp_path / "schedule" / "patrol.runs.jsonl"
    runs.parent.mkdir()
    # Runs that were killed, or ended without a ledger, and half a line of a full disk.
    runs.write_text('{"pid": 1}\n{"pid": 2, "code": 2}\n[1]\n{"pid": 3, "co')
    path.touch()
    with open_ledger(path):
        pass
    path.write_bytes(b"")
    runs.write_text('{"pid": 1}\n{"pid": 1, "code": 10}\n')
    with (
        pytest.raises(ConfigurationError, match=r"is empty .* left schedule/patrol\.runs\.jsonl:"),
        open_ledger(path),
    ):
        pass


def test_a_reader_makes_no_ledger_of_an_empty_file(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    path.touch()
    with pytest.raises(ConfigurationError, match="cannot be used as a ledger"):
        read(path)
    assert path.stat().st_size == 0


def test_network_shares_are_refused() -> None:
    mounts = "dev / ext4 rw 0 0\nsrv:/x /mnt/share nfs4 rw 0 0\n//srv/y /mnt/a\\040b cifs rw 0 0\n"
    refuse_network_share(Path("/home/x/ledger.sqlite"), mounts)
    for place in ("/mnt/share/state/l.sqlite", "/mnt/a b/l.sqlite"):
        with pytest.raises(ConfigurationError, match="network share"):
            refuse_network_share(Path(place), mounts)


def test_sqlite_says_full(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    run(path)
    many = [candidate(1000.0 * i, 30) for i in range(40)]
    with open_ledger(path) as ledger:
        event.listen(
            ledger._engine, "connect", lambda c, _: c.execute("PRAGMA max_page_count=20").close()
        )
        with pytest.raises(DiskFullError, match=r"ledger\.sqlite"):
            apply(ledger, many, CONTEXT)
    assert read(path)[1] == 2


@pytest.mark.parametrize("version", ["1", "2"])
def test_a_ledger_of_a_version_before_is_read_and_becomes_ours_when_written(
    tmp_path: Path, version: str
) -> None:
    path, calm = tmp_path / "ledger.sqlite", tmp_path / "calm.sqlite"
    ledgers.old_ledger(path, version)
    before = path.read_bytes()
    cases = run(calm).cases
    assert read(path) == (cases, 2)
    assert path.read_bytes() == before
    assert run(path).events == ()
    copy = path.with_name(f"ledger.sqlite.before-{REVISION}")
    assert list(copy.parent.glob(".*")) == []
    with closing(sqlite3.connect(copy)) as raw:
        old = list(raw.iterdump())
    assert f"INSERT INTO \"meta\" VALUES('schema_version','{version}');" in old
    assert read(path) == read(copy) == (cases, 2)
    with closing(sqlite3.connect(path)) as raw:
        # A program of before refuses it in a sentence: it cannot read what a body holds now.
        assert raw.execute("SELECT value FROM meta").fetchall() == [("3",)]
        assert raw.execute("SELECT count(*) FROM case_tree").fetchall() == [(2,)]
    after = path.read_bytes()
    run(path)
    assert path.read_bytes() == after
    with closing(sqlite3.connect(copy)) as raw:
        assert list(raw.iterdump()) == old
    # Put there again by hand, the same file has its copy already; another one gets its own.
    path.write_bytes(before)
    run(path)
    assert sorted(copy.parent.glob("*.before-*")) == [copy]
    path.write_bytes(before)
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.execute("INSERT INTO meta VALUES ('another', '1')")
    run(path)
    second = copy.with_name(f"{copy.name}-2")
    assert sorted(copy.parent.glob("*.before-*")) == [copy, second]
    with closing(sqlite3.connect(second)) as raw:
        assert raw.execute("SELECT value FROM meta WHERE key = 'another'").fetchall() == [("1",)]
    assert list(copy.parent.glob(".*")) == []


def test_a_new_field_or_word_of_a_case_counts_the_schema_version_up() -> None:
    # A program cannot read a body with a field, or a word of one, that it does not know: whoever
    # changes this digest raises SCHEMA_VERSION, adds to READABLE and writes a migration, once a
    # release. Until 0.2.0 is out version 3 is no release's: then the digest alone is replaced.
    def words(of: type[Any]) -> list[str]:
        names = of if issubclass(of, Enum) else (f.name for f in fields(of))
        return [of.__name__, *sorted(names)]

    kept = (Attribution, Case, Evidence, Grade, Inherited, Lead, Look, PeopleRecord, PermitRef)
    named = (
        ReceiverAnswer,
        Ruling,
        Severity,
        Spoken,
        Standing,
        EvidenceState,
        Kind,
        LeadSource,
        Seen,
        Status,
    )
    said = json.dumps([words(c) for c in (*kept, *named)])
    assert (SCHEMA_VERSION, sha256(said.encode()).hexdigest()[:12]) == ("3", "85950e94a6d6")


def test_an_unknown_field_or_word_of_a_body_is_said_with_who_wrote_it() -> None:
    case = plan([], FOUND, CONTEXT).cases[0]
    body = json.loads(dump_case(case))
    strange = [
        ("soon", {**body, "soon": 1}),
        ("soon", {**body, "looks": [{**body["looks"][0], "soon": 1}]}),
        ("zzz", {**body, "kind": "zzz"}),
    ]
    for word, other in strange:
        with pytest.raises(
            ConfigurationError, match=rf"siluan {case.code_version} .*\({word}\).*Upgrade"
        ):
            load_case(json.dumps(other), case.polygon)


def test_the_body_of_version_2_opens(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    ledgers.old_ledger(path, "2")
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.create_function("older", 1, _of_version_2)
        raw.execute("UPDATE cases SET body = older(body)")
        assert raw.execute("SELECT count(*) FROM cases WHERE body LIKE '%grade%'").fetchone() == (
            0,
        )
    assert read(path) == (run(tmp_path / "calm.sqlite").cases, 2)


def _of_version_2(body: str) -> str:
    """Leave away what version 3 brought."""
    found = json.loads(body)
    for name in ("leads", "grade", "answer"):
        del found[name]
    for look in found["looks"]:
        del look["pending"]
    return json.dumps(found)


def test_rows_that_others_write_are_in_the_index(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    run(path)
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.execute("INSERT INTO cases SELECT 'X' || case_id, corridor_id, kind, status, "
                    "evidence_state, revision, merged_into, crs, 9000, 0, 9010, 10, geometry, "
                    "body, detector, traced, newest FROM cases LIMIT 1")  # fmt: skip
        raw.execute("UPDATE cases SET min_x = 9005 WHERE case_id LIKE 'X%'")
        tree = raw.execute("SELECT min_x, max_x FROM case_tree ORDER BY 1").fetchall()
    assert tree[-1] == (9005, 9010)
    assert len(tree) == 3


def test_a_ledger_that_a_newer_program_extended_is_read_and_not_written(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    run(path)
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.execute("UPDATE alembic_version SET version_num = '0099'")
    assert read(path)[1] == 2
    with pytest.raises(ConfigurationError, match="of form 0099"):
        run(path)


@pytest.mark.thorough
def test_killed_while_it_was_brought_forward_it_is_as_before(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    ledgers.old_ledger(path, "1")
    before = read(path)
    killed = {failpoints.VARIABLE: "ledger.before_upgrade"}
    assert ledgers.run_elsewhere(sys.executable, LedgerPlace(path), killed) == -signal.SIGKILL
    with closing(sqlite3.connect(path)) as raw:
        assert raw.execute("SELECT value FROM meta").fetchall() == [("1",)]
    run(path)
    assert read(path) == before


URL = "postgresql://siluan@db.office:5432/siluan"


def test_one_state_folder_has_one_ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "ledger.sqlite"
    run(path)
    with pytest.raises(ConfigurationError, match="siluan backup, then siluan restore"):
        run(LedgerPlace(path, URL))
    elsewhere = LedgerPlace(tmp_path / "b" / "ledger.sqlite", URL)
    elsewhere.file.parent.mkdir()
    monkeypatch.setattr(postgis, "find_spec", lambda name: None)
    with pytest.raises(ConfigurationError, match=r"pip install 'siluan\[postgis\]'"):
        run(elsewhere)
    assert not elsewhere.mark.exists()
    elsewhere.mark.write_text(URL.replace("office", "other"))
    with pytest.raises(ConfigurationError, match=r"is postgresql://siluan@db\.other"):
        run(elsewhere)
    elsewhere.mark.write_text("postgresql://siluan:geheim@db/x")
    with pytest.raises(ConfigurationError, match="holds no password") as caught:
        run(elsewhere.file)
    assert "geheim" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://siluan:geheim@db/x", "holds no password"),
        ("postgresql://db/x?password=geheim", "only sslcert"),
        ("sqlite:///geheim", "a ledger is postgresql://"),
        ("postgresql://geheim", "a ledger is postgresql://"),
    ],
)
def test_an_address_that_is_none_or_holds_a_secret_is_refused_without_repeating_it(
    tmp_path: Path, url: str, said: str
) -> None:
    text = Path(__file__).parents[1].joinpath("workflows/sample.yaml").read_text(encoding="utf-8")
    workflow = tmp_path / "w.yaml"
    workflow.write_text(f"{text}\nledger: {URL}?sslmode=require\n", encoding="utf-8")
    good = load_workflow(workflow)
    assert good.ledger_place == LedgerPlace(good.state / "ledger.sqlite", f"{URL}?sslmode=require")
    workflow.write_text(text, encoding="utf-8")
    assert load_workflow(workflow).config_hash() == good.config_hash()
    workflow.write_text(f"{text}\nledger: {url}\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match=said) as caught:
        load_workflow(workflow)
    assert "geheim" not in str(caught.value)
