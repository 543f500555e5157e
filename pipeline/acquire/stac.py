"""Scenes from a STAC API, or from a static catalogue walked link by link.

Servers lie: results are filtered again here, a ``next`` link that repeats ends the search, and an
item that comes twice counts once.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, cast
from urllib.parse import urljoin, urlparse

import pystac_client
from pydantic import BaseModel, ConfigDict, Field
from pystac.errors import STACError
from pystac_client import ConformanceClasses
from pystac_client.errors import ClientTypeError
from pystac_client.exceptions import APIError
from pystac_client.stac_api_io import StacApiIO
from requests.exceptions import RequestException
from shapely.geometry import box, mapping
from shapely.geometry.base import BaseGeometry
from urllib3 import Retry

from pipeline.acquire.bands import SensorTable
from pipeline.acquire.items import scene_from_item
from pipeline.acquire.local_api import serve
from pipeline.errors import ConfigurationError, SceneUnusableError, SourceUnreachableError
from pipeline.model import Scene, SetAside

log = logging.getLogger(__name__)

_ALWAYS = (datetime(1970, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))
_NOT_THERE = (400, 401, 403, 404, 410)


class StacSource(BaseModel):
    """A catalogue."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: Literal["stac"] = "stac"
    url: str = Field(
        description="STAC API or static catalogue: http(s) URL or path of catalog.json"
    )
    sensor: str = Field(description="band table in config/sensors")
    collections: tuple[str, ...] = Field(default=(), description="default: all")
    query: dict[str, Any] | None = Field(default=None, description="STAC query extension")
    local_api: bool = Field(
        default=False, description="serve a static catalogue by siluan's own STAC API and ask that"
    )
    page_size: int = Field(default=100, ge=1, le=1000, description="items a page")
    max_items: int = Field(default=20_000, ge=1, description="more items are an error in the query")
    retries: int = Field(default=4, ge=0, le=10, description="tries after 429, 500, 502, 503, 504")

    def anchored(self, base: Path) -> StacSource:
        """Give the source with a relative path made absolute."""
        if urlparse(self.url).scheme in ("http", "https"):
            return self
        return self.model_copy(update={"url": str((base / self.url).resolve())})


@dataclass(frozen=True)
class Wanted:
    """What a search is for."""

    area_wgs84: BaseGeometry
    start: datetime  # UTC
    end: datetime  # UTC, included


@dataclass(frozen=True)
class Found:
    """What a source has: scenes by time, and what was set aside by name."""

    scenes: tuple[Scene, ...]
    set_aside: tuple[SetAside, ...]
    elsewhere: bool = False  # no scene here at any time, but there are scenes in other places


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
        No such catalogue file; more items than ``max_items``.
    """
    remote = urlparse(source.url).scheme in ("http", "https")
    if not remote and not Path(source.url).is_file():
        raise ConfigurationError(
            f"the catalogue {source.url} does not exist",
            "Check the url of the source; the sample's is made by 'make sample'",
        )
    if source.local_api:
        keep = stack if stack is not None else ExitStack()
        url = keep.enter_context(serve(Path(source.url)))
        return _api_found(source, url, table, wanted)
    if remote and _is_api(source):
        return _api_found(source, source.url, table, wanted)
    return _checked(source, list(_static_items(source, source.url)), table, wanted)


def _api_found(source: StacSource, url: str, table: SensorTable, wanted: Wanted) -> Found:
    found = _checked(source, list(_api_items(source, url, wanted)), table, wanted)
    if found.scenes or found.set_aside:
        return found
    # Nothing here: is there nothing in this period, or does the corridor lie elsewhere?
    one = source.model_copy(update={"page_size": 1})
    here = Wanted(wanted.area_wgs84, *_ALWAYS)
    if next(_api_items(one, url, here), None) is not None:
        return Found((), ())
    world = Wanted(box(-180, -90, 180, 90), *_ALWAYS)
    return Found((), (), elsewhere=next(_api_items(one, url, world), None) is not None)


def _checked(
    source: StacSource, items: list[tuple[dict[str, Any], str]], table: SensorTable, wanted: Wanted
) -> Found:
    scenes: dict[str, Scene] = {}
    aside: set[SetAside] = set()
    anywhere = touching = False
    for item, base in items:
        if source.collections and item.get("collection") not in source.collections:
            continue
        try:
            scene = scene_from_item(item, base, table)
        except SceneUnusableError as error:
            name = str(item.get("id") or base)
            aside.add(SetAside(name, "acquire", error.what.removeprefix(f"{name}: "), error.remedy))
            continue
        inside = wanted.start <= scene.acquired <= wanted.end
        here = scene.footprint_wgs84.intersects(wanted.area_wgs84)
        if inside and here:
            scenes.setdefault(scene.id, scene)
        anywhere, touching = True, touching or here
    ordered = sorted(scenes.values(), key=lambda s: (s.acquired, s.id))
    return Found(tuple(ordered), tuple(sorted(aside)), anywhere and not touching)


def _io(source: StacSource) -> StacApiIO:
    retry = Retry(
        total=source.retries,
        backoff_factor=0.3,
        status_forcelist=(429, 500, 502, 503, 504),
        allowed_methods=None,
        respect_retry_after_header=True,
    )
    return StacApiIO(max_retries=retry, timeout=30)


def _is_api(source: StacSource) -> bool:
    """Tell an API from a static catalogue by its landing page."""
    try:
        landing = _fetch(source, source.url)
    except SceneUnusableError as error:
        raise _no_catalogue(error) from error
    links = landing.get("links") or []
    return bool(landing.get("conformsTo")) or any(k.get("rel") == "search" for k in links)


def _fetch(source: StacSource, href: str) -> dict[str, Any]:
    if urlparse(href).scheme not in ("http", "https"):
        try:
            return _document(href, Path(href).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise SceneUnusableError(f"{href} cannot be read ({error})") from error
    io = _io(source)
    try:
        return _document(href, io.read_text(href))
    except (RequestException, APIError) as error:
        status = getattr(error, "status_code", None)
        if status in _NOT_THERE:
            # The server is well and says no: asking again does not help.
            raise SceneUnusableError(f"{href} answers {status}") from error
        raise _unreachable(href, error) from error
    finally:
        io.session.close()


def _document(href: str, text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise SceneUnusableError(f"{href} is not JSON ({error})") from error
    if not isinstance(found, dict):
        raise SceneUnusableError(f"{href} holds no JSON object")
    return cast("dict[str, Any]", found)


def _api_items(
    source: StacSource, url: str, wanted: Wanted
) -> Iterator[tuple[dict[str, Any], str]]:
    """Items of a search; follows ``next`` until it is absent, guarded against loops."""
    io = _io(source)
    try:
        client = pystac_client.Client.open(url, stac_io=io)
        if source.query and not client.conforms_to(ConformanceClasses.QUERY):
            what = f"{source.url} has no STAC query extension and would ignore 'query'"
            raise ConfigurationError(what, "Leave 'query' out of the source")
        search = client.search(
            collections=list(source.collections) or None,
            intersects=mapping(wanted.area_wgs84.envelope),
            datetime=(wanted.start.astimezone(UTC), wanted.end.astimezone(UTC)),
            query=source.query,
            limit=source.page_size,
        )
        count, pages = 0, set[tuple[str, ...]]()
        for page in search.pages_as_dicts():
            ids = tuple(str(f.get("id")) for f in page.get("features", []))
            if not ids:
                return
            if ids in pages:
                log.warning("%s repeats a page of results: the search ends here", url)
                return
            pages.add(ids)
            for feature in page["features"]:
                count += 1
                if count > source.max_items:
                    raise ConfigurationError(
                        f"{source.url} has more than {source.max_items} items for this search",
                        "Narrow the period, the corridors or the query, or raise max_items",
                    )
                yield feature, _self_link(feature, url)
    except (RequestException, APIError) as error:
        raise _unreachable(source.url, error) from error
    except (ValueError, AttributeError, TypeError, STACError, ClientTypeError) as error:
        # A page of a login portal, a proxy's own words: an answer, but none of a STAC API.
        what = f"{source.url} answers, but not as a STAC API ({type(error).__name__})"
        remedy = "Check the address and any proxy in between, and run again"
        raise SourceUnreachableError(what, remedy) from error
    finally:
        io.session.close()


def _self_link(feature: dict[str, Any], url: str) -> str:
    for link in feature.get("links", []):
        if link.get("rel") == "self":
            return urljoin(url, str(link["href"]))
    return url


def _static_items(source: StacSource, url: str) -> Iterator[tuple[dict[str, Any], str]]:
    """Walk a static catalogue; each document is read once, whatever the links say."""
    queue, seen = [url], {url}
    while queue:
        href = queue.pop(0)
        try:
            document = _fetch(source, href)
        except SceneUnusableError as error:
            if href == url:
                raise _no_catalogue(error) from error
            yield {"id": href}, href  # an item without anything: it is set aside by name
            continue
        if document.get("type") == "Feature":
            yield document, href
            continue
        for link in document.get("links", []):
            if link.get("rel") not in ("child", "item"):
                continue
            target = urljoin(href, str(link["href"]))
            if target not in seen:
                seen.add(target)
                queue.append(target)
        queue.extend(_unlinked(document, href, seen))


def _unlinked(document: dict[str, Any], href: str, seen: set[str]) -> list[str]:
    """Items of a local collection that its links forget: folders with an item of their name."""
    if urlparse(href).scheme or document.get("type") != "Collection":
        return []
    if any(k.get("rel") == "item" for k in document.get("links", [])):
        return []
    found = [str(p) for p in sorted(Path(href).parent.glob("*/*.json")) if p.stem == p.parent.name]
    fresh = [f for f in found if f not in seen]
    seen.update(fresh)
    return fresh


def _no_catalogue(error: SceneUnusableError) -> ConfigurationError:
    return ConfigurationError(error.what, "Check the source's url: a STAC catalogue is expected")


def _unreachable(url: str, error: Exception) -> SourceUnreachableError:
    text = " ".join(str(error).split())[:200]
    return SourceUnreachableError(
        f"the catalogue {url} does not answer ({type(error).__name__}: {text})",
        "Check the address and the network, and run again; what was read before is kept",
    )
