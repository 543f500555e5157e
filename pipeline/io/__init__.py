"""Files in and out: rasters, vectors, the corridor store, atomic writes."""

import os

# Left behind by QGIS or PostGIS they point GDAL and PROJ to foreign tables; the doctor says so.
FOREIGN = {
    name: value
    for name in ("PROJ_LIB", "PROJ_DATA", "GDAL_DATA")
    if (value := os.environ.pop(name, None)) is not None
}

# GDAL's own limit, a twentieth of the machine's memory, is more than a whole run needs otherwise;
# decoded blocks are of use until the next tile only. The environment takes MB, rasterio bytes.
_GDAL_CACHE_MB = 128
GDAL_CACHE_BYTES = _GDAL_CACHE_MB * 2**20
os.environ.setdefault("GDAL_CACHEMAX", str(_GDAL_CACHE_MB))
