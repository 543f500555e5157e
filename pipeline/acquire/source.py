"""A catalogue as a workflow names it, what is asked of it, and what it has."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlparse

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from shapely.geometry.base import BaseGeometry

from pipeline.access import Access, without_secrets
from pipeline.acquire.narrow import Narrow
from pipeline.model import Scene, SetAside


class Supports(BaseModel):
    """What a server is trusted with; what it does not do is done here."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    query: bool = Field(default=True, description="send 'query' where the server declares it")
    filter: bool = Field(default=True, description="send 'filter' where the server declares it")


class StacSource(BaseModel):
    """A catalogue: an entry of config/catalogues by name, or a url."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: Literal["stac"] = "stac"
    catalogue: str | None = Field(default=None, description="an entry of config/catalogues")
    url: str = Field(
        default="",
        description="STAC API or static catalogue: http(s) URL or path of catalog.json",
    )
    sensor: str = Field(
        default="", description="band table in config/sensors; default: the entry's"
    )
    collections: tuple[str, ...] = Field(default=(), description="default: all")
    query: dict[str, Any] | None = Field(default=None, description="STAC query extension")
    filter: str | dict[str, Any] | None = Field(
        default=None, description="CQL2, as text or as JSON; always applied again here"
    )
    local_api: bool = Field(
        default=False, description="serve a static catalogue by siluan's own STAC API and ask that"
    )
    page_size: int = Field(default=100, ge=1, le=1000, description="items a page")
    max_items: int = Field(default=20_000, ge=1, description="more items are an error in the query")
    retries: int = Field(default=4, ge=0, le=10, description="tries after 429, 500, 502, 503, 504")
    asset_keys: dict[str, str] = Field(
        default={}, description="asset key by band, where it differs from the band table's"
    )
    alternate: str | None = Field(
        default=None, description="which alternate href of an asset to read, for example https"
    )
    supports: Supports = Supports()
    access: Access = Access()

    @field_validator("url")
    @classmethod
    def _no_secret(cls, value: str) -> str:
        return without_secrets(value) if "://" in value else value

    @field_validator("filter")
    @classmethod
    def _readable(cls, value: Any) -> Any:
        Narrow.of(None, value)
        return value

    @field_validator("query")
    @classmethod
    def _known_operators(cls, value: Any) -> Any:
        Narrow.of(value, None)
        return value

    @model_validator(mode="after")
    def _one_place(self) -> StacSource:
        if not self.catalogue and not self.url:
            raise ValueError("a stac source needs a catalogue (an entry's name) or a url")
        if not self.catalogue and not self.sensor:
            raise ValueError("missing key 'sensor' (a band table of config/sensors)")
        return self

    @property
    def narrow(self) -> Narrow:
        """``query`` and ``filter`` as one condition."""
        return Narrow.of(self.query, self.filter)

    def anchored(self, base: Path) -> StacSource:
        """Give the source with a relative path made absolute."""
        if not self.url or urlparse(self.url).scheme in ("http", "https"):
            return self
        return self.model_copy(update={"url": str((base / self.url).resolve())})


@dataclass(frozen=True)
class Wanted:
    """What a search is for."""

    area_wgs84: BaseGeometry
    start: datetime  # UTC
    end: datetime  # UTC, included


@dataclass(frozen=True, slots=True, order=True)
class Making:
    """A product that has to be made ready before it can be read, and what that costs."""

    key: str  # the same for the same work, whichever corridor asks for it
    product: str
    image_bytes: int  # of its images as they lie there, unpacked
    kept_bytes: float | None = None  # in the state folder; None: not known
    seconds: float | None = None  # with one thread; None: not known


@dataclass(frozen=True)
class Found:
    """What a source has: scenes by time, and what was set aside by name."""

    scenes: tuple[Scene, ...]
    set_aside: tuple[SetAside, ...]
    elsewhere: bool = False  # no scene here at any time, but there are scenes in other places
    notes: tuple[str, ...] = ()  # what the server does wrong, to be said once
    incomplete: str = ""  # why items may be missing; "" if all came
    making: tuple[Making, ...] = ()  # of a dry search: what a real one makes ready first
    left_out: tuple[str, ...] = ()  # what collections and filter took away, in words
    # Of a catalogue that is walked whole:
    out_of_period: tuple[datetime, ...] = ()  # when scenes here were taken, by time
    untouched: frozenset[str] = frozenset()  # ids of scenes that lie in other places


@dataclass(frozen=True)
class Raw:
    """Items as they came, each with the address against which its hrefs are resolved."""

    items: tuple[tuple[dict[str, Any], str], ...]
    sent: bool = False  # query and filter went along
    asked: bool = False  # area, period and collections went along
    notes: tuple[str, ...] = ()
    incomplete: str = ""
    set_aside: tuple[SetAside, ...] = ()  # what could not be read on the way
