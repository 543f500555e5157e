"""What the last run laid out, read again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pipeline.io.atomic import latest_of

_LISTS = ("cases", "watch", "suppressed")


def published_confidence(out_dir: Path) -> dict[str, float] | None:
    """Give the calibrated confidence by case as the last run published it.

    None where no run has published anything that can be read.
    """
    try:
        latest = latest_of(out_dir)
        if latest is None:
            return None
        found: dict[str, float] = {}
        for name in _LISTS:
            document: dict[str, Any] = json.loads((latest / f"{name}.geojson").read_bytes())
            for p in (f["properties"] for f in document["features"]):
                if p["confidence_calibrated"]:
                    found[str(p["case_id"])] = float(p["confidence"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found
