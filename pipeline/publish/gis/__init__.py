"""What a GIS opens: styled layers in a GeoPackage, and a QGIS project over them."""
