"""Bands of remote scenes, fetched as the blocks of a corridor and unpacked one band at a time.

What is fetched of a band is let go once its pixels are packed, so that a long river holds a few
bands of a pass and not all of it, and one band is unpacked while another is under way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from threading import Event

from rasterio.errors import RasterioError

from pipeline.errors import SceneUnusableError
from pipeline.io.fetched import Planned, plan_band
from pipeline.io.line import LeftToGdalError
from pipeline.io.ranges import Coming, Fetcher
from pipeline.io.raster import AssetReader
from pipeline.io.store import CorridorStore, Layer
from pipeline.model import Asset, Scene
from pipeline.passes.bands import BadSceneError, read_tile

Files = Mapping[str, Sequence[tuple[Scene, Asset]]]
"""By band, the file of each scene."""

_MOST_FETCHED = 512 << 20  # bytes of one band of a pass that are held; GDAL reads larger ones


@dataclass(frozen=True)
class _Ask:
    """What a pass asks for; ``stopped`` once nobody needs it any more."""

    store: CorridorStore
    fetcher: Fetcher
    turn: int
    stopped: Event = field(default_factory=Event)


def fetched_bands(
    store: CorridorStore, files: Files, fetcher: Fetcher
) -> dict[str, list[Layer]] | None:
    """Fetch all that is wanted of some files, and pack it.

    Returns
    -------
    dict or None
        By band, a layer for each tile of the store, in their order; None if GDAL has to read one
        of the files.

    Raises
    ------
    BadSceneError
        Names a scene that cannot be read.
    SourceUnreachableError
        No answer, after all tries.
    """
    plans = _plans(store, files, fetcher)
    if plans is None:
        return None
    ask = _Ask(store, fetcher, fetcher.turn())
    with ThreadPoolExecutor(len(plans), thread_name_prefix="band") as pool:
        asked = {band: pool.submit(_band, ask, band, found) for band, found in plans.items()}
        columns = {band: future.result() for band, future in asked.items()}
    whole = {band: layers for band, layers in columns.items() if layers is not None}
    return whole if len(whole) == len(plans) else None


_Plans = Sequence[tuple[Scene, Planned]]


def _plans(store: CorridorStore, files: Files, fetcher: Fetcher) -> dict[str, _Plans] | None:
    """Say which blocks of each file are wanted; None if one is not read here."""
    wanted = ([tile.core for tile in store.tiles], store.kept)

    def planned(scene: Scene, asset: Asset) -> Planned | None:
        try:
            return plan_band(asset, store.grid, wanted, fetcher)
        except SceneUnusableError as error:
            raise BadSceneError(scene.id, error) from error

    jobs = [(band, scene, asset) for band in files for scene, asset in files[band]]
    found = fetcher.together([partial(planned, scene, asset) for _, scene, asset in jobs])
    out: dict[str, list[tuple[Scene, Planned]]] = {band: [] for band in files}
    for (band, scene, _), plan in zip(jobs, found, strict=True):
        if plan is None:
            return None
        out[band].append((scene, plan))
    sizes = [sum(plan.size for _, plan in own) for own in out.values()]
    return dict(out) if max(sizes, default=0) <= _MOST_FETCHED else None


def _band(ask: _Ask, band: str, plans: _Plans) -> list[Layer] | None:
    """Fetch and pack one band; None if GDAL has to read it, or another band has failed."""
    size = sum(plan.size for _, plan in plans)
    waits: list[Coming[bytes]] = []
    with ask.fetcher.room.held(size, ask.turn):
        if ask.stopped.is_set():
            return None
        try:
            waits = [plan.ask(ask.fetcher) for _, plan in plans]
            return _packed(ask.store, band, plans, waits)
        except (LeftToGdalError, RasterioError):
            ask.stopped.set()
            return None
        except BaseException:
            ask.stopped.set()  # nothing more is asked for once one of them fails
            raise
        finally:
            for wait in waits:
                wait.drop()


def _packed(
    store: CorridorStore, band: str, plans: _Plans, waits: Sequence[Coming[bytes]]
) -> list[Layer]:
    with ExitStack() as own:
        readers: list[tuple[Scene, AssetReader]] = []
        for (scene, plan), wait in zip(plans, waits, strict=True):
            try:
                reader = AssetReader(plan.asset, store.grid, wait())
                readers.append((scene, own.enter_context(reader)))
            except SceneUnusableError as error:
                raise BadSceneError(scene.id, error) from error
        return [read_tile(store, band, readers, tile) for tile in store.tiles]
