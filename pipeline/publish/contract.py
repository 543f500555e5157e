"""Our own promise, checked before anything is published."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
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
    from jsonschema.validators import extend  # noqa: PLC0415

    whole = schema()
    part = _spelled_out(whole["$defs"][name], whole["$defs"])
    plain = Draft202012Validator.VALIDATORS["items"]

    def items(validator: Any, own: Any, instance: Any, schema: Any) -> Iterator[Any]:
        # Nearly all that is checked is coordinates: only of a list with a wrong one more is asked.
        if not _all_within(instance, _limits(own), schema):
            yield from plain(validator, own, instance, schema)

    return extend(Draft202012Validator, {"items": items})({"$schema": whole["$schema"], **part})


_Limits = Sequence[tuple[float, float]]


def _limits(part: Any) -> _Limits | None:
    """Give the limits of positions, where that is all that a schema asks; else None."""
    match part:
        case {"type": "array", "items": False, "prefixItems": [*axes], "minItems": n, **rest}:
            found = [_range(axis) for axis in axes]
            return None if rest or n != len(axes) or None in found else found  # type: ignore[return-value]
        case _:
            return None


def _range(part: Any) -> tuple[float, float] | None:
    match part:
        case {"type": "number", "minimum": least, "maximum": most, **rest} if not rest:
            return least, most
        case _:
            return None


def _all_within(positions: Any, limits: _Limits | None, schema: Any) -> bool:
    """Tell that a list holds positions within their limits, and nothing else."""
    if limits is None or "prefixItems" in schema or type(positions) is not list:
        return False
    n = len(limits)
    for position in positions:
        if type(position) is not list or len(position) != n:
            return False
        for value, (least, most) in zip(position, limits, strict=True):
            # A truth is a number to Python, and what is no number lies within any limits.
            if type(value) not in (float, int) or not least <= value <= most:
                return False
    return True


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
