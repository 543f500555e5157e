"""What is said of a case beside its pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pipeline.evidence.strip import code_of
from pipeline.evidence.types import Language, Subject, Views
from pipeline.evidence.words import EVIDENCE, word
from pipeline.model import LEAD_POINT, Seen


@dataclass(frozen=True)
class Fact:
    """A name and what is said."""

    name: str
    value: str
    most: int = 3  # lines


def facts_of(subject: Subject, views: Views) -> list[Fact]:
    """Give the facts of a case in the order in which they are read, but for what is not known."""
    p, language = subject.properties, subject.language

    def say(code: str) -> str:
        return word(code, language)

    side = views.grid.shape[1] * views.grid.res_m
    found = [
        Fact(say("case_id"), f"{p['case_id']}  ·  {say('revision')} {p['revision']}"),
        Fact(say("status"), str(p["status_zh"] if language == "zh" else p["status"])),
        Fact(say("evidence_state"), _state(p, subject)),
        Fact(say("river"), str(p.get("river_zh") or p["corridor_id"])),
        Fact(say("chainage"), _chainage(p, subject)),
        Fact(say("county"), " ".join(str(p[k]) for k in ("county_zh", "township_zh") if p.get(k))),
        Fact(say("place"), _point(p)),
        Fact(say("area"), "" if _unsized(p) else f"{p['area_m2']:,.0f} {say('m2')}"),
        Fact(say("volume"), _volume(p, subject)),
        Fact(say("height"), _by_drone(p, "height_m", "metres", subject)),
        Fact(say("footprint"), _by_drone(p, "footprint_m2", "m2", subject)),
        Fact(say("subtype"), _subtype(p, language)),
        Fact(say("severity"), _severity(p, language)),
        Fact(say("appeared"), appeared(subject)),
        Fact(say("last_seen"), _day(p.get("last_seen"), subject)),
        Fact(say("counts"), _counts(subject)),
        Fact(say("leads"), _leads(p, language), most=2),
        Fact(say("budget"), _budget(p, language)),
        Fact(say("side"), f"{side:,.0f} {say('metres')}"),
        Fact(say("detector"), str(p["detector"])),
        Fact(say("reasons"), "；".join(str(r) for r in p.get("reasons", ())), most=7),
    ]
    return [f for f in found if f.value]


def _unsized(p: Mapping[str, Any]) -> bool:
    """Tell whether the outline is the circle around a lead's point, whose area says nothing."""
    return bool(p["detector"] == LEAD_POINT)


def moment(on: datetime, subject: Subject) -> str:
    """Give an instant to the minute in the office's zone, with the zone."""
    local = on.astimezone(subject.zone)
    offset = local.strftime("%z")
    minutes = "" if offset.endswith("00") else f":{offset[3:5]}"
    return f"{local:%Y-%m-%d %H:%M} (UTC{offset[0]}{int(offset[1:3])}{minutes})"


def appeared(subject: Subject) -> str:
    """Say between which two looks it appeared."""
    p, language = subject.properties, subject.language
    after, before = (_day(p.get(f"appeared_{k}"), subject) for k in ("after", "before"))
    if after and before:
        return word("between", language, after, before)
    return word("by", language, before) if before else ""


def _state(p: Mapping[str, Any], subject: Subject) -> str:
    chinese, english = EVIDENCE[str(p["evidence_state"])]
    proposal = f" · {p['proposal']}" if p.get("proposal") else ""
    return (chinese if subject.language == "zh" else english) + proposal


def _chainage(p: Mapping[str, Any], subject: Subject) -> str:
    value = p.get("chainage_m")
    bank = word(str(p["bank"]), subject.language) if p.get("bank") else ""
    if value is None:
        return bank
    km, metres = divmod(round(value), 1000)
    spread = p.get("chainage_accuracy_m")
    about = f" ± {spread:g} {word('metres', subject.language)}" if spread else ""
    return f"K{km}+{metres:03d}{about} {bank}".strip()


def _point(p: Mapping[str, Any]) -> str:
    lon, lat = p["point_wgs84"]
    return f"{lon:.5f}, {lat:.5f} (WGS 84)"


def _volume(p: Mapping[str, Any], subject: Subject) -> str:
    measured = p.get("volume_m3")
    if not isinstance(measured, Mapping):
        return ""
    low, high = measured.get("low"), measured.get("high")
    span = f" ({low:,.0f} – {high:,.0f})" if low is not None and high is not None else ""
    return f"{measured['net']:,.0f}{span} {word('m3', subject.language)}"


def _by_drone(p: Mapping[str, Any], name: str, unit: str, subject: Subject) -> str:
    """Give what a drone measured, with its interval of 95 %."""
    measured = (p.get("drone_measures") or {}).get(name)
    if not isinstance(measured, Mapping):
        return ""
    digits = 1 if unit == "metres" else 0
    value, low, high = (f"{measured[k]:,.{digits}f}" for k in ("value", "low", "high"))
    return f"{value} ({low} – {high}) {word(unit, subject.language)}"


def _subtype(p: Mapping[str, Any], language: Language) -> str:
    chinese = str(p.get("subtype_zh") or "")
    return chinese if language == "zh" or not chinese else f"{p.get('subtype') or ''} ({chinese})"


def _severity(p: Mapping[str, Any], language: Language) -> str:
    """Give the word of the table; one that nobody confirmed is said to be so."""
    found = p.get("severity")
    if not isinstance(found, Mapping):
        return ""
    grade = str(found["grade"])
    if found["verified"]:
        return grade
    unconfirmed = word("unconfirmed", language)
    return f"{grade}（{unconfirmed}）" if language == "zh" else f"{grade} ({unconfirmed})"


def _leads(p: Mapping[str, Any], language: Language) -> str:
    """Name who points at it and under which number; never who complained, which no case holds."""
    name = "source_zh" if language == "zh" else "source"
    said = [f"{k[name]} {k['ref']} ({k['on']})" for k in p.get("leads") or ()]
    return ("；" if language == "zh" else "; ").join(said)


def _budget(p: Mapping[str, Any], language: Language) -> str:
    found = p.get("proposed")
    if not isinstance(found, Mapping):
        return ""
    state = str(found["waits"] or word("budget_goes", language))
    return word(
        "budget_when", language, found["month"], found["county"], found["rank"], found["of"], state
    )


def _day(text: object, subject: Subject) -> str:
    if not isinstance(text, str):
        return ""
    return f"{datetime.fromisoformat(text).astimezone(subject.zone):%Y-%m-%d}"


def _counts(subject: Subject) -> str:
    """Count looks as the evidence does, since it appeared: a clear look before is no miss of it."""
    p = subject.properties
    first = min((k.on for k in subject.looks if k.seen is Seen.HIT), default=None)
    since = [k for k in subject.looks if first is None or k.on >= first]
    unsure = sum(code_of(k) in ("undecided", "unseen") for k in since)
    return word("counted", subject.language, p["hits"], p["misses"], unsure)
