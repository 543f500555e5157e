"""Bands of remote scenes, fetched as the blocks of a corridor and unpacked one band at a time.

What is fetched of a band is let go once its pixels are packed, so that of a long river a few bands
are held as they came, and one is unpacked while another is under way. The packed pixels of all
bands, half of what came of a pass, stay until the slowest is there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from threading import Event, Lock

from rasterio.errors import RasterioError

from pipeline.errors import SceneUnusableError
from pipeline.io.asset_reader import AssetReader
from pipeline.io.blocks import Layer
from pipeline.io.fetched import Planned, Wanted, plan_band
from pipeline.io.line import LeftToGdalError
from pipeline.io.ranges import Coming, Fetcher
from pipeline.io.store import CorridorStore
from pipeline.model import Asset, Scene
from pipeline.passes.bands import BadSceneError, read_tile

Files = Mapping[str, Sequence[tuple[Scene, Asset]]]
"""By band, the file of each scene."""

_Plans = Sequence[tuple[Scene, Planned]]

_MOST_FETCHED = 512 << 20  # bytes of one band of a pass that are held; GDAL reads larger ones


@dataclass(frozen=True)
class _Ask:
    """What a pass asks for."""

    store: CorridorStore
    fetcher: Fetcher
    turn: int
    _under_way: list[Coming[bytes]] = field(default_factory=list[Coming[bytes]])
    _lock: Lock = field(default_factory=Lock)
    _stopped: Event = field(default_factory=Event)

    def begin(self, plans: _Plans) -> list[Coming[bytes]]:
        """Ask for the blocks of some files; of none once nobody needs them any more."""
        with self._lock:
            if self._stopped.is_set():
                raise CancelledError
            waits: list[Coming[bytes]] = []
            for _, plan in plans:
                waits.append(plan.ask(self.fetcher))
                self._under_way.append(waits[-1])
            return waits

    def stop(self) -> None:
        """Ask for nothing more; what is under way is dropped."""
        with self._lock:
            self._stopped.set()
            for wait in self._under_way:
                wait.drop()


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
        try:
            failed = [future.exception() for future in asked.values()]
        except BaseException:
            ask.stop()
            raise
    for error in failed:
        if error is not None and not isinstance(error, CancelledError):  # what stopped the others
            raise error
    done = {band: future.result() for band, future in asked.items()}
    # Whatever was there first: a file that is GDAL's decides, then the first that is bad.
    if None in done.values():
        return None
    for outcome in done.values():
        if isinstance(outcome, BadSceneError):
            raise outcome
    return {b: o for b, o in done.items() if isinstance(o, list)}


def _plans(store: CorridorStore, files: Files, fetcher: Fetcher) -> dict[str, _Plans] | None:
    """Say which blocks of each file are wanted; None if one is not read here."""
    wanted = fetcher.once(
        f"wanted of {store.root}", lambda: Wanted([t.core for t in store.tiles], store.kept)
    )

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


def _band(ask: _Ask, band: str, plans: _Plans) -> list[Layer] | BadSceneError | None:
    """Fetch and pack one band; give what is wrong with a scene, None if GDAL has to read it.

    A server that fails stops the others at once; what is wrong with one file does not, so that no
    chance decides which is told.
    """
    waits: list[Coming[bytes]] = []
    with ask.fetcher.room.held(sum(plan.size for _, plan in plans), ask.turn):
        try:
            waits = ask.begin(plans)
            return _packed(ask.store, band, plans, waits)
        except (LeftToGdalError, RasterioError):
            return None
        except BadSceneError as error:
            return error
        except BaseException:
            ask.stop()
            raise
        finally:
            for wait in waits:
                wait.drop()  # of a second scene's file, where the first is bad


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
