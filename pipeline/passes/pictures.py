"""Two uncalibrated pictures of a corridor compared: first looks for people, never evidence.

Pictures stay out of the store and out of every history. What the newer one shows and the older one
does not goes on watch (待核) as an uncertain sighting; alone it never becomes a suspected case.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray

from pipeline.adjudicate.candidates import AdjudicateOptions, outline
from pipeline.adjudicate.evidence import fold
from pipeline.adjudicate.score import confidence
from pipeline.config import Workflow
from pipeline.detect.image_change import (
    Change,
    Float,
    PictureOptions,
    compare,
    halo_px,
    judgeable,
    objects,
    ranks_of,
    scales_of,
    strength,
    tally_colours,
    tally_fields,
)
from pipeline.errors import SceneUnusableError, SourceUnreachableError
from pipeline.grid import geodesic_area_m2, reproject, tiles_over
from pipeline.io.asset_reader import AssetReader
from pipeline.io.burn import burn
from pipeline.io.corridors import utm_crs
from pipeline.io.raster import raster_profile
from pipeline.io.tasks import Progress, map_tiles
from pipeline.model import (
    PICTURE,
    PICTURES,
    Candidate,
    Corridor,
    Grid,
    Kind,
    Look,
    Pass,
    Scene,
    Seen,
    SetAside,
    Tile,
    Window,
)
from pipeline.passes.corridor import Judged
from pipeline.passes.gather import fingerprint

log = logging.getLogger("siluan")

_BANDS = ("red", "green", "blue")
_TILE_PX = 1024

Picture = NDArray[np.uint8]


@dataclass(frozen=True)
class Compared:
    """What two pictures said; nothing without two."""

    candidates: tuple[Candidate, ...] = ()
    passes: tuple[Pass, ...] = ()  # the two pictures, as passes that counted
    set_aside: tuple[SetAside, ...] = ()
    unread: tuple[str, ...] = ()  # pass ids of pictures that could not be read this time
    unreachable: tuple[str, ...] = ()  # sources that gave no answer


def compare_pictures(
    workflow: Workflow,
    corridor: Corridor,
    pictures: Sequence[Scene],
    span: tuple[datetime, datetime],
    progress: Progress | None,
) -> Compared:
    """Compare the two newest pictures of a corridor.

    Parameters
    ----------
    pictures
        Uncalibrated scenes that touch the corridor.
    span
        Patrol (UTC): the newer picture must end in it, or nothing is compared.
    """
    ordered = sorted(pictures, key=lambda s: (s.acquired, s.id))
    aside = [_aside(s, "it is older than the two that are compared") for s in ordered[:-2]]
    if len(ordered) < 2:
        aside += [_aside(s, "there is no second one to compare it with") for s in ordered]
        return Compared(set_aside=tuple(aside))
    older, newer = ordered[-2:]
    if not span[0] <= newer.acquired <= span[1]:
        aside += [_aside(s, "the newer one ends outside this patrol") for s in (older, newer)]
        return Compared(set_aside=tuple(aside))
    if older.acquired >= _begins(newer):
        aside += [_aside(s, "the dates of the two newest overlap") for s in (older, newer)]
        return Compared(set_aside=tuple(aside))
    try:
        sheet = _Sheet(corridor, (older, newer), workflow.options.detect.pictures)
        changes = sheet.changes(workflow.options.store.workers, progress)
    except (SceneUnusableError, SourceUnreachableError) as error:
        name = f"{older.id} and {newer.id} in {corridor.id}"
        aside.append(SetAside(name, "detect", error.what, error.remedy))
        # Nothing is known of them this time: what they said before stays.
        unread = (_as_pass(older).id, _as_pass(newer).id)
        silent = (error.what,) if isinstance(error, SourceUnreachableError) else ()
        return Compared(set_aside=tuple(aside), unread=unread, unreachable=silent)
    passes = (_as_pass(older), _as_pass(newer))
    how = workflow.options.adjudicate
    found = tuple(_candidate(corridor, sheet.grid, c, passes, how) for c in changes)
    named = (corridor.id, len(found), older.id, newer.id)
    log.info("%s: %d change(s) from %s to %s, on watch", *named)
    return Compared(found, passes, tuple(aside))


def add_pictures(
    workflow: Workflow,
    corridor: Corridor,
    pictures: Sequence[Scene],
    judged: Judged,
    progress: Progress | None,
) -> None:
    """Add what pictures show to ``judged``, but not where calibrated imagery shows something."""
    period = workflow.period
    span = (period.patrol_start, period.span[1])
    found = compare_pictures(workflow, corridor, pictures, span, progress)
    judged.candidates += _without(found.candidates, judged.candidates)
    judged.set_aside += found.set_aside
    judged.inputs += [
        {"id": p.id, "scenes": [s.id for s in p.scenes], "fingerprint": fingerprint(p)}
        for p in found.passes
    ]
    judged.counted += tuple(p.id for p in found.passes)
    if found.passes:
        judged.counts["pictures"] = len(found.passes)
    judged.unread += found.unread
    judged.unreachable += found.unreachable


def _without(candidates: Sequence[Candidate], better: Sequence[Candidate]) -> list[Candidate]:
    taken = shapely.union_all([reproject(c.polygon, c.crs, "EPSG:4326") for c in better])
    return [c for c in candidates if not reproject(c.polygon, c.crs, "EPSG:4326").intersects(taken)]


def _aside(scene: Scene, why: str) -> SetAside:
    reason = f"an uncalibrated picture of {dates_of(scene)} enters no history; {why}"
    return SetAside(scene.id, "acquire", reason)


def dates_of(picture: Scene) -> str:
    """Say which days a picture may show."""
    first, last = picture.properties.get("date_range") or ("?", "?")
    return f"{first[:10]} to {last[:10]}"


def _begins(scene: Scene) -> datetime:
    first = (scene.properties.get("date_range") or (scene.acquired.isoformat(),))[0]
    return datetime.fromisoformat(str(first))


def _as_pass(scene: Scene) -> Pass:
    return Pass(f"{PICTURE}{scene.id}", scene.sensor, scene.acquired, (scene,))


class _Sheet:
    """Two pictures on the corridor's UTM grid, read tile by tile."""

    def __init__(
        self, corridor: Corridor, pair: tuple[Scene, Scene], options: PictureOptions
    ) -> None:
        self._pair, self._options = pair, options
        self._crs = utm_crs(corridor.polygon_wgs84)
        self._polygon = reproject(corridor.polygon_wgs84, "EPSG:4326", self._crs)
        self.grid = self._lattice()
        halo = halo_px(options)
        self._tiles = [
            t
            for t in tiles_over(self.grid, _TILE_PX, halo)
            if self._polygon.intersects(shapely.box(*self.grid.sub(t.core).bounds))
        ]

    def _lattice(self) -> Grid:
        """North-up, at the coarsest of the options' resolution and the pictures'."""
        gsd = [_gsd_m(s, self._crs) for s in self._pair]
        res = max(self._options.res_m, *gsd)
        # A margin, so that the edge of the grid is never near the corridor.
        margin = (halo_px(self._options) + 1) * res
        west, south, east, north = self._polygon.buffer(margin).bounds
        left, top = west // res * res, -(-north // res) * res
        shape = (int(-(-(top - south) // res)), int(-(-(east - left) // res)))
        return Grid(self._crs, Affine(res, 0, left, 0, -res, top), shape)

    def changes(self, workers: int, progress: Progress | None) -> Sequence[Change]:
        """Three passes over the tiles: colours, spreads, objects."""
        counts = map_tiles(self._colours, self._tiles, workers, progress, "pictures: colours")
        total = np.sum([c for c, _ in counts], axis=0)
        area_km2 = sum(n for _, n in counts) * self.grid.pixel_area_m2 / 1e6
        if area_km2 == 0:
            return ()
        ranks = (ranks_of(total[0]), ranks_of(total[1]))

        def spread(tile: Tile) -> NDArray[np.int64]:
            old, new, valid = self._read(tile.halo)
            mask = self._judged(valid, tile)
            return tally_fields(compare(old, new, ranks, self._options), mask)

        found = map_tiles(spread, self._tiles, workers, progress, "pictures: spread")
        scales = scales_of(np.sum(found, axis=0))

        def strong(tile: Tile) -> tuple[NDArray[np.int32], NDArray[np.int32], Float]:
            old, new, valid = self._read(tile.halo)
            values = strength(compare(old, new, ranks, self._options), scales)
            rows, cols = np.nonzero(self._judged(valid, tile) & (values >= self._options.grow))
            at = (rows + tile.halo.row0, cols + tile.halo.col0)
            return at[0].astype(np.int32), at[1].astype(np.int32), values[rows, cols]

        sparse = map_tiles(strong, self._tiles, workers, progress, "pictures: objects")
        rows, cols, values = (np.concatenate(parts) for parts in zip(*sparse, strict=True))
        area = self.grid.pixel_area_m2
        return objects(rows, cols, values, area, area_km2, self._options)

    def _colours(self, tile: Tile) -> tuple[NDArray[np.int64], int]:
        old, new, valid = self._read(tile.core)
        mask = valid & burn(self._polygon, self.grid.sub(tile.core))
        return np.stack([tally_colours(old, mask), tally_colours(new, mask)]), int(mask.sum())

    def _judged(self, valid: NDArray[np.bool_], tile: Tile) -> NDArray[np.bool_]:
        """Pixels of the core, in the corridor, around which both pictures have data."""
        part = tile.core.within(tile.halo)
        out = np.zeros_like(valid)
        out[part] = judgeable(valid, self._options)[part]
        return out & burn(self._polygon, self.grid.sub(tile.halo))

    def _read(self, window: Window) -> tuple[Picture, Picture, NDArray[np.bool_]]:
        """Both pictures, and where both have data."""
        grid = self.grid.sub(window)
        mask = np.ones(grid.shape, dtype=bool)
        out: list[Picture] = []
        for scene in self._pair:
            bands: list[NDArray[np.generic]] = []
            for band in _BANDS:
                with ExitStack() as stack:
                    reader = stack.enter_context(AssetReader(scene.assets[band], grid))
                    values, valid = reader.read(grid.window)
                times = reader.factor
                full = tuple(slice(0, n) for n in grid.shape)
                bands.append(np.repeat(np.repeat(values, times, 0), times, 1)[full])
                mask &= np.repeat(np.repeat(valid, times, 0), times, 1)[full]
            out.append(np.stack(bands).astype(np.uint8))
        return out[0], out[1], mask


def _gsd_m(scene: Scene, crs: str) -> float:
    """Pixel size of a picture [m]: of its own grid, brought to ``crs``."""
    asset = scene.assets["green"]
    profile = raster_profile(asset.href, asset.access)
    t, (rows, cols) = profile.transform, profile.shape
    x, y = t.c + cols // 2 * t.a, t.f + rows // 2 * t.e
    square = shapely.box(x, y + t.e, x + t.a, y)
    return float(np.sqrt(reproject(square, profile.crs, crs).area))


def _candidate(
    corridor: Corridor,
    grid: Grid,
    change: Change,
    passes: tuple[Pass, Pass],
    how: AdjudicateOptions,
) -> Candidate:
    older, newer = passes
    looks = (
        Look(older.acquired, older.id, older.sensor, 1.0, Seen.MISS, certain=False),
        Look(newer.acquired, newer.id, newer.sensor, 1.0, Seen.HIT, certain=False),
    )
    worth = float(np.clip(change.strength / 10, 0, 1))
    polygon = outline(change.rows, change.cols, grid)
    return Candidate(
        # Pictures do not tell the kinds apart; what was built is what they show best.
        kind=Kind.JIAN,
        corridor_id=corridor.id,
        polygon=polygon,
        crs=grid.crs,
        area_m2=round(geodesic_area_m2(polygon, grid.crs), 2),
        looks=looks,
        evidence=fold(looks, how.fold, newer.acquired),
        score=confidence(looks[1:], {newer.id: worth}, how.score),
        measures={"strength": round(change.strength, 3)},
        scene_ids=tuple(sorted(s.id for p in passes for s in p.scenes)),
        detector=PICTURES,
    )
