"""The tables of a report as text, the same for every format. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from pipeline.ledger.status import Reason
from pipeline.model import Kind
from pipeline.report.figures import NAMES, PUBLIC, STEPS, Count, Figures
from pipeline.report.observed import Seen
from pipeline.report.words import (
    COUNT_ZH,
    NO_CLASS,
    NO_COUNTY,
    NO_REASON,
    NO_TOWNSHIP,
    STEP_ZH,
    UNKNOWN,
    WHERE_ZH,
)

Cell: TypeAlias = str | int | float
K = TypeVar("K")
FLOWS = ("opening", "new", "again", "relapsed", "to_rectifying", "closed", "removed", "closing")
STANDING = ("waiting", "rectifying", "back", "overdue", "on_account")
INTERNAL = NAMES[len(PUBLIC) :]


@dataclass(frozen=True)
class Table:
    """A table: ``rows`` hold a cell for each key of ``columns``."""

    name: str  # by which templates ask for its rows
    title: str
    columns: Mapping[str, str]  # heading by key
    rows: tuple[Mapping[str, Cell], ...]
    note: str = ""


@dataclass(frozen=True)
class Names:
    """What codes are called."""

    counties: Mapping[str, str]  # by code, in the office's order
    classes: Mapping[str, str]  # by county code
    rivers: Mapping[str, str]  # by corridor id

    def county(self, key: str) -> str:
        """Name a county by its code, or by what the ledger called it."""
        return self.counties.get(key, key) or NO_COUNTY

    def river(self, key: str) -> str:
        """Name a river or reservoir."""
        return self.rivers.get(key, key)


def summary(now: Figures, before: Figures, *, public: bool) -> Table:
    """Set a period beside the one before it."""
    names = (*FLOWS, *STANDING, *(() if public else INTERNAL))
    rows = [
        {"name": COUNT_ZH[n], "now": getattr(now.total, n), "before": getattr(before.total, n)}
        for n in names
    ]
    return Table(
        "summary",
        "总体情况",
        {"name": "指标（件次）", "now": "本期", "before": "上期"},
        tuple(rows),
    )


def observed(seen: Sequence[Seen] | None, names: Names) -> Table:
    """Say what could be looked at, by river or reservoir."""
    columns = {
        "name": "河湖",
        "size": "长度/数量",
        "seen": "已观测",
        "unseen": "未能观测",
        "unknown": "未知",
        "unit": "单位",
    }
    title = "观测情况"
    if seen is None:
        row = dict.fromkeys(columns, UNKNOWN)
        note = "没有可用的运行成果，观测情况未知。"
        return Table(
            "observed", title, columns, ({**row, "name": "全部", "unit": "公里·日"},), note
        )
    sums = _sums(seen, lambda s: (s.corridor, s.in_km))
    rows: list[dict[str, Cell]] = []
    for (corridor, in_km), (size, *parts) in sums.items():
        shown = f"{size:.1f} 公里" if in_km else f"{size:.0f} 座"
        row = _watched(parts)
        rows.append({"name": names.river(corridor), "size": shown, **row, "unit": _unit(in_km)})
    for in_km, (size, *parts) in _sums(seen, lambda s: s.in_km).items():
        shown = f"{size:.1f} 公里" if in_km else f"{size:.0f} 座"
        row = _watched(parts)
        name = "河流合计" if in_km else "水库（无中心线）合计"
        rows.append({"name": name, "size": shown, **row, "unit": _unit(in_km)})
    return Table("observed", title, columns, tuple(rows))


def assessment(now: Figures, seen: Sequence[Seen] | None, names: Names, *, public: bool) -> Table:
    """Count verified problems by class of county and county, beside what could be looked at.

    In public a county of which nothing was verified or observed has no row: one of zeros would say
    that something is suspected there.
    """
    keys = ("opening", "new", "again", "relapsed", "closed", "removed", "closing")
    flows = {k: COUNT_ZH[k] for k in (*keys, "overdue", "on_account")}
    columns = {"group": "县区类别", "name": "县区", **flows}
    columns |= {"seen": "已观测", "unseen": "未能观测", "unknown": "未知"}
    table = now.groups.get("county", {})
    wanted = list(names.counties) + [k for k in table if k not in names.counties]
    parts = _sums([s for s in seen or () if s.in_km], lambda s: s.county)
    wanted += [k for k in parts if k not in wanted]
    rows: list[dict[str, Cell]] = []
    for code in wanted:
        count = _cells(table.get(code, Count()), flows)
        if public and code not in parts and not any(count.values()):
            continue
        watched = _whole(_watched(parts.get(code, ())[1:]))
        group = names.classes.get(code, NO_CLASS)
        rows.append({"group": group, "name": names.county(code), **count, **watched})
    order = list(dict.fromkeys(names.classes.values()))
    rows.sort(key=lambda r: order.index(str(r["group"])) if r["group"] in order else len(order))
    sums = _sums([s for s in seen or () if s.in_km], lambda _: "")
    whole = _whole(_watched(sums.get("", ())[1:]))
    rows.append({"group": "合计", "name": "", **_cells(now.total, flows), **whole})
    note = "仅统计经人工核实的问题。观测单位为公里·日（河流）；未导入县区界线的，分县区观测量未知。"
    return Table("assessment", "分县区核实问题与观测情况（4+1）", columns, tuple(rows), note)


def groups(now: Figures, names: Names, *, public: bool) -> tuple[Table, ...]:
    """Give the flows by township, river and kind, and what only the office sees by county."""
    words: Mapping[str, tuple[str, str, Callable[[str], str]]] = {
        "township": ("分乡镇情况", "县区 乡镇", lambda k: _township(k, names)),
        "corridor": ("分河湖情况", "河湖", names.river),
        "kind": ("分类型情况", "类型", lambda k: Kind(k).zh),
    }
    found = [
        _grouped(name, title, head, now.groups.get(name, {}), FLOWS, called)
        for name, (title, head, called) in words.items()
    ]
    if not public:
        county = now.groups.get("county", {})
        title = "疑似线索（内部掌握）"
        found.append(_grouped("internal", title, "县区", county, INTERNAL, names.county))
    return tuple(found)


def waiting(now: Figures, before: Figures) -> Table:
    """Say how long steps took, of those that ended in the period."""
    columns = {
        "name": "环节",
        "count": "件次",
        "median": "中位天数",
        "most": "最长天数",
        "was": "上期件次",
        "median_was": "上期中位天数",
    }
    rows: list[dict[str, Cell]] = []
    for step in STEPS:
        a, b = now.waited.get(step), before.waited.get(step)
        rows.append(
            {
                "name": STEP_ZH[step],
                "count": a.count if a else 0,
                "median": _days(a.median_days if a else None),
                "most": _days(a.most_days if a else None),
                "was": b.count if b else 0,
                "median_was": _days(b.median_days if b else None),
            }
        )
    note = "统计本期内完成该环节的问题；“—”表示本期没有。"
    return Table("waited", "处置时限", columns, tuple(rows), note)


def excluded(now: Figures) -> Table:
    """Say why suspected ones were none."""
    columns = {"name": "原因", **WHERE_ZH, "sum": "合计"}
    zh = {r.value: r.zh for r in Reason}
    order = [*zh, *sorted({r for r, _ in now.excluded} - set(zh))]
    rows: list[dict[str, Cell]] = []
    for reason in order:
        parts = {where: now.excluded.get((reason, where), 0) for where in WHERE_ZH}
        if any(parts.values()):
            name = zh.get(reason, reason) or NO_REASON
            rows.append({"name": name, **parts, "sum": sum(parts.values())})
    return Table("excluded", "排除原因（误报）", columns, tuple(rows))


def corrections(
    parts: Iterable[tuple[str, Figures, Figures]], names: Names, *, public: bool
) -> Table:
    """List what changed since periods were frozen: (period, frozen, today)."""
    columns = {"period": "期间", "where": "范围", "name": "指标", "was": "原数", "now": "更正后"}
    wanted = PUBLIC if public else NAMES
    rows: list[dict[str, Cell]] = []
    for period, was, now in parts:
        rows += _changed(period, "合计", was.total, now.total, wanted)
        old, new = was.groups.get("county", {}), now.groups.get("county", {})
        for code in sorted({*old, *new}):
            a, b = old.get(code, Count()), new.get(code, Count())
            rows += _changed(period, names.county(code), a, b, wanted)
    return Table("corrections", "更正", columns, tuple(rows))


def _changed(
    period: str, where: str, was: Count, now: Count, wanted: Iterable[str]
) -> list[dict[str, Cell]]:
    pairs = [(n, getattr(was, n), getattr(now, n)) for n in wanted]
    return [
        {"period": period, "where": where, "name": COUNT_ZH[n], "was": a, "now": b}
        for n, a, b in pairs
        if a != b
    ]


def _grouped(
    name: str,
    title: str,
    head: str,
    table: Mapping[str, Count],
    keys: Sequence[str],
    called: Callable[[str], str],
) -> Table:
    # A row of nothing but zeros says no more than its absence.
    rows = [
        {"name": called(k), **_cells(count, keys)}
        for k, count in table.items()
        if any(getattr(count, n) for n in keys)
    ]
    return Table(name, title, {"name": head, **{k: COUNT_ZH[k] for k in keys}}, tuple(rows))


def _cells(count: Count, keys: Iterable[str]) -> dict[str, Cell]:
    return {k: getattr(count, k) for k in keys}


def _township(key: str, names: Names) -> str:
    county, _, township = key.partition("/")
    return f"{names.county(county)} {township or NO_TOWNSHIP}"


def _sums(seen: Iterable[Seen], key_of: Callable[[Seen], K]) -> dict[K, tuple[float, ...]]:
    """Add up (size, seen, unseen, unknown) by key."""
    found: dict[K, tuple[float, ...]] = {}
    for s in seen:
        key = key_of(s)
        parts = (s.size, s.seen, s.unseen, s.unknown)
        before = found.get(key, (0.0,) * 4)
        found[key] = tuple(round(a + b, 3) for a, b in zip(before, parts, strict=True))
    return found


def _watched(parts: Sequence[float]) -> dict[str, Cell]:
    """Give (seen, unseen, unknown); where nothing is known, no zero stands in for it."""
    keys = ("seen", "unseen", "unknown")
    if not any(parts):
        return dict.fromkeys(keys, UNKNOWN)
    known: list[Cell] = list(parts) if any(parts[:2]) else [UNKNOWN, UNKNOWN, parts[2]]
    return dict(zip(keys, known, strict=True))


def _whole(cells: dict[str, Cell]) -> dict[str, Cell]:
    """Round to whole km·days: that table has many columns."""
    return {k: round(v) if isinstance(v, float) else v for k, v in cells.items()}


def _unit(in_km: bool) -> str:
    return "公里·日" if in_km else "座·日"


def _days(value: float | None) -> Cell:
    return "—" if value is None else round(value, 1)
