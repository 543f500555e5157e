"""A run does not judge by less than earlier ones had; cases outlive their corridor's id."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from shapely.affinity import translate

sys.path.insert(0, str(Path(__file__).parent))
import tiny
from ledgers import CONTEXT
from test_60_ledger_rules import candidate

import pipeline.run as run_module
from pipeline.config import Workflow, choose_corridors, load_workflow
from pipeline.errors import ConfigurationError
from pipeline.grid import reproject
from pipeline.io.judged_by import note_judged_by, read_judged_by
from pipeline.ledger import LedgerContext, LedgerPlace, apply, open_ledger
from pipeline.model import LEAD_POINT, Status
from pipeline.passes.corridor import Judged
from pipeline.running.judging import context_of
from pipeline.running.known import (
    KnownCases,
    keep_history,
    known_cases,
    note_history,
    period_of,
)
from pipeline.running.request import RunRequest, with_overrides


def patrol(folder: Path, start: str, patrol_from: str | None) -> Workflow:
    path = tiny.workflow(folder, folder)
    workflow = load_workflow(path)
    period = {"from": start, "patrol_from": patrol_from, "to": "2025-12-31"}
    return workflow.model_copy(update={"period": type(workflow.period).model_validate(period)})


def asked(workflow: Workflow, **more: date) -> Workflow:
    return with_overrides(workflow, RunRequest(Path("w.yaml"), **more))  # type: ignore[arg-type]


def test_days_of_history_are_not_left_out_by_a_command(tmp_path: Path) -> None:
    workflow = patrol(tmp_path, "2024-01-01", "2025-01-01")
    with pytest.raises(ConfigurationError, match=r"--from \(2024-01-02\) lies after"):
        asked(workflow, start=date(2024, 1, 2))
    with pytest.raises(ConfigurationError, match=r"--to \(2024-12-31\) lies before patrol_from"):
        asked(workflow, end=date(2024, 12, 31))
    got = asked(workflow, start=date(2023, 6, 1), end=date(2025, 1, 1)).period
    assert (got.start, got.patrol_from, got.end) == (
        date(2023, 6, 1), date(2025, 1, 1), date(2025, 1, 1),
    )  # fmt: skip
    # Without patrol_from every look of the period may open a case, and history is what came before.
    whole = asked(patrol(tmp_path, "2024-01-01", None), end=date(2024, 3, 1)).period
    assert (whole.patrol_from, whole.end) == (None, date(2024, 3, 1))


def cases_at(
    folder: Path, *ids: str, about: tuple[str, ...] = ("tiny", "old")
) -> tuple[Workflow, LedgerPlace]:
    """Give a workflow, and a ledger with a case in the middle of its corridor for each id."""
    workflow = patrol(folder, "2025-01-01", None)
    (corridor,) = choose_corridors(workflow)
    middle = reproject(corridor.polygon_wgs84, "EPSG:4326", "EPSG:32649").centroid
    found = [
        candidate(middle.x + 200 * i, 0, 60, "hhh", corridor_id=name) for i, name in enumerate(ids)
    ]
    found = [replace(c, polygon=translate(c.polygon, 0, middle.y)) for c in found]
    place = LedgerPlace(folder / "ledger.sqlite")
    with open_ledger(place) as ledger:
        apply(ledger, found, replace(CONTEXT, corridors=about))
    return workflow, place


def test_cases_are_not_judged_anew_by_less_history(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    workflow, place = cases_at(tmp_path, "tiny")
    corridors = choose_corridors(workflow)

    def asked(start: str, patrol_from: str) -> Workflow:
        period = {"from": start, "patrol_from": patrol_from, "to": "2026-12-31"}
        return workflow.model_copy(update={"period": workflow.period.model_validate(period)})

    def held(of: Workflow) -> KnownCases:
        with open_ledger(place) as ledger:
            return known_cases(ledger, of, corridors)

    first = asked("2024-02-01", "2024-10-15")
    with caplog.at_level(logging.WARNING, "siluan"):
        keep_history(first, corridors, held(first))
    assert "the history begins 257 days before the patrol" in caplog.text
    note_history(first, ["tiny"])
    # As before; moved on by a month with as much history; with more; after a year of it.
    for start, begins in (
        ("2024-02-01", "2024-10-15"),
        ("2024-03-01", "2024-11-15"),
        ("2023-06-01", "2024-10-15"),
        ("2025-01-01", "2026-01-01"),
    ):
        keep_history(asked(start, begins), corridors, held(asked(start, begins)))
    later = asked("2025-06-01", "2025-06-01")
    with pytest.raises(ConfigurationError) as refused:
        keep_history(later, corridors, held(later))
    assert "tiny (1 cases, 486 days)" in str(refused.value)
    # Nothing is lost where imagery has no case that is listed: none, a lead's, a lost one.
    known = held(later)
    (case,) = known.cases
    closed = replace(case, status=Status.CLOSED)
    for cases in (
        (),
        (replace(case, detector=LEAD_POINT),),
        (replace(case, produced=False),),
        (closed,),
    ):
        keep_history(later, corridors, replace(known, cases=cases))


def test_a_damaged_note_of_what_cases_were_judged_by_is_named(tmp_path: Path) -> None:
    workflow = patrol(tmp_path, "2024-01-01", "2025-01-01")
    note_history(workflow, ["tiny"])
    note_history(workflow, ["far"])
    assert set(read_judged_by(workflow.state)) == {"tiny", "far"}
    (workflow.state / "judged_by.json").write_text("{", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="is damaged"):
        read_judged_by(workflow.state)


def test_cases_of_an_id_that_the_file_has_no_longer_go_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    workflow, place = cases_at(tmp_path, "old", "tiny", "far", about=("old", "tiny", "far"))
    corridors = choose_corridors(workflow)
    with open_ledger(place) as ledger:
        # Nobody knows whose they are, or another file has them: they stay where they are.
        assert known_cases(ledger, workflow, corridors).heirs == {}
        note = period_of(workflow)
        note_judged_by(workflow.state, {"old": note.model_copy(update={"corridors": "other"})})
        assert known_cases(ledger, workflow, corridors).heirs == {}
        note_history(workflow, ["old"])
        with caplog.at_level(logging.WARNING, "siluan"):
            known = known_cases(ledger, workflow, corridors)
        every = ledger.cases()
    # 'far' is in the file, though this workflow does not name it: its case is its own.
    old = next(c for c in every if c.corridor_id == "old")
    assert known.siblings == ("tiny", "far")
    assert known.heirs == {old.case_id: "tiny"}
    assert sorted(c.corridor_id for c in known.cases) == ["tiny", "tiny"]
    assert "the file has no corridor 'old': 1 case(s) of it go on in 'tiny'" in caplog.text
    # By what they were judged is known of them in their new corridor too.
    assert known.before == {"tiny": note}
    told = known.told_to(CONTEXT)
    assert (told.siblings, told.heirs) == (known.siblings, known.heirs)


def test_of_looks_without_history_nothing_is_unsaid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Judged] = []

    def noted(workflow: Workflow, judged: Sequence[Judged], *rest: Any) -> LedgerContext:
        seen.extend(judged)
        return context_of(workflow, judged, *rest)

    monkeypatch.setattr(run_module, "context_of", noted)
    images = tiny.write_scenes(tmp_path / "images")
    period = {"from": "2024-10-15", "to": "2025-03-31", "zone": "UTC"}
    assert run_module.run_workflow(RunRequest(tiny.workflow(tmp_path, images, period=period))) == 0
    (judged,) = seen
    assert judged.judged
    assert judged.counts["unjudged"]
    assert set(judged.counts["unjudged"]) <= set(judged.unread)
