"""Sweep 1: decode each touched block once and keep the corridor's pixels.

Classes (``scl``) are read first; a pass that is all cloud over the corridor is not read further.
A scene that cannot be read is set aside by name, and its pass goes on with what is left of it.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.errors import SceneUnusableError, SourceUnreachableError
from pipeline.io.asset_reader import AssetReader
from pipeline.io.blocks import NODATA, DamagedBlockError, Layer
from pipeline.io.failpoints import failpoint
from pipeline.io.progress import DETAIL
from pipeline.io.ranges import Fetcher
from pipeline.io.remote import lasting, read_remotely
from pipeline.io.store import CorridorStore
from pipeline.io.tasks import map_tiles
from pipeline.model import Asset, Pass, Scene, SetAside, Tile
from pipeline.passes.bands import BadSceneError, Readers, read_tile
from pipeline.passes.fetched_bands import fetched_bands
from pipeline.passes.ground import Site

log = logging.getLogger("siluan")

REQUIRED = ("blue", "green", "red", "nir")
"""Bands without which a scene says nothing."""

OPTIONAL = ("nir08", "swir16", "swir22", "scl")

REASONS = {
    "new": "not in the store",
    "skip": "already in the store, unchanged",
    "recompute": "the source has changed since it was read, or lies elsewhere now",
    "retry": "something of it could not be read last time",
    "damaged": "blocks of it, or what was noted of it, are missing or cut short",
}
"""What gathering does with a pass, and why."""

_NAMED = 3  # blocks of a pass that are named in the log: the first stand for the rest
_CLOUD_CLASSES = (0, 1, 8, 9, 10)  # no data, saturated, clouds, cirrus of Sentinel-2's SCL
_PER_READER = 7  # requests under way for each scene that is read at once: one a band
_MOST_REQUESTS = 64
_OVERCAST = 0.995  # share of such pixels from which a pass is not read further


_Place = tuple[CorridorStore, Fetcher | None]
"""Where looks go, and what fetches remote files where there are any."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """What became of one pass; ``usable`` if its pixels are in the store."""

    pass_id: str
    usable: bool
    fresh: bool  # read now and not found in the store
    set_aside: tuple[SetAside, ...]
    unreachable: str = ""  # why it could not be read this time; it is tried again next time


def fingerprint(p: Pass) -> str:
    """Name what a pass is read from: files by path, size and time, URLs by the item citing them."""
    parts: list[object] = []
    for scene in p.scenes:
        own = scene.catalogue_id
        for band in (*REQUIRED, *OPTIONAL):
            asset = scene.assets.get(band)
            if asset is None:
                continue
            parts.append(
                [
                    *(own, band, lasting(asset.href), asset.band_index),
                    *(asset.scale, asset.offset, asset.nodata, *_file_state(asset.href)),
                    *((asset.decode,) if asset.decode else ()),
                ]
            )
        parts.append([own, str(scene.properties.get("updated", "")), scene.baseline])
    if len(p.scenes) > 1 and any("scl" in scene.assets for scene in p.scenes):
        # Stores from before 26 November 2026 lack the classes of all scenes but the first.
        parts.append("classes of all scenes")
    if len({scene.catalogue_id for scene in p.scenes}) < len(p.scenes):
        # Stores from before 28 November 2026 hold one of them twice and the others not (304).
        parts.append("scenes of one id")
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _file_state(href: str) -> list[int]:
    if "://" in href:
        return []
    try:
        stat = os.stat(href)  # noqa: PTH116 - asked of every band of every look, several times a run
    except (FileNotFoundError, NotADirectoryError):
        return [-1]
    return [stat.st_size, stat.st_mtime_ns]


def plan(store: CorridorStore, passes: Sequence[Pass]) -> dict[str, str]:
    """Say per pass what gathering would do: a word of :data:`REASONS`."""
    return {p.id: _what(store, p) for p in passes}


def _what(store: CorridorStore, p: Pass) -> str:
    try:
        known = store.fingerprint(p.id)
    except DamagedBlockError:
        return "damaged"
    if known is None:
        return "new"
    if known != fingerprint(p):
        return "recompute"
    if not _settled(store, p):
        return "retry"
    return "damaged" if store.note(p.id)["usable"] and store.cut_short(p.id) else "skip"


def was_used(store: CorridorStore, pass_id: str) -> bool:
    """Tell whether the store has held pixels of a pass that could be used; or nobody can say."""
    try:
        return store.fingerprint(pass_id) is not None and bool(store.note(pass_id)["usable"])
    except DamagedBlockError:
        return True


def gather(site: Site, passes: Sequence[Pass]) -> list[Gathered]:
    """Bring all passes into the store; those already there, unchanged, are skipped."""
    away = any(
        read_remotely(a.href, a.access) for p in passes for s in p.scenes for a in s.assets.values()
    )
    with (
        Fetcher(min(site.io_threads * _PER_READER, _MOST_REQUESTS))
        if away
        else nullcontext() as fetcher
    ):
        damaged: list[Path] = []
        try:
            return map_tiles(
                lambda p: _gather_pass(site, p, fetcher, damaged),
                passes,
                site.io_threads,
                site.progress,
                "reading scenes",
            )
        finally:
            _say_damaged(damaged)


def _say_damaged(blocks: Sequence[Path]) -> None:
    """Say once how many blocks of a store are damaged; each of them has its line in the log."""
    if not blocks:
        return
    others = f", and so are {len(blocks) - 1} others of this store" if len(blocks) > 1 else ""
    log.warning("%s is damaged and is made again%s", min(blocks), others)


def _gather_pass(site: Site, p: Pass, fetcher: Fetcher | None, damaged: list[Path]) -> Gathered:
    store, mark = site.store, fingerprint(p)
    what = _what(store, p)
    if what == "damaged":
        blocks = store.cut_short(p.id) if store.is_noted(p.id) else [store.note_path(p.id)]
        damaged.extend(blocks)
        for block in blocks[:_NAMED]:
            log.warning("%s is damaged", block, extra={DETAIL: True})
    if what == "skip":
        note = store.note(p.id)
        known = tuple(SetAside(**item) for item in note["set_aside"])
        return Gathered(p.id, bool(note["usable"]), False, known)
    aside: list[SetAside] = []
    scenes = list(p.scenes)
    usable, bands = False, ()
    while scenes:
        try:
            usable, bands, why = _read_pass((store, fetcher), p.id, scenes)
        except BadSceneError as error:
            aside.append(SetAside(error.scene_id, "gather", lasting(error.what), error.remedy))
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


def _read_pass(
    place: _Place, pass_id: str, scenes: Sequence[Scene]
) -> tuple[bool, Sequence[str], str]:
    """Read the scenes of a pass, mosaicked; (usable, bands, reason why not)."""
    store = place[0]
    wanted = [_wanted(scene) for scene in scenes]
    files: dict[str, list[tuple[Scene, Asset]]] = {}
    for scene, assets in zip(scenes, wanted, strict=True):
        for band, asset in assets.items():
            files.setdefault(band, []).append((scene, asset))
    classes: dict[str, Layer] = {}
    scl = files.pop("scl", [])
    if len(scl) == len(scenes):
        with ExitStack() as stack:
            read = _read_tiles(place, {"scl": scl}, stack)
            classes = {store.tile_name(tile): layers["scl"] for tile, layers in read}
        if _overcast(classes):
            return False, (), "all cloud over the corridor, by the producer's classes"
    seen = 0
    # A pass that is noted must stay whole; the first time its blocks are waited for together.
    noted = store.note_path(pass_id).exists()
    with ExitStack() as stack:
        for tile, layers in _read_tiles(place, files, stack):
            if classes:
                layers["scl"] = classes[store.tile_name(tile)]
            seen += int(np.count_nonzero(layers["green"].values != NODATA))
            store.write(pass_id, tile, layers, durable=noted)
            failpoint("gather.block")
    if seen == 0:
        return False, (), "holds no data over the corridor"
    return True, sorted([*files, *(["scl"] if classes else [])]), ""


def _read_tiles(
    place: _Place, files: Mapping[str, Sequence[tuple[Scene, Asset]]], stack: ExitStack
) -> Iterator[tuple[Tile, dict[str, Layer]]]:
    """Give all bands of tile after tile.

    Local files are read as they are needed. Of remote ones the blocks are fetched band by band,
    where that can be; else every band has a thread of its own, from the opening on: they wait for
    their server side by side, on however few cores. What they bring is kept packed until the
    slowest is there.
    """
    bands, (store, fetcher) = sorted(files), place
    if not _away(files):
        readers = _local(store, files, stack)
        for tile in store.tiles:
            yield tile, {b: read_tile(store, b, readers[b], tile) for b in bands}
        return

    def whole(band: str) -> list[Layer]:
        with ExitStack() as own:
            found = _local(store, {band: files[band]}, own)[band]
            return [read_tile(store, band, found, tile) for tile in store.tiles]

    columns = fetched_bands(store, files, fetcher) if fetcher else None
    if columns is None:
        with ThreadPoolExecutor(len(bands), thread_name_prefix="band") as pool:
            asked = [pool.submit(whole, b) for b in bands]
            columns = {b: f.result() for b, f in zip(bands, asked, strict=True)}
    for i, tile in enumerate(store.tiles):
        yield tile, {b: columns[b][i] for b in bands}


def _away(files: Mapping[str, Sequence[tuple[Scene, Asset]]]) -> bool:
    return any(read_remotely(a.href, a.access) for found in files.values() for _, a in found)


def _local(
    store: CorridorStore, files: Mapping[str, Sequence[tuple[Scene, Asset]]], stack: ExitStack
) -> Mapping[str, Readers]:
    """Open files where they lie."""
    return {b: [(s, _open(stack, s, a, store)) for s, a in found] for b, found in files.items()}


def _wanted(scene: Scene) -> Mapping[str, Asset]:
    missing = [band for band in REQUIRED if band not in scene.assets]
    if missing:
        cause = SceneUnusableError(
            f"{scene.id} lacks the band(s) {', '.join(missing)}",
            "Check the band table of its sensor in config/sensors",
        )
        raise BadSceneError(scene.id, cause)
    return {b: scene.assets[b] for b in (*REQUIRED, *OPTIONAL) if b in scene.assets}


def _open(stack: ExitStack, scene: Scene, asset: Asset, store: CorridorStore) -> AssetReader:
    try:
        return stack.enter_context(AssetReader(asset, store.grid))
    except SceneUnusableError as error:
        raise BadSceneError(scene.id, error) from error


def _overcast(classes: Mapping[str, Layer]) -> bool:
    """Tell whether nearly all that is seen is cloud; tile by tile, a river's classes are many."""
    seen = cloudy = 0
    for layer in classes.values():
        seen += int(np.count_nonzero(layer.values != NODATA))
        cloudy += int(np.count_nonzero(np.isin(layer.values, _CLOUD_CLASSES)))
    return seen > 0 and cloudy / seen >= _OVERCAST
