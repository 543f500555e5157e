"""Compare a run with the truth: ``python -m sample_scenes.score --out out/latest``.

An event is found when one candidate of its kind has IoU >= 0.2 with it and covers at least 30 %
of it; matching is one to one; every unmatched case is false, whatever caused it.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from pyproj import Transformer
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry

from sample_scenes import overview
from sample_scenes.matching import match

METRIC = 4547  # CGCS2000 / 3-degree Gauss-Kruger CM 114E, the project's CRS for areas
ELSEWHERE = "open ground"
Collection = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Match:
    """A true event and the candidate that found it."""

    event: str
    case: str
    iou: float
    covered: float  # 0..1 of the event


@dataclass(frozen=True, slots=True)
class False_:  # noqa: N801  (``False`` is taken)
    """A case without an event, and what it probably is."""

    case: str
    looks_like: str  # trap in words, "another kind: ID", "fragment of ID" or open ground
    trap: str | None  # its id
    area_m2: float


@dataclass(frozen=True, slots=True)
class KindScore:
    """The result for one kind."""

    kind: str
    found: tuple[Match, ...]
    on_watch: tuple[Match, ...]
    missed: tuple[str, ...]
    false: tuple[False_, ...]
    watch_other: tuple[False_, ...]  # on watch without an event: for analysts, not false alarms

    @property
    def events(self) -> int:
        """Number of true events."""
        return len(self.found) + len(self.on_watch) + len(self.missed)


@dataclass(frozen=True, slots=True)
class Score:
    """Results by kind."""

    kinds: tuple[KindScore, ...]

    def of(self, kind: str) -> KindScore:
        """Give the result of one kind.

        Raises
        ------
        KeyError
            When the kind was not scored.
        """
        for one in self.kinds:
            if one.kind == kind:
                return one
        raise KeyError(kind)


@dataclass(frozen=True)
class _Shape:
    id: str
    kind: str | None
    trap: str | None
    appeared: str  # ISO date, empty when it was always there
    area: BaseGeometry  # METRIC


def score(
    cases: Collection,
    watch: Collection,
    truth: Collection,
    kinds: Sequence[str] = ("zhan",),
    until: str | None = None,
) -> Score:
    """Match cases and watch entries with true events, one to one.

    Parameters
    ----------
    cases, watch, truth : mapping
        GeoJSON feature collections in WGS 84. ``cases`` and ``watch`` carry ``kind`` and
        ``case_id`` (or a feature id); ``truth`` is what ``sample_scenes.make`` wrote.
    kinds : sequence of str
        What to score.
    until : str or None
        Last UTC date that the run looked at, ISO 8601; what appears later is not asked for.
    """
    real = [s for s in _shapes(truth) if until is None or s.appeared <= until[:10]]
    told, waiting = _shapes(cases), _shapes(watch)
    return Score(tuple(_score_kind(kind, told, waiting, real) for kind in kinds))


def _score_kind(
    kind: str, cases: list[_Shape], watch: list[_Shape], real: list[_Shape]
) -> KindScore:
    events = [e for e in real if e.kind == kind and e.trap is None]
    mine = [c for c in cases if c.kind == kind]
    found, left = _match(events, mine)
    hit = {m.event for m in found}
    noted = [w for w in watch if w.kind == kind]
    on_watch, other = _match([e for e in events if e.id not in hit], noted)
    hit |= {m.event for m in on_watch}
    return KindScore(
        kind=kind,
        found=found,
        on_watch=on_watch,
        missed=tuple(e.id for e in events if e.id not in hit),
        false=tuple(_explain(c, real) for c in left),
        watch_other=tuple(_explain(c, real) for c in other),
    )


def _match(
    events: list[_Shape], candidates: list[_Shape]
) -> tuple[tuple[Match, ...], list[_Shape]]:
    """Assign candidates to events so that most are found, then by the sum of IoU."""
    pairs = match([e.area for e in events], [c.area for c in candidates])
    found = tuple(
        Match(events[p.object].id, candidates[p.candidate].id, p.iou, p.covered) for p in pairs
    )
    used = {p.candidate for p in pairs}
    return found, [c for j, c in enumerate(candidates) if j not in used]


def _explain(case: _Shape, real: list[_Shape]) -> False_:
    """Name the trap or event under a case; small objects before the wide drawdown."""
    area = float(case.area.area)
    best: tuple[float, float, _Shape] | None = None
    for thing in real:
        share = thing.area.intersection(case.area).area / max(area, 1e-9)
        if share < 0.2:
            continue
        key = (-thing.area.area if share >= 0.5 else -1e12 + share, share)
        if best is None or key > best[:2]:
            best = (*key, thing)
    if best is None:
        return False_(case.id, ELSEWHERE, None, area)
    thing = best[2]
    if thing.kind is None:
        return False_(case.id, thing.trap or thing.id, thing.id, area)
    words = "part or duplicate of" if thing.kind == case.kind else "another kind:"
    return False_(case.id, f"{words} {thing.id}", None, area)


def _shapes(features: Collection) -> list[_Shape]:
    project = Transformer.from_crs(4326, METRIC, always_xy=True).transform
    out: list[_Shape] = []
    for i, feature in enumerate(features["features"]):
        said = feature["properties"]
        ident = said.get("case_id") or feature.get("id") or said.get("id") or f"#{i}"
        flat = shapely.transform(
            shape(feature["geometry"]), lambda c: np.column_stack(project(c[:, 0], c[:, 1]))
        )
        appeared = said.get("appeared") or ""
        solid = shapely.make_valid(flat)
        out.append(_Shape(str(ident), said.get("kind"), said.get("trap"), appeared, solid))
    return sorted(out, key=lambda s: s.id)


def report(result: Score) -> str:
    """Put a score into lines for people."""
    lines: list[str] = []
    for one in result.kinds:
        lines.append(
            f"{one.kind}: {len(one.found)} found, {len(one.on_watch)} on watch, "
            f"{len(one.missed)} missed of {one.events}; {len(one.false)} false"
            f"; {len(one.watch_other)} more on watch"
        )
        lines += [
            f"  {word:<8} {m.event:<9} by {m.case} (IoU {m.iou:.2f}, covers {m.covered:.0%})"
            for word, group in (("found", one.found), ("watch", one.on_watch))
            for m in group
        ]
        lines += [f"  missed   {event}" for event in one.missed]
        lines += [
            f"  {word:<8} {f.case}: {f.looks_like}{f' ({f.trap})' if f.trap else ''}, "
            f"{f.area_m2:.0f} m²"
            for word, group in (("false", one.false), ("unclear", one.watch_other))
            for f in group
        ]
    return "\n".join(lines)


def hidden_lines(suppressed: Collection, truth: Collection) -> list[str]:
    """Say what the office's layers have put aside, and what really lies there."""
    real = _shapes(truth)
    rules = {str(f["id"]): str(f["properties"]["ruling"]["rule"]) for f in suppressed["features"]}
    lines = [f"put aside by the office's layers: {len(rules)}"]
    for case in _shapes(suppressed):
        what = _explain(case, real)
        trap = f" ({what.trap})" if what.trap else ""
        lines.append(f"  {rules[case.id]:<12} {case.id}: {what.looks_like}{trap}")
    return lines


def kinds_of(run: Mapping[str, Any]) -> tuple[str, ...]:
    """Read the kinds that a run looked for from its ``run.json``; 乱占 if it does not say."""
    counts = run.get("counts", {})
    named = counts.get("kinds", counts) if isinstance(counts, Mapping) else {}
    present = tuple(k for k in ("zhan", "cai", "dui", "jian") if k in named)
    return present or ("zhan",)


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


def main(arguments: Sequence[str] | None = None) -> int:
    """Score a run's folder, print the result and draw ``overview.png`` beside it."""
    parser = argparse.ArgumentParser(prog="sample_scenes.score", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("out/latest"), help="folder of the run")
    parser.add_argument("--truth", type=Path, default=Path("sample_scenes/data/truth.geojson"))
    parser.add_argument("--kinds", nargs="+", choices=("zhan", "cai", "dui", "jian"))
    parser.add_argument(
        "--picture", type=Path, help="where to draw; default: overview.png beside OUT"
    )
    given = parser.parse_args(arguments)
    needed = [given.out / "cases.geojson", given.out / "watch.geojson", given.truth]
    absent = [str(p) for p in needed if not p.is_file()]
    if absent:
        print(
            f"cannot score, missing: {', '.join(absent)}. Run `make sample` first.",
            file=sys.stderr,
        )
        return 2
    cases, watch, truth = (_read(p) for p in needed)
    record = given.out / "run.json"
    run = _read(record) if record.is_file() else {}
    period = run.get("period") or {}
    kinds = tuple(given.kinds or kinds_of(run))
    print(report(score(cases, watch, truth, kinds, period.get("end"))))
    hidden = given.out / "suppressed.geojson"
    if hidden.is_file():
        print("\n".join(hidden_lines(_read(hidden), truth)))
    # Beside the run and not in it: what a run published is not touched.
    picture = given.picture or given.out.parent / "overview.png"
    layers = overview.layers(truth, watch, cases)
    if overview.draw(given.truth.parent, layers, picture):
        print(f"picture  {picture} ({overview.LEGEND})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
