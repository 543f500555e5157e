"""The hand-over beside backups, restores and databases."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from handover import Office

from pipeline.deliver.place import find_place, open_outbox
from pipeline.errors import ConfigurationError, LedgerHeldError
from pipeline.ledger.restoring import READY
from pipeline.office import backup as keeping
from pipeline.office import restore as bringing
from pipeline.office.backup import backup
from pipeline.office.restore import RestoreRequest, restore

ROOT = Path(__file__).parents[1]


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


def test_a_restore_takes_no_number_of_the_feed_back(office: Office) -> None:
    ids = office.run(3, 3, 3)
    office.issue(ids[0])
    office.deliver()
    archive = office.root / "office.zip"
    backup(office.state, archive)
    office.issue(ids[1])
    office.deliver()
    handed = office.page(2)
    with open_outbox(office.place()), pytest.raises(LedgerHeldError):
        restore(RestoreRequest(archive, office.state, over=True))
    restore(RestoreRequest(archive, office.state, over=True))
    assert office.page(2) == handed
    office.issue(ids[2])
    with pytest.raises(ConfigurationError, match="put back from a backup"):
        office.deliver()
    office.deliver(full=True)
    assert office.page(2) == handed
    assert {i for i, _, _ in office.told(3)} == {ids[0], ids[2]}
    # Where the feed is lost too, it comes back with the rest.
    shutil.rmtree(office.feed)
    restore(RestoreRequest(archive, office.state, over=True))
    assert sorted(p.name for p in office.feed.iterdir()) == ["000001.geojson", "index.json"]


def test_a_backup_knows_no_number_that_it_does_not_hold(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.issue(*office.run(3))
    with open_outbox(office.place()):
        pass
    read = keeping._bytes_of

    def meanwhile(path: Path, work: Path) -> Iterator[bytes]:
        if path.name == "outbox.sqlite":
            office.deliver()
        return read(path, work)

    monkeypatch.setattr(keeping, "_bytes_of", meanwhile)
    backup(office.state, office.root / "office.zip")
    new = Office(office.root / "new")
    restore(RestoreRequest(office.root / "office.zip", new.state))
    assert new.told(1) == office.told(1)


def test_a_hand_over_finishes_a_restore_before_it_opens_anything(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.issue(*office.run(3))
    archive = office.root / "office.zip"
    backup(office.state, archive)
    new = Office(office.root / "new")
    with monkeypatch.context() as killed:
        killed.setattr(bringing, "settle", lambda *_: None)  # as if killed once it had happened
        restore(RestoreRequest(archive, new.state))
    assert (new.state / READY).is_dir()
    assert not (new.state / "ledger.sqlite").exists()
    new.deliver()
    assert not (new.state / READY).exists()
    assert len(new.told(1)) == 1


def test_a_workflow_that_names_a_database_hands_over_from_it(tmp_path: Path) -> None:
    # The first command of a machine: its state folder does not say yet where the ledger is. And
    # without an office file there is a feed and no receiver, unless the workflow names one.
    text = (ROOT / "workflows" / "patrol.yaml").read_text(encoding="utf-8")
    url = "postgresql://siluan@db.office/siluan"
    folder = tmp_path / "workflows"
    folder.mkdir()
    (folder / "patrol.yaml").write_text(f"{text}\nledger: {url}\n", encoding="utf-8")
    shutil.copytree(ROOT / "config", tmp_path / "config")
    place = find_place(folder / "patrol.yaml", None, None)
    assert place.ledger.url == url
    assert place.feed == tmp_path / "state" / "patrol" / "feed"
    assert place.options.receivers == ()
    assert place.outbox == tmp_path / "state" / "patrol" / "outbox" / "outbox.sqlite"
    shutil.copy(ROOT / "workflows" / "recheck.yaml", folder)
    again = find_place(folder / "recheck.yaml", None, None)  # whose cases are the patrol's
    assert (again.ledger, again.feed) == (place.ledger, place.feed)
    with (folder / "patrol.yaml").open("a", encoding="utf-8") as file:
        file.write("deliver: ../config/deliver.yaml\n")
    with pytest.raises(ConfigurationError, match=r"deliver\.yaml does not exist"):
        find_place(folder / "patrol.yaml", None, None)
