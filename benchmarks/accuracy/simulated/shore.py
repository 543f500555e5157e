"""How far the traced waterline lies from the true one, on dates as ``prepare`` left them."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.spatial import KDTree
from skimage.measure import find_contours

from benchmarks.accuracy.simulated.series import Made
from pipeline.config import Workflow, choose_corridors, load_workflow
from pipeline.detect.channel_water import of_channel
from pipeline.detect.shore_fit import BANDS, Seen, ShoreFitOptions, fit_shore
from pipeline.detect.water import water_score
from pipeline.detect.waterline import water_fraction, waterline
from pipeline.model import Corridor, Grid, Pass
from pipeline.passes.gather import gather
from pipeline.passes.ground import Looks, States
from pipeline.passes.past import Past
from pipeline.passes.reduce import reduce_dates
from pipeline.passes.search import search
from pipeline.passes.site import open_site
from pipeline.passes.states import state_bands, write_states
from sample_scenes.objects import RIVER
from sample_scenes.options import FINE, LEFT, PAD, RES, TOP
from sample_scenes.schedule import Day

# The sharpened score begins 3 to 5 m off, where one round is enough; a second one adds noise.
_FIT = ShoreFitOptions(reach=1.0, rounds=1)
_DATES = 3  # clearest ones of a corridor
_AWAY_M = 60.0  # from anything drawn
_FAR_M = 30.0  # a line farther from every shore is something else, and is counted apart
Points = NDArray[np.float64]


def shore_errors(workflow: Path, made: Made) -> list[dict[str, Any]]:
    """Measure the waterlines of the clearest dates; a run over the same workflow came before.

    Returns
    -------
    list of dict
        Per corridor, date and method: sum of squares [m²], vertices counted, vertices far away;
        points of the true shore that can be seen, and how many of them a line comes near.
    """
    opened = load_workflow(workflow)
    out: list[dict[str, Any]] = []
    with ExitStack() as stack:
        corridors = choose_corridors(opened)
        searched = search(opened, corridors, stack)
        for corridor in corridors:
            out += _of_corridor(opened, corridor, searched.passes[corridor.id], made)
    return out


def _of_corridor(
    workflow: Workflow, corridor: Corridor, passes: tuple[Pass, ...], made: Made
) -> list[dict[str, Any]]:
    site = open_site(workflow, corridor, passes, None)
    assert site is not None
    gathered = gather(site, passes)
    usable = [p for p, g in zip(passes, gathered, strict=True) if g.usable]
    reduced = reduce_dates(site, usable, workflow.options.prepare)
    keys = write_states(site, reduced.passes, reduced, workflow.options.detect.water)
    looks = Looks(reduced.passes, reduced.quality, reduced.mask_keys, keys)
    by_day = {d.when.date(): d for d in made.days}
    best = sorted(looks.passes, key=lambda p: (-looks.quality[p.id].clear_share, p.id))[:_DATES]
    days = [(p, by_day[p.acquired.date()]) for p in best]
    states = States(site, looks, {})
    # A reservoir that fell is many pieces, and all of them its own.
    past, window = Past.of(states, states.looks.passes), site.store.grid.window
    often = past.baseline(window).bins if corridor.id == RIVER else None
    return [r for date in days for r in _of_date(states, often, date, made)]


def _of_date(
    states: States, often: NDArray[np.uint8] | None, date: tuple[Pass, Day], made: Made
) -> list[dict[str, Any]]:
    (p, day), site = date, states.site
    window = site.store.grid.window
    reader = states.looks.reader(site.store)
    bands = {b: reader.band(p.id, b, window) for b in state_bands(site, p)}
    sharp = bands | {"swir16": reader.sharpened_band(p.id, "swir16", window)}
    state = states.of(p.id, window)
    green, swir = bands["green"], bands["swir16"]
    with np.errstate(divide="ignore", invalid="ignore"):
        index = ((green - swir) / (green + swir)).astype(np.float32)
    fields = {
        "local endmembers, NIR": water_fraction(bands["nir"], state),
        "water score, as in states": water_score(sharp),
        "zero of MNDWI": index,
    }
    unclear = (state == 0) & ~np.isfinite(fields["local endmembers, NIR"])
    inside = site.inside(window) & ~unclear
    grid = site.store.grid
    known = {name: np.where(inside, f, np.nan).astype(np.float32) for name, f in fields.items()}
    if often is not None:  # flooded paddies have shores too, and are no river
        known = {name: of_channel(f, often, grid.res_m) for name, f in known.items()}
    traced = {name: waterline(f, grid) for name, f in known.items()}
    seen = {b: Seen(bands[b], site.store.dense(p.id, b, window)[1]) for b in BANDS}
    begun = traced["water score, as in states"]
    traced = {"fit of the edge": fit_shore(begun, seen, grid, _FIT)} | traced
    number = 1 if site.corridor.id == RIVER else 2
    true = true_shore(made, number, day.river_level if number == 1 else day.pool_level)
    tree = KDTree(true)
    drawn = shapely.union_all(
        [shapely.transform(t.shape, _to_utm).buffer(_AWAY_M) for t, _ in made.world.objects]
    )
    shapely.prepare(drawn)
    seeable = true[_inside(true, inside, grid)]
    seeable = seeable[~shapely.contains_xy(drawn, seeable[:, 0], seeable[:, 1])]
    out: list[dict[str, Any]] = []
    for name, lines in traced.items():
        points = np.concatenate(lines) if lines else np.empty((0, 2))
        missed = KDTree(points).query(seeable)[0] > _FAR_M  # all, where there is no line
        points = points[~shapely.contains_xy(drawn, points[:, 0], points[:, 1])]
        away, _ = tree.query(points)
        near = away[away <= _FAR_M]
        out.append(
            {
                "corridor": site.corridor.id, "date": day.when.date().isoformat(), "method": name,
                "squares": float((near**2).sum()), "points": int(near.size),
                "far": int(away.size - near.size),
                "shore": len(seeable), "traced": int(np.count_nonzero(~missed)),
            }
        )  # fmt: skip
    return out


def _inside(points: Points, inside: NDArray[np.bool_], grid: Grid) -> NDArray[np.bool_]:
    """Tell which points lie on pixels that were looked at."""
    t = ~grid.transform
    cols, rows = (
        np.floor(a * points[:, 0] + b * points[:, 1] + c).astype(np.intp)
        for a, b, c in ((t.a, t.b, t.c), (t.d, t.e, t.f))
    )
    h, w = inside.shape
    within = (rows >= 0) & (rows < h) & (cols >= 0) & (cols < w)
    within[within] = inside[rows[within], cols[within]]
    return within


def _to_utm(local: Points) -> Points:
    return np.column_stack([LEFT + local[:, 0], TOP - local[:, 1]])


def true_shore(made: Made, number: int, level: float) -> Points:
    """Give points along the true shore of a body at a level, every metre or so; UTM [m]."""
    ground, step = made.world.ground, RES / FINE
    depth = np.where(ground.fine_body == number, level - ground.fine_z, np.nan)
    lines = [
        np.column_stack([(c[:, 1] + 0.5) * step - PAD * RES, (c[:, 0] + 0.5) * step - PAD * RES])
        for c in find_contours(depth, 0.0)
        if len(c) > 30
    ]
    dense = [shapely.get_coordinates(shapely.segmentize(shapely.LineString(c), 1.0)) for c in lines]
    return _to_utm(np.concatenate(dense))
