"""Landsat 8/9 Collection 2 level 2 as USGS delivers it: GeoTIFFs and an MTL file.

Source: USGS Landsat 8-9 Collection 2 Level 2 Science Product Guide (names, scale, QA_PIXEL bits)
and Landsat Collection 2 metadata (MTL as text, JSON or XML with the same groups and keys).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast
from xml.etree.ElementTree import Element

from shapely.geometry import Polygon

from pipeline.acquire.disk.product import BandOf, File, How, Product
from pipeline.errors import SceneUnusableError
from pipeline.io.archives import Package
from pipeline.io.safexml import local_name, number_of, parse_xml

SENSOR = "landsat-c2-l2"
NAME = re.compile(r"(?P<id>L[A-Z]\d\d_L\w{3}_\d{6}_\d{8}_\d{8}_\d\d_(?:T1|T2|RT))_\w+\.\w+", re.I)

_BANDS: Mapping[str, str] = {
    "blue": "SR_B2",
    "green": "SR_B3",
    "red": "SR_B4",
    "nir": "SR_B5",
    "swir16": "SR_B6",
    "swir22": "SR_B7",
    "scl": "QA_PIXEL",
}
_AGAIN = "Copy the whole product again, or ask the sender for it again"
_CORNERS = ("UL", "UR", "LR", "LL")


def landsat_product(package: Package, name: str, members: Mapping[str, str]) -> Product:
    """Read the metadata of one product.

    Parameters
    ----------
    name
        Product id, such as LC08_L2SP_123041_20240105_20240113_02_T1.
    members
        Member by what follows the id in its name, upper case ("_SR_B2.TIF").

    Raises
    ------
    SceneUnusableError
        Another satellite, level or collection; a band or the MTL missing: all faults named.
    """
    if not re.match(r"LC0[89]_", name):
        raise SceneUnusableError(
            f"{name} is no Landsat 8 or 9 product, whose bands alone are known here",
            "Take it off the disk, or ask for Landsat 8/9 Collection 2 level 2",
        )
    if name[5:7] != "L2" or "_02_" not in name[20:]:
        raise SceneUnusableError(
            f"{name} is not Collection 2 level 2 surface reflectance",
            "Ask for Collection 2 level 2 (L2SP or L2SR) of the same scene",
        )
    lacking = [f"{name}_{key}.TIF" for key in _BANDS.values() if f"_{key}.TIF" not in members]
    if lacking:
        raise SceneUnusableError(f"{name} is incomplete: {', '.join(lacking)} missing", _AGAIN)
    said = _mtl(package, name, members)
    return Product(
        id=name,
        sensor=SENSOR,
        acquired=_acquired(said, name),
        footprint_wgs84=_footprint(said, name),
        package=package,
        how=How.READ,
        files={band: File(members[f"_{key}.TIF"]) for band, key in _BANDS.items()},
        bands={band: _band(band, key, said, name) for band, key in _BANDS.items()},
        gsd_m=30.0,
        properties=_properties(said, name),
    )


def _mtl(package: Package, name: str, members: Mapping[str, str]) -> dict[str, str]:
    """All keys of the MTL, flat; JSON, XML or text, whichever is there."""
    for suffix, read in (
        ("_MTL.JSON", _from_json),
        ("_MTL.XML", _from_xml),
        ("_MTL.TXT", _from_text),
    ):
        member = members.get(suffix)
        if member is not None:
            found = read(package.text(member), f"{package.path}/{member}")
            stated = found.get("LANDSAT_PRODUCT_ID", name)
            if stated != name:
                raise SceneUnusableError(f"{member} describes {stated} and not {name}", _AGAIN)
            return found
    raise SceneUnusableError(f"{name} lacks its MTL (.json, .xml or .txt)", _AGAIN)


def _from_json(data: bytes, where: str) -> dict[str, str]:
    out: dict[str, str] = {}

    def walk(node: Any) -> None:
        for key, value in cast("dict[str, Any]", node).items():
            if isinstance(value, dict):
                walk(value)
            else:
                out.setdefault(str(key), str(value))

    try:
        walk(json.loads(data))
    except (ValueError, AttributeError, RecursionError) as error:
        raise SceneUnusableError(f"{where} is not readable JSON ({error})", _AGAIN) from error
    return out


def _from_xml(data: bytes, where: str) -> dict[str, str]:
    out: dict[str, str] = {}
    for element in parse_xml(data, where).iter():
        if not len(element):
            out.setdefault(_tag(element), (element.text or "").strip())
    return out


def _tag(element: Element) -> str:
    return local_name(element)


def _from_text(data: bytes, where: str) -> dict[str, str]:
    out: dict[str, str] = {}
    for line in data.decode("ascii", "replace").splitlines():
        key, equals, value = (part.strip() for part in line.partition("="))
        if equals and key not in ("GROUP", "END_GROUP"):
            out.setdefault(key, value.strip('"'))
    if not out:
        raise SceneUnusableError(f"{where} holds no keys", _AGAIN)
    return out


def _value(said: Mapping[str, str], key: str, name: str) -> str:
    if key not in said:
        raise SceneUnusableError(f"the MTL of {name} does not state {key}", _AGAIN)
    return said[key]


def _number(said: Mapping[str, str], key: str, name: str) -> float:
    text = _value(said, key, name)
    try:
        return number_of(text)
    except ValueError as error:
        raise SceneUnusableError(f"{key} of {name} is no number ('{text}')", _AGAIN) from error


def _band(band: str, key: str, said: Mapping[str, str], name: str) -> BandOf:
    if band == "scl":
        return BandOf(band, None, None)
    number = key.removeprefix("SR_B")
    return BandOf(
        band,
        _number(said, f"REFLECTANCE_MULT_BAND_{number}", name),
        _number(said, f"REFLECTANCE_ADD_BAND_{number}", name),
    )


def _acquired(said: Mapping[str, str], name: str) -> datetime:
    day, clock = _value(said, "DATE_ACQUIRED", name), _value(said, "SCENE_CENTER_TIME", name)
    # Seven decimals, and the Z of UTC: microseconds are enough.
    match = re.fullmatch(r"(\d\d:\d\d:\d\d)(\.\d{1,6})?\d*Z", clock)
    try:
        if match is None:
            raise ValueError(clock)
        return datetime.fromisoformat(f"{day}T{match[1]}{(match[2] or '.0').ljust(7, '0')}+00:00")
    except ValueError as error:
        raise SceneUnusableError(
            f"{name} was taken at '{day} {clock}', which is no time in UTC", _AGAIN
        ) from error


def _footprint(said: Mapping[str, str], name: str) -> Polygon:
    """Corners of the file; its margins hold no data, which reading tells."""
    return Polygon(
        [
            (
                _number(said, f"CORNER_{c}_LON_PRODUCT", name),
                _number(said, f"CORNER_{c}_LAT_PRODUCT", name),
            )
            for c in _CORNERS
        ]
    )


def _properties(said: Mapping[str, str], name: str) -> dict[str, object]:
    made = name.split("_")[4]
    return {
        "platform": _value(said, "SPACECRAFT_ID", name).lower().replace("_", "-"),
        "landsat:wrs_path": _value(said, "WRS_PATH", name),
        "landsat:wrs_row": _value(said, "WRS_ROW", name),
        "updated": f"{made[:4]}-{made[4:6]}-{made[6:]}T00:00:00Z",
        "view:sun_azimuth": _number(said, "SUN_AZIMUTH", name),
        "view:sun_elevation": _number(said, "SUN_ELEVATION", name),
        "eo:cloud_cover": max(_number(said, "CLOUD_COVER", name), 0.0),
    }
