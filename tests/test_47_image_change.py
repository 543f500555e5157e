"""Two pictures without calibration: rank counts, not brightness, and small shifts are free."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray

from pipeline.detect.image_change import (
    Change,
    PictureOptions,
    compare,
    judgeable,
    objects,
    ranks_of,
    scales_of,
    strength,
    tally_colours,
    tally_fields,
)

SHARED = Path(__file__).resolve().parents[1].parent / "shared" / "data"
Picture = NDArray[np.uint8]


def measured(
    before: Picture, after: Picture, res_m: float = 2.0, per_km2: float = 1000
) -> tuple[NDArray[np.float32], list[Change]]:
    """Compare two whole pictures."""
    options = PictureOptions(per_km2=per_km2)
    mask = np.ones(before.shape[1:], bool)
    ranks = (ranks_of(tally_colours(before, mask)), ranks_of(tally_colours(after, mask)))
    fields = compare(before, after, ranks, options)
    values = strength(fields, scales_of(tally_fields(fields, mask)))
    inside = judgeable(mask, options)
    rows, cols = (i.astype(np.int32) for i in np.nonzero(inside & (values >= options.grow)))
    area = res_m**2
    found = objects(rows, cols, values[rows, cols], area, mask.size * area / 1e6, options)
    return values, list(found)


def ground(seed: int = 1) -> NDArray[np.float64]:
    plots = np.random.default_rng(7).integers(60, 130, (16, 16))
    grey = np.kron(plots, np.ones((16, 16))) + np.random.default_rng(seed).normal(0, 4, (256, 256))
    return np.stack([grey * 1.05, grey, grey * 0.7])


def with_roof(picture: NDArray[np.float64]) -> NDArray[np.float64]:
    out = picture.copy()
    out[:, 100:124, 90:126] = np.array([205.0, 205.0, 210.0])[:, None, None]
    return out


def as_bytes(picture: NDArray[np.float64]) -> Picture:
    return picture.clip(0, 255).astype("uint8")


@pytest.mark.parametrize("shift", [(0, 0), (1, -2), (2, 2)])
@pytest.mark.parametrize("gamma", [0.7, 1.0, 1.4])
def test_a_roof_is_found_whatever_the_stretch(shift: tuple[int, int], gamma: float) -> None:
    after = 255 * (with_roof(ground(2)) / 255) ** gamma
    after = np.roll(after, shift, (1, 2))
    _, found = measured(as_bytes(ground(1)), as_bytes(after))
    best = found[0]
    assert abs(best.rows.mean() - 111.5 - shift[0]) < 5
    assert abs(best.cols.mean() - 107.5 - shift[1]) < 5
    assert 0.5 < best.rows.size / (24 * 36) < 2


@pytest.mark.parametrize("shift", [(0, 0), (1, 1), (-2, 1)])
@pytest.mark.parametrize("gamma", [0.7, 1.0, 1.5])
def test_the_same_ground_is_no_change(shift: tuple[int, int], gamma: float) -> None:
    """Another stretch, other noise, a shift: nothing to look at, not even the best of nothing."""
    after = 255 * (np.roll(ground(2), shift, (1, 2)) / 255) ** gamma
    _, found = measured(as_bytes(ground(1)), as_bytes(after))
    assert not found


def test_ranks_are_exact_however_the_picture_is_cut() -> None:
    picture = as_bytes(ground())
    mask = np.ones((256, 256), bool)
    whole = tally_colours(picture, mask)
    parts = [tally_colours(picture[:, r : r + 64], mask[r : r + 64]) for r in range(0, 256, 64)]
    assert (np.sum(parts, axis=0) == whole).all()
    assert (ranks_of(whole)[:, -1] <= 1).all()


def test_only_the_strongest_are_kept() -> None:
    rows = np.repeat(np.arange(0, 100, 10), 30).astype(np.int32)
    cols = np.tile(np.arange(30), 10).astype(np.int32)
    values = np.repeat(np.arange(10, 20), 30).astype(np.float32)
    kept = objects(rows, cols, values, 4.0, 1.0, PictureOptions(per_km2=3))
    assert [int(c.strength) for c in kept] == [19, 18, 17]
    assert not objects(rows, cols, values, 4.0, 1.0, PictureOptions(min_area_m2=121))
    assert not objects(rows, cols, values, 4.0, 1.0, PictureOptions(seed=50))


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "res_m", "best"), [("levir_samples", 0.5, 0.75), ("dsifn_samples", 2.0, 0.70)]
)
def test_real_pairs_rank_better_than_a_difference(name: str, res_m: float, best: float) -> None:
    """Area under the curve over changed pixels; a plain difference of grey gives 0.54 and 0.63."""
    folder = SHARED / name
    if not folder.is_dir():
        if os.environ.get("SILUAN_REQUIRE_REAL"):
            pytest.fail(f"{folder} is missing and SILUAN_REQUIRE_REAL is set")
        pytest.skip(f"real imagery is not beside the checkout ({folder})")
    areas: list[float] = []
    right = given = 0
    for path in sorted((folder / "A").glob("*.png")):
        before, after, truth = (_image(folder / part / path.name) for part in ("A", "B", "label"))
        changed = truth[0] > 127
        values, found = measured(before, after, res_m, per_km2=10)
        if changed.any():
            areas.append(_area_under_curve(values, changed))
        right += sum(changed[c.rows, c.cols].mean() >= 0.1 for c in found)
        given += len(found)
    assert np.mean(areas) > best
    assert right > given / 2


def _image(path: Path) -> Picture:
    with rasterio.open(path) as file:
        return file.read()


def _area_under_curve(values: NDArray[np.float32], truth: NDArray[np.bool_]) -> float:
    order = np.empty(values.size)
    order[np.argsort(values, axis=None, kind="stable")] = np.arange(values.size)
    yes = int(truth.sum())
    total = order[truth.ravel()].sum() - yes * (yes - 1) / 2
    return float(total / (yes * (values.size - yes)))


def test_a_roll_of_the_texture_term_does_not_wrap_into_the_halo() -> None:
    """What lies more than the halo away cannot matter."""
    from pipeline.detect.image_change import halo_px

    options = PictureOptions()
    before, after = as_bytes(ground(1)), as_bytes(with_roof(ground(2)))
    mask = np.ones((256, 256), bool)
    ranks = (ranks_of(tally_colours(before, mask)), ranks_of(tally_colours(after, mask)))
    whole = compare(before, after, ranks, options)
    halo = halo_px(options)
    part = (slice(None), slice(64 - halo, 128 + halo), slice(64 - halo, 128 + halo))
    window = compare(before[part], after[part], ranks, options)
    inner = (slice(halo, -halo), slice(halo, -halo))
    for one, two in zip(whole.all(), window.all(), strict=True):
        assert np.abs(one[64:128, 64:128] - two[inner]).max() < 1e-4
