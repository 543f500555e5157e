"""Scenes from a STAC API, or from a static catalogue walked link by link.

Servers lie: results are filtered again here, by collection, place, time and condition, and what a
server got wrong is noted once.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlparse

from shapely.geometry import box

from pipeline.acquire.bands import SensorTable
from pipeline.acquire.items import Reach, item_name, scene_from_item
from pipeline.acquire.left_out import LeftOut
from pipeline.acquire.source import Found, Raw, StacSource, Wanted
from pipeline.acquire.unmet import check_asset_keys, unmet
from pipeline.acquire.walk import fetch, links_of, no_catalogue, static_items
from pipeline.errors import ConfigurationError, SceneUnusableError, SiluanError
from pipeline.model import Scene, SetAside

__all__ = ["Found", "StacSource", "Wanted", "search_stac"]

_ALWAYS = (datetime(1970, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))


def search_stac(
    source: StacSource, table: SensorTable, wanted: Wanted, stack: ExitStack | None = None
) -> Found:
    """Search a catalogue.

    Parameters
    ----------
    stack
        Where a local API is kept open for the reads that follow; without it assets of a catalogue
        with ``local_api`` cannot be read after the search.

    Raises
    ------
    SourceUnreachableError
        No answer after all retries.
    ConfigurationError
        No such catalogue file; more items than ``max_items``; a secret that is not set; asset
        keys of bands that the table has not.
    """
    check_asset_keys(source, table)
    unset = source.access.unset_variables()
    if unset:
        raise ConfigurationError(
            f"{source.url} needs environment variable(s) that are not set: {', '.join(unset)}",
            "Set them for the account that runs siluan (docs/catalogues.md)",
        )
    remote = urlparse(source.url).scheme in ("http", "https")
    if not remote and not Path(source.url).is_file():
        raise ConfigurationError(
            f"the catalogue {source.url} does not exist",
            "Check the url of the source; the sample's is made by 'make sample'",
        )
    if source.local_api:
        from pipeline.acquire.local_api import serve  # noqa: PLC0415 - a web server, rarely needed

        keep = stack if stack is not None else ExitStack()
        url = keep.enter_context(serve(Path(source.url)))
        return _api_found(source, url, table, wanted)
    if remote and _is_api(source):
        return _api_found(source, source.url, table, wanted)
    return _checked(source, static_items(source, source.url), table, wanted)


def _api_found(source: StacSource, url: str, table: SensorTable, wanted: Wanted) -> Found:
    from pipeline.acquire.api import api_items  # noqa: PLC0415 - slow to import

    raw = api_items(source, url, wanted)
    found = _checked(source, raw, table, wanted)
    if raw.items:
        return replace(found, elsewhere=False)
    # Nothing here: is there nothing in this period, or does the corridor lie elsewhere?
    if _any(source, url, Wanted(wanted.area_wgs84, *_ALWAYS)):
        narrowed = bool(source.narrow) and _any(source, url, wanted)
        return replace(found, left_out=("items are there, and none meets the filter",) * narrowed)
    everywhere = Wanted(box(-180, -90, 180, 90), *_ALWAYS)
    if _any(source, url, everywhere):
        return replace(found, elsewhere=True)
    if source.collections and _without_collections(source, url, everywhere):
        said = f"no item is of the collection(s) {', '.join(source.collections)}"
        return replace(found, left_out=(said,))
    return found


def _without_collections(source: StacSource, url: str, wanted: Wanted) -> bool:
    """Tell whether other collections have items: asked once, for a sentence.

    Servers may want ``collections``, or search all of them for too long: nothing is said then.
    """
    every = source.model_copy(update={"collections": (), "retries": 0})
    try:
        return _any(every, url, wanted)
    except SiluanError:
        return False


def _any(source: StacSource, url: str, wanted: Wanted) -> bool:
    from pipeline.acquire.api import api_items  # noqa: PLC0415 - slow to import

    one = source.model_copy(update={"page_size": 1, "query": None, "filter": None})
    return bool(api_items(one, url, wanted, only=1).items)


def _checked(source: StacSource, raw: Raw, table: SensorTable, wanted: Wanted) -> Found:
    scenes: list[Scene] = []  # an id may stand in several collections: acquire/passes tells
    aside = set(raw.set_aside)
    beside: list[datetime] = []
    untouched: set[str] = set()
    anywhere = touching = False
    ignored, left = _Ignored(source, raw), LeftOut(source)
    envelope = wanted.area_wgs84.envelope
    for scene in _read(source, raw, table, (ignored, left), aside):
        inside = wanted.start <= scene.acquired <= wanted.end
        here = scene.footprint_wgs84.intersects(wanted.area_wgs84)
        if inside and here:
            scenes.append(scene)
        elif not inside:
            ignored.count("period")
            if here:
                beside.append(scene.acquired)
        elif not scene.footprint_wgs84.intersects(envelope):
            ignored.count("area")
        if not here:
            untouched.add(scene.id)
        anywhere, touching = True, touching or here
    ordered = sorted(scenes, key=lambda s: (s.acquired, s.id))
    aside.update(left.set_aside())
    states = unmet(source, (item for item, _ in raw.items))
    said = left.lacked() if raw.asked else left.wrong()  # an API is asked for one corridor
    notes = (*raw.notes, *ignored.notes(), *(f"{source.url}: {s}" for s in (*said, *states)))
    elsewhere = anywhere and not touching
    found = Found(
        *(tuple(ordered), tuple(sorted(aside)), elsewhere, notes, raw.incomplete),
        left_out=(*left.all_of(), *left.wrong()),
    )
    if raw.asked:  # what a server gives beside the question is not all that it has
        return found
    return replace(found, out_of_period=tuple(sorted(beside)), untouched=frozenset(untouched))


def _read(
    source: StacSource,
    raw: Raw,
    table: SensorTable,
    counts: tuple[_Ignored, LeftOut],
    aside: set[SetAside],
) -> Iterator[Scene]:
    """Give the scenes of the items that were asked for; the others are counted, or set aside."""
    ignored, left = counts
    reach = Reach(source.asset_keys, source.alternate, source.access)
    for item, base in raw.items:
        why = left.why(item, base)
        if why:
            ignored.count(why)
            continue
        try:
            yield scene_from_item(item, base, table, reach)
        except SceneUnusableError as error:
            name = item_name(item, base)
            aside.add(SetAside(name, "acquire", error.what.removeprefix(f"{name}: "), error.remedy))


class _Ignored:
    """What a server was asked for and did not heed."""

    def __init__(self, source: StacSource, raw: Raw) -> None:
        self._url = source.url
        self._asked = {"filter"} if raw.sent else set[str]()
        self._asked |= {"collections", "period", "area"} if raw.asked else set()
        self._kinds: set[str] = set()

    def count(self, kind: str) -> None:
        if kind in self._asked:
            self._kinds.add(kind)

    def notes(self) -> tuple[str, ...]:
        return tuple(
            f"{self._url} ignores the {kind} it was asked for: it was applied here"
            for kind in sorted(self._kinds)
        )


def _is_api(source: StacSource) -> bool:
    """Tell an API from a static catalogue by its landing page."""
    try:
        landing = fetch(source, source.url)
    except SceneUnusableError as error:
        raise no_catalogue(error) from error
    searched = any(k.get("rel") == "search" for k in links_of(landing))
    # A page of items links to its search as well.
    return bool(landing.get("conformsTo")) or (searched and "features" not in landing)
