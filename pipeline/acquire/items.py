"""One STAC item, checked, as a scene; what is wrong with it is said by name."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote, urljoin, urlparse

from shapely.errors import ShapelyError
from shapely.geometry import shape

from pipeline.access import Access
from pipeline.acquire.bands import REQUIRED, SensorTable
from pipeline.errors import SceneUnusableError
from pipeline.io.remote import named
from pipeline.model import Asset, Scene

_FLAG_PREFIXES = ("earthsearch", "sentinel")
# Control characters, what ends a line or a paragraph, and halves of a character.
_CONTROL = ("Cc", "Zl", "Zp", "Cs")
# Written by our own cataloguing of a disk; they reach Scene.properties without the prefix.
_OWN = tuple(f"siluan:{k}" for k in ("level", "calibration", "uncalibrated", "date_range"))


@dataclass(frozen=True)
class Reach:
    """How the assets of a catalogue are found and read."""

    keys: Mapping[str, str] = field(default_factory=dict[str, str])  # asset key by band
    alternate: str | None = None  # which alternate href to read, for example "https"
    access: Access | None = None


def plain(text: str) -> str:
    """Give a catalogue's text with ``_`` for what would move a terminal's cursor or end a line."""
    return "".join("_" if unicodedata.category(c) in _CONTROL else c for c in text)


def joined(base: str, href: str) -> str:
    """Give an address or path resolved against another.

    Raises
    ------
    ValueError
        Nothing can lie there: brackets or a port that are none, a NUL, half a character.
    """
    found = urljoin(base, href)
    _ = urlparse(found).port
    found.encode()
    if "\0" in found:
        raise ValueError("it holds a NUL")
    return found


def item_name(item: Mapping[str, Any], base: str) -> str:
    """Give what an item is called where it is spoken of: its id, or where it lies."""
    return plain(str(item.get("id") or named(base)))


def scene_from_item(
    item: Mapping[str, Any], base: str, table: SensorTable, reach: Reach | None = None
) -> Scene:
    """Check one item.

    Parameters
    ----------
    item
        STAC 1.0 or 1.1 item as JSON.
    base
        URL or absolute path of the item, against which its hrefs are resolved.
    table
        Band table of its sensor.
    reach
        How its catalogue is read; default: as the item says, nothing signed.

    Raises
    ------
    SceneUnusableError
        No datetime, no geometry, a missing or odd band: all of its faults in one sentence.
    """
    properties = _mapping(item.get("properties"))
    faults: list[str] = []
    if not item.get("id"):
        faults.append("it has no id")
    acquired = _instant(properties.get("datetime"), faults)
    footprint = None
    try:
        footprint = shape(item["geometry"])
        if footprint.is_empty:
            faults.append("its geometry is empty")
    except (KeyError, TypeError, AttributeError, ValueError, ShapelyError):
        faults.append("it has no usable geometry")
    uncalibrated = properties.get("siluan:uncalibrated") is True
    needed = () if uncalibrated else REQUIRED
    assets, notes = _assets((item, base), table, reach or Reach(), faults, needed)
    if faults or acquired is None or footprint is None:
        raise SceneUnusableError(
            f"{item_name(item, base)}: {plain('; '.join(faults))}",
            "Ask the catalogue's keeper to correct the item",
        )
    return Scene(
        id=item_name(item, base),
        sensor=table.name,
        # One catalogue writes Sentinel-2A, another sentinel-2a.
        platform=plain(str(properties.get("platform") or "")).lower(),
        acquired=acquired,
        footprint_wgs84=footprint,
        assets=assets,
        tile=_tile(properties),
        datatake=_first(properties, ("s2:datatake_id", "eopf:datatake_id")),
        baseline=_baseline(properties),
        sun_azimuth_deg=_number(properties.get("view:sun_azimuth")),
        sun_elevation_deg=_number(properties.get("view:sun_elevation")),
        cloud_share=_share(properties.get("eo:cloud_cover")),
        properties={
            **{
                k: properties[k]
                for k in ("s2:generation_time", "updated", "created")
                if k in properties
            },
            **{k.removeprefix("siluan:"): properties[k] for k in _OWN if k in properties},
            "radiometry": notes,
        },
    )


def _instant(value: object, faults: list[str]) -> datetime | None:
    if not isinstance(value, str):
        faults.append("it has no datetime")
        return None
    try:
        when = datetime.fromisoformat(value)
    except ValueError:
        faults.append(f"its datetime '{value}' is no RFC 3339 time")
        return None
    if when.tzinfo is None:
        faults.append(f"its datetime '{value}' has no time zone")
        return None
    return when.astimezone(UTC)


def _first(properties: Mapping[str, Any], keys: tuple[str, ...]) -> str:
    return next((str(properties[k]) for k in keys if properties.get(k)), "")


def _assets(
    place: tuple[Mapping[str, Any], str],
    table: SensorTable,
    reach: Reach,
    faults: list[str],
    required: tuple[str, ...] = REQUIRED,
) -> tuple[dict[str, Asset], str]:
    item, base = place
    raw = {k: v for k, v in _mapping(item.get("assets")).items() if _mapping(v).get("href")}
    found: dict[str, Asset] = {}
    missing: list[str] = []
    notes: set[str] = set()
    for band in table.bands:
        key = reach.keys.get(band)
        key = key if key in raw else table.find(raw, band)
        if key is None:
            missing.append(band)
            continue
        try:
            href = _href(_preferred(raw[key], reach.alternate), base)
            scheme = urlparse(href).scheme
        except ValueError as error:
            faults.append(f"its asset '{key}' lies at no address ({error})")
            continue
        if scheme not in ("http", "https", "s3", ""):
            faults.append(f"its asset '{key}' lies at {scheme}://, which is not read")
            continue
        scale, offset, note = radiometry(item, raw[key], table, band)
        notes.add(note)
        asset = table.asset(band, href, scale, offset)
        found[band] = replace(asset, access=reach.access)
    lacking = [b for b in missing if b in required]
    if lacking:
        faults.append(f"it lacks the asset(s) for {', '.join(lacking)}")
    return found, "; ".join(sorted(notes - {""}))


def _preferred(asset: Mapping[str, Any], alternate: str | None) -> str:
    """Give an asset's href, or that of the wanted alternate (alternate assets extension)."""
    other = _mapping(_mapping(asset.get("alternate")).get(alternate or "")).get("href")
    return str(other or asset["href"])


def radiometry(
    item: Mapping[str, Any], asset: Mapping[str, Any], table: SensorTable, band: str
) -> tuple[float, float, str]:
    """Scale and offset of an asset, and a note where the catalogue contradicts itself.

    What the band says wins over what the asset says (``bands`` and asset fields of STAC 1.1,
    ``raster:bands`` of 1.0), and either over the band table.

    Earth Search writes ``earthsearch:boa_offset_applied`` (``sentinel:`` in its older items) where
    it took the offset off the pixels already, and still writes the offset beside them; then the
    flag wins, as its keepers say (github.com/Element84/earth-search/issues/9). The flag itself is
    wrong in other items (issues/66 and issues/71 there): the dark-target check of prepare has the
    last word.
    """
    properties = _mapping(item.get("properties"))
    entry = table.bands[band]
    scale = entry.scale if entry.scale is not None else table.scale
    offset = entry.offset
    if offset is None:
        offset = table.default_offset(_baseline(properties))
    described = _description(asset, entry.index)
    said, stated = described.get("scale"), described.get("offset")
    if said is not None and said > 0:
        scale = said
    if stated is not None:
        offset = stated
    elif said is not None:
        offset = 0.0
    applied = any(properties.get(f"{p}:boa_offset_applied") is True for p in _FLAG_PREFIXES)
    if applied and offset != 0.0:
        return scale, 0.0, "an offset is stated although it was applied; taken as applied"
    return scale, offset, ""


def _description(asset: Mapping[str, Any], index: int) -> dict[str, float]:
    """Scale and offset as an asset states them; the band's own entry wins over the asset's."""
    entries: Any = asset.get("raster:bands") or asset.get("bands")
    listed: list[Any] = entries if isinstance(entries, list) else []
    band = _mapping(listed[min(index, len(listed)) - 1]) if listed else {}
    out: dict[str, float] = {}
    for name in ("scale", "offset"):
        for place, key in ((band, name), (band, f"raster:{name}"), (asset, f"raster:{name}")):
            value = _number(place.get(key))
            if value is not None:
                out[name] = value
                break
    return out


def _baseline(properties: Mapping[str, Any]) -> str:
    """Give the processing baseline ("05.09"), by its own name or the processing extension's."""
    for key in ("s2:processing_baseline", "processing:version"):
        value = str(properties.get(key) or "")
        if re.fullmatch(r"\d\d\.\d\d", value):
            return value
    return str(properties.get("s2:processing_baseline") or "")


def _mapping(value: object) -> dict[str, Any]:
    return {str(k): v for k, v in value.items()} if isinstance(value, Mapping) else {}


def _href(href: str, base: str) -> str:
    if urlparse(href).scheme in ("http", "https", "s3", "gs"):
        return joined("", href)
    if href.startswith("file://"):
        return joined("", unquote(urlparse(href).path))
    return joined(base, href)


def _tile(properties: Mapping[str, Any]) -> str:
    code = properties.get("grid:code")
    if code:
        return str(code)
    if "landsat:wrs_path" in properties:
        return f"{properties['landsat:wrs_path']}/{properties.get('landsat:wrs_row')}"
    zone = properties.get("mgrs:utm_zone")
    if zone is None:
        square = str(properties.get("s2:mgrs_tile") or "")
        return f"MGRS-{square}" if square else ""
    return f"MGRS-{zone}{properties.get('mgrs:latitude_band')}{properties.get('mgrs:grid_square')}"


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _share(value: object) -> float | None:
    number = _number(value)
    return None if number is None else number / 100
