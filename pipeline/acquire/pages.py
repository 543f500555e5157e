"""Pages of a search, followed with a guard.

Seen on real servers: a ``next`` link that leads to the page it stands on, a page without items in
the middle of a result, an item that comes on two pages, a last page that is not the last.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, cast
from urllib.parse import urljoin

from pystac import Link
from pystac_client import ItemSearch
from pystac_client.stac_api_io import StacApiIO

from pipeline.acquire.source import StacSource
from pipeline.errors import ConfigurationError, SourceUnreachableError

_BARREN = 50  # pages in a row without a new item after which a server is not believed
_DIGITS = 12  # of a count: no catalogue has more items


class Pages:
    """Follows ``next`` until it is absent; ends where a server leads in a circle."""

    def __init__(self, source: StacSource) -> None:
        self._source = source
        self._ids: set[tuple[str, str]] = set()
        self._requests: set[str] = set()
        self._contents: set[tuple[str, ...]] = set()
        self._barren = 0
        self._came = self._twice = 0
        self.notes: list[str] = []
        self.incomplete = ""

    def walk(self, io: StacApiIO, search: ItemSearch) -> Iterator[dict[str, Any]]:
        """Give each item once."""
        parameters = search.get_parameters()
        where = search.url
        page = io.read_json(where, method=search.method, parameters=parameters)
        while True:
            features = list(page["features"])
            # A page may come again under another address: then its content gives it away.
            content = tuple(str(f.get("id")) for f in features)
            if content and content in self._contents:
                self._circle(page)
                break
            self._contents.add(content)
            yield from self._fresh(features)
            following = next((k for k in page.get("links", []) if k.get("rel") == "next"), None)
            if following is None:
                self._ended(page)
                break
            where = urljoin(where, following["href"])  # it may be relative to its page
            following = {**following, "href": where}
            if not self._is_new(following):
                self._circle(page)
                break
            page = io.read_json(Link.from_dict(following), parameters=parameters)
        if self._twice:
            self.notes.append(
                f"{self._source.url} gave {self._twice} item(s) twice: each counts once"
            )

    def _fresh(self, features: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        before = len(self._ids)
        self._came += len(features)
        for feature in features:
            key = (str(feature.get("collection")), str(feature.get("id")))
            if key in self._ids and feature.get("id"):
                self._twice += 1
                continue
            self._ids.add(key)
            if len(self._ids) > self._source.max_items:
                raise ConfigurationError(
                    f"{self._source.url} has more than {self._source.max_items} items "
                    "for this search",
                    "Narrow the period, the corridors or the query, or raise max_items",
                )
            yield feature
        self._barren = 0 if len(self._ids) > before else self._barren + 1
        if self._barren > _BARREN:
            raise SourceUnreachableError(
                f"{self._source.url} sends page after page without a new item",
                "Tell the catalogue's keeper, or use another catalogue",
            )

    def _is_new(self, link: dict[str, Any]) -> bool:
        mark = json.dumps(
            [link.get("method", "GET"), link["href"], link.get("body")], sort_keys=True
        )
        fresh = mark not in self._requests
        self._requests.add(mark)
        return fresh

    def _ended(self, page: dict[str, Any]) -> None:
        """Hold what came against the number that the server says: some stop at their limit.

        Others estimate that number, or count before they filter: only a page that is full shows
        that a server stopped.
        """
        matched = _matched(page)
        # With what came twice: some count it twice.
        if matched is None or self._came >= matched:
            return
        said = f"{self._source.url} says that {matched} items match, gives {self._came} and no next"
        if len(page["features"]) >= _limit(page, self._source.page_size):
            self.incomplete = f"{said} page after a full one: others are missing"
        else:
            self.notes.append(f"{said} page: its number may be an estimate")

    def _circle(self, page: dict[str, Any]) -> None:
        """Say what a circle costs: after the last item nothing, otherwise items may be missing."""
        matched = _matched(page)
        if matched is not None and len(self._ids) >= matched:
            self.notes.append(f"{self._source.url} leads in a circle after its last page")
            return
        of = f" of {matched}" if matched is not None else ""
        self.incomplete = (
            f"{self._source.url} leads in a circle after {len(self._ids)}{of} items: "
            "others may be missing"
        )


def _matched(page: dict[str, Any]) -> int | None:
    """Give how many items a server says there are, by OGC API or the older context extension."""
    return _number(page.get("numberMatched", _context(page).get("matched")))


def _limit(page: dict[str, Any], asked: int) -> int:
    """Give the items of a full page: as many as were asked for, or the server's own, fewer."""
    own = _number(_context(page).get("limit"))
    return min(asked, own) if own else asked


def _context(page: dict[str, Any]) -> dict[str, Any]:
    found: Any = page.get("context")
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}


def _number(said: object) -> int | None:
    """Give a count; some servers write it as text."""
    if isinstance(said, str) and said.isascii() and said.isdigit() and len(said) <= _DIGITS:
        return int(said)
    return said if isinstance(said, int) and not isinstance(said, bool) else None
