"""What stands there already: listed once, for triage, and never mixed with new cases."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
import tiny

from pipeline import inventory
from pipeline.errors import ConfigurationError, ExitCode, LedgerHeldError
from pipeline.inventory import StockRequest, list_stock
from pipeline.ledger import open_ledger
from pipeline.office.history import keep_occurrence
from pipeline.passes.stock import Stocked
from pipeline.run import RunRequest, run_workflow

ROOF = np.array((0.215, 0.225, 0.230, 0.255, 0.245, 0.215))[:, None, None]
OLD, NEW = (slice(30, 38), slice(102, 110)), (slice(90, 98), slice(101, 109))


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A valley with an old shed, and a new one in the patrol; already run once."""
    folder = tmp_path_factory.mktemp("stock")
    images = folder / "images"
    images.mkdir()
    for index, day in enumerate(tiny.days()):
        image = tiny.look(index, fill=False)
        image[:, *OLD] = ROOF
        if index >= tiny.FILL_FROM:
            image[:, *NEW] = ROOF
        tiny.write_look(images, day, image)
    found = tiny.workflow(folder, images)
    assert run_workflow(RunRequest(found)) == ExitCode.DONE
    return found


def copied(path: Path, folder: Path) -> Path:
    """Copy state and workflow, so that damage stays here; the images stay where they are."""
    for name in ("state", "sensors", "out"):
        shutil.copytree(path.parent / name, folder / "work" / name, symlinks=True)
    work = folder / "work"
    shutil.copy(path.parent / "corridors.geojson", work)
    return Path(shutil.copy(path, work))


def stock(path: Path) -> list[dict[str, Any]]:
    text = (path.parent / "out/inventory/stock.geojson").read_text(encoding="utf-8")
    return json.loads(text)["features"]


def test_what_stands_there_is_listed_and_no_case(path: Path) -> None:
    (case,) = tiny.features(path.parent, "cases.geojson")
    before = tiny.outputs(path.parent)
    assert list_stock(StockRequest(path)) == ExitCode.DONE
    roofs = [f for f in stock(path) if f["properties"]["kind"] == "jian"]
    (roof,) = roofs
    properties = roof["properties"]
    assert properties["status"] == "stock"
    assert properties["area_m2"] == pytest.approx(6400, rel=0.1)
    assert properties["notice"] == "仅为线索，不作为处罚依据"
    assert properties["looks"] == 15
    assert roof["id"] != case["id"]
    assert tiny.outputs(path.parent) == before
    # The case's own ground is left to it.
    assert not any(f["properties"]["point_wgs84"] == case["properties"]["point_wgs84"]
                   for f in stock(path))  # fmt: skip


def test_again_it_is_the_same(path: Path) -> None:
    list_stock(StockRequest(path))
    file = path.parent / "out/inventory/stock.geojson"
    before = file.read_bytes()
    assert list_stock(StockRequest(path)) == ExitCode.DONE
    assert file.read_bytes() == before


def test_an_object_that_was_redrawn_keeps_its_id(path: Path) -> None:
    list_stock(StockRequest(path))
    file = path.parent / "out/inventory/stock.geojson"
    content = json.loads(file.read_text("utf-8"))
    for feature in content["features"]:
        feature["id"] = f"stock-tiny-{'0' * 7}{content['features'].index(feature)}"
    file.write_text(json.dumps(content), encoding="utf-8")
    list_stock(StockRequest(path))
    assert {f["id"] for f in stock(path)} == {f["id"] for f in content["features"]}


def halve(store: Path, pattern: str) -> list[Path]:
    """Damage the first blocks of some folders."""
    blocks = [next(iter(sorted(f.glob("*.blk")))) for f in sorted(store.glob(pattern))[:2]]
    for block in blocks:
        whole = block.read_bytes()
        block.write_bytes(whole[: len(whole) // 2])
    return blocks


@pytest.mark.parametrize(
    "pattern", ["state/*/2024*", pytest.param("2024*", marks=pytest.mark.thorough)]
)
def test_damaged_blocks_are_mended_as_a_run_does(
    path: Path, tmp_path: Path, pattern: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert list_stock(StockRequest(path)) == ExitCode.DONE
    before = stock(path)
    work = copied(path, tmp_path)
    (store,) = (work.parent / "state/store").iterdir()
    held = {p: p.read_bytes() for p in store.glob("*/*.blk")}
    blocks = halve(store, pattern)
    # What was made from it would hide it.
    for name in ("mask", "state", "kept", "normal") if pattern == "2024*" else ("normal",):
        shutil.rmtree(store / name)
    caplog.clear()
    assert list_stock(StockRequest(work)) == ExitCode.DONE
    assert any(f"{b} is damaged and is made again" in caplog.text for b in blocks)
    assert stock(work) == before
    assert {p: p.read_bytes() for p in held} == held


def test_water_is_not_derived_of_damaged_blocks_and_a_run_mends_it(
    path: Path, tmp_path: Path
) -> None:
    work, config = copied(path, tmp_path), tmp_path / "config"
    first = keep_occurrence(work, "tiny", config, None).read_bytes()
    (store,) = (work.parent / "state/store").iterdir()
    blocks = halve(store, "state/*/2024*")
    with open_ledger(work.parent / "state/ledger.sqlite"), pytest.raises(LedgerHeldError):
        keep_occurrence(work, "tiny", config, None)
    assert all(b.exists() for b in blocks)
    with pytest.raises(ConfigurationError) as refused:
        keep_occurrence(work, "tiny", config, None)
    assert str(refused.value) in (
        f"{block} is damaged, so the water that runs have seen of tiny is not known whole; what "
        "was damaged has been dropped. "
        f"Let a run make it again, then derive again: siluan run {work}."
        for block in blocks
    )
    assert not any(b.exists() for b in blocks)
    assert run_workflow(RunRequest(work)) == ExitCode.DONE
    assert keep_occurrence(work, "tiny", config, None).read_bytes() == first


@pytest.mark.parametrize("opened", [False, True])
def test_a_server_that_is_down_takes_no_list_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, opened: bool
) -> None:
    images = tiny.write_scenes(tmp_path / "images", only=range(1))
    workflow = tiny.workflow(tmp_path, images)
    feature = {
        "type": "Feature",
        "id": "stock-tiny-00000001",
        "geometry": {"type": "Point", "coordinates": [113.0, 27.8]},
        "properties": {"corridor_id": "tiny"},
    }
    file = tmp_path / "out/inventory/stock.geojson"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps({"features": [feature]}), encoding="utf-8")
    site = SimpleNamespace(store=SimpleNamespace(root=tmp_path)) if opened else None
    found = Stocked(looks=3, unreachable=["the server"])
    monkeypatch.setattr(inventory, "open_site", lambda *_: site)
    monkeypatch.setattr(inventory, "why_unopened", lambda *_: ([], ["the server"]))
    monkeypatch.setattr(inventory, "take_stock", lambda *_: found)
    assert list_stock(StockRequest(workflow)) == ExitCode.UNREACHABLE
    assert [f["id"] for f in stock(workflow)] == [feature["id"]]


def test_a_strange_file_in_its_place_is_not_overwritten(path: Path, tmp_path: Path) -> None:
    (tmp_path / "stock.geojson").write_text("no json", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="not an inventory"):
        list_stock(StockRequest(path, out=tmp_path))
    assert (tmp_path / "stock.geojson").read_text(encoding="utf-8") == "no json"
