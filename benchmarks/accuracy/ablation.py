"""Each guard switched off in turn: what it costs in recall and saves in false alarms.

Usage: python -m benchmarks.accuracy.ablation [--seeds 1 2 3 4] [--jobs 2] [--keep DIR] [--out DIR]
           [--only "flood rank" waits]

Most guards end at an option; those that have none are replaced here while the run goes on, under
another name of the code, so that nothing that was kept with the guard is taken for what is found
without it. The scenes of a seed are made once, and what the store holds of a variant serves the
next one as far as its options allow: guards of the mask and of dates come last, since they make
that anew. A longer run of its own; ``--keep`` goes on where it was stopped, guard by guard.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
import zlib
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from numpy.typing import NDArray

from benchmarks.accuracy.pool import Pool
from benchmarks.accuracy.report import Section, Table, markdown
from benchmarks.accuracy.simulated.campaign import DEVELOPMENT, code_mark
from benchmarks.accuracy.simulated.running import describe, run_once
from benchmarks.accuracy.simulated.scoring import score_seed
from benchmarks.accuracy.simulated.series import make_series
from benchmarks.accuracy.simulated.tables import asked, exposure_of, false_ones
from benchmarks.accuracy.stats import median, poisson, share
from pipeline import __version__
from pipeline.adjudicate.evidence import FoldOptions
from pipeline.adjudicate.tracks import Track
from pipeline.adjudicate.weighing import weighed
from pipeline.detect.deviations import dry_counts
from pipeline.detect.level_history import LevelHistory
from pipeline.detect.look_surface import Surface
from pipeline.grid import pixels_to_mask
from pipeline.io.atomic import write_bytes
from pipeline.model import Candidate, Look, Window
from pipeline.passes import naming

_NEVER = 1_000_000


@dataclass(frozen=True)
class Guard:
    """A guard and how it is switched off."""

    name: str
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    replace: Mapping[str, Any] = field(default_factory=dict[str, Any])  # dotted name → new object


def mostly_wet(
    history: LevelHistory,
    rank: NDArray[np.float32] | float,
    margin: float,
    tolerance: float = 0.1,
    where: tuple[slice, slice] | None = None,
) -> NDArray[np.uint16]:
    """Stand in for :func:`pipeline.detect.look_history.known_wet` without any level.

    What was wet in at least half of all looks is expected to be wet on every date.
    """
    del rank, margin, tolerance
    part = (slice(None), *(where or (slice(None), slice(None))))
    wet, dry = (each[part].sum(axis=0, dtype=np.int64) for each in (history.wet, history.dry))
    return np.where((wet > 0) & (wet >= dry), wet, 0).astype(np.uint16)


def mostly_dry(
    history: LevelHistory, reach: NDArray[np.uint16], ranks: NDArray[np.float32], margin: float
) -> tuple[NDArray[np.uint16], NDArray[np.uint16]]:
    """Stand in for the first of :func:`pipeline.detect.deviations.dry_counts` in the same way."""
    mirror = LevelHistory(history.ranks, history.dry, history.wet)
    return mostly_wet(mirror, 0.0, margin), dry_counts(history, reach, ranks, margin)[1]


def _nothing(*_: object) -> bool:
    return False


def _none(*_: object) -> int:
    return 0


def _no_measures(*_: object) -> dict[str, float]:
    return {}


def _as_it_was(
    seen: NDArray[np.float32], state: NDArray[np.uint8], *_: object
) -> NDArray[np.uint8]:
    del seen
    return state


def _nowhere(surface: Surface, *_: object) -> NDArray[np.bool_]:
    return np.zeros(surface.state.shape, bool)


def all_told(
    candidates: Sequence[Candidate], options: FoldOptions, until: datetime, *_: object
) -> tuple[list[Candidate], int]:
    """Stand in for :func:`pipeline.passes.merge.one_problem`: what was found stays apart."""
    return [weighed(c, options, until) for c in candidates], 0


def _as_seen(looks: Iterable[Look], *_: object) -> list[Look]:
    return list(looks)


def _never_green(*_: object) -> float:
    return 0.0


def _unknown_before(_: object, window: Window) -> NDArray[np.float32]:
    return np.full(window.shape, np.nan, np.float32)


def _whole(track: Track, window: Window, _: int) -> list[NDArray[np.bool_]]:
    return [pixels_to_mask(track.rows, track.cols, window)]


def _ground(**parts: Any) -> dict[str, Any]:
    return {"detect": {"ground": parts}}


def _zhan(**parts: Any) -> dict[str, Any]:
    return {"detect": {"zhan": parts}}


def _fold(**parts: Any) -> dict[str, Any]:
    return {"adjudicate": {"fold": parts}}


GUARDS = (
    Guard("all on"),
    Guard("persistence (one certain hit is enough)", _fold(confirm_hits=1, confirm_window=1)),
    Guard("proved fill (a proof counts as high water only)", _fold(proved_hits=20)),
    Guard("swift confirmation (three certain hits for all)", _fold(swift_hits=20)),
    Guard("fills that fall dry (only certain hits prove them)", _fold(outlast_hits=20)),
    Guard("flood rank (new water at high water is certain)", _fold(flood_rank=1.0)),
    Guard("banks after floods (certain at once)", replace={
        "pipeline.adjudicate.weighing.after_floods": _as_seen}),
    Guard(
        "one case per problem (parts and both detectors' sightings apart)",
        replace={"pipeline.passes.corridor.one_problem": all_told},
    ),
    Guard("woods wait (soil where trees stood is like any soil)", replace={
        "pipeline.passes.ground_measures.only_felled": _nothing}),
    Guard("precedents (what earlier years showed in the season)", replace={
        "pipeline.passes.follow_ground.precedents_of": _none}),
    Guard("waits (ponds, pools, bars and soil need not last)", _ground(
        disturb={"wait_water_days": 0.0, "wait_pool_days": 0.0, "wait_bar_days": 0.0,
                 "wait_soil_days": 0.0})),
    Guard("flooded fields (ponds are certain while fields are flooded)", _ground(
        flooded_fields=1.0)),
    # The option stops short of off: the simulation's silty water has an NDVI of -0.4.
    Guard("water by near infrared", replace={
        "pipeline.detect.look_surface.decided": _as_it_was,
        "pipeline.detect.change._mostly_wet": _nowhere}),
    Guard(
        "small objects (only a pure pixel begins one; pieces too small are history)",
        _ground(change={"small_pixels": 1}, disturb={"mixed_pixels": 1}),
        {"pipeline.passes.change.too_small": _nothing},
    ),
    Guard("ponds that nothing explains (wait like others)", replace={
        "pipeline.passes.follow_ground.pond": _no_measures}),
    Guard(
        "young decks (a bridge is looked for in all looks together)",
        _ground(disturb={"deck_looks": 100}),
    ),
    Guard("piers (what stands in the water is asked for no deck)", replace={
        "pipeline.passes.follow.goes_on_as_deck": _nothing}),
    Guard("new decks (one that was there before explains as well)", replace={
        "pipeline.passes.follow_ground.water_before": _unknown_before}),
    Guard("steady part (a bridge leaves from all of an object)", replace={
        "pipeline.passes.follow_ground.parts_of": _whole}),
    Guard("plants that came over water at once (levels alone tell mats)", replace={
        "pipeline.detect.afloat.sudden_green": _never_green}),
    Guard("standing out (what stands out on its bar waits as long as the rest)", replace={
        "pipeline.passes.follow_ground.standing_out": _no_measures}),
    Guard("own bare ground (a field that lies bare waits as any soil)", replace={
        "pipeline.passes.follow_ground.own_ground": _no_measures}),
    Guard("film (what comes to many fields in the same weeks is told)", replace={
        "pipeline.passes.follow_ground.farmed": _no_measures}),
    Guard("channel (all water tells the level of a river)",
        _zhan(expect={"level": {"channel_share": 0.0}})),
    Guard("banks (a fill along a narrow channel is a shift)", replace={
        "pipeline.detect.zhan.in_place": _nothing}),
    Guard("over a shore (both ends of a fill are two cases)", replace={
        "pipeline.passes.pieces.over_a_shore": _nothing}),
    Guard("dark ground (what is no lighter than its plants is never seen)",
        _ground(dark={"most": 0.0})),
    Guard("its colour (dark soil is dark ground)", _ground(dark={"neutral": 0.3})),
    Guard("red soil (an NDVI above 0.2 is never bare)",
        _ground(change={"red_ndvi": 0.2}, disturb={"red_ndvi": 0.18})),
    Guard("onward (changed ground ends where history saw water)",
        _ground(onward={"pixels": _NEVER})),
    Guard("bed (a level below all known ones proves nothing)", _zhan(bed_object=_NEVER)),
    Guard("ramps (slim strips that leave the shore are told at once)",
        _ground(ramps={"days": 0.0})),
    Guard(
        "bridge rule",
        {
            "detect": {
                "zhan": {"elongation_min": float(_NEVER)},
                "ground": {"disturb": {"linear_elongation": float(_NEVER)}},
            }
        },
        {
            "pipeline.detect.zhan.spans": _nothing,
            "pipeline.detect.zhan.closes": _nothing,
            "pipeline.passes.follow_ground.goes_out": _nothing,
        },
    ),
    Guard("boats, debris and decks (need not outlast them)", _zhan(
        island_days=0.0, high_water=0.0, deck_index=-1.0)),
    Guard("vegetation beside it explains new ground", _zhan(green_share=100.0)),
    Guard(
        "saturated rank (a shore below the known levels must stand out)",
        _zhan(
            beside_wet=0.0,
            deep_elongation_max=10.0,
            expect={"deep_factor": 1.0, "deep_margin_px": 0.0},
        ),
    ),
    Guard(
        "level rank",
        replace={
            "pipeline.detect.expect.known_wet": mostly_wet,
            "pipeline.detect.look_surface.dry_counts": mostly_dry,
        },
    ),
    Guard(
        "registration veto",
        _ground(change={"shift_sigmas": 0.0}),
        {"pipeline.detect.expect.View.radius_px": 0},
    ),
    Guard(
        "regional removal",
        _ground(change={"region_pixels": _NEVER}, resemble={"around_pixels": _NEVER}),
    ),
    # What is kept of a look is named by the version of its layers, and not by what draws them.
    Guard("sharpening (SWIR of 20 m as it is interpolated)", replace={
        "pipeline.passes.states._SHARPENED": (),
        "pipeline.passes.states._LAYERS": "as it is interpolated"}),
    Guard("quarantine", {"prepare": {"quarantine": {"share": 0.99}}}),
    Guard(
        "bright rescue",
        {
            "prepare": {
                "mask": {"rescue": {"least_looks": _NEVER, "consecutive": _NEVER, "object_px": 0}}
            }
        },
    ),
)  # fmt: skip


@contextmanager
def switched_off(guard: Guard) -> Generator[None]:
    """Replace what a guard consists of, and name the code anew: results are kept by that name."""
    with ExitStack() as stack:
        for name, stand_in in guard.replace.items():
            stack.enter_context(mock.patch(name, stand_in))
        if guard.replace:
            other = f"{__version__} without {guard.name}"
            stack.enter_context(mock.patch.object(naming, "__version__", other))
            stack.callback(naming.code_mark.cache_clear)
            naming.code_mark.cache_clear()
        yield


def chosen(words: Sequence[str]) -> tuple[Guard, ...]:
    """Give the guards whose names begin with one of some words, all on first; all for no words.

    Raises
    ------
    ValueError
        Names every word that no guard begins with.
    """
    strange = [w for w in words if not any(g.name.startswith(w) for g in GUARDS)]
    if strange:
        names = ", ".join(g.name.split(" (")[0] for g in GUARDS)
        raise ValueError(f"no guard begins with {', '.join(strange)}; there are: {names}")
    some = tuple(g for g in GUARDS[1:] if any(g.name.startswith(w) for w in words))
    return (GUARDS[0], *some) if words else GUARDS


def run_guards(item: tuple[Path, int, Path | None, tuple[str, ...]]) -> list[dict[str, Any]]:
    """Run one seed with every chosen guard off in turn, in the order of :data:`GUARDS`."""
    folder, seed, keep, words = item
    guards = chosen(words)
    part = f"-{zlib.crc32(repr([g.name for g in guards]).encode()):08x}"
    kept = keep / f"ablation-{code_mark()}-{seed}{part}.json" if keep else None
    out: list[dict[str, Any]] = []
    if kept and kept.is_file():
        out = json.loads(kept.read_text(encoding="utf-8"))
    if len(out) == len(guards):
        return out
    shutil.rmtree(folder, ignore_errors=True)
    made = make_series(folder / "data", seed)
    true = describe(made, seed, objects=True)
    for guard in guards[len(out) :]:
        began = time.process_time()
        with switched_off(guard):
            out.append(true | run_once(folder, guard.options, fresh=False))
        out[-1]["cpu_s"] = round(time.process_time() - began, 1)
        print(f"{seed}: without {guard.name}, {out[-1]['cpu_s']} CPU s", file=sys.stderr)
        if kept:
            write_bytes(kept, json.dumps(out).encode())
    shutil.rmtree(folder, ignore_errors=True)
    return out


def section(
    by_seed: Sequence[Sequence[Mapping[str, Any]]], guards: Sequence[Guard] = GUARDS
) -> Section:
    """Tell what each guard costs and saves; ``by_seed`` holds results in the order of guards."""
    rows: list[tuple[str | int | float | None, ...]] = []
    base: tuple[int, int, int] | None = None
    for k, guard in enumerate(guards):
        scored = [score_seed(results[k], layers=False) for results in by_seed]
        fates = asked(scored)
        large = [f for f in fates if f.area_m2 >= 1000]
        small = [f for f in fates if f.area_m2 < 1000]
        told = [sum(f.shelf == "suspected" for f in own) for own in (large, small)]
        false = false_ones(scored, empty=False)
        noted = sum(t.shelf == "watch" for s in scored for t in s.strays)
        exposure = exposure_of(scored, empty=False)
        high = poisson(len(false), exposure)[1]
        now = (told[0], told[1], len(false))
        base = base or now
        step = [f"{a - b:+d}" for a, b in zip(now, base, strict=True)]
        rows.append(
            (
                guard.name, share(told[0], len(large)), step[0], share(told[1], len(small)),
                step[1], len(false), step[2], f"{len(false) / exposure:.2f} (≤ {high:.2f})", noted,
                median([f.delay for f in large if f.delay is not None]),
            )
        )  # fmt: skip
    seeds = ", ".join(str(results[0]["seed"]) for results in by_seed)
    columns = (
        "switched off", "recall ≥ 1000 m²", "found, change", "recall 400-1000 m²",
        "found, change", "false suspected", "change", "false per 100 km and month",
        "on watch without an object", "looks to suspected, median",
    )  # fmt: skip
    table = Table("What each guard costs and saves", columns, tuple(rows))
    note = f"Development seeds {seeds}; both corridors of each, with and without objects."
    return Section("ablation", "Guards switched off in turn", (table,), {}, note)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seeds", type=int, nargs="+", default=list(DEVELOPMENT[:4]))
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--keep", type=Path, help="keep finished seeds here, and start from them")
    parser.add_argument("--out", type=Path, help="folder for ablation.md")
    parser.add_argument("--only", nargs="+", default=[], help="guards whose names begin so")
    given = parser.parse_args()
    try:
        guards = chosen(given.only)
    except ValueError as error:
        parser.error(str(error))
    if given.keep:
        given.keep.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch, Pool(given.jobs, "ablation") as pool:
        items = [(Path(scratch) / str(s), s, given.keep, tuple(given.only)) for s in given.seeds]
        found = pool.begin(run_guards, items)()
    text = markdown(section(found, guards))
    print(text)
    if given.out:
        given.out.mkdir(parents=True, exist_ok=True)
        write_bytes(given.out / "ablation.md", text.encode())


if __name__ == "__main__":
    main()
