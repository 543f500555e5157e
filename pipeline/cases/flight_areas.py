"""Places that need a flight, grouped into areas that one flight can cover; pure.

An area is the convex hull of its places with a margin. It fits into a circle around the pilot
(500 m: flying within sight, 民航局 AC-91-FS-2019-31R1, and below 120 m of height) and is no larger
than what one battery covers. Pairs of places or groups are joined, those that need the smallest
circle first, for as long as both limits hold; a place that is larger by itself is cut into squares.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from pydantic import BaseModel, ConfigDict, Field
from shapely.geometry import box
from shapely.geometry.base import BaseGeometry

_SLACK_M = 5.0  # by which a hull may be simpler than its places


class AreaOptions(BaseModel):
    """What one flight can cover."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reach_m: float = Field(
        default=500.0, ge=100, le=5000, description="radius of a circle that holds an area [m]"
    )
    most_m2: float = Field(
        default=3e5, ge=1e4, le=1e8, description="largest area; a starting value, no source [m²]"
    )
    margin_m: float = Field(
        default=30.0, ge=0, le=200, description="flown around the places, so that models join [m]"
    )


@dataclass(frozen=True)
class Place:
    """One place to be flown, or a part of one."""

    key: str  # of whoever asked; several parts of one place share it
    outline: BaseGeometry  # projected, m


@dataclass(frozen=True)
class Area:
    """What one flight covers."""

    polygon: BaseGeometry  # convex, closed, projected, m
    keys: tuple[str, ...]  # sorted, each once


def group_places(places: Sequence[Place], options: AreaOptions) -> tuple[Area, ...]:
    """Group places of one CRS into areas; the order of the places does not matter.

    Parameters
    ----------
    places : sequence of Place
        Outlines in one projected CRS.
    options : AreaOptions
        Limits; every area keeps both.
    """
    ordered = sorted(
        (part for place in places for part in _parts(place, options)),
        key=lambda p: (p.key, shapely.to_wkb(shapely.normalize(p.outline), byte_order=1)),
    )
    groups: dict[int, tuple[int, ...]] = {i: (i,) for i in range(len(ordered))}
    shapes = {i: shapely.convex_hull(p.outline) for i, p in enumerate(ordered)}
    waiting = [
        (_radius(shapely.union(shapes[a], shapes[b])), a, b) for a, b in _near(shapes, options)
    ]
    heapq.heapify(waiting)
    while waiting:
        _, a, b = heapq.heappop(waiting)
        if a not in groups or b not in groups:
            continue
        hull = shapely.convex_hull(shapely.union(shapes[a], shapes[b]))
        if not _fits(flown(hull, options), options):
            continue
        new = max(shapes) + 1
        groups[new] = (*groups.pop(a), *groups.pop(b))
        shapes[new] = hull
        for other in groups:
            far = other != new and shapely.distance(shapes[other], hull) <= 2 * options.reach_m
            if far:
                both = _radius(shapely.union(shapes[other], hull))
                heapq.heappush(waiting, (both, other, new))
    areas = [
        Area(flown(shapes[g], options), tuple(sorted({ordered[i].key for i in members})))
        for g, members in groups.items()
    ]
    return tuple(sorted(areas, key=lambda a: (a.keys, a.polygon.bounds)))


def flown(places: BaseGeometry, options: AreaOptions) -> BaseGeometry:
    """Give the convex outline that is flown to cover places, with few corners."""
    hull = shapely.convex_hull(places).simplify(_SLACK_M)
    wide = hull.buffer(options.margin_m + _SLACK_M, quad_segs=2)  # chords take 8 % of it
    return shapely.normalize(shapely.convex_hull(wide))


def _near(shapes: dict[int, BaseGeometry], options: AreaOptions) -> Iterator[tuple[int, int]]:
    own = np.array([shapes[i] for i in range(len(shapes))], dtype=object)
    if not own.size:
        return
    hits = shapely.STRtree(own).query(own, predicate="dwithin", distance=2 * options.reach_m)
    for a, b in hits.T:
        if a < b:
            yield int(a), int(b)


def _radius(geometry: BaseGeometry) -> float:
    return float(shapely.minimum_bounding_radius(geometry))


def _fits(area: BaseGeometry, options: AreaOptions) -> bool:
    return area.area <= options.most_m2 and _radius(area) <= options.reach_m


def _parts(place: Place, options: AreaOptions) -> list[Place]:
    """Cut a place that no single flight covers into squares that one does."""
    if _fits(flown(place.outline, options), options):
        return [place]
    # With margin and slack on every side a square still keeps both limits.
    rim = 2 * (options.margin_m + _SLACK_M)
    side = min(options.reach_m * 2**0.5, options.most_m2**0.5) - rim
    side = max(side, 20.0)
    left, bottom, right, top = place.outline.bounds
    parts: list[Place] = []
    for x in np.arange(left, right, side):
        for y in np.arange(bottom, top, side):
            own = place.outline.intersection(box(x, y, x + side, y + side))
            if own.area > 0:
                parts.append(Place(place.key, own))
    return parts
