"""What flights say of a known case and may not: that it is the opposite of what it was.

A pit that rises may be filled up or buried under a heap; which, only a flight from before the pit
says, and what people have verified does not become another thing (decision 301).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from pipeline.ledger.match import MatchOptions, pairs_of
from pipeline.model import DRONE_SURFACES, Candidate, Case, Kind
from pipeline.passes.flight_first import raised
from pipeline.passes.flight_pairs import Pairing
from pipeline.passes.inspect import Inspected

_NO_FIRST = "地面比上次飞行升高，但没有问题出现之前的地表模型可比，不能判断是否已恢复"
_OTHER_WAY = "地面高低变化与已核实的问题相反，可能在恢复，也可能是另一问题，请人工核对"


@dataclass(frozen=True)
class Withheld:
    """What flights said, less what they may not, and why of which case."""

    found: tuple[Inspected, ...]
    why_zh: dict[tuple[str, str], str] = field(default_factory=dict[tuple[str, str], str])
    """By case id and later flight."""


def withhold(
    pairing: Pairing, found: Sequence[Inspected], known: Iterable[Case], options: MatchOptions
) -> Withheld:
    """Take objects of surfaces away that would be a hit of a case and move the other way.

    Of a case whose kind people have said or verified always; else of a pit that surfaces measured,
    where the pair's earlier flight saw the pit already: what rose is measured from its bottom.
    """
    cases = [c for c in known if c.merged_into is None and not c.decided]
    parts = list(found)
    why: dict[tuple[str, str], str] = {}
    for n, pair in enumerate(pairing.pairs):
        part = parts[n]
        if part.ask is None:
            continue
        dropped: list[Candidate] = []
        for match in pairs_of(part.candidates, cases, options):
            candidate, case = part.candidates[match.candidate], cases[match.case]
            over = match.iou >= options.min_iou or match.containment >= options.min_containment
            reason = _reason(candidate, case, pair.before.flown) if over else None
            if reason is not None:
                dropped.append(candidate)
                why[case.case_id, pair.after.id] = reason
        if dropped:
            kept = [c for c in part.candidates if not any(c is k for k in dropped)]
            parts[n] = replace(part, candidates=tuple(kept))
    return Withheld(tuple(parts), why)


def _reason(candidate: Candidate, case: Case, before: datetime) -> str | None:
    dug = case.kind is Kind.CAI
    if raised(candidate) is not dug:
        return None
    if case.kind_settled:
        return _OTHER_WAY
    first = case.evidence.first_seen
    seen_already = first is not None and before >= first
    return _NO_FIRST if dug and case.detector == DRONE_SURFACES and seen_already else None
