"""What the page knows of a run, as small as five thousand cases need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

from pipeline.model import Corridor

CODES = ("seen", "seen_uncertain", "missed", "undecided", "unseen")
_PICTURES = ("before_true", "after_true", "before_false", "after_false", "rise")
_DAY0 = date(1970, 1, 1)

Ring = list[list[float]]
Told: TypeAlias = "tuple[str, str, int]"
"""A verdict that the ledger was told: word, day (ISO), revision of the case after it."""


@dataclass(frozen=True)
class Entry:
    """One case of a list."""

    listed: str  # cases | watch | suppressed
    feature: Mapping[str, Any]  # as published
    document: Mapping[str, Any] | None  # case.json of its evidence
    folder: str | None  # of its evidence, from the page
    may: tuple[str, ...]  # "yes", "no": which verdicts its status takes
    told: tuple[Told, ...] = ()  # verdicts that the ledger was told; nobody's name


@dataclass(frozen=True)
class MapEntry:
    """Pictures of ground that the map shows below the cases."""

    folder: str  # from the page
    tiles: Sequence[Mapping[str, Any]]
    when: str = ""  # before | after: of two flights; the map shows one at a time
    on: str = ""  # local day of a flight


def page_data(
    head: Mapping[str, Any],
    ground: tuple[Sequence[Corridor], Sequence[MapEntry]],
    entries: Sequence[Entry],
    zone: ZoneInfo,
) -> dict[str, Any]:
    """Give the data of the page.

    Parameters
    ----------
    head : mapping
        run, workflow, period, language, notice.
    ground : tuple
        The corridors, and the pictures of the map in the order to draw them.
    """
    return {
        **head,
        "corridors": [
            {
                "id": c.id,
                "name": c.name_zh,
                "rings": _rings(c.polygon_wgs84.__geo_interface__, 5),
            }
            for c in ground[0]
        ],
        "maps": [
            {"folder": m.folder, "tiles": list(m.tiles), "when": m.when, "on": m.on}
            for m in ground[1]
        ],
        "cases": [_case(e, zone) for e in entries],
    }


def _case(entry: Entry, zone: ZoneInfo) -> dict[str, Any]:
    p, document = entry.feature["properties"], entry.document or {}
    ground = document.get("ground") or {}
    return {
        "id": p["case_id"],
        "rev": p["revision"],
        "list": entry.listed,
        "kind": p["kind"],
        "status": p["status"],
        "state": p["evidence_state"],
        "proposal": p["proposal"] or "",
        "corridor": p["corridor_id"],
        "river": p["river_zh"] or p["corridor_id"],
        "county": p["county_zh"] or "",
        "township": p["township_zh"] or "",
        "chain": _chainage(p["chainage_m"]),
        "at": p["chainage_m"],
        "bank": p["bank"] or "",
        "subtype": p["subtype_zh"] or "",
        "severity": _severity(p["severity"]),
        "leads": [f"{k['source_zh']} {k['ref']}（{k['on']}）" for k in p["leads"]],
        "budget": _budget(p["proposed"]),
        "measured": _measured(p["drone_measures"]),
        "area": p["area_m2"],
        "score": p["confidence"],
        "visit": (p["visit"] or {}).get("rank"),
        "why": (p["visit"] or {}).get("why", []),
        "first": _day(p["first_seen"], zone),
        "last": _day(p["last_seen"], zone),
        "gone": _day(p["appeared_after"], zone),
        "pt": p["point_wgs84"],
        "o": _rings(entry.feature["geometry"], 6),
        "reasons": p["reasons"],
        "may": list(entry.may),
        "told": [list(t) for t in entry.told],
        "looks": [_look(k, zone) for k in document.get("looks", ())],
        "folder": entry.folder or "",
        "pics": [n for n in _PICTURES if _has(p["chips"], n)],
        "side": ground.get("shape", [1, 1]),
        "px": ground.get("outline_px", []),
        "before": _taken(document.get("before")),
        "after": _taken(document.get("after")),
        "missing": [m["text"] for m in document.get("missing", ())],
        "credit": p["imagery_credit"] or "",
    }


def _severity(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return ""
    return str(found["grade"]) + ("" if found["verified"] else "（分级表未经核实）")


def _budget(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return ""
    waits = f" · {found['waits']}" if found["waits"] else ""
    return f"{found['month']} {found['county']} {found['rank']}/{found['of']}{waits}"


def _measured(found: Mapping[str, Any] | None) -> list[list[Any]]:
    """Give height [m] and net volume [m³] of a drone with their intervals; empty without."""
    wanted = ("height_m", "net_m3")
    return [
        [n, v["value"], v["low"], v["high"]]
        for n in wanted
        if found is not None and (v := found[n])
    ]


def _has(chips: Sequence[Mapping[str, Any]], name: str) -> bool:
    return any(str(c["name"]).endswith(f"/{name}.png") for c in chips)


def _rings(geometry: Mapping[str, Any], decimals: int) -> list[Ring]:
    """Give all rings of a (multi)polygon, each open (the page closes them)."""
    parts = geometry["coordinates"]
    if geometry["type"] == "Polygon":
        parts = [parts]
    return [
        [[round(x, decimals), round(y, decimals)] for x, y, *_ in ring[:-1]]
        for part in parts
        for ring in part
    ]


def _day(text: str | None, zone: ZoneInfo) -> str:
    return "" if text is None else f"{datetime.fromisoformat(text).astimezone(zone):%Y-%m-%d}"


def _look(look: Mapping[str, Any], zone: ZoneInfo) -> list[Any]:
    day = datetime.fromisoformat(look["on"]).astimezone(zone).date()
    rank = look["level_rank"]
    number = None if rank is None else round(rank, 2)
    return [(day - _DAY0).days, CODES.index(look["was"]), number]


def _taken(picture: Mapping[str, Any] | None) -> str:
    if picture is None:
        return ""
    return f"{picture['on_local'][:10]} {picture['sensor_name']}"


def _chainage(metres: float | None) -> str:
    if metres is None:
        return ""
    km, rest = divmod(round(metres), 1000)
    return f"K{km}+{rest:03d}"
