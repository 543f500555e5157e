"""What the page knows of a run, as small as five thousand cases need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from pipeline.model import Corridor

CODES = ("seen", "seen_uncertain", "missed", "undecided", "unseen")
_PICTURES = ("before_true", "after_true", "before_false", "after_false")
_DAY0 = date(1970, 1, 1)

Ring = list[list[float]]


@dataclass(frozen=True)
class Entry:
    """One case of a list."""

    listed: str  # cases | watch | suppressed
    feature: Mapping[str, Any]  # as published
    document: Mapping[str, Any] | None  # case.json of its evidence
    folder: str | None  # of its evidence, from the page
    may: tuple[str, ...]  # "yes", "no": which verdicts its status takes


@dataclass(frozen=True)
class CorridorEntry:
    """One corridor, and the pictures of its ground."""

    corridor: Corridor
    folder: str  # from the page
    tiles: Sequence[Mapping[str, Any]]


def page_data(
    head: Mapping[str, Any],
    corridors: Sequence[CorridorEntry],
    entries: Sequence[Entry],
    zone: ZoneInfo,
) -> dict[str, Any]:
    """Give the data of the page.

    Parameters
    ----------
    head : mapping
        run, workflow, period, language, notice.
    """
    return {
        **head,
        "corridors": [
            {
                "id": c.corridor.id,
                "name": c.corridor.name_zh,
                "rings": _rings(c.corridor.polygon_wgs84.__geo_interface__, 5),
                "folder": c.folder,
                "tiles": list(c.tiles),
            }
            for c in corridors
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
