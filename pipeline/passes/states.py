"""Sweep 2b: what every look says of every pixel, kept as layers of the store.

``state/KEY/PASS`` holds ground codes, ``feature/KEY/PASS`` the features of change detection (int16,
10 000 for 1).
"""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.detect.look_layers import look_layers
from pipeline.detect.water import WaterOptions
from pipeline.io.blocks import NODATA, SCALE, Layer
from pipeline.io.looks import LookReader
from pipeline.io.tasks import map_tiles
from pipeline.io.vault import content_key
from pipeline.model import DateQuality, Pass, Tile
from pipeline.passes.gather import OPTIONAL, REQUIRED
from pipeline.passes.ground import Site
from pipeline.passes.reduce import Reduced
from pipeline.passes.sky import mark_of, source_of
from pipeline.prepare.sky import is_clear

_LAYERS = 5  # version of what is kept of a look: raise it where what draws the bands changes
_SHARPENED = ("swir16",)  # of 20 m where the others have 10
_ASKED = ("blue", "green", "red", "nir", *_SHARPENED)  # by the states and features


def state_bands(site: Site, p: Pass) -> tuple[str, ...]:
    """Bands of a pass that the store holds, without classes."""
    held = set(site.store.note(p.id)["bands"])
    return tuple(b for b in (*REQUIRED, *OPTIONAL) if b in held and b != "scl")


def write_states(
    site: Site, passes: Sequence[Pass], reduced: Reduced, options: WaterOptions
) -> dict[str, str]:
    """Write the ground states of all passes that are not there yet; give their key by pass."""
    keys = {p.id: _key(site, p, reduced, options) for p in passes}
    reader = LookReader(site.store, reduced.quality, reduced.mask_keys)
    todo = [
        (p, t)
        for p in passes
        for t in site.store.tiles
        if not site.store.block_path(f"state/{keys[p.id]}/{p.id}", t).exists()
    ]

    def one(item: tuple[Pass, Tile]) -> None:
        p, tile = item
        key = keys[p.id]
        bands = {
            b: reader.sharpened(p.id, b, tile) if b in _SHARPENED else reader.stored(p.id, b, tile)
            for b in state_bands(site, p)
            if b in _ASKED
        }
        clear = is_clear(reader.stored_mask(p.id, tile))
        state, named = look_layers(bands, clear, options, (SCALE, NODATA))
        layers = {k: Layer(v, 1) for k, v in named.items()}
        site.store.write(f"feature/{key}/{p.id}", tile, layers, durable=False)
        layer = Layer(state, 1)
        # The state comes last: it says that both are there.
        site.store.write(f"state/{key}/{p.id}", tile, {"state": layer}, durable=False)

    map_tiles(one, todo, site.workers, site.progress, "water and ground")
    return keys


def _key(site: Site, p: Pass, reduced: Reduced, options: WaterOptions) -> str:
    """Name the states of a pass by all that they depend on, of the mask by what it says."""
    mask = mark_of(site.store, f"mask/{reduced.mask_keys[p.id]}/{p.id}")
    return content_key(*state_content(site, p, mask, reduced.quality[p.id], options))


def state_content(
    site: Site, p: Pass, mask: str, quality: DateQuality, options: WaterOptions
) -> list[object]:
    """Give all that the states of a pass depend on; ``mask`` names what its mask says."""
    placed = [*quality.shift_px, quality.reflectance_offset]
    return [_LAYERS, source_of(site.store, p), mask, placed, options.model_dump()]
