"""All that a report says, before any format. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from pipeline.report.figures import Figures
from pipeline.report.frozen import Frozen
from pipeline.report.observed import Seen
from pipeline.report.options import ReportSettings
from pipeline.report.period import ReportPeriod
from pipeline.report.tables import (
    Names,
    Table,
    assessment,
    corrections,
    excluded,
    groups,
    observed,
    summary,
    waiting,
)
from pipeline.report.words import HOW_COUNTED, HOW_OBSERVED, INTERNAL, PUBLIC
from pipeline.report.worst import COLUMNS, Worst


@dataclass(frozen=True)
class Basis:
    """What a report rests on."""

    period: ReportPeriod
    made_on: date
    now: Figures  # of the period, at its revision of the ledger
    before: Figures  # of the period before, at the same revision
    today: tuple[tuple[str, Figures, Figures], ...]  # periods, as frozen and as they would be now
    events: int
    frozen: Frozen | None  # None: the period is not over
    seen: tuple[Seen, ...] | None
    window: int  # days
    counties: tuple[str, ...]  # only these; empty: all


@dataclass(frozen=True)
class Document:
    """A report as text, tables and pictures."""

    title: str
    office: str
    edition: str
    period: str
    made_on: str
    basis: str  # on which revision of the ledger it rests
    notice: tuple[str, ...]  # how it was counted
    approval: str  # 审图号, or ""
    tables: Mapping[str, Table]  # in the order of the report
    worst: tuple[Worst, ...]
    worst_columns: Mapping[str, str]

    @property
    def pictures(self) -> tuple[Worst, ...]:
        """Those of the most serious that have a picture."""
        return tuple(w for w in self.worst if w.picture is not None)


def write_document(
    basis: Basis,
    worst: Sequence[Worst],
    names: Names,
    settings: ReportSettings,
    *,
    public: bool,
) -> Document:
    """Put a report together."""
    notes = [*HOW_COUNTED, *(line.format(window=basis.window) for line in HOW_OBSERVED)]
    if public:
        notes.append("公开版不列单个问题，不附位置、地图和影像。")
    tables = [
        observed(basis.seen, names),
        summary(basis.now, basis.before, public=public),
        assessment(basis.now, basis.seen, names, public=public),
        *groups(basis.now, names, public=public),
        waiting(basis.now, basis.before),
        *(() if public else (excluded(basis.now),)),
        corrections(basis.today, names, public=public),
    ]
    where = "、".join(names.county(c) for c in basis.counties)
    period = basis.period
    return Document(
        title=f"河湖“四乱”问题{period.zh}报告" + (f"（{where}）" if where else ""),
        office=settings.office_zh,
        edition=PUBLIC if public else INTERNAL,
        period=f"{_day(period.first)}至{_day(period.last)}",
        made_on=_day(basis.made_on),
        basis=_rests_on(basis, public=public),
        notice=tuple(notes),
        approval=settings.map_approval or "",
        tables={t.name: t for t in tables},
        worst=tuple(worst),
        worst_columns={} if public else COLUMNS,
    )


def _rests_on(basis: Basis, *, public: bool) -> str:
    # How many records there are tells how much is suspected.
    ledger = "台账" if public else f"台账第{basis.events}条记录"
    if basis.frozen is None:
        return f"期间尚未结束，以{ledger}为准，数据将变化。"
    day = _day(date.fromisoformat(basis.frozen.frozen_on))
    return f"本期数据以{day}{ledger}为准（冻结）；此后的变化列入“更正”，不改动本期数据。"


def _day(day: date) -> str:
    return f"{day.year}年{day.month}月{day.day}日"
