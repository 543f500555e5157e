"""Sub-type and severity of a case, by tables that are the office's.

Neither is decided by imagery. The sub-type is the one that the table names for what the office's
layers say of the place; most need a paper to decide, so it is a suggestion as the kind is. The
severity is that of the row of the table which holds the *lower* end of the 95 % interval of an area
or a volume: what is only perhaps that large is not called grave. A row that nobody confirmed says
``verified: false``.
"""

from __future__ import annotations

from math import sqrt
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from pipeline.errors import ConfigurationError
from pipeline.model import LEAD_OUTLINE, Attribution, Case, Grade, Kind, Severity

_STRICT = ConfigDict(frozen=True, extra="forbid")
GRADES = ("一般", "较重", "严重")
"""Words of the table, lightest first."""

When = Literal["", "default", "no-mining", "permit"]
Unit = Literal["m2", "m3"]
_NOT_AS_PERMITTED = frozenset({"permit-overrun"})


class GradeOptions(BaseModel):
    """How exact an outline is."""

    model_config = _STRICT

    pixel_m: float = Field(
        default=10.0, gt=0, le=100, description="pixel along whose edges satellites' outlines run"
    )
    z: float = Field(default=1.96, ge=0, le=5, description="standard deviations of a lower bound")


class Subtype(BaseModel):
    """One line of the table of sub-types."""

    model_config = _STRICT

    code: str = Field(min_length=1)
    kind: Kind
    text: str = Field(min_length=1)
    when: When = Field(default="", description="what makes it the suggestion; empty: nothing does")
    suggested_as: str = Field(default="", description="text while nobody has said it; empty: text")


class Break(BaseModel):
    """One line of the table of severity: from ``least`` to ``most`` it is ``grade``."""

    model_config = _STRICT

    row: int
    subtypes: tuple[str, ...]
    measure: Unit
    least: float = Field(ge=0)
    least_in: bool = True  # ``least`` itself belongs to it
    most: float | None = None  # None: no upper end
    most_in: bool = False
    grade: Literal["一般", "较重", "严重"]
    confirmed_by: str | None = None
    confirmed_on: str | None = None

    def holds(self, value: float) -> bool:
        """Tell whether a value [m², m³] lies between its ends."""
        above = value > self.least or (self.least_in and value == self.least)
        if self.most is None:
            return above
        return above and (value < self.most or (self.most_in and value == self.most))


class Grading(BaseModel):
    """Both tables."""

    model_config = _STRICT

    subtypes: tuple[Subtype, ...] = ()
    breaks: tuple[Break, ...] = ()


def grade(case: Case, tables: Grading | None, options: GradeOptions | None = None) -> Grade:
    """Give the sub-type and the severity that the tables give a case; empty where they do not."""
    if tables is None:
        return Grade()
    found = subtype_of(case, tables)
    if found is None:
        return Grade()
    said = case.people is not None and case.people.subtype == found.code
    # An official name may say 非法, which no imagery can: it is shown once a person has said it.
    text = found.text if said else found.suggested_as or found.text
    return Grade(found.code, text, severity_of(case, found.code, tables, options))


def subtype_of(case: Case, tables: Grading) -> Subtype | None:
    """Give the sub-type that people said; else the suggestion, a layer's word before the default.

    What people said of a case that is of another kind since says nothing any more.
    """
    said = case.people.subtype if case.people else None
    mine_said = (s for s in tables.subtypes if s.code == said and s.kind is case.kind)
    if (found := next(mine_said, None)) is not None:
        return found
    place = case.attribution or Attribution()
    spoken = {s.code for s in case.ruling.spoken} if case.ruling else set[str]()
    holds: dict[When, bool] = {
        "no-mining": case.kind is Kind.CAI and place.no_mining is not None,
        "permit": bool(spoken & _NOT_AS_PERMITTED),
        "default": True,
    }
    mine = {s.when: s for s in tables.subtypes if s.kind is case.kind and s.when}
    return next((mine[when] for when, is_so in holds.items() if is_so and when in mine), None)


def corrected(case: Case, tables: Grading, options: GradeOptions | None = None) -> Grade:
    """Give the grade of a case whose sub-type people have said.

    Raises
    ------
    ConfigurationError
        The table has no such sub-type of the case's kind.
    """
    said = case.people.subtype if case.people else None
    mine = {s.code: s for s in tables.subtypes if s.kind is case.kind}
    if said not in mine:
        raise ConfigurationError(
            f"{said} is no sub-type of {case.kind.zh}",
            f"Known: {', '.join(f'{c} {s.text}' for c, s in mine.items()) or 'none'}",
        )
    return grade(case, tables, options)


def severity_of(
    case: Case, subtype: str, tables: Grading, options: GradeOptions | None = None
) -> Severity | None:
    """Give the gravest row that a lower bound of the case reaches; None where none does."""
    bounds: dict[Unit, float | None] = {
        "m2": lower_area_m2(case, options),
        "m3": lower_volume_m3(case),
    }
    reached = [
        (b, round(value, 2))
        for b in tables.breaks
        if subtype in b.subtypes and (value := bounds[b.measure]) is not None and b.holds(value)
    ]
    if not reached:
        return None
    best, value = max(reached, key=lambda r: (GRADES.index(r[0].grade), -r[0].row))
    return Severity(best.grade, best.confirmed_by is not None, best.row, best.measure, value)


def lower_area_m2(case: Case, options: GradeOptions | None = None) -> float | None:
    """Give the lower end of the 95 % interval of a case's area [m²]; None where it is not known.

    A satellite's outline runs along pixels: its true edge lies anywhere within half a pixel of it
    (uniform, one sigma pixel/√12), and on the same side all around, which is the worst case; so the
    outline is shrunk by ``z`` times that. A drone measured its interval. What a person drew is
    taken as drawn, and the circle around a lead's point says nothing.
    """
    o = options or GradeOptions()
    drawn = case.people is not None and case.people.outline_fixed
    if drawn or case.detector == LEAD_OUTLINE:
        return case.area_m2
    if not case.sized:
        return None
    if case.of_drone:
        low = case.measures.get("footprint_m2_low")
        return None if low is None else max(low, 0.0)
    within = case.polygon.buffer(-o.z * o.pixel_m / sqrt(12.0))
    return case.area_m2 * float(within.area / case.polygon.area)


def lower_volume_m3(case: Case) -> float | None:
    """Give the lower end of what a drone measured [m³]: dug out for 乱采, heaped up otherwise."""
    low = case.measures.get("cut_m3_low" if case.kind is Kind.CAI else "fill_m3_low")
    return None if low is None else max(low, 0.0)
