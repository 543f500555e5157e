"""The office's one-page form: offline, filled in with what a drop already says."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from importlib.resources import files

from pyproj import CRS
from pyproj.exceptions import CRSError

from pipeline.acquire.inbox.drop import Drop
from pipeline.acquire.inbox.prefill import said_by_photos, said_by_reports
from pipeline.acquire.inbox.reasons import SubmissionRefusedError
from pipeline.acquire.inbox.recognise import Parts, recognise

NAME_ZH = "飞行登记表.html"
SUFFIX = "_登记表.html"
_EMPTY = '<script type="application/json" id="prefill">{}</script>'


def form_page(known: Mapping[str, str]) -> str:
    """Give the form as HTML; ``known`` are values by the names of its fields."""
    page = files("pipeline.acquire.inbox").joinpath("form.html").read_text(encoding="utf-8")
    # What could end the script is written as JSON's own escapes.
    data = json.dumps(dict(known), ensure_ascii=False).replace("<", "\\u003c")
    return page.replace(_EMPTY, _EMPTY.replace("{}", data))


def known_of(drop: Drop) -> dict[str, str]:
    """Give what the files of a drop say of a flight; nothing where they cannot be read.

    The mosaic says CRS and resolution; photos beside it say camera, when (the middle between the
    first and the last, where their times have a zone), drone and RTK; OpenDroneMap's statistics
    say that there were no control points. What several photos say differently is left open.
    """
    known = said_by_photos(drop) | said_by_reports(drop)
    with contextlib.suppress(SubmissionRefusedError):
        known |= _of_mosaic(recognise(drop, None))
    return known


def _of_mosaic(parts: Parts) -> dict[str, str]:
    header = parts.mosaic[0] if parts.mosaic else None
    if header is None or header.crs is None:
        return {}
    known: dict[str, str] = {}
    try:
        crs = CRS.from_user_input(header.crs)
    except CRSError:
        return {}
    flat = crs.sub_crs_list[0] if crs.is_compound else crs
    code = flat.to_epsg(min_confidence=70)
    if code:
        known["horizontal"] = f"EPSG:{code}"
    if flat.is_projected and flat.axis_info[0].unit_name == "metre":
        known["gsd_m"] = f"{header.transform.a:.4g}"
    return known
