"""A disk in the post: products that are tiny but true to their formats."""

from __future__ import annotations

import hashlib
import json
import tarfile
import zipfile
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from pyproj import Transformer

ORIGIN = (700_000.0, 3_080_000.0)  # upper left corner of tiny's scenes, EPSG:32649
CRS = "EPSG:32649"
SENSORS = Path(__file__).resolve().parents[1] / "config" / "sensors"


def write_raster(
    path: Path,
    data: NDArray[np.generic],
    res: float,
    crs: str | None = CRS,
    origin: tuple[float, float] = ORIGIN,
    **options: Any,
) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    stack = data if data.ndim == 3 else data[None]
    jp2 = path.suffix == ".jp2"
    profile: dict[str, Any] = {
        "driver": "JP2OpenJPEG" if jp2 else "GTiff",
        "count": stack.shape[0],
        "height": stack.shape[1],
        "width": stack.shape[2],
        "dtype": stack.dtype,
        **({"QUALITY": "100", "REVERSIBLE": "YES"} if jp2 else {}),
        **options,
    }
    if crs is not None:
        profile |= {"crs": crs, "transform": Affine(res, 0, origin[0], 0, -res, origin[1])}
    with rasterio.open(path, "w", **profile) as out:
        out.write(stack)
    for extra in path.parent.glob(f"{path.name}.aux.xml"):
        extra.unlink()
    return path


def corner(x: float, y: float, crs: str = CRS) -> tuple[float, float]:
    lon, lat = Transformer.from_crs(crs, "EPSG:4326", always_xy=True).transform(x, y)
    return lon, lat


def ring(
    size_m: float, crs: str = CRS, origin: tuple[float, float] = ORIGIN
) -> list[tuple[float, float]]:
    x, y = origin
    ends = [(x, y), (x + size_m, y), (x + size_m, y - size_m), (x, y - size_m)]
    return [corner(*e, crs) for e in ends]


# --- Sentinel-2 -----------------------------------------------------------------------------------


def safe_name(
    when: datetime, tile: str = "49RGL", baseline: str = "05.10", level: str = "L2A"
) -> str:
    take = f"{when:%Y%m%dT%H%M%S}"
    made = f"{when + timedelta(hours=5):%Y%m%dT%H%M%S}"
    return f"S2A_MSI{level}_{take}_N{baseline.replace('.', '')}_R075_T{tile}_{made}"


def write_safe(
    folder: Path,
    when: datetime,
    bands: Mapping[str, NDArray[np.float64]],
    *,
    tile: str = "49RGL",
    baseline: str = "05.10",
    offset: float = -1000,
    crs: str = CRS,
    origin: tuple[float, float] = ORIGIN,
    scl: NDArray[np.uint8] | None = None,
) -> Path:
    """Write a SAFE folder; ``bands`` are reflectances at 10 m by B02 B03 B04 B08 B8A B11 B12."""
    name = safe_name(when, tile, baseline)
    root = folder / f"{name}.SAFE"
    granule = f"L2A_T{tile}_A044589_{when:%Y%m%dT%H%M%S}"
    images: list[Path] = []
    for band, values in bands.items():
        step = 1 if band in ("B02", "B03", "B04", "B08") else 2
        number = np.rint(values * 10_000 - offset)[::step, ::step].clip(1, 65_535).astype("uint16")
        images.append(_image(root, granule, (tile, when), (band, 10 * step), number, crs, origin))
    size = next(iter(bands.values())).shape[0]
    classes = np.full((size // 2, size // 2), 5, "uint8") if scl is None else scl
    images.append(_image(root, granule, (tile, when), ("SCL", 20), classes, crs, origin))
    _user_xml(root, name, when, baseline, offset, images, ring(10.0 * size, crs, origin))
    _tile_xml(root / "GRANULE" / granule / "MTD_TL.xml", tile, when, baseline, crs, origin)
    write_manifest(root)
    return root


def _image(
    root: Path,
    granule: str,
    look: tuple[str, datetime],
    band: tuple[str, int],
    data: NDArray[np.generic],
    crs: str,
    origin: tuple[float, float],
) -> Path:
    name = f"T{look[0]}_{look[1]:%Y%m%dT%H%M%S}_{band[0]}_{band[1]}m.jp2"
    path = root / "GRANULE" / granule / "IMG_DATA" / f"R{band[1]}m" / name
    return write_raster(path, data, band[1], crs, origin)


def _user_xml(
    root: Path,
    name: str,
    when: datetime,
    baseline: str,
    offset: float,
    images: list[Path],
    corners: list[tuple[float, float]],
) -> None:
    listed = "".join(
        f"<IMAGE_FILE>{p.relative_to(root).as_posix().removesuffix('.jp2')}</IMAGE_FILE>"
        for p in images
    )
    offsets = "".join(
        f'<BOA_ADD_OFFSET band_id="{i}">{offset:.0f}</BOA_ADD_OFFSET>' for i in range(13)
    )
    positions = " ".join(f"{lat} {lon}" for lon, lat in [*corners, corners[0]])
    (root / "MTD_MSIL2A.xml").write_text(
        f"""<?xml version="1.0" encoding="UTF-8" standalone="no"?>
<n1:Level-2A_User_Product xmlns:n1="https://psd-14.sentinel2.eo.esa.int/PSD/User_Product_Level-2A.xsd">
<n1:General_Info><Product_Info>
<PRODUCT_START_TIME>{when:%Y-%m-%dT%H:%M:%S}.024Z</PRODUCT_START_TIME>
<PRODUCT_URI>{name}.SAFE</PRODUCT_URI><PROCESSING_LEVEL>Level-2A</PROCESSING_LEVEL>
<PRODUCT_TYPE>S2MSI2A</PRODUCT_TYPE><PROCESSING_BASELINE>{baseline}</PROCESSING_BASELINE>
<GENERATION_TIME>{when + timedelta(hours=5):%Y-%m-%dT%H:%M:%S}.000000Z</GENERATION_TIME>
<Datatake datatakeIdentifier="GS2A_{when:%Y%m%dT%H%M%S}_044589_N{baseline}">
<SPACECRAFT_NAME>Sentinel-2A</SPACECRAFT_NAME></Datatake>
<Product_Organisation><Granule_List><Granule>{listed}</Granule></Granule_List></Product_Organisation>
</Product_Info><Product_Image_Characteristics><QUANTIFICATION_VALUES_LIST>
<BOA_QUANTIFICATION_VALUE unit="none">10000</BOA_QUANTIFICATION_VALUE></QUANTIFICATION_VALUES_LIST>
{f"<BOA_ADD_OFFSET_VALUES_LIST>{offsets}</BOA_ADD_OFFSET_VALUES_LIST>" if offset else ""}
</Product_Image_Characteristics></n1:General_Info>
<n1:Geometric_Info><Product_Footprint><Product_Footprint><Global_Footprint>
<EXT_POS_LIST>{positions}</EXT_POS_LIST></Global_Footprint></Product_Footprint></Product_Footprint>
</n1:Geometric_Info><n1:Quality_Indicators_Info>
<Cloud_Coverage_Assessment>3.5</Cloud_Coverage_Assessment></n1:Quality_Indicators_Info>
</n1:Level-2A_User_Product>
""",
        encoding="utf-8",
    )


def _tile_xml(
    path: Path,
    tile: str,
    when: datetime,
    baseline: str,
    crs: str,
    origin: tuple[float, float],
) -> None:
    path.write_text(
        f"""<?xml version="1.0" encoding="UTF-8"?>
<n1:Level-2A_Tile_ID xmlns:n1="https://psd-14.sentinel2.eo.esa.int/PSD/S2_PDI_Level-2A_Tile_Metadata.xsd">
<n1:General_Info><TILE_ID>S2A_OPER_MSI_L2A_TL_2APS_20240105T064000_A044589_T{tile}_N{baseline}</TILE_ID>
<SENSING_TIME metadataLevel="Standard">{when:%Y-%m-%dT%H:%M:%S}.500000Z</SENSING_TIME>
</n1:General_Info>
<n1:Geometric_Info><Tile_Geocoding metadataLevel="Brief">
<HORIZONTAL_CS_CODE>{crs}</HORIZONTAL_CS_CODE>
<Geoposition resolution="10"><ULX>{origin[0]:.0f}</ULX><ULY>{origin[1]:.0f}</ULY></Geoposition>
</Tile_Geocoding><Tile_Angles metadataLevel="Standard"><Mean_Sun_Angle>
<ZENITH_ANGLE unit="deg">52.5</ZENITH_ANGLE><AZIMUTH_ANGLE unit="deg">155.25</AZIMUTH_ANGLE>
</Mean_Sun_Angle></Tile_Angles></n1:Geometric_Info></n1:Level-2A_Tile_ID>
""",
        encoding="utf-8",
    )


def write_manifest(root: Path) -> None:
    """List all files of a SAFE with their size and SHA3-256."""
    rows: list[str] = []
    for path in sorted(p for p in root.rglob("*") if p.is_file() and p.name != "manifest.safe"):
        digest = hashlib.sha3_256(path.read_bytes()).hexdigest()
        rows.append(
            f'<dataObject ID="x"><byteStream mimeType="application/octet-stream" '
            f'size="{path.stat().st_size}"><fileLocation locatorType="URL" '
            f'href="./{path.relative_to(root).as_posix()}"/>'
            f'<checksum checksumName="SHA3-256">{digest}</checksum></byteStream></dataObject>'
        )
    (root / "manifest.safe").write_text(
        '<?xml version="1.0" encoding="UTF-8"?><xfdu:XFDU xmlns:xfdu="urn:ccsds:schema:xfdu:1">'
        f"<dataObjectSection>{''.join(rows)}</dataObjectSection></xfdu:XFDU>",
        encoding="utf-8",
    )


def zip_folder(folder: Path, target: Path) -> Path:
    with zipfile.ZipFile(target, "w") as archive:
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            archive.write(path, f"{folder.name}/{path.relative_to(folder).as_posix()}")
    return target


# --- Landsat --------------------------------------------------------------------------------------


def write_landsat(
    folder: Path,
    when: datetime,
    bands: Mapping[str, NDArray[np.float64]],
    qa: NDArray[np.uint16],
    *,
    mtl: str = "txt",
    sat: str = "LC08",
) -> str:
    """Write a product into ``folder``; ``bands`` are reflectances at 30 m by 2..7."""
    name = f"{sat}_L2SP_123041_{when:%Y%m%d}_{when + timedelta(days=8):%Y%m%d}_02_T1"
    origin = (ORIGIN[0] - 15, ORIGIN[1] + 15)  # Landsat's lattice is half a pixel off
    for band, values in bands.items():
        number = np.rint((values + 0.2) / 2.75e-5).clip(1, 65_535).astype("uint16")
        write_raster(folder / f"{name}_SR_B{band}.TIF", number, 30, CRS, origin, nodata=0)
    write_raster(folder / f"{name}_QA_PIXEL.TIF", qa, 30, CRS, origin, nodata=1)
    size = 30.0 * qa.shape[0]
    said: dict[str, Any] = {
        "LANDSAT_PRODUCT_ID": name,
        "PROCESSING_LEVEL": "L2SP",
        "SPACECRAFT_ID": f"LANDSAT_{sat[3]}",
        "WRS_PATH": "123",
        "WRS_ROW": "041",
        "CLOUD_COVER": "1.30",
        "DATE_ACQUIRED": f"{when:%Y-%m-%d}",
        "SCENE_CENTER_TIME": f"{when:%H:%M:%S}.0929620Z",
        "SUN_AZIMUTH": "150.12",
        "SUN_ELEVATION": "38.4",
    }
    for key, (lon, lat) in zip(("UL", "UR", "LR", "LL"), ring(size, CRS, origin), strict=True):
        said[f"CORNER_{key}_LAT_PRODUCT"], said[f"CORNER_{key}_LON_PRODUCT"] = (
            f"{lat:.5f}",
            f"{lon:.5f}",
        )
    for band in bands:
        said[f"REFLECTANCE_MULT_BAND_{band}"], said[f"REFLECTANCE_ADD_BAND_{band}"] = (
            "2.75e-05",
            "-0.2",
        )
    (folder / f"{name}_MTL.{mtl}").write_text(_mtl(said, mtl), encoding="ascii")
    return name


def _mtl(said: Mapping[str, str], kind: str) -> str:
    if kind == "json":
        return json.dumps({"LANDSAT_METADATA_FILE": {"PRODUCT_CONTENTS": dict(said)}})
    if kind == "xml":
        rows = "".join(f"<{k}>{v}</{k}>" for k, v in said.items())
        group = f"<PRODUCT_CONTENTS>{rows}</PRODUCT_CONTENTS>"
        return f"<LANDSAT_METADATA_FILE>{group}</LANDSAT_METADATA_FILE>"
    quoted = "".join(
        f'    {k} = "{v}"\n' if k.endswith("_ID") else f"    {k} = {v}\n" for k, v in said.items()
    )
    group = f"  GROUP = PRODUCT_CONTENTS\n{quoted}  END_GROUP = PRODUCT_CONTENTS\n"
    return f"GROUP = LANDSAT_METADATA_FILE\n{group}END_GROUP = LANDSAT_METADATA_FILE\nEND\n"


def tar_files(files: list[Path], target: Path) -> Path:
    with tarfile.open(target, "w:gz" if target.name.endswith("gz") else "w") as archive:
        for path in files:
            archive.add(path, path.name)
    return target


# --- GF and ZY ------------------------------------------------------------------------------------


def write_gaofen(
    folder: Path,
    stem: str,
    data: NDArray[np.uint16],
    *,
    when: datetime,
    rpc: str | None = None,
    crs: str | None = None,
    res: float = 8.0,
    corners: list[tuple[float, float]] | None = None,
    **changes: str | None,
) -> Path:
    """Write image, XML and, with ``rpc``, .rpb; times in the XML are Beijing's."""
    from pipeline.acquire.disk.sun import sun_position

    folder.mkdir(parents=True, exist_ok=True)
    image = write_raster(folder / f"{stem}.tiff", data, res, crs)
    if rpc is not None:
        (folder / f"{stem}.rpb").write_text(rpc, encoding="ascii")
    around = corners or ring(res * data.shape[1])
    lon, lat = np.mean(around, axis=0)
    zenith, azimuth = sun_position(when.astimezone(UTC), float(lon), float(lat))
    local = when.astimezone(UTC) + timedelta(hours=8)
    said: dict[str, str | None] = {
        "SatelliteID": stem.split("_", maxsplit=1)[0],
        "SensorID": stem.split("_")[1],
        "ReceiveTime": f"{when.astimezone(UTC):%Y-%m-%d %H:%M:%S}",
        "ProductLevel": "LEVEL1A",
        "Bands": ",".join(str(i + 1) for i in range(data.shape[0])),
        "StartTime": f"{local:%Y-%m-%d %H:%M:%S}",
        "EndTime": f"{local:%Y-%m-%d %H:%M:%S}",
        "CenterTime": f"{local:%Y-%m-%d %H:%M:%S}",
        "SolarAzimuth": f"{azimuth:.3f}",
        "SolarZenith": f"{zenith:.3f}",
        "AbsCeof": "0.149,0.1328,0.1311,0.1217",
    }
    for key, (x, y) in zip(
        ("TopLeft", "TopRight", "BottomRight", "BottomLeft"), around, strict=True
    ):
        said[f"{key}Latitude"], said[f"{key}Longitude"] = f"{y:.6f}", f"{x:.6f}"
    said |= changes
    rows = "\n".join(f"  <{k}>{v}</{k}>" for k, v in said.items() if v is not None)
    text = (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<ProductMetaData>\n{rows}\n</ProductMetaData>\n'
    )
    (folder / f"{stem}.xml").write_text(text, encoding="utf-8")
    return image


def rpb(
    centre: tuple[float, float, float],
    half: tuple[float, float, float],
    pixels: tuple[int, int],
    tilt: float,
) -> str:
    """A .rpb of a camera that looks sideways.

    ``line`` falls with latitude, ``samp`` grows with longitude and, by ``tilt``, with height; all
    normalised by ``half`` (degrees, degrees, metres) around ``centre`` (lon, lat, height).
    """

    def terms(**values: float) -> str:
        numbers = [0.0] * 20
        for key, value in values.items():
            numbers[("one", "lon", "lat", "height").index(key)] = value
        return ",\n".join(f"\t\t\t{n:.15e}" for n in numbers)

    rows = (
        ("lineNumCoef", terms(lat=-1.0)),
        ("lineDenCoef", terms(one=1.0)),
        ("sampNumCoef", terms(lon=1.0, height=tilt)),
        ("sampDenCoef", terms(one=1.0)),
    )
    coefficients = "".join(f"\t{name} = (\n{text});\n" for name, text in rows)
    return f"""satId = "GF1";
bandId = "MSS1";
SpecId = "RPC00B";
BEGIN_GROUP = IMAGE
\terrBias = 1.0;
\terrRand = 0.0;
\tlineOffset = {pixels[0] / 2 - 0.5};
\tsampOffset = {pixels[1] / 2 - 0.5};
\tlatOffset = {centre[1]:.9f};
\tlongOffset = {centre[0]:.9f};
\theightOffset = {centre[2]};
\tlineScale = {pixels[0] / 2};
\tsampScale = {pixels[1] / 2};
\tlatScale = {half[1]:.9f};
\tlongScale = {half[0]:.9f};
\theightScale = {half[2]};
{coefficients}END_GROUP = IMAGE
END;
"""


# --- looking at a disk ----------------------------------------------------------------------------


def search(disk: Path, state: Path, **source: Any) -> Any:
    """Search a disk for tiny's corridor, over all years."""
    import tiny
    from shapely.geometry import shape

    from pipeline.acquire.stac import Wanted

    area = source.pop("area", None) or shape(tiny.corridor()["geometry"])
    wanted = Wanted(area, datetime(2015, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC))
    return open_disk(disk, state, area, **source).search(wanted)


def open_disk(disk: Path, state: Path, *areas: Any, dry: bool = False, **source: Any) -> Any:
    from pipeline.acquire.bands import load_sensor_table
    from pipeline.acquire.disk.search import Desk, Disk
    from pipeline.acquire.disk.source import DiskSource

    def table(name: str) -> Any:
        return load_sensor_table(SENSORS, name)

    desk = Desk(state, state / "catalogues", dry, 2, None)
    return Disk(DiskSource(path=str(disk), **source), table, tuple(areas), 300.0, desk)


def reasons(found: Any) -> dict[str, str]:
    """What was set aside, as the sentences that people read."""
    return {a.what: f"{a.reason}. {a.remedy}".strip() for a in found.set_aside}


def bands_of(reflectance: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Bands of Sentinel-2 from one of tiny's looks."""
    blue, green, red, nir, swir16, swir22 = reflectance
    names = ("B02", "B03", "B04", "B08", "B8A", "B11", "B12")
    return dict(zip(names, (blue, green, red, nir, nir, swir16, swir22), strict=True))
