"""What a command says last: a table of what was found, and the one thing to do next."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.cells import cell_len

from pipeline.errors import ExitCode
from pipeline.model import Case, Kind, RunRecord
from pipeline.publish import Shelves

NEXT = "下一步 Next: "
_NAMED = 5  # corridors named in one line
_WHY_BLIND = {
    "silent": "来源无应答 a source gave no answer",
    "aside": "影像被搁置 imagery was set aside, remedies above",
    "pictures": "仅有未定标影像，只作对比 uncalibrated pictures only, compared but not judged",
    "scenes": "无影像 no scene in the period",
    "clear": "无清晰影像 no clear look",
    "history": "历史影像不足 too little history",
    "patrol": "巡查期内无清晰影像 no clear look since patrol_from",
}
_OF_IMAGERY = ("acquire", "gather", "prepare")  # stages
_HEADINGS = ("", "疑似 suspected", "已交办 with people", "关注 on watch", "已说明 explained")


def closing_table(
    shelves: Shelves, record: RunRecord, seconds: float, unreachable: Sequence[str] = ()
) -> list[str]:
    """Give a table of what is listed, by kind, and a line of what was read.

    Columns are padded by what a terminal shows: a Chinese character takes two places. ``seconds``
    since the run began are no sum of its stages, which lie within each other.
    """
    lists = (*by_hand(shelves.cases), shelves.watch, shelves.suppressed)
    rows: list[tuple[str, ...]] = [_HEADINGS]
    for kind in Kind:
        rows.append((kind.zh, *(_some(_of(kind, cases)) for cases in lists)))
    rows.append(("合计 all", *(str(len(cases)) for cases in lists)))
    widths = [max(cell_len(row[i]) for row in rows) for i in range(len(_HEADINGS))]
    table = [_line(row, widths) for row in rows]
    scenes = sum(len(i.get("scenes", ())) for i in record.inputs)
    mend = sum(bool(a.remedy) for a in record.set_aside)
    aside = f"{len(record.set_aside)} set aside, of which {mend} can be mended"
    lines = [*table, f"影像 scenes: {scenes} read, {aside} · {seconds:.0f} s"]
    blind = not_judged(record, unreachable)
    if blind:
        named = [f"{name} ({_WHY_BLIND[why]})" for name, why in list(blind.items())[:_NAMED]]
        more = f" and {len(blind) - _NAMED} more" if len(blind) > _NAMED else ""
        lines.append(f"未能判断 not judged: {', '.join(named)}{more}; no case there says nothing")
    return lines


def by_hand(cases: Sequence[Case]) -> tuple[list[Case], list[Case]]:
    """Part what imagery suspects from what people have issued, verified or closed: theirs now."""
    return [c for c in cases if not c.issued], [c for c in cases if c.issued]


def not_judged(record: RunRecord, unreachable: Sequence[str] = ()) -> dict[str, str]:
    """Give the corridors of a patrol of which no look was judged, with a code that says why.

    An office that reads *0 suspected* alone takes it for a clean river. What was not reached or can
    be mended may be all that was missing, so that it is asked before what the rest lacks.
    """
    aside = any(a.remedy and a.stage in _OF_IMAGERY for a in record.set_aside)
    out: dict[str, str] = {}
    for name, counts in record.counts.get("corridors", {}).items():
        if counts.get("judged", 1):  # an inspection's have no such count
            continue
        unlike = [(bool(unreachable), "silent"), (aside, "aside")]
        none = not counts["passes"]
        unlike += [(none and bool(counts.get("pictures")), "pictures"), (none, "scenes")]
        unlike.append((not counts["usable"], "clear"))
        unlike.append((bool(counts.get("unjudged")), "history"))
        out[name] = next((code for found, code in unlike if found), "patrol")
    return out


def after_run(folder: Path, shelves: Shelves, record: RunRecord, unreachable: Sequence[str]) -> str:
    """Say the one thing to do after a patrol or an inspection.

    What broke comes first, then what people wait for (cases to look at), then what can be mended.
    """
    failed: Mapping[str, Any] = record.counts.get("failed", {})
    if failed:
        return _unfinished(failed)
    if unreachable:
        return f"{NEXT}run again later: {len(unreachable)} source(s) gave no answer"
    page = latest(folder) / "review" / "index.html"
    listed = len(shelves.cases) + len(shelves.watch)
    if listed and page.is_file():
        return f"{NEXT}open {near(page)}"
    if listed:
        return f"{NEXT}look at {near(latest(folder) / 'siluan.qgs')} or cases.geojson beside it"
    mend = sum(bool(a.remedy) for a in record.set_aside)
    if mend:
        return f"{NEXT}mend the {mend} input(s) set aside (remedies: above), then run again"
    return _after_nothing(record)


def _after_nothing(record: RunRecord) -> str:
    pairs: Mapping[str, Any] | None = record.counts.get("pairs")  # an inspection has them
    if pairs is not None and not pairs and not record.counts["alone"]:
        what = "no flight could be compared (why: above)"
        return f"{NEXT}hand in a flight over the same ground: {what}"
    blind = not_judged(record)
    if "history" in blind.values():
        what = "begin the period earlier, or fetch history (siluan baseline build)"
        return f"{NEXT}{what}: {len(blind)} corridor(s) could not be judged"
    if "scenes" in blind.values():
        return f"{NEXT}look at period and sources: {len(blind)} corridor(s) could not be judged"
    if blind:
        return f"{NEXT}find clear imagery of the {len(blind)} corridor(s) that could not be judged"
    return f"{NEXT}nothing to look at until the next run"


def after_recheck(
    folder: Path, proposing: int, failed: Iterable[str], unreachable: bool, mendable: int
) -> str:
    """Say the one thing to do after a recheck; ``proposing``: cases that imagery says moved."""
    failed = tuple(failed)
    if failed:
        return _unfinished(failed)
    if unreachable:
        return f"{NEXT}run again later: a source gave no answer"
    if proposing:
        place = near(latest(folder) / "recheck.geojson")
        return f"{NEXT}decide on {proposing} case(s) of which imagery proposes a move: {place}"
    if mendable:
        return f"{NEXT}mend the {mendable} input(s) set aside (remedies: above), then run again"
    return f"{NEXT}nothing to decide until newer imagery comes"


def after_report(files: Sequence[Path], code: ExitCode) -> str:
    """Say the one thing to do after a report."""
    if code is not ExitCode.DONE or not files:
        return f"{NEXT}mend what the lines above say of the forms that are missing, and run again"
    return f"{NEXT}read {near(files[0])}"


def after_delivery(code: ExitCode, feed: Path) -> str:
    """Say the one thing to do after a hand-over; ``feed`` may be empty still."""
    if code is ExitCode.UNREACHABLE:
        return f"{NEXT}run siluan deliver again later: what waits is tried again then"
    if code is ExitCode.LEDGER_HELD:
        return f"{NEXT}run siluan deliver again when the run that holds the ledger has ended"
    if code is ExitCode.SET_ASIDE:
        return f"{NEXT}decide what the lines above name (refused for good: siluan deliver --dead)"
    if not (feed / "index.json").is_file():
        return f"{NEXT}issue cases first: siluan cases issue"
    return f"{NEXT}nothing to do; who receives without HTTP reads {near(feed)}"


def after_submit(code: ExitCode, taken: bool) -> str:
    """Say the one thing to do after flights came in, or did not."""
    if code is ExitCode.DISK_FULL:
        return f"{NEXT}free some space, then submit it again"
    if code is ExitCode.UNREACHABLE:
        return f"{NEXT}submit it again when the disk or share can be read"
    if code is ExitCode.QUARANTINED:
        return f"{NEXT}send the receipt (回执) to the team, who mend the drop and hand it in again"
    if taken:
        return f"{NEXT}name the flight in a workflow of kind inspect, and run it: siluan run FILE"
    return f"{NEXT}nothing to do until a drop comes in"


def _unfinished(failed: Iterable[str]) -> str:
    names = ", ".join(failed)
    return f"{NEXT}{names} could not be finished (why: above): siluan status --workflow FILE"


def latest(folder: Path) -> Path:
    """Give ``latest`` beside a run's folder where it points to it, else the folder."""
    link = folder.with_name("latest")
    return link if link.exists() and link.resolve() == folder.resolve() else folder


def near(path: Path) -> str:
    """Name a path from where the person stands, where it lies below."""
    where = Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow the link latest
    here = Path.cwd()
    return str(where.relative_to(here)) if where.is_relative_to(here) else str(where)


def _of(kind: Kind, cases: Sequence[Case]) -> int:
    return sum(c.kind is kind for c in cases)


def _some(count: int) -> str:
    return str(count) if count else "·"


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    first = row[0] + " " * (widths[0] - cell_len(row[0]))
    rest = [" " * (w - cell_len(v)) + v for v, w in zip(row[1:], widths[1:], strict=True)]
    return "  ".join([first, *rest]).rstrip()
