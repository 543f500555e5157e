"""What a run found of a seed: each object's fate, and each case that is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from benchmarks.accuracy.simulated.series import LEAST_LOOKS
from sample_scenes.matching import match

PATROL_END = datetime(2026, 1, 1, tzinfo=UTC)  # that of benchmarks.accuracy.simulated.running

Result = Mapping[str, Any]


@dataclass(frozen=True)
class Whole:
    """A found fill against all that was heaped up, and not what is below usual high water alone."""

    share: float  # of it over the truth, less one: the part above usual high water
    offset_m: float
    area_bias: float


@dataclass(frozen=True)
class Fate:
    """What became of one true object."""

    seed: int
    id: str
    kind: str
    setting: str
    material: str
    area_m2: float
    asked: bool  # enough looks could show it
    stood_days: float  # by the end of the patrol
    shelf: str  # suspected | watch | missed
    why: str  # of what was not found
    found_kind: str | None = None
    score: float = float("nan")
    delay: int | None = None  # looks that could show it, up to the one that made it suspected
    suspected_on: str | None = None  # time of that look
    offset_m: float = float("nan")  # median distance of the two outlines
    area_bias: float = float("nan")  # found over true, less one
    whole: Whole | None = None  # of fills


@dataclass(frozen=True)
class Stray:
    """A case without an object."""

    seed: int
    id: str
    kind: str
    corridor: str
    shelf: str  # suspected | watch
    score: float
    area_m2: float
    like: str
    empty: bool  # its corridor held no object in this seed


@dataclass(frozen=True)
class Entry:
    """A published entry, suspected or on watch, and whether it is an object."""

    kind: str
    detector: str
    confirmed: bool
    score: float  # uncalibrated
    true: bool


@dataclass(frozen=True)
class Scored:
    """One seed."""

    seed: int
    fates: tuple[Fate, ...]
    strays: tuple[Stray, ...]
    exposure: Mapping[str, float]  # corridor → 100 km x month
    home: str | None
    entries: tuple[Entry, ...] = ()

    @property
    def empty_exposure(self) -> float:
        """Exposure of the corridors without an object [100 km x month]."""
        return sum(v for k, v in self.exposure.items() if k != self.home)


def score_seed(result: Result, *, layers: bool = True) -> Scored:
    """Match suspected cases of any kind first, then what is on watch, with the true objects.

    Parameters
    ----------
    layers : bool
        What the office's layers explain was told to nobody, and finds nothing. False: as if the
        office had none.
    """
    seed, objects = int(result["seed"]), result["objects"]
    shapes = [shapely.from_wkt(o["wkt"]) for o in objects]
    cases = [
        {**c, "shape": shapely.make_valid(shapely.from_wkt(c["wkt"]))}
        for c in result["cases"]
        if not (layers and c["rule"])
    ]
    told = [c for c in cases if c["shelf"] == "suspected"]
    noted = [c for c in cases if c["shelf"] == "watch"]
    pairs = {p.object: p for p in match(shapes, [c["shape"] for c in told])}
    rest = [i for i in range(len(objects)) if i not in pairs]
    waiting = {
        rest[p.object]: p for p in match([shapes[i] for i in rest], [c["shape"] for c in noted])
    }
    fates: list[Fate] = []
    for i, o in enumerate(objects):
        if i in pairs:
            fates.append(_found(seed, o, shapes[i], told[pairs[i].candidate]))
        elif i in waiting:
            case = noted[waiting[i].candidate]
            fates.append(_lost(seed, o, "watch", _account(case, shapes[i])))
        else:
            fates.append(_lost(seed, o, "missed", _why(cases, shapes[i])))
    used = {id(told[p.candidate]) for p in pairs.values()}
    used |= {id(noted[p.candidate]) for p in waiting.values()}
    traps = [(t["trap"], shapely.from_wkt(t["wkt"])) for t in result["traps"]]
    known = [(o["id"], s) for o, s in zip(objects, shapes, strict=True)]
    # What was suspected in some month was told to the office, whatever imagery said of it later.
    once = [c for c in cases if c["shelf"] == "gone" and c["state"] == "expired"]
    strays = [
        Stray(
            seed, c["id"], c["kind"], c["corridor"],
            "suspected" if c["suspected_on"] else c["shelf"], c["score"], c["area_m2"],
            looks_like(c["shape"], known, traps), c["corridor"] != result["home"],
        )
        for c in (*told, *noted, *(c for c in once if c["suspected_on"]))
        if id(c) not in used
    ]  # fmt: skip
    exposure = {k: km / 100 * result["months"] for k, km in result["km"].items()}
    entries = tuple(
        Entry(
            c["kind"], c["detector"], c["state"] in ("suspected", "relapsed"), c["score"],
            id(c) in used,
        )
        for c in (*told, *noted)
    )  # fmt: skip
    return Scored(seed, tuple(fates), tuple(strays), exposure, result["home"], entries)


def asked_for(o: Mapping[str, Any]) -> bool:
    """Say whether enough looks could show an object."""
    return len(o["chances"]) >= LEAST_LOOKS


def _base(seed: int, o: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "seed": seed, "id": o["id"], "kind": o["kind"], "setting": o["setting"],
        "material": o["material"], "area_m2": o["area_m2"],
        "asked": asked_for(o),
        "stood_days": (PATROL_END - datetime.fromisoformat(o["appeared"])) / timedelta(days=1),
    }  # fmt: skip


def _found(seed: int, o: Mapping[str, Any], true: BaseGeometry, case: Mapping[str, Any]) -> Fate:
    on = case["suspected_on"]
    delay = sum(t <= on for t in o["chances"]) if on else None
    return Fate(
        **_base(seed, o), shelf="suspected", why="", found_kind=case["kind"], score=case["score"],
        delay=delay, suspected_on=on, offset_m=outline_offset_m(case["shape"], true),
        area_bias=float(case["shape"].area / true.area - 1), whole=_whole(o, true, case["shape"]),
    )  # fmt: skip


def _whole(o: Mapping[str, Any], true: BaseGeometry, found: BaseGeometry) -> Whole | None:
    """Compare with all of a fill; None of other kinds, whose truth it is, and of older results."""
    if o["kind"] != "zhan" or "whole_wkt" not in o:
        return None
    drawn = shapely.from_wkt(o["whole_wkt"])
    return Whole(
        float(drawn.area / true.area - 1),
        outline_offset_m(found, drawn),
        float(found.area / drawn.area - 1),
    )


def _lost(seed: int, o: Mapping[str, Any], shelf: str, why: str) -> Fate:
    return Fate(**_base(seed, o), shelf=shelf, why=why)


def _account(case: Mapping[str, Any], true: BaseGeometry) -> str:
    common = case["shape"].intersection(true).area
    iou = common / max(case["shape"].area + true.area - common, 1e-9)
    m = case["measures"]
    flags = [n for n in ("soil", "linear", "strip", "deep", "certain_share") if m.get(n)]
    return (
        f"{case['shelf']}: {case['kind']} {case['state']}, {case['hits']} hits "
        f"({case['certain']} certain), {case['misses']} misses, score {case['score']:.2f}, "
        f"IoU {iou:.2f}, covers {common / true.area:.0%}"
        + "".join(f", {n} {m[n]:.2g}" for n in flags)
    )


def _why(cases: Sequence[Mapping[str, Any]], true: BaseGeometry) -> str:
    near = [c for c in cases if c["shape"].intersection(true).area > 0]
    if not near:
        return "never a candidate"
    rank = {"suspected": 2, "watch": 1, "gone": 0}
    best = max(near, key=lambda c: (rank[c["shelf"]], c["shape"].intersection(true).area))
    word = "wrong outline; " if best["shelf"] != "gone" else ""
    return word + _account(best, true)


def outline_offset_m(found: BaseGeometry, true: BaseGeometry) -> float:
    """Median distance between two outlines [m], every metre of both, each way."""
    lines = [found.boundary, true.boundary]
    away: list[np.ndarray] = []
    for one, other in (lines, lines[::-1]):
        points = shapely.points(shapely.get_coordinates(shapely.segmentize(one, 1.0)))
        away.append(np.asarray(shapely.distance(points, other)))
    return float(np.median(np.concatenate(away)))


def looks_like(
    shape: BaseGeometry,
    objects: Sequence[tuple[str, BaseGeometry]],
    traps: Sequence[tuple[str, BaseGeometry]],
) -> str:
    """Name what lies under a case without an object: the smallest thing that fills a fifth."""
    area = max(shape.area, 1e-9)
    own = [i for i, s in objects if s.intersection(shape).area > 0]
    if own:
        return "part, duplicate or giant over a true object"
    under = [(s.area, words) for words, s in traps if s.intersection(shape).area >= 0.2 * area]
    return min(under)[1] if under else "open ground"
