"""Files in and out: rasters, vectors, the corridor store, atomic writes."""

import os

# Left behind by QGIS or PostGIS they point GDAL and PROJ to foreign tables; the doctor says so.
FOREIGN = {
    name: value
    for name in ("PROJ_LIB", "PROJ_DATA", "GDAL_DATA")
    if (value := os.environ.pop(name, None)) is not None
}
