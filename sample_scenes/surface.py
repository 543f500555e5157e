"""The ground as it really reflects on one date: cover, water by level and depth, objects."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sample_scenes import events, landcover, terrain, traps
from sample_scenes.fields import F32, generator, power_noise, smooth_noise, to_coarse
from sample_scenes.landcover import LandCover
from sample_scenes.objects import SceneObject
from sample_scenes.options import FINE, WORLD, SampleOptions
from sample_scenes.schedule import Day
from sample_scenes.shapes import Footprint, footprint
from sample_scenes.spectra import class_spectra, material, season
from sample_scenes.terrain import Terrain

# Attenuation of light on its way to the bed and back [1/m]; swir sees nothing of the bed.
ATTENUATION = np.array([1.6, 1.3, 2.0, 6.0, 6.5, 40.0, 40.0], dtype=np.float32)
WETNESS = np.array([0.42, 0.42, 0.42, 0.45, 0.45, 0.62, 0.68], dtype=np.float32)


@dataclass(frozen=True)
class World:
    """Everything that does not change from date to date; built once, read by all threads."""

    options: SampleOptions
    ground: Terrain
    cover: LandCover
    objects: tuple[tuple[SceneObject, Footprint], ...]
    patches: tuple[F32, ...]  # reusable noise fields, mean 0, sd 1: broad, middle, fine, waves


def build_world(options: SampleOptions) -> World:
    """Build the static world."""
    whole = options.model_copy(update={"size": WORLD})
    ground = terrain.build(whole)
    cover = landcover.build(whole, ground)
    found: list[tuple[SceneObject, Footprint]] = []
    for thing in (*traps.build(options, ground), *events.build(options, ground)):
        foot = footprint(thing.shape, thing.grows_from, options.padded)
        if foot is not None:
            found.append((thing, foot))
    rng = generator(options.seed, 6)
    n = options.padded
    patches = (
        smooth_noise(rng, n, 30),
        power_noise(rng, n, 1.5, 50),
        smooth_noise(rng, n, 1.0),
        smooth_noise(rng, n, 0.8),
    )
    return World(options, ground.crop(n), cover.crop(n), tuple(found), patches)


def reflectance(world: World, day: Day) -> tuple[F32, F32]:
    """Reflect the ground on a date.

    Returns
    -------
    tuple
        reflectance ``(band, row, col)`` and water fraction ``(row, col)`` on the padded grid.
    """
    land = _land(world, day)
    wet, depth = water_fraction(world.ground, day)
    land = _bed(world, day, land)
    water = _water(world, day, land, depth)
    surface = (land + wet * (water - land)).astype(np.float32)
    for thing, foot in world.objects:
        _draw(world, day, thing, foot, surface, wet)
    return surface, wet


def level_field(ground: Terrain, day: Day, fine: bool = False) -> F32:
    """Level of the water body that each pixel belongs to [m], -99 outside."""
    body = ground.fine_body if fine else ground.body
    return np.array([-99.0, day.river_level, day.pool_level], dtype=np.float32)[body]


def water_fraction(ground: Terrain, day: Day) -> tuple[F32, F32]:
    """Share of each pixel under water (from sub-pixels), and mean depth of that share [m]."""
    below = level_field(ground, day, fine=True) - ground.fine_z
    np.maximum(below, 0, out=below)
    wet = to_coarse(below > 0, FINE)
    depth = to_coarse(below, FINE) / np.maximum(wet, np.float32(0.05))
    return wet, depth.astype(np.float32)


def _land(world: World, day: Day) -> F32:
    """Dry ground with texture and the sun's angle."""
    shape = world.cover.share.shape
    spectra = class_spectra(day.when).T
    land = (spectra @ world.cover.share.reshape(shape[0], -1)).reshape(-1, *shape[1:])
    shift = (37 * day.index) % shape[1]
    shimmer = 1 + 0.018 * np.roll(world.patches[1], (shift, -2 * shift), (0, 1))
    land *= world.cover.texture * shimmer
    green = np.clip((land[3] - land[2]) / (land[3] + land[2] + 1e-6), 0, 1)
    land[3:5] *= 1 + green * (world.cover.vigour - 1)
    # L2A takes the terrain out only in part.
    sun = np.radians([day.sun_azimuth, day.sun_elevation])
    south, east = world.ground.slope
    facing = np.sin(sun[0]) * east * -1 - np.cos(sun[0]) * south * -1
    light = 1 + 0.55 * facing / np.tan(sun[1])
    land *= np.clip(light, 0.55, 1.35)
    return land


def _bed(world: World, day: Day, land: F32) -> F32:
    """Show what the water has left: dark while wet, green once dry for weeks."""
    ground = world.ground
    above = ground.z - level_field(ground, day)
    damp = np.exp(-np.clip(above, 0, 30) / 0.45) * (ground.body > 0)
    land = land * (1 - damp * WETNESS[:, None, None])
    high = np.array([99.0, day.river_high, day.pool_high], dtype=np.float32)[ground.body]
    ceiling = np.array([0, 3.2, 16], dtype=np.float32)[ground.body]
    long_dry = (ground.z > high) & (ground.z < ceiling)
    vigour = 0.55 * season(day.when, 225, 65) * np.clip(0.5 + 0.6 * world.patches[1], 0, 1)
    weeds = np.where(long_dry, vigour, 0).astype(np.float32)
    return (land + weeds * (material("grass")[:, None, None] - land)).astype(np.float32)


def _water(world: World, day: Day, land: F32, depth: F32) -> F32:
    """Water by silt and depth: the bed shines through where it is shallow."""
    broad, middle, _, waves = world.patches
    shift = (53 * day.index) % broad.shape[0]
    plume = np.roll(broad, shift, 0) * 0.16 + middle * 0.05
    river = world.ground.body == 1
    silt = np.where(river, day.silt, 0.28 * min(day.silt, 1.6)) + plume
    silt = np.clip(silt, 0, 2)[None]
    clear, silty, flood = (
        material(m)[:, None, None] for m in ("water_clear", "water_silty", "water_flood")
    )
    water = np.where(silt < 1, clear + silt * (silty - clear), silty + (silt - 1) * (flood - silty))
    murk = (1 + 2.2 * silt) * depth
    bottom = np.exp(-ATTENUATION[:, None, None] * murk)
    water = water + bottom * 0.7 * (0.6 * land - water)
    glitter = day.glint * np.clip(1 + 0.22 * np.roll(waves, shift, 1) + 0.3 * middle, 0, None)
    return (water * (1 + 0.03 * middle) + glitter).astype(np.float32)


def _draw(
    world: World, day: Day, thing: SceneObject, foot: Footprint, surface: F32, wet: F32
) -> None:
    """Paint an object into ``surface`` and take its ground out of ``wet``, both in place."""
    if not present(thing, day):
        return
    where = (foot.rows, foot.cols)
    cover = thing.strength * foot.cover(thing.grown(day.when))
    if thing.afloat:
        cover = cover * wet[where]
    if thing.drowns:
        cover = cover * (1 - wet[where])
    colour = material(thing.material)
    green = thing.green(day.when)
    if green:
        colour = colour + green * season(day.when, 215, 70) * (material("grass") - colour)
    fine, middle = world.patches[2][where], world.patches[1][where]
    water_like = thing.material.startswith("water")
    texture = np.exp(0.03 * fine if water_like else 0.07 * fine + 0.07 * middle)
    picture = colour[:, None, None] * texture
    patch = surface[:, foot.rows, foot.cols]
    patch += cover * (picture - patch)
    if not thing.afloat and not water_like:
        wet[where] *= 1 - cover


def present(thing: SceneObject, day: Day) -> bool:
    """Tell whether an object is there and not under water."""
    level = day.river_level if thing.body == 1 else day.pool_level
    return thing.grown(day.when) > 0 and (thing.crest is None or level < thing.crest)
