"""What the columns of a list of leads are called, and which of them are never read."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from pipeline.cases.tables import ALIASES
from pipeline.cases.words import plain
from pipeline.errors import ConfigurationError

FIELDS: Mapping[str, tuple[str, ...]] = {
    "ref": (
        *("ref", "id", "no", "number", "code", "case_id", "external_id", "tbbh", "bh"),
        *(
            "编号",
            "序号编号",
            "问题编号",
            "线索编号",
            "图斑编号",
            "图斑号",
            "举报编号",
            "举报件编号",
        ),
        *("工单编号", "工单号", "受理编号", "受理号", "台账编号", "巡查编号", "点号"),
    ),
    "kind": (
        *("kind", "type", "lx", "类型", "类别", "问题类型", "问题类别", "四乱类型", "图斑类型"),
        *("乱点类型", "四乱类别"),
    ),
    "on": (
        *("on", "date", "day", "日期", "时间", "发现日期", "发现时间", "举报日期", "举报时间"),
        *("受理日期", "受理时间", "巡查日期", "巡查时间", "上报日期", "上报时间", "下发日期"),
        *("下发时间", "登记日期", "影像日期", "后时相", "核查日期"),
    ),
    "lon": ("lon", "lng", "long", "longitude", "经度", "中心经度", "中心点经度", "jd"),
    "lat": ("lat", "latitude", "纬度", "中心纬度", "中心点纬度", "wd"),
    "x": ("x", "east", "easting", "东坐标", "横坐标"),
    "y": ("y", "north", "northing", "北坐标", "纵坐标"),
}
"""Fields of a lead and the columns that hold them; x is the easting, whatever it is called."""

_READ = frozenset(word for words in FIELDS.values() for word in words)

_PERSON = re.compile(
    r"(举报|投诉|反映|来电|来访|报案|联系|责任)?(人|者)(姓名|电话|地址|住址|单位)?$|姓名|电话|手机|身份证|住址"
    r"|联系方式|微信|邮箱|\b(name|phone|tel|mobile|email|address|complainant|reporter|person|by)\b"
)


def choose_columns(columns: Sequence[str], given: Mapping[str, str], where: str) -> dict[str, str]:
    """Give the column of each field that has one.

    Parameters
    ----------
    given : mapping of field to column
        What the user said; it goes before the known names.

    Raises
    ------
    ConfigurationError
        A field or column that does not exist, or two columns that may both be a field.
    """
    names = {_word(c): c for c in columns}
    bad = [f"{f} is no field of a lead" for f in given if f not in FIELDS]
    bad += [f"there is no column {c}" for c in given.values() if _word(c) not in names]
    chosen: dict[str, str] = {}
    for field, words in FIELDS.items():
        if field in given:
            chosen[field] = names.get(_word(given[field]), given[field])
            continue
        free = [names[w] for w in words if w in names and names[w] not in given.values()]
        if len(free) > 1:
            bad.append(f"{' and '.join(free)} may both be {field} (say --field {field}=COLUMN)")
        elif free:
            chosen[field] = free[0]
    if bad:
        raise ConfigurationError(
            f"{where}: {'; '.join(bad)}",
            f"Fields: {', '.join(FIELDS)}; columns: {', '.join(columns) or 'none'}",
        )
    return chosen


def unread_lines(columns: Sequence[str], chosen: Mapping[str, str]) -> list[str]:
    """Say which columns are not read, those that may name persons apart."""
    rest = [c for c in columns if c and c not in chosen.values()]
    persons = [c for c in rest if _PERSON.search(_word(c))]
    others = [c for c in rest if c not in persons]
    lines: list[str] = []
    if persons:
        lines.append(f"columns that may name persons, not read and not kept: {', '.join(persons)}")
    if others:
        lines.append(f"columns that are not read: {', '.join(others)}")
    return lines


def _word(column: str) -> str:
    word = (plain(column) or "").lower().replace(" ", "_")
    found = ALIASES.get(word, word)
    # Of tables of cases a 点号 is a place; a column "place" of a list may be somebody's address.
    return found if found in _READ else word
