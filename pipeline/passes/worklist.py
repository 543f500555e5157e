"""The worklist of an inspection: what flights say of each open case that they cover.

It rests on looks and outlines alone, and leaves the looks of these very flights out when it asks
which cases were open: the same flights again give the same list.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from shapely.geometry.base import BaseGeometry

from pipeline.adjudicate.evidence import FoldOptions, fold
from pipeline.grid import reproject
from pipeline.io.flights import FlightFolder
from pipeline.model import (
    DRONE,
    DRONE_SINGLE,
    DRONE_SURFACES,
    Case,
    EvidenceState,
    Look,
    Seen,
    Status,
)
from pipeline.passes.flight_pairs import FlightPair, LoneFlight, Pairing
from pipeline.passes.flight_places import PlaceSaid
from pipeline.passes.inspect import Inspected, look_name, misses

_ENDED = (Status.CLOSED, Status.REJECTED, Status.PERMITTED, Status.WITHDRAWN)
_COVERED = 0.9  # share of a place that a frame must hold
_LATE = "两次飞行之间没有看到物体，但前一次飞行可能晚于问题出现"
_TOUCHING_M = 3.0  # an object this near keeps a place from being empty


class Answer(StrEnum):
    """What flights say of a case."""

    CONFIRMED = "confirmed"  # something is seen there
    REFINED = "refined"  # ... and measured: outline, kind and measures are the drone's now
    CONTRADICTED = "contradicted"  # nothing is there
    UNDECIDED = "undecided"

    @property
    def zh(self) -> str:
        """For the reader."""
        return {"confirmed": "证实", "refined": "证实并测量", "contradicted": "未见"}.get(
            self.value, "不能判断"
        )


@dataclass(frozen=True)
class Item:
    """One line of the worklist."""

    case: Case  # after the run
    answer: Answer
    flights: tuple[str, ...]  # ids of those that cover it
    why_zh: str


@dataclass(frozen=True)
class Asked:
    """What flights say of known cases, before the ledger hears of it."""

    looks: Mapping[str, tuple[Look, ...]]  # misses, by case id
    covered: Mapping[str, tuple[str, ...]]  # ids of flights, by id of an open case
    why_zh: Mapping[str, str]  # what keeps a case undecided, by id


def ask(
    pairing: Pairing,
    found: Sequence[Inspected],
    known: Iterable[Case],
    corridors: Iterable[str],
    options: FoldOptions,
) -> Asked:
    """Ask flights about the open cases that they cover.

    Parameters
    ----------
    found
        One for each pair, in their order; then one for each lone flight.
    corridors
        Ids of the workflow's.

    Notes
    -----
    A miss is added where both flights of a pair of surfaces see the ground of the place, the
    earlier one was flown before the last look without the thing, nothing changed between them in
    height or picture, and nothing stands there. One flight alone never rules anything out: what it
    does not see may be flat, or as wide as the ground is guessed.
    """
    own = {look_name(f) for f in _flights(pairing)}
    everything = list(known)
    looks = {k: list(v) for k, v in misses(found, everything).items()}
    covered: dict[str, tuple[str, ...]] = {}
    why: dict[str, str] = {}
    wanted = set(corridors)
    cases = [c for c in everything if c.corridor_id in wanted and _open(c, pairing, options)]
    places = {c.case_id: reproject(c.seen_polygon, c.crs, "EPSG:4326") for c in cases}
    for one, part in zip([*pairing.pairs, *pairing.lone], found, strict=True):
        asked: list[str] = []
        for case in cases:
            last = one.flight if isinstance(one, LoneFlight) else one.after
            seen = _without(case, pairing, options)[1].evidence
            # A flight from before the first sighting was not flown for it, and shows nothing of it.
            too_old = seen.first_seen is not None and last.flown < seen.first_seen
            if too_old or not _holds(one, places[case.case_id]):
                continue
            covered[case.case_id] = (*covered.get(case.case_id, ()), last.id)
            reason = _unasked(one, part, places[case.case_id], seen.appeared_after)
            if reason is not None:
                why[case.case_id] = reason
            elif not any(k.pass_id in own for k in looks.get(case.case_id, ())):
                asked.append(case.case_id)
        assert part.ask is not None or not asked
        said = part.ask([places[i] for i in asked]) if part.ask is not None else []
        for case_id, answer in zip(asked, said, strict=True):
            assert isinstance(one, FlightPair)
            if answer.nothing:
                looks.setdefault(case_id, []).append(_miss(one, part, answer))
            else:
                why[case_id] = answer.why_zh
    return Asked({k: tuple(v) for k, v in looks.items()}, covered, why)


def in_time_order(pairing: Pairing, found: Sequence[Inspected]) -> tuple[Inspected, ...]:
    """Give what was found, oldest later flight first, as :func:`joined` wants it."""
    flown = [p.after.flown for p in pairing.pairs] + [one.flight.flown for one in pairing.lone]
    return tuple(part for _, part in sorted(zip(flown, found, strict=True), key=lambda f: f[0]))


def _flights(pairing: Pairing) -> list[FlightFolder]:
    pairs = [f for p in pairing.pairs for f in (p.before, p.after)]
    return [*pairs, *(one.flight for one in pairing.lone)]


def _without(case: Case, pairing: Pairing, options: FoldOptions) -> tuple[tuple[Look, ...], Case]:
    """Give the looks of a case that are not these flights', and the case as they leave it."""
    ids = tuple(f"_{f.id}" for f in _flights(pairing))
    rest = tuple(k for k in case.looks if k.sensor != DRONE or not k.pass_id.endswith(ids))
    return rest, replace(case, looks=rest, evidence=fold(rest, options))


def _open(case: Case, pairing: Pairing, options: FoldOptions) -> bool:
    if case.merged_into is not None or case.status in _ENDED:
        return False
    _, before = _without(case, pairing, options)
    state = before.evidence.state
    return before.evidence.hits > 0 and (case.held or state is not EvidenceState.EXPIRED)


def _holds(one: FlightPair | LoneFlight, place: BaseGeometry) -> bool:
    if isinstance(one, LoneFlight):
        frame = one.flight.extent_wgs84
    else:
        frame = one.before.extent_wgs84.intersection(one.after.extent_wgs84)
    return bool(frame.intersection(place).area >= _COVERED * place.area)


def _unasked(
    one: FlightPair | LoneFlight, part: Inspected, place: BaseGeometry, since: datetime | None
) -> str | None:
    """Say why a place cannot be empty, or cannot be judged; None where it is to be asked about."""
    if part.set_aside:
        return f"两次飞行不能配准：{part.set_aside[0].reason}"
    wide = place.buffer(_TOUCHING_M / 111_000)
    if any(reproject(c.polygon, c.crs, "EPSG:4326").intersects(wide) for c in part.candidates):
        return "飞行看到了物体，但与原轮廓大小相差太多，另立一项"
    if any(g.polygon_wgs84.intersects(wide) for g in part.gone):
        return "其中一部分已清除"
    if isinstance(one, LoneFlight):
        return "只有一次飞行，没有看到高出地面的物体，平铺或成片的不能判断"
    late = since is None or one.before.flown > since
    if part.ask is not None and not late:
        return None
    return _LATE if part.ask is not None else "没有地表模型，只比较了影像，没有看到变化"


def _miss(pair: FlightPair, part: Inspected, said: PlaceSaid) -> Look:
    return Look(
        on=pair.after.flown,
        pass_id=look_name(pair.after),
        sensor=DRONE,
        clear_share=round(said.seen, 4),
        seen=Seen.MISS,
        certain=True,
        residual_m=round(part.error_m, 4),
    )


def worklist(asked: Asked, after: Mapping[str, Case]) -> tuple[Item, ...]:
    """Say what became of each open case that flights cover, by id."""
    items: list[Item] = []
    for case_id, flights in sorted(asked.covered.items()):
        case = after[case_id]
        if case.merged_into is not None:
            case = after.get(case.merged_into, case)
        items.append(_item(case, tuple(dict.fromkeys(flights)), asked.why_zh.get(case_id, "")))
    return tuple(items)


def _item(case: Case, flights: tuple[str, ...], why: str) -> Item:
    ends = tuple(f"_{f}" for f in flights)
    own = [k for k in case.looks if k.of_drone and k.pass_id.endswith(ends)]
    if not own:
        return Item(case, Answer.UNDECIDED, flights, why)
    last = max(own, key=lambda k: (k.on, k.certain, k.pass_id))
    if last.seen is Seen.MISS:
        return Item(case, Answer.CONTRADICTED, flights, "地表模型未见该物体")
    if last.certain and case.detector == DRONE_SURFACES:
        return Item(case, Answer.REFINED, flights, _measured(case))
    alone = case.detector == DRONE_SINGLE or "_alone_" in last.pass_id
    how = "一次飞行可见，何时出现不明" if alone else "影像有变化，没有地表模型可量"
    return Item(case, Answer.CONFIRMED, flights, how)


def _measured(case: Case) -> str:
    m = case.measures
    parts = [f"占地{case.area_m2:.0f}平方米"]
    if "height_m" in m:
        parts.append(f"高差{m['height_m']:.1f}米")
    if "net_m3" in m:
        parts.append(f"净方量{m['net_m3']:.0f}立方米")
    return "，".join(parts)
