"""What ``siluan layers list`` and ``show`` print."""

from __future__ import annotations

from pathlib import Path

from pipeline.errors import ConfigurationError
from pipeline.io.layers import OfficeLayer, SourceRecord, load_layer, load_layers
from pipeline.office.kinds import KINDS, LayerKind

_SHOWN = 50


def list_lines(folder: Path) -> list[str]:
    """Give one line per layer, and the kinds that are missing."""
    layers = load_layers(folder)
    lines = [_summary(layers[k.value]) for k in LayerKind if k.value in layers]
    missing = [k.value for k in LayerKind if k.value not in layers]
    if missing:
        lines.append(f"not imported: {', '.join(missing)}")
    return lines


def show_lines(folder: Path, kind: LayerKind) -> list[str]:
    """Give the record of a layer and its features.

    Raises
    ------
    ConfigurationError
        It was not imported.
    """
    layer = load_layer(folder, kind.value)
    if layer is None:
        raise ConfigurationError(
            f"no {kind.value} was imported",
            f"Import one: siluan layers import FILE --as {kind.value} --datum cgcs2000",
        )
    lines = [_summary(layer)]
    for source in layer.record.sources:
        lines += _source_lines(source)
    for feature in layer.features[:_SHOWN]:
        west, south, east, north = feature.geometry.bounds
        named = " ".join(f"{k}={v}" for k, v in feature.fields.items() if v)
        lines.append(f"  {named} [{west:.4f} {south:.4f} {east:.4f} {north:.4f}]")
    if len(layer.features) > _SHOWN:
        lines.append(f"  and {len(layer.features) - _SHOWN} more")
    return lines


def _summary(layer: OfficeLayer) -> str:
    record = layer.record
    positions = sorted({s.position.position for s in record.sources})
    return (
        f"{record.kind} ({KINDS[LayerKind(record.kind)].zh}): {len(layer.features)} features, "
        f"revision {record.revision}, position {', '.join(positions)}, "
        f"from {', '.join(s.source for s in record.sources)}"
    )


def _source_lines(source: SourceRecord) -> list[str]:
    fields = ", ".join(f"{k}={v}" for k, v in source.mapping.items())
    lines = [
        f"  {source.source}: {source.file}, sha256 {source.sha256[:16]}, "
        f"{source.features} features, imported {source.imported_on}, revision {source.revision}",
        f"    datum {source.datum}, {source.crs}, encoding {source.encoding}, fields {fields}",
        f"    position {source.position.position}: {source.position.detail}"
        + (f", accepted by {source.position.accepted_by}" if source.position.accepted_by else ""),
    ]
    lines += [f"    repaired: {r}" for r in source.repaired]
    return lines + [f"    set aside: {a}" for a in source.set_aside]
