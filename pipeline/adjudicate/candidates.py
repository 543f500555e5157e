"""From a track and its looks to a candidate: outline, area, evidence, confidence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

import numpy as np
import shapely
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from shapely.geometry.base import BaseGeometry

from pipeline.adjudicate.attribute import AttributeOptions
from pipeline.adjudicate.budget import BudgetOptions
from pipeline.adjudicate.calibration import Calibration
from pipeline.adjudicate.evidence import FoldOptions, fold, one_per_pass
from pipeline.adjudicate.grading import GradeOptions, Grading
from pipeline.adjudicate.score import ScoreOptions, confidence
from pipeline.adjudicate.screen import ScreenOptions
from pipeline.adjudicate.tracks import LinkOptions, Track
from pipeline.adjudicate.visit import VisitOptions
from pipeline.grid import geodesic_area_m2
from pipeline.model import Candidate, Grid, Look, Seen


class AdjudicateOptions(BaseModel):
    """All options of this stage."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    link: LinkOptions = Field(default=LinkOptions(), description="which sightings are one object")
    fold: FoldOptions = Field(default=FoldOptions(), description="when looks confirm and expire")
    place: AttributeOptions = Field(
        default=AttributeOptions(), description="how exact a place must be"
    )
    screen: ScreenOptions = Field(
        default=ScreenOptions(), description="what the office's layers explain"
    )
    visit: VisitOptions = Field(
        default=VisitOptions(), description="which places on watch deserve a visit first"
    )
    score: ScoreOptions = Field(default=ScoreOptions(), description="uncalibrated confidence")
    calibration: Calibration | None = Field(
        default=None, description="what turns it into a share; default: the workflow's file"
    )
    grade: GradeOptions = Field(
        default=GradeOptions(), description="how exact an outline is whose severity is asked"
    )
    grading: Grading | None = Field(
        default=None, description="sub-types and severity; default: the workflow's tables"
    )
    budget: BudgetOptions = Field(
        default=BudgetOptions(), description="how many cases are proposed for issue"
    )


def assemble(
    track: Track,
    looks: Iterable[Look],
    grid: Grid,
    *,
    corridor_id: str,
    scene_ids: Sequence[str],
    detector: str,
    until: datetime,
    options: AdjudicateOptions | None = None,
) -> Candidate:
    """Make a candidate of a track and of what every pass said of it.

    Parameters
    ----------
    looks : iterable of Look
        One per pass; where a pass sighted the track but gave no look, pass the look as a hit.
    grid : Grid
        The corridor's; the track's pixels index it.
    scene_ids : sequence of str
        Scenes behind the looks.
    until : datetime
        UTC end of the period, for ``Evidence.frozen``.

    Returns
    -------
    Candidate
        ``polygon`` follows pixel edges of the footprint; ``area_m2`` is geodesic (WGS 84);
        ``measures`` are those of the strongest sighting.
    """
    options = options or AdjudicateOptions()
    ordered = one_per_pass(looks)
    evidence = fold(ordered, options.fold, until)
    strengths: dict[str, float] = {}
    for sighting in track.sightings:
        strengths[sighting.pass_id] = max(strengths.get(sighting.pass_id, 0.0), sighting.score)
    since = evidence.first_seen
    episode = [look for look in ordered if since is not None and look.on >= since]
    best = max(track.sightings, key=lambda s: (s.score, s.on, s.pass_id))
    polygon = outline(track.rows, track.cols, grid)
    return Candidate(
        kind=track.kind,
        corridor_id=corridor_id,
        polygon=polygon,
        crs=grid.crs,
        area_m2=round(geodesic_area_m2(polygon, grid.crs), 2),
        looks=ordered,
        evidence=evidence,
        score=confidence(episode, strengths, options.score),
        measures=dict(sorted(best.measures.items())),
        scene_ids=tuple(sorted(set(scene_ids))),
        detector=detector,
    )


def with_sightings(looks: Sequence[Look], track: Track, *, levels: bool = False) -> list[Look]:
    """Let a date that sighted the track be a hit, as certain as its best sighting was.

    What looks like a hit before the first sighting was examined on its own date and rejected then,
    or belongs to an earlier patrol, which said what it was: of the looks before, only clear misses
    are evidence. With ``levels`` looks before it stay that saw nothing and know the level: the
    crest of a flood has the bank under water that it bares.
    """
    certain: dict[str, bool] = {}
    for s in track.sightings:
        certain[s.pass_id] = certain.get(s.pass_id, False) or s.certain
    out: list[Look] = []
    for look in looks:
        if look.pass_id in certain:
            out.append(replace(look, seen=Seen.HIT, certain=certain[look.pass_id]))
        elif (
            look.seen is Seen.MISS
            or look.on >= track.first_on
            or (levels and look.seen is Seen.UNKNOWN and look.level_rank is not None)
        ):
            out.append(look)
    return out


def outline(rows: NDArray[np.int32], cols: NDArray[np.int32], grid: Grid) -> BaseGeometry:
    """Give the outline of grid pixels along their edges, in the grid's CRS.

    Pixels that touch only at a corner become parts of a MultiPolygon, which is valid.

    Raises
    ------
    ValueError
        If there is no pixel.
    """
    if rows.size == 0:
        raise ValueError("an outline needs at least one pixel")
    order = np.lexsort((cols, rows))
    r, c = rows[order].astype(np.int64), cols[order].astype(np.int64)
    # Runs along the row: a twentieth of the boxes, and the union is as fast as that.
    starts = np.flatnonzero(np.r_[True, (np.diff(r) != 0) | (np.diff(c) > 1)])
    ends = np.r_[starts[1:], r.size] - 1
    left, top = grid.transform.c, grid.transform.f
    dx, dy = grid.transform.a, grid.transform.e
    boxes = shapely.box(
        left + c[starts] * dx,
        top + (r[starts] + 1) * dy,
        left + (c[ends] + 1) * dx,
        top + r[starts] * dy,
    )
    return shapely.normalize(shapely.union_all(boxes))
