"""A drop examined from its listing to its checksums, before anything is written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from shapely.geometry import MultiPoint
from shapely.geometry.base import BaseGeometry

from pipeline.acquire.inbox.checks import Sheets, check_parts, extent_wgs84
from pipeline.acquire.inbox.drop import Drop, check_names
from pipeline.acquire.inbox.form import FlightForm, read_form
from pipeline.acquire.inbox.photos import Photo, read_photos
from pipeline.acquire.inbox.pixels import BandPlan, plan_bands
from pipeline.acquire.inbox.reasons import Fault, SubmissionRefusedError, refuse_all
from pipeline.acquire.inbox.recognise import Parts, form_name, recognise
from pipeline.acquire.inbox.shelf import Source

T = TypeVar("T")


@dataclass(frozen=True)
class Examined:
    """A drop that can be taken in, as far as headers say."""

    drop: Drop
    form: FlightForm
    form_file: str
    parts: Parts
    sheets: Sheets | None  # None: photos only
    plan: BandPlan | None
    photos: tuple[Photo, ...]  # of a drop without a mosaic
    sources: tuple[Source, ...]
    answered_by: str = ""  # who of the office answers for what it supersedes
    withdraws_surface: bool = False  # what it supersedes has one, and it has none

    @property
    def assets(self) -> frozenset[str]:
        """Names of what it will hold, as in the item of a flight."""
        if self.sheets is None:
            return frozenset({"photos"})
        return frozenset({"ortho"} if self.sheets.dsm is None else {"ortho", "dsm"})

    @property
    def id(self) -> str:
        """Made of the time of the flight and of all bytes: the same drop has the same."""
        content = sorted((s.role, s.sha256) for s in self.sources)
        mark = hashlib.sha256(json.dumps(content).encode()).hexdigest()[:8]
        return f"{self.form.flown_utc:%Y%m%dT%H%MZ}-{mark}"

    @property
    def mosaic_sums(self) -> frozenset[str]:
        """SHA-256 of the files of the mosaic, or of the photos."""
        return frozenset(s.sha256 for s in self.sources if s.role in ("mosaic", "photo"))


def examine(drop: Drop, now: datetime) -> Examined:
    """Read the form and the headers, check them, and take checksums of what is used.

    Parameters
    ----------
    now : datetime
        Aware; nothing was flown later.

    Raises
    ------
    SubmissionRefusedError
        All that is wrong with the form and with the files, as far as one can be read without the
        other.
    """
    faults: list[Fault] = []
    found = _attempt(faults, lambda: _form(drop, now))
    form = found[1] if found else None
    parts = _attempt(faults, lambda: recognise(drop, form.files if form else None))
    refuse_all(faults)
    assert found is not None
    assert parts is not None
    name, form = found
    if not parts.mosaic:
        photos = read_photos(drop, parts.photos, form.photo_zone, now)
        sources = _sources(drop, [(n, "photo") for n in parts.photos], name)
        return Examined(drop, form, name, parts, None, None, photos, sources)
    sheets = check_parts(parts, form)
    plan = plan_bands(sheets.mosaic, form.bands)
    roles = [(h.name, "mosaic") for h in parts.mosaic] + [(h.name, "dsm") for h in parts.dsm]
    return Examined(drop, form, name, parts, sheets, plan, (), _sources(drop, roles, name))


def _form(drop: Drop, now: datetime) -> tuple[str, FlightForm]:
    name = form_name(drop)
    check_names([name])
    return name, read_form(drop.path(name), now)


def _attempt(faults: list[Fault], work: Callable[[], T]) -> T | None:
    try:
        return work()
    except SubmissionRefusedError as error:
        faults.extend(error.faults)
        return None


def _sources(drop: Drop, roles: Sequence[tuple[str, str]], form: str) -> tuple[Source, ...]:
    return tuple(source_of(drop, n, role) for n, role in [*roles, (form, "form")])


def source_of(drop: Drop, name: str, role: str) -> Source:
    """Take the checksum of a file."""
    with drop.path(name).open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return Source(name, role, drop.files[name], digest)


def extent(examined: Examined) -> BaseGeometry:
    """Frame of the mosaic, lon/lat, before its pixels are read; or the places of photos."""
    if examined.sheets is None:
        return MultiPoint([(p.lon, p.lat) for p in examined.photos])
    return extent_wgs84(examined.sheets.mosaic)
