"""The catalogues that an office knows by name: ``config/catalogues/NAME.yaml``."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from pipeline.access import Access, without_secrets
from pipeline.acquire.source import StacSource, Supports
from pipeline.errors import ConfigurationError
from pipeline.io.settings import load_model

_STRICT = ConfigDict(frozen=True, extra="forbid")


class CollectionEntry(BaseModel):
    """A collection and how it is read."""

    model_config = _STRICT

    sensor: str = Field(description="band table in config/sensors")
    assets: dict[str, str] = Field(
        default={}, description="asset key by band, where it differs from the band table's"
    )


class CatalogueEntry(BaseModel):
    """One file of ``config/catalogues``."""

    model_config = _STRICT

    title: str
    source: str = Field(description="where what stands here comes from, and what was not tried")
    url: Annotated[str, AfterValidator(without_secrets)] = Field(
        description="address of the STAC API"
    )
    page_size: int = Field(default=100, ge=1, le=1000, description="items a page")
    supports: Supports = Supports()
    collections: dict[str, CollectionEntry] = Field(min_length=1)
    alternate: str | None = Field(
        default=None, description="which alternate href of an asset to read, for example https"
    )
    access: Access = Access()


def load_catalogue(folder: Path, name: str) -> CatalogueEntry:
    """Read ``folder/name.yaml``.

    Raises
    ------
    ConfigurationError
        No such entry (those there are named), or it does not fit.
    """
    path = folder / f"{name}.yaml"
    if not path.is_file():
        known = sorted(p.stem for p in folder.glob("*.yaml"))
        near = difflib.get_close_matches(name, known, n=1)
        hint = f" (did you mean '{near[0]}'?)" if near else ""
        raise ConfigurationError(
            f"{folder} holds no catalogue '{name}'{hint}",
            f"Entries there: {', '.join(known) or 'none'}; or give the source a url",
        )
    return load_model(path, CatalogueEntry)


def resolve(source: StacSource, folder: Path) -> tuple[StacSource, ...]:
    """Fill in what the entry of a source says; what the workflow says itself wins.

    Collections that are read differently become a source each.

    Raises
    ------
    ConfigurationError
        No such entry; a collection that it does not have, or none named.
    """
    if source.catalogue is None:
        return (source,)
    entry = load_catalogue(folder, source.catalogue)
    known = ", ".join(entry.collections)
    unknown = [c for c in source.collections if c not in entry.collections]
    if unknown or not source.collections:
        what = f"has no collection {', '.join(unknown)}" if unknown else "needs 'collections'"
        raise ConfigurationError(
            f"the catalogue '{source.catalogue}' {what}", f"Known there: {known}"
        )
    groups: dict[tuple[str, tuple[tuple[str, str], ...]], list[str]] = {}
    for name in source.collections:
        found = entry.collections[name]
        key = (source.sensor or found.sensor, tuple((found.assets | source.asset_keys).items()))
        groups.setdefault(key, []).append(name)
    return tuple(
        _filled(source, entry, sensor, dict(keys), names)
        for (sensor, keys), names in groups.items()
    )


def _filled(
    source: StacSource,
    entry: CatalogueEntry,
    sensor: str,
    keys: dict[str, str],
    names: list[str],
) -> StacSource:
    update = {"sensor": sensor, "asset_keys": keys, "collections": tuple(names)}
    for field in ("url", "page_size", "supports", "alternate", "access"):
        if field not in source.model_fields_set:
            update[field] = getattr(entry, field)
    return source.model_copy(update=update)
