"""Damaged blocks of a store: layers are dropped together, pixels one by one, broken disks named."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
import valley

from pipeline.errors import ConfigurationError
from pipeline.io.blocks import DamagedBlockError, Layer
from pipeline.io.progress import DETAIL
from pipeline.io.store_grid import describe_grid, known_grid
from pipeline.io.vault import Vault
from pipeline.model import Pass
from pipeline.passes.gather import (
    _say_damaged,  # pyright: ignore[reportPrivateUsage]
    plan,
    was_used,
)
from pipeline.passes.ground import Site
from pipeline.passes.mending import drop_damaged, mended

LOOKS = [f"{day:02d}" for day in range(30)]


def write(site: Site, folder: str) -> None:
    for tile in site.store.tiles:
        values = np.ones(tile.core.shape, np.int16)
        layer: Layer = site.store.pack(values, tile, 1)
        site.store.write(folder, tile, {"x": layer}, durable=False)


def make_missing(site: Site) -> None:
    """Make as a run does: pixels where a pass is not finished, layers where a state is missing."""
    for look in LOOKS:
        if site.store.fingerprint(look) is None:
            write(site, look)
            site.store.finish(look, "mark", {})
        there = (site.store.block_path(f"state/k/{look}", t).exists() for t in site.store.tiles)
        if not all(there):
            write(site, f"feature/k/{look}")
            write(site, f"state/k/{look}")


def read_all(site: Site) -> int:
    make_missing(site)
    folders = [f"{top}{look}" for look in LOOKS for top in ("", "feature/k/", "state/k/")]
    return sum(
        int((site.store.dense(f, "x", site.store.grid.window)[0] == 1).sum()) for f in folders
    )


@pytest.fixture
def site(tmp_path: Path) -> Site:
    found = valley.site(tmp_path, 64, 64)
    make_missing(found)
    return found


def blocks(site: Site, pattern: str) -> list[Path]:
    return sorted(site.store.root.glob(f"{pattern}/*.blk"))


@pytest.mark.parametrize("gone", [False, True])
def test_layers_are_mended_together_and_pixels_stay(site: Site, *, gone: bool) -> None:
    whole = read_all(site)
    pixels = {p: p.stat().st_mtime_ns for p in blocks(site, "[0-9]*")}
    for block in (*blocks(site, "feature/k/*"), *blocks(site, "state/k/0*")):
        if not gone:
            block.write_bytes(b"")
        elif "feature" in block.parts:
            block.unlink()  # its state is there still and says that it is, too
    assert mended(site, lambda: read_all(site)) == whole
    assert {p: p.stat().st_mtime_ns for p in blocks(site, "[0-9]*")} == pixels


def test_what_is_whole_is_not_dropped(site: Site) -> None:
    assert list(drop_damaged(site.store)) == []
    bad = blocks(site, "feature/k/03")
    bad[0].write_bytes(bad[0].read_bytes()[:-1] + b"?")
    (state,) = blocks(site, "state/k/03")
    assert list(drop_damaged(site.store)) == [*bad, state]
    assert len(blocks(site, "state/k/*")) == len(LOOKS) - 1


def on_screen(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What was said but for details, which the log of the run alone has."""
    return [r.getMessage() for r in caplog.records if not getattr(r, DETAIL, False)]


def test_a_damaged_store_is_said_once(
    site: Site, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    vault = Vault(tmp_path / "kept")
    for key in ("a", "b"):
        vault.put("dark", key, x=np.ones(1))
        (path,) = vault.root.glob(f"dark/{key}.npz")
        path.write_bytes(b"")
        assert vault.get("dark", key) is None
    assert [len(on_screen(caplog)), len(caplog.records)] == [1, 2]
    caplog.clear()
    _say_damaged(blocks(site, "0[0-4]"))
    (said,) = on_screen(caplog)
    assert said.endswith("is damaged and is made again, and so are 4 others of this store")


@pytest.mark.parametrize("content", ["{bad", "[]", '{"fingerprint": "x"}', ""])
def test_a_note_of_a_pass_that_is_damaged_is_a_damaged_pass(
    site: Site, caplog: pytest.LogCaptureFixture, content: str
) -> None:
    look = Pass(LOOKS[3], "made", datetime(2024, 1, 4, tzinfo=UTC), ())
    path = site.store.note_path(look.id)
    path.write_text(content)
    assert plan(site.store, [look]) == {look.id: "damaged"}
    assert was_used(site.store, look.id)
    assert not site.store.is_noted(look.id)
    mended(site, lambda: read_all(site))
    assert f"{path} is damaged and is made again" in caplog.text
    assert site.store.fingerprint(look.id) == "mark"


@pytest.mark.parametrize("content", ["{bad", "[]", '{"layout": 1, "shape": 3}'])
def test_a_store_that_does_not_say_where_it_lies_is_named(site: Site, content: str) -> None:
    describe_grid(site.store.root, site.store.grid, site.store.tile_px)
    path = site.store.root / "store.json"
    assert known_grid(site.store.root) == (site.store.grid, site.store.tile_px)
    path.write_text(content)
    with pytest.raises(ConfigurationError, match=r"store\.json is damaged.*delete the folder"):
        known_grid(site.store.root)


def test_a_few_blocks_of_imagery_are_read_again_and_many_are_a_broken_disk(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    whole = read_all(site)
    pixels = blocks(site, "[0-9]*")
    for block in pixels[:20]:
        block.write_bytes(b"")
    assert mended(site, lambda: read_all(site)) == whole
    first, total = on_screen(caplog)
    assert first.endswith("is damaged and is made again")
    assert total.endswith("mended 20 times in this run")
    for block in pixels[:21]:
        block.write_bytes(b"")
    with pytest.raises(ConfigurationError, match="more than 20 damaged blocks of imagery"):
        mended(site, lambda: read_all(site))


def test_layers_that_are_damaged_again_and_again_are_a_broken_disk(site: Site) -> None:
    block = blocks(site, "state/k/07")[0]

    def work() -> None:
        raise DamagedBlockError(f"{block} is damaged", block)

    with pytest.raises(ConfigurationError, match="Check the disk and run again; the pixels") as e:
        mended(site, work)
    assert str(block) in str(e.value)
    assert len(blocks(site, "[0-9]*")) == len(LOOKS)
