"""Make the sample: ``python -m sample_scenes.make --out sample_scenes/data --seed 7``."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ConfigurationError, SiluanError
from sample_scenes import atmosphere, office, schedule, scl, sensor, stacio, truth
from sample_scenes.fields import F32
from sample_scenes.options import SampleOptions
from sample_scenes.schedule import Day
from sample_scenes.stacio import Product
from sample_scenes.surface import World, build_world, reflectance

MARK = "sample.json"  # says that a folder is ours, and what made it
OLD, NEW = "03.01", "05.11"


def render(world: World, day: Day) -> tuple[dict[str, F32], NDArray[np.uint8], frozenset[str]]:
    """Simulate a date: bands in reflectance, scene classification, ids of what could be seen."""
    surface, _ = reflectance(world, day)
    air = atmosphere.sky(world.options, day)
    seen = sensor.observe(world.options, day, atmosphere.through(surface, air))
    classes = scl.classify(world.options, day, seen, air)
    return seen, classes, truth.visible(world, day, air)


def products(options: SampleOptions, days: tuple[Day, ...]) -> list[Product]:
    """Plan the items: one per date, and the odd ones that every archive has."""
    whole = (0, options.size)
    n = len(days)
    out: list[Product] = []
    clear = [d for d in days if d.cloud < 0.08 and not (d.lies or d.swath_edge) and d.gain < 1.2]
    early = [d for d in clear if d.dn_offset == 0]
    late = [d for d in clear if d.dn_offset > 0]
    split = early[len(early) // 2].index if early else None
    twice = late[len(late) // 3].index if late else None
    for day in days:
        baseline = NEW if day.dn_offset else OLD
        if day.index == split:
            # 49RFL ends at column 220 of the full scene; the squares share a tenth.
            east, west = (options.size * k // 40 * 2 for k in (9, 11))
            out.append(Product(day, "49RFL", (0, west), baseline))
            out.append(Product(day, "49RGL", (east, options.size), baseline))
        elif day.index == twice:
            out.append(Product(day, "49RGL", whole, "04.00", 0, 0, 0.985))
            out.append(Product(day, "49RGL", whole, baseline, 1, 90))
        else:
            out.append(Product(day, "49RGL", whole, baseline))
    taken = {d.when.date() for d in days}
    for day in reversed(clear):
        when = day.when + timedelta(days=options.revisit_days)
        if when.date() not in taken:
            broken = replace(day, index=n, when=when)
            baseline = NEW if day.dn_offset else OLD
            out.append(Product(broken, "49RGL", whole, baseline, truncated="green"))
            break
    return out


def generate(root: Path, options: SampleOptions) -> dict[str, Any]:
    """Write the whole sample into the empty folder ``root`` and say what it holds."""
    world = build_world(options)
    days = schedule.make(options)
    planned = products(options, days)
    by_day: dict[int, list[Product]] = {}
    for product in planned:
        by_day.setdefault(product.day.index, []).append(product)

    def one(index: int) -> tuple[int, frozenset[str]]:
        seen, classes, objects = render(world, by_day[index][0].day)
        for product in by_day[index]:
            stacio.write(root, options, product, seen, classes)
        return index, objects

    with ThreadPoolExecutor(max_workers=2) as pool:
        visible = dict(pool.map(one, sorted(by_day)))
    stacio.write_catalogue(root, planned, options)
    found = truth.truth(world, days, visible)
    _dump(root / "truth.geojson", found)
    _dump(root / "corridors.geojson", truth.corridors(options, world.ground))
    _dump(root / office.WORKS, office.works(options, world.ground))
    events = [f for f in found["features"] if not f["properties"]["is_trap"]]
    return {
        "fictional": True,
        "options": options.model_dump(mode="json"),
        "code": _code(),
        "dates": len(days),
        "items": len(planned),
        "events": len(events),
        "traps": len(found["features"]) - len(events),
    }


def make(out: Path, options: SampleOptions, force: bool = False) -> dict[str, Any]:
    """Make the sample in ``out`` unless it is already there; it appears whole or not at all.

    Raises
    ------
    ConfigurationError
        When ``out`` holds something that this program did not make.
    """
    mark = out / MARK
    if out.exists():
        if any(out.iterdir()) and not mark.is_file():
            raise ConfigurationError(
                f"the folder {out} holds files that were not made by sample_scenes",
                "Choose another --out or empty it",
            )
        if mark.is_file() and not force:
            made = json.loads(mark.read_text(encoding="utf-8"))
            wanted = options.model_dump(mode="json")
            if made.get("options") == wanted and made.get("code") == _code():
                return {**made, "fresh": False}
    part = out.with_name(out.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    said = generate(part, options)
    _dump(part / MARK, said)
    if out.exists():
        shutil.rmtree(out)
    part.rename(out)
    return {**said, "fresh": True}


def _code() -> str:
    """Fingerprint of the simulator, so that a changed simulator makes new scenes."""
    digest = sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        if path.name not in ("score.py", "overview.py"):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _dump(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line and make the sample."""
    parser = argparse.ArgumentParser(prog="sample_scenes.make", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("sample_scenes/data"))
    parser.add_argument("--seed", type=int, default=SampleOptions().seed)
    parser.add_argument("--size", type=int, default=SampleOptions().size, help="10 m pixels")
    parser.add_argument(
        "--site", type=int, default=0, help="another place than the sample's, without events"
    )
    parser.add_argument("--months", type=int, default=SampleOptions().months)
    parser.add_argument("--force", action="store_true", help="make it again")
    given = parser.parse_args(arguments)
    start = time.monotonic()
    try:
        options = SampleOptions(
            seed=given.seed,
            site=given.site,
            size=given.size,
            months=given.months,
            events=not given.site,
        )
        said = make(given.out, options, given.force)
    except SiluanError as error:
        print(error, file=sys.stderr)
        return int(error.code)
    except ValueError as error:
        print(f"the options are not usable: {error}", file=sys.stderr)
        return 2
    what = "made" if said["fresh"] else "already there:"
    print(
        f"sample {what} {said['items']} items of {said['dates']} dates, {said['events']} events, "
        f"{said['traps']} traps in {given.out} ({time.monotonic() - start:.1f} s)"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
