"""The files of the page: they are opened from a folder, without a server and without a network."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

NAMES = ("index.html", "style.css", "words.js", "map.js", "verdict.js", "app.js")
# What would end a script or a line of one, were it written as it is.
_ESCAPED = {
    "<": "\\u003c",
    ">": "\\u003e",
    "&": "\\u0026",
    "\u2028": "\\u2028",
    "\u2029": "\\u2029",
}


def page_files(data: Mapping[str, Any]) -> dict[str, bytes]:
    """Give the page's files by name; the same data gives the same bytes."""
    root = files("pipeline.review") / "page"
    out = {name: (root / name).read_bytes() for name in NAMES}
    return {**out, "data.js": as_script(data)}


def as_script(data: Mapping[str, Any]) -> bytes:
    """Write data as a script that does nothing but name it; no text in it can end the script."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character, escape in _ESCAPED.items():
        text = text.replace(character, escape)
    # A browser reads JSON twice as fast as the same as a literal of its language.
    quoted = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"window.SILUAN_DATA=JSON.parse('{quoted}');\n".encode("utf-8", "surrogatepass")
