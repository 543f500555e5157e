"""What the ledger remembers when the world, the inputs or the disk change under it."""

from __future__ import annotations

import shutil
import sys
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine

sys.path.insert(0, str(Path(__file__).parent))
import tiny

from pipeline.errors import ConfigurationError, ExitCode
from pipeline.ledger import open_ledger
from pipeline.model import Case
from pipeline.run import RunRequest, run_workflow


def cases(folder: Path) -> list[Case]:
    with open_ledger(folder / "state" / "ledger.sqlite", writing=False) as ledger:
        return list(ledger.cases())


def run(folder: Path, images: Path, **changes: Any) -> ExitCode:
    return run_workflow(RunRequest(tiny.workflow(folder, images, **changes)))


def period(patrol: str, end: str) -> dict[str, str]:
    return {"from": "2024-01-01", "patrol_from": patrol, "to": end, "zone": "UTC"}


@pytest.mark.thorough
def test_a_fill_that_is_gone_is_missed_after_the_patrol_moved_on(tmp_path: Path) -> None:
    images = tiny.write_scenes(tmp_path / "images")
    assert run(tmp_path, images) == ExitCode.DONE
    (before,) = tiny.features(tmp_path, "cases.geojson")
    for i in range(5):
        day = date(2025, 4, 5) + timedelta(days=10 * i)
        tiny.write_look(images, day, tiny.scene(0.75, 300 + i, fill=False))
    assert run(tmp_path, images, period=period("2025-04-01", "2025-06-30")) == ExitCode.DONE
    assert tiny.features(tmp_path, "cases.geojson") == []
    (after,) = cases(tmp_path)
    assert after.case_id == before["id"]
    assert after.evidence.state.value == "expired"
    assert after.evidence.misses >= 4


@pytest.mark.thorough
def test_a_fill_that_stays_gets_hits_after_the_patrol_moved_on(tmp_path: Path) -> None:
    images = tiny.write_scenes(tmp_path / "images")
    assert run(tmp_path, images) == ExitCode.DONE
    (before,) = cases(tmp_path)
    for i in range(3):
        day = date(2025, 4, 5) + timedelta(days=10 * i)
        tiny.write_look(images, day, tiny.scene(0.75, 300 + i, fill=True))
    assert run(tmp_path, images, period=period("2025-04-01", "2025-06-30")) == ExitCode.DONE
    (after,) = cases(tmp_path)
    assert after.case_id == before.case_id
    assert after.evidence.state.value == "suspected"
    assert after.evidence.hits == before.evidence.hits + 3


@pytest.mark.thorough
def test_looks_of_a_scene_that_no_longer_counts_are_forgotten(tmp_path: Path) -> None:
    images = tiny.write_scenes(tmp_path / "images")
    assert run(tmp_path, images) == ExitCode.DONE
    assert cases(tmp_path)[0].evidence.hits == 5
    for day in tiny.days()[-4:]:
        tiny.write_look(images, day, np.full((6, tiny.SIZE, tiny.SIZE), 0.6))
    run(tmp_path, images)
    (after,) = cases(tmp_path)
    assert after.evidence.hits == 1
    assert after.evidence.state.value == "first"


def test_nobody_is_silent_about_days_that_were_not_flown(tmp_path: Path) -> None:
    images = tiny.write_scenes(tmp_path / "images")
    assert run(tmp_path, images, period=period("2024-10-15", "2025-12-31")) == ExitCode.DONE
    assert not cases(tmp_path)[0].evidence.frozen


def test_a_week_without_an_overflight_is_no_mistake(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = tiny.write_scenes(tmp_path / "images")
    week = {"from": "2025-02-01", "to": "2025-02-07", "zone": "UTC"}
    assert run(tmp_path, images, period=week) == ExitCode.DONE
    assert "no scenes in the period" in capsys.readouterr().err
    (unseen,) = tiny.features(tmp_path, "not_observed.geojson")
    assert unseen["properties"]["last_clear"] is None


@pytest.mark.thorough
@pytest.mark.parametrize("layer", ["2024*", "mask/*/2024*", "state/*/2024*"])
def test_a_damaged_block_is_made_again(
    tmp_path: Path, layer: str, capsys: pytest.CaptureFixture[str]
) -> None:
    images = tiny.write_scenes(tmp_path / "images")
    assert run(tmp_path, images) == ExitCode.DONE
    content = tiny.outputs(tmp_path)
    (store,) = (tmp_path / "state" / "store").iterdir()
    block = next(iter(sorted(store.glob(f"{layer}/*.blk"))))
    whole = block.read_bytes()
    block.write_bytes(whole[: len(whole) // 2])
    # What was made from it would hide it.
    hiding = {"2024*": ("mask", "state", "kept"), "mask/*/2024*": ("state", "kept")}
    for name in hiding.get(layer, ("kept", "past")):
        shutil.rmtree(store / name)
    capsys.readouterr()
    assert run(tmp_path, images) == ExitCode.DONE
    assert "is damaged and is made again" in capsys.readouterr().err
    assert tiny.outputs(tmp_path) == content
    assert block.read_bytes() == whole


@pytest.mark.thorough
def test_a_period_cut_in_two_patrols_tells_the_same_story(tmp_path: Path) -> None:
    images = tiny.write_scenes(tmp_path / "images")
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert run(whole, images) == ExitCode.DONE
    assert run(parts, images, period=period("2024-10-15", "2024-12-01")) == ExitCode.DONE
    assert run(parts, images, period=period("2024-12-02", "2025-03-31")) == ExitCode.DONE
    (one,), (two,) = cases(whole), cases(parts)
    for field in ("state", "hits", "misses", "first_seen", "last_seen", "appeared_after"):
        assert getattr(two.evidence, field) == getattr(one.evidence, field), field
    overlap = one.polygon.intersection(two.polygon).area / one.polygon.union(two.polygon).area
    assert overlap > 0.8


@pytest.mark.thorough
def test_files_that_cannot_be_read_today_take_no_evidence_away(tmp_path: Path) -> None:
    images = tiny.write_scenes(tmp_path / "images")
    assert run(tmp_path, images) == ExitCode.DONE
    files = sorted(images.glob("*.tif"))
    kept = {f: f.read_bytes() for f in files[10:14]}
    for number, file in enumerate(kept):
        # Half of them lose their header, half their blocks.
        file.write_bytes(b"junk" if number % 2 else kept[file][: len(kept[file]) // 2])
    assert run(tmp_path, images) == ExitCode.SET_ASIDE
    (case,) = tiny.features(tmp_path, "cases.geojson")
    assert case["properties"]["evidence_state"] == "suspected"
    assert case["properties"]["hits"] == 5
    for file, content in kept.items():
        file.write_bytes(content)
    assert run(tmp_path, images) == ExitCode.DONE
    assert tiny.features(tmp_path, "cases.geojson")[0]["properties"]["hits"] == 5


@pytest.mark.thorough
def test_looks_of_the_newest_scenes_go_with_them(tmp_path: Path) -> None:
    images = tiny.write_scenes(tmp_path / "images")
    assert run(tmp_path, images) == ExitCode.DONE
    for file in sorted(images.glob("*.tif"))[-2:]:
        file.unlink()
    assert run(tmp_path, images) == ExitCode.DONE
    assert cases(tmp_path)[0].evidence.hits == 3


@pytest.mark.thorough
def test_a_run_without_history_loses_no_case(tmp_path: Path) -> None:
    images = tiny.write_scenes(tmp_path / "images")
    assert run(tmp_path, images) == ExitCode.DONE
    short = {"from": "2025-01-20", "patrol_from": "2025-01-20", "to": "2025-03-31", "zone": "UTC"}
    with pytest.raises(ConfigurationError, match="the last run judged with more: tiny"):
        run(tmp_path, images, period=short)
    # A state of before knows nothing of the last run.
    (tmp_path / "state/judged_by.json").unlink()
    assert run(tmp_path, images, period=short) == ExitCode.DONE
    assert len(tiny.features(tmp_path, "cases.geojson")) == 1


def test_a_source_of_another_river_makes_no_corridor_an_outsider(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = tiny.write_scenes(tmp_path / "images")
    far = tmp_path / "far"
    far.mkdir()
    for file in sorted(images.glob("*.tif"))[:2]:
        with rasterio.open(file) as source:
            values = source.read()
        profile_of = {"crs": "EPSG:32630", "transform": Affine(10, 0, 5e5, 0, -10, 5e6)}
        shape = {"height": 128, "width": 128, "count": 6, "dtype": "uint16"}
        with rasterio.open(far / file.name, "w", driver="GTiff", **shape, **profile_of) as sink:
            sink.write(values)
    both = [tiny.source(images), tiny.source(far)]
    week = {"from": "2025-02-01", "to": "2025-02-07", "zone": "UTC"}
    assert run(tmp_path, images, sources=both, period=week) == ExitCode.DONE
    assert "no scenes in the period" in capsys.readouterr().err
