"""A report as PDF, set by typst. Text goes in as data, so that none of it is taken for markup."""

from __future__ import annotations

import json
import tempfile
from datetime import UTC, date, datetime, time
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import typst

from pipeline.publish.words import NOTICE
from pipeline.report.document import Document
from pipeline.report.forms import FormError
from pipeline.report.tables import Table

FONTS = (
    *("Noto Sans CJK SC", "Source Han Sans SC", "Noto Sans SC", "Microsoft YaHei", "SimHei"),
    *("DengXian", "PingFang SC", "WenQuanYi Zen Hei", "WenQuanYi Micro Hei"),
    *("Noto Serif CJK SC", "Source Han Serif SC", "SimSun", "FangSong"),
)
"""Chinese fonts, the first that is there is taken."""


class PdfForm:
    """Writes a PDF."""

    name = "pdf"

    def __init__(self, fonts: Path | None = None) -> None:
        self._fonts = fonts

    def render(self, document: Document, day: date) -> bytes:
        """Write it.

        Raises
        ------
        FormError
            No Chinese font is installed.
        """
        return self.pages(document, day, "pdf")[0]

    def pages(self, document: Document, day: date, form: Literal["pdf", "png"]) -> list[bytes]:
        """Write it as one PDF, or as one PNG a page."""
        paths = [self._fonts] if self._fonts else []
        font = _font(typst.Fonts(font_paths=[str(p) for p in paths]).families())
        with tempfile.TemporaryDirectory(prefix="siluan-report-") as name:
            folder = Path(name)
            source = files("pipeline.report") / "template" / "report.typ"
            (folder / "report.typ").write_bytes(source.read_bytes())
            for at, worst in enumerate(document.pictures):
                (folder / f"{at}.png").write_bytes(worst.picture or b"")
            content = json.dumps(_content(document, font, day), ensure_ascii=False)
            (folder / "report.json").write_text(content, encoding="utf-8")
            made = typst.compile(
                str(folder / "report.typ"),
                font_paths=[str(p) for p in paths],
                format=form,
                ppi=80.0,
                timestamp=int(datetime.combine(day, time(), UTC).timestamp()),
            )
        return [bytes(page) for page in made] if isinstance(made, list) else [bytes(made)]


def _font(families: list[str]) -> str:
    found = next((f for f in FONTS if f in families), None)
    if found is None:
        raise FormError(
            "no Chinese font is installed",
            "Install one (Debian and Ubuntu: apt install fonts-noto-cjk), or name a folder of "
            "fonts in config/report.yaml (fonts)",
        )
    return found


def _content(document: Document, font: str, day: date) -> dict[str, Any]:
    pictures = [
        {"file": f"{at}.png", "caption": f"{w.row['rank']}. {w.row['case_id']} {w.row['kind']}"}
        for at, w in enumerate(document.pictures)
    ]
    worst = Table(
        "worst", "最严重的问题", document.worst_columns, tuple(w.row for w in document.worst)
    )
    tables = dict(document.tables)
    last = tables.pop("corrections")
    return {
        "font": font,
        "year": day.year,
        "month": day.month,
        "day": day.day,
        "title": document.title,
        "office": document.office,
        "edition": document.edition,
        "period": document.period,
        "made_on": document.made_on,
        "basis": document.basis,
        "notes": list(document.notice),
        "notice": NOTICE,
        "approval": document.approval,
        "tables": [_table(t) for t in (*tables.values(), *(() if not worst.columns else (worst,)))],
        "corrections": _table(last),
        "pictures": pictures,
    }


def _table(table: Table) -> dict[str, Any]:
    return {
        "title": table.title,
        "heads": list(table.columns.values()),
        "rows": [[str(row[k]) for k in table.columns] for row in table.rows],
        "note": table.note,
    }
