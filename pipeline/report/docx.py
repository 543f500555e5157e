"""A report as a Word document, by a template that the office edits in Word."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import Any

from docx.shared import Mm
from docxtpl import DocxTemplate, InlineImage
from jinja2 import StrictUndefined, TemplateError
from jinja2.sandbox import SandboxedEnvironment

from pipeline.errors import ConfigurationError
from pipeline.publish.words import NOTICE
from pipeline.report.document import Document
from pipeline.report.forms import steady_zip
from pipeline.report.words import PUBLIC

NEEDED = ("title", "edition", "notice", "period", "basis")
"""What every template must say."""

ROWS = (
    *("observed", "summary", "assessment", "township", "corridor", "kind"),
    *("internal", "waited", "excluded", "corrections", "worst", "pictures"),
)
KNOWN = (*NEEDED, *ROWS, "office", "made_on", "notes", "approval", "public")


class DocxForm:
    """Writes a Word document.

    Raises
    ------
    ConfigurationError
        The template is no Word document, lacks a field, or has one that is not known.
    """

    name = "docx"

    def __init__(self, template: Path | None = None) -> None:
        self._where = template or "the template"
        self._template = shipped_template() if template is None else _read(template)
        self._check()

    def render(self, document: Document, day: date) -> bytes:
        """Fill the template."""
        template = DocxTemplate(io.BytesIO(self._template))
        try:
            template.render(_context(document, template), _environment(), autoescape=True)
        except TemplateError as error:
            raise self._bad(error) from error
        out = io.BytesIO()
        template.save(out)
        return steady_zip(out.getvalue(), day)

    def _check(self) -> None:
        try:
            template = DocxTemplate(io.BytesIO(self._template))
            used = template.get_undeclared_template_variables(_environment())
        except (zipfile.BadZipFile, KeyError, ValueError) as error:
            raise ConfigurationError(
                f"{self._where} is no Word document",
                "Save it as .docx, or take the one that 'siluan report --template-out FILE' writes",
            ) from error
        except TemplateError as error:
            raise self._bad(error) from error
        missing, strange = [n for n in NEEDED if n not in used], sorted(used - set(KNOWN))
        if missing or strange:
            lacks = f"lacks the fields {', '.join(missing)}" if missing else ""
            has = f"has fields that are not known: {', '.join(strange)}" if strange else ""
            raise ConfigurationError(
                f"{self._where} {' and '.join(x for x in (lacks, has) if x)}",
                f"Known are {', '.join(KNOWN)}; see 'siluan report --template-out FILE'",
            )

    def _bad(self, error: TemplateError) -> ConfigurationError:
        return ConfigurationError(
            f"{self._where} cannot be filled: {' '.join(str(error).split())}",
            "Mend the field in Word, or take what 'siluan report --template-out FILE' writes",
        )


def shipped_template() -> bytes:
    """Give the template that ships with the program."""
    return (files("pipeline.report") / "template" / "report.docx").read_bytes()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read", "Check --template") from error


def _environment() -> SandboxedEnvironment:
    return SandboxedEnvironment(undefined=StrictUndefined, autoescape=True)


def _context(document: Document, template: DocxTemplate) -> dict[str, Any]:
    rows: Mapping[str, Any] = {name: table.rows for name, table in document.tables.items()}
    pictures = [
        {
            "image": InlineImage(template, io.BytesIO(w.picture or b""), width=Mm(115)),
            "caption": f"{w.row['rank']}. {w.row['case_id']} {w.row['kind']}",
        }
        for w in document.pictures
    ]
    worst = [{"point": "", **w.row} for w in document.worst]
    return {
        **dict.fromkeys(ROWS, ()),
        **rows,
        "worst": worst,
        "pictures": pictures,
        "title": document.title,
        "office": document.office,
        "edition": document.edition,
        "notice": NOTICE,
        "period": document.period,
        "made_on": document.made_on,
        "basis": document.basis,
        "notes": document.notice,
        "approval": document.approval,
        "public": document.edition == PUBLIC,
    }
