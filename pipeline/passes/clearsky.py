"""Sweep 2a: the clear-sky mask of every look, in four sweeps that never hold all dates of a tile.

Dates are compared pixel by pixel, in strips; what looks around sees one date at a time with a halo
of its own. Between the sweeps references and codes lie in the store's ``work`` folder, so that a
halo is read and not computed again, and a run that died goes on. In order:

1. *darkest*: the dark history of blue and of HOT;
2. *flagged*: raw codes of each date; then the usual near infrared and green of unflagged dates;
3. *given back*: hints of each date, kept as a byte a pixel; then the rescue over all dates;
4. *finished*: speckle, shadows and margins of each date.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from pipeline.io.looks import LookReader
from pipeline.io.store import CorridorStore
from pipeline.io.tasks import map_tiles
from pipeline.model import DateQuality, Pass, Tile, Window
from pipeline.passes.ground import Site
from pipeline.passes.strips import strips
from pipeline.prepare.mask import MaskOptions, Sky
from pipeline.prepare.maskoptions import (
    History,
    Sun,
    finish_radius_px,
    flag_radius_px,
    hint_radius_px,
)
from pipeline.prepare.masksteps import (
    dark_history,
    finish,
    flag,
    give_back,
    hint,
    may_give_back,
    usable,
    usual_of,
)

MASK_BANDS = ("blue", "green", "red", "nir", "swir16")
_LOW, _USUAL = ("blue_low", "hot_low"), ("nir", "green")


@dataclass(frozen=True)
class Looked:
    """What the sweep must know of one pass."""

    pass_id: str
    sun: Sun | None


@dataclass(frozen=True)
class SkySpec:
    """One group of passes with the same bands; small, frozen, and read from disk where it works."""

    store: CorridorStore
    key: str  # of the mask
    looks: tuple[Looked, ...]
    bands: tuple[str, ...]
    classes: bool  # the producer's classes are there
    offsets: Mapping[str, DateQuality]
    options: MaskOptions

    @property
    def folder(self) -> str:
        """Folder of this group's intermediate layers."""
        return f"work/{self.key}/{'-'.join(self.bands)}-{'scl' if self.classes else 'none'}"

    @property
    def reader(self) -> LookReader:
        """Reader of reflectance as it is compared: on one scale, not yet shifted."""
        return LookReader(self.store, self.offsets)

    def date(
        self, look: Looked, window: Window, bands: Sequence[str] | None = None
    ) -> dict[str, NDArray[np.float32]]:
        """Bands of one date."""
        return {b: self.reader.band(look.pass_id, b, window) for b in bands or self.bands}

    def scl(self, look: Looked, window: Window) -> NDArray[np.uint8] | None:
        """Classes of one date."""
        if not self.classes:
            return None
        return LookReader(self.store).codes(look.pass_id, "scl", window)

    def wide(self, tile: Tile, radius: int) -> Window:
        """Core of a tile with a margin, inside the grid."""
        window = tile.core.pad(radius).intersect(self.store.grid.window)
        assert window is not None
        return window

    def references(self, names: Sequence[str], window: Window) -> list[NDArray[np.float32]]:
        """Give reference layers over a window."""
        folder = "low" if names == _LOW else "usual"
        return [self.reader.reference(f"{self.folder}/{folder}", n, window) for n in names]

    def codes(self, step: str, look: Looked, window: Window) -> NDArray[np.uint8]:
        """Codes that an earlier sweep wrote; NODATA where nothing is stored."""
        values, _ = self.store.dense(f"{self.folder}/{step}/{look.pass_id}", "mask", window)
        return np.where(values < 0, int(Sky.NODATA), values).astype(np.uint8)

    def put_codes(self, folder: str, tile: Tile, codes: NDArray[np.uint8]) -> None:
        """Write codes over a tile's core."""
        layer = self.store.pack(codes.astype(np.int16), tile, 1)
        self.store.write(folder, tile, {"mask": layer}, durable=False)

    def put_references(
        self, folder: str, tile: Tile, named: Mapping[str, NDArray[np.float32]]
    ) -> None:
        """Write float layers over a tile's core."""
        layers = {n: self.store.pack(v.astype(np.float32), tile, 1) for n, v in named.items()}
        self.store.write(f"{self.folder}/{folder}", tile, layers, durable=False)

    def there(self, tile: Tile, reference: str = "", step: str = "") -> bool:
        """Tell whether a reference, and the codes of a step of all dates, are written."""
        folders = [reference] if reference else []
        folders += [f"{step}/{look.pass_id}" for look in self.looks if step]
        blocks = (self.store.block_path(f"{self.folder}/{f}", tile) for f in folders)
        return all(block.exists() for block in blocks)


def write_masks(
    site: Site,
    passes: Sequence[Pass],
    quality: Mapping[str, DateQuality],
    key: str,
    options: MaskOptions,
) -> None:
    """Write the mask of every tile and pass that has none yet under ``mask/KEY``.

    Passes with and without the producer's classes, and with and without SWIR, are masked apart:
    one poor pass must not change what is said of all others.
    """
    for spec in _groups(site, passes, quality, key, options):
        missing = [t for t in site.store.tiles if not _finished(spec, t)]
        if missing:
            _sweep(site, spec, missing)
    shutil.rmtree(site.store.root / "work", ignore_errors=True)


def _groups(
    site: Site,
    passes: Sequence[Pass],
    quality: Mapping[str, DateQuality],
    key: str,
    options: MaskOptions,
) -> list[SkySpec]:
    groups: dict[tuple[bool, tuple[str, ...]], list[Pass]] = {}
    for p in passes:
        held = site.store.note(p.id)["bands"]
        bands = tuple(b for b in MASK_BANDS if b in held)
        groups.setdefault(("scl" in held, bands), []).append(p)
    return [
        SkySpec(
            store=site.store,
            key=key,
            looks=tuple(Looked(p.id, _sun(p)) for p in own),
            bands=bands,
            classes=classes,
            offsets={p.id: quality[p.id] for p in own},
            options=options,
        )
        for (classes, bands), own in sorted(groups.items())
    ]


def _sun(p: Pass) -> Sun | None:
    scene = p.scenes[0]
    if scene.sun_azimuth_deg is None or scene.sun_elevation_deg is None:
        return None
    return scene.sun_azimuth_deg, scene.sun_elevation_deg


def _finished(spec: SkySpec, tile: Tile) -> bool:
    paths = (spec.store.block_path(f"mask/{spec.key}/{k.pass_id}", tile) for k in spec.looks)
    return all(path.exists() for path in paths)


def _sweep(site: Site, spec: SkySpec, missing: Sequence[Tile]) -> None:
    """Run the four sweeps, each over the tiles that the next ones look at."""
    res = spec.store.grid.res_m
    given = _around(spec, missing, finish_radius_px(spec.options, res))
    flagged = _around(spec, given, hint_radius_px(spec.options))
    darkest = _around(spec, flagged, flag_radius_px(spec.options))
    works: list[tuple[Callable[[SkySpec, Tile], None], Sequence[Tile]]] = [
        (_darkest, darkest),
        (_flagged, flagged),
        (_given_back, given),
        (_finish, missing),
    ]
    for number, (work, tiles) in enumerate(works, 1):
        what = f"clear sky {number}/{len(works)}"
        map_tiles(partial(work, spec), tiles, site.workers, site.progress, what)


def _around(spec: SkySpec, tiles: Sequence[Tile], radius: int) -> list[Tile]:
    wide = [tile.core.pad(radius) for tile in tiles]
    return [t for t in spec.store.tiles if any(t.core.intersect(w) for w in wide)]


def _darkest(spec: SkySpec, tile: Tile) -> None:
    if spec.there(tile, "low"):
        return
    low = [np.empty(tile.core.shape, np.float32) for _ in _LOW]
    for strip in strips(tile.core, len(spec.looks), 4):
        shape = (len(spec.looks), *strip.shape)
        blue, red = np.empty(shape, np.float32), np.empty(shape, np.float32)
        valid = np.empty(shape, np.bool_)
        for t, look in enumerate(spec.looks):
            date = spec.date(look, strip)
            blue[t], red[t] = date["blue"], date["red"]
            valid[t] = usable(date, spec.scl(look, strip))
        part = strip.within(tile.core)
        low[0][part], low[1][part] = dark_history(blue, red, valid, spec.options)
    spec.put_references("low", tile, dict(zip(_LOW, low, strict=True)))


def _flagged(spec: SkySpec, tile: Tile) -> None:
    if spec.there(tile, "usual", "raw"):
        return
    window = spec.wide(tile, flag_radius_px(spec.options))
    inner = tile.core.within(window)
    first, second = spec.references(_LOW, window)
    for look in spec.looks:
        raw = flag(spec.date(look, window), spec.scl(look, window), (first, second), spec.options)
        spec.put_codes(f"{spec.folder}/raw/{look.pass_id}", tile, raw[inner])
    usual = {name: np.empty(tile.core.shape, np.float32) for name in _USUAL}
    for strip in strips(tile.core, len(spec.looks), 2):
        raw = np.stack([spec.codes("raw", look, strip) for look in spec.looks])
        for name, out in usual.items():
            stack = np.stack([spec.date(k, strip, (name,))[name] for k in spec.looks])
            out[strip.within(tile.core)] = usual_of(stack, raw, spec.options)
    spec.put_references("usual", tile, usual)


def _given_back(spec: SkySpec, tile: Tile) -> None:
    if spec.there(tile, step="code"):
        return
    window = spec.wide(tile, hint_radius_px(spec.options))
    inner = tile.core.within(window)
    history = History(*spec.references(_LOW, window), *spec.references(_USUAL, window))
    hints = np.empty((len(spec.looks), *tile.core.shape), np.uint8)
    for t, look in enumerate(spec.looks):
        raw = spec.codes("raw", look, window)
        hints[t] = hint(spec.date(look, window), raw, look.sun, history, spec.options)[inner]
    for strip in strips(tile.core, len(spec.looks), 3):
        part = strip.within(tile.core)
        own = hints[:, part[0], part[1]]
        spectrum = None
        if may_give_back(own, spec.options):
            stack = spec.reader.stack(
                [k.pass_id for k in spec.looks], ("blue", "red", "nir"), strip
            )
            spectrum = (stack["blue"], stack["red"], stack["nir"])
        raw = np.stack([spec.codes("raw", look, strip) for look in spec.looks])
        own[:] = give_back(spectrum, raw, own, spec.options)  # codes take the place of hints
    for t, look in enumerate(spec.looks):
        spec.put_codes(f"{spec.folder}/code/{look.pass_id}", tile, hints[t])


def _finish(spec: SkySpec, tile: Tile) -> None:
    res = spec.store.grid.res_m
    window = spec.wide(tile, finish_radius_px(spec.options, res))
    inner = tile.core.within(window)
    low = np.full(window.shape, np.nan, np.float32)  # no longer needed
    history = History(low, low, *spec.references(_USUAL, window))
    for look in spec.looks:
        folder = f"mask/{spec.key}/{look.pass_id}"
        if spec.store.block_path(folder, tile).exists():
            continue
        codes = spec.codes("code", look, window)
        date = spec.date(look, window, _USUAL)
        seen = (spec.scl(look, window), look.sun)
        mask = finish(date, codes, seen, history, spec.options, res)
        spec.put_codes(folder, tile, mask[inner])
