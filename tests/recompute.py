"""Which option makes which layers again: asked of the plan of a run, option by option.

``python tests/recompute.py`` writes the table into docs/recompute.md.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

sys.path.insert(0, str(Path(__file__).parent))
import tiny

from pipeline.config import Options, Workflow, choose_corridors, load_workflow
from pipeline.model import Corridor, Pass
from pipeline.passes.foreseeing import foresee
from pipeline.passes.foreseen import STEPS
from pipeline.passes.search import search
from pipeline.passes.site import known_site
from pipeline.run import RunRequest, run_workflow

DOC = tiny.ROOT / "docs/recompute.md"
BEGIN, END = "<!-- table -->", "<!-- end of table -->"
COLUMNS = ("pixels", *STEPS, "normal")
MADE, FOLLOWS, KEPT = "●", "○", ""
Row = tuple[str, ...]


def leaves(options: BaseModel, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every option that holds a value, by the names in a workflow."""
    for name, field in type(options).model_fields.items():
        value = getattr(options, name)
        own = (*path, field.alias or name)
        if isinstance(value, BaseModel):
            yield from leaves(value, own)
        else:
            yield own, value


def others(value: Any) -> Iterator[Any]:
    """Other values of the same kind, one of which may be allowed."""
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, int):
        yield from (value + 1, value - 1, value + 64, value * 2)
    elif isinstance(value, float):
        yield from (value * 1.05, value * 0.95, value + 0.01, value - 0.01, value + 1)
    elif isinstance(value, str):
        yield from ("en", "zh")
    elif isinstance(value, tuple) and value:
        yield value[:-1]
        for first in others(value[0]):
            yield (first, *value[1:])


def changed(options: Options, path: Sequence[str], value: Any) -> Options | None:
    """The options with one of them changed; None where no other value is at hand."""
    for other in others(value):
        content = options.model_dump(by_alias=True)
        part = content
        for name in path[:-1]:
            part = part[name]
        if part[path[-1]] == other:
            continue
        part[path[-1]] = other
        try:
            return Options.model_validate(content)
        except ValidationError:
            continue
    return None


class Asked:
    """A state that knows all looks of the tiny valley, to ask what options would make again."""

    def __init__(self, folder: Path) -> None:
        images = tiny.write_scenes(folder / "images")
        plain = {"store": {"tile_px": 128}, "evidence": {"pictures": False}}
        path = tiny.workflow(folder, images, options=plain)
        run_workflow(RunRequest(path))
        self.workflow: Workflow = load_workflow(path)
        self.corridor: Corridor = choose_corridors(self.workflow)[0]
        with ExitStack() as stack:
            found = search(self.workflow, (self.corridor,), stack, folder / "scratch")
        self.passes: Sequence[Pass] = found.passes[self.corridor.id]

    def row(self, options: Options) -> Row:
        """What is made again of each column."""
        workflow = self.workflow.model_copy(update={"options": options})
        site = known_site(workflow, self.corridor)
        if site is None:
            return (MADE,) * len(COLUMNS)
        found = foresee(workflow, replace(site, workers=1), self.passes)
        steps = [MADE if found.made(s) else FOLLOWS if found.following(s) else KEPT for s in STEPS]
        before = self.workflow.options.detect.ground.normal
        normal = MADE if options.detect.ground.normal != before else KEPT
        if normal == KEPT and steps[STEPS.index("state")] != KEPT:
            normal = FOLLOWS
        return (KEPT, *steps, normal)

    def rows(self) -> dict[tuple[str, ...], Row]:
        """By option; those without another value at hand are left out."""
        out: dict[tuple[str, ...], Row] = {}
        for path, value in leaves(self.workflow.options):
            other = changed(self.workflow.options, path, value)
            if other is not None:
                out[path] = self.row(other)
        return out


def folded(
    rows: dict[tuple[str, ...], Row], path: tuple[str, ...] = ()
) -> Iterator[tuple[str, Row]]:
    """Rows with whatever is alike below a name told once."""
    own = {p: r for p, r in rows.items() if p[: len(path)] == path}
    if len(own) > 1 and path and len({*own.values()}) == 1:
        yield ".".join((*path, "*")), next(iter(own.values()))
        return
    if path in own:
        yield ".".join(path), own[path]
        return
    for name in dict.fromkeys(p[len(path)] for p in own):
        yield from folded(own, (*path, name))


def table(rows: dict[tuple[str, ...], Row]) -> str:
    head = f"| option | {' | '.join(COLUMNS)} |\n|---|{'---|' * len(COLUMNS)}\n"
    return head + "".join(f"| `{n}` | {' | '.join(r)} |\n" for n, r in folded(rows))


def told() -> str:
    """The table as the documentation has it."""
    return DOC.read_text(encoding="utf-8").split(BEGIN + "\n")[1].split(END)[0]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        made = table(Asked(Path(scratch)).rows())
    text = DOC.read_text(encoding="utf-8")
    first, rest = text.split(BEGIN + "\n")
    DOC.write_text(f"{first}{BEGIN}\n{made}{END}{rest.split(END)[1]}", encoding="utf-8")
    print(made)
