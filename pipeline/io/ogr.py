"""GDAL's reading and writing of vector files (pyogrio), for whoever opens one.

It brings a second GDAL of 29 MB: import this where a file is opened, and not above. A patrol needs
it when its GeoPackage is written, after all that takes memory.
"""

from __future__ import annotations

from pyogrio import (
    get_gdal_config_option,
    list_layers,
    raw,
    read_info,
    set_gdal_config_options,
)
from pyogrio.errors import DataLayerError, DataSourceError, FieldError

__all__ = [
    "DataLayerError",
    "DataSourceError",
    "FieldError",
    "get_gdal_config_option",
    "list_layers",
    "raw",
    "read_info",
    "set_gdal_config_options",
]

# Else GDAL leaves .aux.xml files beside what it only reads.
set_gdal_config_options({"GDAL_PAM_ENABLED": False})
