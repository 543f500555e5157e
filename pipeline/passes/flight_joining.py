"""What several pairs of flights say of one object, and of what went away."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial, reduce

from shapely.geometry.base import BaseGeometry

from pipeline.adjudicate.evidence import fold, one_per_pass
from pipeline.grid import reproject
from pipeline.model import Candidate, Case, Look
from pipeline.passes.inspect import Gone, Inspected

_SAME = 0.5  # of the smaller outline that two changes share at one object


def joined(parts: Sequence[Inspected]) -> tuple[Candidate, ...]:
    """Make one candidate of what several pairs say of one object.

    Parameters
    ----------
    parts
        Oldest later flight first. Kind, outline and measures stay those of the largest change (of
        surfaces before pictures), unless one was held against the flight from before all of it
        (``anew``); the looks are those of all. Volumes are not summed over pairs.
    """
    whole: list[Candidate] = []
    for part in parts:
        # Two objects of one pair that touch are two: the core has told them apart.
        others, own = whole, list[Candidate]()
        for fresh in part.candidates:
            same = [k for k in others if _alike(k, fresh) and one_object(k, fresh)]
            others = [k for k in others if not any(k is s for s in same)]
            takes_over = any(fresh is k for k in part.anew)
            own.append(reduce(partial(_merged, takes_over=takes_over), same, fresh))
        whole = [_missing(k, part.gone) for k in (*others, *own)]
    return tuple(whole)


def _alike(one: Candidate, other: Candidate) -> bool:
    """Whether two may be one: a pit and what was heaped on it later are not, where both count."""
    return one.corridor_id == other.corridor_id and one.apart_from == other.apart_from


def one_object(one: Candidate, other: Candidate) -> bool:
    """Tell whether two changes share enough of the ground to be one object."""
    there = reproject(other.polygon, other.crs, one.crs)
    return shares(one.polygon, there)


def shares(one: BaseGeometry, other: BaseGeometry) -> bool:
    """Tell whether two outlines in one CRS share half of the smaller one."""
    return bool(one.intersection(other).area >= _SAME * min(one.area, other.area))


def _merged(one: Candidate, other: Candidate, *, takes_over: bool = False) -> Candidate:
    best = max((other, one), key=lambda c: (not c.of_pictures, _size(c)))
    best = one if takes_over else best
    looks = one_per_pass((*one.looks, *other.looks))  # of three flights the second one saw it
    scenes = tuple(sorted({*one.scene_ids, *other.scene_ids}))
    return replace(best, looks=looks, scene_ids=scenes, evidence=fold(looks))


def _size(candidate: Candidate) -> float:
    return abs(candidate.measures.get("net_m3", 0.0))


def _missing(candidate: Candidate, gone: Sequence[Gone]) -> Candidate:
    """Add the misses of later flights at which it was gone."""
    place = reproject(candidate.polygon, candidate.crs, "EPSG:4326")
    last = max(k.on for k in candidate.looks)
    extra = [g.look for g in gone if g.look.on > last and covers(g, place)]
    looks = (*candidate.looks, *extra[:1])
    return replace(candidate, looks=looks, evidence=fold(looks)) if extra else candidate


def covers(gone: Gone, place_wgs84: BaseGeometry) -> bool:
    """Tell whether what went is most of a place."""
    return bool(gone.polygon_wgs84.intersection(place_wgs84).area >= _SAME * place_wgs84.area)


def misses(parts: Sequence[Inspected], known: Iterable[Case]) -> dict[str, tuple[Look, ...]]:
    """Give, by case, the looks of flights that found gone what the case was."""
    gone = [g for part in parts for g in part.gone]
    out: dict[str, tuple[Look, ...]] = {}
    for case in known:
        place = reproject(case.seen_polygon, case.crs, "EPSG:4326")
        looks = {g.look.pass_id: g.look for g in gone if covers(g, place)}
        if looks:
            out[case.case_id] = tuple(looks[name] for name in sorted(looks))
    return out
