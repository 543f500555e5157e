"""One STAC item, checked, as a scene; what is wrong with it is said by name."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urljoin, urlparse

from shapely.errors import ShapelyError
from shapely.geometry import shape

from pipeline.acquire.bands import SensorTable
from pipeline.errors import SceneUnusableError
from pipeline.model import Asset, Scene

_REQUIRED = ("green", "red", "nir")


def scene_from_item(item: Mapping[str, Any], base: str, table: SensorTable) -> Scene:
    """Check one item.

    Parameters
    ----------
    item
        STAC 1.0 or 1.1 item as JSON.
    base
        URL or absolute path of the item, against which its hrefs are resolved.
    table
        Band table of its sensor.

    Raises
    ------
    SceneUnusableError
        No datetime, no geometry, a missing or odd band: all of its faults in one sentence.
    """
    properties: dict[str, Any] = dict(item.get("properties") or {})
    faults: list[str] = []
    acquired = _instant(properties.get("datetime"), faults)
    footprint = None
    try:
        footprint = shape(item["geometry"])
    except (KeyError, TypeError, AttributeError, ValueError, ShapelyError):
        faults.append("it has no usable geometry")
    assets, notes = _assets(item, base, table, faults)
    if faults or acquired is None or footprint is None:
        raise SceneUnusableError(
            f"{item.get('id', 'an item without id')}: {'; '.join(faults)}",
            "Ask the catalogue's keeper to correct the item",
        )
    return Scene(
        id=str(item["id"]),
        sensor=table.name,
        platform=str(properties.get("platform") or ""),
        acquired=acquired,
        footprint_wgs84=footprint,
        assets=assets,
        tile=_tile(properties),
        datatake=str(properties.get("s2:datatake_id") or ""),
        baseline=str(properties.get("s2:processing_baseline") or ""),
        sun_azimuth_deg=_number(properties.get("view:sun_azimuth")),
        sun_elevation_deg=_number(properties.get("view:sun_elevation")),
        cloud_share=_share(properties.get("eo:cloud_cover")),
        properties={
            **{
                k: properties[k]
                for k in ("s2:generation_time", "updated", "created")
                if k in properties
            },
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


def _assets(
    item: Mapping[str, Any], base: str, table: SensorTable, faults: list[str]
) -> tuple[dict[str, Asset], str]:
    raw: dict[str, Any] = dict(item.get("assets") or {})
    found: dict[str, Asset] = {}
    missing: list[str] = []
    notes: set[str] = set()
    for band in table.bands:
        key = table.find(raw, band)
        if key is None:
            missing.append(band)
            continue
        href = _href(str(raw[key].get("href", "")), base)
        scheme = urlparse(href).scheme
        if scheme not in ("http", "https", ""):
            faults.append(f"its asset '{key}' lies at {scheme}://, which is not read yet")
            continue
        scale, offset, note = radiometry(item, raw[key], table, band)
        notes.add(note)
        found[band] = table.asset(band, href, scale, offset)
    lacking = [b for b in missing if b in _REQUIRED]
    if lacking:
        faults.append(f"it lacks the asset(s) for {', '.join(lacking)}")
    return found, "; ".join(sorted(notes - {""}))


def radiometry(
    item: Mapping[str, Any], asset: Mapping[str, Any], table: SensorTable, band: str
) -> tuple[float, float, str]:
    """Scale and offset of an asset, and a note where the catalogue contradicts itself.

    Earth Search writes ``earthsearch:boa_offset_applied`` where it took the offset off the pixels
    already, and still writes the offset beside them; then the flag wins. Either may be wrong: the
    dark-target check of prepare has the last word.
    """
    properties: Mapping[str, Any] = item.get("properties") or {}
    baseline = str(properties.get("s2:processing_baseline") or "")
    entry = table.bands[band]
    scale = entry.scale if entry.scale is not None else table.scale
    offset = entry.offset if entry.offset is not None else table.default_offset(baseline)
    described = asset.get("raster:bands") or asset.get("bands") or [{}]
    first: Mapping[str, Any] = described[min(entry.index, len(described)) - 1]
    said = _number(first.get("scale", first.get("raster:scale")))
    if said is not None and said > 0:
        scale = said
    stated = _number(first.get("offset", first.get("raster:offset")))
    if stated is not None:
        offset = stated
    elif said is not None:
        offset = 0.0
    if properties.get("earthsearch:boa_offset_applied") is True and offset != 0.0:
        return scale, 0.0, "an offset is stated although it was applied; taken as applied"
    return scale, offset, ""


def _href(href: str, base: str) -> str:
    if urlparse(href).scheme in ("http", "https", "s3", "gs"):
        return href
    if href.startswith("file://"):
        return urlparse(href).path
    return urljoin(base, href)


def _tile(properties: Mapping[str, Any]) -> str:
    code = properties.get("grid:code")
    if code:
        return str(code)
    if "landsat:wrs_path" in properties:
        return f"{properties['landsat:wrs_path']}/{properties.get('landsat:wrs_row')}"
    zone = properties.get("mgrs:utm_zone")
    if zone is None:
        return ""
    return f"MGRS-{zone}{properties.get('mgrs:latitude_band')}{properties.get('mgrs:grid_square')}"


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _share(value: object) -> float | None:
    number = _number(value)
    return None if number is None else number / 100
