"""What an import tells the person who ran it: what was done to a file, and what looks odd in it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from shapely.geometry.base import BaseGeometry

from pipeline.adjudicate.authorised import AuthorisedOptions, kinds_of
from pipeline.adjudicate.wording import ZONES, zone_of
from pipeline.io.stages import STAGE_RANGE_M, Readings, load_stages
from pipeline.office.keeping import Leaving
from pipeline.office.kinds import KindSpec, LayerKind
from pipeline.office.mapping import Rows
from pipeline.office.meridian import reach_of
from pipeline.office.repair import Cleaned

_SHOWN = 10


def story(
    config: Path, spec: KindSpec, cleaned: Cleaned, rows: Rows, labels: Sequence[str]
) -> list[str]:
    """Say what was repaired, set aside, is not known, and lies far from everything.

    Parameters
    ----------
    rows : list of mappings
        The fields of what was kept.
    labels : sequence of str
        How each feature of the file is called.
    """
    lines = [f"repaired: {r}" for r in cleaned.repaired]
    lines += [f"set aside: {a}" for a in cleaned.set_aside]
    lines += [f"both kept: {shortened(cleaned.shared)}"] if cleaned.shared else []
    called = [labels[i] for i in cleaned.kept]
    if spec.kind is LayerKind.ZONES:
        lines += _unknown_zones(rows, called)
    if spec.kind is LayerKind.PERMITS:
        lines += _idle_permits(rows, called)
    if spec.kind is LayerKind.NO_MINING:
        lines += _far_triggers(load_stages(config / "layers").readings, rows, called)
    return lines + (_far(reach_of(config), cleaned, called) if spec.near_water else [])


def left_lines(part: str, left: Leaving | None) -> list[str]:
    """Say what a part held and holds no more, or holds elsewhere."""
    if left is None:
        return []
    gone = [f"no more in the part {part}: {shortened(left.names)}"] if left.names else []
    moved = [f"elsewhere than before in the part {part}: {shortened(left.moved)}"]
    return gone + (moved if left.moved else [])


def shortened(names: Sequence[str]) -> str:
    """Give the first of some names, and how many more there are."""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _unknown_zones(rows: Rows, called: Sequence[str]) -> list[str]:
    """Name zones whose word says nothing to the rules."""
    strange = [
        f"{name}: {row['zone']}"
        for row, name in zip(rows, called, strict=True)
        if zone_of(row["zone"]) is None
    ]
    if not strange:
        return []
    known = "、".join(ZONES)
    return [f"zones that are none of {known}, so notes and no reasons: {'; '.join(strange)}"]


def _idle_permits(rows: Rows, called: Sequence[str]) -> list[str]:
    """Name permits in whose matter (许可事项) nothing is read that a case could be."""
    idle = [
        f"{name}: {what}"
        for row, name in zip(rows, called, strict=True)
        if (what := row["what"]) and not kinds_of(what, AuthorisedOptions())
    ]
    if not idle:
        return []
    return [f"permits whose matter names no kind of case, so they explain none: {shortened(idle)}"]


def _far_triggers(kept: Readings, rows: Rows, called: Sequence[str]) -> list[str]:
    """Name stages that no reading of their gauge is near: one of the two is in centimetres."""
    lines: list[str] = []
    for row, name in zip(rows, called, strict=True):
        known = kept.get((row["station"] or "").strip(), {}).values()
        trigger = float(row["stage_m"] or "nan")  # nan is far from nothing
        if known and min(abs(trigger - stage) for stage in known) > STAGE_RANGE_M:
            lines.append(
                f"{name}: stage_m {trigger:g} is far from the readings of {row['station']} "
                f"({min(known):g} to {max(known):g} m): are both in metres?"
            )
    return lines


def _far(reach: BaseGeometry | None, cleaned: Cleaned, called: Sequence[str]) -> list[str]:
    if reach is None:
        return []
    far = [n for n, g in zip(called, cleaned.geometries, strict=True) if not reach.intersects(g)]
    return [f"outside all corridors: {', '.join(far)}"] if far else []
