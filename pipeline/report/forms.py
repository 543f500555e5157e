"""The forms in which a report is written."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Protocol

from pipeline.errors import ConfigurationError, ExitCode, SiluanError
from pipeline.report.document import Document


class FormError(SiluanError):
    """One form cannot be written on this machine; the others can."""

    code = ExitCode.SET_ASIDE


class Form(Protocol):
    """Turns a document into the bytes of a file; the same document gives the same bytes."""

    name: str  # ending of the file

    def render(self, document: Document, day: date) -> bytes:
        """Write it; ``day`` is the day that the file itself says it was made on.

        Raises
        ------
        FormError
            This machine lacks something for it.
        """
        ...


def forms_of(names: Sequence[str], template: Path | None, fonts: Path | None) -> tuple[Form, ...]:
    """Give the forms that were asked for, ready to write.

    Raises
    ------
    ConfigurationError
        A form is not known, or the template cannot be used.
    """
    # Each of these libraries takes a while to load.
    from pipeline.report.docx import DocxForm  # noqa: PLC0415
    from pipeline.report.pdf import PdfForm  # noqa: PLC0415
    from pipeline.report.xlsx import XlsxForm  # noqa: PLC0415

    known = {"docx": lambda: DocxForm(template), "pdf": lambda: PdfForm(fonts), "xlsx": XlsxForm}
    bad = [n for n in names if n not in known]
    if bad or not names:
        raise ConfigurationError(
            f"--as '{', '.join(bad)}' is no form of a report", f"Known: {', '.join(known)}"
        )
    return tuple(known[n]() for n in dict.fromkeys(names))


def steady_zip(data: bytes, day: date) -> bytes:
    """Give a zip of office documents whose bytes do not depend on the clock."""
    stamp = f"{day.isoformat()}T00:00:00Z"
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "docProps/core.xml":
                content = re.sub(
                    rb"(<dcterms:(?:created|modified)[^>]*>)[^<]*",
                    rb"\g<1>" + stamp.encode(),
                    content,
                )
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, 0o600 << 16
            new.writestr(info, content)
    return out.getvalue()
