"""What leaves the run: GeoJSON with its schema, the run record."""
