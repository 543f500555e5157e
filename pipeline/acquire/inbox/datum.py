"""What the heights of a surface refer to, as far as its file says."""

from __future__ import annotations

from collections.abc import Sequence

from pyproj import CRS
from pyproj.exceptions import CRSError

from pipeline.acquire.inbox.form import FlightForm
from pipeline.acquire.inbox.reasons import Fault
from pipeline.acquire.inbox.tiff import Header

_YELLOW_SEA_1985 = 5737  # EPSG; the 1985 国家高程基准


def contradicted(dsm: Sequence[Header], form: FlightForm) -> list[Fault]:
    """Name the files whose own vertical reference is another than the form says.

    A form that says ``unknown`` claims nothing: heights then serve between two flights only.
    Heights in feet are refused as such, whatever they refer to.
    """
    if form.vertical == "unknown":
        return []
    faults: list[Fault] = []
    for header in (h for h in dsm if not h.vertical_feet):
        known = _vertical(header.crs)
        if known is not None and known[0] != form.vertical:
            said = form.vertical
            faults.append(Fault.of("other_vertical", file=header.name, found=known[1], said=said))
    return faults


def _vertical(text: str | None) -> tuple[str, str] | None:
    """Give what the form would call it (``""``: neither of both), and its name.

    None where the file says nothing, or names no reference that is known.
    """
    try:
        crs = CRS.from_user_input(text) if text else None
    except CRSError:
        return None  # and refused for it where the CRS is used
    if crs is None:
        return None
    parts = [c for c in crs.sub_crs_list if c.is_vertical]
    if not crs.is_compound:
        return ("ellipsoid", f"{crs.name}（椭球高）") if len(crs.axis_info) == 3 else None
    for part in parts:
        code = part.to_epsg(min_confidence=70)
        if code == _YELLOW_SEA_1985:
            return "1985", part.name
        if code is not None:
            return "", part.name
    return None
