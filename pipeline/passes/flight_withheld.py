"""What flights say of a known case and may not: that it is the opposite of what it was.

A pit that rises may be filled up or buried under a heap; which, only a flight from before the pit
says, and what people have verified does not become another thing (decision 301). Withheld is no
more than what may be the case itself moving back; all else the other way is a case of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from pipeline.adjudicate.evidence import FoldOptions, fold
from pipeline.grid import reproject
from pipeline.ledger.match import MatchOptions, Pair, pairs_of
from pipeline.model import DRONE_SURFACES, Candidate, Case, EvidenceState, Kind, Seen, Status
from pipeline.passes.flight_first import place_of, raised
from pipeline.passes.flight_joining import shares
from pipeline.passes.flight_looks import look_name
from pipeline.passes.flight_pairs import FlightPair, Pairing
from pipeline.passes.inspect import Inspected

NO_FIRST = "地面比上次飞行升高，但没有问题出现之前的地表模型可比，不能判断是否已恢复"
OTHER_WAY = "地面高低变化与已核实的问题相反，可能在恢复，也可能是另一问题，请人工核对"
_LOWERED = "地面高低变化与已销号的问题相反，可能是恢复所致，请人工核对"
ANOTHER = "飞行看到了高低变化相反的另一物体，另立一项"

_WITHIN = 0.9  # share inside the case, as a frame must hold of a place; the rest is a ragged edge
_ALIKE = 0.5  # intersection over union: more is shared than not; pixels of 10 m draw no nearer


@dataclass(frozen=True)
class HeldBack:
    """An object that flights show and the ledger does not hear of."""

    case_id: str  # because of which case
    flight: str  # id of the later one
    lon: float  # WGS 84, of its centre
    lat: float
    area_m2: float
    why_zh: str


@dataclass(frozen=True)
class Withheld:
    """What flights said, less what they may not, and why of which case."""

    found: tuple[Inspected, ...]
    why_zh: dict[tuple[str, str], str] = field(default_factory=dict[tuple[str, str], str])
    """By case id and later flight; of objects that are cases of their own as well."""
    objects: tuple[HeldBack, ...] = ()


@dataclass(frozen=True)
class _Rules:
    """How cases are matched with objects, and their looks folded."""

    match: MatchOptions
    fold: FoldOptions


def withhold(
    pairing: Pairing,
    found: Sequence[Inspected],
    known: Iterable[Case],
    match: MatchOptions,
    folding: FoldOptions,
) -> Withheld:
    """Take objects of surfaces away that move the other way than a case and may be that case.

    It may be while the case stood at the pair's earlier flight, by the looks of until then, and
    the object is no more than its ground: within it where surfaces measured the case, else alike.
    So it is of a pit that surfaces measured, and of any case whose kind people have said or
    verified. What is more, or comes where the case was gone, is told apart from that case
    (``apart_from``), so that the ledger opens one of its own; so is what follows at its place.
    """
    cases = [c for c in known if c.merged_into is None and not c.decided]
    rules = _Rules(match, folding)
    parts = list(found)
    why: dict[tuple[str, str], str] = {}
    objects: list[HeldBack] = []
    others: list[Candidate] = []  # told apart so far, oldest later flight first
    for n, pair in enumerate(pairing.pairs):
        part = parts[n]
        if part.ask is None:
            continue
        told: list[Candidate] = []
        anew: list[Candidate] = []
        for candidate, met in _met(part.candidates, cases, match):
            said = _said(pair, candidate, met, rules)
            held = [] if any(_follows(candidate, k) for k in others) else _held(said, met, match)
            if held:
                why |= {(case.case_id, pair.after.id): reason for case, reason in held}
                objects += [_held_back(candidate, case, pair, text) for case, text in held]
                continue
            ids = frozenset(case.case_id for case, _ in said)
            why |= {(name, pair.after.id): ANOTHER for name in ids}
            apart = replace(candidate, apart_from=ids) if ids else candidate
            told.append(apart)
            others += [apart] if ids else []
            anew += [apart] if any(candidate is k for k in part.anew) else []
        parts[n] = replace(part, candidates=tuple(told), anew=tuple(anew))
    return Withheld(tuple(parts), why, tuple(objects))


def _held(
    said: Sequence[tuple[Case, str]], met: Sequence[tuple[Case, Pair]], match: MatchOptions
) -> list[tuple[Case, str]]:
    """Give the cases that hold an object back, unless one that an earlier run opened has it."""
    opposed = {case.case_id for case, _ in said}
    own = [p for c, p in met if c.case_id not in opposed and c.detector == DRONE_SURFACES]
    if any(k.containment >= match.min_containment for k in own):
        return []
    return [(case, reason) for case, reason in said if reason != ANOTHER]


def _met(
    candidates: Sequence[Candidate], cases: Sequence[Case], match: MatchOptions
) -> list[tuple[Candidate, list[tuple[Case, Pair]]]]:
    """Give each candidate with the cases that it might be."""
    met: dict[int, list[tuple[Case, Pair]]] = {}
    for one in pairs_of(candidates, cases, match):
        met.setdefault(one.candidate, []).append((cases[one.case], one))
    return [(c, met.get(i, [])) for i, c in enumerate(candidates)]


def _rose(case: Case) -> bool:
    return case.kind is not Kind.CAI


def _follows(candidate: Candidate, other: Candidate) -> bool:
    """Whether it is what an earlier pair told apart from a case, or what became of that."""
    alike = raised(candidate) is raised(other)
    return alike and shares(place_of(candidate), place_of(other))


def _said(
    pair: FlightPair, candidate: Candidate, met: Sequence[tuple[Case, Pair]], rules: _Rules
) -> list[tuple[Case, str]]:
    """Give the cases that a candidate is the opposite of and must not be, each with the reason."""
    found: list[tuple[Case, str]] = []
    for case, one in met:
        if raised(candidate) is not _rose(case):
            reason = _reason(pair, candidate, (case, one), rules)
            found += [] if reason is None else [(case, reason)]
    return found


def _reason(
    pair: FlightPair, candidate: Candidate, known: tuple[Case, Pair], rules: _Rules
) -> str | None:
    case, one = known
    stood = _stood(case, pair.before.flown, rules.fold)
    measured = case.detector == DRONE_SURFACES
    if not case.kind_settled:
        if _rose(case) or not measured or not stood:
            return None
        return NO_FIRST if _within(candidate, case, rules.match) else ANOTHER
    if measured:
        if any(k.pass_id == look_name(pair.after) and k.seen is Seen.HIT for k in case.looks):
            return None  # it is what that flight was said to show, and people call it otherwise
        back = bool(stood) and _within(candidate, case, rules.match)
    else:
        # Only what people verified and work on: what they closed is gone, as far as they know.
        back = stood is not False and case.status is not Status.CLOSED and one.iou >= _ALIKE
    if not back:
        return ANOTHER
    if case.status is not Status.CLOSED:
        return OTHER_WAY
    return _LOWERED if _rose(case) else NO_FIRST


def _stood(case: Case, at: datetime, folding: FoldOptions) -> bool | None:
    """Tell whether it stood at a time (UTC), by looks until then; None: nobody had seen it yet."""
    looks = [k for k in case.looks if k.on <= at]
    if not any(k.seen is Seen.HIT for k in looks):
        return None
    return fold(looks, folding).state is not EvidenceState.EXPIRED


def _within(candidate: Candidate, case: Case, match: MatchOptions) -> bool:
    """Tell whether it reaches no further than the case, up to what two flights lie apart."""
    place = reproject(case.seen_polygon, case.crs, candidate.crs).buffer(match.drone_tolerance_m)
    inside = candidate.polygon.intersection(place).area
    return bool(inside >= _WITHIN * candidate.polygon.area)


def _held_back(candidate: Candidate, case: Case, pair: FlightPair, why: str) -> HeldBack:
    at = place_of(candidate).centroid
    return HeldBack(
        case.case_id, pair.after.id, round(at.x, 5), round(at.y, 5), candidate.area_m2, why
    )
