"""What the last run laid out, read again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_LISTS = ("cases", "watch", "suppressed")


def published_confidence(out_dir: Path) -> dict[str, float] | None:
    """Give the calibrated confidence by case as the last run published it.

    None where no run has published anything that can be read.
    """
    latest = out_dir / "latest"
    try:
        if not latest.exists():
            latest = out_dir / (out_dir / "latest.txt").read_text(encoding="utf-8").strip()
        found: dict[str, float] = {}
        for name in _LISTS:
            document: dict[str, Any] = json.loads((latest / f"{name}.geojson").read_bytes())
            for p in (f["properties"] for f in document["features"]):
                if p["confidence_calibrated"]:
                    found[str(p["case_id"])] = float(p["confidence"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found
