"""What a source states of its assets, held against its band table and its items."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

from pipeline.acquire.bands import SensorTable, nearest
from pipeline.acquire.source import StacSource
from pipeline.errors import ConfigurationError


def check_asset_keys(source: StacSource, table: SensorTable) -> None:
    """Refuse keys of bands that the band table has not.

    Raises
    ------
    ConfigurationError
        Every such band named.
    """
    unknown = [b for b in source.asset_keys if b not in table.bands]
    if unknown:
        named = ", ".join(f"'{b}'{nearest(b, table.bands)}" for b in unknown)
        raise ConfigurationError(
            f"asset_keys of the source {source.catalogue or source.url} name bands that the band "
            f"table {table.name} has not: {named}",
            f"Bands there: {', '.join(table.bands)}",
        )


def unmet(source: StacSource, items: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Say which asset keys, and which alternate, no item has: the table's and the href are read."""
    held = [_assets(item) for item in items]
    keys = {key for assets in held for key in assets}
    if not keys:
        return
    for band, key in source.asset_keys.items():
        if key not in keys:
            yield (
                f"no item has the asset '{key}' that asset_keys states for {band}: the band "
                "table's keys are read"
            )
    if source.alternate:
        others = {name for assets in held for a in assets.values() for name in _alternates(a)}
        if source.alternate not in others:
            there = f"; there are: {', '.join(sorted(others))}" if others else ""
            yield f"no asset has the alternate '{source.alternate}'{there}: its href is read"


def _assets(item: Mapping[str, Any]) -> dict[str, Any]:
    assets = item.get("assets")
    return cast("dict[str, Any]", assets) if isinstance(assets, dict) else {}


def _alternates(asset: Any) -> list[str]:
    found: Any = asset.get("alternate") if isinstance(asset, dict) else None
    return [str(name) for name in found] if isinstance(found, dict) else []
