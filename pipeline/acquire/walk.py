"""A static catalogue, walked link by link; what of it cannot be read is named."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlparse

from pipeline.acquire.items import joined, plain
from pipeline.acquire.source import Raw, StacSource
from pipeline.errors import ConfigurationError, SceneUnusableError
from pipeline.io.remote import named
from pipeline.model import SetAside

_NOT_THERE = (400, 401, 403, 404, 410)
_SHOWN = 100  # characters of an address that is none
_REMEDY = "Ask the catalogue's keeper to correct it"


def static_items(source: StacSource, url: str) -> Raw:
    """Walk a static catalogue; each document is read once, whatever the links say.

    Raises
    ------
    ConfigurationError
        ``url`` is no catalogue, item or collection of items.
    SourceUnreachableError
        No answer after all retries.
    """
    walk = _Walk()
    queue, seen = [url], {url}
    while queue:
        href = queue.pop(0)
        try:
            document = fetch(source, href)
            targets = walk.read(document, href)
        except SceneUnusableError as error:
            if href == url:
                raise no_catalogue(error) from error
            walk.refuse(href, error.what)
            continue
        for target in targets:
            if target not in seen:
                seen.add(target)
                queue.append(target)
    return Raw(
        tuple(walk.items), set_aside=tuple(walk.aside), incomplete="; ".join(walk.incomplete)
    )


@dataclass
class _Walk:
    """What was met on the way."""

    items: list[tuple[dict[str, Any], str]] = field(
        default_factory=list[tuple[dict[str, Any], str]]
    )
    aside: list[SetAside] = field(default_factory=list[SetAside])
    incomplete: list[str] = field(default_factory=list[str])

    def refuse(self, href: str, why: str) -> None:
        """Set aside what lies, or stands, somewhere."""
        self.aside.append(SetAside(plain(named(href)), "acquire", plain(why), _REMEDY))

    def read(self, document: dict[str, Any], href: str) -> list[str]:
        """Take the items of a document; give what it links to."""
        kind = document.get("type")
        if kind == "Feature":
            self.items.append((document, href))
            return []
        if kind == "FeatureCollection":
            self._collection(document, href)
            return []
        if kind not in ("Catalog", "Collection") and "links" not in document:
            raise SceneUnusableError(f"{named(href)} is no STAC catalogue, item or item collection")
        links = links_of(document)
        stated = document.get("links", [])  # a catalogue of nothing may do without
        if not isinstance(stated, list):
            self.refuse(href, "its links are no list")
        elif len(cast("list[Any]", stated)) > len(links):
            odd = len(cast("list[Any]", stated)) - len(links)
            self.refuse(href, f"{odd} of its links are no links")
        followed = [k for k in links if k.get("rel") in ("child", "item")]
        without = [k for k in followed if not isinstance(k.get("href"), str)]
        if without:
            self.refuse(href, f"{len(without)} of its links lead nowhere (no href)")
        own: list[str] = []
        for stated_href in (k["href"] for k in followed if k not in without):
            try:
                own.append(joined(href, stated_href))
            except ValueError as error:
                said = ascii(stated_href)[:_SHOWN]
                self.refuse(href, f"its link {said} is no address ({error})")
        return [*own, *_unlinked(document, href)]

    def _collection(self, document: dict[str, Any], href: str) -> None:
        """Take the items of a saved search, as programs write them into one file."""
        features: Any = document.get("features")
        if not isinstance(features, list):
            raise SceneUnusableError(f"{named(href)} holds no list of features")
        for number, feature in enumerate(cast("list[Any]", features), 1):
            if isinstance(feature, Mapping):
                item = dict(cast("Mapping[str, Any]", feature))
                self.items.append((item, self_link(item, href)))
            else:
                self.refuse(f"{named(href)}, feature {number}", "it is no feature")
        if any(k.get("rel") == "next" for k in links_of(document)):
            self.incomplete.append(
                f"{plain(named(href))} is one page of a search, and the next ones are not in it"
            )


def links_of(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Give the links of a document that are links."""
    stated: Any = document.get("links")
    listed = cast("list[Any]", stated) if isinstance(stated, list) else []
    return [cast("dict[str, Any]", k) for k in listed if isinstance(k, dict)]


def self_link(item: Mapping[str, Any], url: str) -> str:
    """Give the address against which an item's hrefs are resolved; ``url`` where it says none.

    What it says and is no address is given as it stands: hrefs that need it are refused with it.
    """
    for link in links_of(item):
        if link.get("rel") == "self" and isinstance(link.get("href"), str):
            try:
                return joined(url, link["href"])
            except ValueError:
                return str(link["href"])
    return url


def _unlinked(document: dict[str, Any], href: str) -> list[str]:
    """Items of a local collection that its links forget: folders with an item of their name."""
    if urlparse(href).scheme or document.get("type") != "Collection":
        return []
    if any(k.get("rel") == "item" for k in links_of(document)):
        return []
    return [str(p) for p in sorted(Path(href).parent.glob("*/*.json")) if p.stem == p.parent.name]


def fetch(source: StacSource, href: str) -> dict[str, Any]:
    """Read a document.

    Raises
    ------
    SceneUnusableError
        It is not there, or no JSON object.
    SourceUnreachableError
        No answer after all retries.
    """
    if urlparse(href).scheme not in ("http", "https"):
        try:
            return _document(href, Path(href).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise SceneUnusableError(f"{named(href)} cannot be read ({error})") from error
    return _fetched(source, href)


def _fetched(source: StacSource, href: str) -> dict[str, Any]:
    # pystac-client and what it brings: a catalogue on disk does without.
    from pystac_client.exceptions import APIError  # noqa: PLC0415
    from requests.exceptions import RequestException  # noqa: PLC0415

    from pipeline.acquire.api import api_io, unreachable  # noqa: PLC0415

    io = api_io(source)
    try:
        return _document(href, io.read_text(href))
    except (RequestException, APIError) as error:
        status = getattr(error, "status_code", None)
        if status in _NOT_THERE:
            # The server is well and says no: asking again does not help.
            raise SceneUnusableError(f"{named(href)} answers {status}") from error
        raise unreachable(named(href), error) from None
    finally:
        io.session.close()


def _document(href: str, text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise SceneUnusableError(f"{named(href)} is not JSON ({error})") from error
    except RecursionError as error:
        raise SceneUnusableError(f"{named(href)} is JSON nested too deeply") from error
    if not isinstance(found, dict):
        raise SceneUnusableError(f"{named(href)} holds no JSON object")
    return cast("dict[str, Any]", found)


def no_catalogue(error: SceneUnusableError) -> ConfigurationError:
    """Say that the source's own address is wrong."""
    return ConfigurationError(error.what, "Check the source's url: a STAC catalogue is expected")
