"""GF-1, GF-2, GF-6 and ZY-3 products as CRESDA delivers them: a GeoTIFF, its XML and its .rpb.

Nothing official on these files is at hand: the names of tags were seen in public programs that read
them (AbsCeof in GF-1 and GF-2, AGain in GF-6, with SolarZenith meaning the zenith in some and the
elevation in others). So each value is checked against another before it is used.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from math import cos, pi, radians
from xml.etree.ElementTree import Element
from zoneinfo import ZoneInfo

import shapely
from shapely.geometry import Polygon
from shapely.geometry.base import BaseGeometry

from pipeline.acquire.bands import SensorTable
from pipeline.acquire.disk.product import BandOf, File, How, Product
from pipeline.acquire.disk.sun import sun_distance_au, sun_position
from pipeline.errors import SceneUnusableError
from pipeline.io.archives import Package
from pipeline.io.safexml import number_of, parse_xml, text_of

NAME = re.compile(
    r"(?P<base>(?P<sat>GF[126][BCD]?|ZY3(?:-?0[123])?)_(?P<camera>PMS\d?|WFV\d?|MUX|TMS)"
    r"_[EW]\d+(?:\.\d+)?_[NS]\d+(?:\.\d+)?_(?P<date>\d{8})_(?P<level>L\d[A-Z])\d+)"
    r"(?P<part>(?:-(?:MSS|PAN)\d?|-(?:MUX|NAD|FWD|BWD)|-\d)?)(?P<end>\.\w+|_rpc\.txt)",
    re.I,
)
_COLOUR = re.compile(r"(-MSS\d?|-MUX|-\d)?", re.I)
_SENSORS: Mapping[tuple[str, str], str] = {
    ("GF1", "PMS"): "gf1-pms",
    ("GF1", "WFV"): "gf1-wfv",
    ("GF2", "PMS"): "gf2-pms",
    ("GF6", "PMS"): "gf6-pms",
    ("GF6", "WFV"): "gf6-wfv",
    ("ZY3", "MUX"): "zy3-mux",
    ("ZY3", "TMS"): "zy3-mux",
}
_GAINS = ("AbsCeof", "AGain")
_SUN_FITS_DEG = 3.0
_CORNERS = ("TopLeft", "TopRight", "BottomRight", "BottomLeft")
_AGAIN = "Copy the whole product again, or ask the sender for it again"


def gaofen_products(
    package: Package,
    members: Mapping[str, re.Match[str]],
    tables: Callable[[str], SensorTable],
    zone: str,
) -> list[Product | SceneUnusableError]:
    """Read the metadata of all colour images of one delivery (GF-6 WFV has three).

    Parameters
    ----------
    members
        Members of one product with how ``NAME`` matched them.
    tables
        Gives the band table of a sensor.
    zone
        IANA time zone of the times in the XML.

    Returns
    -------
    list
        Products, or what is wrong with them; panchromatic images are passed over.
    """
    ends = {f"{m['base']}{m['part']}{m['end']}".lower(): name for name, m in members.items()}
    colour = {
        f"{m['base']}{m['part']}": name
        for name, m in members.items()
        if m["end"].lower() in (".tif", ".tiff") and _COLOUR.fullmatch(m["part"])
    }
    out: list[Product | SceneUnusableError] = []
    for stem, image in sorted(colour.items()):
        try:
            out.append(_product(package, (stem, image, members[image]), ends, tables, zone))
        except SceneUnusableError as error:
            out.append(error)
    if not colour:
        base = next(iter(members.values()))["base"]
        out.append(SceneUnusableError(f"{base} holds no colour image (.tiff)", _AGAIN))
    return out


def _product(
    package: Package,
    image: tuple[str, str, re.Match[str]],
    ends: Mapping[str, str],
    tables: Callable[[str], SensorTable],
    zone: str,
) -> Product:
    stem, member, match = image
    sat, camera = match["sat"].upper().replace("-", ""), match["camera"].upper()
    kind = _SENSORS.get((sat[:3], camera[:3]))
    if kind is None:
        raise SceneUnusableError(f"{stem}: no band table for {sat} {camera}")
    sheet = ends.get(f"{stem}.xml".lower()) or ends.get(f"{match['base']}.xml".lower())
    if sheet is None:
        raise SceneUnusableError(f"{stem} lacks its XML", _AGAIN)
    document = parse_xml(package.text(sheet), f"{package.path}/{sheet}")
    _check_identity(document, stem, (sat, camera))
    footprint = _footprint(document, stem)
    acquired = _acquired(document, stem, match["date"], zone)
    zenith, azimuth = _sun(document, stem, acquired, footprint)
    table = tables(kind)
    bands, calibration = _radiance(document, stem, table, (sat, camera))
    factor = pi * sun_distance_au(acquired) ** 2 / cos(radians(zenith))
    beside = (f"{stem}.rpb", f"{stem}_rpc.txt")
    raw = match["level"].upper().startswith("L1")
    return Product(
        id=stem,
        sensor=kind,
        acquired=acquired,
        footprint_wgs84=footprint,
        package=package,
        how=How.ORTHO if raw else How.READ,
        files={
            "image": File(
                member, beside=tuple(ends[b.lower()] for b in beside if b.lower() in ends)
            )
        },
        bands={
            band: BandOf("image", gain * factor / esun, bias * factor / esun)
            for band, (gain, bias, esun) in bands.items()
        },
        gsd_m=min(b.gsd_m for b in table.bands.values()),
        properties={
            "platform": sat.lower(),
            "view:sun_azimuth": round(azimuth, 3),
            "view:sun_elevation": round(90 - zenith, 3),
            "siluan:level": "toa",  # no correction for the atmosphere
            "siluan:calibration": calibration,
        },
    )


def _check_identity(document: Element, stem: str, name: tuple[str, str]) -> None:
    """Refuse an XML that speaks of another satellite or camera than the name."""
    sat = (text_of(document, "SatelliteID") or "").upper().replace("-", "")
    camera = (text_of(document, "SensorID") or "").upper()
    same = "MUX" if name[1] == "TMS" else name[1]
    if sat[:3] != name[0][:3] or camera[: len(same)] not in (same, name[1]):
        raise SceneUnusableError(
            f"{stem}: its XML speaks of '{sat}' '{camera}' (SatelliteID, SensorID)", _AGAIN
        )


def _footprint(document: Element, stem: str) -> BaseGeometry:
    try:
        ring = [
            (
                number_of(text_of(document, f"{c}Longitude")),
                number_of(text_of(document, f"{c}Latitude")),
            )
            for c in _CORNERS
        ]
    except ValueError as error:
        raise SceneUnusableError(f"{stem}: its XML states no four corners", _AGAIN) from error
    return shapely.make_valid(Polygon(ring))


def _acquired(document: Element, stem: str, day: str, zone: str) -> datetime:
    for tag in ("CenterTime", "StartTime"):
        text = text_of(document, tag)
        if text is None:
            continue
        try:
            when = datetime.fromisoformat(text)
        except ValueError as error:
            raise SceneUnusableError(f"{stem}: {tag} '{text}' is no time", _AGAIN) from error
        local = when if when.tzinfo else when.replace(tzinfo=ZoneInfo(zone))
        if day not in (f"{local:%Y%m%d}", f"{local.astimezone(UTC):%Y%m%d}"):
            raise SceneUnusableError(f"{stem}: its XML states another day ({text})", _AGAIN)
        return local.astimezone(UTC).replace(microsecond=0)
    raise SceneUnusableError(f"{stem}: its XML states no CenterTime or StartTime", _AGAIN)


def _sun(
    document: Element, stem: str, acquired: datetime, footprint: BaseGeometry
) -> tuple[float, float]:
    """Zenith and azimuth [degree] by time and place, which the stated angle must bear out."""
    centre = footprint.centroid
    zenith, azimuth = sun_position(acquired, centre.x, centre.y)
    try:
        stated = number_of(text_of(document, "SolarZenith"))
    except ValueError as error:
        what = f"{stem}: its XML states no SolarZenith to check its time against"
        raise SceneUnusableError(what, _AGAIN) from error
    if min(abs(zenith - stated), abs(zenith - (90 - stated))) > _SUN_FITS_DEG:
        raise SceneUnusableError(
            f"{stem}: at {acquired:%Y-%m-%dT%H:%MZ} the sun stood {zenith:.0f} degrees from the "
            f"zenith, and its XML says {stated:.0f}: its times are in another zone",
            "State the zone of the times in its XML as gaofen_zone of the source",
        )
    return zenith, azimuth


def _radiance(
    document: Element, stem: str, table: SensorTable, camera: tuple[str, str]
) -> tuple[dict[str, tuple[float, float, float]], str]:
    """(gain, bias, solar irradiance) by band, and where they come from.

    The gain of the XML wins over the band table, which carries one year's values.
    """
    if table.calibration is None:
        raise SceneUnusableError(
            f"{stem}: its band table {table.name} has no calibration", "Add one in config/sensors"
        )
    known = table.calibration.camera(*camera)
    count = table.calibration.stated_gains or max(b.index for b in table.bands.values())
    stated = _stated_gains(document, stem, count)
    if known is None or any(b not in known.esun for b in table.bands):
        raise SceneUnusableError(
            f"{stem}: config/sensors/{table.name}.yaml has no calibration for {' '.join(camera)}",
            "Add it to that table",
        )
    out: dict[str, tuple[float, float, float]] = {}
    for band, entry in table.bands.items():
        gain = stated[entry.index - 1] if stated else known.gain[band]
        bias = 0.0 if stated else known.bias.get(band, 0.0)
        out[band] = (gain, bias, known.esun[band])
    if stated:
        return out, "gain of the product's XML"
    sure = "" if table.calibration.verified else ", unverified"
    return out, f"gain of config/sensors/{table.name}.yaml{sure}"


def _stated_gains(document: Element, stem: str, bands: int) -> list[float]:
    for tag in _GAINS:
        text = text_of(document, tag) or ""
        parts = [p.strip() for p in text.split(",") if p.strip() and p.strip().upper() != "NULL"]
        if not parts:
            continue
        try:
            gains = [number_of(p) for p in parts]
        except ValueError as error:
            raise SceneUnusableError(f"{stem}: {tag} '{text}' are no numbers", _AGAIN) from error
        if len(gains) != bands or min(gains) <= 0:
            raise SceneUnusableError(
                f"{stem}: {tag} '{text}' does not give {bands} gains, one a band",
                "Correct or remove that line of the XML; then config/sensors serves",
            )
        return gains
    return []
