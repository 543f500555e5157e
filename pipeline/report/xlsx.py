"""A report as a workbook: one sheet for each table."""

from __future__ import annotations

import io
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import date

from openpyxl import Workbook
from openpyxl.cell import Cell
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.properties import PageSetupProperties
from openpyxl.worksheet.worksheet import Worksheet

from pipeline.publish.words import NOTICE
from pipeline.report.document import Document
from pipeline.report.forms import steady_zip
from pipeline.report.tables import Cell as Value

_HEAD = PatternFill("solid", fgColor="DDEBF7")
_SHEETS = {
    "observed": "观测情况",
    "summary": "总体情况",
    "assessment": "分县区（4+1）",
    "township": "分乡镇",
    "corridor": "分河湖",
    "kind": "分类型",
    "internal": "疑似线索（内部）",
    "waited": "处置时限",
    "excluded": "排除原因",
    "corrections": "更正",
}
_WIDEST = 36  # characters


class XlsxForm:
    """Writes a workbook."""

    name = "xlsx"

    def render(self, document: Document, day: date) -> bytes:
        """Write it; numbers stay numbers."""
        book = Workbook()
        about = book.worksheets[0]
        about.title = "说明"
        lines = (
            document.title,
            document.office,
            document.edition,
            f"统计期间：{document.period}",
            f"制表日期：{document.made_on}",
            document.basis,
            *document.notice,
        )
        for at, line in enumerate((x for x in lines if x), 1):
            _text(about, at, 1, line).alignment = Alignment(wrap_text=True, vertical="top")
        about["A1"].font = Font(bold=True, size=14)
        about.column_dimensions["A"].width = 100
        for name, table in document.tables.items():
            sheet = book.create_sheet(_SHEETS[name])
            _fill(sheet, table.title, (table.columns, table.rows), table.note)
        rows = [w.row for w in document.worst]
        if document.worst_columns:
            sheet = book.create_sheet("最严重的问题")
            _fill(sheet, "最严重的问题", (document.worst_columns, rows), "")
        out = io.BytesIO()
        book.save(out)
        return steady_zip(out.getvalue(), day)


def _fill(
    sheet: Worksheet,
    title: str,
    content: tuple[Mapping[str, str], Sequence[Mapping[str, Value]]],
    note: str,
) -> None:
    columns, rows = content
    _text(sheet, 1, 1, title).font = Font(bold=True, size=12)
    for at, (key, heading) in enumerate(columns.items(), 1):
        head = _text(sheet, 2, at, heading)
        head.font, head.fill = Font(bold=True), _HEAD
        head.alignment = Alignment(wrap_text=True, vertical="center")
        widest = _width(heading)
        for line, row in enumerate(rows, 3):
            value = row[key]
            if isinstance(value, str):
                _text(sheet, line, at, value)
            else:
                sheet.cell(line, at, value)
            widest = max(widest, _width(str(value)))
        sheet.column_dimensions[get_column_letter(at)].width = min(widest + 2, _WIDEST)
    last = len(rows) + 3
    if not rows:
        _text(sheet, last, 1, "本期没有。")
    for at, line in enumerate(filter(None, (note, NOTICE)), last + 1):
        _text(sheet, at, 1, line)
    sheet.freeze_panes = "A3"
    sheet.page_setup.orientation = "landscape"
    sheet.page_setup.fitToHeight = 0
    sheet.sheet_properties.pageSetUpPr = PageSetupProperties(fitToPage=True)


def _text(sheet: Worksheet, row: int, column: int, value: str) -> Cell:
    cell: Cell = sheet.cell(row, column, value)
    cell.data_type = "s"  # what begins with = is text, and no formula
    return cell


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)
