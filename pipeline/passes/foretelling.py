"""What a run is about to do, in words: the same before a run (``--dry-run``) and in its log."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from pipeline.config import Workflow
from pipeline.io.sizes import in_words
from pipeline.model import Corridor, Pass
from pipeline.passes.estimate import bytes_to_read
from pipeline.passes.foreseeing import foresee
from pipeline.passes.foreseen import STEPS, Foresight
from pipeline.passes.gather import REASONS
from pipeline.passes.ground import Site
from pipeline.passes.site import known_site, open_site

_PLURAL = {
    "dark target": "dark targets",
    "mask": "masks",
    "clear share": "clear shares",
    "shift": "shifts",
    "steadiness": "comparisons of stable ground",
    "state": "states",
}
JUDGED = (
    "what was found on known looks is kept while their layers, their history (of a look of changed "
    "ground: the looks of its quarter since patrol_from too), detect.zhan, detect.ground and this "
    "code stay the same"
)

ANEW = (
    "what was found on known looks is searched for again on all of them: no run has ended yet that "
    "judged them by these detect.zhan, detect.ground and detect.epoch and this code"
)


NOTHING_KNOWN = "no look is known yet, so all are searched"


def planned_site(
    workflow: Workflow, corridor: Corridor, passes: Sequence[Pass], scratch: Path
) -> Site | None:
    """Open the corridor as a run would, and write nothing but into a scratch folder.

    None where no scene can be opened.
    """
    known = known_site(workflow, corridor)
    if known is not None or not passes:
        return known
    return open_site(workflow.model_copy(update={"state": scratch}), corridor, passes, None)


def foretell(workflow: Workflow, site: Site, passes: Sequence[Pass], *, ask: bool) -> Foresight:
    """Say what a run would do; ``ask`` servers how large the files are that it would read."""
    found = foresee(workflow, site, passes)
    todo = [p for p in passes if p.id in found.reads]
    size = bytes_to_read(site, todo, ask=ask) if todo else 0.0
    return replace(found, read_bytes=size)


def all_lines(found: Foresight) -> list[str]:
    """Give every look, every tile, and the sum."""
    return [*look_lines(found), *tile_lines(found), sum_line(found)]


def busy_lines(found: Foresight) -> list[str]:
    """Give the looks and tiles of which something is read or made, and the sum."""
    idle = {f"{found.corridor_id} {i} skip:" for i in found.what}
    looks = [
        line
        for line in look_lines(found)
        if not (line.endswith(_KEPT) and any(line.startswith(s) for s in idle))
    ]
    tiles = [line for line in tile_lines(found) if " 0 looks read, 0 " not in line]
    return [*looks, *tiles, sum_line(found)]


_KEPT = "; all of it is kept"


def look_lines(found: Foresight) -> list[str]:
    """Give a line for each look: whether it is read, why, and which of its layers are made."""
    lines: list[str] = []
    for pass_id, what in found.what.items():
        names = ", ".join(found.scenes[pass_id])
        head = f"{found.corridor_id} {pass_id} {what}: {REASONS[what]} ({names})"
        made = [s for s in STEPS if pass_id in found.made(s)]
        follow = [s for s in STEPS if pass_id in found.following(s)]
        parts = [f"made: {', '.join(made)}"] if made else []
        parts += [f"made again if that changes it: {', '.join(follow)}"] if follow else []
        if not parts:
            lines.append(head + _KEPT)
            continue
        why = f" ({_why(found)})" if what == "skip" else ""
        lines.append(f"{head}; {'; '.join(parts)}{why}")
    return lines


def _why(found: Foresight) -> str:
    if found.reads:
        return "what is read now is part of what it is compared with, or options have changed"
    return (
        "not made yet, dropped, or a scene is gone, or options, corridor or code have changed since"
    )


def tile_lines(found: Foresight) -> list[str]:
    """Give a line for each tile: looks read, layers made, and layers kept."""
    usable = len(found.what)
    lines: list[str] = []
    for tile, own in found.layers_of_tiles().items():
        made = sum(own.values())
        kept = usable * len(_TILED) - len(own)
        more = f", at most {len(own) - made} more follow" if len(own) > made else ""
        lines.append(
            f"{found.corridor_id} tile {tile}: {len(found.reads)} looks read, "
            f"{made} layers made{more}, {kept} kept"
        )
    return lines


_TILED = ("mask", "state")


def sum_line(found: Foresight) -> str:
    """Give the sum of a corridor."""
    n = len(found.what)
    if not n:
        return f"{found.corridor_id}: no scenes in the period"
    size = "size not told" if found.read_bytes is None else f"about {in_words(found.read_bytes)}"
    reads = f"{len(found.reads)} of {n} looks read" + (f" ({size})" if found.reads else "")
    steps = "; ".join(_step_words(found, n))
    judged = ANEW if found.judged_anew else JUDGED
    if "skip" not in found.what.values():
        judged = NOTHING_KNOWN
    return f"{found.corridor_id}: {reads}; {steps}; {judged}"


def _step_words(found: Foresight, n: int) -> Iterator[str]:
    for step in STEPS:
        made, follow = len(found.made(step)), len(found.following(step))
        more = f", at most {follow} more" if follow else ""
        yield f"{_PLURAL[step]}: {made} made{more}, {n - made - follow} kept"
