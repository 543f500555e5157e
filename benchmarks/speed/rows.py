"""The rows of the table: each sets its runs up, times them in turn and says what came out."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from pathlib import Path

from benchmarks.speed.bands import FINE, KEYS
from benchmarks.speed.ground import RES, River
from benchmarks.speed.layout import write_layout
from benchmarks.speed.looks import Day, Square, days
from benchmarks.speed.server import serving
from benchmarks.speed.tiff import block_bytes
from benchmarks.speed.timing import Spent, child, interleaved, siluan
from benchmarks.speed.workflow import write_catalogue, write_workflow

_OWN = "siluan's gather and store"
_EVERY_DAYS = 730 / 24  # a clear look a month
_PEERS = {
    "windowed rasterio loop": "loop",
    "odc-stac tile by tile": "odc-tiles",
    "odc-stac + dask over the box": "odc-box",
}


@dataclass(frozen=True)
class Plan:
    """How much is measured."""

    share: float  # of the 200 km
    block: int
    history: int  # dates of two years
    new: int
    turns: int
    growth: bool
    peers: bool


@dataclass
class Bench:
    """A folder with made-up scenes, and what was found."""

    folder: Path
    plan: Plan
    lines: list[str] = field(default_factory=list[str])
    tables: list[str] = field(default_factory=list[str])

    def __post_init__(self) -> None:
        self.river = River(self.plan.share, self.plan.block)
        every = timedelta(days=_EVERY_DAYS)
        self.days = days(self.plan.history, self.plan.new, every)
        self.scenes = self.folder / f"scenes-{self.plan.block}-{self.plan.share:g}"
        self.square = Square(self.river, self.scenes)

    def row(self, name: str, spent: Spent, against: Spent | None, goal: str) -> None:
        """Add a row: what was timed, and against what."""
        ratio = "–"
        if against is not None:
            ratio = f"{spent.cpu / against.cpu:.2f} / {spent.wall / against.wall:.2f}"
        cost = f"{spent.cpu:.1f} | {spent.wall:.1f} | {spent.peak_mb:.0f}"
        line = f"| {name} | {cost} | {ratio} | {goal} |"
        self.lines.append(line)
        print(line, flush=True)

    def share(self, name: str, spent: Spent, against: Spent, goal: str) -> None:
        """Add a row: what of a run's CPU seconds it took until it had its candidates."""
        ratio = f"{spent.to_candidates / against.cpu:.2f}"
        self.lines.append(f"| {name} | {spent.to_candidates:.1f} | | | {ratio} | {goal} |")
        print(self.lines[-1], flush=True)

    def setting(
        self, name: str, used: Sequence[Day], patrol: Day, threads: tuple[int, int]
    ) -> Path:
        """Make a fresh folder for a run over some dates; gives its workflow."""
        place = self.folder / name
        shutil.rmtree(place, ignore_errors=True)
        period = (used[0], patrol, used[-1])
        return write_workflow(place, self.scenes, self.river, period, threads)

    def layout(self, workflow: Path, used: Sequence[Day]) -> Path:
        """Write what the floor and peers must know, beside a workflow."""
        path = workflow.parent / "layout.json"
        return write_layout(path, workflow, self.scenes, self.river, used[0].name)

    def peer(self, task: str, layout: Path, used: Sequence[Day]) -> Spent:
        """Time a task of :mod:`benchmarks.speed.peers`; ``decode`` is the floor."""
        return child(self.folder, "benchmarks.speed.peers", task, layout, *(d.name for d in used))

    def own(self, task: str, workflow: Path, layout: Path, used: Sequence[Day]) -> Spent:
        """Time a task of :mod:`benchmarks.speed.own`, from an empty state."""
        shutil.rmtree(workflow.parent / "state", ignore_errors=True)
        names = (d.name for d in used)
        return child(self.folder, "benchmarks.speed.own_main", task, workflow, layout, *names)


def _restored(kept: Path, place: Path) -> None:
    """Bring state and output back as they were; blocks of the store are replaced, never changed."""
    for name in ("state", "out"):
        shutil.rmtree(place / name, ignore_errors=True)
        shutil.copytree(kept / name, place / name, copy_function=_linked, symlinks=True)


def _linked(source: str, target: str) -> None:
    if source.endswith(".blk"):
        os.link(source, target)
    else:
        shutil.copy2(source, target)


def _kept(workflow: Path) -> Path:
    kept = workflow.parent / "kept"
    shutil.rmtree(kept, ignore_errors=True)
    kept.mkdir()
    for name in ("state", "out"):
        (workflow.parent / name).rename(kept / name)
    return kept


def _again(b: Bench, workflow: Path, kept: Path) -> Callable[[], Spent]:
    def run() -> Spent:
        _restored(kept, workflow.parent)
        spent = siluan(b.folder, "run", workflow)
        return replace(spent, to_candidates=_to_candidates(workflow.parent / "out"))

    return run


def _to_candidates(out: Path) -> float:
    """Read of a run how many CPU seconds it took, from its start, until it had its candidates."""
    stages = json.loads((out / "latest" / "run.json").read_bytes())["cpu_seconds"]
    return sum(stages[name] for name in ("start", "search", "detect"))


def patrol(b: Bench) -> None:
    """Time a patrol of new dates over a known history, and the baseline before it.

    The last known date belongs to the patrol's quarter and was judged, as in every week but the
    first of a quarter.
    """
    old, new = b.days[: b.plan.history], b.days[b.plan.history :]
    workflow = b.setting("patrol", b.days, old[-1], (2, 8))
    write_catalogue(b.scenes, old)
    layout = b.layout(workflow, old)
    built = interleaved(
        {
            "decode": lambda: b.peer("decode", layout, old),
            "baseline": lambda: _build(b, workflow),
        },
        1,
        ("decode", "baseline"),
    )
    b.row(f"decode {len(old)} dates", built["decode"], None, "")
    b.row("baseline, two years (`baseline build`)", built["baseline"], built["decode"], "≤ 2")
    first = siluan(b.folder, "run", workflow)
    b.row(
        "first run over that baseline (masks, shifts, states, normal)",
        first,
        built["decode"],
        "",
    )
    kept = _kept(workflow)
    write_catalogue(b.scenes, b.days)
    found = interleaved(
        {"decode": lambda: b.peer("decode", layout, new), "patrol": _again(b, workflow, kept)},
        b.plan.turns,
        ("decode", "patrol"),
    )
    b.row(f"decode {len(new)} dates", found["decode"], None, "")
    b.row(f"patrol, {len(new)} new dates on {len(old)}", found["patrol"], found["decode"], "")
    b.share("… of it up to the candidates", found["patrol"], found["decode"], "≤ 1.8")
    b.tables.append("What the patrol said: " + _suspected(found["patrol"].said))


def _suspected(said: str) -> str:
    """Give the sums of the closing table: suspected, on watch, explained."""
    sums = next((line.split()[2:] for line in said.splitlines() if line.startswith("合计 all")), [])
    named = zip(("suspected", "on watch", "explained"), sums, strict=True) if sums else ()
    return " · ".join(f"{name}: {count}" for name, count in named) or "nothing"


def _build(b: Bench, workflow: Path) -> Spent:
    shutil.rmtree(workflow.parent / "state", ignore_errors=True)
    return siluan(b.folder, "baseline", "build", workflow, "--yes")


def weekly(b: Bench) -> None:
    """Time one new date of a quarter of which seven are known, against decoding all eight.

    Two years of history are known as well, as they are to an office that patrols every week.
    """
    every = days(b.plan.history, 8, timedelta(days=_EVERY_DAYS))
    b.square.write(every)
    old, used = every[: b.plan.history], every[b.plan.history :]
    workflow = b.setting("weekly", every, old[-1], (2, 8))
    write_catalogue(b.scenes, every)
    layout = b.layout(workflow, used)
    for known in (old, every[:-1]):
        write_catalogue(b.scenes, known)
        siluan(b.folder, "run", workflow)
    kept = _kept(workflow)
    write_catalogue(b.scenes, every)
    found = interleaved(
        {"decode": lambda: b.peer("decode", layout, used), "weekly": _again(b, workflow, kept)},
        b.plan.turns,
        ("weekly",),
    )
    b.row("decode 8 dates", found["decode"], None, "")
    b.row("weekly patrol, 1 new date, 7 known", found["weekly"], found["decode"], "≤ 0.25")
    b.share("… of it up to the candidates", found["weekly"], found["decode"], "")


def peers(b: Bench) -> None:
    """Time the packed looks and the wet mask of six dates, made in four ways."""
    used = b.days[-6:]
    workflow = b.setting("peers", used, used[-1], (2, 2))
    write_catalogue(b.scenes, used)

    layout = b.layout(workflow, used)
    ways: dict[str, Callable[[], Spent]] = {_OWN: lambda: b.own("store", workflow, layout, used)}
    for name, task in _PEERS.items():
        ways[name] = partial(b.peer, task, layout, used)
    found = interleaved(ways, b.plan.turns, list(ways))
    said = {f.said.strip().splitlines()[-1] for f in found.values()}
    if len(said) != 1:
        raise SystemExit(f"the peers differ: {sorted(said)}")
    b.tables.append(f"What all ways made of six dates: {said.pop()}.")
    for name, spent in found.items():
        goal = "" if name == _OWN else "≥ 12" if "box" in name else "≥ 4"
        b.row(f"looks and wet mask, 6 dates: {name}", spent, found[_OWN], goal)


def remote(b: Bench) -> None:
    """Count bytes against those of the touched blocks, then time a slow store."""
    used = b.days[-2:]
    touched = sum(
        block_bytes(
            b.scenes / f"{d.name}_{key}.tif", b.river.touched(RES if k in FINE else 2 * RES)
        )
        for d in used
        for k, key in KEYS.items()
    )
    with serving(b.scenes) as sent:
        workflow = b.setting("bytes", used, used[-1], (2, 8))
        write_catalogue(b.scenes, used, sent.url)
        # No estimate before it, which reads a few blocks by itself.
        b.own("fetch", workflow, workflow.parent / "layout.json", used)
    ratio = f"{sent.bytes / touched:.3f}, twice: {sent.twice() / touched:.3f}"
    b.lines.append(f"| bytes read / bytes of touched blocks | | | | {ratio} | ≤ 1.05 |")
    print(b.lines[-1], f"({sent.requests} requests)", flush=True)
    slow = b.days[-min(5, len(b.days)) :]
    threads = {"one reader, one thread": 1, "8 readers": 8}
    found: dict[str, Spent] = {}
    with serving(b.scenes, 0.06) as sent:
        write_catalogue(b.scenes, slow, sent.url)
        for name, readers in threads.items():
            workflow = b.setting("slow", slow, slow[-1], (2, readers))
            layout = b.layout(workflow, slow)
            task = "fetch" if readers > 1 else "fetch-one"
            found[name] = b.own(task, workflow, layout, slow)
    one = found["one reader, one thread"]
    for name, spent in found.items():
        b.row(f"60 ms store, {7 * len(slow)} COGs, {name}", spent, one, "≤ 0.1 wall")


def growth(b: Bench) -> None:
    """Time cold runs by number of dates and by length."""
    if not b.plan.growth:
        return
    for n in (2, 4, 8, 16):
        used = b.days[-n:]
        workflow = b.setting("growth", used, used[n // 2], (2, 8))
        write_catalogue(b.scenes, used)
        goal = "≤ 600 MB" if n == 16 else ""
        b.row(f"cold run, {n} dates", siluan(b.folder, "run", workflow), None, goal)
    for part in (0.25, 0.5):
        shorter = Bench(b.folder, replace(b.plan, share=b.plan.share * part))
        used = shorter.days[-4:]
        shorter.square.write(used)
        workflow = shorter.setting("growth", used, used[2], (2, 8))
        write_catalogue(shorter.scenes, used)
        spent = siluan(b.folder, "run", workflow)
        b.row(f"cold run, 4 dates, {part:g} of the length", spent, None, "")


def help_(b: Bench) -> None:
    """Time the help text."""
    found = interleaved({"help": lambda: siluan(b.folder, "--help")}, 5, ("help",))
    b.row("`siluan --help`", found["help"], None, "≤ 0.4 s")


ROWS: dict[str, Callable[[Bench], None]] = {
    "patrol": patrol,
    "weekly": weekly,
    "peers": peers,
    "remote": remote,
    "growth": growth,
    "help": help_,
}
