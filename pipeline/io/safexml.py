"""XML and Landsat's MTL from outside: no entities, no external references, bounded size."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import ParseError, fromstring

from pipeline.errors import SceneUnusableError

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_DECLARED = re.compile(rb"""^\s*<\?xml[^>]*encoding=["']([A-Za-z0-9._-]+)["'][^>]*\?>""")
_REMEDY = "Copy it again from the disk, or ask the sender for the original product"


def parse_xml(data: bytes, name: str) -> Element:
    """Parse a document; Chinese encodings that expat does not know are decoded first.

    Raises
    ------
    SceneUnusableError
        Not well-formed, in an unknown encoding, or with a DTD or entities (no product needs them).
    """
    declared = _DECLARED.match(data)
    encoding = declared[1].decode().lower() if declared else "utf-8"
    try:
        if encoding in ("utf-8", "utf8", "us-ascii", "iso-8859-1", "utf-16"):
            return fromstring(data, forbid_dtd=True)
        text = data.decode("gb18030" if encoding.startswith("gb") else encoding)
        return fromstring(re.sub(r"^\s*<\?xml[^>]*\?>", "", text), forbid_dtd=True)
    except DefusedXmlException as error:
        raise SceneUnusableError(
            f"{name} is not read: it declares entities or a DTD, which no product needs", _REMEDY
        ) from error
    except (ParseError, LookupError, UnicodeDecodeError) as error:
        raise SceneUnusableError(f"{name} is not well-formed XML ({error})", _REMEDY) from error


def text_of(root: Element, tag: str) -> str | None:
    """Text of the first element of this local name, stripped; None without one."""
    found = root if local_name(root) == tag else root.find(f".//{{*}}{tag}")
    return (found.text or "").strip() or None if found is not None else None


def number_of(text: str | None) -> float:
    """Give the number that a text states; ``ValueError`` if it states none, as nan does."""
    value = float(text or "")
    if not math.isfinite(value):
        raise ValueError(f"'{text}' is no number")
    return value


def local_name(element: Element) -> str:
    """Tag without its namespace."""
    return str(element.tag).rsplit("}", 1)[-1]
