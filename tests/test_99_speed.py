"""The benchmark of speed still runs, over a corridor of a few kilometres."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import rasterio

from benchmarks.speed.ground import RES, River
from benchmarks.speed.looks import FIRST, Day, Square
from benchmarks.speed.rows import Bench, Plan, remote, weekly
from benchmarks.speed.tiff import Layout, block_bytes, compressed, write_tiff


def test_a_file_of_shared_blocks_reads_as_it_was_written(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    own, other = (rng.integers(0, 9000, (64, 64)).astype(np.uint16) for _ in range(2))
    layout = Layout(200, 64, 10.0, 600_000.0, 3_200_040.0, 32649, np.uint16)
    path = tmp_path / "a.tif"
    write_tiff(path, layout, {(1, 2): compressed(own)}, [compressed(other)])
    with rasterio.open(path) as source:
        whole = source.read(1)
        assert source.crs.to_epsg() == 32649
        assert source.block_shapes == [(64, 64)]
        assert source.transform.c == 600_000.0
    np.testing.assert_array_equal(whole[64:128, 128:192], own)
    np.testing.assert_array_equal(whole[:64, :64], other)
    assert block_bytes(path, [(1, 2), (0, 0)]) == len(compressed(own)) + len(compressed(other))


@pytest.mark.thorough
def test_blocks_compress_about_as_real_reflectance_does(tmp_path: Path) -> None:
    river = River(0.02, 512)
    square = Square(river, tmp_path)
    square.write([Day(0, FIRST)], threads=1)
    path = tmp_path / f"{Day(0, FIRST).name}_B04.tif"
    places = river.touched(RES)
    assert 1.5 < len(places) * 512 * 512 * 2 / block_bytes(path, places) < 2.5


@pytest.mark.thorough
@pytest.mark.timeout(600)
def test_the_benchmark_runs(tmp_path: Path) -> None:
    bench = Bench(tmp_path, Plan(0.02, 512, 5, 3, 1, False, False))
    bench.square.write(bench.days)
    assert bench.days[-1].when - bench.days[0].when > timedelta(days=100)
    weekly(bench)
    remote(bench)
    assert [line.split("|")[1].strip()[:12] for line in bench.lines] == [
        "decode 8 dat", "weekly patro", "… of it up t",
        "bytes read /", "60 ms store,", "60 ms store,",
    ]  # fmt: skip
    twice = bench.lines[3].partition("twice: ")[2].split()[0]
    assert float(twice) < 0.02, "the header of one file, which gives the grid"
