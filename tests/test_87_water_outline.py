"""The bands that outline an object in the water are the finest of every sensor."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from pipeline.model import Look, Seen
from pipeline.passes.water_outline import _about_one_level, _finest

NAMES = ["green", "nir", "red", "swir16"]
S2 = {"green": 10.0, "red": 10.0, "nir": 10.0, "swir16": 20.0}
COARSE_NIR = {"green": 10.0, "red": 10.0, "nir": 20.0, "swir16": 20.0}
COARSE_VISIBLE = {"green": 20.0, "red": 20.0, "nir": 10.0, "swir16": 20.0}
LANDSAT = dict.fromkeys(NAMES, 30.0)
MASK = {"scl": 20.0}


@pytest.mark.parametrize(
    ("passes", "fine"),
    [
        ([[S2]], ["green", "nir", "red"]),
        ([[S2], [LANDSAT]], ["green", "nir", "red"]),
        ([[S2], [COARSE_NIR]], ["green", "red"]),
        # No band is the finest of both.
        ([[COARSE_NIR], [COARSE_VISIBLE]], NAMES),
        # Files state 9.99 m.
        ([[S2 | {"nir": 9.99}]], ["green", "nir", "red"]),
        ([[S2, MASK]], ["green", "nir", "red"]),
        ([[MASK]], NAMES),
        ([[S2], [{"green": 10.0, "red": 10.0}]], ["green", "red"]),
    ],
)
def test_the_finest_bands_of_all_sensors(
    passes: list[list[dict[str, float]]], fine: list[str]
) -> None:
    made = [
        SimpleNamespace(
            id=str(i),
            scenes=[
                SimpleNamespace(assets={n: SimpleNamespace(gsd_m=g) for n, g in held.items()})
                for held in scenes
            ],
        )
        for i, scenes in enumerate(passes)
    ]
    # A pass that nothing was asked of has no say.
    other = SimpleNamespace(id="x", scenes=[SimpleNamespace(assets={})])
    states = cast(Any, SimpleNamespace(looks=SimpleNamespace(passes=[*made, other])))
    found = cast(Any, [SimpleNamespace(pass_id=p.id) for p in made])
    assert _finest(states, found, NAMES) == fine


def test_looks_before_that_say_nothing_show_the_shore_where_they_are_clear() -> None:
    """At the edge of the water a look of before is seldom a clear miss, and one may be turbid."""
    first = datetime(2025, 3, 1, tzinfo=UTC)

    def look(day: int, seen: Seen, rank: float, clear: float = 1.0) -> Look:
        on = first + timedelta(days=day)
        return Look(on, str(day), "s2", clear, seen, True, rank, 0.1, rank)

    track = cast(Any, SimpleNamespace(first_on=first))
    found = [
        look(-70, Seen.MISS, 0.4),
        look(-60, Seen.UNKNOWN, 0.7),
        look(-50, Seen.UNKNOWN, 0.75, clear=0.0),
        look(-40, Seen.UNKNOWN, 0.72),
        look(-30, Seen.UNKNOWN, 0.3),  # the bed fell dry: no shore at that level
        *(look(k, Seen.HIT, 0.74) for k in (0, 10, 20)),
    ]
    before, after = _about_one_level(track, found)
    assert [k.pass_id for k in before] == ["-70", "-60", "-40"]
    # Where misses at the level show it they are enough: others may hold half of the object.
    missed = [look(day, Seen.MISS, 0.7) for day in (-110, -100, -90, -80)]
    before, _ = _about_one_level(track, [*missed, *found])
    assert [k.pass_id for k in before] == ["-110", "-100", "-90", "-80"]
    assert [k.pass_id for k in after] == ["0", "10", "20"]
