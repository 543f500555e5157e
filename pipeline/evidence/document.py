"""``case.json`` and ``manifest.json`` of a case's evidence."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Mapping
from io import BytesIO
from typing import Any

from PIL import Image

from pipeline.evidence.choose import season_apart
from pipeline.evidence.facts import moment
from pipeline.evidence.panel import rings_of
from pipeline.evidence.sheet import Chips
from pipeline.evidence.strip import code_of
from pipeline.evidence.types import Picture, Rgb, Subject, Views
from pipeline.evidence.words import sensor_name, word

VERSION = 1
OVERVIEW, CASE, MANIFEST = "overview.png", "case.json", "manifest.json"
ROLES = {
    OVERVIEW: "overview",
    CASE: "case",
    "before_true.png": "before-true-colour",
    "after_true.png": "after-true-colour",
    "before_false.png": "before-false-colour",
    "after_false.png": "after-false-colour",
    "rise.png": "height-difference",
    "before.tif": "before-bands",
    "after.tif": "after-bands",
    "rise.tif": "height-difference-metres",
}
_TYPES = {"png": "image/png", "tif": "image/tiff", "json": "application/json"}
# Of a run and not of a case: another run would say something else of the same revision; and what
# is known of the pictures only once they are drawn, which stands at the top and in both looks.
_OF_A_RUN = (
    *("visit", "audit", "proposed", "confidence"),
    *("confidence_calibrated", "confidence_basis"),
    *("chips", "cloud_share", "imagery_credit"),
)


def case_document(subject: Subject, views: Views | None, chips: Chips | None) -> dict[str, Any]:
    """Give the content of ``case.json``; without ``views`` nothing could be drawn."""
    language = subject.language
    missing = chips.missing if chips else (views.missing if views else ())
    return {
        "version": VERSION,
        "language": language,
        "notice": word("notice", language),
        "zone": subject.zone.key,
        "imagery_credit": subject.credit,
        "missing": [
            {"code": m.code, "text": word(m.code, language), "about": m.about} for m in missing
        ],
        "before": _picture(views.before, subject) if views else None,
        "after": _picture(views.after, subject) if views else None,
        "season_days_apart": season_days(views) if views else None,
        "pictures_of_revision": views.of_revision if views else None,
        # The order of the month moves without a revision: what it was when this was drawn.
        "proposed_when_drawn": subject.properties.get("proposed"),
        "ground": _ground(views, chips) if views and (views.before or views.after) else None,
        "looks": [
            {
                "on": k.on.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "pass_id": k.pass_id,
                "sensor": k.sensor,
                "was": code_of(k),
                "clear_share": round(k.clear_share, 4),
                "level_rank": None if k.level_rank is None else round(k.level_rank, 4),
            }
            for k in subject.looks
        ],
        **subject.extra,
        "case": {k: v for k, v in subject.properties.items() if k not in _OF_A_RUN},
    }


def season_days(views: Views) -> int | None:
    """Count the days between the days of the year of both pictures; None where one is missing."""
    if views.before is None or views.after is None:
        return None
    return season_apart(views.before.on, views.after.on)


def _picture(picture: Picture | None, subject: Subject) -> dict[str, Any] | None:
    if picture is None:
        return None
    return {
        "pass_id": picture.pass_id,
        "on": picture.on.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "on_local": moment(picture.on, subject),
        "sensor": picture.sensor,
        "sensor_name": sensor_name(picture.sensor, subject.language),
        "gsd_m": picture.gsd_m,
        "cloud_share": round(picture.hidden_share, 4),
        "level_rank": None if picture.level_rank is None else round(picture.level_rank, 4),
        "bands": list(picture.bands),
    }


def _ground(views: Views, chips: Chips | None) -> dict[str, Any]:
    return {
        "crs": views.grid.crs,
        "bounds": [round(v, 3) for v in views.grid.bounds],
        "shape": list(views.grid.shape),
        "whole_case": views.whole,
        "outline_px": rings_of(views.outline, views.grid),
        "false_colour": list(chips.false_of) if chips and chips.false_of else None,
        "rise_limit_m": chips.rise_limit if chips else None,
    }


def png(image: Rgb | Image.Image) -> bytes:
    """Write PNG."""
    picture = image if isinstance(image, Image.Image) else Image.fromarray(image)
    out = BytesIO()
    # Runs of one byte are looked for, and no earlier strings: the same pixels in two thirds of the
    # time, for a few hundredths more of bytes.
    picture.save(out, "PNG", compress_level=4, compress_type=zlib.Z_RLE)
    return out.getvalue()


def as_json(document: Mapping[str, Any]) -> bytes:
    """Write JSON as everything here is written."""
    return (json.dumps(document, ensure_ascii=False, indent=1, allow_nan=False) + "\n").encode()


def manifest(contents: Mapping[str, bytes]) -> bytes:
    """List the files with their checksums."""
    files = [
        {
            "name": name,
            "sha256": hashlib.sha256(data).hexdigest(),
            "bytes": len(data),
            "media_type": _TYPES[name.rsplit(".", 1)[1]],
            "role": ROLES[name],
        }
        for name, data in sorted(contents.items())
    ]
    return as_json({"files": files})
