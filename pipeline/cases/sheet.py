"""The 台账 as a workbook (Office Open XML): written for people, read back like any other table."""

from __future__ import annotations

import io
import unicodedata
import warnings
import zipfile
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

from openpyxl import Workbook, load_workbook
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import get_column_letter
from openpyxl.utils.exceptions import InvalidFileException
from openpyxl.worksheet.datavalidation import DataValidation
from openpyxl.worksheet.worksheet import Worksheet

from pipeline.errors import ConfigurationError
from pipeline.ledger.status import Reason, Verdict
from pipeline.model import Kind
from pipeline.publish.gis.table import Column
from pipeline.publish.words import NOTICE, STATUS_ZH

LEDGER, VERDICTS, ABOUT = "台账", "核查", "说明"
VERDICT_HEADINGS = {
    "case_id": "问题编号",
    "revision": "版本",
    "verdict": "核查结论",
    "reason": "原因",
    "by": "核查人",
    "on": "核查日期",
    "photos": "照片",
    "note": "备注",
}
MOST_BYTES = 300_000_000  # of a workbook once unpacked: more is no list of cases

_TEXT_FORMAT, _DAY_FORMAT = "@", "yyyy-mm-dd"
_WIDEST = 40  # characters
_WRITE, _READ = PatternFill("solid", fgColor="DDEBF7"), PatternFill("solid", fgColor="E7E6E6")
_WORDS: Mapping[str, Mapping[str, str]] = {
    "status": {s.value: zh for s, zh in STATUS_ZH.items()},
    "kind": {k.value: k.zh for k in Kind},
    "reason": {r.value: r.zh for r in Reason},
    "bank": {"left": "左岸", "right": "右岸"},
}
_LISTS: Mapping[str, Sequence[str]] = {
    **{name: tuple(words.values()) for name, words in _WORDS.items() if name != "bank"},
    "overdue": ("是", "否"),
    "on_account": ("是", "否"),
    "verdict": tuple(v.value for v in Verdict),
}
_ABOUT = (
    NOTICE,
    "“台账”表中蓝色表头的列可以填写，灰色表头的列仅供阅读；填写后用 siluan cases import 导回。",
    "“核查”表填写核查结论、核查人和核查日期；填写后用 siluan cases verdict 读取，空行不读取。",
    "请勿修改问题编号和版本；请勿增删列。删除一行不会删除问题。",
    "状态为“已排除”“已许可”“已撤回”时须写原因；原因为“其他”时须写备注。",
    "经纬度：WGS 84 与 GCJ-02（火星坐标）分列，不可混用。",
    "请勿填写举报人姓名、电话或证件号码。",
)


def write_workbook(columns: Sequence[Column], rows: Sequence[Mapping[str, Any]]) -> bytes:
    """Write cases as a workbook: 台账 for editing, 核查 for verdicts, 说明.

    Parameters
    ----------
    columns : sequence of Column
        What the 台账 holds; columns with the Chinese word of a code are left out, since the code's
        own column shows the word.
    rows : sequence of mapping
        Text by column name; None where nothing is known.
    """
    book = Workbook()
    first = book.worksheets[0]
    first.title = LEDGER
    shown = [c for c in columns if c.name not in ("status_zh", "kind_zh")]
    _fill(first, shown, rows)
    wanted = [
        Column(n, zh, "day" if n == "on" else "whole" if n == "revision" else "text", n not in
               ("case_id", "revision"))
        for n, zh in VERDICT_HEADINGS.items()
    ]  # fmt: skip
    asked = [{"case_id": r["case_id"], "revision": r["revision"]} for r in rows]
    _fill(book.create_sheet(VERDICTS), wanted, asked)
    about = book.create_sheet(ABOUT)
    for number, line in enumerate(_ABOUT, 1):
        about.cell(number, 1, line)
    about.column_dimensions["A"].width = 100
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def read_workbook(path: Path, sheet: str) -> tuple[list[str], list[tuple[int, list[str | None]]]]:
    """Read a sheet: its headings, and its rows with the number of each line.

    The sheet of that name is read, or the only one there is. Of ``VERDICTS``, rows in which nothing
    was filled in but the case and its revision are left out.

    Raises
    ------
    ConfigurationError
        It is no workbook, is far too large, or has several sheets and none of that name.
    """
    try:
        with zipfile.ZipFile(path) as parts:
            size = sum(p.file_size for p in parts.infolist())
        if size > MOST_BYTES:
            raise ConfigurationError(
                f"{path} unpacks to {size / 1e6:.0f} MB", "A list of cases is smaller; check it"
            )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of formatting that openpyxl does not know
            book = load_workbook(path, data_only=True)
    except (InvalidFileException, zipfile.BadZipFile, KeyError, ValueError, OSError) as error:
        raise ConfigurationError(
            f"{path} is no workbook that can be read",
            "Save it again as .xlsx (Excel 工作簿); .xls and files with a password are not read",
        ) from error
    names = book.sheetnames
    if sheet not in names and len(names) > 1:
        raise ConfigurationError(
            f"{path} has the sheets {', '.join(names)}, and none is called {sheet}",
            f"Call the sheet {sheet}",
        )
    found = book[sheet] if sheet in names else book[names[0]]
    lines = [[_read(v) for v in line] for line in found.iter_rows(values_only=True)]
    if not lines:
        return [], []
    heads = [v or "" for v in lines[0]]
    while heads and not heads[-1]:
        heads.pop()
    rows = [(i, line) for i, line in enumerate(lines[1:], 2) if any(v is not None for v in line)]
    if sheet == VERDICTS:
        at = [i for i, h in enumerate(heads) if h in VERDICT_HEADINGS.values()][:2]
        rows = [(i, v) for i, v in rows if any(c for k, c in enumerate(v) if k not in at)]
    return heads, rows


def _fill(sheet: Worksheet, columns: Sequence[Column], rows: Sequence[Mapping[str, Any]]) -> None:
    """Fill a sheet: frozen headings with a filter, widths, formats, lists to choose from."""
    for at, column in enumerate(columns, 1):
        head = sheet.cell(1, at, column.zh)
        head.font = Font(bold=True)
        head.fill = _WRITE if column.editable else _READ
        head.alignment = Alignment(wrap_text=True, vertical="center")
        widest = _width(column.zh)
        for line, row in enumerate(rows, 2):
            value = _value(column, row.get(column.name))
            cell = sheet.cell(line, at)
            cell.number_format = _format(column)
            if value is None:
                continue
            cell.value = value
            if isinstance(value, str):
                cell.data_type = "s"  # what begins with = is text, and no formula
            widest = max(widest, _width(str(value)))
        sheet.column_dimensions[get_column_letter(at)].width = min(widest + 2, _WIDEST)
        choices = _LISTS.get(column.name) if column.editable else None
        if choices and rows:
            _choose(sheet, get_column_letter(at), len(rows) + 1, choices, column.zh)
    sheet.freeze_panes = "C2"
    sheet.auto_filter.ref = f"A1:{get_column_letter(len(columns))}{len(rows) + 1}"


def _choose(sheet: Worksheet, letter: str, last: int, choices: Sequence[str], heading: str) -> None:
    rule = DataValidation(type="list", formula1=f'"{",".join(choices)}"', allow_blank=True)
    rule.showErrorMessage = True
    rule.errorTitle, rule.error = heading, f"请从列表中选择：{'、'.join(choices)}"[:255]
    rule.add(f"{letter}2:{letter}{last}")
    sheet.add_data_validation(rule)


def _format(column: Column) -> str:
    if column.type == "text":
        return _TEXT_FORMAT  # else a spreadsheet makes numbers of ids, and drops their last digits
    return _DAY_FORMAT if column.type == "day" else "General"


def _value(column: Column, text: Any) -> Any:
    if text is None:
        return None
    if column.type == "day":
        return date.fromisoformat(str(text))
    if column.type == "whole":
        return int(text)
    if column.type == "real":
        return float(text)
    return _WORDS.get(column.name, {}).get(str(text), str(text))


def _read(value: Any) -> str | None:
    if isinstance(value, bool):
        return "是" if value else "否"
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == datetime.min.time() else str(value)
    if isinstance(value, float) and value.is_integer():
        # Beyond 2^53 a float has lost its last digits: in this form ``read_id`` refuses it.
        return str(int(value)) if abs(value) < 2.0**53 else f"{value:E}"
    return None if value is None else str(value).strip() or None


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)
