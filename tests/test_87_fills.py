"""What changed ground that goes on in the water is: how far, which kind, how long it waits."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import numpy as np
import pytest
import shapely
from affine import Affine
from shapely.geometry import box

from pipeline.detect.disturb_options import DisturbOptions
from pipeline.detect.onward import OnwardOptions
from pipeline.detect.water_frequency import N_BINS
from pipeline.model import Grid, Ground, Look, Seen, Window
from pipeline.passes import fills

ON = datetime(2025, 6, 1, tzinfo=UTC)
WINDOW = Window(0, 60, 0, 70)
FILL = np.zeros((60, 70), bool)
FILL[20:34, 16:40] = True
FOOT = FILL.copy()
FOOT[:, 20:] = False
PIXELS = tuple(a.astype(np.int32) for a in np.nonzero(FOOT))
PLAIN = {"wet_share": 0.0, "bar_share": 0.0, "strip": 0.0, "linear": 0.0, "wait_days": 90.0}


def bench(asked: list[str], n: int = 20) -> SimpleNamespace:
    """Looks at a fill of which the land side is known; ``asked`` is told which are opened."""
    bins = np.full((60, 70), N_BINS - 1, np.uint8)
    bins[:, :20] = 0
    dry = FILL.copy()
    dry[:, :28] = True
    state = np.where(dry, Ground.DRY, Ground.WET).astype(np.uint8)
    seen = np.where(FILL, 0.2, 0.05).astype(np.float32)[None].repeat(3, 0)
    surface = SimpleNamespace(seen=seen, state=state)

    def surfaces(_: Window, wanted: Callable[[SimpleNamespace], bool]) -> list[tuple[object, ...]]:
        some = [p for p in (SimpleNamespace(id=str(i)) for i in range(n)) if wanted(p)]
        asked.extend(p.id for p in some)
        return [(p, surface, None) for p in some]

    return SimpleNamespace(history=lambda _: SimpleNamespace(bins=bins), surfaces=surfaces)


def looks(seen: str) -> list[Look]:
    words = {"h": Seen.HIT, "m": Seen.MISS}
    return [
        Look(ON + timedelta(days=i), str(i), "s", 1.0, words[c], True, 0.5)
        for i, c in enumerate(seen)
    ]


def part_of(seen: str, **of: float) -> tuple[fills.Filled | None, list[str]]:
    asked: list[str] = []
    where = (WINDOW, PIXELS)
    found = fills.goes_on(bench(asked), where, PLAIN | of, looks(seen), OnwardOptions())  # type: ignore[arg-type]
    return found, asked


def test_the_newest_hits_show_what_lies_in_the_water() -> None:
    part, asked = part_of("mm" + "h" * 16)
    assert part is not None
    np.testing.assert_array_equal(part.part, FILL & ~FOOT)
    assert asked == [str(i) for i in range(6, 18)]


@pytest.mark.parametrize("of", [{"wet_share": 0.6}, {"strip": 1.0}, {"precedents": 2.0}])
def test_water_and_what_is_doubted_are_not_asked(of: dict[str, float]) -> None:
    assert part_of("hhhh", **of) == (None, [])


def test_nothing_waits_for_a_field_or_a_felling_that_goes_on_into_water() -> None:
    o, part = DisturbOptions(), filled(FILL.astype(np.float32))
    assert fills.filled_measures(None, 40, PLAIN, o) == {}
    said = fills.filled_measures(part, 40, PLAIN, o)
    assert said == {"filled_px": 280.0, "wait_days": 0.0, "felled": 0.0}
    # A field that reaches the water with its edge is a field.
    assert fills.filled_measures(part, 2000, PLAIN, o) == {"filled_px": 280.0}
    # A flood leaves sand on a bar and beside it.
    assert fills.filled_measures(part, 40, PLAIN | {"bar_share": 0.7}, o)["wait_days"] == 30
    short = PLAIN | {"bar_share": 0.7, "wait_days": 20.0}
    assert fills.filled_measures(part, 40, short, o)["wait_days"] == 20


GRID = Grid("EPSG:32649", Affine(10, 0, 700_000, 0, -10, 3_000_000), (60, 70))
OWN = box(700_160, 2_999_660, 700_200, 2_999_800)


def filled(share: np.ndarray, part: np.ndarray = FILL & ~FOOT) -> fills.Filled:
    return fills.Filled(part, np.where(FOOT, 1, share).astype(np.float32))


def test_the_outline_goes_on_without_a_gap() -> None:
    whole = fills.with_fill(OWN, FOOT, filled(FILL.astype(np.float32)), GRID)
    assert whole.geom_type == "Polygon"
    assert whole.area == pytest.approx(FILL.sum() * 100, rel=0.02)
    assert whole.covers(OWN)


@pytest.mark.parametrize(("rim", "edge"), [(0.2, 0.625), (0.5, 1.0), (0.8, 1.375)])
def test_the_rim_of_the_part_is_drawn_by_the_share_that_is_covered(rim: float, edge: float) -> None:
    share = FILL.astype(np.float32)
    share[20:34, 40] = rim
    # What the votes saw lacks a pixel of the fill as well.
    seen = FILL & ~FOOT
    seen[:, 39] = False
    whole = fills.with_fill(OWN, FOOT, filled(share, seen), GRID)
    x = shapely.intersection(whole, shapely.LineString([(0, 2_999_730), (1e6, 2_999_730)])).bounds
    # The line of a half, from the centre of the last whole pixel.
    assert x[2] == pytest.approx(700_395 + 10 * edge, abs=0.2)


def test_a_fill_is_first_what_stands_in_the_water() -> None:
    scores = {"kind_cai": 0.2, "kind_dui": 0.8}
    assert fills.is_fill(60, {"filled_px": 10.0})
    assert not fills.is_fill(61, {"filled_px": 10.0})
    assert not fills.is_fill(10, {})
    assert fills.as_fill(scores) == {"kind_cai": 0.08, "kind_dui": 0.32, "kind_zhan": 0.6}
