"""What a run leaves for people to look at: evidence of every case, and the page to review them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pipeline.io.shelf import MANIFEST
from pipeline.model import Case
from pipeline.passes.showing import Desk, Drawn, Source, draw_cases
from pipeline.publish import Imagery, PublishContext, Shelves, properties_of


@dataclass(frozen=True)
class Evidence:
    """The pictures of a run's cases."""

    drawn: Drawn
    documents: Mapping[str, Mapping[str, Any]]  # case.json by case id


def add_evidence(
    context: PublishContext, shelves: Shelves, source: Source, desk: Desk
) -> tuple[PublishContext, Evidence]:
    """Draw the evidence of what a run lists, and let it be published with it.

    Suppressed cases get some where somebody is to check them.

    Raises
    ------
    DiskFullError
        Nothing of the output has changed.
    """
    listed = (*shelves.cases, *shelves.watch)
    cases = (*listed, *(c for c in shelves.suppressed if c.case_id in context.audit))
    drawn = draw_cases(cases, lambda c: properties_of(c, context), source, desk)
    trees: dict[str, Path] = {}
    extras: dict[str, bytes] = {}
    documents: dict[str, Mapping[str, Any]] = {}
    imagery: dict[str, Imagery] = {}
    for case in cases:
        name, key = place_of(case), case.case_id
        if key in drawn.kept:
            trees[name] = drawn.kept[key]
            document, listing = (
                (drawn.kept[key] / n).read_bytes() for n in ("case.json", MANIFEST)
            )
        else:
            files = drawn.plain[key]
            extras |= {f"{name}/{n}": data for n, data in files.items()}
            document, listing = files["case.json"], files[MANIFEST]
        documents[key] = json.loads(document)
        imagery[key] = _imagery(name, documents[key], json.loads(listing))
    told = replace(
        context,
        imagery=imagery,
        trees={**context.trees, **trees},
        extras={**context.extras, **extras},
    )
    return told, Evidence(drawn, documents)


def place_of(case: Case) -> str:
    """Give the folder of a case's evidence in a run's output."""
    return f"evidence/{case.case_id}/{case.revision}"


def _imagery(
    place: str, document: Mapping[str, Any], listing: Mapping[str, Sequence[Mapping[str, Any]]]
) -> Imagery:
    pictures = [f for f in listing["files"] if f["media_type"] == "image/png"]
    after = document.get("after") or {}
    return Imagery(
        tuple(sorted((f"{place}/{f['name']}", str(f["sha256"])) for f in pictures)),
        after.get("cloud_share"),
        document.get("imagery_credit"),
    )
