"""How well drone pairs are done: ``python -m benchmarks.drone --data DATA --out FOLDER``.

Writes ``drone.json`` (all numbers) and ``drone.md`` (tables beside goals). Seeds from 101 are
held out: nothing was tuned on them.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.accuracy.report import Section, Table, markdown
from benchmarks.accuracy.stats import counted
from benchmarks.drone.contradiction import Answer, contradictions
from benchmarks.drone.memory import Peak, memory
from benchmarks.drone.objects import Scored, SeedScore, score_pictures, score_single, score_surface
from benchmarks.drone.pixels import pixel_f1
from benchmarks.drone.registration import Registered, register_seed
from benchmarks.drone.sandbars import Bar, sandbars
from benchmarks.drone.speed import speed
from benchmarks.drone.volumes import Volume, volumes

PARTS = (
    *("surface", "pictures", "single", "volumes", "registration", "sandbars", "pixels"),
    *("contradiction", "speed", "memory"),
)
KINDS = ("structure", "pile", "pit", "fill", "removed")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the real imagery")
    parser.add_argument("--out", type=Path, default=Path("out/drone"))
    parser.add_argument("--seeds", type=int, default=20, help="pairs, from seed 101 on")
    parser.add_argument("--scenes", type=int, default=95, help="of volumes, some 12 objects each")
    parser.add_argument("--tiles", type=int, default=3, help="of 0.64 ha along a side, for speed")
    parser.add_argument("--side", type=int, default=40_960, help="of the frame for memory [px]")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", nargs="*", choices=PARTS, default=list(PARTS))
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    kept = asked.out / "drone.json"
    numbers: dict[str, Any] = json.loads(kept.read_text()) if kept.exists() else {}
    text: dict[str, str] = numbers.pop("tables", {})
    with ProcessPoolExecutor(asked.jobs) as pool:
        for part in asked.only:
            table, own = _part(part, asked, pool)
            text[part] = markdown(Section(part, table.title, (_untitled(table),)))
            numbers[part] = own
            print(text[part], flush=True)
            whole = {**numbers, "tables": text}
            kept.write_text(json.dumps(whole, indent=1, ensure_ascii=False, default=float))
    tables = "\n".join(text[p] for p in PARTS if p in text)
    (asked.out / "drone.md").write_text(tables)


def _untitled(table: Table) -> Table:
    return Table("", table.columns, table.rows, table.note)


def _part(
    part: str, asked: argparse.Namespace, pool: ProcessPoolExecutor
) -> tuple[Table, dict[str, Any]]:
    seeds = range(101, 101 + asked.seeds)
    if part == "surface":
        return _objects("With surfaces", list(pool.map(score_surface, seeds)), (0.95, 0.90))
    if part == "pictures":
        return _objects("Pictures alone", list(pool.map(score_pictures, seeds)), (0.75, 0.60))
    if part == "single":
        return _single(list(pool.map(score_single, seeds)))
    if part == "contradiction":
        return _contradiction([a for own in pool.map(contradictions, seeds) for a in own])
    return _measured(part, asked, pool)


def _measured(
    part: str, asked: argparse.Namespace, pool: ProcessPoolExecutor
) -> tuple[Table, dict[str, Any]]:
    if part == "volumes":
        scenes = pool.map(volumes, range(1000, 1000 + asked.scenes))
        return _volumes([v for own in scenes for v in own])
    if part == "registration":
        return _registration(list(pool.map(register_seed, range(101, 111))))
    if part == "sandbars":
        return _sandbars(sandbars(asked.data / "sandbar_surveys_grandcanyon", 25))
    if part == "pixels":
        return _pixels(asked.data)
    if part == "memory":
        return _memory(memory(asked.out / f"memory{asked.side}", asked.side))
    own = speed(asked.out / f"speed{asked.tiles}", tiles=asked.tiles)
    rows = (
        ("hectares, candidates", f"{own.hectares:.1f}, {own.candidates}", "-"),
        ("ha per CPU second (one core), all of it", own.hectares / own.cpu_s, "≥ 1"),
        ("ha per second, two threads, wall", own.hectares / own.wall_s, "≥ 2"),
        ("peak MB", own.peak_mb, "≤ 1500"),
    )
    return Table("Speed", ("measure", "value", "goal"), rows), asdict(own)


def _objects(
    title: str, seeds: Sequence[SeedScore], goals: tuple[float, float]
) -> tuple[Table, dict[str, Any]]:
    every = [o for s in seeds for o in s.objects]
    found = [o for o in every if o.found is not None]
    candidates = sum(s.candidates for s in seeds)
    rows: list[tuple[str | float | None, ...]] = [
        ("recall, all", counted(len(found), len(every)), goals[0]),
        ("precision", counted(len(found), candidates), goals[1]),
    ]
    for kind in KINDS:
        own = [o for o in every if o.kind == kind]
        hits = sum(o.found is not None for o in own)
        rows.append((f"recall, {kind}", counted(hits, len(own)), None))
    if any(o.found != "picture" for o in found):
        right = sum(o.found == o.kind for o in found)
        rows.append(("kind right, of found", counted(right, len(found)), None))
        held = [o for o in found if o.volume is not None]
        error = [abs(o.volume.value / o.truth - 1) for o in held if o.volume is not None]
        inside = sum(o.volume.low <= o.truth <= o.volume.high for o in held if o.volume is not None)
        rows.append(("median error of volume", float(np.median(error)), 0.05))
        rows.append(("true volume inside the interval", counted(inside, len(held)), "0.93 to 0.97"))
        for name, own in _inside(held):
            rows.append((f"true {name} inside the interval", counted(sum(own), len(own)), None))
    false = [kind for s in seeds for kind in s.false]
    counts = ", ".join(f"{k} {false.count(k)}" for k in sorted(set(false))) or "none"
    rows.append(("false, by the kind given", counts, None))
    numbers = {
        "recall": len(found) / len(every),
        "precision": len(found) / max(candidates, 1),
        "seeds": [asdict(s) for s in seeds],
    }
    name = f"{title} ({len(seeds)} simulated pairs of 0.64 ha at 5 cm)"
    return Table(name, ("measure", "value", "goal"), tuple(rows)), numbers


def _inside(held: Sequence[Scored]) -> list[tuple[str, list[bool]]]:
    """Say of heights and footprints whether their intervals hold the truth."""
    tall = [o.height_found.low <= o.height <= o.height_found.high for o in held if o.height_found]
    wide = [o.area_found.low <= o.area_m2 <= o.area_found.high for o in held if o.area_found]
    return [("height", tall), ("footprint", wide)]


def _single(seeds: Sequence[SeedScore]) -> tuple[Table, dict[str, Any]]:
    every = [o for s in seeds for o in s.objects]
    found = [o for o in every if o.found is not None]
    candidates = sum(s.candidates for s in seeds)
    rows: list[tuple[str | float | None, ...]] = [("precision", counted(len(found), candidates))]
    for kind in KINDS[:-1]:
        own = [o for o in every if o.kind == kind]
        rows.append((f"recall, {kind}", counted(sum(o.found is not None for o in own), len(own))))
    right = sum(o.found == o.kind for o in found)
    rows.append(("kind right, of found", counted(right, len(found))))
    inside = sum(
        o.height_found.low <= o.height <= o.height_found.high for o in found if o.height_found
    )
    rows.append(("true height inside the interval", counted(inside, len(found))))
    false = [kind for s in seeds for kind in s.false]
    counts = ", ".join(f"{k} {false.count(k)}" for k in sorted(set(false))) or "none"
    rows.append(("false, by the kind given", counts))
    name = f"One flight alone, less the structures of both dates ({len(seeds)} simulated flights)"
    note = "A fill is level ground beside water: one flight does not see that it is new."
    numbers = {"precision": len(found) / max(candidates, 1), "seeds": [asdict(s) for s in seeds]}
    return Table(name, ("measure", "value"), tuple(rows), note), numbers


def _volumes(found: Sequence[Volume]) -> tuple[Table, dict[str, Any]]:
    rows: list[tuple[str | float | None, ...]] = []
    numbers: dict[str, Any] = {}
    for kind in ("all", "pile", "pit", "block"):
        own = [v for v in found if kind in ("all", v.kind)]
        inside = sum(v.net.low <= v.net_m3 <= v.net.high for v in own)
        tall = sum(v.height.low <= v.height_m <= v.height.high for v in own)
        error = float(np.median([abs(v.net.value / v.net_m3 - 1) for v in own]))
        rows.append((kind, counted(inside, len(own)), error, counted(tall, len(own))))
        numbers[kind] = {"inside": inside / len(own), "of": len(own), "median_error": error}
    columns = ("kind", "true net volume inside (goal 0.93 to 0.97)", "median error (goal 0.05)",
               "true height inside")  # fmt: skip
    return Table("Volumes and their intervals", columns, tuple(rows)), numbers


def _registration(found: Sequence[Registered]) -> tuple[Table, dict[str, Any]]:
    done = [r for r in found if not r.refused]
    every = np.concatenate([np.array(r.residual_px) for r in done])
    rows = (
        ("pairs registered", counted(len(done), len(found)), "-"),
        ("share of windows within 2 px", float((every <= 2).mean()), "≥ 0.95"),
        ("95 % of windows within [px]", float(np.percentile(every, 95)), "≤ 2"),
    )
    note = (
        "After 3 m and 1.5 degrees, another sun, half of the texture another, and a distortion "
        "of 0.6 px per axis that no affine map can take out and that is not in these residuals."
    )
    title = f"Registration ({len(found)} simulated pairs)"
    return Table(title, ("measure", "value", "goal"), rows, note), {
        "within_2_px": float((every <= 2).mean()),
        "refused": [r.refused for r in found if r.refused],
    }  # fmt: skip


def _sandbars(found: Sequence[Bar]) -> tuple[Table, dict[str, Any]]:
    rows: list[tuple[str | float | None, ...]] = []
    for pair in dict.fromkeys(b.pair for b in found):
        own = [b for b in found if b.pair == pair]
        fill = sum(b.fill_found.low <= b.fill <= b.fill_found.high for b in own)
        cut = sum(b.cut_found.low <= b.cut <= b.cut_found.high for b in own)
        error = float(np.median([abs(b.fill_found.value / b.fill - 1) for b in own]))
        rows.append((pair, own[0].fill, counted(fill, len(own)), own[0].cut,
                     counted(cut, len(own)), error))  # fmt: skip
    columns = ("surveys", "true fill m³ (first draw)", "fill inside", "true cut m³", "cut inside",
               "median error of fill")  # fmt: skip
    title = "Real sandbars with errors added"
    return Table(title, columns, tuple(rows)), {"bars": [asdict(b) for b in found]}


def _contradiction(said: Sequence[Answer]) -> tuple[Table, dict[str, Any]]:
    rows: list[tuple[str | float | None, ...]] = []
    numbers: dict[str, Any] = {}
    for true in ("unchanged", *KINDS):
        own = [s for t, s in said if t == true]
        parts = [counted(own.count(s), len(own)) for s in ("contradicted", "undecided", "seen")]
        rows.append((true, *parts))
        numbers[true] = {s: own.count(s) for s in set(own)}
    columns = ("truth at the place", "nothing is there", "undecided", "something is seen")
    note = "Of *unchanged* the first column is right; of all others it is an error."
    return Table(
        "Contradiction of a case by a pair with surfaces", columns, tuple(rows), note
    ), numbers


def _memory(found: Sequence[Peak]) -> tuple[Table, dict[str, Any]]:
    rows = [(p.step, p.peak_mb, p.cpu_s, p.said) for p in found]
    columns = ("step", "peak MB (goal 1500)", "CPU s", "of what")
    return Table("Memory", columns, tuple(rows)), {"steps": [asdict(p) for p in found]}


def _pixels(data: Path) -> tuple[Table, dict[str, Any]]:
    both = {name: pixel_f1(data / name) for name in ("levir_samples", "dsifn_samples")}
    methods = list(both["levir_samples"])
    rows: list[tuple[str | float | None, ...]] = [
        (m, both["levir_samples"][m], both["dsifn_samples"][m]) for m in methods
    ]
    goal = [1.5 * max(own[m] for m in methods[3:]) for own in both.values()]
    rows.append(("goal: 1.5 times the better of the last two", goal[0], goal[1]))
    return Table("Pixel F1 on real pictures", ("method", "LEVIR", "DSIFN"), tuple(rows)), both


if __name__ == "__main__":
    main()
