"""A drop held against flights that were taken in before: the same, an older one, a correction.

A correction takes another flight out of use, and with it all that was measured from it. So it has
to come from the same team, lie on the same ground and bring all that the other brought, or
somebody of the office answers for it by name. A mosaic without the surface it had withdraws that
surface: the receipt says so, and nobody is asked.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import shapely
from shapely.geometry import MultiPoint
from shapely.geometry.base import BaseGeometry

from pipeline.acquire.inbox.examine import Examined
from pipeline.acquire.inbox.place import overlap
from pipeline.acquire.inbox.reasons import refuse
from pipeline.acquire.inbox.shelf import Flight, in_use

_SAME_GROUND = 0.5  # share of a flight that another covers, from which they show the same ground
_NEAR_DEG = 0.0005  # about 50 m: photos of one place are not taken from one point
_CALLED = {
    "ortho": ("mosaic", "正射影像"),
    "dsm": ("surface", "地表模型"),
    "photos": ("photos", "照片"),
}


def check_against(examined: Examined, footprint: BaseGeometry, flights: Sequence[Flight]) -> None:
    """Hold a drop against the flights that were taken in.

    Parameters
    ----------
    footprint : BaseGeometry
        Frame of its mosaic, or the places of its photos, lon/lat.

    Raises
    ------
    SubmissionRefusedError
        The same mosaic again; older than one in use over the same ground; it supersedes nothing, or
        something else than an earlier hand-in of the same flight.
    """
    form = examined.form
    if form.supersedes is not None:
        _check_corrects(examined, footprint, flights)
    current = {f.id for f in in_use(flights)} - {form.supersedes}
    for flight in flights:
        # A correction may bring the mosaic of what it supersedes, and of what that superseded.
        clashes = form.supersedes is None or flight.id in current
        if clashes and flight.mosaic_sums == examined.mosaic_sums:
            raise refuse("twice", id=flight.id)
    if form.history or examined.sheets is None:
        return
    newer = [
        f
        for f in in_use(flights)
        if f.flown > form.flown_utc
        and f.id != form.supersedes
        and overlap(footprint, f.footprint_wgs84) >= _SAME_GROUND
    ]
    if newer:
        raise refuse("older", id=max(newer, key=lambda f: f.flown).id)


def withdraws_surface(examined: Examined, flights: Sequence[Flight]) -> bool:
    """Tell whether a drop takes the surface of the flight that it supersedes out of use."""
    before = _superseded(examined, flights)
    return before is not None and _lost(examined, before) == ["dsm"]


def _superseded(examined: Examined, flights: Sequence[Flight]) -> Flight | None:
    return next((f for f in flights if f.id == examined.form.supersedes), None)


def _lost(examined: Examined, before: Flight) -> list[str]:
    """Name what a flight holds and its correction lacks."""
    return [a for a in _CALLED if a in before.assets - examined.assets]


def _check_corrects(examined: Examined, footprint: BaseGeometry, flights: Sequence[Flight]) -> None:
    name = examined.form.supersedes
    before = _superseded(examined, flights)
    if before is None:
        raise refuse("supersedes", id=name)
    apart = [] if examined.answered_by else _apart(examined, footprint, before)
    if apart:
        said, zh = (" and ".join(s for s, _ in apart), "；".join(z for _, z in apart))
        raise refuse("corrects", id=name, what=said, zh=zh)


def _apart(examined: Examined, footprint: BaseGeometry, before: Flight) -> list[tuple[str, str]]:
    """Say, in both languages, in what a drop is no correction of a flight."""
    found: list[tuple[str, str]] = []
    old, new = before.team, examined.form.team
    if _folded(old) != _folded(new):
        found.append(
            (f"was flown by another team ({old}, not {new})", f"飞行队伍是{old}，不是{new}")
        )
    share = _common(footprint, before.footprint_wgs84)
    if share < _SAME_GROUND:
        what = f"shows other ground (this covers {share:.0%} of it)"
        found.append((what, f"位置不同（本次只覆盖它的 {share:.0%}）"))
    lost = [_CALLED[a] for a in _lost(examined, before)]
    if lost and lost != [_CALLED["dsm"]]:
        what = f"has what this lacks ({', '.join(s for s, _ in lost)})"
        found.append((what, f"有本次没有的内容（{'、'.join(z for _, z in lost)}）"))
    return found


def _folded(team: str) -> str:
    """Leave out of a name what people write now so and now so: width, case, blanks, hyphens."""
    plain = unicodedata.normalize("NFKC", team).casefold()
    return "".join(c for c in plain if not c.isspace() and unicodedata.category(c) != "Pd")


def _common(new: BaseGeometry, old: BaseGeometry) -> float:
    """Share of what was flown before that lies in what is handed in now, 0..1."""
    new = new.convex_hull.buffer(_NEAR_DEG) if isinstance(new, MultiPoint) else new
    if isinstance(old, MultiPoint):
        return float(shapely.covers(new, shapely.get_parts(old)).mean())
    return overlap(old, new)
