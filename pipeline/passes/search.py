"""Before any pixel: what the sources hold for each corridor."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from pathlib import Path

from pipeline.acquire.bands import SensorTable, load_look_table, load_sensor_table
from pipeline.acquire.disk.search import Desk, Disk
from pipeline.acquire.disk.source import DiskSource
from pipeline.acquire.folder import Folder, FolderSource
from pipeline.acquire.passes import drop_duplicates, merge_passes, told_apart
from pipeline.acquire.source import Making
from pipeline.acquire.stac import Found, Wanted, search_stac
from pipeline.config import Source, Workflow, choose_corridors
from pipeline.errors import ConfigurationError, SourceUnreachableError
from pipeline.io.tasks import Progress
from pipeline.model import Corridor, Pass, Scene, SetAside

log = logging.getLogger("siluan")

_NAMED = 8  # scenes named in one line


@dataclass(frozen=True)
class Searched:
    """Passes by corridor id, what was set aside by name, and which sources gave no answer.

    ``pictures`` are uncalibrated scenes by corridor id: they are no passes, and enter no history.
    ``making`` is, of a dry search, what a real one makes ready first, by corridor id.
    """

    passes: Mapping[str, tuple[Pass, ...]]
    set_aside: tuple[SetAside, ...]
    unreachable: tuple[str, ...]
    pictures: Mapping[str, tuple[Scene, ...]]
    making: Mapping[str, tuple[Making, ...]]
    notes: tuple[str, ...] = ()

    @property
    def to_make(self) -> tuple[Making, ...]:
        """All products that would be made ready, each once."""
        return tuple({m.key: m for own in self.making.values() for m in own}.values())


def search(
    workflow: Workflow,
    corridors: Sequence[Corridor],
    stack: ExitStack,
    scratch: Path | None = None,
    progress: Progress | None = None,
    *,
    trials: bool = False,
    before: Searched | None = None,
) -> Searched:
    """Search all sources for all corridors.

    Parameters
    ----------
    scratch
        Of a dry run: catalogues are written there, and nothing else is touched.
    progress
        Called while products of a disk are made ready.
    trials
        Of a dry run: find out, by a trial, what making products ready costs.
    before
        An earlier search for the same; what it said of the sources is not said again.

    Raises
    ------
    ConfigurationError
        A corridor that lies outside all scenes: every one is named and nothing is started.
    SourceUnreachableError
        No source answered.
    """
    how = _How(workflow, stack, scratch, progress, trials)
    asks = [_asking(s, how) for s in workflow.sources]
    passes: dict[str, tuple[Pass, ...]] = {}
    pictures: dict[str, tuple[Scene, ...]] = {}
    making: dict[str, tuple[Making, ...]] = {}
    outside: list[str] = []
    told = _Told()
    for corridor in corridors:
        held = _ask(asks, Wanted(corridor.polygon_wgs84, *workflow.period.span), told)
        making[corridor.id] = held.making
        if held.outside:
            outside.append(corridor.id)
        # Colour-balanced pictures stay out of every history: their numbers are no reflectance.
        pictures[corridor.id] = tuple(s for s in held.scenes if s.properties.get("uncalibrated"))
        unique, dropped = drop_duplicates(
            [s for s in held.scenes if s not in pictures[corridor.id]]
        )
        told.aside.update(dropped)
        passes[corridor.id] = merge_passes(told_apart(unique))
        if not (held.scenes or held.outside or told.unreachable) and before is None:
            log.warning("%s: no scenes in the period%s", corridor.id, _when(held))
    told.notes.update(_strays(workflow.sources, {} if outside else told.elsewhere))
    for note in sorted(told.notes.difference(before.notes if before else ())):
        log.warning("%s", note)
    if told.unreachable and not any(passes.values()):
        raise next(iter(told.unreachable.values()))
    if outside:
        raise _outside(outside)
    said = (tuple(sorted(told.aside)), tuple(told.unreachable))
    return Searched(passes, *said, pictures, making, tuple(sorted(told.notes)))


@dataclass
class _Told:
    """What the sources said so far, of all corridors."""

    aside: set[SetAside] = field(default_factory=set[SetAside])
    unreachable: dict[str, SourceUnreachableError] = field(
        default_factory=dict[str, SourceUnreachableError]
    )
    notes: set[str] = field(default_factory=set[str])
    elsewhere: dict[int, frozenset[str]] = field(default_factory=dict[int, frozenset[str]])


@dataclass(frozen=True)
class _Held:
    """What all sources hold for one corridor; ``beside``: times of scenes out of the period."""

    scenes: list[Scene]
    making: tuple[Making, ...]
    beside: list[datetime]
    outside: bool  # of all scenes of all sources
    left_out: tuple[str, ...] = ()  # what collections and filters took away


def _ask(asks: Sequence[Callable[[Wanted], Found]], wanted: Wanted, told: _Told) -> _Held:
    """Ask every source for one corridor; one that gives no answer is noted in ``told``."""
    scenes: list[Scene] = []
    answers: list[bool] = []
    beside: list[datetime] = []
    making: tuple[Making, ...] = ()
    left_out: dict[str, None] = {}
    for number, ask in enumerate(asks):
        try:
            found = ask(wanted)
        except SourceUnreachableError as error:
            told.unreachable[error.what] = error
            continue
        scenes.extend(found.scenes)
        told.aside.update(found.set_aside)
        told.notes.update(found.notes)
        beside.extend(found.out_of_period)
        known = told.elsewhere.get(number, found.untouched)
        told.elsewhere[number] = known & found.untouched
        making += found.making
        left_out.update(dict.fromkeys(found.left_out))
        if found.incomplete:
            error = SourceUnreachableError(found.incomplete, "Tell the catalogue's keeper")
            told.unreachable[error.what] = error
        answers.append(found.elsewhere)
    # One source that covers the corridor, or gave no answer, is enough to be inside.
    outside = not scenes and len(answers) == len(asks) and all(answers)
    return _Held(scenes, making, beside, outside, tuple(left_out))


def _outside(corridors: Sequence[str]) -> ConfigurationError:
    return ConfigurationError(
        f"outside all scenes of the sources: corridor(s) {', '.join(corridors)}",
        "Check the corridor's coordinates, or the area that the source covers",
    )


def _when(held: _Held) -> str:
    beside, left_out = held.beside, "; ".join(held.left_out)
    said = f" that the sources ask for ({left_out})" if left_out else ""
    if not beside:
        return said or "; nothing to look at"
    days = f"{min(beside):%Y-%m-%d} to {max(beside):%Y-%m-%d}"
    return f"{said}; {len(beside)} lie outside it, {days}"


def _strays(sources: Sequence[Source], elsewhere: Mapping[int, frozenset[str]]) -> list[str]:
    """Name scenes of folders that touch no corridor: their CRS may be wrong."""
    out: list[str] = []
    for source, found in ((sources[n], sorted(ids)) for n, ids in elsewhere.items() if ids):
        if not isinstance(source, FolderSource):
            continue  # producers know where their products lie, and a disk holds many places
        more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
        out.append(
            f"{source.path}: no corridor of this run is touched by "
            f"{', '.join(found[:_NAMED])}{more}; if they should be, look at their CRS"
        )
    return out


@dataclass(frozen=True)
class _How:
    workflow: Workflow
    stack: ExitStack
    scratch: Path | None
    progress: Progress | None
    trials: bool


def _asking(source: Source, how: _How) -> Callable[[Wanted], Found]:
    """Give the search of one source, with its band table loaded."""
    workflow, scratch = how.workflow, how.scratch

    @cache
    def table(name: str) -> SensorTable:
        return load_sensor_table(workflow.sensors, name)

    catalogues = (scratch or workflow.state) / "catalogues"
    if isinstance(source, DiskSource):
        store = workflow.options.store
        dry = scratch is not None
        desk = Desk(
            workflow.state, catalogues, dry, store.workers, how.progress, dry and how.trials
        )
        everywhere = tuple(c.polygon_wgs84 for c in choose_corridors(workflow))
        return Disk(source, table, everywhere, store.context_m, desk).search
    own = load_look_table(workflow.sensors, source.sensor)
    if isinstance(source, FolderSource):
        return Folder(source, own, catalogues).search
    return lambda wanted: search_stac(source, own, wanted, how.stack)
