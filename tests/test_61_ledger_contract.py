"""What every store of the ledger promises; the same tests over SQLite and over PostGIS."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import astuple, replace
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import affinity
from sqlalchemy.exc import DBAPIError, OperationalError

sys.path.insert(0, str(Path(__file__).parent))
import ledgers
from ledgers import CONTEXT, END, FOUND, candidate, read, run

from pipeline.errors import (
    ConfigurationError,
    DiskFullError,
    LedgerHeldError,
    LedgerUnreachableError,
)
from pipeline.io import failpoints
from pipeline.ledger import (
    Box,
    Command,
    Edit,
    Event,
    LedgerPlace,
    Narrow,
    apply,
    change,
    open_ledger,
)
from pipeline.ledger.match import Outline
from pipeline.ledger.plan import Unread, plan
from pipeline.ledger.postgis import PostgisLedger
from pipeline.ledger.proposing import ProposeOptions
from pipeline.ledger.reach import boxes_of, possible_names, read_reach
from pipeline.ledger.sql import SqlTransaction
from pipeline.ledger.tables import REVISION
from pipeline.ledger.upgrade import bring_forward
from pipeline.model import Attribution, Candidate, Case, Look, ReceiverAnswer, Seen, Status

STORES = ["sqlite", pytest.param("postgis", marks=[pytest.mark.services, pytest.mark.timeout(300)])]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with ledgers.server() as base:
        yield base


@pytest.fixture(params=STORES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> LedgerPlace:
    file = tmp_path / "state" / "ledger.sqlite"
    if request.param == "sqlite":
        return LedgerPlace(file)
    return LedgerPlace(file, ledgers.database(request.getfixturevalue("server")))


def test_round_trip_and_idempotence(place: LedgerPlace) -> None:
    first = run(place)
    assert first.counts["opened"] == 2
    assert read(place) == (first.cases, 2)
    again = run(place)
    assert again.events == ()
    assert again.cases == first.cases
    assert read(place.file) == (first.cases, 2)  # whoever knows the state folder finds it


def test_history_is_append_only(place: LedgerPlace) -> None:
    run(place)
    (case,) = [c for c in run(place, [candidate(0, 4), FOUND[1]]).cases if c.revision == 2]
    with open_ledger(place) as ledger:
        assert [c.revision for c in ledger.revisions(case.case_id)] == [1, 2]
        assert ledger.revisions(case.case_id)[0].evidence.hits == 3
        assert [e.what for e in ledger.events()] == ["opened", "opened", "revised"]
        verbs = ["DELETE FROM events", "UPDATE events SET what='x'", "DELETE FROM revisions"]
        for verb in [*verbs, "TRUNCATE events"] if place.url else verbs:
            with pytest.raises(DBAPIError, match="append-only"), ledger.connect() as connection:
                connection.exec_driver_sql(verb)


def test_what_is_asked_narrowly_is_part_of_the_whole(place: LedgerPlace) -> None:
    found = [
        *(candidate(1000.0 * i, 3) for i in range(4)),
        candidate(9000, 3, corridor="d"),
        candidate(0, 3, crs="EPSG:32650"),
    ]
    context = replace(CONTEXT, corridors=("c", "d"))
    with open_ledger(place) as ledger:
        cases = apply(ledger, found, context).cases
        assert ledger.count() == len(cases) == 6
        assert ledger.count_events() == 6
        assert tuple(ledger.scan()) == ledger.cases() == cases
        in_d = ledger.cases(corridors=["d"])
        assert [c.corridor_id for c in in_d] == ["d"]
        assert ledger.cases([c.case_id for c in cases], corridors=["d"]) == in_d
        assert ledger.cases([]) == ledger.cases(corridors=[]) == ()
        assert ledger.systems(["c", "d"]) == (
            ("c", "EPSG:32649"),
            ("c", "EPSG:32650"),
            ("d", "EPSG:32649"),
        )
        at = [("c", 1030.0, 20.0), ("d", 9000.0, 0.0), ("d", 5000.0, 0.0)]
        near = ledger.outlines([Box(k, "EPSG:32649", x, y, x + 1, y + 1) for k, x, y in at])
        wanted = [c for c in cases if (c.corridor_id, c.crs) != ("c", "EPSG:32650")]
        wanted = [c for c in wanted if c.corridor_id == "d" or c.polygon.bounds[0] == 1000]
        assert list(near) == [outline(c) for c in wanted]
        assert len(near) == 2
        pages = [ledger.events_since(0, 4), ledger.events_since(4, 4), ledger.events_since(6, 4)]
        assert [[seq for seq, _ in page] for page in pages] == [[1, 2, 3, 4], [5, 6], []]
        assert tuple(e for page in pages for _, e in page) == ledger.events()


def test_a_box_follows_its_case_and_a_corrected_outline_is_found_by_what_imagery_saw(
    place: LedgerPlace,
) -> None:
    with open_ledger(place) as ledger:
        (case, other) = apply(ledger, FOUND, CONTEXT).cases
        away = affinity.translate(case.polygon, 5000)
        moved = replace(case, polygon=away, revision=2)
        x, y = case.polygon.bounds[:2]
        old = [Box("c", case.crs, x, y, x + 1, y + 1)]
        new = [Box("c", case.crs, x + 5000, y, x + 5001, y + 1)]
        with ledger.transaction(lambda: None) as transaction:
            transaction.write([moved], [])
        assert (ledger.outlines(old), ledger.outlines(new)) == ((), (outline(moved),))
        drawn = replace(moved, traced=case.polygon, revision=3)
        with ledger.transaction(lambda: None) as transaction:
            transaction.write([drawn, other], [])
        assert ledger.outlines(old) == (outline(drawn),)


def outline(case: Case) -> Outline:
    return Outline(
        case.case_id, case.kind, case.corridor_id, case.crs, case.seen_polygon, case.detector
    )


def test_what_is_told_without_reading_a_case_is_what_its_body_says(place: LedgerPlace) -> None:
    context = replace(CONTEXT, corridors=("c", "d"))
    found = [candidate(0, 3), candidate(500, 1), candidate(9000, 4, corridor="d")]
    with open_ledger(place) as ledger:
        cases = apply(ledger, found, context).cases
        (first, second, third) = sorted(cases, key=lambda c: c.polygon.bounds)
        issued = replace(first, status=Status.ISSUED, revision=2)
        merged = replace(second, merged_into=first.case_id, looks=(), revision=2)
        said = Event(first.case_id, 2, "h", CONTEXT.period[1], "status", "suspected", "issued")
        lead = Event(first.case_id, 2, "h", CONTEXT.period[1], "lead", None, "report 7")
        with ledger.transaction(lambda: None) as transaction:
            transaction.write([issued, merged], [said, lead])
        narrow = [
            (Narrow(statuses=[Status.ISSUED]), [issued]),
            (Narrow(corridors=["d"], kinds=[third.kind], states=[third.evidence.state]), [third]),
            (Narrow(merged=False), [issued, third]),
            (Narrow(statuses=[]), []),
        ]
        for asked, wanted in narrow:
            assert list(ledger.scan(asked)) == sorted(wanted, key=lambda c: c.case_id)
        every = (issued, third)
        newest = {c.corridor_id: c.looks[-1].on for c in every}
        assert ledger.newest_looks() == newest
        assert ledger.told("status", ["issued"]) == (said,)
        assert ledger.told("lead", ["report 7", "report 8"]) == (lead,)
        assert ledger.told("lead", ["issued"]) == ()


def test_what_a_report_reads_row_by_row_is_what_the_whole_says(place: LedgerPlace) -> None:
    found = [candidate(500.0 * i, 1 + i) for i in range(4)]
    told = iter([(None, None, None), ("1", "县", "镇"), ("2", None, None), (None, "乡县", None)])
    # What a receiver wrote stands before the place in a body, and may look like it.
    answer = ReceiverAnswer("r", date(2025, 3, 1), '"attribution": {"county_code": "9"}', '"\\')
    with open_ledger(place) as ledger:
        cases = [
            replace(c, attribution=Attribution(county_code=k, county_zh=zh, township_zh=t))
            for c in apply(ledger, found, CONTEXT).cases
            for k, zh, t in [next(told)]
        ]
        cases[1] = replace(cases[1], answer=answer, revision=2)
        said = [Event(c.case_id, 2, "r", END, "said", None, str(i)) for i, c in enumerate(cases)]
        with ledger.transaction(lambda: None) as transaction:
            transaction.write(cases, [*reversed(said), *said])
    with open_ledger(place, writing=False) as ledger:
        want = [
            (
                c.case_id,
                c.revision,
                c.corridor_id,
                c.kind,
                a.county_code,
                a.county_zh,
                a.township_zh,
            )
            for c in ledger.cases()
            if (a := c.attribution)
        ]
        assert [astuple(w) for w in ledger.whereabouts()] == want
        assert len(want) == 4
        numbered = ledger.events_since(0, 100)
        for upto in (0, numbered[5][0], numbered[-1][0]):
            known = [e for seq, e in numbered if seq <= upto]
            by_case = {
                i: tuple(e for e in known if e.case_id == i)
                for i in sorted({e.case_id for e in known})
            }
            assert list(ledger.histories(upto)) == list(by_case.items())
        # Two are read side by side, and one may be left before its end.
        with closing(ledger.whereabouts()) as rows, closing(ledger.histories(upto)) as stories:
            assert next(rows).case_id == next(stories)[0]


def test_edits_and_inspections_propose_by_the_numbers_of_the_patrol(place: LedgerPlace) -> None:
    numbers = ProposeOptions(restored_misses=2)
    misses = [Look(CONTEXT.period[0].replace(month=3, day=d), f"m{d}", "s2", 1.0, Seen.MISS, True,
                   0.4) for d in (1, 2)]  # fmt: skip
    with open_ledger(place) as ledger:
        (case, _) = apply(ledger, FOUND, replace(CONTEXT, proposing=numbers)).cases
        looked = replace(case, looks=(*case.looks, *misses))
        with ledger.transaction(lambda: None) as transaction:
            transaction.write([looked], [])
        spots = replace(CONTEXT, spots=True, until={"c": CONTEXT.period[1]}, corridors=("c",))
        apply(ledger, [], spots)  # has none of its own, and changes none
        assert ledger.proposing() == numbers
        edit = Edit(case.case_id, "王工", date(2026, 1, 1), status=Status.ISSUED)
        command = Command("siluan cases issue", "i", CONTEXT.period[1], "0")
        (issued,) = change(ledger, [edit], command).cases
        assert issued.proposal == "已恢复"


def test_taken_names(place: LedgerPlace) -> None:
    with open_ledger(place) as ledger:
        (case, _) = apply(ledger, FOUND, CONTEXT).cases
        more = [replace(case, case_id=f"{case.case_id}{end}") for end in ("-2", "-10", "f")]
        with ledger.transaction(lambda: None) as transaction:
            transaction.write(more, [])
        taken = {case.case_id, f"{case.case_id}-2", f"{case.case_id}-10"}
        assert ledger.names([case.case_id, "ZZ-x"]) == taken
        assert ledger.names([]) == frozenset()
        # A new case of another corridor whose name would be the same gets the next free one.
        twin = replace(FOUND[1], corridor_id="d") if case.polygon.bounds[0] else FOUND[0]
        twin = replace(twin, corridor_id="d")
        context = replace(CONTEXT, corridors=("d",))
        (name,) = possible_names([twin], context)
        with ledger.transaction(lambda: None) as transaction:
            transaction.write([replace(case, case_id=name, corridor_id="elsewhere")], [])
        assert [c.case_id for c in apply(ledger, [twin], context).cases] == [f"{name}-2"]


def test_shadow_changes_nothing(place: LedgerPlace) -> None:
    assert run(place, shadow=True).counts["opened"] == 2
    assert read(place) == ((), 0)


def test_one_writer(place: LedgerPlace, tmp_path: Path) -> None:
    # Another machine has another state folder; then only the database knows.
    other = LedgerPlace(tmp_path / "other" / "ledger.sqlite", place.url)
    with open_ledger(place):
        for again in [place, other] if place.url else [place]:
            with pytest.raises(LedgerHeldError, match=str(os.getpid())), open_ledger(again):
                pass
        assert read(place) == ((), 0)
    run(place)


@pytest.mark.parametrize("error", [DiskFullError, KeyboardInterrupt])
def test_an_error_before_the_commit_leaves_the_ledger(
    place: LedgerPlace, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    if place.url and error is DiskFullError:
        error = OSError  # names the fail-point; a full disk of the database is the database's
    action = "interrupt" if error is KeyboardInterrupt else "enospc"
    monkeypatch.setattr(failpoints, "_passages", type(failpoints._passages)())
    monkeypatch.setenv(failpoints.VARIABLE, f"ledger.before_commit={action}")
    with pytest.raises(error):
        run(place)
    assert read(place) == ((), 0)
    assert run(place).counts["opened"] == 2


@pytest.mark.parametrize("point", ["ledger.before_commit", "ledger.after_commit"])
def test_killed_then_started_again_ends_as_if_undisturbed(
    place: LedgerPlace, tmp_path: Path, point: str
) -> None:
    ended = ledgers.run_elsewhere(sys.executable, place, {failpoints.VARIABLE: point})
    assert ended == -signal.SIGKILL
    after = read(place)[1]
    assert after == (0 if point == "ledger.before_commit" else 2)
    run(place)  # the lock went with the process
    assert read(place) == (run(tmp_path / "calm.sqlite").cases, 2)


@pytest.mark.parametrize("store", STORES)
def test_migrations_lead_to_what_a_new_ledger_is(
    store: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    def shape(form: str | None) -> list[tuple[object, ...]]:
        place = LedgerPlace(tmp_path / f"{form}.sqlite")
        if store == "postgis":
            place = replace(place, url=ledgers.database(request.getfixturevalue("server")))
        with open_ledger(place) as ledger, ledger.connect() as connection:
            if form is not None:
                if place.url:
                    connection.exec_driver_sql("DROP SCHEMA siluan, siluan_open CASCADE")
                    connection.exec_driver_sql("CREATE SCHEMA siluan")
                else:
                    for kind, name in connection.exec_driver_sql(
                        "SELECT type, name FROM sqlite_master WHERE type IN ('table', 'index') "
                        "AND name NOT LIKE 'sqlite_%' AND name NOT LIKE 'case_tree_%' "
                        "AND sql NOT NULL ORDER BY type, name = 'cases'"
                    ).all():
                        connection.exec_driver_sql(f"DROP {kind} {name}")
                bring_forward(connection, None, "0001")
                bring_forward(connection, "0001")
            return [tuple(r) for r in connection.exec_driver_sql(_SHAPE[store])]

    new, old = shape(None), shape("0001")
    assert new == old
    assert len(new) > 20


_SHAPE = {
    "sqlite": "SELECT type, name, replace(replace(replace(sql, char(10), ''), char(9), ''), ' ', "
    "'') FROM sqlite_master ORDER BY 1, 2",
    "postgis": "SELECT 'column', table_name || '.' || column_name, data_type || is_nullable || "
    "coalesce(collation_name, '') || coalesce(generation_expression, column_default, '') "
    "FROM information_schema.columns WHERE table_schema = 'siluan' UNION ALL "
    "SELECT 'index', indexname, indexdef FROM pg_indexes WHERE schemaname = 'siluan' UNION ALL "
    "SELECT 'trigger', tgname, pg_get_triggerdef(oid) FROM pg_trigger "
    "WHERE NOT tgisinternal UNION ALL "
    "SELECT 'constraint', conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE "
    "connamespace = 'siluan'::regnamespace AND contype <> 'n' ORDER BY 1, 2, 3",
}


# A narrowed read, by law.

_X = st.integers(0, 40).map(lambda n: 12.0 * n)
_ONE = st.builds(
    candidate,
    _X,
    st.integers(0, 4),
    st.sampled_from(["c", "d"]),
    st.sampled_from(["EPSG:32649", "EPSG:32650"]),
)
_STATUS = st.sampled_from([Status.WATCH, Status.SUSPECTED, Status.ISSUED, Status.CLOSED])
_DRAWN = st.sampled_from([None, 0.0, 300.0])


def _in_place(found: Candidate) -> Candidate:
    """Put it where both UTM zones meet (114° E, 30° N), so that cases of either can match."""
    east = {"EPSG:32649": 789_000.0, "EPSG:32650": 210_500.0}[found.crs]
    return replace(found, polygon=affinity.translate(found.polygon, east, 3_322_500.0))


def _as_kept(case: Case, status: Status, drawn: float | None) -> Case:
    if drawn is None:
        return replace(case, status=status)
    outline = affinity.translate(case.polygon, 0, drawn)
    return replace(case, status=status, polygon=outline, traced=case.polygon)


_LAW = given(
    before=st.lists(st.tuples(_ONE, _STATUS, _DRAWN), max_size=6),
    now=st.lists(_ONE, max_size=4),
    looked=st.sets(st.sampled_from(["c", "d"]), min_size=1),
    gone=st.integers(0, 5),
    spots=st.booleans(),
)


@settings(max_examples=6, deadline=None)
@_LAW
def test_a_narrowed_read_gives_the_plan_of_the_whole_ledger(**case: Any) -> None:
    _narrowed_equals_whole(**case)


@pytest.mark.thorough
@pytest.mark.timeout(600)
@settings(max_examples=150, deadline=None)
@_LAW
def test_a_narrowed_read_gives_the_plan_of_the_whole_ledger_thorough(**case: Any) -> None:
    _narrowed_equals_whole(**case)


def _narrowed_equals_whole(
    before: list[tuple[Candidate, Status, float | None]],
    now: list[Candidate],
    looked: set[str],
    gone: int,
    spots: bool,
) -> None:
    everywhere = replace(CONTEXT, corridors=("c", "d"))
    opened = plan((), [_in_place(c) for c, _, _ in before], everywhere).cases
    kept = [_as_kept(c, s, d) for c, (_, s, d) in zip(opened, before, strict=False)]
    context = replace(CONTEXT, run_id="r2", corridors=tuple(sorted(looked)), spots=spots)
    context = replace(context, until=dict.fromkeys(context.corridors, context.period[1]))
    found = [_in_place(c) for c in now if c.corridor_id in looked]
    miss = Look(context.period[1], "q", "s2", 1.0, Seen.MISS, True, 0.4)
    relooks = {c.case_id: (miss,) for c in kept[gone : gone + 1]}
    with TemporaryDirectory() as folder, open_ledger(Path(folder) / "ledger.sqlite") as ledger:
        with ledger.transaction(lambda: None) as transaction:
            transaction.write(kept, [])
        part = read_reach(ledger, found, context, relooks)
        names = ledger.names(possible_names(found, context)) - {c.case_id for c in part}
        narrow = plan(part, found, context, relooks, unread=Unread(len(kept) - len(part), names))
        whole = plan(ledger.cases(), found, context, relooks)
    assert narrow.changed == whole.changed
    assert narrow.events == whole.events
    assert narrow.counts == whole.counts
    assert all(c in whole.cases for c in narrow.cases)


def test_a_narrowed_read_is_narrow(place: LedgerPlace) -> None:
    many = [candidate(1000.0 * i, 3) for i in range(30)]
    context = replace(CONTEXT, spots=True, until={"c": CONTEXT.period[1]})
    with open_ledger(place) as ledger:
        apply(ledger, many, CONTEXT)
        found = [candidate(3010, 4)]
        assert len(boxes_of(found, ledger)) == 1
        assert len(read_reach(ledger, found, context)) == 1
        other = replace(context, corridors=("d",), spots=False)
        assert read_reach(ledger, [], other) == ()


# What only a database can do wrong.


@pytest.fixture
def there(server: str, tmp_path: Path) -> LedgerPlace:
    return LedgerPlace(tmp_path / "state" / "ledger.sqlite", ledgers.database(server))


@pytest.mark.services
@pytest.mark.timeout(300)
def test_a_holder_whose_connection_died_lets_go_and_can_write_no_more(
    there: LedgerPlace, tmp_path: Path
) -> None:
    other = LedgerPlace(tmp_path / "other" / "ledger.sqlite", there.url)
    assert there.url
    with open_ledger(there) as ledger:
        ledgers.sql(
            there.url,
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'",
        )
        run(other)
        with pytest.raises(LedgerUnreachableError, match="cannot be reached"):
            apply(ledger, [candidate(9000, 3)], CONTEXT)
    assert read(there)[1] == 2


@pytest.mark.services
@pytest.mark.timeout(300)
def test_sentences_without_secrets(
    server: str, there: LedgerPlace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SILUAN_LEDGER_PASSWORD", "geheim-7")
    run(there)
    assert "geheim-7" not in "".join(
        p.read_text(errors="replace") for p in there.file.parent.iterdir()
    )
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        shut = f"postgresql://siluan@127.0.0.1:{probe.getsockname()[1]}/office"
    for url in (shut, f"{server}no_such_database"):
        wrong = LedgerPlace(tmp_path / "wrong" / "ledger.sqlite", url)
        with pytest.raises(LedgerUnreachableError, match="SILUAN_LEDGER_PASSWORD") as caught:
            run(wrong)
        assert "geheim-7" not in str(caught.value)
        assert not wrong.mark.exists()
    bare = ledgers.database(server)
    ledgers.sql(bare, "DROP EXTENSION postgis")
    with pytest.raises(ConfigurationError, match="CREATE EXTENSION postgis"):
        run(LedgerPlace(tmp_path / "bare" / "ledger.sqlite", bare))
    empty = LedgerPlace(tmp_path / "empty" / "ledger.sqlite", ledgers.database(server))
    with pytest.raises(ConfigurationError, match="there is no ledger at postgresql"):
        read(empty)
    ledgers.sql(f"{server}postgres", "CREATE ROLE reader LOGIN")
    guest = LedgerPlace(
        tmp_path / "guest" / "ledger.sqlite", str(empty.url).replace("siluan@", "reader@")
    )
    with pytest.raises(ConfigurationError, match="right to create a schema"):
        run(guest)


@pytest.mark.services
@pytest.mark.timeout(300)
def test_a_database_of_an_earlier_or_later_form(there: LedgerPlace) -> None:
    assert there.url
    cases = run(there).cases
    for statement in (
        "ALTER TABLE siluan.cases DROP COLUMN shape CASCADE",
        "DROP INDEX siluan.cases_tree, siluan.cases_crs, siluan.events_lead, siluan.events_status",
        "ALTER TABLE siluan.cases DROP COLUMN detector, DROP COLUMN traced, DROP COLUMN newest",
        "UPDATE siluan.alembic_version SET version_num = '0002'",
    ):
        ledgers.sql(there.url, statement)
    assert read(there)[0] == cases
    assert run(there).events == ()
    copied = ledgers.sql(there.url, f"SELECT count(*) FROM siluan_before_{REVISION}.cases")
    assert copied == [(2,)]
    # A copy of before is never written over: the next one has a name of its own.
    ledgers.sql(there.url, "UPDATE siluan.alembic_version SET version_num = '0004'")
    ledgers.sql(
        there.url,
        "DROP INDEX siluan.events_lead, siluan.events_status, siluan.cases_newest; ALTER TABLE "
        "siluan.cases DROP COLUMN detector, DROP COLUMN traced, DROP COLUMN newest; "
        "CREATE INDEX cases_traced ON siluan.cases (corridor_id)",
    )
    assert run(there).events == ()
    copied = ledgers.sql(there.url, f"SELECT count(*) FROM siluan_before_{REVISION}_2.cases")
    assert copied == [(2,)]
    assert ledgers.sql(there.url, "SELECT count(shape) FROM siluan.cases") == [(2,)]
    ledgers.sql(there.url, "UPDATE siluan.alembic_version SET version_num = '0099'")
    assert read(there)[0] == cases
    with pytest.raises(ConfigurationError, match="of form 0099"):
        run(there)
    ledgers.sql(there.url, "UPDATE siluan.meta SET value = '99'")
    for do in (run, read):
        with pytest.raises(ConfigurationError, match="schema version 99"):
            do(there)


@pytest.mark.services
@pytest.mark.timeout(300)
def test_the_second_run_leaves_with_4(there: LedgerPlace, tmp_path: Path) -> None:
    run(there)
    other = LedgerPlace(tmp_path / "other" / "ledger.sqlite", there.url)
    with open_ledger(other, writing=False):
        other.file.parent.mkdir()
        other.mark.write_text(f"{there.url}\n")
    case = read(there)[0][0].case_id
    program = [sys.executable, "-c", "from pipeline.cli import main; main()"]
    command = [*program, "cases", "issue", case, "--by", "王工"]
    with open_ledger(there):
        done = subprocess.run(
            [*command, "--state", str(other.file.parent)], capture_output=True, check=False
        )
    assert (done.returncode, b"is held by another run" in done.stderr) == (4, True)
    done = subprocess.run([*command, "--state", str(other.file.parent)], check=False)
    assert done.returncode == 0
    with open_ledger(there, writing=False) as ledger, ledger.connect() as connection:
        assert SqlTransaction(connection).cases([case])[0].status is Status.ISSUED


def test_what_a_database_that_went_away_says_is_said_whole_and_on_one_line() -> None:
    pytest.importorskip("psycopg")
    ledger = PostgisLedger("postgresql://nobody@127.0.0.1:9/none")
    said = "the server closed the connection\n\tThis probably means it ended\n\tbefore or while.\n"
    error = OperationalError("SELECT 1", {}, Exception(said))
    whole = r"\(the server closed the connection This probably means it ended before or while\.\)"
    with pytest.raises(LedgerUnreachableError, match=whole), ledger._said():
        raise error
