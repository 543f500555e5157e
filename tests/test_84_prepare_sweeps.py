"""The sweeps of prepare: the same bytes as with all dates in memory, and far fewer of them.

The arithmetic with all dates of the whole grid in memory is written out once more here, from the
same small parts, and is what the sweeps over tiles and strips are compared with.
"""

from __future__ import annotations

import shutil
import sys
import tracemalloc
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parent))
import valley

from pipeline.io import blocks
from pipeline.io.blocks import DamagedBlockError
from pipeline.io.looks import LookReader
from pipeline.io.recent import Recent
from pipeline.io.vault import Vault
from pipeline.model import Pass, Window
from pipeline.passes import align, clearsky, reduce, steady, strips
from pipeline.passes.ground import Site
from pipeline.passes.layers import keep_looks
from pipeline.passes.reduce import Reduced, reduce_dates
from pipeline.prepare.local import box_count, dilate, shadow_direction, split_speckle, sweep
from pipeline.prepare.mask import MaskOptions, Sky
from pipeline.prepare.options import PrepareOptions
from pipeline.prepare.quarantine import (
    difference_histogram,
    regional_shift,
    stable_ground,
    tally_change,
)
from pipeline.prepare.radiometry import RadiometryOptions
from pipeline.prepare.reference import ReferenceOptions, quarter_of
from pipeline.prepare.register import lattice_windows, reference_median, vote, window_shift
from pipeline.prepare.rescue import RescueOptions, rescue
from pipeline.prepare.shadow import ShadowOptions, cast, dark_against, shadow_test
from pipeline.prepare.spectral import (
    SpectralOptions,
    cloud_test,
    haze_test,
    hot,
    snow_test,
    turbid_water,
)
from pipeline.prepare.temporal import low_quantile, median_and_spread

SIDE, DATES = 192, 9
SUN = (150.0, 40.0)
MASK = MaskOptions(
    dilate_cloud_m=60,
    dilate_soft_m=20,
    speckle_px=8,
    spectral=SpectralOptions(haze_box_px=5),
    rescue=RescueOptions(around_px=10, shadow_px=12, object_px=8),
    shadow=ShadowOptions(reach_px=20),
)
OPTIONS = PrepareOptions(mask=MASK, radiometry=RadiometryOptions(step_tolerance=0.01))
WITHOUT = {3: "scl", 4: "scl", 5: "scl", 6: "scl", 7: "swir16"}
Stack = dict[str, NDArray[np.float32]]


def all_at_once(bands: Stack, scl: NDArray[np.uint8] | None) -> NDArray[np.uint8]:
    """Clear-sky codes of all dates over the whole grid, (T, H, W)."""
    dates = range(bands["blue"].shape[0])
    spectral, rescue_options = MASK.spectral, MASK.rescue
    valid = np.logical_and.reduce([np.isfinite(b) for b in bands.values()])
    if scl is not None:
        valid &= scl != 0
    least = spectral.least_dates
    blue_low = low_quantile(bands["blue"], valid, spectral.quantile, least)
    hot_low = low_quantile(hot(bands["blue"], bands["red"]), valid, spectral.quantile, least)
    raw = np.zeros(valid.shape, np.uint8)
    each = [{n: b[t] for n, b in bands.items()} for t in dates]
    for t in dates:
        haze = haze_test(each[t], hot_low, valid[t], spectral)
        if scl is None:
            cloud = cloud_test(each[t], blue_low, hot_low, spectral)
            snow = snow_test(each[t], spectral)
        else:
            cloud, snow = np.isin(scl[t], (1, 8, 9)), scl[t] == 11
            haze |= scl[t] == 10
            if "swir16" in bands:
                snow &= each[t]["swir16"] < spectral.snow_swir
        for code, where in ((4, haze), (2, cloud), (6, snow), (1, ~valid[t])):
            raw[t][where] = code
    usual = []
    for name in ("nir", "green"):
        middle = low_quantile(bands[name], raw == 0, 0.5, least)
        fallback = low_quantile(bands[name], valid, 0.25, least)
        usual.append(np.where(np.isnan(middle), fallback, middle))
    flagged = (raw == 2) | (raw == 4)
    water, sky, shadowed = (np.zeros_like(flagged) for _ in range(3))
    for t in dates:
        water[t] = flagged[t] & turbid_water(each[t], blue_low, spectral)
        flagged[t] &= ~water[t]
        around, share = rescue_options.around_px, rescue_options.around_share
        sky[t] = valid[t] & (box_count(flagged[t], around) < share * box_count(valid[t], around))
        options = (MASK.shadow.ratio, MASK.shadow.land_nir)
        dark = dark_against(each[t]["nir"], each[t]["green"], (usual[0], usual[1]), *options)
        solid = dark & (box_count(dark, 2) >= 15)
        back = shadow_direction(SUN[0] + 180)
        shadowed[t] = flagged[t] & sweep(solid, back, rescue_options.shadow_px)
    spectrum = (bands["blue"], bands["red"], bands["nir"])
    back = water | rescue(spectrum, flagged, sky, shadowed, rescue_options)
    codes = np.where(back, np.uint8(Sky.RESCUED), raw)
    classed = [None if scl is None else scl[t] == 3 for t in dates]
    return np.stack([finished(each[t], codes[t], classed[t], usual) for t in dates])


def finished(
    date: Stack,
    codes: NDArray[np.uint8],
    classed: NDArray[np.bool_] | None,
    usual: list[NDArray[np.float32]],
) -> NDArray[np.uint8]:
    cloud, speckle = split_speckle(codes == 2, MASK.speckle_px)
    cirrus, thin = split_speckle(codes == 4, MASK.speckle_px)
    shadow = np.zeros_like(cloud)
    if cloud.any() or classed is not None:
        falls = cast(cloud, SUN, MASK.shadow, 10.0) & ~cloud
        pair = (date["nir"], date["green"])
        shadow = shadow_test(pair, (usual[0], usual[1]), falls, classed, MASK.shadow)
        shadow, _ = split_speckle(shadow & ((codes == 0) | (codes == 5)), MASK.speckle_px)
    out = codes.copy()
    out[(codes != 5) & (codes != 1)] = 0
    for code, mask in (
        (4, dilate(cirrus, 2.0) | thin),
        (3, dilate(shadow, 2.0)),
        (6, dilate(codes == 6, 2.0)),
        (2, dilate(cloud, 6.0) | dilate(speckle, 1)),
    ):
        out[mask] = code
    out[codes == 1] = 1
    return out


def made(folder: Path, tile_px: int) -> tuple[Site, list[Pass]]:
    where = valley.site(folder, SIDE, tile_px)
    return where, valley.fill(where, valley.looks(DATES, SIDE), WITHOUT)


def reduced(folder: Path, tile_px: int) -> tuple[Site, list[Pass], Reduced]:
    where, passes = made(folder, tile_px)
    return where, passes, reduce_dates(where, passes, OPTIONS)


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strips, "_STRIP_BYTES", 1 << 18)
    monkeypatch.setattr(steady, "_HELD_BYTES", 1 << 16)
    monkeypatch.setattr(steady, "_LOOKS_AT_ONCE", 3)


@pytest.mark.usefixtures("narrow")
@pytest.mark.parametrize("tile_px", [64, 192])
def test_masks_are_those_of_all_dates_at_once(tmp_path: Path, tile_px: int) -> None:
    where, passes, found = reduced(tmp_path, tile_px)
    window, reader = where.store.grid.window, LookReader(where.store)
    written = valley.masks(where, found.mask_keys, passes)
    kept = where.stored(window)
    groups: dict[str, list[Pass]] = {}
    for t, p in enumerate(passes):
        groups.setdefault(WITHOUT.get(t, ""), []).append(p)
    assert {len(own) for own in groups.values()} == {1, 4}
    for lacks, own in groups.items():
        ids = [p.id for p in own]
        names = [b for b in valley.BANDS if b != lacks]
        scl = np.stack([reader.codes(i, "scl", window) for i in ids]) if lacks != "scl" else None
        codes = all_at_once(reader.stack(ids, names, window), scl)
        for p, code in zip(own, codes, strict=True):
            assert np.array_equal(written[passes.index(p)][kept], code[kept]), p.id
    assert set(np.unique(written[:, kept])) >= {0, 2, 3, 5}


@pytest.mark.parametrize("why", ["no room", "a wrong guess"])
def test_tiles_that_are_compared_twice_say_what_they_say_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    once = reduced(tmp_path / "once", 64)[2]
    second, shifts, twice = steady._second, steady._shifts, list[object]()

    def counted(*given: Any) -> Any:
        twice.append(given[-1])
        return second(*given)

    def wrong(*given: Any) -> Any:
        guess = len(given[1]) <= steady._GUESSING
        return shifts(*given) + np.float32(0.3 if guess else 0.0)

    monkeypatch.setattr(steady, "_second", counted)
    if why == "no room":
        monkeypatch.setattr(steady, "_HELD_BYTES", 0)
    else:
        monkeypatch.setattr(steady, "_shifts", wrong)
    found = reduced(tmp_path / "twice", 64)[2]
    assert twice
    assert found.quality == once.quality


@pytest.mark.usefixtures("narrow")
def test_shifts_and_changes_are_those_of_all_dates_at_once(tmp_path: Path) -> None:
    where, passes, found = reduced(tmp_path, 64)
    window = where.store.grid.window
    reader = LookReader(where.store, {}, found.mask_keys)
    ids = [p.id for p in passes]
    bands = ("green", "red", "nir")  # one date has no swir16
    stack = reader.stack(ids, bands, window)
    clear = np.stack([np.isin(reader.mask(i, window), (0, 5)) for i in ids])
    wet = sum(
        (stack["green"][t] > reader.band(i, "nir" if t == 7 else "swir16", window)) & clear[t]
        for t, i in enumerate(ids)
    )
    land = ~(wet > 0.1 * np.maximum(clear.sum(axis=0), 1))
    reference = reference_median(stack["red"], clear)
    rule = OPTIONS.register_
    for t, i in enumerate(ids):
        votes = []
        for w in lattice_windows(where.store.grid.shape, rule.size_px, rule.stride_px):
            parts = [a[w.slices].copy() for a in (reference, stack["red"][t], clear[t] & land)]
            votes.append(window_shift(parts[0], parts[1], parts[2], rule))
        result = vote([v for v in votes if v is not None], rule)
        assert found.quality[i].shift_px == (result.dy, result.dx)
        assert found.quality[i].residual_m == result.residual_px * 10
        assert result.windows > 0
    moved = LookReader(where.store, found.quality, found.mask_keys)
    stack = moved.stack(ids, bands, window)
    clear = np.stack([np.isin(moved.mask(i, window), (0, 5)) for i in ids])
    ground = [median_and_spread(stack[b], clear) for b in bands]
    median, spread = (np.stack([g[k] for g in ground]) for k in (0, 1))
    share = ((stack["green"] > stack["nir"]) & clear).sum(axis=0) / np.maximum(clear.sum(axis=0), 1)
    frequency = np.where(clear.any(axis=0), share, np.nan).astype(np.float32)
    stable = stable_ground(median, spread, frequency, OPTIONS.quarantine)
    for t, i in enumerate(ids):
        look = np.stack([stack[b][t] for b in bands])
        seen = stable & clear[t] & ~(stack["green"][t] > stack["nir"][t])
        shift = [
            regional_shift(difference_histogram(m, k, seen))
            for m, k in zip(median, look, strict=True)
        ]
        options = OPTIONS.quarantine
        changed, of = tally_change(median, spread, look, seen, np.float32(shift), options)
        assert of > 1000
        assert found.quality[i].changed_stable_share == changed / of


def traced_peak(folder: Path, dates: int, side: int, monkeypatch: pytest.MonkeyPatch) -> int:
    """Most bytes that prepare holds, the smaller of two runs.

    What happens once in a process is no memory of prepare: code that is compiled or imported late,
    and the interpreter's table of interned strings (pathlib fills it), which doubles to megabytes
    in whichever run it happens to be full.
    """
    peaks: list[int] = []
    for _ in range(2):
        # Caches of blocks are bounded and belong to the process: what earlier tests left in them
        # must not decide what is counted here.
        few = Recent(1 << 17, lambda block: len(block.body))
        monkeypatch.setattr(blocks, "_recent", few)
        monkeypatch.setattr(blocks, "_decoded", Recent(1 << 17, lambda one: one.values.nbytes))
        shutil.rmtree(folder, ignore_errors=True)
        where = valley.site(folder, side, side)
        passes = valley.fill(where, valley.looks(dates, side), {})
        tracemalloc.start()
        reduce_dates(where, passes, OPTIONS)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    return min(peaks)


@pytest.mark.thorough
@pytest.mark.usefixtures("narrow")
def test_memory_hardly_grows_with_the_dates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small, large = 64, 128
    grown = {
        side: traced_peak(tmp_path / "many", 30, side, monkeypatch)
        - traced_peak(tmp_path / "few", 6, side, monkeypatch)
        for side in (small, large)
    }
    # A byte a pixel and date for hints, and a compressed block; all dates at once would be 50.
    # Two sizes tell what grows with the pixels from what every date costs anyway (histograms).
    per_pixel = (grown[large] - grown[small]) / 24 / (large**2 - small**2)
    assert per_pixel < 6, f"{per_pixel:.1f} bytes for each pixel and date"
    per_date = grown[small] / 24 - per_pixel * small**2
    assert per_date < 100_000, f"{per_date:.0f} bytes for each date"


def no_work(*_: Any) -> None:
    raise AssertionError("this was computed although it was kept")


def forbid(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name in (
        (reduce, "_histograms"),
        (reduce, "_clear_pixels"),
        (clearsky, "_flag"),
        (align, "_measure"),
        (steady, "_write_ground"),
    ):
        monkeypatch.setattr(module, name, no_work)


def test_what_is_kept_is_not_computed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    where, passes, first = reduced(tmp_path, 64)
    forbid(monkeypatch)
    assert reduce_dates(where, passes, OPTIONS) == first
    assert not (where.store.root / "work").exists()
    with pytest.raises(AssertionError, match="although it was kept"):
        reduce_dates(where, passes[:-1], OPTIONS)
    other = OPTIONS.model_copy(update={"mask": MaskOptions()})
    with pytest.raises(AssertionError, match="although it was kept"):
        reduce_dates(where, passes, other)


def test_masks_of_looks_set_aside_are_kept_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    where, passes = made(tmp_path, 64)
    strict = OPTIONS.model_copy(update={"least_clear": 0.9})
    first = reduce_dates(where, passes, strict)
    assert 0 < len(first.passes) < len(passes)
    keep_looks(where, first.mask_keys, {})
    monkeypatch.setattr(clearsky, "_finish", no_work)
    assert reduce_dates(where, passes, strict) == first


def test_one_new_date_is_one_new_histogram(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    where, passes = made(tmp_path, 64)
    reduce_dates(where, passes[:-1], OPTIONS)
    asked: list[str] = []
    plain = reduce._histograms  # pyright: ignore[reportPrivateUsage]
    monkeypatch.setattr(
        reduce, "_histograms", lambda store, item: (asked.append(item[0]), plain(store, item))[1]
    )
    warm = reduce_dates(where, passes, OPTIONS)
    assert asked == [passes[-1].id]
    masks = valley.masks(where, warm.mask_keys, passes)
    for name in ("kept", "mask"):
        shutil.rmtree(where.store.root / name)
    cold = reduce_dates(where, passes, OPTIONS)
    assert cold == warm
    assert np.array_equal(valley.masks(where, cold.mask_keys, passes), masks)


BRIEF = OPTIONS.model_copy(
    update={"reference": ReferenceOptions(least_looks=5, least_quarters=1, ahead_quarters=1)}
)


def counted(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """Record which passes are flagged, finished, measured and compared."""
    asked: dict[str, list[str]] = {"flag": [], "finish": [], "measure": [], "compare": []}
    for step in ("flag", "finish"):
        plain = getattr(clearsky, f"_{step}")

        def work(spec: Any, job: Any, plain: Any = plain, step: str = step) -> None:
            asked[step] += [k.pass_id for k in job.looks]
            plain(spec, job)

        monkeypatch.setattr(clearsky, f"_{step}", work)
    measure, compare = align._measure, steady._counts  # pyright: ignore[reportPrivateUsage]
    monkeypatch.setattr(
        align, "_measure", lambda s, ids, w: (asked["measure"].extend(ids), measure(s, ids, w))[1]
    )
    monkeypatch.setattr(
        steady, "_counts", lambda w, s, i: (asked["compare"].extend(i), compare(w, s, i))[1]
    )
    return asked


@pytest.mark.thorough
def test_a_new_look_touches_its_own_quarter_and_a_late_one_those_that_rest_on_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    side, dates = 128, 34  # four quarters
    passes = valley.fill(
        where := valley.site(tmp_path / "a", side, 64), valley.looks(dates, side), {}
    )
    late = 20  # in the third quarter
    arrived = [p for p in passes[:-1] if p is not passes[late]]
    reduce_dates(where, arrived, BRIEF)
    with monkeypatch.context() as patch:
        asked = counted(patch)
        reduce_dates(where, [*arrived, passes[-1]], BRIEF)
    quarters = [quarter_of(p.acquired) for p in passes]

    def touched(step: str) -> set[int]:
        return {q for p, q in zip(passes, quarters, strict=True) if p.id in set(asked[step])}

    assert touched("flag") == touched("measure") == touched("compare") == {quarters[-1]}
    # A rescue may give back looks of the quarter before.
    assert quarters[-1] in touched("finish") <= {quarters[-1], quarters[-1] - 1}
    with monkeypatch.context() as patch:
        asked = counted(patch)
        warm = reduce_dates(where, passes, BRIEF)
    assert touched("flag") == {quarters[late], quarters[late] + 1}
    # A store that got everything at once says the same, byte by byte.
    cold_site = valley.site(tmp_path / "b", side, 128)
    valley.fill(cold_site, valley.looks(dates, side), {})
    cold = reduce_dates(cold_site, passes, BRIEF)
    assert cold.quality == warm.quality
    assert cold.reach_clear == warm.reach_clear
    assert np.array_equal(
        valley.masks(cold_site, cold.mask_keys, passes),
        valley.masks(where, warm.mask_keys, passes),
    )


@pytest.mark.thorough
@pytest.mark.parametrize("kind", ["dark", "clear", "register", "quarantine"])
@pytest.mark.parametrize("harm", ["cut", "flipped", "empty"])
def test_a_damaged_entry_is_dropped_and_made_again(
    tmp_path: Path, kind: str, harm: str, caplog: pytest.LogCaptureFixture
) -> None:
    where, passes, first = reduced(tmp_path, 192)
    entry = next(iter(sorted((where.store.root / "kept" / kind).glob("*.npz"))))
    whole = entry.read_bytes()
    flipped = whole[:40] + bytes([whole[40] ^ 1]) + whole[41:]
    entry.write_bytes({"cut": whole[: len(whole) // 2], "flipped": flipped, "empty": b""}[harm])
    assert reduce_dates(where, passes, OPTIONS) == first
    assert f"{entry} is damaged and is made again" in caplog.text
    assert Vault(entry.parents[1]).get(kind, entry.stem) is not None


def test_only_a_scene_that_is_surely_wrong_has_a_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 10 is for what somebody can mend, and nobody mends haze."""
    where, passes = made(tmp_path, 192)
    counted = steady._counts  # pyright: ignore[reportPrivateUsage]

    def odd(site: Site, spec: steady.SteadySpec, ids: Sequence[str]) -> dict[str, tuple[int, int]]:
        told = {passes[1].id: (2_000, 10_000), passes[2].id: (9_000, 10_000)}
        return counted(site, spec, ids) | {i: n for i, n in told.items() if i in ids}

    monkeypatch.setattr(steady, "_counts", odd)
    found = reduce_dates(where, passes, OPTIONS)
    assert min(found.reach_clear[p.id][1] for p in passes[1:3]) > 0.8
    aside = {a.what: a for a in found.set_aside}
    assert aside[passes[1].id].remedy == ""
    assert "which is not known" in aside[passes[1].id].reason
    assert "band table" in aside[passes[2].id].remedy


@pytest.mark.parametrize(("step", "remedy"), [(0.06, False), (-0.05, True)])
def test_a_date_that_is_lighter_all_over_has_no_remedy(
    tmp_path: Path, step: float, remedy: bool
) -> None:
    where = valley.site(tmp_path, SIDE, 192)
    dates = valley.looks(DATES, SIDE)
    for band in valley.BANDS:
        dates[1][band] = dates[1][band] + step
    passes = valley.fill(where, dates, WITHOUT)
    (aside,) = reduce_dates(where, passes, OPTIONS).set_aside
    assert aside.what == passes[1].id
    assert ("which is not known" in aside.reason, bool(aside.remedy)) == (not remedy, remedy)


def test_a_sweep_that_died_goes_on_and_a_damaged_step_is_named(tmp_path: Path) -> None:
    where, passes, first = reduced(tmp_path, 64)
    masks = valley.masks(where, first.mask_keys, passes)
    shutil.rmtree(where.store.root / "kept")
    shutil.rmtree(where.store.root / "mask")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clearsky, "_finish", no_work)
        with pytest.raises(AssertionError):
            reduce_dates(where, passes, OPTIONS)
    block = next(iter(sorted((where.store.root / "sky").glob("*/usual/*.blk"))))
    block.write_bytes(b"")
    with pytest.raises(DamagedBlockError) as caught:
        reduce_dates(where, passes, OPTIONS)
    assert caught.value.path == block
    where.store.forget(block)
    assert reduce_dates(where, passes, OPTIONS) == first
    assert np.array_equal(valley.masks(where, first.mask_keys, passes), masks)


def test_what_nobody_asks_for_goes(tmp_path: Path) -> None:
    where, passes = made(tmp_path, 192)
    first = reduce_dates(where, passes, OPTIONS)
    vault = Vault(tmp_path / "vault")
    for i in range(6):
        vault.put("a", str(i), value=np.arange(1000) * i)
    assert vault.get("a", "0") is not None  # used last, so it stays
    size = max(p.stat().st_size for p in vault.root.rglob("*.npz"))
    vault.trim(3 * size)
    left = sorted(p.stem for p in vault.root.rglob("*.npz"))
    assert "0" in left
    assert "1" not in left
    assert 1 < len(left) < 6
    assert reduce_dates(where, passes, OPTIONS) == first


def test_strips_cover_a_window_once() -> None:
    window = Window(5, 400, 3, 300)
    for dates in (1, 100, 100_000):
        cut = strips.strips(window, dates, 4)
        assert cut[0].row0 == 5
        assert cut[-1].row1 == 400
        assert all(a.row1 == b.row0 for a, b in pairwise(cut))
    assert len(strips.strips(window, 1, 4)) == 1
    assert max(w.shape[0] for w in strips.strips(window, 100_000, 4)) == 4


def test_a_site_travels_without_its_threads(tmp_path: Path) -> None:
    where, _ = made(tmp_path, 192)
    busy = replace(where, workers=4, progress=lambda *_: None)
    assert busy.detached() == where
