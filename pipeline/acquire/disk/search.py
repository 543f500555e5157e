"""Scenes from a disk: survey, make ready, catalogue, search."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import shapely
from shapely.geometry import mapping
from shapely.geometry.base import BaseGeometry

from pipeline.acquire.bands import SensorTable
from pipeline.acquire.disk.product import Product
from pipeline.acquire.disk.shelf import (
    Place,
    Shelf,
    check_readable,
    check_terrain,
    finish,
    hrefs,
    jobs_of,
    make_files,
    needs_work,
    place,
)
from pipeline.acquire.disk.source import DiskSource
from pipeline.acquire.disk.survey import Survey, survey_disk
from pipeline.acquire.disk.trial import Trial, making_of, try_one
from pipeline.acquire.folder import write_catalogue
from pipeline.acquire.source import Making
from pipeline.acquire.stac import Found, StacSource, Wanted, search_stac
from pipeline.errors import SceneUnusableError
from pipeline.grid import reproject
from pipeline.io.atomic import write_bytes
from pipeline.io.corridors import utm_crs
from pipeline.io.tasks import Progress, map_tiles
from pipeline.model import SetAside

log = logging.getLogger("siluan")

_MARGIN_M = 1000.0  # beyond what is kept around a corridor: registration and interpolation look out
_NAMED = 10  # files named in one line


def around(corridor_wgs84: BaseGeometry, context_m: float) -> BaseGeometry:
    """Give the ground (WGS 84) of which imagery is made ready for a corridor."""
    crs = utm_crs(corridor_wgs84)
    grown = reproject(corridor_wgs84, "EPSG:4326", crs).buffer(context_m + _MARGIN_M)
    return reproject(grown, crs, "EPSG:4326")


def _some(paths: Sequence[str]) -> str:
    """Give the names of the first few."""
    more = ", ..." if len(paths) > _NAMED else ""
    return ", ".join(Path(p).name for p in paths[:_NAMED]) + more


def _listings(base: Path) -> Path:
    return base / "disk" / "listings"


def keep_listings(catalogues: Path, state: Path) -> None:
    """Keep what a dry search has listed, so that the real one after it need not read it again.

    Parameters
    ----------
    catalogues
        Where the dry search wrote its catalogues.
    state
        The workflow's state folder.
    """
    for listing in _listings(catalogues).glob("*.json"):
        write_bytes(_listings(state) / listing.name, listing.read_bytes())


@dataclass(frozen=True)
class Desk:
    """Where a search works."""

    state: Path  # the workflow's state folder
    catalogues: Path  # where items are written
    dry: bool  # touch nothing but ``catalogues``
    workers: int
    progress: Progress | None
    trials: bool = False  # of a dry search: find out what making products ready costs


@dataclass(frozen=True)
class Disk:
    """One disk during one run; surveyed once, whatever the number of corridors.

    Parameters
    ----------
    tables
        Gives the band table of a sensor by its name.
    corridors_wgs84
        All corridors of the workflow.
    context_m
        Ground kept around a corridor [m].
    """

    source: DiskSource
    tables: Callable[[str], SensorTable]
    corridors_wgs84: tuple[BaseGeometry, ...]
    context_m: float
    desk: Desk

    @cached_property
    def shelf(self) -> Shelf:
        """Where products are made ready, and for which ground."""
        return Shelf(
            self.desk.state / "disk" / "products",
            shapely.union_all([around(c, self.context_m) for c in self.corridors_wgs84]),
            self.source.dem,
        )

    @cached_property
    def survey(self) -> Survey:
        """What lies on the disk."""
        base = self.desk.catalogues if self.desk.dry else self.desk.state
        known = (_listings(self.desk.state),) if self.desk.dry else ()
        area = self.shelf.area_wgs84
        return survey_disk(self.source, self.tables, area, _listings(base), known)

    @cached_property
    def trials(self) -> list[Trial]:
        """Products that were made ready on trial."""
        return []

    def _notes(self) -> tuple[str, ...]:
        """Name what is no product known here, and what nobody looked into."""
        survey = self.survey
        kinds = (
            (survey.unknown, "file(s) are no product known here", ""),
            (
                *(survey.packed, "archive(s) of a kind that is not opened here"),
                "; where they hold imagery, unpack them, or pack them as .zip or .tar.gz",
            ),
            (
                *(survey.links, "symbolic link(s) are not followed"),
                "; where they lead to imagery, put it there itself, or name its folder as a source",
            ),
        )
        return tuple(
            f"{self.source.path}: {len(found)} {what}: {_some(found)}{remedy}"
            for found, what, remedy in kinds
            if found
        )

    def search(self, wanted: Wanted) -> Found:
        """Give the scenes of one corridor and period, ready to be read.

        Raises
        ------
        ConfigurationError
            No such folder; a band table, a date layer or the terrain that cannot be used.
        DiskFullError
            What was made ready before is kept.
        """
        survey = self.survey
        here = [p for p in survey.products if p.footprint_wgs84.intersects(wanted.area_wgs84)]
        # Nothing on the disk at all is no sign that the corridor lies elsewhere.
        elsewhere = bool(survey.products) and not here
        due = [p for p in here if wanted.start <= p.acquired <= wanted.end]
        places: dict[str, Place] = {}
        refused: dict[str, SceneUnusableError] = {}
        for product in due:
            try:
                places[product.id] = place(self.shelf, product, wanted.area_wgs84)
                files = hrefs(product, places[product.id])  # opens what lies unpacked
                check_terrain(self.shelf, product, files)
            except SceneUnusableError as error:
                refused[product.id] = error
        due = [p for p in due if p.id not in refused]
        aside = set(survey.set_aside)
        for left, why in (
            (survey.unknown, "no product that is known here"),
            (survey.packed, "an archive of a kind that is not opened here"),
            (survey.links, "a symbolic link, which is not followed"),
        ):
            aside.update(SetAside(Path(path).name, "acquire", why) for path in left)
        making: tuple[Making, ...] = ()
        if self.desk.dry:
            making = self._making([p for p in due if needs_work(p, places[p.id])], places)
        else:
            refused |= self._make_ready(due, places)
        aside.update(
            SetAside(i, "acquire", e.what.removeprefix(f"{i} "), e.remedy)
            for i, e in refused.items()
        )
        items = [self._item(p, places[p.id]) for p in due if p.id not in refused]
        scenes, catalogue_aside = self._catalogued(items, wanted)
        return Found(
            tuple(scenes),
            tuple(sorted({*aside, *catalogue_aside})),
            elsewhere,
            self._notes(),
            making=making,
        )

    def _making(self, todo: Sequence[Product], places: dict[str, Place]) -> tuple[Making, ...]:
        """Say what would be made ready; with trials ``places`` name what was made on trial."""
        out: list[Making] = []
        for sensor in sorted({p.sensor for p in todo}):
            own = [p for p in todo if p.sensor == sensor]
            trial = self._trial(own, places) if self.desk.trials else None
            out += [making_of(p, places[p.id], trial) for p in own]
            if trial is not None:
                places[trial.product.id] = trial.place
        return tuple(out)

    def _trial(self, own: Sequence[Product], places: dict[str, Place]) -> Trial | None:
        """Give a trial of one of these products, made for another corridor or now."""
        for trial in self.trials:
            known = places.get(trial.product.id) if trial.product in own else None
            if known is not None and known.crs == trial.place.crs:
                return trial
        trial = try_one(self.shelf, own, places, self.desk.catalogues)
        if trial is not None:
            self.trials.append(trial)
        return trial

    def _make_ready(
        self, due: Sequence[Product], places: dict[str, Place]
    ) -> dict[str, SceneUnusableError]:
        """Make what has to be made; give what went wrong by product."""
        todo = [p for p in due if needs_work(p, places[p.id])]
        if todo:
            log.info("%s: %d product(s) to make ready, once", self.source.path, len(todo))
        refused = self._work(todo, places)
        for product in todo:
            if product.id not in refused:
                finish(product, places[product.id])
                log.info("%s is ready", product.id)
        for product in due:
            if product.id not in refused:
                try:
                    check_readable(hrefs(product, places[product.id]))
                except SceneUnusableError as error:
                    refused[product.id] = error
        return refused

    def _work(
        self, todo: Sequence[Product], places: dict[str, Place]
    ) -> dict[str, SceneUnusableError]:
        """Make files, several at once."""

        def one(job: tuple[Product, tuple[str, ...]]) -> SceneUnusableError | None:
            product, keys = job
            try:
                make_files(self.shelf, product, keys, places[product.id])
            except SceneUnusableError as error:
                return error
            return None

        jobs = [(p, keys) for p in todo for keys in jobs_of(p)]
        results = map_tiles(one, jobs, self.desk.workers, self.desk.progress, "reading the disk")
        refused: dict[str, SceneUnusableError] = {}
        for (product, _), error in zip(jobs, results, strict=True):
            if error is not None:
                refused.setdefault(product.id, error)
        return refused

    def _item(self, product: Product, at: Place) -> dict[str, Any]:
        files = hrefs(product, at)
        table = self.tables(product.sensor)
        assets: dict[str, Any] = {}
        for band, of in product.bands.items():
            asset: dict[str, Any] = {"href": str(files[of.file]), "roles": ["data"]}
            if of.scale is not None:
                one = {"scale": of.scale, "offset": of.offset}
                asset["raster:bands"] = [one] * table.bands[band].index
            assets[band] = asset
        shape = product.footprint_wgs84
        return {
            "type": "Feature",
            "stac_version": "1.0.0",
            "id": product.id,
            "collection": product.sensor,
            "geometry": mapping(shape),
            "bbox": list(shape.bounds),
            "properties": {
                "datetime": f"{product.acquired:%Y-%m-%dT%H:%M:%SZ}",
                **{k: v for k, v in product.properties.items() if v is not None},
            },
            "assets": assets,
            "links": [],
        }

    def _catalogued(
        self, items: list[dict[str, Any]], wanted: Wanted
    ) -> tuple[list[Any], set[Any]]:
        """Write static items and search them as any catalogue, sensor by sensor."""
        zone = utm_crs(wanted.area_wgs84).split(":")[-1]
        mark = hashlib.sha256(self.source.path.encode()).hexdigest()[:12]
        root = self.desk.catalogues / f"disk-{mark}-{zone}"
        path = write_catalogue(root, items, "A disk of products, catalogued")
        scenes: list[Any] = []
        aside: set[Any] = set()
        for sensor in sorted({str(i["collection"]) for i in items}):
            asked = StacSource(url=str(path), sensor=sensor, collections=(sensor,))
            found = search_stac(asked, self.tables(sensor), wanted)
            scenes.extend(found.scenes)
            aside.update(found.set_aside)
        return scenes, aside
