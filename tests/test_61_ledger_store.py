"""The ledger on disk: without loss, append-only, one writer, whole or not at all."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
from shapely.geometry import MultiPolygon, box
from sqlalchemy import event

from pipeline.adjudicate.evidence import fold
from pipeline.errors import ConfigurationError, DiskFullError, LedgerHeldError
from pipeline.io import failpoints
from pipeline.ledger import LedgerContext, LedgerResult, LedgerStore, apply, open_ledger
from pipeline.ledger.codec import dump_case, load_case
from pipeline.ledger.lock import refuse_network_share
from pipeline.ledger.plan import plan
from pipeline.model import (
    Attribution,
    Candidate,
    Case,
    Kind,
    Look,
    PermitRef,
    Ruling,
    Seen,
    Spoken,
    Status,
)

START, END = datetime(2025, 1, 1, tzinfo=UTC), datetime(2025, 6, 30, tzinfo=UTC)


def candidate(x: float, hits: int) -> Candidate:
    looks = tuple(
        Look(datetime(2025, 1, 1 + i, 3, tzinfo=UTC), f"p{i}", "s2", 1.0, Seen.HIT, True, 0.4)
        for i in range(hits)
    )
    shape = MultiPolygon([box(x, 0, x + 30, 30), box(x + 40, 0, x + 50.5, 10)])
    return Candidate(
        kind=Kind.ZHAN,
        corridor_id="c",
        polygon=shape,
        crs="EPSG:32649",
        area_m2=shape.area,
        looks=looks,
        evidence=fold(looks),
        score=0.5,
        measures={"z": 1.0 / 3},
        scene_ids=("s1",),
        detector="zhan/1",
    )


FOUND = [candidate(0, 3), candidate(500, 1)]
CONTEXT = LedgerContext("r", "0", "h", ("c",), (START, END), partial(fold, until=END))


def run(path: Path, found: list[Candidate] = FOUND, **more: bool) -> LedgerResult:
    with open_ledger(path) as ledger:
        store: LedgerStore = ledger  # the type checker proves the protocol
        return apply(store, found, CONTEXT, **more)


def read(path: Path) -> tuple[tuple[Case, ...], int]:
    with open_ledger(path, writing=False) as ledger:
        return ledger.cases(), len(ledger.events())


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


def test_history_is_append_only(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    run(path)
    (case,) = [c for c in run(path, [candidate(0, 4), FOUND[1]]).cases if c.revision == 2]
    with open_ledger(path, writing=False) as ledger:
        assert [c.revision for c in ledger.revisions(case.case_id)] == [1, 2]
        assert ledger.revisions(case.case_id)[0].evidence.hits == 3
        assert [e.what for e in ledger.events()] == ["opened", "opened", "revised"]
    with closing(sqlite3.connect(path)) as raw:
        for verb in ("DELETE FROM events", "UPDATE events SET what='x'", "DELETE FROM revisions"):
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                raw.execute(verb)


def test_shadow_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    assert run(path, shadow=True).counts["opened"] == 2
    assert read(path) == ((), 0)


def test_one_writer(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with open_ledger(path):
        with pytest.raises(LedgerHeldError, match=f"process {os.getpid()}"), open_ledger(path):
            pass
        assert read(path) == ((), 0)
    run(path)


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


def test_a_ledger_of_the_version_before_is_read_and_becomes_ours_when_written(
    tmp_path: Path,
) -> None:
    path = tmp_path / "ledger.sqlite"
    run(path)
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.execute("UPDATE meta SET value='1'")
    before = path.read_bytes()
    read(path)
    assert path.read_bytes() == before
    run(path)
    with closing(sqlite3.connect(path)) as raw:
        (found,) = raw.execute("SELECT value FROM meta WHERE key='schema_version'").fetchone()
    assert found == "2"  # version 1 could not read rulings nor what people said


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


@pytest.mark.parametrize("error", [DiskFullError, KeyboardInterrupt])
def test_an_error_before_the_commit_leaves_the_ledger(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    path = tmp_path / "ledger.sqlite"
    action = "enospc" if error is DiskFullError else "interrupt"
    monkeypatch.setattr(failpoints, "_passages", type(failpoints._passages)())
    monkeypatch.setenv(failpoints.VARIABLE, f"ledger.before_commit={action}")
    with pytest.raises(error):
        run(path)
    assert read(path) == ((), 0)
    assert run(path).counts["opened"] == 2


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


@pytest.mark.parametrize("point", ["ledger.before_commit", "ledger.after_commit"])
def test_killed_then_started_again_ends_as_if_undisturbed(tmp_path: Path, point: str) -> None:
    path, calm = tmp_path / "killed.sqlite", tmp_path / "calm.sqlite"
    script = (
        "import importlib.util as u, pathlib, sys\n"
        "s = u.spec_from_file_location('t', sys.argv[1])\n"
        "m = u.module_from_spec(s); s.loader.exec_module(m)\n"
        "m.run(pathlib.Path(sys.argv[2]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, __file__, str(path)],
        env=os.environ | {failpoints.VARIABLE: point},
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    after = read(path)[1]
    assert after == (0 if point == "ledger.before_commit" else 2)
    run(path)  # the lock went with the process
    assert read(path) == (run(calm).cases, 2)
