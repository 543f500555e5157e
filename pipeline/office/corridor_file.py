"""The office's corridors file: one corridor changes, the others stay."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import shapely
from shapely.geometry import mapping
from shapely.geometry.base import BaseGeometry

from pipeline.errors import ConfigurationError
from pipeline.io.atomic import write_if_changed
from pipeline.io.corridors import load_corridors

_DECIMALS = 7
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_KINDS = ("river", "reservoir")


def corridors_file(config: Path) -> Path:
    """Give the office's file."""
    return config / "corridors.geojson"


def check_words(name: str, water: str | None, option: str) -> None:
    """Refuse an id, or a kind of water given by ``option``, that no corridor can have."""
    wrong: list[str] = []
    if not _ID.fullmatch(name):
        wrong.append(f"'{name}' is no id: letters a-z, digits, - and _ make one, such as lushui")
    if water is not None and water not in _KINDS:
        wrong.append(f"{option} {water} is not known: {' or '.join(_KINDS)}")
    if wrong:
        raise ConfigurationError("; ".join(wrong), "Correct the command; nothing was changed")


def rounded(geometry: BaseGeometry) -> dict[str, Any]:
    """Give the GeoJSON geometry with 7 decimals."""
    return dict(mapping(shapely.transform(geometry, lambda xy: xy.round(_DECIMALS))))


def content_of(path: Path) -> dict[str, Any]:
    """Read the file, checked; an empty collection where there is none."""
    if not path.exists():
        return {"type": "FeatureCollection", "features": []}
    load_corridors(path)  # a damaged file is named before anything is added to it
    return json.loads(path.read_text(encoding="utf-8-sig"))


def features_of(content: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """Give the features of one corridor, its centreline included."""
    return [f for f in content["features"] if name in (_id(f), f["properties"].get("of"))]


def _id(feature: Mapping[str, Any]) -> str | None:
    return feature["properties"].get("id")


def put(
    config: Path,
    content: Mapping[str, Any],
    name: str,
    features: list[dict[str, Any]],
    *,
    replace: bool,
) -> list[str]:
    """Put features in the place of a corridor's old ones; checked before they are written.

    Raises
    ------
    ConfigurationError
        The corridor is there already and ``replace`` is false, or the result is no corridor.
    """
    plain: list[dict[str, Any]] = json.loads(json.dumps(features))
    old = features_of(content, name)
    if old == plain:
        return [f"{name} is already so in {corridors_file(config)}"]
    adds_line = bool(old) and all(f in plain or not f["properties"].get("of") for f in old)
    if old and not replace and not (adds_line and len(plain) > len(old)):
        raise ConfigurationError(
            f"{corridors_file(config)} holds a corridor {name} already",
            "Add --replace to put this one in its place (the next run then reads its history "
            "again), or choose another --id",
        )
    others = list(content["features"])
    at = others.index(old[0]) if old else len(others)
    rest = [f for f in others if f not in old]
    new = {**content, "features": [*rest[:at], *plain, *rest[at:]]}
    data = to_bytes(new)
    with TemporaryDirectory() as folder:
        trial = Path(folder) / "corridors.geojson"
        trial.write_bytes(data)
        try:
            after = load_corridors(trial)
        except ConfigurationError as error:
            # The trial's path is nothing that anybody could open afterwards.
            what = error.what.replace(str(trial), f"{corridors_file(config)} with {name}")
            raise ConfigurationError(what, "Correct it; the file stays as it was") from error
    before = load_corridors(corridors_file(config)) if old else ()
    write_if_changed(corridors_file(config), data)
    done = "replaced" if old else "added"
    lines = [f"{done} {name} in {corridors_file(config)}; working geometry, never a legal boundary"]
    shapes = [{c.id: c.polygon_wgs84 for c in found}.get(name) for found in (before, after)]
    return [*lines, *([] if shapes[0] in (None, shapes[1]) else [new_store_line(name)])]


def new_store_line(name: str) -> str:
    """Say what another outline of a corridor costs."""
    return (
        f"another outline of {name}: the next run reads its history again, into a new store "
        f"(siluan baseline build WORKFLOW --corridor {name} --dry-run says what that costs); "
        "the old one goes once the new one holds all its passes; the cases of the ledger stay"
    )


def to_bytes(content: Mapping[str, Any]) -> bytes:
    """Write one feature per line, so that a diff can be read."""
    head = {k: v for k, v in content.items() if k != "features"}
    lines = ",\n".join(json.dumps(f, ensure_ascii=False) for f in content["features"])
    return f'{json.dumps(head, ensure_ascii=False)[:-1]}, "features": [\n{lines}\n]}}\n'.encode()
