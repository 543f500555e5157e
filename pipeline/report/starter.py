"""Makes the template that ships: ``python -m pipeline.report.starter FILE``.

An office edits its copy in Word; this is only how the first one came to be.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from docx import Document
from docx.enum.text import WD_ALIGN_PARAGRAPH
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from docx.shared import Mm, Pt

from pipeline.report.forms import steady_zip
from pipeline.report.tables import FLOWS, INTERNAL
from pipeline.report.words import COUNT_ZH
from pipeline.report.worst import COLUMNS, PLACE

BODY, HEAD = "宋体", "黑体"

_FLOWS = {k: COUNT_ZH[k] for k in FLOWS}
_SHORT = ("opening", "new", "again", "relapsed", "closed", "removed", "closing")
_DAYS = {"seen": "已观测", "unseen": "未能观测", "unknown": "未知"}
SECTIONS: Sequence[tuple[str, str, Mapping[str, str]]] = (
    ("observed", "观测情况", {"name": "河湖", "size": "长度/数量", **_DAYS, "unit": "单位"}),
    ("summary", "总体情况", {"name": "指标（件次）", "now": "本期", "before": "上期"}),
    (
        "assessment",
        "分县区核实问题与观测情况（4+1）",
        {
            "group": "县区类别",
            "name": "县区",
            **{k: COUNT_ZH[k] for k in _SHORT},
            "overdue": "逾期",
            "on_account": "挂账",
            **_DAYS,
        },
    ),
    ("township", "分乡镇情况", {"name": "县区 乡镇", **_FLOWS}),
    ("corridor", "分河湖情况", {"name": "河湖", **_FLOWS}),
    ("kind", "分类型情况", {"name": "类型", **_FLOWS}),
    ("internal", "疑似线索（内部掌握）", {"name": "县区", **{k: COUNT_ZH[k] for k in INTERNAL}}),
    (
        "waited",
        "处置时限",
        {
            "name": "环节",
            "count": "件次",
            "median": "中位天数",
            "most": "最长天数",
            "was": "上期件次",
            "median_was": "上期中位天数",
        },
    ),
    (
        "excluded",
        "排除原因（误报）",
        {"name": "原因", "desk": "内业排除", "field": "核查排除", "sum": "合计"},
    ),
    ("worst", "最严重的问题", {k: v for k, v in COLUMNS.items() if k not in PLACE}),
    (
        "worst",
        "最严重问题的位置",
        {k: v for k, v in COLUMNS.items() if k in ("rank", "case_id", *PLACE)},
    ),
    (
        "corrections",
        "更正",
        {"period": "期间", "where": "范围", "name": "指标", "was": "原数", "now": "更正后"},
    ),
)
_PRIVATE = ("疑似线索（内部掌握）", "排除原因（误报）", "最严重的问题", "最严重问题的位置")
"""Sections that the public edition does not have."""


def starter() -> bytes:
    """Make the template; the same bytes every time."""
    document = Document()
    section = document.sections[0]
    section.page_width, section.page_height = Mm(210), Mm(297)
    section.left_margin = section.right_margin = Mm(18)
    section.top_margin = section.bottom_margin = Mm(20)
    for name, font, size in (("Normal", BODY, 10.5), ("Title", HEAD, 20), ("Heading 1", HEAD, 13)):
        _set_font(document.styles[name], font, size)
    section.header.paragraphs[0].text = "{{ edition }}　{{ notice }}"
    document.add_paragraph("{{ title }}", style="Title").alignment = WD_ALIGN_PARAGRAPH.CENTER
    document.add_paragraph("{{ office }}").alignment = WD_ALIGN_PARAGRAPH.CENTER
    line = document.add_paragraph("统计期间：{{ period }}　制表日期：{{ made_on }}")
    line.alignment = WD_ALIGN_PARAGRAPH.CENTER
    document.add_paragraph("{{ notice }}。{{ basis }}")
    for name, title, columns in SECTIONS:
        private = title in _PRIVATE
        if private:
            document.add_paragraph("{%p if not public %}")
        document.add_heading(title, 1)
        document.add_paragraph("{%p if " + name + " %}")
        _add_table(document, name, columns)
        document.add_paragraph("{%p else %}")
        document.add_paragraph("本期没有。")
        document.add_paragraph("{%p endif %}")
        if title == "最严重的问题":
            _add_pictures(document)
        if private:
            document.add_paragraph("{%p endif %}")
    document.add_heading("统计说明", 1)
    for text in ("{%p for n in notes %}", "{{ loop.index }}. {{ n }}", "{%p endfor %}"):
        document.add_paragraph(text)
    out = io.BytesIO()
    document.save(out)
    return steady_zip(out.getvalue(), date(2026, 1, 1))


def _add_table(document: Any, name: str, columns: Mapping[str, str]) -> None:
    table = document.add_table(rows=4, cols=len(columns))
    table.style = "Table Grid"
    size = 7.5 if len(columns) > 9 else 9
    for at, (key, heading) in enumerate(columns.items()):
        _write(table.cell(0, at), heading, size, bold=True)
        _write(table.cell(2, at), "{{ r." + key + " }}", size)
    _write(table.cell(1, 0), "{%tr for r in " + name + " %}", size)
    _write(table.cell(3, 0), "{%tr endfor %}", size)
    repeat = OxmlElement("w:tblHeader")  # headings come again on every page
    table.rows[0]._tr.get_or_add_trPr().append(repeat)


def _add_pictures(document: Any) -> None:
    for text in ("{%p for p in pictures %}", "{{ p.image }}", "{{ p.caption }}", "{%p endfor %}"):
        paragraph = document.add_paragraph(text)
        paragraph.alignment = WD_ALIGN_PARAGRAPH.CENTER
        paragraph.paragraph_format.keep_with_next = "image" in text
    for text in ("{%p if pictures and approval %}", "审图号：{{ approval }}", "{%p endif %}"):
        document.add_paragraph(text)


def _write(cell: Any, text: str, size: float, *, bold: bool = False) -> None:
    run = cell.paragraphs[0].add_run(text)
    run.font.size, run.bold = Pt(size), bold


def _set_font(style: Any, name: str, size: float) -> None:
    """Set a font for Chinese text too: Word takes that of w:eastAsia for it."""
    style.font.name, style.font.size = "Times New Roman", Pt(size)
    fonts = style.element.get_or_add_rPr().get_or_add_rFonts()
    for theme in ("w:asciiTheme", "w:hAnsiTheme", "w:eastAsiaTheme", "w:cstheme"):
        fonts.attrib.pop(qn(theme), None)
    fonts.set(qn("w:eastAsia"), name)


if __name__ == "__main__":
    Path(sys.argv[1]).write_bytes(starter())
