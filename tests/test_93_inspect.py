"""``siluan run`` over drone flights: from folders to cases with volumes in the patrol's ledger."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import yaml
from affine import Affine
from scipy import ndimage
from shapely.geometry import box, mapping
from typer.testing import CliRunner

from pipeline.adjudicate.evidence import fold
from pipeline.cli import app
from pipeline.grid import reproject
from pipeline.io.flights import DiskFlight
from pipeline.ledger import LedgerContext, apply, open_ledger
from pipeline.model import Candidate, Case, Evidence, EvidenceState, Grid, Kind, Look, Seen, Window

N, GSD, CRS = 480, 0.1, "EPSG:32649"
X, Y = 710000.0, 3080000.0  # north-western corner
HEAP, HOUSE = (12.0, 12.0), (34.0, 30.0)  # (row, col) [m]
HEAP_M3 = np.pi * 3**2 * 1.8 / 3
FIRST, SECOND, THIRD = (f"2026-{m}-10T10:30:00+08:00" for m in ("06", "09", "11"))


def noise(rng: np.random.Generator, sigma: float, reach_px: float) -> np.ndarray:
    field = ndimage.gaussian_filter(rng.standard_normal((N, N)), reach_px, mode="wrap")
    return sigma * field / field.std()


def place(at: tuple[float, float], half_m: float) -> Any:
    return box(X + at[1] - half_m, Y - at[0] - half_m, X + at[1] + half_m, Y - at[0] + half_m)


def ground(things: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Colour (3, N, N) uint8 and height (N, N): bare hilly ground, and what stands on it."""
    rng = np.random.default_rng(5)
    grey = 120 + noise(rng, 12, 1) + noise(rng, 20, 4) + noise(rng, 20, 15)
    height = 40 + noise(rng, 0.6, 60)
    r, c = np.mgrid[0:N, 0:N] * GSD
    if "heap" in things:
        cone = np.maximum(3 - np.hypot(r - HEAP[0], c - HEAP[1]), 0) * 0.6
        height, grey = height + cone, np.where(cone > 0, 190 + noise(rng, 15, 1), grey)
    if "house" in things:
        on = (np.abs(r - HOUSE[0]) < 3) & (np.abs(c - HOUSE[1]) < 4)
        height, grey = np.where(on, 44.0, height), np.where(on, 60 + noise(rng, 3, 2), grey)
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
    folder: Path, flown: str, things: tuple[str, ...], seed: int, *, surface: bool = True
) -> Path:
    """Leave a flight as an office takes it in; the seed draws its own noise."""
    rng = np.random.default_rng(seed)
    colour, height = ground(things)
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
        "options": {"register_pictures": {"window": 96, "largest_turn_deg": 0}},
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


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    root = tmp_path_factory.mktemp("flights")
    before = fly(root / "one", FIRST, (), 1)
    return before, fly(root / "two", SECOND, ("heap", "house"), 2)


def test_two_flights_with_surfaces_are_cases_with_volumes(
    tmp_path: Path, pair: tuple[Path, Path]
) -> None:
    path = workflow(tmp_path, list(pair))
    assert run(path)[0] == 0
    found = {f["properties"]["kind"]: f["properties"] for f in published(tmp_path)}
    assert set(found) == {"dui", "jian"}
    heap = found["dui"]
    volume = heap["volume_m3"]
    assert volume["low"] < HEAP_M3 < volume["high"]
    assert volume["net"] == pytest.approx(HEAP_M3, rel=0.1)
    assert (heap["status"], heap["sensors"], heap["detector"]) == (
        "suspected",
        ["drone"],
        "drone/1",
    )
    assert heap["scene_ids"] == ["one", "two"]
    assert heap["gsd_m"] == pytest.approx(GSD, rel=0.01)
    assert heap["first_seen"] == "2026-09-10T02:30:00Z"
