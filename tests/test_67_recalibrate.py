"""What verdicts teach: proposed, with its provenance, and refused where it is too little."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parent))
from test_62_publish import case
from test_64_cases import CONTEXT, candidate, siluan

from pipeline.adjudicate.calibration import BetaMap, Calibration, calibrated
from pipeline.cases.recalibrate import (
    Decided,
    cross_validated,
    decided,
    propose,
    recalibrate,
    said_of,
)
from pipeline.errors import ConfigurationError
from pipeline.io.settings import load_model
from pipeline.ledger import Command, Edit, LedgerPlace, apply, change, open_ledger
from pipeline.ledger.status import Reason
from pipeline.model import EvidenceState, Kind, Status


def known(n: int, seed: int = 1, kind: str = "dui") -> list[Decided]:
    """True with the square of the score."""
    rng = np.random.default_rng(seed)
    scores = rng.uniform(0.05, 0.95, n)
    return [
        Decided(f"{kind}-{seed}-{i}", kind, "ground/1", True, float(s), bool(rng.random() < s**2))
        for i, s in enumerate(scores)
    ]


def test_it_learns_what_the_score_exaggerates() -> None:
    calibration = propose(known(600), {}, 1200)
    assert calibration.kinds[Kind.DUI].at(0.5, confirmed=True) == pytest.approx(0.25, abs=0.08)
    assert list(calibration.kinds) == [Kind.DUI]
    made = calibration.provenance
    assert made is not None
    assert made.version.endswith(".1200")
    assert list(made.fitted_on) == ["dui ground/1"]
    assert sum(b.entries for b in made.reliability) == 600
    assert np.mean([abs(b.share - b.confidence) for b in made.reliability]) < 0.12


def test_no_case_is_told_by_a_fit_that_saw_it() -> None:
    found = known(120)
    # Of one case the outcome is turned: what is told of it must not move.
    turned = [replace(found[0], true=not found[0].true), *found[1:]]
    before, after = cross_validated(found), cross_validated(turned)
    assert before[found[0].case_id] == after[found[0].case_id]
    assert before != after


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ([], "0 cases with a verdict"),
        (known(49), "49 cases with a verdict"),
        ([replace(d, true=True) for d in known(200)], "0 false"),
        ([replace(d, detector=f"d{i % 9}") for i, d in enumerate(known(100))], "0 cases"),
        (
            [replace(d, kind=k) for i, d in enumerate(known(60)) for k in [list(Kind)[i % 4]]],
            "no kind has enough",
        ),
    ],
)
def test_too_few_are_refused(found: Sequence[Decided], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        propose(found, {}, 1)


def told_well(kind: str, n: int, *, confirmed: bool = True) -> list[Decided]:
    """Every second one true, and the score knows which."""
    return [
        Decided(f"{kind}-well-{i}", kind, "ground/1", confirmed, 0.1 + 0.8 * (i % 2), i % 2 == 1)
        for i in range(n)
    ]


def coin_tosses(kind: str, n: int) -> list[Decided]:
    """The score knows nothing."""
    rng = np.random.default_rng(5)
    rows = zip(rng.uniform(0.05, 0.95, n), rng.random(n) < 0.5, strict=True)
    return [
        Decided(f"{kind}-coin-{i}", kind, "ground/1", True, float(s), bool(t))
        for i, (s, t) in enumerate(rows)
    ]


def brier(rows: Sequence[Decided], told: dict[str, float]) -> str:
    return f"{np.mean([(told[d.case_id] - d.true) ** 2 for d in rows]):.3f}"


def test_what_the_file_does_not_hold_makes_it_look_no_better() -> None:
    rare = told_well("zhan", 18) + told_well("cai", 18) + told_well("jian", 18)
    tossed = coin_tosses("dui", 25)
    calibration = propose([*rare, *tossed], {}, 1)
    assert list(calibration.kinds) == [Kind.DUI]
    made = calibration.provenance
    assert made is not None
    assert sum(b.entries for b in made.reliability) == 25
    said = said_of([*rare, *tossed], calibration, None)
    told = cross_validated([*rare, *tossed])
    assert float(brier(tossed, told)) > 0.25
    assert any(text.startswith(f"Brier score {brier(tossed, told)};") for text in said)
    assert "It tells no more than one share for all: better not adopted." in said


def test_a_kind_that_is_told_badly_is_named_beside_others_that_are_told_well() -> None:
    found = [*told_well("zhan", 60), *told_well("cai", 60), *coin_tosses("dui", 25)]
    said = said_of(found, propose(found, {}, 1), None)
    told = cross_validated(found)
    (line,) = (text for text in said if text.startswith("  dui: Brier score"))
    tossed = [d for d in found if d.kind == "dui"]
    assert f"Brier score {brier(tossed, told)}, of one share" in line
    assert "better not adopted: take it out of 'kinds'" in line
    well = [text for text in said if text.startswith(("  zhan: Brier", "  cai: Brier"))]
    assert len(well) == 2
    assert not any("better not" in text for text in well)
    assert "It tells no more than one share for all: better not adopted." not in said


@pytest.mark.parametrize(("unconfirmed", "spoken"), [(0, False), (9, False), (10, True)])
def test_a_side_without_verdicts_stays_uncalibrated(unconfirmed: int, spoken: bool) -> None:
    found = [*known(100), *told_well("dui", unconfirmed, confirmed=False)]
    calibration = propose(found, {}, 1)
    held = (True, False) if spoken else (True,)
    assert calibration.kinds[Kind.DUI].sides == ("confirmed", "unconfirmed")[: len(held)]
    made = calibration.provenance
    assert made is not None
    assert sum(b.entries for b in made.reliability) == 100 + spoken * unconfirmed
    for confirmed in (True, False):
        share = calibration.at(Kind.DUI, "ground/1", 0.5, confirmed=confirmed)
        assert (share is not None) == (confirmed in held)
    watched = replace(
        case(),
        kind=Kind.DUI,
        detector="ground/1",
        status=Status.WATCH,
        evidence=replace(case().evidence, state=EvidenceState.PROVISIONAL),
    )
    assert (calibrated(watched, calibration) is not None) == spoken
    assert calibrated(replace(watched, evidence=case().evidence), calibration) is not None
    said = said_of(found, calibration, None)
    true = sum(d.true for d in found if d.confirmed)
    assert (
        f"  dui: 100 confirmed by imagery ({true} true), "
        f"{unconfirmed} unconfirmed ({unconfirmed // 2} true)"
    ) in said
    left = "  too few verdicts of cases that are unconfirmed, these stay uncalibrated: dui"
    assert (left in said) != spoken


def test_a_calibration_in_use_is_not_asked_of_a_side_that_it_does_not_know() -> None:
    found = [*known(40), *told_well("dui", 60, confirmed=False)]
    flat = BetaMap(offset=-20, low=0, high=0, confirmed=0, sides=("confirmed",))
    in_use = Calibration(basis="a test", detectors=("ground/1",), kinds={Kind.DUI: flat})
    now = np.mean([((0.0 if d.confirmed else d.score) - d.true) ** 2 for d in found])
    said = said_of(found, propose(found, {}, 1), in_use)
    assert any(f"of the calibration in use {now:.3f}, of the score" in text for text in said)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Ninety cases that people decided, 60 of them by a verdict that teaches something."""
    rng = np.random.default_rng(3)
    state = tmp_path / "state"
    with open_ledger(state / "ledger.sqlite") as ledger:
        found = [candidate(i, score=float(s)) for i, s in enumerate(rng.uniform(0.1, 0.9, 90))]
        cases = apply(ledger, found, CONTEXT).cases
        said = Command("test", "test-1", CONTEXT.period[1], "0")
        issue = [Edit(c.case_id, "王工", said.said.date(), status=Status.ISSUED) for c in cases]
        change(ledger, issue, said)
        edits = []
        for i, (edit, case) in enumerate(zip(issue, cases, strict=True)):
            if i >= 80:
                edits.append(replace(edit, status=Status.REJECTED, reason=Reason.DUPLICATE))
            elif i >= 70:
                edits.append(replace(edit, status=Status.PERMITTED, reason=Reason.PERMITTED))
            elif rng.random() < case.score:
                edits.append(replace(edit, status=Status.VERIFIED, kind=Kind.JIAN))
            else:
                edits.append(replace(edit, status=Status.REJECTED, reason=Reason.CROP))
        assert not change(ledger, edits, said).refused
    return state


def test_a_proposal_is_written_and_can_be_adopted(state: Path) -> None:
    out = state.parent / "proposed.yaml"
    text = siluan("recalibrate", "--state", state, "--out", out)
    assert "70 verdicts up to" in text
    assert "not used: 10 (duplicate)" in text
    assert "not used: 10 (permitted" in text
    assert "too few verdicts, stays uncalibrated: zhan, cai, jian" in text
    assert "Brier score" in text
    read = load_model(out, Calibration)
    assert read.detectors == ("ground/1",)
    assert read.provenance is not None
    assert read.provenance.fitted_on["dui ground/1"].true > 10
    assert yaml.safe_load(out.read_text(encoding="utf-8"))["basis"].startswith("70 verdicts")
    before = out.read_bytes()
    assert "is there already" in siluan("recalibrate", "--state", state, "--out", out, code=2)
    assert out.read_bytes() == before


@pytest.mark.parametrize("below", ["x.yaml", "deeper/x.yaml"])
def test_a_file_in_the_place_of_the_folder_is_named(state: Path, below: str) -> None:
    file = state.parent / "file"
    file.write_text("mine", encoding="utf-8")
    said = siluan("recalibrate", "--state", state, "--out", file / below, code=2)
    assert f"{file} is a file where --out needs a folder. Give another --out" in said
    assert file.read_text(encoding="utf-8") == "mine"


def test_a_proposal_is_held_against_the_calibration_in_use(state: Path) -> None:
    place = LedgerPlace(state / "ledger.sqlite")
    flat = BetaMap(offset=-20, low=0, high=0, confirmed=0)  # nothing is ever true
    simulated = Calibration(basis="a test", detectors=("ground/1",), kinds={Kind.DUI: flat})
    said = recalibrate(place, state.parent / "other.yaml", simulated).lines
    (line,) = (text for text in said if text.startswith("Brier score"))
    true = float(np.mean([d.true for d in _decided(state)]))
    assert f"of the calibration in use {true:.3f}, of the score" in line
    adopted = load_model(state.parent / "other.yaml", Calibration)
    again = recalibrate(place, state.parent / "again.yaml", adopted).lines
    assert any("may have been fitted" in text for text in again)
    assert not any("may have been fitted" in text for text in said)


def _decided(state: Path) -> list[Decided]:
    with open_ledger(state / "ledger.sqlite") as ledger:
        return decided(ledger)[0]


def test_a_case_teaches_as_it_stood_when_it_was_judged(state: Path) -> None:
    with open_ledger(state / "ledger.sqlite") as ledger:
        before, _ = decided(ledger)
        # Imagery goes on: every case is seen again, with another score.
        again = [candidate(i, hits=5, score=0.99) for i in range(90)]
        apply(ledger, again, replace(CONTEXT, run_id="r2"))
        after, left_out = decided(ledger)
    assert after == before
    assert {d.kind for d in after} == {"dui"}  # as imagery said it, not as people corrected it
    assert sum(left_out.values()) == 20
