"""Before any pixel: what the sources hold for each corridor."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from pipeline.acquire.bands import SensorTable, load_sensor_table
from pipeline.acquire.folder import FolderSource, search_folder
from pipeline.acquire.passes import drop_duplicates, merge_passes
from pipeline.acquire.stac import Found, StacSource, Wanted, search_stac
from pipeline.config import Workflow
from pipeline.errors import ConfigurationError, SourceUnreachableError
from pipeline.model import Corridor, Pass, Scene, SetAside

log = logging.getLogger("siluan")


@dataclass(frozen=True)
class Searched:
    """Passes by corridor id, what was set aside by name, and which sources gave no answer."""

    passes: Mapping[str, tuple[Pass, ...]]
    set_aside: tuple[SetAside, ...]
    unreachable: tuple[str, ...]


def search(workflow: Workflow, corridors: Sequence[Corridor], stack: ExitStack) -> Searched:
    """Search all sources for all corridors.

    Raises
    ------
    ConfigurationError
        A corridor that lies outside all scenes: every one is named and nothing is started.
    SourceUnreachableError
        No source answered.
    """
    tables = {s.sensor: load_sensor_table(workflow.sensors, s.sensor) for s in workflow.sources}
    passes: dict[str, tuple[Pass, ...]] = {}
    aside: set[SetAside] = set()
    outside: list[str] = []
    unreachable: dict[str, SourceUnreachableError] = {}
    notes: set[str] = set()
    for corridor in corridors:
        scenes: list[Scene] = []
        answers: list[bool] = []
        for source in workflow.sources:
            try:
                found = _ask(source, tables[source.sensor], workflow, corridor, stack)
            except SourceUnreachableError as error:
                unreachable[error.what] = error
                continue
            scenes.extend(found.scenes)
            aside.update(found.set_aside)
            notes.update(found.notes)
            if found.incomplete:
                error = SourceUnreachableError(found.incomplete, "Tell the catalogue's keeper")
                unreachable[error.what] = error
            answers.append(found.elsewhere)
        # One source that covers the corridor, or gave no answer, is enough to be inside.
        outsider = not scenes and len(answers) == len(workflow.sources) and all(answers)
        if outsider:
            outside.append(corridor.id)
        unique, dropped = drop_duplicates(scenes)
        aside.update(dropped)
        passes[corridor.id] = merge_passes(unique)
        if not scenes and not outsider and not unreachable:
            log.warning("%s: no scenes in the period; nothing to look at", corridor.id)
    for note in sorted(notes):
        log.warning("%s", note)
    if unreachable and not any(passes.values()):
        raise next(iter(unreachable.values()))
    if outside:
        raise ConfigurationError(
            f"outside all scenes of the sources: corridor(s) {', '.join(outside)}",
            "Check the corridor's coordinates, or the area that the source covers",
        )
    return Searched(passes, tuple(sorted(aside)), tuple(unreachable))


def _ask(
    source: StacSource | FolderSource,
    table: SensorTable,
    workflow: Workflow,
    corridor: Corridor,
    stack: ExitStack,
) -> Found:
    start, end = workflow.period.span
    wanted = Wanted(corridor.polygon_wgs84, start, end)
    if isinstance(source, FolderSource):
        return search_folder(source, table, wanted, workflow.state / "catalogues")
    return search_stac(source, table, wanted, stack)
