"""Cases and candidates made up by number, for a ledger of any size."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

import shapely
import sqlalchemy as sa
from shapely.geometry import Polygon, box

from pipeline.adjudicate.evidence import fold
from pipeline.ledger import Event, LedgerContext, tables
from pipeline.ledger.plan import plan
from pipeline.model import Candidate, Case, Kind, Look, Seen

START, END = datetime(2025, 1, 1, tzinfo=UTC), datetime(2025, 12, 31, tzinfo=UTC)
PER_CORRIDOR = 1000
_LOOKS = 8


def corridor(number: int) -> str:
    return f"reach-{number // PER_CORRIDOR:05d}"


def candidate(number: int, shift_m: float = 0.0, hits: int = _LOOKS) -> Candidate:
    """Give what imagery finds at the place of one number; places are 200 m apart."""
    looks = tuple(
        Look(START + timedelta(days=9 * i), f"S2-{i:03d}", "s2", 0.97, Seen.HIT, True, 0.4)
        for i in range(hits)
    )
    shape = outline(number, shift_m)
    return Candidate(
        kind=Kind.ZHAN,
        corridor_id=corridor(number),
        polygon=shape,
        crs="EPSG:32649",
        area_m2=shape.area,
        looks=looks,
        evidence=fold(looks),
        score=0.5,
        measures={"depth_m": 40.0, "width_m": 60.0, "water_share": 0.8},
        scene_ids=tuple(look.pass_id for look in looks),
        detector="zhan/1",
    )


def outline(number: int, shift_m: float = 0.0) -> Polygon:
    reach, place = divmod(number, PER_CORRIDOR)
    row, column = divmod(place, 50)
    north, east = divmod(reach, 32)
    x = 200_000 + 11_000.0 * east + 200.0 * column + shift_m
    y = 2_700_000 + 5_000.0 * north + 200.0 * row
    return box(x, y, x + 60, y + 60)


def context(corridors: tuple[str, ...], run: str = "r1", *, spots: bool = False) -> LedgerContext:
    until = dict.fromkeys(corridors, END) if spots else {}
    bound = partial(fold, until=END)
    return LedgerContext(run, "0", "h", corridors, (START, END), bound, until=until, spots=spots)


def batch(start: int, size: int) -> tuple[list[Case], list[Event]]:
    """Give cases from a number on, and an event that opened each."""
    (first,) = plan((), [candidate(0)], context((corridor(0),))).cases
    cases = [
        replace(first, case_id=name(n), corridor_id=corridor(n), polygon=outline(n))
        for n in range(start, start + size)
    ]
    events = [Event(c.case_id, 1, "r1", END, "opened", None, "suspected") for c in cases]
    return cases, events


def name(number: int) -> str:
    return f"ZZ-2025-zhan-{number:08x}"


def copies(connection: sa.Connection, first: int, start: int) -> None:
    """Add the first cases again under other numbers, row by row: the same, and sooner made."""
    moved = {
        name(n): (name(start + n), corridor(n), corridor(start + n), outline(start + n))
        for n in range(first)
    }
    for table in (tables.cases, tables.revisions, tables.events):
        query = sa.select(table).where(table.c.case_id < name(first))
        rows = [dict(r) for r in connection.execute(query).mappings()]
        for row in rows:
            old = row["case_id"]
            row["case_id"], was, now, shape = moved[old]
            row.pop("seq", None)
            if "corridor_id" in row:
                row["corridor_id"] = now
                sides = zip(("min_x", "min_y", "max_x", "max_y"), shape.bounds, strict=True)
                row |= dict(sides)
            if "body" in row:
                row["geometry"] = shapely.to_wkb(shape, byte_order=1)
                row["body"] = row["body"].replace(old, row["case_id"]).replace(was, now)
        columns = [c for c in table.columns if c.name != "seq"]
        insert = sa.insert(table).values({c.name: sa.bindparam(c.name) for c in columns})
        connection.execute(insert, rows)
