"""Which verdicts the page offers again: those that the ledger does not show, asked of its code."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import review_pages as pages

from pipeline.ledger import Command, Edit, change, open_ledger
from pipeline.model import Status
from pipeline.publish import Shelves
from pipeline.shown import verdicts_said

NODE = shutil.which("node")
HERE = Path(__file__).parent
CODE = HERE.parent / "pipeline" / "review" / "page" / "verdict.js"


def offered(told: list[Any], *, rev: int, **verdict: Any) -> bool:
    """Tell whether the next run's page asks for a verdict that was written on an earlier one."""
    if NODE is None:
        pytest.skip("node is not installed")
    one = {"verdict": "问题", "on": "2026-05-02", "revision": 3, "written": 1, **verdict}
    given = {
        "cases": [{"id": "A", "rev": rev, "told": told}],
        "kept": {"a": {"A": one}},
        "run": "b",
    }
    done = subprocess.run(
        [NODE, HERE / "verdict_alone.js", CODE],
        input=json.dumps(given), capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    return json.loads(done.stdout) == ["A"]


@pytest.mark.parametrize(
    ("told", "rev", "asked"),
    [
        ([], 3, True),
        ([["问题", "2026-03-01", 3]], 3, True),  # what the page of then knew
        ([["问题", "2026-03-01", 3], ["问题", "2026-05-02", 3]], 3, False),  # noted, no revision
        ([["问题", "2026-03-01", 4], ["问题", "2026-05-02", 3]], 4, False),
        ([["问题", "2026-05-02", 2]], 3, True),  # of before this revision
        ([["问题", "2026-05-03", 4]], 4, False),
        ([["问题", "2026-05-01", 4]], 4, True),
        ([["不是问题", "2026-05-02", 4]], 4, True),
        ([["不是问题", "2026-05-03", 4]], 4, False),
        ([["不是问题", "2026-05-03", 3]], 4, True),
    ],
)
def test_a_verdict_is_offered_until_the_ledger_was_told_it(
    told: list[Any], rev: int, asked: bool
) -> None:
    assert offered(told, rev=rev) is asked


def test_the_page_is_told_verdicts_that_changed_nothing(tmp_path: Path) -> None:
    case = next(c for c in map(pages.case, range(6)) if c.status is Status.ISSUED)
    with open_ledger(tmp_path / "ledger.sqlite") as ledger:
        with ledger.transaction(lambda: None) as transaction:
            transaction.write([case], [])
        said = datetime(2026, 6, 1, tzinfo=UTC)
        for on in (date(2026, 3, 1), date(2026, 5, 2)):
            edit = Edit(
                case.case_id, "周工", on, status=Status.VERIFIED, verdict="问题", key=f"{on}"
            )
            command = Command("siluan cases verdict", f"v{on}", said, "0")
            assert change(ledger, [edit], command).applied
        (after,) = ledger.cases()
        shelves = Shelves(cases=(after, replace(case, case_id="B")))
        told = verdicts_said(ledger, shelves)
    assert told == {case.case_id: [("问题", "2026-03-01", 3), ("问题", "2026-05-02", 3)]}
    assert after.revision == 3
