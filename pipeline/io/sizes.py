"""How large a file or a folder is, without reading it, and how to say that."""

from __future__ import annotations

import re
from pathlib import Path

from pipeline.access import Access
from pipeline.errors import SiluanError
from pipeline.io import remote


def file_bytes(href: str, access: Access | None = None) -> int | None:
    """Give the size of a file [byte], None where nobody says it.

    Asks for one byte and takes the total from the answer: servers that store imagery answer range
    requests, and not all of them answer HEAD.
    """
    try:
        what = remote.opening(href, access)
    except SiluanError:
        return None
    if not remote.is_remote(what.href):
        path = Path(what.href)
        return path.stat().st_size if path.is_file() else None
    import httpx  # noqa: PLC0415 - slow to import, and rarely needed

    headers = {**what.headers, "Range": "bytes=0-0"}
    try:
        with (
            httpx.Client(proxy=what.proxy, timeout=10, follow_redirects=True) as client,
            client.stream("GET", what.probe, headers=headers) as answer,
        ):
            if answer.status_code >= 400:
                return None
            total = re.search(r"/(\d+)$", answer.headers.get("Content-Range", ""))
            if total is not None:
                return int(total[1])
            length = answer.headers.get("Content-Length", "")
            return int(length) if answer.status_code == 200 and length.isdigit() else None
    except httpx.HTTPError:
        return None


def folder_bytes(folder: Path) -> int:
    """Give the size of all files below a folder [byte]."""
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())


def in_words(count: float) -> str:
    """Write a number of bytes for a person."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.1f} {unit}" if count < 10 and unit != "B" else f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"
