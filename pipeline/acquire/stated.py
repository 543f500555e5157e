"""What files of a folder say of their bands, held against the band table that is to read them.

A band table is a claim of whoever wrote the workflow. Bands in another order, or numbers of another
scale, give reflectance that looks like reflectance, on every date alike, and no comparison of dates
shows it. Where a file names its bands or states a scale, it is asked.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from pipeline.acquire.bands import Band, SensorTable
from pipeline.io.raster import Profile

_POSITION = re.compile(r"band[ _-]?0*(\d+)")  # as programs name bands that have no name
_NUMBERED = re.compile(r"b(?:and)?[ _-]?0*(\d+a?)(?: reflectance)?")
_REL = 1e-6  # of scales and offsets that are the same number written twice


def contradictions(
    table: SensorTable, carried: Mapping[str, str], files: Mapping[str, Profile]
) -> list[str]:
    """Say where files and band table do not fit, a phrase each; empty where nothing speaks.

    Parameters
    ----------
    carried : mapping of band to str
        Which of the files each band of the table is read from.
    files : mapping of str to Profile
        Their headers.
    """
    out: list[str] = _read_twice(table, carried)
    shared = Counter(carried.values())
    for band, name in carried.items():
        profile, entry = files[name], table.bands[band]
        stacked = shared[name] > 1
        if entry.index > profile.count:
            out.append(f"no band {entry.index} ({band}) in a file of {profile.count}")
        elif (
            stacked
            and table.bands_in_file not in (None, profile.count)
            # Whoever exports a collection with all of its bands has masks and classes behind them.
            and not all(_confirmed(table, b, profile) for b, n in carried.items() if n == name)
        ):
            out.append(f"a file has {profile.count} bands and not {table.bands_in_file}")
        else:
            out += _named_otherwise(table, band, profile)
            out += _scaled_otherwise(table, band, profile)
    return list(dict.fromkeys(out))


def _read_twice(table: SensorTable, carried: Mapping[str, str]) -> list[str]:
    """Say which bands one band of a file would be: the index of a table by band is always 1."""
    first: dict[tuple[str, int], str] = {}
    out: list[str] = []
    for band, name in carried.items():
        index = table.bands[band].index
        other = first.setdefault((name, index), band)
        # A sensor may have one near infrared for both.
        if other != band and {other, band} != {"nir", "nir08"}:
            out.append(
                f"{other} and {band} are both read from band {index}: the table is not for stacks"
            )
    return out[:1]


def _said(profile: Profile) -> list[str]:
    """Give what a file calls its bands; Band 1, Band 2 ... are their places and no names.

    A sensor's own numbers begin elsewhere as often as not, and a file of one band says Band 1.
    """
    places = [_POSITION.fullmatch(d.strip().casefold()) for d in profile.descriptions]
    if all(
        not d.strip() or (at is not None and int(at[1]) == i)
        for i, (d, at) in enumerate(zip(profile.descriptions, places, strict=True), 1)
    ):
        return []
    return [_plain(d) for d in profile.descriptions]


def _confirmed(table: SensorTable, band: str, profile: Profile) -> bool:
    said, entry = _said(profile), table.bands[band]
    return entry.index <= len(said) and said[entry.index - 1] in _called(band, entry)


def _named_otherwise(table: SensorTable, band: str, profile: Profile) -> list[str]:
    said = _said(profile)
    at = table.bands[band].index
    own = _called(band, table.bands[band])
    here = said[at - 1] if at <= len(said) else ""
    if not here or here in own:
        return []
    elsewhere = [i for i, name in enumerate(said, 1) if name in own]
    others = {n for other, b in table.bands.items() if other != band for n in _called(other, b)}
    if not elsewhere and here not in others:
        return []
    where = f", and {band} is its band {elsewhere[0]}" if elsewhere else ""
    return [f"the file calls its band {at} '{profile.descriptions[at - 1]}' and not {band}{where}"]


def _scaled_otherwise(table: SensorTable, band: str, profile: Profile) -> list[str]:
    entry = table.bands[band]
    if band == "scl" or entry.index > len(profile.scales):
        return []
    stated = (profile.scales[entry.index - 1], profile.offsets[entry.index - 1])
    if stated == (1.0, 0.0):  # a file that says nothing says this
        return []
    own = (
        table.scale if entry.scale is None else entry.scale,
        table.offset if entry.offset is None else entry.offset,
    )
    # Some programs take the offset off the numbers, before they are scaled: -1000 for -0.1.
    if _same(stated[0], own[0]) and any(_same(o, own[1]) for o in (stated[1], stated[1] * own[0])):
        return []
    numbers = [f"{n:g}" for n in (*stated, *own)]
    return [
        f"the file states scale {numbers[0]} and offset {numbers[1]} for {band}, "
        f"the band table {numbers[2]} and {numbers[3]}"
    ]


def _same(a: float, b: float) -> bool:
    return abs(a - b) <= _REL * max(abs(a), abs(b))


def _called(name: str, band: Band) -> set[str]:
    return {_plain(n) for n in (name, *band.keys, *band.called)}


def _plain(name: str) -> str:
    """Write B2, B02, Band 2 and band_02 alike."""
    text = name.strip().casefold()
    found = _NUMBERED.fullmatch(text)
    return f"b{found[1]}" if found else text


def missing_bands(
    table: SensorTable, found: Mapping[str, object], required: Sequence[str], names: Sequence[str]
) -> str:
    """Say which required bands no file carries, and what the files are called; empty: none."""
    lacking = [b for b in required if b not in found]
    if not lacking:
        return ""
    what = f"no file is {', '.join(lacking)}"
    given = [n for n in names if n]
    known = sorted({k for n, b in table.bands.items() for k in (n, *b.keys)})
    return (
        f"{what}: the pattern's band is {', '.join(given)}, the table knows {', '.join(known)}"
        if given
        else f"{what}: the table has no such band"
    )
