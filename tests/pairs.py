"""Small flights to compare, the workflow of them, and what a run of it left."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import yaml
from affine import Affine
from scipy import ndimage
from shapely.geometry import box, mapping
from typer.testing import CliRunner

from pipeline.adjudicate.evidence import fold
from pipeline.cli import app
from pipeline.grid import reproject
from pipeline.ledger import Judgement, LedgerContext, apply, open_ledger
from pipeline.model import Candidate, Case, Kind, Look, Seen, Status

N, GSD, CRS = 480, 0.1, "EPSG:32649"
X, Y = 710000.0, 3080000.0  # north-western corner
HEAP, HOUSE, PIT = (12.0, 12.0), (34.0, 30.0), (14.0, 34.0)  # (row, col) [m]
PIT_M = {"pit": 1.8, "half a pit": 0.9, "mound": -1.2}  # how deep below the ground of before
HEAP_M3 = np.pi * 3**2 * 1.8 / 3
FIRST, SECOND, THIRD = (f"2026-{m}-10T10:30:00+08:00" for m in ("06", "09", "11"))


def noise(rng: np.random.Generator, sigma: float, reach_px: float) -> np.ndarray:
    field = ndimage.gaussian_filter(rng.standard_normal((N, N)), reach_px, mode="wrap")
    return sigma * field / field.std()


def place(at: tuple[float, float], half_m: float) -> Any:
    return box(X + at[1] - half_m, Y - at[0] - half_m, X + at[1] + half_m, Y - at[0] + half_m)


def ground(things: tuple[str, ...], relief: float = 0.6) -> tuple[np.ndarray, np.ndarray]:
    """Colour (3, N, N) uint8 and height (N, N): bare hilly ground, and what stands on it."""
    rng = np.random.default_rng(5)
    grey = 120 + noise(rng, 12, 1) + noise(rng, 20, 4) + noise(rng, 20, 15)
    height = 40 + noise(rng, relief, 60)
    r, c = np.mgrid[0:N, 0:N] * GSD
    if "heap" in things:
        cone = np.maximum(3 - np.hypot(r - HEAP[0], c - HEAP[1]), 0) * 0.6
        height, grey = height + cone, np.where(cone > 0, 190 + noise(rng, 15, 1), grey)
    if "house" in things:
        on = (np.abs(r - HOUSE[0]) < 3) & (np.abs(c - HOUSE[1]) < 4)
        height, grey = np.where(on, 44.0, height), np.where(on, 60 + noise(rng, 3, 2), grey)
    for name in set(things) & set(PIT_M):
        cone = np.maximum(3 - np.hypot(r - PIT[0], c - PIT[1]), 0) / 3
        height, grey = (
            height - PIT_M[name] * cone,
            np.where(cone > 0, 170 + noise(rng, 15, 1), grey),
        )
    colour = np.stack([grey * 1.1, grey, grey * 0.9]).clip(2, 253).astype(np.uint8)
    return colour, height


def write(path: Path, data: np.ndarray, shift_m: float = 0.0, **more: Any) -> None:
    bands = data if data.ndim == 3 else data[None]
    place_of = Affine(GSD, 0, X + shift_m, 0, -GSD, Y)
    with rasterio.open(
        path, "w", driver="GTiff", width=N, height=N, count=len(bands), dtype=bands.dtype,
        crs=more.pop("crs", CRS), transform=place_of, tiled=True, blockxsize=128, blockysize=128,
        **more,
    ) as file:  # fmt: skip
        file.write(bands)
        file.build_overviews([2, 4], rasterio.enums.Resampling.average)


def fly(
    folder: Path,
    flown: str,
    things: tuple[str, ...],
    seed: int,
    *,
    surface: bool = True,
    relief: float = 0.6,
) -> Path:
    """Leave a flight as an office takes it in; the seed draws its own noise."""
    rng = np.random.default_rng(seed)
    colour, height = ground(things, relief)
    folder.mkdir(parents=True)
    colour = (colour + rng.normal(0, 2, colour.shape)).clip(0, 255).astype(np.uint8)
    write(folder / "ortho.tif", colour, shift_m=0.4 * seed)
    if surface:
        own = noise(rng, 0.02, 3) + rng.uniform(-0.5, 0.5)
        write(folder / "dsm.tif", (height + own).astype(np.float32), 0.4 * seed, nodata=-9999.0)
    (folder / "flight.yaml").write_text(yaml.safe_dump({"flown": flown, "team": "一队"}))
    return folder


def workflow(root: Path, flights: list[Path], at: Any = None, **more: Any) -> Path:
    corridor = reproject(at or box(X - 50, Y - 100, X + 100, Y + 50), CRS, "EPSG:4326")
    features = [
        {
            "type": "Feature",
            "geometry": mapping(corridor),
            "properties": {
                "id": "bank", "name_zh": "河岸", "water": "river", "accuracy_m": 5,
                "provenance": "a test",
            },
        }
    ]  # fmt: skip
    corridors = root / "corridors.geojson"
    corridors.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    body = {
        "name": "flights", "kind": "inspect", "corridors": {"file": str(corridors)},
        "flights": [str(f) for f in flights], "state": "state", "out": "out",
        "layers": "layers",
        "options": {"register_pictures": {"window": 96, "largest_turn_deg": 0, "ties": 6}},
        **more,
    }  # fmt: skip
    path = root / "inspect.yaml"
    path.write_text(yaml.safe_dump(body, allow_unicode=True))
    return path


def run(path: Path, *more: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["run", str(path), *more])
    return done.exit_code, done.output


def published(root: Path, name: str = "cases") -> list[dict[str, Any]]:
    return json.loads((root / "out" / "latest" / f"{name}.geojson").read_text())["features"]


def satellites(
    state: Path, at: Any, status: Status = Status.WATCH, *, gone_at: int | None = None
) -> str:
    """Leave a case of two uncertain satellite looks in the patrol's ledger; give its id."""
    state.mkdir(exist_ok=True)
    looks = tuple(
        Look(datetime(2026, 8, d, 3, tzinfo=UTC), f"s{d}", "sentinel-2-l2a", 1.0, Seen.HIT, False)
        for d in (5, 10)
    )
    if gone_at is not None:
        clear = replace(looks[0], on=datetime(2026, 8, gone_at, 3, tzinfo=UTC), pass_id="s1")
        looks = (replace(clear, seen=Seen.MISS, certain=True), *looks)
    found = Candidate(
        Kind.ZHAN, "bank", at, CRS, at.area, looks, fold(looks), 0.4, {"looks": 2.0},
        ("s5", "s10"), "zhan/1",
    )  # fmt: skip
    with open_ledger(state / "ledger.sqlite") as ledger:
        known = {c.case_id for c in ledger.cases()}
        done = apply(ledger, [found], replace(patrol(), spots=True)).cases
        (case,) = (c for c in done if c.case_id not in known)
        if status is not Status.WATCH:
            with ledger.transaction(lambda: None) as transaction:
                transaction.write([replace(case, status=status, revision=2)], [])
    return case.case_id


def patrol() -> LedgerContext:
    """A patrol of August to December that could judge all of its corridor, and saw nothing."""
    period = datetime(2026, 8, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)
    until = {"bank": period[1]}
    judged = {"bank": Judgement(("s5", "s10", "s20"))}
    return LedgerContext(
        "patrol", "0", "0", ("bank",), period, partial(fold), judged=judged, until=until
    )


def cases(root: Path) -> dict[str, Case]:
    with open_ledger(root / "state" / "ledger.sqlite") as ledger:
        return {c.case_id: c for c in ledger.cases()}


def answers(root: Path) -> dict[str, str]:
    with (root / "out" / "latest" / "worklist.csv").open(encoding="utf-8-sig") as file:
        listed = {row["case_id"]: row["answer"] for row in csv.DictReader(file)}
    report = json.loads((root / "out" / "latest" / "run.json").read_text())
    assert listed == {k: v["answer"] for k, v in report["counts"]["worklist"].items()}
    return listed


def contents(root: Path) -> dict[str, bytes]:
    folder = root / "out" / "latest"
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.suffix == ".geojson"}
