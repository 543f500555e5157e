"""How much of the ledger a run must read, so that its plan is that of the whole ledger.

A patrol says something of every case of its corridors, if only that nobody looked. An inspection
speaks of its spots only: what no candidate of it can touch, and no flight found gone, stays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import Transformer
from shapely.geometry.base import BaseGeometry

from pipeline.ledger.context import LedgerContext
from pipeline.ledger.interface import Box, LedgerReader
from pipeline.ledger.joining import merge_looks
from pipeline.ledger.leads import LeadAt, as_candidate, first_name, said_of
from pipeline.ledger.lifecycle import base_id
from pipeline.ledger.match import MatchOptions, pairs_of
from pipeline.model import Candidate, Case, Look

_SLACK_M, _SLACK = 1.0, 0.01  # of a box in another CRS: straight lines are not straight there
_EDGE = 9  # points along a side of a box that is moved into another CRS


def read_reach(
    reader: LedgerReader,
    candidates: Sequence[Candidate],
    context: LedgerContext,
    relooks: Mapping[str, Sequence[Look]] | None = None,
    options: MatchOptions | None = None,
) -> tuple[Case, ...]:
    """Read the cases of which a run can say anything, by id."""
    if not _spots_only(context):
        own = reader.cases(corridors=context.corridors)
        inherited = reader.cases(set(context.heirs)) if context.heirs else ()
        return tuple(sorted((*own, *inherited), key=lambda c: c.case_id))
    touched_ = touched(reader, candidates, options)
    return reader.cases({*touched_, *(relooks or ()), *context.withdrawn.cases})


def touched(
    reader: LedgerReader, candidates: Sequence[Candidate], options: MatchOptions | None = None
) -> set[str]:
    """Give the ids of the cases that some candidate may be; no other takes part in a matching.

    Told from outlines alone: to read a case costs twenty times as much.
    """
    near = reader.outlines(boxes_of(candidates, reader, options))
    pairs = pairs_of(candidates, near, options or MatchOptions())
    return {near[pair.case].case_id for pair in pairs}


def read_homes(
    reader: LedgerReader,
    found: Sequence[LeadAt],
    office: str,
    options: MatchOptions | None = None,
) -> tuple[tuple[Case, ...], frozenset[str]]:
    """Read the cases that leads may join or have joined, and the ids that new ones cannot have."""
    names = touched(reader, [as_candidate(at) for at in found], options)
    names |= {e.case_id for e in reader.told("lead", {said_of(at.lead) for at in found})}
    return reader.cases(names), reader.names({first_name(at, office) for at in found})


def possible_names(candidates: Sequence[Candidate], context: LedgerContext) -> set[str]:
    """Give the ids that new cases of these candidates would have if none were taken."""
    names: set[str] = set()
    for candidate in candidates:
        evidence = context.evidence(candidate.corridor_id, merge_looks((candidate.looks,)))
        names.add(base_id(candidate, evidence, context.office))
    return names


def boxes_of(
    candidates: Sequence[Candidate], reader: LedgerReader, options: MatchOptions | None = None
) -> list[Box]:
    """Give boxes within which every case lies that candidates may match, in each CRS of cases."""
    margin = (options or MatchOptions()).tolerance_m
    systems: dict[str, list[str]] = {}
    for corridor, crs in reader.systems({c.corridor_id for c in candidates}):
        systems.setdefault(corridor, []).append(crs)
    boxes: list[Box] = []
    groups: dict[tuple[str, str], list[BaseGeometry]] = {}
    for c in candidates:
        groups.setdefault((c.corridor_id, c.crs), []).append(c.polygon)
    for (corridor, own), mine in sorted(groups.items(), key=lambda g: g[0]):
        sides = shapely.bounds(np.array(mine, dtype=object)) + margin * np.array([-1, -1, 1, 1])
        for crs in systems.get(corridor, ()):
            moved = sides if crs == own else _moved(sides, own, crs)
            boxes += [Box(corridor, crs, *map(float, side)) for side in moved]
    return boxes


def _spots_only(context: LedgerContext) -> bool:
    """Tell whether a run leaves alone what it did not look at; see ``plan``."""
    return (
        context.spots and bool(context.until) and not set(context.judged) & set(context.corridors)
    )


def _moved(sides: NDArray[np.float64], own: str, crs: str) -> NDArray[np.float64]:
    """Give boxes (n, 4) around boxes of another CRS [m], with some room."""
    along = np.linspace(0.0, 1.0, _EDGE)
    none, full = np.zeros(_EDGE), np.ones(_EDGE)
    u = np.concatenate([along, along, none, full])
    v = np.concatenate([none, full, along, along])
    low, size = sides[:, :2], sides[:, 2:] - sides[:, :2]
    x, y = low[:, :1] + size[:, :1] * u, low[:, 1:] + size[:, 1:] * v
    a, b = _transformer(own, crs).transform(x, y)
    room = _SLACK_M + _SLACK * size.max(axis=1)
    found = np.column_stack(
        [a.min(axis=1) - room, b.min(axis=1) - room, a.max(axis=1) + room, b.max(axis=1) + room]
    )
    return found[np.isfinite(found).all(axis=1)]


@cache
def _transformer(source: str, target: str) -> Transformer:
    return Transformer.from_crs(source, target, always_xy=True)
