"""YAML checked against a frozen pydantic model; every offender named, with the nearest key."""

from __future__ import annotations

import difflib
import types
import typing
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from pipeline.errors import ConfigurationError

M = TypeVar("M", bound=BaseModel)

NAME = r"^[A-Za-z0-9][A-Za-z0-9_-]*$"
"""Of a workflow or a corridor: folders, units and messages are named by it."""


def load_model(path: Path, model: type[M], context: dict[str, Any] | None = None) -> M:
    """Read a YAML file into ``model``.

    Raises
    ------
    ConfigurationError
        The file is missing, is no YAML mapping, or does not fit; the sentence names every offender
        with its place and, for a misspelt key, the nearest right one.
    """
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigurationError(f"{path} does not exist", "Check the path") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}") from error
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{path} is not valid YAML: {_one_line(error)}") from error
    if not isinstance(raw, dict):
        raise ConfigurationError(f"{path} must hold keys and values", "See workflows/sample.yaml")
    try:
        return model.model_validate(raw, context=context)
    except ValidationError as error:
        raise ConfigurationError(f"{path}: {explain(error, model)}") from error


class _AnyKind(BaseModel):
    """Of a workflow, only what says which one it is."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    kind: object = "patrol"


def kind_of(path: Path) -> object:
    """Tell which kind of workflow a file is, by its own word; a patrol where it has none.

    Raises
    ------
    ConfigurationError
        No such file, or no YAML mapping.
    """
    return load_model(path, _AnyKind).kind


def explain(error: ValidationError, model: type[BaseModel]) -> str:
    """Give all problems of a validation error as one clause, places included."""
    items = [dict(item) for item in error.errors()]
    return "; ".join(_explain_one(i, model) for i in items if not _follows(i, items))


def _follows(item: dict[str, Any], items: list[dict[str, Any]]) -> bool:
    """Tell whether a list is called too short only because a member of it is wrong."""
    loc = item["loc"]
    below = (i["loc"] for i in items if len(i["loc"]) > len(loc))
    return item["type"] == "too_short" and any(other[: len(loc)] == loc for other in below)


def _explain_one(item: dict[str, Any], model: type[BaseModel]) -> str:
    loc = [part for part in item["loc"] if not isinstance(part, str) or not part.startswith("func")]
    place = ".".join(str(part) for part in loc)
    if item["type"] == "extra_forbidden":
        names = _field_names(model, loc[:-1])
        near = difflib.get_close_matches(str(loc[-1]), names, n=1, cutoff=0.5)
        hint = f"did you mean '{near[0]}'?" if near else f"known here: {', '.join(sorted(names))}"
        return f"unknown key '{place}' ({hint})"
    if item["type"] == "missing":
        return f"missing key '{place}'"
    if item["type"] in ("union_tag_invalid", "union_tag_not_found"):
        return _wrong_tag(item, place)
    if item["type"] == "too_short":
        about = item["ctx"]
        return f"'{place}' holds {about['actual_length']} and needs {about['min_length']} or more"
    if item["type"] == "string_pattern_mismatch" and item["ctx"]["pattern"] == NAME:
        kept = "only a to z, A to Z, 0 to 9, - and _ can stand in it, the first no sign"
        return f"'{place}' is '{item['input']}': {kept} (files may have any name)"
    message = str(item["msg"]).removeprefix("Value error, ")
    return f"'{place}': {message}" if place else message


def _wrong_tag(item: dict[str, Any], place: str) -> str:
    """Say of a mapping which kinds there are."""
    about = item.get("ctx", {})
    key = str(about.get("discriminator", "'type'")).strip("'")
    known = [k.strip("' ") for k in str(about.get("expected_tags", "")).split(",") if k]
    if item["type"] == "union_tag_not_found":
        return f"missing key '{place}.{key}'"
    near = difflib.get_close_matches(str(about["tag"]), known, n=1, cutoff=0.5)
    hint = f"did you mean '{near[0]}'?" if near else f"known here: {', '.join(sorted(known))}"
    return f"'{place}.{key}': '{about['tag']}' is not known ({hint})"


def _field_names(model: type[BaseModel], loc: list[Any]) -> list[str]:
    """Names a mapping at ``loc`` may use: follows fields, lists and unions of models."""
    candidates: list[Any] = [model]
    for part in loc:
        step: list[Any] = []
        for owner in candidates:
            field = owner.model_fields.get(str(part)) or _by_alias(owner, str(part))
            if field is not None:
                step.extend(_models_in(field.annotation))
        # A tag chooses one of a union's models; at an index or a mapping's key the owner stays.
        tagged = [owner for owner in candidates if _is_tagged(owner, str(part))]
        candidates = step or tagged or candidates
    names: list[str] = []
    for owner in candidates:
        names.extend(f.alias or n for n, f in owner.model_fields.items())
    return names


def _is_tagged(owner: type[BaseModel], tag: str) -> bool:
    """Tell whether a model is the one of a union that ``tag`` names."""
    annotations = (f.annotation for f in owner.model_fields.values())
    return any(
        typing.get_origin(a) is typing.Literal and typing.get_args(a) == (tag,) for a in annotations
    )


def _by_alias(owner: type[BaseModel], name: str) -> Any:
    return next((f for f in owner.model_fields.values() if f.alias == name), None)


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if isinstance(annotation, types.UnionType) or typing.get_origin(annotation) is not None:
        return [m for a in typing.get_args(annotation) for m in _models_in(a)]
    return []


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
