"""Sweep 1: decode each touched block once and keep the corridor's pixels.

Classes (``scl``) are read first; a pass that is all cloud over the corridor is not read further.
A scene that cannot be read is set aside by name, and its pass goes on with what is left of it.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import SceneUnusableError, SourceUnreachableError
from pipeline.io.failpoints import failpoint
from pipeline.io.raster import AssetReader
from pipeline.io.store import NODATA, SCALE, CorridorStore, Layer
from pipeline.io.tasks import map_tiles
from pipeline.model import Asset, Pass, Scene, SetAside, Tile
from pipeline.passes.ground import Site
from pipeline.prepare.classes import scl_codes

log = logging.getLogger("siluan")

REQUIRED = ("blue", "green", "red", "nir")
"""Bands without which a scene says nothing."""

OPTIONAL = ("nir08", "swir16", "swir22", "scl")

REASONS = {
    "new": "not in the store",
    "skip": "already in the store, unchanged",
    "recompute": "the source has changed since it was read",
    "retry": "something of it could not be read last time",
    "damaged": "blocks of it are missing or cut short",
}
"""What gathering does with a pass, and why."""

_NAMED = 3  # blocks of a pass that are named in the log: the first stand for the rest
_CLOUD_CLASSES = (0, 1, 8, 9, 10)  # no data, saturated, clouds, cirrus of Sentinel-2's SCL
_OVERCAST = 0.995  # share of such pixels from which a pass is not read further


@dataclass(frozen=True, slots=True)
class Gathered:
    """What became of one pass; ``usable`` if its pixels are in the store."""

    pass_id: str
    usable: bool
    fresh: bool  # read now and not found in the store
    set_aside: tuple[SetAside, ...]
    unreachable: str = ""  # why it could not be read this time; it is tried again next time


def fingerprint(p: Pass) -> str:
    """Name what a pass is read from: files by size and time, URLs by the item that cites them."""
    parts: list[object] = []
    for scene in p.scenes:
        for band in (*REQUIRED, *OPTIONAL):
            asset = scene.assets.get(band)
            if asset is None:
                continue
            parts.append(
                [
                    *(scene.id, band, _stable(asset.href), asset.band_index),
                    *(asset.scale, asset.offset, asset.nodata, *_file_state(asset.href)),
                    *((asset.decode,) if asset.decode else ()),
                ]
            )
        parts.append([scene.id, str(scene.properties.get("updated", "")), scene.baseline])
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _stable(href: str) -> str:
    """Drop the port of this machine's own API, which changes from run to run."""
    return re.sub(r"http://127\.0\.0\.1:\d+", "local:/", href)


def _file_state(href: str) -> list[int]:
    if "://" in href:
        return []
    path = Path(href)
    if not path.exists():
        return [-1]
    stat = path.stat()
    return [stat.st_size, stat.st_mtime_ns]


def plan(store: CorridorStore, passes: Sequence[Pass]) -> dict[str, str]:
    """Say per pass what gathering would do: a word of :data:`REASONS`."""
    return {p.id: _what(store, p) for p in passes}


def _what(store: CorridorStore, p: Pass) -> str:
    known = store.fingerprint(p.id)
    if known is None:
        return "new"
    if known != fingerprint(p):
        return "recompute"
    if not _settled(store, p):
        return "retry"
    return "damaged" if store.note(p.id)["usable"] and store.cut_short(p.id) else "skip"


def gather(site: Site, passes: Sequence[Pass]) -> list[Gathered]:
    """Bring all passes into the store; those already there, unchanged, are skipped."""
    return map_tiles(
        lambda p: _gather_pass(site, p), passes, site.io_threads, site.progress, "reading scenes"
    )


def _gather_pass(site: Site, p: Pass) -> Gathered:
    store, mark = site.store, fingerprint(p)
    what = _what(store, p)
    if what == "damaged":
        for block in store.cut_short(p.id)[:_NAMED]:
            log.warning("%s is damaged and is made again", block)
    if what == "skip":
        note = store.note(p.id)
        known = tuple(SetAside(**item) for item in note["set_aside"])
        return Gathered(p.id, bool(note["usable"]), False, known)
    aside: list[SetAside] = []
    scenes = list(p.scenes)
    usable, bands = False, ()
    while scenes:
        try:
            usable, bands, why = _read_pass(store, p.id, scenes)
        except _BadSceneError as error:
            aside.append(SetAside(error.scene_id, "gather", _stable(error.what), error.remedy))
            scenes = [s for s in scenes if s.id != error.scene_id]
            continue
        except SourceUnreachableError as error:
            # Nothing is noted, so that the next run tries again; what the store has goes on.
            held = (
                what == "retry" and bool(store.note(p.id)["usable"]) and not store.cut_short(p.id)
            )
            return Gathered(p.id, held, False, tuple(aside), error.what)
        if why:
            aside.append(SetAside(p.id, "gather", why))
        break
    store.finish(
        p.id,
        mark,
        {
            "bands": sorted(bands),
            "usable": usable,
            "set_aside": [
                {"what": a.what, "stage": a.stage, "reason": a.reason, "remedy": a.remedy}
                for a in aside
            ],
        },
    )
    failpoint("gather.pass_done")
    return Gathered(p.id, usable, True, tuple(aside))


def _settled(store: CorridorStore, p: Pass) -> bool:
    """Tell whether there is nothing to gain from reading again: a bad URL may have been mended."""
    mendable = any(item["remedy"] for item in store.note(p.id)["set_aside"])
    return not mendable or not any("://" in a.href for s in p.scenes for a in s.assets.values())


class _BadSceneError(Exception):
    def __init__(self, scene_id: str, cause: SceneUnusableError) -> None:
        super().__init__(scene_id)
        self.scene_id, self.what, self.remedy = scene_id, cause.what, cause.remedy


def _read_pass(
    store: CorridorStore, pass_id: str, scenes: Sequence[Scene]
) -> tuple[bool, Sequence[str], str]:
    """Read the scenes of a pass, mosaicked; (usable, bands, reason why not)."""
    wanted = {scene.id: _wanted(scene) for scene in scenes}
    with ExitStack() as stack:
        classes: dict[str, Layer] = {}
        if all("scl" in assets for assets in wanted.values()):
            found = [(s, _open(stack, s, wanted[s.id]["scl"], store)) for s in scenes]
            classes = {store.tile_name(t): _read_tile(store, "scl", found, t) for t in store.tiles}
            if _overcast(classes):
                return False, (), "all cloud over the corridor, by the producer's classes"
        readers: dict[str, list[tuple[Scene, AssetReader]]] = {}
        for scene in scenes:
            for band, asset in wanted[scene.id].items():
                if band != "scl":
                    reader = _open(stack, scene, asset, store)
                    readers.setdefault(band, []).append((scene, reader))
        seen = 0
        for tile in store.tiles:
            layers = {
                band: _read_tile(store, band, found, tile)
                for band, found in sorted(readers.items())
            }
            if classes:
                layers["scl"] = classes[store.tile_name(tile)]
            seen += int(np.count_nonzero(layers["green"].values != NODATA))
            store.write(pass_id, tile, layers)
            failpoint("gather.block")
    if seen == 0:
        return False, (), "holds no data over the corridor"
    return True, sorted([*readers, *(["scl"] if classes else [])]), ""


def _wanted(scene: Scene) -> Mapping[str, Asset]:
    missing = [band for band in REQUIRED if band not in scene.assets]
    if missing:
        cause = SceneUnusableError(
            f"{scene.id} lacks the band(s) {', '.join(missing)}",
            "Check the band table of its sensor in config/sensors",
        )
        raise _BadSceneError(scene.id, cause)
    return {b: scene.assets[b] for b in (*REQUIRED, *OPTIONAL) if b in scene.assets}


def _open(stack: ExitStack, scene: Scene, asset: Asset, store: CorridorStore) -> AssetReader:
    try:
        return stack.enter_context(AssetReader(asset, store.grid))
    except SceneUnusableError as error:
        raise _BadSceneError(scene.id, error) from error


def _read_tile(
    store: CorridorStore, band: str, readers: Sequence[tuple[Scene, AssetReader]], tile: Tile
) -> Layer:
    """One band of one tile as packed int16; the first scene with data wins."""
    out: NDArray[np.int16] | None = None
    # Scenes of two zones may come at different resolutions; the finest holds them all.
    factor = min(reader.factor for _, reader in readers)
    for scene, reader in readers:
        try:
            values, valid = reader.read(tile.core)
        except SceneUnusableError as error:
            raise _BadSceneError(scene.id, error) from error
        packed = _packed(values, valid, reader.asset, band)
        times = reader.factor // factor
        if times > 1:
            packed = np.repeat(np.repeat(packed, times, axis=0), times, axis=1)
        out = packed if out is None else np.where(out == NODATA, packed, out)
    assert out is not None
    return store.pack(out, tile, factor)


def _packed(
    values: NDArray[np.generic], valid: NDArray[np.bool_], asset: Asset, band: str
) -> NDArray[np.int16]:
    if band == "scl":
        return np.where(valid, scl_codes(values, asset.decode), NODATA).astype(np.int16)
    reflectance = values.astype(np.float64) * asset.scale + asset.offset
    whole = np.rint(np.clip(reflectance * SCALE, -32767, 32767))
    return np.where(valid & np.isfinite(reflectance), whole, NODATA).astype(np.int16)


def _overcast(classes: Mapping[str, Layer]) -> bool:
    values = np.concatenate([layer.values for layer in classes.values()])
    seen = values[values != NODATA]
    return seen.size > 0 and bool(np.isin(seen, _CLOUD_CLASSES).mean() >= _OVERCAST)
