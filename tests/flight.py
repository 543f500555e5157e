"""Small flights as tools write them, and an office to hand them to."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import office
import rasterio
import yaml
from affine import Affine
from numpy.typing import NDArray

from pipeline.office.flights import Answer, SubmitRequest, desk, submit

NOW = datetime(2026, 12, 1, tzinfo=UTC)
CRS = "EPSG:4547"
GSD = 0.05
# On the river of office.river(): half a kilometre along it.
CORNER = (420_690.0, 3_050_500.0)
FORM: dict[str, Any] = {
    "team": "渌口区无人机队",
    "drone": "DJI M350 RTK",
    "camera": "Zenmuse P1",
    "flown": "2026-11-20T10:30:00+08:00",
    "vertical": "1985",
    "gsd_m": GSD,
    "rtk": True,
    "gcp": 4,
}


def picture(bands: int = 3, size: int = 96, seed: int = 1, kind: str = "uint8") -> NDArray[Any]:
    top = 255 if kind == "uint8" else 60_000
    return np.random.default_rng(seed).integers(1, top, (bands, size, size)).astype(kind)


def heights(size: int = 48, base: float = 40.0) -> NDArray[Any]:
    rows = np.arange(size, dtype="float32")
    return (base + rows[:, None] * 0.01 + rows * 0.02)[None].astype("float32")


def write_tif(
    path: Path,
    data: NDArray[Any],
    gsd: float = GSD,
    crs: str | None = CRS,
    corner: tuple[float, float] = CORNER,
    **more: Any,
) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    tags = more.pop("units", None)
    colours = more.pop("colours", None)
    profile: dict[str, Any] = {
        "driver": "GTiff",
        "height": data.shape[1],
        "width": data.shape[2],
        "count": data.shape[0],
        "dtype": data.dtype,
        "transform": Affine(gsd, 0, corner[0], 0, -gsd, corner[1]),
        **more,
    }
    if crs:
        profile["crs"] = crs
    with rasterio.open(path, "w", **profile) as sink:
        if colours:
            sink.colorinterp = colours
        if tags:
            sink.units = [tags] * data.shape[0]
        sink.write(data)
    return path


def write_form(folder: Path, **changes: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    content = {k: v for k, v in {**FORM, **changes}.items() if v is not None}
    path = folder / "flight.yaml"
    path.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
    return path


def odm(folder: Path, seed: int = 1, **form: Any) -> Path:
    """Write a flight as OpenDroneMap leaves it: RGBA, JPEG-like blocks, and a surface."""
    data = np.concatenate([picture(seed=seed), np.full((1, 96, 96), 255, "uint8")])
    data[:, :, :10] = 0
    write_tif(folder / "odm_orthophoto" / "odm_orthophoto.tif", data, tiled=True, compress="lzw",
              blockxsize=64, blockysize=64, photometric="RGB", alpha="yes")  # fmt: skip
    write_tif(folder / "odm_dem" / "dsm.tif", heights(), gsd=2 * GSD, nodata=-9999.0)
    write_form(folder, **form)
    return folder


def hand_in(tmp_path: Path, drop: Path, **more: Any) -> Answer:
    """Submit a drop to an office with one river."""
    config = tmp_path / "config"
    if not config.exists():
        office.make_config(tmp_path)
    again = more.pop("again", True)
    with desk(config, tmp_path / "state", more.pop("now", NOW)) as at:
        return submit(SubmitRequest(drop, **more), at, again=again)


def codes(answer: Answer) -> list[str]:
    return [f.code for f in answer.faults]
