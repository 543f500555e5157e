"""How large a file is, on a disk or behind a server, without reading it."""

from __future__ import annotations

import re
from pathlib import Path

import httpx

from pipeline.io.raster import is_remote


def file_bytes(href: str) -> int | None:
    """Give the size of a file [byte], None where nobody says it.

    Asks for one byte and takes the total from the answer: servers that store imagery answer range
    requests, and not all of them answer HEAD.
    """
    if not is_remote(href):
        path = Path(href)
        return path.stat().st_size if path.is_file() else None
    try:
        with httpx.stream(
            "GET", href, headers={"Range": "bytes=0-0"}, timeout=10, follow_redirects=True
        ) as answer:
            if answer.status_code >= 400:
                return None
            total = re.search(r"/(\d+)$", answer.headers.get("Content-Range", ""))
            if total is not None:
                return int(total[1])
            length = answer.headers.get("Content-Length", "")
            return int(length) if answer.status_code == 200 and length.isdigit() else None
    except httpx.HTTPError:
        return None
