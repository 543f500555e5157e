"""What the doctor finds wrong with the sources of a workflow; asks no server, reads no image."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import urlparse

import shapely

from pipeline.acquire.bands import load_look_table
from pipeline.acquire.disk.mosaic import dates_of_layer
from pipeline.acquire.disk.search import around
from pipeline.acquire.disk.source import DemOptions, DiskSource
from pipeline.acquire.folder import FolderSource
from pipeline.acquire.source import StacSource
from pipeline.config import Workflow
from pipeline.errors import SiluanError
from pipeline.io.transcode import Terrain, check_cover
from pipeline.model import Corridor
from pipeline.office.finding import Finding, Weight


def source_findings(
    workflow: Workflow, corridors: Sequence[Corridor], group: str
) -> Iterator[Finding]:
    """Look at every source of a workflow, and at the band tables that they name."""
    for source in workflow.sources:
        if isinstance(source, DiskSource):
            yield from _disk(source, workflow, corridors, group)
        elif isinstance(source, FolderSource):
            yield from _folder(source, group)
        else:
            yield from _catalogue(source, group)
    named = [s.sensor for s in workflow.sources if not isinstance(s, DiskSource)]
    for name in dict.fromkeys(named):
        try:
            load_look_table(workflow.sensors, name)
        except SiluanError as error:
            yield _refused(group, error)


def _refused(group: str, error: SiluanError, remedy: str = "Correct the workflow") -> Finding:
    return Finding(
        group, error.what, "no run starts", error.remedy.rstrip(".") or remedy, Weight.WRONG
    )


def _missing_folder(group: str, path: str, remedy: str) -> Finding:
    what = f"the folder {path} of a source does not exist"
    return Finding(group, what, "no run starts", remedy, Weight.WRONG)


def _disk(
    source: DiskSource, workflow: Workflow, corridors: Sequence[Corridor], group: str
) -> Iterator[Finding]:
    root = Path(source.path)
    if not root.is_dir():
        yield _missing_folder(group, source.path, "Check its path, and that the disk is in")
    elif not any(root.iterdir()):
        what = f"the folder {source.path} of a source is empty"
        yield Finding(group, what, "it gives no scene", "Check its path, and that the disk is in")
    if source.dem is not None:
        yield from _terrain(source.dem, workflow, corridors, group)
    for layer in (m.dates for m in source.mosaics if m.dates is not None):
        try:
            dates_of_layer(layer)
        except SiluanError as error:
            yield _refused(group, error)


def _terrain(
    dem: DemOptions, workflow: Workflow, corridors: Sequence[Corridor], group: str
) -> Iterator[Finding]:
    context = workflow.options.store.context_m
    area = shapely.union_all([around(c.polygon_wgs84, context) for c in corridors])
    try:
        check_cover(Terrain(Path(dem.path), dem.undulation_m or 0.0), area)
    except SiluanError as error:
        yield Finding(
            group,
            error.what,
            "images that are not georeferenced (GF and ZY of level 1A) there are set aside",
            error.remedy or "Correct 'dem' of the source",
        )


def _folder(source: FolderSource, group: str) -> Iterator[Finding]:
    root = Path(source.path)
    if not root.is_dir():
        yield _missing_folder(group, source.path, "Check its path")
    elif not any(re.fullmatch(source.pattern, p.name) for p in root.iterdir()):
        what = f"no file of {source.path} fits the pattern {source.pattern}"
        remedy = "Correct the pattern of the source"
        yield Finding(group, what, "no run starts", remedy, Weight.WRONG)


def _catalogue(source: StacSource, group: str) -> Iterator[Finding]:
    unset = source.access.unset_variables()
    if unset:
        yield Finding(
            group,
            f"{source.url} needs environment variable(s) that are not set: {', '.join(unset)}",
            "no run starts",
            "Set them for the account that runs siluan (docs/catalogues.md)",
            Weight.WRONG,
        )
    remote = urlparse(source.url).scheme in ("http", "https")
    if not remote and not Path(source.url).is_file():
        yield Finding(
            group,
            f"the catalogue {source.url} does not exist",
            "no run starts",
            "Check the url of the source; the sample's is made by 'make sample'",
            Weight.WRONG,
        )
