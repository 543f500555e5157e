"""A case as JSON and back, without loss; the outline travels apart, as WKB."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

import shapely
from shapely.geometry.base import BaseGeometry

from pipeline.errors import ConfigurationError
from pipeline.model import (
    Attribution,
    Case,
    Evidence,
    EvidenceState,
    Grade,
    Inherited,
    Kind,
    Lead,
    LeadSource,
    Look,
    PeopleRecord,
    PermitRef,
    ReceiverAnswer,
    Ruling,
    Seen,
    Severity,
    Spoken,
    Standing,
    Status,
)

_FIELDS = tuple(f.name for f in dataclasses.fields(Case) if f.name != "polygon")
_EVIDENCE = tuple(f.name for f in dataclasses.fields(Evidence))
_STANDING = tuple(f.name for f in dataclasses.fields(Standing))
_LOOK = tuple(f.name for f in dataclasses.fields(Look))
_JSON = json.JSONDecoder()
_SEEN = {seen.value: seen for seen in Seen}


def dump_case(case: Case) -> str:
    """Write all of a case but its outline as JSON with sorted keys."""
    body = {name: getattr(case, name) for name in _FIELDS}
    body["evidence"] = {name: getattr(case.evidence, name) for name in _EVIDENCE}
    body["attribution"] = dataclasses.asdict(case.attribution) if case.attribution else None
    body["ruling"] = dataclasses.asdict(case.ruling) if case.ruling else None

    body["people"] = dataclasses.asdict(case.people) if case.people else None
    body["answer"] = dataclasses.asdict(case.answer) if case.answer else None
    body["traced"] = None if case.traced is None else shapely.to_wkb(case.traced, hex=True)
    body["inherited"] = _told_inherited(case.inherited)
    body["leads"] = [dataclasses.asdict(lead) for lead in case.leads]
    body["grade"] = dataclasses.asdict(case.grade) if case.grade else None
    # Flat, and most of a ledger: dataclasses.asdict copies each value and takes five times as long.
    body["looks"] = [{name: getattr(look, name) for name in _LOOK} for look in case.looks]
    return json.dumps(body, default=_plain, ensure_ascii=False, sort_keys=True, allow_nan=False)


def light_of(body: Mapping[str, Any]) -> dict[str, Any]:
    """Give what a row says again of its body, so that a case is found without reading it."""
    looks: Sequence[Mapping[str, Any]] = body["looks"]
    return {
        "detector": body["detector"],
        "traced": bytes.fromhex(body["traced"]) if body.get("traced") else None,
        "newest": looks[-1]["on"] if looks else None,
    }


def load_place(text: str) -> Attribution | None:
    """Read of a body where the case lies, and nothing else: a tenth of the work.

    Keys are sorted, and a quote within a value is escaped, so that the first such word is the key.
    """
    word = '"attribution": '
    at = text.find(word)
    if at < 0:
        return None
    found = _JSON.raw_decode(text, at + len(word))[0]
    return _attribution(found) if found else None


def load_case(text: str, polygon: BaseGeometry) -> Case:
    """Read what ``dump_case`` wrote.

    Raises
    ------
    ConfigurationError
        It holds a field or a word that this version does not know.
    """
    body: dict[str, Any] = json.loads(text)
    name, version = body.get("case_id"), body.get("code_version")
    try:
        return _case(body, polygon)
    except (TypeError, ValueError) as error:
        what = re.search(r"'([^']+)'(?: is not a valid \w+)?$", str(error))
        raise ConfigurationError(
            f"case {name} was written by siluan {version} and holds what this version does not "
            f"know ({what[1] if what else error})",
            "Upgrade this program to that version or a newer one",
        ) from error


def _case(body: dict[str, Any], polygon: BaseGeometry) -> Case:
    evidence: dict[str, Any] = body.pop("evidence")
    for name in ("first_seen", "last_seen", "appeared_after"):
        evidence[name] = datetime.fromisoformat(evidence[name]) if evidence[name] else None
    evidence["state"] = EvidenceState(evidence["state"])
    body["kind"], body["status"] = Kind(body["kind"]), Status(body["status"])
    for name in ("scene_ids", "merged_from"):
        body[name] = tuple(body[name])
    for name, load in _loaders().items():
        if body.get(name):
            body[name] = load(body[name])
    body["leads"] = tuple(_lead(lead) for lead in body.get("leads", ()))
    looks = tuple(_look(look) for look in body.pop("looks"))
    return Case(polygon=polygon, evidence=Evidence(**evidence), looks=looks, **body)


def _loaders() -> dict[str, Callable[[Any], object]]:
    """Give what reads the fields that a case may lack."""
    return {
        "attribution": _attribution,
        "ruling": _ruling,
        "people": _people,
        "answer": _answer,
        "traced": shapely.from_wkb,
        "grade": _grade,
        "patrolled_from": datetime.fromisoformat,
        "inherited": _inherited,
    }


def _told_inherited(found: Inherited | None) -> dict[str, Any] | None:
    if found is None:
        return None
    pieces = [
        {name: getattr(piece, name) for name in _STANDING}
        | {"outline": shapely.to_wkb(piece.outline, hex=True)}
        for piece in found.pieces
    ]
    return {"start": found.start, "pieces": pieces}


def _inherited(found: dict[str, Any]) -> Inherited:
    return Inherited(
        datetime.fromisoformat(found["start"]), tuple(_standing(p) for p in found["pieces"])
    )


def _standing(found: dict[str, Any]) -> Standing:
    return Standing(
        outline=shapely.from_wkb(found["outline"]),
        crs=found["crs"],
        detector=found["detector"],
        first_seen=datetime.fromisoformat(found["first_seen"]),
        shown=tuple(found["shown"]),
        missed=tuple(found["missed"]),
    )


def _attribution(found: dict[str, Any]) -> Attribution:
    found.pop("permit", None)  # of ledgers from before there was a ruling
    found["notes"] = tuple(found["notes"])
    return Attribution(**found)


def _ruling(found: dict[str, Any]) -> Ruling:
    found["permit"] = PermitRef(**found["permit"]) if found["permit"] else None
    found["spoken"] = tuple(Spoken(**s) for s in found["spoken"])
    return Ruling(**found)


def _people(found: dict[str, Any]) -> PeopleRecord:
    for name in ("on", "due", "known_until", "decided_on", "rectified_on"):
        found[name] = date.fromisoformat(found[name]) if found.get(name) else None
    return PeopleRecord(**found)


def _lead(found: dict[str, Any]) -> Lead:
    found["on"] = date.fromisoformat(found["on"])
    found["source"], found["kind"] = LeadSource(found["source"]), Kind(found["kind"])
    return Lead(**found)


def _grade(found: dict[str, Any]) -> Grade:
    found["severity"] = Severity(**found["severity"]) if found["severity"] else None
    return Grade(**found)


def _answer(found: dict[str, Any]) -> ReceiverAnswer:
    for name in ("on", "due"):
        found[name] = date.fromisoformat(found[name]) if found.get(name) else None
    return ReceiverAnswer(**found)


def _look(look: dict[str, Any]) -> Look:
    look["on"], look["seen"] = datetime.fromisoformat(look["on"]), _SEEN[look["seen"]]
    return Look(**look)


def _plain(value: Any) -> Any:
    if isinstance(value, date):  # a datetime too
        return value.isoformat()
    return dict(value)  # a Mapping that is not a dict
