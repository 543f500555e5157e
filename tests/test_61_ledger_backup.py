"""Backups: all that cannot be made again, whole or not at all, from any store into any store."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import ledgers
from ledgers import FOUND, candidate, read, run

from pipeline.errors import ConfigurationError, LedgerHeldError
from pipeline.io import failpoints
from pipeline.ledger import LedgerPlace, open_ledger
from pipeline.office.backup import backup, check
from pipeline.office.restore import RestoreRequest, restore

PAIRS = [
    ("sqlite", "sqlite"),
    *(
        pytest.param(a, b, marks=[pytest.mark.services, pytest.mark.timeout(300)])
        for a, b in [("sqlite", "postgis"), ("postgis", "sqlite"), ("postgis", "postgis")]
    ),
]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with ledgers.server() as base:
        yield base


def address(store: str, request: pytest.FixtureRequest) -> str | None:
    return None if store == "sqlite" else ledgers.database(request.getfixturevalue("server"))


def fill_state(state: Path, url: str | None = None) -> LedgerPlace:
    place = LedgerPlace(state / "ledger.sqlite", url)
    run(place)
    run(place, [candidate(0, 4), FOUND[1]])
    files = {
        "audits/audit-1.json": "{}",
        "decisions/2026/a.json": '{"问题": 1}',
        "flights/F1/receipt.html": "<p>回执</p>",
        "flights/F1/ortho.tif": "pixels",
        "store/block": "made again",
        "catalogues/c.json": "made again",
        "outbox/empty.json": "",
    }
    for name, text in files.items():
        (state / name).parent.mkdir(parents=True, exist_ok=True)
        (state / name).write_text(text, encoding="utf-8")
    with closing(sqlite3.connect(state / "outbox" / "outbox.sqlite")) as raw, raw:
        raw.execute("CREATE TABLE sent (n INTEGER)")
        raw.execute("INSERT INTO sent VALUES (7)")
    return place


def content(state: Path) -> dict[str, object]:
    """Give what matters of a state folder."""
    found: dict[str, object] = {}
    for path in sorted(p for p in state.rglob("*") if p.is_file()):
        name = path.relative_to(state).as_posix()
        if name.startswith(("ledger.", "replaced-")) or name.endswith(".lock"):
            continue
        if path.suffix == ".sqlite":
            with closing(sqlite3.connect(path)) as raw:
                found[name] = list(raw.iterdump())
        else:
            found[name] = path.read_bytes()
    with open_ledger(state / "ledger.sqlite", writing=False) as ledger:
        cases = ledger.cases()
        found["ledger"] = (cases, ledger.events_since(0, 999))
        found["revisions"] = [ledger.revisions(c.case_id) for c in cases]
    return found


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_a_state_folder_comes_back_from_any_store_in_any_store(
    tmp_path: Path, source: str, target: str, request: pytest.FixtureRequest
) -> None:
    state, new, archive = tmp_path / "state", tmp_path / "new", tmp_path / "b" / "office.zip"
    fill_state(state, address(source, request))
    assert "5 files" in backup(state, archive)[0]
    assert set(check(archive).members) == {
        *(f"ledger/{t}.jsonl" for t in ("cases", "revisions", "events")),
        "state/audits/audit-1.json",
        "state/decisions/2026/a.json",
        "state/flights/F1/receipt.html",
        "state/outbox/empty.json",
        "state/outbox/outbox.sqlite",
    }
    restore(RestoreRequest(archive, new, address(target, request)))
    remade = {"store/block", "catalogues/c.json", "flights/F1/ortho.tif"}
    wanted = {k: v for k, v in content(state).items() if k not in remade}
    assert content(new) == wanted
    # The same once more loses nothing, and needs no --over.
    restore(RestoreRequest(archive, new))
    assert content(new) == wanted
    # It is a ledger like any other: what comes next gets the next number.
    for folder in (state, new):
        run(folder / "ledger.sqlite", [candidate(0, 4), FOUND[1], candidate(9000, 3)])
    assert content(new)["ledger"] == content(state)["ledger"]
    assert [seq for seq, _ in content(new)["ledger"][1]] == [1, 2, 3, 4]  # type: ignore[index]


def test_with_flights(tmp_path: Path) -> None:
    fill_state(tmp_path / "state")
    lines = backup(tmp_path / "state", tmp_path / "a.zip")
    assert "not kept: 1 mosaics and photos" in lines[1]
    assert len(backup(tmp_path / "state", tmp_path / "b.zip", flights=True)) == 1
    assert "state/flights/F1/ortho.tif" in check(tmp_path / "b.zip").members


def test_never_over_a_newer_ledger_and_what_is_replaced_is_kept(tmp_path: Path) -> None:
    state, archive = tmp_path / "state", tmp_path / "office.zip"
    place = fill_state(state)
    backup(state, archive)
    kept = content(state)
    (state / "audits" / "audit-2.json").write_text("later")
    (state / "audits" / "audit-1.json").write_text("changed")
    run(place, [candidate(0, 4), FOUND[1], candidate(9000, 3)])
    newer = content(state)
    with pytest.raises(ConfigurationError, match="say --over"):
        restore(RestoreRequest(archive, state))
    assert content(state) == newer
    with open_ledger(place.file), pytest.raises(LedgerHeldError):
        restore(RestoreRequest(archive, state, over=True))
    lines = restore(RestoreRequest(archive, state, over=True))
    assert content(state) == kept
    (aside,) = state.glob("replaced-*")
    assert str(aside) in lines[1]
    assert (aside / "audits" / "audit-2.json").read_text() == "later"
    assert (aside / "audits" / "audit-1.json").read_text() == "changed"
    assert read(aside / "ledger.sqlite") == (newer["ledger"][0], 4)  # type: ignore[index]
    # An older ledger is no obstacle, and a set-aside folder is in no backup.
    backup(state, tmp_path / "again.zip")
    assert not any("replaced" in name for name in check(tmp_path / "again.zip").members)
    restore(RestoreRequest(tmp_path / "again.zip", state))
    restore(RestoreRequest(archive, state))
    # Looks that could not see change a case without an event.
    with open_ledger(place.file) as ledger, ledger.transaction(lambda: None) as transaction:
        (case, *_) = transaction.cases()
        transaction.write([replace(case, looks=case.looks[:-1])], [])
    with pytest.raises(ConfigurationError, match="say --over"):
        restore(RestoreRequest(archive, state))


def test_what_is_no_backup_of_ours_is_refused(tmp_path: Path) -> None:
    state, archive, bad = tmp_path / "state", tmp_path / "office.zip", tmp_path / "bad.zip"
    with pytest.raises(ConfigurationError, match="there is no ledger"):
        backup(state, archive)
    fill_state(state)
    backup(state, archive)
    with pytest.raises(ConfigurationError, match="is there already"):
        backup(state, archive)
    with pytest.raises(ConfigurationError, match="there is no file"):
        restore(RestoreRequest(bad, tmp_path / "new"))
    with pytest.raises(ConfigurationError, match="no address"):
        restore(RestoreRequest(archive, tmp_path / "new", "mysql://x"))
    whole = archive.read_bytes()
    bad.write_bytes(whole[:-40])
    with pytest.raises(ConfigurationError, match="not a backup that siluan made"):
        restore(RestoreRequest(bad, tmp_path / "new"))
    with zipfile.ZipFile(archive) as source:
        members = {n: source.read(n) for n in source.namelist()}

    def forged(**changes: bytes | None) -> None:
        with zipfile.ZipFile(bad, "w") as sink:
            for name, data in {**members, **changes}.items():
                if data is not None:
                    sink.writestr(name, data)

    events = "ledger/events.jsonl"
    manifest = json.loads(members["manifest.json"])
    manifest["members"]["state/../../x"] = manifest["members"][events]
    escape = {"manifest.json": json.dumps(manifest).encode(), "state/../../x": members[events]}
    newer = {"manifest.json": members["manifest.json"].replace(b"backup/1", b"backup/9")}
    # Its rows would go into a ledger that says of itself that this program can read them.
    later = {"manifest.json": members["manifest.json"].replace(b'"schema": "3"', b'"schema": "9"')}
    # What a newer program says besides is not what is wrong with it.
    extended = json.loads(newer["manifest.json"]) | {"more": 1}
    for change, said in [
        ({"manifest.json": json.dumps(extended).encode()}, "backup/9"),
        (later, "schema version 9, this program 3"),
        ({events: members[events].replace(b"opened", b"closed")}, "ledger/events.jsonl"),
        ({events: None}, "ledger/events.jsonl"),
        ({"state/more": b"x"}, "state/more"),
        (escape, r"state/\.\./\.\./x"),
        (newer, "backup/9"),
    ]:
        forged(**change)
        with pytest.raises(ConfigurationError, match=said):
            restore(RestoreRequest(bad, tmp_path / "new"))
    assert not (tmp_path / "x").exists()
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["ledger.sqlite.lock"]


PROGRAM = "from pipeline.cli import main; main()"


def killed(point: str, *arguments: object) -> None:
    env = {**os.environ, failpoints.VARIABLE: point}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *map(str, arguments)], env=env, check=False
    )
    assert done.returncode == -signal.SIGKILL, point


@pytest.mark.thorough
@pytest.mark.timeout(300)
@pytest.mark.parametrize("point", ["backup.copied", "backup.packed", "backup.written"])
def test_a_killed_backup_is_there_whole_or_not_at_all(tmp_path: Path, point: str) -> None:
    state, archive = tmp_path / "state", tmp_path / "office.zip"
    fill_state(state)
    before = content(state)
    killed(point, "backup", "--state", state, "--to", archive)
    assert content(state) == before
    assert archive.exists() == (point == "backup.written")
    if not archive.exists():
        backup(state, archive)
    check(archive)
    assert [p.name for p in tmp_path.iterdir() if p.name not in ("state", "office.zip")] == []


RESTORE_POINTS = ["unpacked", "committed", "loaded", "half_moved", "half_moved:3", "half_moved:6"]


@pytest.mark.parametrize(
    ("store", "point"),
    [
        *(pytest.param("sqlite", p, marks=pytest.mark.thorough) for p in RESTORE_POINTS),
        *(
            pytest.param("postgis", p, marks=[pytest.mark.services, pytest.mark.timeout(300)])
            for p in RESTORE_POINTS[:4]
        ),
    ],
)
def test_a_killed_restore_ends_before_or_after(
    tmp_path: Path, store: str, point: str, request: pytest.FixtureRequest
) -> None:
    state, archive = tmp_path / "state", tmp_path / "office.zip"
    place = fill_state(state, address(store, request))
    kept = content(state)
    backup(state, archive)
    (state / "audits" / "audit-2.json").write_text("later")
    run(place, [candidate(0, 4), FOUND[1], candidate(9000, 3)])
    newer = content(state)
    killed(f"restore.{point}", "restore", archive, "--state", state, "--over")
    with open_ledger(state / "ledger.sqlite", writing=False):
        pass  # whoever opens it next finishes
    found = {k: v for k, v in content(state).items() if not k.startswith(".restore.partial")}
    assert found == (newer if point == "unpacked" else kept)
    restore(RestoreRequest(archive, state, over=True))
    assert content(state) == kept


def test_a_backup_is_not_kept_where_the_next_one_would_take_it_in(tmp_path: Path) -> None:
    state = tmp_path / "state"
    fill_state(state)
    (tmp_path / "link").symlink_to(state)
    for to in (state / "a.zip", state / "new" / "a.zip", tmp_path / "link" / "a.zip"):
        with pytest.raises(ConfigurationError, match="lies in the state folder"):
            backup(state, to)
    assert not list(state.rglob("*.zip"))
    assert not (state / "new").exists()


def test_a_damaged_row_and_an_empty_ledger_are_named_and_nothing_kept(tmp_path: Path) -> None:
    state, archive = tmp_path / "state", tmp_path / "a.zip"
    fill_state(state)
    with closing(sqlite3.connect(state / "ledger.sqlite")) as ledger, ledger:
        ledger.execute("UPDATE cases SET body = substr(body, 1, length(body) - 9)")
    with pytest.raises(ConfigurationError, match=r"state/ledger\.sqlite is damaged \(Error -5"):
        backup(state, archive)
    (state / "ledger.sqlite").write_bytes(b"")
    with pytest.raises(ConfigurationError, match=r"state/ledger\.sqlite cannot be used") as told:
        backup(state, archive)
    assert ".work" not in str(told.value)
    assert not list(tmp_path.glob("*.zip*"))


@pytest.mark.parametrize("name", ["ledger.sqlite", "outbox/outbox.sqlite"])
@pytest.mark.parametrize("left", [0.3, 0.6, 0.9])
def test_a_damaged_database_is_named_and_nothing_kept(
    tmp_path: Path, name: str, left: float
) -> None:
    state, archive = tmp_path / "state", tmp_path / "a.zip"
    fill_state(state)
    whole = (state / name).read_bytes()
    (state / name).write_bytes(whole[: int(len(whole) * left)])
    with pytest.raises(ConfigurationError, match=rf"state/{name} (is damaged|cannot be)"):
        backup(state, archive)
    assert not archive.exists()
    assert not list(tmp_path.glob(".a.zip*"))
