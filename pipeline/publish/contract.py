"""Our own promise, checked before anything is published."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from pipeline.errors import ContractError

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator

SHOWN = 5  # offenders named in full; the rest are counted


@cache
def schema() -> dict[str, Any]:
    """Give the JSON Schema (2020-12) that ships with the package."""
    text = files("pipeline.publish").joinpath("case_schema.json").read_text(encoding="utf-8")
    return json.loads(text)


@cache
def _validator(name: str) -> Draft202012Validator:
    from jsonschema import Draft202012Validator  # noqa: PLC0415 - not before a run publishes

    whole = schema()
    part = _spelled_out(whole["$defs"][name], whole["$defs"])
    return Draft202012Validator({"$schema": whole["$schema"], **part})


def _spelled_out(part: Any, named: Mapping[str, Any]) -> Any:
    """Put what ``$ref`` names in its place; looking it up for each number is a third of checking.

    Only a definition that refers to itself could not be spelled out, and ours has none.
    """
    if isinstance(part, list):
        return [_spelled_out(v, named) for v in part]
    if not isinstance(part, dict):
        return part
    own = {k: _spelled_out(v, named) for k, v in part.items() if k != "$ref"}
    if "$ref" not in part:
        return own
    other = _spelled_out(named[part["$ref"].removeprefix("#/$defs/")], named)
    # Keywords beside a reference hold as well as those that it brings.
    return {**other, **own} if not other.keys() & own.keys() else {"allOf": [other], **own}


def check(name: str, document: Mapping[str, Any]) -> None:
    """Check a document against ``$defs/name`` (cases, not_observed, run).

    Raises
    ------
    ContractError
        Naming every offender: the feature, the place in it, what is wrong.
    """
    wrong = sorted(
        f"{_feature(document, list(e.absolute_path))} {e.message[:200]}"
        for e in _validator(name).iter_errors(document)
    )
    ids = [str(f["id"]) for f in document.get("features", ()) if "id" in f]
    wrong += [f"id {i} occurs twice" for i in sorted({i for i in ids if ids.count(i) > 1})]
    if wrong:
        more = f"; and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
        raise ContractError(
            f"{name} would break its own schema: {'; '.join(wrong[:SHOWN])}{more}",
            "This is a bug: nothing was published, please report it with run.log",
        )


def _feature(document: Mapping[str, Any], path: list[str | int]) -> str:
    """Name the feature and the place in it."""
    place = "/".join(map(str, path)) or "(top)"
    if len(path) > 1 and path[0] == "features" and isinstance(path[1], int):
        return f"{document['features'][path[1]].get('id', '?')} at {place}:"
    return f"{place}:"
