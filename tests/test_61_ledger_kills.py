"""SIGKILL at random instants: what is in the ledger is always whole."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import ledgers

from benchmarks.ledger.kills import kill_often
from pipeline.ledger import LedgerPlace


@pytest.mark.thorough
@pytest.mark.timeout(600)
def test_ten_kills_of_a_file(tmp_path: Path) -> None:
    place = LedgerPlace(tmp_path / "state" / "ledger.sqlite")
    done = kill_often(place, tmp_path / "calm.sqlite", 10)
    assert done.torn == 0
    assert done.steps > 0


@pytest.mark.services
@pytest.mark.timeout(600)
def test_ten_kills_of_a_run_over_a_database(tmp_path: Path) -> None:
    with ledgers.server() as base:
        place = LedgerPlace(tmp_path / "state" / "ledger.sqlite", ledgers.database(base))
        done = kill_often(place, tmp_path / "calm.sqlite", 10)
    assert done.torn == 0
    assert done.steps > 0
