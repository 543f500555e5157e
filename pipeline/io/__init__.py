"""Files in and out: rasters, vectors, the corridor store, atomic writes."""
