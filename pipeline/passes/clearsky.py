"""Sweep 2a: the clear-sky mask of every look, in sweeps that never hold all dates of a tile.

Every calendar quarter has its reference (:mod:`pipeline.prepare.reference`). Dates are compared
pixel by pixel, in strips; what looks around sees one date at a time with a halo of its own. Between
the sweeps references and codes lie in the store's ``sky`` folder, so that a halo is read and not
computed again, a run that died goes on, and a new look adds to what is there. In order:

1. *darkest*: the dark history of blue and of HOT of a reference;
2. *flagged*: raw codes of each date;
3. *usual*: the near infrared and green of a reference's unflagged dates;
4. *hinted*: what a rescue must know of each date, a byte a pixel;
5. *given back*: the rescue, over the looks around a quarter;
6. *finished*: speckle, shadows and margins of each date.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from pipeline import __version__
from pipeline.io.tasks import map_tiles
from pipeline.io.vault import Vault, content_key
from pipeline.model import DateQuality, Pass, Tile, Window
from pipeline.passes.ground import Site
from pipeline.passes.layers import KEPT_TURNS, keep_used
from pipeline.passes.sky import LOW, USUAL, Looked, SkySpec, Turn, mark_of, source_of
from pipeline.passes.strips import packed_strips, pixels_at_once
from pipeline.prepare.maskoptions import (
    FIELDS,
    FLAGGED,
    OPEN_SKY,
    SCL_SHADOW,
    WATER,
    History,
    Sun,
    finish_radius_px,
    flag_radius_px,
    hint_radius_px,
    rule_of,
)
from pipeline.prepare.masksteps import (
    dark_history,
    finish,
    flag,
    given_back,
    hint,
    may_give_back,
    usable,
    usual_of,
)
from pipeline.prepare.options import PrepareOptions
from pipeline.prepare.reference import epochs
from pipeline.prepare.sky import Sky
from pipeline.prepare.spectral import haze_risen

RESCUE_BANDS = ("blue", "red", "nir")
MASK_BANDS = ("blue", "green", "red", "nir", "swir16")
Image = NDArray[np.float32]
_HIDING = (Sky.CLOUD, Sky.CIRRUS, Sky.SNOW)
_STEPS = ("low", "raw", "usual", "hint", "code", "mask")


@dataclass(frozen=True)
class Job:
    """One tile of one quarter; ``looks`` are those to be made."""

    turn: Turn
    tile: Tile
    looks: tuple[Looked, ...] = ()


def write_masks(
    site: Site,
    passes: Sequence[Pass],
    quality: Mapping[str, DateQuality],
    options: PrepareOptions,
    vault: Vault,
) -> dict[str, str]:
    """Write the mask of every tile and pass that has none yet; give the mask's key by pass.

    Passes with and without the producer's classes, and with and without SWIR, are masked apart:
    one poor pass must not change what is said of all others.
    """
    chains = chains_of(site, passes, quality, options)
    key = masks_key(chains, options)
    found = held_masks(site, passes, key, vault)
    if found is not None:
        return found
    keys: dict[str, str] = {}
    used: set[str] = set()
    for chain in chains:
        keys |= chain.run()
        used |= chain.used()
    vault.put("masks", key, keys=np.array([keys[p.id] for p in passes], dtype="U16"))
    keep_used(site, "sky", used)
    return keys


def masks_key(chains: Sequence[Chain], options: PrepareOptions) -> str:
    """Name the masks of all passes by what the pixels, and not other layers, say."""
    names = [[c.base, [[k.pass_id, k.source] for k in c.looks.values()]] for c in chains]
    return content_key("masks", names, options.reference.model_dump(), options.mask.model_dump())


def held_masks(site: Site, passes: Sequence[Pass], key: str, vault: Vault) -> dict[str, str] | None:
    """Give the mask's key by pass where all masks are there, and else None."""
    found = vault.get("masks", key)
    if found is None:
        return None
    keys = {p.id: str(k) for p, k in zip(passes, found["keys"], strict=True)}
    names = {site.store.tile_name(t) for t in site.store.tiles}
    whole = (names <= site.store.written(f"mask/{keys[p.id]}/{p.id}") for p in passes)
    return keys if all(whole) else None


def chains_of(
    site: Site,
    passes: Sequence[Pass],
    quality: Mapping[str, DateQuality],
    options: PrepareOptions,
    kind: type[Chain] | None = None,
) -> list[Chain]:
    """Group passes by the bands that they have; ``kind`` is what does the sweeps of a group."""
    groups: dict[tuple[bool, tuple[str, ...]], list[Pass]] = {}
    for p in passes:
        held = site.store.note(p.id)["bands"]
        bands = tuple(b for b in MASK_BANDS if b in held)
        groups.setdefault(("scl" in held, bands), []).append(p)
    out: list[Chain] = []
    for (classes, bands), own in sorted(groups.items()):
        offsets = {p.id: quality[p.id] for p in own}
        spec = SkySpec(site.store, bands, classes, offsets, options.mask)
        out.append((kind or Chain)(site, spec, own, options))
    return out


def _sun(p: Pass) -> Sun | None:
    scene = p.scenes[0]
    if scene.sun_azimuth_deg is None or scene.sun_elevation_deg is None:
        return None
    return scene.sun_azimuth_deg, scene.sun_elevation_deg


class Chain:
    """The sweeps over one group of passes: layers that are missing are made, in order."""

    def __init__(
        self, site: Site, spec: SkySpec, passes: Sequence[Pass], options: PrepareOptions
    ) -> None:
        self._site, self.spec = site, spec
        self.base = content_key(__version__, spec.bands, spec.classes)
        self.rules = {step: rule_of(options.mask, step) for step in FIELDS}
        self.looks: dict[str, Looked] = {}
        for p in passes:
            offset = spec.offsets[p.id].reflectance_offset
            source = content_key(source_of(site.store, p), offset, _sun(p))
            self.looks[p.id] = Looked(p.id, _sun(p), source)
        self._epochs = epochs([p.acquired for p in passes], options.reference)
        self._ids = [p.id for p in passes]
        self._low = [
            f"sky/{self.key('low', [self.looks[self._ids[i]].source for i in e.reference])}/low"
            for e in self._epochs
        ]
        self._usual = [""] * len(self._epochs)
        self._known: dict[str, str] = {}  # marks of finished folders

    def run(self) -> dict[str, str]:
        """Make what is missing; give the key of the mask of each pass."""
        radius = finish_radius_px(self.spec.options, self.spec.store.grid.res_m)
        self._name("raw", lambda t, k: [t.low, k.source])
        self._make(_flag, "raw", flag_radius_px(self.spec.options), ("low",))
        for e, turn in enumerate(self._turns()):
            marks = [[k.source, self.mark(k.raw)] for k in turn.reference]
            self._usual[e] = f"sky/{self.key('usual', marks)}/usual"
        self._name("hint", lambda t, k: [t.low, t.usual, k.source, self.mark(k.raw)])
        self._make(_hint, "hint", hint_radius_px(self.spec.options), ("low", "usual"))
        self._name("code", lambda t, _: [self._marks(k) for k in t.around])
        self._make(_give_back, "code", 0, ())
        self._name("mask", lambda t, k: [t.usual, k.source, self.mark(k.code)])
        self._make(_finish, "mask", radius, ("usual",))
        return {i: k.mask.split("/")[1] for i, k in self.looks.items()}

    def used(self) -> set[str]:
        """Names in ``sky`` that a next run may need."""
        folders = [f for k in self.looks.values() for f in (k.raw, k.hint, k.code)]
        folders += [*self._low[-KEPT_TURNS:], *self._usual[-KEPT_TURNS:]]
        return {f.split("/")[1] for f in folders}

    def key(self, step: str, *content: object) -> str:
        """Name a layer of a step by what it depends on."""
        return content_key(step, self.base, self.rules[step], *content)

    def mark(self, folder: str) -> str:
        """Name what a finished layer says."""
        if folder not in self._known:
            self._known[folder] = mark_of(self.spec.store, folder)
        return self._known[folder]

    def _marks(self, look: Looked) -> list[str]:
        return [look.source, self.mark(look.raw), self.mark(look.hint)]

    def _turns(self) -> list[Turn]:
        def looked(which: Sequence[int]) -> tuple[Looked, ...]:
            return tuple(self.looks[self._ids[i]] for i in which)

        return [
            Turn(looked(e.own), looked(e.reference), looked(e.around), low, usual)
            for e, low, usual in zip(self._epochs, self._low, self._usual, strict=True)
        ]

    def _name(self, step: str, content: Callable[[Turn, Looked], object]) -> None:
        """Name the folders of a step by what they depend on."""
        top = "mask" if step == "mask" else "sky"
        for turn in self._turns():
            for look in turn.own:
                key = self.key(step, content(turn, look))
                named = replace(look, **{step: f"{top}/{key}/{look.pass_id}"})
                self.looks[look.pass_id] = named

    def _make(
        self,
        work: Callable[[SkySpec, Job], None],
        step: str,
        radius: int,
        needs: Sequence[str],
    ) -> None:
        """Run one step where its blocks are missing, and before it the references it looks at."""
        spec = self.spec
        jobs: list[Job] = []
        for turn in self._turns():
            missing = [(k, spec.missing(getattr(k, step))) for k in turn.own]
            for tile in spec.store.tiles if any(m for _, m in missing) else ():
                name = spec.store.tile_name(tile)
                if looks := tuple(k for k, m in missing if name in m):
                    jobs.append(Job(turn, tile, looks))
        references: dict[tuple[str, Tile], Job] = {}
        turns = {id(job.turn): job.turn for job in jobs} if needs else {}
        lacking = {f: spec.missing(f) for t in turns.values() for f in _folders(t, needs)}
        for job in jobs if any(lacking.values()) else ():
            for tile in spec.around([job.tile], radius):
                for folder in _folders(job.turn, needs):
                    if spec.store.tile_name(tile) in lacking[folder]:
                        references[folder, tile] = Job(job.turn, tile)
        for name, make in (("low", _darkest), ("usual", _usual)):
            wanted = [j for (f, _), j in references.items() if f == getattr(j.turn, name)]
            self.spread(make, wanted, name)
        self.spread(work, jobs, step)

    def spread(self, work: Callable[[SkySpec, Job], None], jobs: Sequence[Job], step: str) -> None:
        """Do the jobs of a step."""
        site = self._site
        what = f"clear sky {_STEPS.index(step) + 1}/{len(_STEPS)}"
        map_tiles(partial(work, self.spec), jobs, site.workers, site.progress, what)


def _folders(turn: Turn, needs: Sequence[str]) -> list[str]:
    """Give the folders of references that a step looks at."""
    return [getattr(turn, name) for name in needs]


def _darkest(spec: SkySpec, job: Job) -> None:
    looks = job.turn.reference
    low: list[list[Image]] = [[] for _ in LOW]
    for strip in packed_strips(spec.store, job.tile, len(looks), 4):
        blue, red, valid = list[Image](), list[Image](), list[NDArray[np.bool_]]()
        for look in looks:
            scl = spec.scl(look, strip.window)
            date = {b: strip.take(v) for b, v in spec.date(look, strip.window).items()}
            blue.append(date["blue"])
            red.append(date["red"])
            valid.append(usable(date, None if scl is None else strip.take(scl)))
        found = dark_history(np.stack(blue), np.stack(red), np.stack(valid), spec.options)
        for sink, values in zip(low, found, strict=True):
            sink.append(values[0])
    spec.put_packed(job.turn.low, job.tile, dict(zip(LOW, low, strict=True)))


def _flag(spec: SkySpec, job: Job) -> None:
    """Flag stored pixels; neighbours have a say in haze, and in clouds that no class names."""
    tile = job.tile
    low = [spec.stored_reference(job.turn.low, name, tile) for name in LOW]
    for look in job.looks:
        date = spec.stored_date(look, tile)
        if spec.classes:
            raw = flag(date, spec.stored_scl(look, tile), (low[0], low[1]), spec.options)[0]
            asked = haze_risen(date, low[1], spec.options.spectral)[0]
        else:
            raw = np.zeros(low[0].size, np.uint8)
            asked = np.ones(raw.size, bool)
        box = spec.box_of_stored(asked, tile)
        draw = partial(_drawn_flags, spec, job.turn, look)
        spec.put_stored(look.raw, tile, spec.redrawn(raw, tile, box, draw))


def _drawn_flags(spec: SkySpec, turn: Turn, look: Looked, part: Window) -> NDArray[np.uint8]:
    window = spec.wide(part, flag_radius_px(spec.options))
    first, second = spec.references(turn.low, LOW, window)
    raw = flag(spec.date(look, window), spec.scl(look, window), (first, second), spec.options)
    return raw[part.within(window)]


def _usual(spec: SkySpec, job: Job) -> None:
    looks = job.turn.reference
    usual: dict[str, list[Image]] = {name: [] for name in USUAL}
    for strip in packed_strips(spec.store, job.tile, len(looks), 2):
        raw = np.stack([strip.take(spec.codes(look.raw, strip.window)) for look in looks])
        for name, sink in usual.items():
            dates = (spec.date(k, strip.window, (name,))[name] for k in looks)
            stack = np.stack([strip.take(d) for d in dates])
            sink.append(usual_of(stack, raw, spec.options)[0])
    spec.put_packed(job.turn.usual, job.tile, usual)


def _hint(spec: SkySpec, job: Job) -> None:
    """Gather what a rescue must know; far from what was flagged the sky is open."""
    tile = job.tile
    window = spec.wide(tile.core, hint_radius_px(spec.options))
    for look in job.looks:
        raw = spec.stored_codes(look.raw, tile)
        hints = np.where(raw != Sky.NODATA, OPEN_SKY, np.uint8(0))
        box = spec.box_of(look.raw, "mask", window, (Sky.CLOUD, Sky.CIRRUS))
        near = box.pad(spec.options.rescue.around_px) if box is not None else None
        draw = partial(_drawn_hints, spec, job.turn, look)
        spec.put_stored(look.hint, tile, spec.redrawn(hints, tile, near, draw))


def _drawn_hints(spec: SkySpec, turn: Turn, look: Looked, part: Window) -> NDArray[np.uint8]:
    window = spec.wide(part, hint_radius_px(spec.options))
    low = spec.references(turn.low, LOW, window)
    history = History(*low, *spec.references(turn.usual, USUAL, window))
    raw = spec.codes(look.raw, window)
    hints = hint(spec.date(look, window), raw, look.sun, history, spec.options)
    return hints[part.within(window)]


def _give_back(spec: SkySpec, job: Job) -> None:
    """Say of each look which of its flagged pixels are ground, stored pixels only.

    Only what was flagged on a look can be given back on it; whether it is depends on all looks
    around, and there on those that are flagged under an open sky often enough.
    """
    tile, looks = job.tile, job.turn.around
    own = [looks.index(k) for k in job.looks]
    codes = np.stack([spec.stored_codes(k.raw, tile) for k in job.looks])
    hints = np.stack([spec.stored_codes(k.hint, tile) for k in job.looks])
    codes[(hints & WATER) > 0] = Sky.RESCUED
    if (flagged := (hints & FLAGGED).any(axis=0)).any():
        every = np.stack([spec.stored_codes(k.hint, tile) for k in looks])
        at = np.flatnonzero(flagged & may_give_back(every))
        most = pixels_at_once(len(looks), len(RESCUE_BANDS))
        for part in (at[k : k + most] for k in range(0, at.size, most)):
            stacks = [
                np.stack([spec.reader.stored(k.pass_id, band, tile, part) for k in looks])[:, None]
                for band in RESCUE_BANDS
            ]
            spectrum = (stacks[0], stacks[1], stacks[2])
            back = given_back(spectrum, every[:, None, part], spec.options)[own, 0]
            codes[:, part] = np.where(back, np.uint8(Sky.RESCUED), codes[:, part])
    for look, code in zip(job.looks, codes, strict=True):
        spec.put_stored(look.code, tile, code)


def _finish(spec: SkySpec, job: Job) -> None:
    """Set margins and shadows; far from what hides anything codes stay as they are."""
    tile = job.tile
    radius = finish_radius_px(spec.options, spec.store.grid.res_m)
    window = spec.wide(tile.core, radius)
    for look in job.looks:
        codes = spec.stored_codes(look.code, tile)
        found = [spec.box_of(look.code, "mask", window, _HIDING)]
        if spec.classes:
            found.append(spec.box_of(look.pass_id, "scl", window, (SCL_SHADOW,)))
        if boxes := [box for box in found if box is not None]:
            # All that hides lies in the boxes, so that nothing beyond this matters.
            near = Window.around(boxes).pad(radius).intersect(window)
            assert near is not None  # they lie in the window
            draw = partial(_drawn_masks, spec, job.turn, look, near)
            codes = spec.redrawn(codes, tile, near, draw)
        spec.put_stored(look.mask, tile, codes)


def _drawn_masks(
    spec: SkySpec, turn: Turn, look: Looked, window: Window, part: Window
) -> NDArray[np.uint8]:
    low = np.full(window.shape, np.nan, np.float32)  # no longer needed
    history = History(low, low, *spec.references(turn.usual, USUAL, window))
    seen = (spec.scl(look, window), look.sun)
    date, codes = spec.date(look, window, USUAL), spec.codes(look.code, window)
    mask = finish(date, codes, seen, history, spec.options, spec.store.grid.res_m)
    return mask[part.within(window)]
