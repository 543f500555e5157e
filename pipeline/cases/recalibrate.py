"""What verdicts teach about the confidence: a proposed file, which an analyst adopts or not."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml

from pipeline.adjudicate.calibration import (
    SIDES,
    BetaMap,
    Bin,
    Calibration,
    Counts,
    Provenance,
    Side,
    side_of,
)
from pipeline.adjudicate.fitting import LEAST, fit, fit_maps, reliability
from pipeline.cases.where import Report, make_folder, today
from pipeline.errors import ConfigurationError
from pipeline.io.atomic import write_bytes
from pipeline.ledger import AnyPlace, LedgerStore, Narrow, open_ledger
from pipeline.ledger.status import Reason
from pipeline.model import Case, EvidenceState, Kind, Status

TRUE = frozenset({Status.VERIFIED, Status.RECTIFYING, Status.CLOSED, Status.RELAPSED})
FALSE = frozenset({Status.REJECTED})
LEAST_EACH = 10  # true ones, and false ones, without which nothing can be said
LEAST_PART = 20  # outcomes of a kind, or of a detector, without which it stays uncalibrated
LEAST_SIDE = 10  # of a kind, confirmed or not, without which that side stays uncalibrated
_FOLDS = 5
_BIN = 25
_CONFIRMED = (EvidenceState.SUSPECTED, EvidenceState.RELAPSED)
_HEAD = """# Proposed from verdicts by siluan cases recalibrate; nothing reads it where it lies.
# To adopt it, look at its reliability and put it at config/confidence.yaml.
"""


@dataclass(frozen=True, slots=True)
class Decided:
    """A case as it stood when people judged it, and what they found."""

    case_id: str
    kind: str
    detector: str
    confirmed: bool
    score: float
    true: bool


def recalibrate(ledger: AnyPlace, out: Path, in_use: Calibration | None = None) -> Report:
    """Fit the confidence to verdicts and write the proposal; it never writes over a file.

    ``in_use`` is what the workflow reads now, and is held against the same verdicts.

    Raises
    ------
    ConfigurationError
        Too few verdicts, the file is there, or another file where its folder would be.
    """
    if out.exists():
        raise ConfigurationError(
            f"{out} is there already",
            "Give another --out: a proposal is adopted by hand, by moving it",
        )
    with open_ledger(ledger, writing=False) as store:
        found, left_out = decided(store)
        events = store.count_events()
    calibration = propose(found, left_out, events)
    content = yaml.safe_dump(
        calibration.model_dump(mode="json"), sort_keys=False, allow_unicode=True
    )
    make_folder(out.parent)
    write_bytes(out, (_HEAD + content).encode())
    adopt = f"proposed in {out}; to adopt it, put it at config/confidence.yaml"
    return Report((*said_of(found, calibration, in_use), adopt))


def decided(store: LedgerStore) -> tuple[list[Decided], dict[str, int]]:
    """Give what was decided, as it stood before; and how many cases were not used, by why."""
    found: list[Decided] = []
    left_out: Counter[str] = Counter()
    judged = TRUE | FALSE | {Status.PERMITTED}
    for case in list(store.scan(Narrow(statuses=judged, merged=False))):
        why = _why_not(case)
        before = None if why else _judged(store.revisions(case.case_id))
        if before is not None and before.of_lead:
            why, before = "a lead that no imagery had shown", None
        if before is None:
            left_out[why or "never seen undecided"] += 1
            continue
        confirmed = before.evidence.state in _CONFIRMED
        found.append(
            Decided(
                case.case_id,
                before.kind.value,
                before.detector,
                confirmed,
                before.score,
                case.status in TRUE,
            )
        )
    return found, dict(left_out)


def propose(
    found: Sequence[Decided], left_out: Mapping[str, int], ledger_events: int
) -> Calibration:
    """Fit a calibration to decided cases, with its provenance. Pure but for the day.

    Raises
    ------
    ConfigurationError
        There are too few of them.
    """
    by_detector = Counter(d.detector for d in found)
    used = [d for d in found if by_detector[d.detector] >= LEAST_PART]
    left = Counter(left_out)
    if len(found) > len(used):
        left["too few of the detector"] = len(found) - len(used)
    hits = sum(d.true for d in used)
    if len(used) < LEAST or min(hits, len(used) - hits) < LEAST_EACH:
        raise ConfigurationError(
            f"{len(used)} cases with a verdict that can be used ({hits} true, "
            f"{len(used) - hits} false) are too few to calibrate the confidence",
            f"It takes {LEAST}, with {LEAST_EACH} of either, and {LEAST_PART} of a detector",
        )
    by_kind = Counter(d.kind for d in used)
    kinds = [k for k in Kind if by_kind[k.value] >= LEAST_PART]
    if not kinds:
        raise ConfigurationError(
            "no kind has enough verdicts to be calibrated", f"It takes {LEAST_PART} of a kind"
        )
    day = today()
    fitted = fit(used, _basis(used, day.isoformat()), {d.detector for d in used}, kinds)
    sided = {k: m.model_copy(update={"sides": _sides(used, k)}) for k, m in fitted.kinds.items()}
    fitted = fitted.model_copy(update={"kinds": sided})
    told = cross_validated(used)
    bins = reliability(_held(used, fitted), lambda d: told[d.case_id], _BIN)
    provenance = Provenance(
        version=f"{day.isoformat()}.{ledger_events}",
        made_on=day,
        ledger_events=ledger_events,
        fitted_on=_counts(used, lambda d: d.detector),
        sides=_counts(used, lambda d: side_of(d.confirmed)),
        left_out=dict(sorted(left.items())),
        reliability=tuple(
            Bin(entries=n, confidence=round(t, 4), share=round(s, 4), low=round(a, 4),
                high=round(b, 4))
            for n, t, s, (a, b) in bins
        ),
    )  # fmt: skip
    return fitted.model_copy(update={"provenance": provenance})


def cross_validated(found: Sequence[Decided]) -> dict[str, float]:
    """Tell the confidence of each case by maps fitted without it and its fifth of the cases."""
    folds = {d.case_id: _fold(d.case_id) for d in found}
    kinds = {Kind(d.kind) for d in found}
    told: dict[str, float] = {}
    for fold in range(_FOLDS):
        maps = fit_maps([d for d in found if folds[d.case_id] != fold], kinds)
        told |= {d.case_id: _at(maps, d) for d in found if folds[d.case_id] == fold}
    return told


def _why_not(case: Case) -> str | None:
    """Say why a decided case teaches nothing of the detectors."""
    if case.status is Status.PERMITTED:
        return "permitted: imagery was right, and a layer was missing"
    reason = case.people.reason if case.people else None
    return "duplicate" if case.status in FALSE and reason == Reason.DUPLICATE else None


def _judged(revisions: Iterable[Case]) -> Case | None:
    """Give the last revision before people first decided; None if there is none."""
    before: Case | None = None
    for case in revisions:
        if case.status in TRUE | FALSE:
            return before
        before = case
    return before


def _fold(case_id: str) -> int:
    return int(hashlib.sha256(case_id.encode()).hexdigest()[:8], 16) % _FOLDS


def _at(maps: Mapping[Kind, BetaMap], d: Decided) -> float:
    return maps[Kind(d.kind)].at(d.score, confirmed=d.confirmed)


def _basis(used: Sequence[Decided], day: str) -> str:
    return (
        f"{len(used)} verdicts up to {day}, {sum(d.true for d in used)} of them true; of what was "
        "chosen for inspection, not of all that imagery showed"
    )


def _sides(used: Sequence[Decided], kind: Kind) -> tuple[Side, ...]:
    """Give the sides of a kind that verdicts speak of: one at least, since the kind has 20."""
    count = Counter(side_of(d.confirmed) for d in used if d.kind == kind.value)
    return tuple(s for s in SIDES if count[s] >= LEAST_SIDE)


def _held(used: Sequence[Decided], calibration: Calibration) -> list[Decided]:
    """Give those that the file speaks of: what it is judged by."""
    return [d for d in used if _share(calibration, d) is not None]


def _share(calibration: Calibration, d: Decided) -> float | None:
    return calibration.at(Kind(d.kind), d.detector, d.score, confirmed=d.confirmed)


def _counts(used: Sequence[Decided], part: Callable[[Decided], str]) -> dict[str, Counts]:
    true, false = (
        Counter(f"{d.kind} {part(d)}" for d in used if d.true is found) for found in (True, False)
    )
    return {name: Counts(true=true[name], false=false[name]) for name in sorted({*true, *false})}


def said_of(
    found: Sequence[Decided], calibration: Calibration, in_use: Calibration | None
) -> list[str]:
    """Say what it was fitted on, and how reliable it would have been."""
    made = calibration.provenance
    if made is None:  # pragma: no cover - a proposal always has one
        raise AssertionError
    used = [d for d in found if d.detector in calibration.detectors]
    held = _held(used, calibration)
    lines = [f"version {made.version}: {calibration.basis}"]
    lines += [f"  {part}: {n.true} true, {n.false} false" for part, n in made.fitted_on.items()]
    lines += [_sides_line(kind, made) for kind in sorted({d.kind for d in used})]
    lines += [f"  not used: {n} ({why})" for why, n in made.left_out.items()]
    without = [k.value for k in Kind if k not in calibration.kinds]
    if without:
        lines.append(f"  too few verdicts, stays uncalibrated: {', '.join(without)}")
    lines += [
        f"  too few verdicts of cases that are {side}, these stay uncalibrated: {', '.join(kinds)}"
        for side in SIDES
        if (kinds := [k.value for k, m in calibration.kinds.items() if side not in m.sides])
    ]
    lines.append("confidence told to cases that the fit had not seen, and the share that was true:")
    lines += [
        f"  {b.confidence:.2f} -> {b.share:.2f} [{b.low:.2f}, {b.high:.2f}] of {b.entries}"
        for b in made.reliability
    ]
    told = cross_validated(used)
    now, one = _brier(held, lambda d: told[d.case_id]), _of_one_share(held)
    raw = _brier(held, lambda d: d.score)
    old = "" if in_use is None else f"of the calibration in use {_told_now(held, in_use):.3f}, "
    lines.append(
        f"Brier score {now:.3f}; {old}of the score as it is {raw:.3f}, of one share {one:.3f}"
    )
    for kind in calibration.kinds:
        lines.append(_kind_line(kind, [d for d in held if d.kind == kind.value], told))
    if in_use is not None and in_use.of_verdicts:
        lines.append("The calibration in use may have been fitted to some of these verdicts.")
    if now >= one:
        lines.append("It tells no more than one share for all: better not adopted.")
    return lines


def _sides_line(kind: str, made: Provenance) -> str:
    """Say of how many cases imagery had confirmed it, and of how many not."""
    none = Counts(true=0, false=0)
    yes, no = (made.sides.get(f"{kind} {side}", none) for side in SIDES)
    return (
        f"  {kind}: {yes.true + yes.false} confirmed by imagery ({yes.true} true), "
        f"{no.true + no.false} unconfirmed ({no.true} true)"
    )


def _kind_line(kind: Kind, own: Sequence[Decided], told: Mapping[str, float]) -> str:
    """Say how well one kind was told: beside others that are told well a bad one does not show."""
    now, one = _brier(own, lambda d: told[d.case_id]), _of_one_share(own)
    line = f"  {kind.value}: Brier score {now:.3f}, of one share {one:.3f}"
    if now < one:
        return line
    return f"{line}: tells no more than one share, better not adopted: take it out of 'kinds'"


def _of_one_share(own: Sequence[Decided]) -> float:
    mean = sum(d.true for d in own) / len(own)
    return _brier(own, lambda _: mean)


def _told_now(used: Sequence[Decided], in_use: Calibration) -> float:
    """Give the Brier score of the calibration in use; of what it does not know the score counts."""

    def told(d: Decided) -> float:
        share = _share(in_use, d)
        return d.score if share is None else share

    return _brier(used, told)


def _brier(used: Sequence[Decided], told: Callable[[Decided], float]) -> float:
    """Mean squared difference of what was told and what was true."""
    return float(np.mean([(told(d) - d.true) ** 2 for d in used]))
