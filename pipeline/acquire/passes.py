"""From scenes to passes: one per overflight, duplicates dropped by name."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import groupby

import shapely

from pipeline.io.remote import lasting, named
from pipeline.model import Pass, Scene, SetAside

_SAME_PASS = timedelta(minutes=10)  # scenes of one platform nearer in time are one overflight
# Two outlines of one product differ by their decimals. Where they do so by more both are read and
# time is lost; a scene that was taken for another's copy would be lost itself.
_SAME_GROUND = 0.95


def drop_duplicates(scenes: Sequence[Scene]) -> tuple[list[Scene], list[SetAside]]:
    """Keep one scene per sensor, tile and overflight: the newest baseline, then the newest file.

    Scenes without a tile are only compared with others of their id. Of equals the first is kept.
    """
    kept: dict[tuple[str, ...], list[Scene]] = {}
    dropped: list[tuple[Scene, Scene]] = []
    for scene in sorted(scenes, key=_age, reverse=True):
        newer = kept.setdefault(_duplicate_key(scene), [])
        replaces = _replaces if scene.tile else _is_same
        twin = next((s for s in newer if replaces(s, scene)), None)
        if twin is None:
            newer.append(scene)
        else:
            dropped.append((scene, twin))
    # An item that is listed twice is read, and nothing is set aside.
    others = [(d, w) for d, w in dropped if d.id != w.id or _files(d) != _files(w)]
    aside = [SetAside(d.id, "acquire", _why(d, w)) for d, w in others]
    ordered = sorted((s for group in kept.values() for s in group), key=lambda s: s.id)
    return sorted(ordered, key=lambda s: s.acquired), sorted(aside)


def _replaces(newer: Scene, older: Scene) -> bool:
    """Tell whether the newer scene shows most of what the older one shows.

    The two halves of a tile that a datatake's end cut in two do not, nor does a part of it that was
    processed again.
    """
    new, old = (shapely.make_valid(s.footprint_wgs84) for s in (newer, older))
    return bool(new.intersection(old).area > 0.5 * old.area)


def _is_same(one: Scene, other: Scene) -> bool:
    """Tell two items of one product from two that only share an id, as a date often is."""
    if _files(one) == _files(other):
        return True
    if one.platform != other.platform or abs(one.acquired - other.acquired) > _SAME_PASS:
        return False
    a, b = (shapely.make_valid(s.footprint_wgs84) for s in (one, other))
    return bool(a.intersection(b).area >= _SAME_GROUND * max(a.area, b.area))


def _why(dropped: Scene, kept: Scene) -> str:
    if dropped.id != kept.id:
        return f"duplicate of {kept.id}, whose processing is newer or the same"
    places = [next((named(lasting(f[1])) for f in _files(s)), "?") for s in (kept, dropped)]
    return f"two items of one product have this id; {places[0]} is read and {places[1]} is not"


def _files(scene: Scene) -> list[tuple[str, str, int]]:
    """Give what a scene is read from, without what changes from run to run, as signatures do."""
    return sorted((b, named(lasting(a.href)), a.band_index) for b, a in scene.assets.items())


def told_apart(scenes: Sequence[Scene]) -> list[Scene]:
    """Give scenes of one sensor that share an id a mark each, of what they are read from.

    Others keep theirs: scenes of two sensors lie in different stores and passes.
    The marks hold in every run and for every order of the sources. All that share an id are marked:
    what a ledger calls by the bare id is then never mistaken for another scene.
    """
    times = Counter((s.sensor, s.id) for s in scenes)
    return [_marked(s) if times[s.sensor, s.id] > 1 else s for s in scenes]


def _marked(scene: Scene) -> Scene:
    read = [scene.sensor, scene.acquired.isoformat(), _files(scene)]
    mark = hashlib.sha256(json.dumps(read).encode()).hexdigest()[:8]
    return replace(scene, id=f"{scene.id}~{mark}", listed_as=scene.id)


def _duplicate_key(scene: Scene) -> tuple[str, ...]:
    if not scene.tile:
        return (scene.sensor, scene.id)
    # Reprocessing renames a datatake's baseline only: GS2A_20230815T095031_042547_N05.09.
    take = re.sub(r"_N\d\d\.\d\d$", "", scene.datatake)
    return (scene.sensor, scene.platform, scene.tile, take or f"{scene.acquired:%Y%m%dT%H%M}")


def _age(scene: Scene) -> tuple[str, str, str]:
    made = scene.properties.get("s2:generation_time") or scene.properties.get("updated") or ""
    return scene.baseline, str(made), scene.id


def merge_passes(scenes: Sequence[Scene]) -> tuple[Pass, ...]:
    """Group scenes of one overflight of one sensor; they are mosaicked when read."""
    passes: list[Pass] = []
    ordered = sorted(scenes, key=lambda s: (s.sensor, s.platform, s.acquired, s.id))
    for (sensor, platform), group in groupby(ordered, key=lambda s: (s.sensor, s.platform)):
        bunch: list[Scene] = []
        for scene in group:
            if bunch and scene.acquired - bunch[0].acquired > _SAME_PASS:
                passes.append(_pass(sensor, platform, bunch))
                bunch = []
            bunch.append(scene)
        passes.append(_pass(sensor, platform, bunch))
    ordered_passes = sorted(passes, key=lambda p: (p.acquired, p.id))
    names: dict[str, int] = {}
    for i, p in enumerate(ordered_passes):
        # Two overflights of one platform on one day, far north: tell them apart by their order.
        names[p.id] = names.get(p.id, 0) + 1
        if names[p.id] > 1:
            ordered_passes[i] = replace(p, id=f"{p.id}_{names[p.id]}")
    return tuple(ordered_passes)


def _pass(sensor: str, platform: str, scenes: Sequence[Scene]) -> Pass:
    """Name a pass by its datatake or its day: a tile that comes later must not rename it.

    The sensor is part of the name, so that one overflight catalogued twice keeps two names.
    """
    acquired = min(s.acquired for s in scenes)
    takes = sorted(m[1] for s in scenes if (m := re.search(r"_(\d{8}T\d{6})_", s.datatake)))
    stamp = takes[0] if takes else format(acquired, "%Y%m%d")
    name = "_".join(dict.fromkeys(part for part in (stamp, platform, sensor) if part))
    # By their own ids first: a mark that comes later must not move the order of a mosaic.
    return Pass(name, sensor, acquired, tuple(sorted(scenes, key=lambda s: (s.catalogue_id, s.id))))
