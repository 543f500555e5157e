"""What leaves the run: GeoJSON with its schema, the run record."""

from pipeline.publish.folder import (
    PublishContext,
    Published,
    Shelves,
    publish_files,
    publish_run,
    split_cases,
)
from pipeline.publish.record import make_run_id

__all__ = [
    "PublishContext",
    "Published",
    "Shelves",
    "make_run_id",
    "publish_files",
    "publish_run",
    "split_cases",
]
