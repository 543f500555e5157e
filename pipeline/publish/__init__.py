"""What leaves the run: GeoJSON with its schema, the run record."""

from pipeline.publish.outputs import Outputs, publish_run

__all__ = ["Outputs", "publish_run"]
