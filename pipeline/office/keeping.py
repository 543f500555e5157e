"""The parts of a layer: one source replaces its own part, the others stay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import shapely

from pipeline.errors import ConfigurationError
from pipeline.io.layers import (
    LayerFeature,
    LayerRecord,
    OfficeLayer,
    SourceRecord,
    layer_path,
    load_layer,
    save_layer,
)
from pipeline.office.kinds import KINDS, KindSpec, LayerKind
from pipeline.office.mapping import Rows

# A corrected outline, or a point that was set anew, lies nearer than this: some 100 m [degrees].
_SAME_GROUND = 0.001


@dataclass(frozen=True, slots=True)
class Leaving:
    """What an import takes out of the part that it replaces."""

    names: tuple[str, ...]
    moved: tuple[str, ...]  # whose name is in the file, and lies elsewhere there
    whole: bool  # nothing of the file lies where the part lay


def check_keys(folder: Path, spec: KindSpec, source: str, rows: Rows) -> None:
    """Refuse what another part of the layer holds already.

    Raises
    ------
    ConfigurationError
        Every key and part named.
    """
    if spec.key is None:
        return
    values = [str(v) for r in rows if (v := r[spec.key])]
    layer = load_layer(folder, spec.kind.value)
    others = [f for f in layer.features if f.source != source] if layer else []
    taken = {(f.source, str(f.fields[spec.key])) for f in others if f.fields[spec.key] in values}
    if taken:
        sources = sorted({s for s, _ in taken})
        raise ConfigurationError(
            f"{spec.kind.value} {', '.join(sorted(v for _, v in taken))} stand already in the "
            f"part {', '.join(sources)}",
            f"To replace that part import with --source {sources[0]}; or 'siluan layers remove "
            f"{spec.kind.value} --source {sources[0]}' first",
        )


def leaving(
    folder: Path, spec: KindSpec, source: str, features: Sequence[LayerFeature]
) -> Leaving | None:
    """Tell what a part of the layer holds that these features do not; None without such a part.

    Parameters
    ----------
    features : sequence of LayerFeature
        That are to replace the part.
    """
    layer = load_layer(folder, spec.kind.value)
    part = [f for f in layer.features if f.source == source] if layer else []
    if not part:
        return None
    names = [_name(f, spec) for f in features]
    known = set(names)
    ground = shapely.STRtree([f.geometry for f in features])
    gone: list[str] = []
    moved: list[str] = []
    apart = 0
    for old in part:
        name = _name(old, spec)
        here = ground.query(old.geometry, predicate="dwithin", distance=_SAME_GROUND)
        apart += not len(here)
        # What has no name is known by its ground; 1 and 2 are names in every county.
        if name is None and not len(here):
            gone.append(_place(old))
        elif name is not None and name not in known:
            gone.append(name)
        elif name is not None and name not in {names[i] for i in here}:
            moved.append(name)
    return Leaving(tuple(gone), tuple(moved), whole=apart == len(part))


def _name(feature: LayerFeature, spec: KindSpec) -> str | None:
    return feature.fields.get(spec.key or "name") or feature.fields.get("name")


def _place(feature: LayerFeature) -> str:
    point = feature.geometry.representative_point()
    return f"one without a name at {point.x:.4f}, {point.y:.4f}"


def keep_source(
    folder: Path, spec: KindSpec, record: SourceRecord, features: Sequence[LayerFeature]
) -> tuple[bool, int]:
    """Replace the part of this name, keep the others; give (changed, revision)."""
    old = load_layer(folder, spec.kind.value)
    before = {s.source: s for s in old.record.sources} if old else {}
    others = [f for f in old.features if f.source != record.source] if old else []
    known = before.get(record.source)
    revision = old.record.revision if old else 0
    if known is not None and known.same_as(record):
        return False, revision
    record = record.model_copy(update={"revision": revision + 1})
    sources = {**before, record.source: record}
    layer = OfficeLayer(
        LayerRecord(
            kind=spec.kind.value,
            revision=revision + 1,
            sources=tuple(sources[s] for s in sorted(sources)),
        ),
        tuple(sorted([*others, *features], key=lambda f: f.source)),
    )
    save_layer(folder, layer, [f.name for f in spec.fields])
    return True, revision + 1


def remove_source(folder: Path, kind: LayerKind, source: str) -> str:
    """Take a part out of a layer.

    Raises
    ------
    ConfigurationError
        There is no such part.
    """
    layer = load_layer(folder, kind.value)
    names = [s.source for s in layer.record.sources] if layer else []
    if layer is None or source not in names:
        raise ConfigurationError(
            f"the layer {kind.value} has no part '{source}'",
            f"It has: {', '.join(names) or 'none'}",
        )
    rest = tuple(s for s in layer.record.sources if s.source != source)
    path = layer_path(folder, kind.value)
    if not rest:
        path.unlink()
        return f"removed {path.name}"
    revision = layer.record.revision + 1
    record = layer.record.model_copy(update={"sources": rest, "revision": revision})
    kept = tuple(f for f in layer.features if f.source != source)
    save_layer(
        folder, replace(layer, record=record, features=kept), [f.name for f in KINDS[kind].fields]
    )
    return f"removed {source} from {kind.value}, revision {revision}"
