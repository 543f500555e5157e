"""Scenes on disk: tiled GeoTIFFs and STAC items as Earth Search writes them.

The metadata follow what Earth Search v1 published: older items carry ``proj:epsg``, newer ones
``proj:code``; ``raster:bands`` states scale and offset.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from shapely.geometry import box

from sample_scenes.fields import F32
from sample_scenes.geo import geojson, to_wgs84
from sample_scenes.options import AT_10M, BANDS, EPSG, RES, SampleOptions, transform
from sample_scenes.schedule import Day
from sample_scenes.scl import shares
from sample_scenes.sensor import quantise

COLLECTION = "sentinel-2-l2a"
WAVES = {  # ESA band, centre and width [µm], title
    "blue": ("B02", 0.49, 0.098, "Blue (band 2) - 10m"),
    "green": ("B03", 0.56, 0.045, "Green (band 3) - 10m"),
    "red": ("B04", 0.665, 0.038, "Red (band 4) - 10m"),
    "nir": ("B08", 0.842, 0.145, "NIR 1 (band 8) - 10m"),
    "nir08": ("B8A", 0.865, 0.033, "NIR 2 (band 8A) - 20m"),
    "swir16": ("B11", 1.61, 0.143, "SWIR 1 (band 11) - 20m"),
    "swir22": ("B12", 2.19, 0.242, "SWIR 2 (band 12) - 20m"),
}
EXTENSIONS = ("eo/v1.1.0", "grid/v1.1.0", "mgrs/v1.0.0", "raster/v1.1.0", "view/v1.0.0")
TIFF = "image/tiff; application=geotiff; profile=cloud-optimized"


@dataclass(frozen=True, slots=True)
class Product:
    """One item: a part of a day's image as one processing baseline delivered it."""

    day: Day
    square: str  # MGRS, e.g. "49RGL"
    cols: tuple[int, int]  # 10 m px of the scene
    baseline: str  # "03.01"
    sequence: int = 0
    lag_days: int = 0  # between acquisition and processing
    gain: float = 1.0  # small difference of an older processor
    truncated: str | None = None  # asset whose file is cut short

    @property
    def sat(self) -> str:
        """S2A or S2B."""
        return "S2" + self.day.platform[-1].upper()

    @property
    def id(self) -> str:
        """Earth Search's item id."""
        return f"{self.sat}_{self.square}_{self.day.when:%Y%m%d}_{self.sequence}_L2A"

    @property
    def datatake(self) -> str:
        """ESA's datatake id; it ends in the baseline, so a reprocessed one differs there."""
        orbit = 44_000 + 14 * self.day.when.timetuple().tm_yday
        return f"G{self.sat}_{self.day.when:%Y%m%dT%H%M%S}_{orbit:06d}_N{self.baseline}"


def write(
    root: Path,
    options: SampleOptions,
    product: Product,
    seen: dict[str, F32],
    scl: NDArray[np.uint8],
) -> None:
    """Write one item with its files below ``root``.

    Parameters
    ----------
    seen : dict
        Reflectance per band over the whole scene, 10 m or 20 m.
    scl : uint8 array
        Scene classification at 20 m.
    """
    folder = root / COLLECTION / product.id
    folder.mkdir(parents=True)
    c0, c1 = product.cols
    outside = _outside_swath(options, product.day)
    for name in BANDS:
        res = 10 if name in AT_10M else 20
        part = slice(c0 * 10 // res, c1 * 10 // res)
        numbers = quantise(seen[name] * product.gain, product.day.dn_offset)
        numbers[outside if res == 10 else outside[::2, ::2]] = 0
        path = folder / f"{WAVES[name][0]}.tif"
        _tiff(path, numbers[:, part], res, c0 * RES, predictor=2)
        if name == product.truncated:
            _cut(path)
    classes = np.where(outside[::2, ::2], 0, scl).astype(np.uint8)[:, c0 // 2 : c1 // 2]
    _tiff(folder / "SCL.tif", classes, 20, c0 * RES, predictor=1)
    item = _item(options, product, classes)
    _json(folder / f"{product.id}.json", item)


def write_catalogue(root: Path, products: list[Product], options: SampleOptions) -> None:
    """Write ``catalog.json`` and the collection that lists all items."""
    ordered = sorted(products, key=lambda p: (p.day.when, p.id))
    side = options.size * RES
    bounds = [round(v, 7) for v in to_wgs84(box(0, 0, side, side)).bounds]
    times = [_iso(p) for p in ordered]
    up = {"rel": "root", "href": "../catalog.json", "type": "application/json"}
    _json(
        root / COLLECTION / "collection.json",
        {
            "type": "Collection",
            "id": COLLECTION,
            "stac_version": "1.0.0",
            "title": "Fictional Sentinel-2 Level 2A",
            "description": "Simulated scenes of a river reach and a reservoir that do not exist.",
            "license": "Apache-2.0",
            "extent": {
                "spatial": {"bbox": [bounds]},
                "temporal": {"interval": [[times[0], times[-1]]]},
            },
            "links": [
                up,
                {**up, "rel": "parent"},
                *(
                    {"rel": "item", "href": f"./{p.id}/{p.id}.json", "type": "application/geo+json"}
                    for p in ordered
                ),
            ],
        },
    )
    _json(
        root / "catalog.json",
        {
            "type": "Catalog",
            "id": "sample-scenes",
            "stac_version": "1.0.0",
            "description": "Simulated scenes, made by sample_scenes; the place is fictional.",
            "links": [
                {"rel": "root", "href": "./catalog.json", "type": "application/json"},
                {
                    "rel": "child",
                    "href": f"./{COLLECTION}/collection.json",
                    "type": "application/json",
                },
            ],
        },
    )


def _outside_swath(options: SampleOptions, day: Day) -> NDArray[np.bool_]:
    """Mask the corner that the satellite did not see; on whole 20 m pixels."""
    half = options.size // 2
    if not day.swath_edge:
        return np.zeros((options.size, options.size), dtype=bool)
    rows, cols = np.mgrid[0:half, 0:half]
    return np.kron(cols - 0.22 * rows > 0.86 * half, np.ones((2, 2))).astype(bool)


def _tiff(path: Path, array: NDArray[Any], res: int, col_m: float, predictor: int) -> None:
    profile: dict[str, Any] = {
        "driver": "GTiff", "width": array.shape[1], "height": array.shape[0], "count": 1,
        "dtype": array.dtype.name, "nodata": 0, "crs": f"EPSG:{EPSG}",
        "transform": transform(float(res), 0.0, col_m), "tiled": True,
        "blockxsize": 128, "blockysize": 128, "compress": "deflate", "zlevel": 1,
        "predictor": predictor,
    }  # fmt: skip
    with rasterio.open(path, "w", **profile) as sink:
        sink.write(array, 1)


def _cut(path: Path) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 55 // 100])


def _iso(product: Product) -> str:
    return f"{product.day.when:%Y-%m-%dT%H:%M:%S}.024000Z"


def _properties(product: Product, classes: NDArray[np.uint8]) -> dict[str, Any]:
    day = product.day
    percent = shares(classes)
    made = day.when + timedelta(days=product.lag_days, hours=5, minutes=12)
    stamp = f"{made:%Y-%m-%dT%H:%M:%S}.000000Z"
    projection = {"proj:code": f"EPSG:{EPSG}"} if _modern(product) else {"proj:epsg": EPSG}
    zone, letter, square = product.square[:2], product.square[2], product.square[3:]
    return {
        "created": stamp,
        "updated": stamp,
        "datetime": _iso(product),
        "platform": day.platform,
        "constellation": "sentinel-2",
        "instruments": ["msi"],
        **projection,
        "mgrs:utm_zone": int(zone),
        "mgrs:latitude_band": letter,
        "mgrs:grid_square": square,
        "grid:code": f"MGRS-{product.square}",
        "view:sun_azimuth": round(day.sun_azimuth, 6),
        "view:sun_elevation": round(day.sun_elevation, 6),
        "eo:cloud_cover": round(float(percent[8:11].sum()), 4),
        "s2:cloud_shadow_percentage": round(float(percent[3]), 4),
        "s2:water_percentage": round(float(percent[6]), 4),
        "s2:nodata_pixel_percentage": round(100 * float((classes == 0).mean()), 4),
        "s2:product_type": "S2MSI2A",
        "s2:processing_baseline": product.baseline,
        "s2:generation_time": stamp,
        "s2:datatake_id": product.datatake,
        "s2:datatake_type": "INS-NOBS",
        "s2:sequence": str(product.sequence),
        "earthsearch:boa_offset_applied": day.lies,
    }


def _modern(product: Product) -> bool:
    return product.baseline >= "04.00"


def _item(options: SampleOptions, product: Product, classes: NDArray[np.uint8]) -> dict[str, Any]:
    c0, c1 = product.cols
    area = to_wgs84(box(c0 * RES, 0, c1 * RES, options.size * RES))
    projection = "projection/v2.0.0" if _modern(product) else "projection/v1.1.0"
    links = [
        {"rel": "root", "href": "../../catalog.json", "type": "application/json"},
        {"rel": "collection", "href": "../collection.json", "type": "application/json"},
        {"rel": "parent", "href": "../collection.json", "type": "application/json"},
    ]
    assets = {name: _asset(options, product, name) for name in (*BANDS, "scl")}
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "stac_extensions": [
            f"https://stac-extensions.github.io/{e}/schema.json" for e in (*EXTENSIONS, projection)
        ],
        "id": product.id,
        "collection": COLLECTION,
        "geometry": geojson(area),
        "bbox": [round(v, 7) for v in area.bounds],
        "properties": _properties(product, classes),
        "links": links,
        "assets": assets,
    }


def _asset(options: SampleOptions, product: Product, name: str) -> dict[str, Any]:
    res = 10 if name in AT_10M else 20
    c0, c1 = product.cols
    grid = {
        "gsd": res,
        "proj:shape": [options.size * 10 // res, (c1 - c0) * 10 // res],
        "proj:transform": list(transform(float(res), 0.0, c0 * RES))[:6],
    }
    if name == "scl":
        bands = [{"nodata": 0, "data_type": "uint8", "spatial_resolution": res}]
        return {
            "href": "SCL.tif", "type": TIFF, "title": "Scene classification map (SCL)",
            "roles": ["data"], **grid, "raster:bands": bands,
        }  # fmt: skip
    file, centre, width, title = WAVES[name]
    told = 0 if product.day.lies or not product.day.dn_offset else -product.day.dn_offset / 10_000
    return {
        "href": f"{file}.tif",
        "type": TIFF,
        "title": title,
        "roles": ["data", "reflectance"],
        **grid,
        "eo:bands": [
            {
                "name": name,
                "common_name": name,
                "center_wavelength": centre,
                "full_width_half_max": width,
            }
        ],
        "raster:bands": [
            {
                "nodata": 0,
                "data_type": "uint16",
                "bits_per_sample": 15,
                "spatial_resolution": res,
                "scale": 0.0001,
                "offset": told,
            }
        ],
    }


def _json(path: Path, value: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
