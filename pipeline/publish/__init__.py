"""What leaves the run: GeoJSON with its schema, the run record."""

from pipeline.publish.folder import (
    PublishContext,
    Published,
    Shelves,
    feature_of,
    publish_files,
    publish_run,
    split_cases,
)
from pipeline.publish.geojson import Imagery
from pipeline.publish.record import make_run_id

__all__ = [
    "Imagery",
    "PublishContext",
    "Published",
    "Shelves",
    "feature_of",
    "make_run_id",
    "publish_files",
    "publish_run",
    "split_cases",
]
