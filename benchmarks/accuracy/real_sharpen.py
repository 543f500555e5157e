"""How near to the truth the short-wave infrared of real imagery is drawn, by Wald's protocol.

Usage: python -m benchmarks.accuracy.real_sharpen --data ../shared/data [--out out/accuracy]

Nobody has SWIR of 10 m, so everything is taken one step down: all bands are averaged to 20 m, SWIR
once more to 40 m, and what is drawn of that at 20 m is held against what was averaged (Wald et al.
1997, PE&RS 63(6), 691-699). All of these images were resampled to 10 m by others before, SWIR too:
what it is held against is somewhat smoother than what the sensor measured.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from scipy import ndimage

from benchmarks.accuracy.real_cli import said_alone
from benchmarks.accuracy.real_water import reflectance
from benchmarks.accuracy.report import Cell, Section, Table
from benchmarks.boadella_fills import load
from pipeline.detect.water import water_score
from pipeline.io.finer import between, bilinear
from pipeline.io.sharpen import sharpen

Float = NDArray[np.float32]
Bands = dict[str, Float]

_BUSAN = "s2_l2a_ports_ships/sen2ships/busan"
_CHIP = "sen1floods11_spain/sample/S2/Spain_7370579_S2Hand.tif"
_KEYS = {"blue": "B02", "green": "B03", "red": "B04", "nir": "B08", "swir16": "B11"}
_BOADELLA = ("2020-06-21", "2020-09-14")  # its two dates without cloud and haze
_EDGE_PX = 4  # of the fine pixels, that a window leaves out on each side


def measure(data: Path, out: Path) -> Section:
    """Compare interpolation with sharpening on every site that is there."""
    del out
    rows: list[tuple[Cell, ...]] = []
    ratios: list[float] = []
    for name, bands in _sites(data):
        found = _compare({n: _halved(v) for n, v in bands.items()})
        rows += [(name, how, *values) for how, values in found.items()]
        ratios.append(found["sharpened"][1] / found["interpolated"][1])
    title = "Sharpening on real imagery"
    if not rows:
        return Section("real_sharpen", title, (), {}, f"Not measured: no imagery in {data}.")
    numbers = {"swir_shore_error_ratio": float(np.mean(ratios))}
    columns = ("image", "20 m SWIR", "RMSE", "RMSE at shores", "bias at shores", "water lost",
               "water that is none")  # fmt: skip
    told = (
        "SWIR of 40 m drawn at 20 m, against the delivered SWIR averaged to 20 m; *at shores*: "
        "within a pixel of where the score changes its sign; *lost*, *none*: of the water by that."
    )
    table = Table("Short-wave infrared, drawn finer", columns, tuple(rows), told)
    return Section("real_sharpen", title, (table,), numbers)


def _sites(data: Path) -> Iterator[tuple[str, Bands]]:
    if (data / _CHIP).is_file():
        chip = reflectance(data / _CHIP)
        yield "Sen1Floods11, Spain", {n: chip[n] for n in _KEYS}
    if (data / "s2_l2a_boadella_reservoir").is_dir():
        series = load(data / "s2_l2a_boadella_reservoir")
        for i, day in enumerate(series.dates):
            if str(day)[:10] in _BOADELLA:
                yield f"Boadella, {day}", {n: series.bands[n][i] for n in _KEYS}
    folder = data / _BUSAN
    if folder.is_dir():
        bands: Bands = {}
        for name, key in _KEYS.items():
            (path,) = folder.glob(f"*_{key}_*.tiff")
            with rasterio.open(path) as src:
                bands[name] = src.read(1).astype(np.float32) / np.float32(65535)
        yield "Busan, port", bands


def _halved(values: Float) -> Float:
    rows, cols = (n // 2 for n in values.shape)
    cut = values[: rows * 2, : cols * 2]
    return cut.reshape(rows, 2, cols, 2).mean(axis=(1, 3), dtype=np.float32)


def _compare(bands: Bands) -> dict[str, tuple[float, float, float, float, float]]:
    rows, cols = (n // 2 * 2 for n in bands["nir"].shape)
    fine = {n: v[:rows, :cols] for n, v in bands.items()}
    coarse = _halved(fine["swir16"])
    where = [between(_EDGE_PX, n - _EDGE_PX, 0, 2) for n in (rows, cols)]
    inner = np.s_[_EDGE_PX:-_EDGE_PX, _EDGE_PX:-_EDGE_PX]
    pair = np.stack([fine["nir"], fine["red"]])
    drawn = {
        "interpolated": bilinear(coarse, *where),
        "sharpened": sharpen(coarse, pair, (_EDGE_PX, _EDGE_PX), *where),
    }
    own = {n: v[inner] for n, v in fine.items()}
    water = water_score(own) > 0
    near = np.asarray(ndimage.binary_dilation(water), np.bool_)
    inside = np.asarray(ndimage.binary_erosion(water), np.bool_)
    shore = near & ~inside
    return {how: _errors(own, swir, water, shore) for how, swir in drawn.items()}


def _errors(
    bands: Bands, swir: Float, water: NDArray[np.bool_], shore: NDArray[np.bool_]
) -> tuple[float, float, float, float, float]:
    off = (swir - bands["swir16"]).astype(np.float64)
    said = water_score({**bands, "swir16": swir}) > 0
    area = max(int(water.sum()), 1)
    return (
        float(np.sqrt(np.mean(off**2))),
        float(np.sqrt(np.mean(off[shore] ** 2))),
        float(np.mean(off[shore])),
        float((water & ~said).sum() / area),
        float((said & ~water).sum() / area),
    )


if __name__ == "__main__":
    said_alone(measure, __doc__)
