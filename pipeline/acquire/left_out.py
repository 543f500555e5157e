"""What collections and filter of a source take away, counted: a misspelt name takes everything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from pipeline.acquire.items import item_name
from pipeline.acquire.source import StacSource
from pipeline.errors import ConfigurationError
from pipeline.model import SetAside

_NAMED = 8  # collections named in one line


class LeftOut:
    """The items of one search that its source does not ask for, by reason."""

    def __init__(self, source: StacSource) -> None:
        self._source, self._narrow = source, source.narrow
        self._items = self._judged = 0
        self._collections: Counter[str] = Counter()
        self._filtered = 0
        self._lacking: Counter[str] = Counter()
        self._odd: list[tuple[str, ConfigurationError]] = []

    def why(self, item: Mapping[str, Any], base: str) -> str:
        """Say what takes an item away: "collections", "filter", "odd"; "" if it stays."""
        self._items += 1
        collection = item.get("collection")
        self._collections[str(collection or "no collection")] += 1
        if self._source.collections and collection not in self._source.collections:
            return "collections"
        try:
            fits = self._narrow.fits(item)
        except ConfigurationError as error:
            self._odd.append((item_name(item, base), error))
            return "odd"
        self._judged += 1
        if fits:
            return ""
        self._filtered += 1
        self._lacking.update(self._narrow.lacking(item))
        return "filter"

    def set_aside(self) -> list[SetAside]:
        """Name items of which the filter cannot be judged.

        Raises
        ------
        ConfigurationError
            It can be judged of no item: the filter is wrong, and not the items.
        """
        if self._odd and not self._judged:
            raise self._odd[0][1]
        remedy = "Ask the catalogue's keeper to correct the item"
        return [SetAside(name, "acquire", error.what, remedy) for name, error in self._odd]

    def wrong(self) -> Iterator[str]:
        """Say what may be misspelt: collections without items, properties that items lack."""
        wanted = [c for c in self._source.collections if c not in self._collections]
        if wanted and self._items:
            there = ", ".join(sorted(self._collections)[:_NAMED])
            yield f"no item is of the collection(s) {', '.join(wanted)}; there are: {there}"
        for name, number in sorted(self._lacking.items()):
            yield (
                f"{number} of {self._items} items have no {name}, which the filter asks for, "
                "and are left out"
            )

    def lacked(self) -> Iterator[str]:
        """Say the same of properties without numbers, which differ from corridor to corridor."""
        for name in sorted(self._lacking):
            yield f"items have no {name}, which the filter asks for, and are left out"

    def all_of(self) -> tuple[str, ...]:
        """Say all that was taken away, for where nothing is left."""
        here = self._source.collections
        others = sum(n for c, n in self._collections.items() if here and c not in here)
        out = [f"{others} of {self._items} items are of other collections"] if others else []
        if self._filtered:
            out.append(f"{self._filtered} of {self._items} items do not meet the filter")
        return tuple(out)
