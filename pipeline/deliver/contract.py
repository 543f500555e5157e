"""What the hand-over promises: schemas, an OpenAPI description, samples. All ship with the package.

The three documents refer to each other by file name, as they lie in one folder when written out.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from pipeline.errors import ContractError
from pipeline.io.atomic import write_bytes

CASES, FEED, OPENAPI = "case_schema.json", "feed_schema.json", "openapi.json"
SAMPLES = ("sample_new.json", "sample_ended.json", "sample_feed.geojson", "sample_answers.json")
_SHOWN = 5


def text(name: str) -> str:
    """Give a document as it ships."""
    package = "pipeline.publish" if name == CASES else "pipeline.deliver"
    return files(package).joinpath(name).read_text(encoding="utf-8")


@cache
def document(name: str) -> dict[str, Any]:
    """Give a document, read."""
    return json.loads(text(name))


@cache
def validator(name: str) -> Draft202012Validator:
    """Give the validator of ``$defs/name`` of the feed's schema (feed, item, answer, answers)."""
    resources = [
        (n, Resource.from_contents(document(n), default_specification=DRAFT202012))
        for n in (CASES, FEED)
    ]
    registry = Registry().with_resources(resources)
    return Draft202012Validator({"$ref": f"{FEED}#/$defs/{name}"}, registry=registry)


def check_page(data: bytes) -> None:
    """Check a number of the feed against its schema, as it will be read.

    Raises
    ------
    ContractError
        Naming the first offenders: nothing is handed over.
    """
    wrong = [
        f"{'/'.join(map(str, e.absolute_path)) or '(top)'}: {e.message[:200]}"
        for e in validator("feed").iter_errors(json.loads(data))
    ]
    if wrong:
        more = f"; and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
        raise ContractError(
            f"the feed would break its own schema: {'; '.join(wrong[:_SHOWN])}{more}",
            "This is a bug: nothing was handed over, please report it",
        )


def write_out(folder: Path) -> list[str]:
    """Write everything that the developer of a receiving system needs into a folder."""
    names = (OPENAPI, FEED, CASES, *SAMPLES)
    for name in names:
        write_bytes(folder / name, text(name).encode())
    return [f"{folder / name}" for name in names]
