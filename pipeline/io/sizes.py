"""How large a file is, on a disk or behind a server, without reading it."""

from __future__ import annotations

import re
from pathlib import Path

import httpx

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
