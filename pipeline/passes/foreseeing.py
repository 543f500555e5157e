"""Finding out what a run is about to do: its layers are named as a run names them, and not made.

The steps are those of :mod:`pipeline.passes.reduce` and :mod:`pipeline.passes.states`, in their
order, and they ask the same functions for the names.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from pipeline.config import Workflow
from pipeline.io.vault import Vault, content_key
from pipeline.model import DateQuality, Pass
from pipeline.passes.align import darkest_bands, reference_content
from pipeline.passes.clearsky import Chain, Job, chains_of, held_masks, masks_key
from pipeline.passes.foreseen import (
    WHOLE,
    Deed,
    Foresight,
    PlannedStore,
    is_unknown,
    planned_key,
    unknown,
)
from pipeline.passes.gather import OPTIONAL, REQUIRED, plan
from pipeline.passes.ground import Site
from pipeline.passes.known_looks import Known
from pipeline.passes.reduce import clear_shares, dark_key, reaches_mark
from pipeline.passes.rules import were_judged
from pipeline.passes.sky import SkySpec, source_of
from pipeline.passes.states import state_content
from pipeline.passes.steady import LEAST_PASSES, common_bands, ground_content, tally_content
from pipeline.prepare.options import PrepareOptions
from pipeline.prepare.quarantine import decide
from pipeline.prepare.radiometry import check_radiometry
from pipeline.prepare.reference import epochs

_UNMEASURED = float("nan")  # a shift that only the run will find


def foresee(workflow: Workflow, site: Site, passes: Sequence[Pass]) -> Foresight:
    """Say what a run would do with some passes; writes nothing.

    Parameters
    ----------
    workflow
        Its options.
    site
        The corridor on its grid; its store may hold nothing yet.
    passes
        In the order of a run.
    """
    what = plan(site.store, passes)
    held = site.store
    unread = [p for p in passes if what[p.id] not in ("skip", "damaged") or not held.is_noted(p.id)]
    expected = {p.id: _note(p) for p in unread}
    store = PlannedStore.over(held, expected)
    planner = _Planner(replace(site, store=store), store, workflow.options.prepare)
    planner.walk([p for p in passes if store.note(p.id)["usable"]])
    for p in planner.good:
        mask, quality = planner.known.mask(p.id), planner.known.quality[p.id]
        content = state_content(planner.site, p, mask, quality, workflow.options.detect.water)
        planner.lacking("state", p.id, f"state/{planned_key(*content)}/{p.id}")
    detect = workflow.options.detect
    by_these = were_judged(held.root, detect.zhan, detect.ground, detect.epoch)
    return Foresight(
        site.corridor.id,
        what,
        {p.id: [s.id for s in p.scenes] for p in passes},
        tuple(store.tile_name(t) for t in store.tiles),
        frozenset(planner.deeds),
        judged_anew="skip" in what.values() and not by_these,
    )


def _note(p: Pass) -> dict[str, object]:
    """Give what gathering notes of a pass that is sound."""
    held = {b for s in p.scenes for b in (*REQUIRED, *OPTIONAL) if b in s.assets and b != "scl"}
    classes = ["scl"] if all("scl" in s.assets for s in p.scenes) else []
    return {"bands": sorted([*held, *classes]), "usable": True, "set_aside": []}


@dataclass
class _Planner:
    """Walks the steps of prepare as a run does, and notes what is missing."""

    site: Site
    store: PlannedStore
    options: PrepareOptions
    deeds: set[Deed] = field(default_factory=set[Deed])
    good: list[Pass] = field(default_factory=list[Pass])

    def __post_init__(self) -> None:
        memory = self.store.held.results if self.store.held is not None else None
        self.vault = Vault(self.store.root / "kept", touch=False, memory=memory)
        self.known = _Foreknown(self.store, {}, {}, {})

    def walk(self, usable: Sequence[Pass]) -> None:
        """Go through the steps; ``good`` are the passes that are left."""
        self.good = self._on_one_scale(usable)
        self._masks()
        self._clear()
        self._shifts()
        self._steady()

    def lacking(self, step: str, look: str, folder: str) -> None:
        """Note the tiles of a look of which a layer is missing."""
        follows = is_unknown(folder)
        self.deeds |= {Deed(step, look, tile, follows) for tile in self.store.lacks(folder)}

    def _held(self, kind: str, key: str) -> dict[str, NDArray[np.generic]] | None:
        return None if is_unknown(key) else self.vault.get(kind, key)

    def _on_one_scale(self, passes: Sequence[Pass]) -> list[Pass]:
        rule = self.options.radiometry
        self.known.quality = {
            p.id: DateQuality(p.id, (0.0, 0.0), 0.0, 0.0, 0.0, 0.0) for p in passes
        }
        kept: list[Pass] = []
        for sensor in sorted({p.sensor for p in passes}):
            own = [p for p in passes if p.sensor == sensor]
            held = {p.id: self._held("dark", dark_key(self.store, p, rule.bands)) for p in own}
            self.deeds |= {Deed("dark target", i, WHOLE) for i, h in held.items() if h is None}
            dates = {
                i: {b: np.asarray(n, np.int64) for b, n in h.items()}
                for i, h in held.items()
                if h is not None
            }
            verdicts = dict(zip(dates, check_radiometry([*dates.values()], rule), strict=True))
            for p in own:
                verdict = verdicts.get(p.id)
                if verdict is not None and not verdict.usable:
                    continue
                offset = verdict.offset if verdict is not None else 0.0
                quality = self.known.quality[p.id]
                self.known.quality[p.id] = replace(quality, reflectance_offset=offset)
                kept.append(p)
        return sorted(kept, key=lambda p: (p.acquired, p.id))

    def _masks(self) -> None:
        quality = {p.id: self.known.quality[p.id] for p in self.good}
        chains = chains_of(self.site, self.good, quality, self.options, _PlannedChain)
        key = masks_key(chains, self.options)
        keys = held_masks(self.site, self.good, key, self.vault)
        if keys is None:
            keys = {}
            for chain in chains:
                keys |= chain.run()
                assert isinstance(chain, _PlannedChain)
                self.deeds |= chain.deeds
        sources = {p.id: content_key(source_of(self.store, p)) for p in self.good}
        self.known = _Foreknown(self.store, self.known.quality, sources, keys)

    def _clear(self) -> None:
        reaches = reaches_mark(self.site)
        kept: list[Pass] = []
        for p in self.good:
            key = planned_key("clear", self.known.mask(p.id), reaches)
            held = self._held("clear", key)
            if held is None:
                self.deeds.add(Deed("clear share", p.id, WHOLE, is_unknown(key)))
            elif clear_shares(held["pixels"])[0] < self.options.least_clear:
                continue
            kept.append(p)
        self.good = kept

    def _by_quarter(
        self,
        step: str,
        kind: str,
        name: Callable[[Sequence[Pass], Sequence[int], Sequence[int]], str],
        key: Callable[[str, str], str],
    ) -> dict[str, dict[str, NDArray[np.generic]]]:
        """Give what is kept of the looks; what is not is noted."""
        found: dict[str, dict[str, NDArray[np.generic]]] = {}
        for epoch in epochs([p.acquired for p in self.good], self.options.reference):
            of = name(self.good, epoch.reference, epoch.own)
            for i in (self.good[k].id for k in epoch.own):
                own = key(of, i)
                held = self._held(kind, own)
                if held is None:
                    self.deeds.add(Deed(step, i, WHOLE, is_unknown(own)))
                else:
                    found[i] = held
        return found

    def _shifts(self) -> None:
        known, rule = self.known, self.options.register_
        dark = darkest_bands(self.store, self.good)

        def name(good: Sequence[Pass], reference: Sequence[int], _: Sequence[int]) -> str:
            return planned_key(*reference_content(known, [good[k].id for k in reference], dark))

        def key(of: str, look: str) -> str:
            return planned_key(of, known.content(look), rule.model_dump())

        held = self._by_quarter("shift", "register", name, key)
        for p in self.good:
            vote = held.get(p.id)
            shift = (_UNMEASURED, _UNMEASURED)
            if vote is not None:
                dy, dx, _ = np.asarray(vote["vote"], np.float64).tolist()
                shift = (dy, dx)
            known.quality[p.id] = replace(known.quality[p.id], shift_px=shift)

    def _steady(self) -> None:
        known, rule = self.known, self.options.quarantine
        if len(self.good) < LEAST_PASSES:
            return

        def name(good: Sequence[Pass], reference: Sequence[int], own: Sequence[int]) -> str:
            ids = [good[k].id for k in reference]
            bands = common_bands(self.store, good, reference, own)
            key = planned_key(*ground_content(known, ids, bands, rule))
            return f"ground/{key}/stable"

        def key(of: str, look: str) -> str:
            return planned_key(*tally_content(of, known, look, rule))

        held = self._by_quarter("steadiness", "quarantine", name, key)
        counts = {i: (int(h["counts"][0]), int(h["counts"][1])) for i, h in held.items()}
        aside = {i for i, pair in counts.items() if decide(*pair, rule).quarantined}
        self.good = [p for p in self.good if p.id not in aside]


class _Foreknown(Known):
    """What is known of looks, where some masks are yet to be made."""

    def mask(self, pass_id: str) -> str:
        folder = f"mask/{self.mask_keys[pass_id]}/{pass_id}"
        assert isinstance(self.store, PlannedStore)
        return unknown(folder) if self.store.lacks(folder) else super().mask(pass_id)


class _PlannedChain(Chain):
    """The sweeps of the clear-sky mask, named and not made."""

    def __init__(
        self, site: Site, spec: SkySpec, passes: Sequence[Pass], options: PrepareOptions
    ) -> None:
        self.deeds: set[Deed] = set()
        super().__init__(site, spec, passes, options)

    def key(self, step: str, *content: object) -> str:
        return planned_key(step, self.base, self.rules[step], *content)

    def mark(self, folder: str) -> str:
        store = self.spec.store
        assert isinstance(store, PlannedStore)
        return unknown(folder) if store.lacks(folder) else super().mark(folder)

    def spread(self, work: Callable[[SkySpec, Job], None], jobs: Sequence[Job], step: str) -> None:
        for job in jobs:
            tile = self.spec.store.tile_name(job.tile)
            for look in job.looks:
                follows = is_unknown(getattr(look, step))
                self.deeds.add(Deed("mask", look.pass_id, tile, follows))
