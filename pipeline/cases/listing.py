"""Looking at cases: a list by filters, and everything of one."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from pipeline.errors import ConfigurationError
from pipeline.ledger import AnyPlace, Event, Narrow, open_ledger
from pipeline.model import Case, EvidenceState, Kind, Look, Status, office_day, stand_alone
from pipeline.publish.geojson import case_feature, instant
from pipeline.publish.rows import ruling_word
from pipeline.publish.words import EVIDENCE_ZH, NOTICE, STATUS_ZH


@dataclass(frozen=True)
class Filter:
    """Which cases are meant; None or empty: all."""

    corridors: Sequence[str] = ()
    kinds: Sequence[Kind] = ()
    statuses: Sequence[Status] = ()
    states: Sequence[EvidenceState] = ()
    counties: Sequence[str] = ()  # code or name
    merged: bool = False  # those that became part of another as well
    suppressed: bool = False  # only those that layers or a decision explain

    @property
    def narrow(self) -> Narrow:
        """What of it a ledger can find without reading its cases."""
        return Narrow(
            corridors=self.corridors or None,
            kinds=self.kinds or None,
            statuses=self.statuses or None,
            states=self.states or None,
            merged=self.merged,
        )

    def takes(self, case: Case) -> bool:
        """Tell whether a case is meant."""
        place = case.attribution
        county = (place.county_code, place.county_zh) if place else (None, None)
        return (
            (self.merged or case.merged_into is None)
            and (not self.suppressed or case.suppressed)
            and (not self.corridors or case.corridor_id in self.corridors)
            and (not self.kinds or case.kind in self.kinds)
            and (not self.statuses or case.status in self.statuses)
            and (not self.states or case.evidence.state in self.states)
            and (not self.counties or any(c in self.counties for c in county))
        )


def read_cases(ledger: AnyPlace, wanted: Filter) -> list[Case]:
    """Read the cases that are meant, by id; a run may hold the ledger meanwhile."""
    with open_ledger(ledger, writing=False) as store:
        return [c for c in store.scan(wanted.narrow) if wanted.takes(c)]


def list_lines(cases: Sequence[Case]) -> list[str]:
    """Give a table of cases, and what it is not."""
    head = (
        "case",
        "rev",
        "kind",
        "sub-type",
        "status",
        "evidence",
        "m²",
        "county",
        "last seen",
        "by",
        "ruling",
    )
    rows = [_row(c) for c in cases]
    return [*aligned([head, *rows]), f"{len(cases)} cases. {NOTICE}"]


def list_json(cases: Sequence[Case]) -> str:
    """Give the same as JSON: the properties of the promised feature, and what people said."""
    return json.dumps([document(c) for c in cases], ensure_ascii=False, indent=1)


def document(case: Case) -> dict[str, Any]:
    """Give a case as keys and values."""
    people = asdict(case.people) if case.people else None
    answer = asdict(case.answer) if case.answer else None
    return {
        **case_feature(case)["properties"],
        "merged_into": case.merged_into,
        "suppressed_by": ruling_word(case),
        "people": json.loads(json.dumps(people, default=_plain)),
        "answer": json.loads(json.dumps(answer, default=_plain)),
    }


def show_json(ledger: AnyPlace, case_id: str) -> str:
    """Give everything of a case as JSON."""
    case, events = _read_one(ledger, case_id)
    body = document(case) | {
        "looks": [asdict(k) for k in case.looks],
        "history": [asdict(e) for e in events],
    }
    return json.dumps(body, ensure_ascii=False, indent=1, default=_plain)


def show_lines(ledger: AnyPlace, case_id: str) -> list[str]:
    """Give everything of a case for reading: what it is, its history, its looks."""
    case, events = _read_one(ledger, case_id)
    said = {k: v for k, v in document(case).items() if v not in (None, [], "")}
    people = said.pop("people", {})
    said |= {f"people.{k}": v for k, v in people.items() if v not in (None, False)}
    lines = aligned([(k, _short(v)) for k, v in said.items() if k != "scene_ids"])
    lines += ["", f"history, {len(events)} events"]
    lines += aligned([_event_row(e) for e in events])
    lines += ["", f"looks, {len(case.looks)}"]
    alone = stand_alone([k.on for k in case.looks], [k.level_rank for k in case.looks])
    return lines + aligned(map(_look_row, case.looks, alone))


def _read_one(ledger: AnyPlace, case_id: str) -> tuple[Case, tuple[Event, ...]]:
    with open_ledger(ledger, writing=False) as store:
        found = store.cases((case_id,))
        if not found:
            raise ConfigurationError(f"the ledger has no case {case_id}", "See siluan cases list")
        return found[0], store.events((case_id,))


def _row(case: Case) -> tuple[str, ...]:
    place, seen = case.attribution, case.evidence.last_seen
    return (
        case.case_id,
        str(case.revision),
        f"{case.kind} {case.kind.zh}",
        _subtype(case),
        f"{case.status} {STATUS_ZH[case.status]}",
        f"{case.evidence.state} {EVIDENCE_ZH[case.evidence.state]}",
        f"{case.area_m2:.0f}" if case.sized else "-",
        (place.county_zh or place.county_code or "-") if place else "-",
        f"{office_day(seen)}" if seen else "-",
        case.people.by if case.people else "-",
        ruling_word(case) or "-",
    )


def _subtype(case: Case) -> str:
    """Give the sub-type's code, and who corrected it; what is only suggested says so."""
    said = case.people
    if said is not None and said.subtype is not None:
        return f"{said.subtype} {said.subtype_by or '?'}"
    return f"{case.grade.subtype} 建议" if case.grade and case.grade.subtype else "-"


def _event_row(event: Event) -> tuple[str, ...]:
    change = f"{event.old or '-'} -> {event.new or '-'}" if event.old or event.new else ""
    detail = " ".join(f"{k}={v}" for k, v in sorted(event.detail.items()) if k != "key")
    when = str(instant(event.as_of))
    return f"r{event.revision}", when, event.what, change, event.run_id, detail


def _look_row(look: Look, alone: bool) -> tuple[str, ...]:
    sure = "" if look.certain else "uncertain"
    rank = "-" if look.level_rank is None else f"level {look.level_rank:.2f}{'?' * alone}"
    return (
        str(instant(look.on)),
        look.seen.value,
        f"{look.clear_share:.2f}",
        rank,
        sure,
        look.sensor,
    )


def _short(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def aligned(rows: Iterable[Sequence[str]]) -> list[str]:
    """Align columns; a Chinese character is two wide."""
    table = [list(r) for r in rows]
    if not table:
        return []
    widths = [max(_width(r[i]) for r in table) for i in range(len(table[0]))]
    return [
        "  ".join(c + " " * (w - _width(c)) for c, w in zip(r, widths, strict=True)).rstrip()
        for r in table
    ]


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _plain(value: Any) -> Any:
    if isinstance(value, date):  # a datetime too
        return value.isoformat()
    return dict(value)
