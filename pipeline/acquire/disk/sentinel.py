"""Sentinel-2 level 2A in SAFE format.

Source of names and meanings: ESA Sentinel-2 Products Specification Document (S2-PDGS-TAS-DI-PSD),
level-2A user product and tile metadata; manifest.safe of the SAFE format.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from xml.etree.ElementTree import Element

import shapely
from shapely.geometry import Polygon, box
from shapely.geometry.base import BaseGeometry

from pipeline.acquire.disk.product import BandOf, File, How, Product
from pipeline.errors import SceneUnusableError
from pipeline.grid import reproject
from pipeline.io.archives import Package
from pipeline.io.safexml import local_name, number_of, parse_xml, text_of

SENSOR = "sentinel-2-l2a"
NAME = re.compile(r"S2[A-D]_MSI(?P<level>L1C|L2A)_\d{8}T\d{6}_N\d{4}_R\d{3}_T\w{5}_\d{8}T\d{6}")

# Common name → (file suffix, number of the band in BOA_ADD_OFFSET, ground sample distance [m]).
_BANDS: Mapping[str, tuple[str, int | None, float]] = {
    "blue": ("B02_10m", 1, 10.0),
    "green": ("B03_10m", 2, 10.0),
    "red": ("B04_10m", 3, 10.0),
    "nir": ("B08_10m", 7, 10.0),
    "nir08": ("B8A_20m", 8, 20.0),
    "swir16": ("B11_20m", 11, 20.0),
    "swir22": ("B12_20m", 12, 20.0),
    "scl": ("SCL_20m", None, 20.0),
}
_OFFSET_SINCE = "04.00"
_ORBIT = timedelta(minutes=100)  # one round: a name says when its datatake began, a part of one
_AGAIN = "Copy the whole product again, or ask the sender for it again"
_L1C = "Ask for level 2A of the same scene, or make it with ESA's Sen2Cor"


def sentinel_product(package: Package, root: str, name: str) -> Product:
    """Read the metadata of one SAFE.

    Parameters
    ----------
    root
        Prefix of its members inside the package, "" or ending in "/".
    name
        Name of the product, for messages and as id.

    Raises
    ------
    SceneUnusableError
        Level 1C, incomplete, or with members that are missing or shorter than the manifest says.
    """
    if f"{root}MTD_MSIL1C.xml" in package.members or "_MSIL1C_" in name:
        raise SceneUnusableError(f"{name} is level 1C, not corrected for the atmosphere", _L1C)
    head = f"{root}MTD_MSIL2A.xml"
    if head not in package.members:
        raise SceneUnusableError(f"{name} lacks MTD_MSIL2A.xml", _AGAIN)
    user = parse_xml(package.text(head), f"{package.path}/{head}")
    own = NAME.match(text_of(user, "PRODUCT_URI") or "")
    name = own[0] if own else name  # whatever somebody called the folder
    tiles = [
        m
        for m in package.members
        if re.fullmatch(rf"{re.escape(root)}GRANULE/[^/]+/MTD_TL\.xml", m)
    ]
    if len(tiles) != 1:
        raise SceneUnusableError(
            f"{name} holds {len(tiles)} granules (MTD_TL.xml) where one is expected", _AGAIN
        )
    tile = parse_xml(package.text(tiles[0]), f"{package.path}/{tiles[0]}")
    files = _files(package, root, name, _listed(user))
    try:
        return _checked(package, name, (user, tile), files)
    except ValueError as error:
        raise SceneUnusableError(
            f"{name}: its metadata hold no number ({error})", _AGAIN
        ) from error


def _checked(
    package: Package, name: str, sheets: tuple[Element, Element], files: Mapping[str, File]
) -> Product:
    user, tile = sheets
    scale, offsets = _radiometry(user, name)
    return Product(
        id=name,
        sensor=SENSOR,
        acquired=_acquired(tile, name),
        footprint_wgs84=_footprint(user, tile, name),
        package=package,
        how=How.TRANSCODE,
        files=files,
        bands={
            band: BandOf(band, None, None)
            if number is None
            else BandOf(band, scale, offsets.get(number, 0.0) * scale)
            for band, (_, number, _) in _BANDS.items()
        },
        gsd_m=10.0,
        properties=_properties(user, tile, name),
    )


def _listed(user: Element) -> list[str]:
    return [
        (e.text or "").strip() for e in user.iter() if local_name(e) in ("IMAGE_FILE", "IMAGE_ID")
    ]


def _files(package: Package, root: str, name: str, listed: list[str]) -> dict[str, File]:
    """Find the band files and check them against the manifest; all faults in one sentence."""
    stated = _manifest(package, root, name)
    files: dict[str, File] = {}
    faults: list[str] = []
    for band, (suffix, _, _) in _BANDS.items():
        found = [m for m in package.members if m.startswith(root) and m.endswith(f"_{suffix}.jp2")]
        if len(found) != 1:
            faults.append(f"{suffix}.jp2 is missing" if not found else f"{suffix}.jp2 comes twice")
            continue
        member = found[0]
        size, checksum = stated.get(member, (None, None))
        if size is not None and package.members[member] != size:
            faults.append(f"{suffix}.jp2 has {package.members[member]} of {size} bytes")
        if listed and not any(member.endswith(f"{entry}.jp2") for entry in listed):
            faults.append(f"{suffix}.jp2 is not among the images that the metadata list")
        files[band] = File(member, size, checksum)
    if faults:
        raise SceneUnusableError(f"{name} is incomplete: {'; '.join(faults)}", _AGAIN)
    return files


def _manifest(
    package: Package, root: str, name: str
) -> dict[str, tuple[int | None, tuple[str, str] | None]]:
    """Bytes and checksum of the members, as manifest.safe lists them."""
    member = f"{root}manifest.safe"
    if member not in package.members:
        raise SceneUnusableError(f"{name} lacks manifest.safe", _AGAIN)
    document = parse_xml(package.text(member), f"{package.path}/{member}")
    out: dict[str, tuple[int | None, tuple[str, str] | None]] = {}
    for stream in document.iter():
        if local_name(stream) != "byteStream":
            continue
        place = stream.find("{*}fileLocation")
        if place is None:
            continue
        size = stream.get("size")
        said = stream.find("{*}checksum")
        checksum = None
        if said is not None and said.text:
            checksum = (str(said.get("checksumName", "")), said.text.strip().lower())
        href = str(place.get("href", "")).removeprefix("./")
        out[f"{root}{href}"] = (int(size) if size and size.isdigit() else None, checksum)
    return out


def _radiometry(user: Element, name: str) -> tuple[float, dict[int, float]]:
    """Reflectance per number, and the number to add per band."""
    quantification = text_of(user, "BOA_QUANTIFICATION_VALUE")
    if quantification is None or number_of(quantification) <= 0:
        raise SceneUnusableError(f"{name} states no BOA_QUANTIFICATION_VALUE", _AGAIN)
    offsets = {
        int(e.get("band_id", "-1")): number_of(e.text)
        for e in user.iter()
        if local_name(e) == "BOA_ADD_OFFSET"
    }
    numbers = {n for _, n, _ in _BANDS.values() if n is not None}
    baseline = text_of(user, "PROCESSING_BASELINE") or ""
    if (offsets or baseline >= _OFFSET_SINCE) and not numbers <= set(offsets):
        missing = ", ".join(str(n) for n in sorted(numbers - set(offsets)))
        raise SceneUnusableError(f"{name} states no BOA_ADD_OFFSET for band(s) {missing}", _AGAIN)
    return 1 / number_of(quantification), offsets


def _acquired(tile: Element, name: str) -> datetime:
    text = text_of(tile, "SENSING_TIME") or ""
    try:
        when = datetime.fromisoformat(text)
    except ValueError as error:
        raise SceneUnusableError(f"{name} has no SENSING_TIME ('{text}')", _AGAIN) from error
    if when.tzinfo is None:
        raise SceneUnusableError(f"the SENSING_TIME of {name} ('{text}') has no zone", _AGAIN)
    stated = re.search(r"_(\d{8}T\d{6})_", name) if NAME.fullmatch(name) else None
    if stated:
        begun = datetime.strptime(f"{stated[1]}Z", "%Y%m%dT%H%M%S%z")
        if abs(when - begun) > _ORBIT:
            raise SceneUnusableError(
                f"{name} was sensed at {when:%Y-%m-%dT%H:%M:%SZ} by its SENSING_TIME, which is not "
                "what its name says",
                _AGAIN,
            )
    return when.astimezone(UTC)


def _footprint(user: Element, tile: Element, name: str) -> BaseGeometry:
    """Give the ground with data, or the whole tile where the product does not say."""
    numbers = [number_of(n) for n in (text_of(user, "EXT_POS_LIST") or "").split()]
    if len(numbers) >= 8 and len(numbers) % 2 == 0:
        ring = list(zip(numbers[1::2], numbers[0::2], strict=True))  # latitude comes first
        return shapely.make_valid(Polygon(ring))
    code = text_of(tile, "HORIZONTAL_CS_CODE")
    x, y = text_of(tile, "ULX"), text_of(tile, "ULY")
    if code is None or x is None or y is None:
        raise SceneUnusableError(f"{name} says nowhere where it lies", _AGAIN)
    left, top = number_of(x), number_of(y)
    frame = box(left, top - 109_800, left + 109_800, top)
    return reproject(frame.segmentize(10_000), code, "EPSG:4326")


def _properties(user: Element, tile: Element, name: str) -> dict[str, object]:
    mean = next((e for e in tile.iter() if local_name(e) == "Mean_Sun_Angle"), None)
    zenith = text_of(mean, "ZENITH_ANGLE") if mean is not None else None
    azimuth = text_of(mean, "AZIMUTH_ANGLE") if mean is not None else None
    take = next(
        (e.get("datatakeIdentifier") for e in user.iter() if local_name(e) == "Datatake"), None
    )
    square = re.search(r"_T(\d\d[A-Z]{3})_", f"{text_of(tile, 'TILE_ID')}_") or re.search(
        r"_T(\d\d[A-Z]{3})_", name
    )
    baseline, craft = text_of(user, "PROCESSING_BASELINE"), text_of(user, "SPACECRAFT_NAME")
    missing = [
        what
        for what, value in (
            ("a datatake", take),
            ("a tile", square),
            ("a processing baseline", baseline),
            ("a spacecraft", craft),
        )
        if not value
    ]
    if missing or square is None or craft is None:
        raise SceneUnusableError(f"{name} does not name {', '.join(missing)}", _AGAIN)
    out: dict[str, object] = {
        "platform": craft.lower(),
        "grid:code": f"MGRS-{square[1]}",
        "s2:datatake_id": take,
        "s2:processing_baseline": baseline,
        "s2:generation_time": text_of(user, "GENERATION_TIME"),
    }
    if zenith and azimuth:
        out["view:sun_azimuth"] = number_of(azimuth)
        out["view:sun_elevation"] = 90 - number_of(zenith)
    cloud = text_of(user, "Cloud_Coverage_Assessment")
    if cloud:
        out["eo:cloud_cover"] = number_of(cloud)
    return out
