"""The map of the review page, in a plain engine of JavaScript: what it loads and what it draws."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
MAP = HERE.parent / "pipeline/review/page/map.js"
NODE = shutil.which("node")
LON, LAT, SIDE, TILES = 113.0, 28.0, 0.004, 8

pytestmark = pytest.mark.skipif(NODE is None, reason="node is not installed")


def pictures(folder: str, when: str | None, on: str = "", side: float = SIDE) -> dict[str, Any]:
    """One map of 8 by 8 pictures, and a coarser one for each 2 by 2 of them."""
    tiles = [
        {
            "name": f"{level}_{i}_{j}.webp",
            "level": level,
            "corners": [[w, n], [w + size, n], [w, n - size]],
        }
        for level in (0, 1)
        for size in [side / TILES * 2**level]
        for i in range(TILES >> level)
        for j in range(TILES >> level)
        for w, n in [(LON + j * size, LAT - i * size)]
    ]
    return {"folder": f"tiles/{folder}", "tiles": tiles, "when": when, "on": on}


def looked(maps: list[dict[str, Any]]) -> dict[str, Any]:
    e, s = LON + SIDE, LAT - SIDE
    ring = [[LON, LAT], [e, LAT], [e, s], [LON, s], [LON, LAT]]
    said = {"maps": maps, "ring": ring, "width": 1920, "height": 1080, "zoom": 3.6}
    assert NODE is not None
    done = subprocess.run(
        [NODE, HERE / "map_alone.js", MAP],
        input=json.dumps(said), capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    return json.loads(done.stdout)


def test_more_pictures_in_view_than_are_kept_come_once_each() -> None:
    one = looked([pictures("0", None)])
    many = looked([pictures(str(k), None) for k in range(24)])
    assert many["loads"] == 24 * one["loads"] > 400
    assert not many["busy"], "each that came made the map ask for others again"


def test_of_flights_over_one_place_the_newest_three_are_drawn() -> None:
    one = looked([pictures("0", "after")])
    flights = [
        pictures(f"{k}{w}", w, f"2026-0{k + 1}-01") for k in range(6) for w in ("before", "after")
    ]
    many = looked(flights)
    assert many["loads"] == 3 * one["loads"] == many["drawn"] > 0
    # The button names the day of what is shown in the middle.
    assert set(many["days"]) == {"2026-06-01"}
    # Where newer ones do not reach, an older one is seen.
    small = [pictures(f"s{k}", "after", side=SIDE / 2) for k in range(3)]
    wide = looked([pictures("wide", "after", "2026-01-01"), *small])
    assert wide["drawn"] >= one["drawn"]


def test_a_lone_flight_stays_when_the_other_date_is_asked_for() -> None:
    alone = looked([pictures("0", "after", "2026-06-01")])
    assert alone["before"] == alone["drawn"] > 0
    pair = looked([pictures("0", "before", "2026-05-01"), pictures("1", "after", "2026-06-01")])
    assert pair["before"] == pair["drawn"] > 0
    assert pair["days"] == ["2026-06-01", "2026-05-01"]
