"""What QGIS itself makes of a run's folder: styled, in Chinese, nothing broken (lane ``qgis``)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin
from shapely.geometry import box

sys.path.insert(0, str(Path(__file__).parent))
from test_62_gis import CORRIDOR, office
from test_62_publish import RECORD, UNSEEN, X, Y, case

from pipeline.cases.exporting import cases_for_editing, geopackage
from pipeline.cases.tables import read_table
from pipeline.model import Case, Kind, PeopleRecord, Status
from pipeline.publish import PublishContext, Shelves, publish_run
from pipeline.publish.gis.drawings import KIND_COLOURS
from pipeline.publish.gis.geopackage import was_edited
from pipeline.publish.gis.layers import CASES
from pipeline.publish.rows import HEADINGS, row_of
from pipeline.publish.words import STATUS_ZH

pytestmark = pytest.mark.qgis
LOOK = Path(__file__).parent / "qgis_look.py"
PYTHON = os.environ.get("SILUAN_QGIS_PYTHON", "/usr/bin/python3")
NOTE = "<script>alert(1)</script> \" ' \\n 铲除"


def look(*words: Path | str) -> dict[str, Any]:
    """Let QGIS open what is there; give what it says."""
    done = subprocess.run(
        [PYTHON, str(LOOK), *map(str, words)], capture_output=True, text=True, check=False,
        env={k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module", autouse=True)
def qgis() -> None:
    done = subprocess.run([PYTHON, "-c", "import qgis.core"], capture_output=True, check=False)
    if done.returncode == 0:
        return
    said = f"{PYTHON} has no QGIS: run .ci/qgis, which installs it"
    if os.environ.get("SILUAN_REQUIRE_QGIS"):
        pytest.fail(said)
    pytest.skip(said)


def many() -> list[Case]:
    """Give one case of every kind and status."""
    found: list[Case] = []
    for i, status in enumerate(Status):
        for j, kind in enumerate(Kind):
            outline = box(X + 300 * i, Y + 300 * j, X + 300 * i + 120, Y + 300 * j + 90)
            said = PeopleRecord("王工", date(2025, 5, 1), note=NOTE, due=date(2025, 6, 30))
            found.append(
                replace(
                    case(outline), case_id=f"ZZ-2025-{kind.value}-{i:04d}{j:04d}", kind=kind,
                    status=status, people=said if status is Status.RECTIFYING else None,
                )
            )  # fmt: skip
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("看图 run")
    cases = many()
    with rasterio.MemoryFile() as memory:
        with memory.open(
            driver="GTiff", width=60, height=60, count=4, dtype="int16", crs="EPSG:32649",
            transform=from_origin(X - 100, Y + 400, 10, 10), nodata=-32768,
        ) as file:  # fmt: skip
            shade = np.tile(np.linspace(400, 2400, 60), (60, 1)).astype(np.int16)
            file.write(np.stack([shade, shade, shade.T, shade]))
        picture = memory.read()
    layers = {"boundary": office("boundary", box(113.1, 27.7, 113.2, 28.0))}
    context = PublishContext(
        {"xiangjiang": "湘江"}, corridors=(CORRIDOR,), office=layers, reasons_zh={"crop": "农作物"},
        extras={f"evidence/{cases[0].case_id}/1/{t}.tif": picture for t in ("before", "after")},
    )  # fmt: skip
    return publish_run(out, Shelves(tuple(cases)), [UNSEEN], RECORD, context).folder


@pytest.fixture(scope="module")
def seen(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    shown = tmp_path_factory.mktemp("shown")
    return look(folder, shown / "all.png", shown / "one.png")


def test_layers_open_styled_by_themselves(seen: dict[str, Any]) -> None:
    alone = seen["alone"]
    assert set(alone) == {
        "cases", "watch", "suppressed", "not_observed", "boundary", "corridors",
    }  # fmt: skip
    for layer in alone.values():
        assert (layer["valid"], layer["crs"]) == (True, "EPSG:4490")
        assert layer["renderer"] == "RuleRenderer"
        assert layer["bad_rules"] == []
        assert not str(layer["label"] or "").startswith("ERROR")
    cases = alone["cases"]
    assert cases["count"] == len(Status) * len(Kind)
    assert cases["legend"][:4] == [k.zh for k in Kind]
    # Every case is drawn by one rule of its kind and one of its status.
    assert cases["drawn_by"][:4] == [len(Status)] * 4
    assert sum(cases["drawn_by"][4:-4]) == cases["count"]
    assert cases["drawn_by"][-4:] == [len(Status)] * 4  # as dots, on a map of a whole river
    assert cases["label"] == "乱占·关注\n00000000"
    assert alone["not_observed"]["label"] == "121 天未观测"


def test_headings_and_values_are_chinese_and_whole(seen: dict[str, Any]) -> None:
    cases = seen["alone"]["cases"]
    assert {n: zh for n, zh in HEADINGS.items() if n in cases["aliases"]}.items() <= cases[
        "aliases"
    ].items()
    assert {r["notice"] for r in cases["rows"]} == {"仅为线索，不作为处罚依据"}
    assert Counter(r["status_zh"] for r in cases["rows"]) == Counter(dict.fromkeys(
        STATUS_ZH.values(), len(Kind)))  # fmt: skip
    assert {r["note"] for r in cases["rows"]} == {"NULL", NOTE}
    assert cases["widgets"]["status"] == cases["widgets"]["kind"] == "ValueMap"
    assert cases["widgets"]["due"] == "DateTime"
    assert {"case_id", "revision", "area_m2", "lon"} <= set(cases["read_only"])
    assert not {"status", "kind", "note", "due"} & set(cases["read_only"])
    assert seen["alone"]["boundary"]["rows"][0]["position"] == "未核对"


def test_the_project_opens_with_nothing_broken(seen: dict[str, Any], folder: Path) -> None:
    assert seen["read"] is True
    assert seen["bad_layers"] == []
    assert seen["crs"] == "EPSG:4547"
    names = [group[0] for group in seen["tree"]]
    assert names == ["问题", "范围和图层", "前期影像", "后期影像"]
    assert seen["tree"][0][1] == ["疑似问题", "待核（仅供分析）", "已由图层或决定说明"]
    cases = seen["project"]["siluan_layer_cases"]
    assert (cases["count"], cases["label"]) == (len(Status) * len(Kind), "乱占·关注\n00000000")
    mosaics = ("siluan_before_", "siluan_after_")
    rasters = [v for k, v in seen["project"].items() if k.startswith(mosaics)]
    assert [r["crs"] for r in rasters] == ["EPSG:32649"] * 2


def test_the_project_is_drawn(seen: dict[str, Any]) -> None:
    assert seen["picture"]["drawn"] > 0.02
    assert {KIND_COLOURS[k] for k in Kind} <= set(seen["picture"]["names"])  # the dots
    assert seen["picture"]["colours"] > 20  # outlines, fills, hatches and their blends
    assert seen["close"]["drawn"] > 0.1


def test_what_qgis_edits_comes_back_and_looking_is_no_edit(folder: Path, tmp_path: Path) -> None:
    for name in ("cases.gpkg", "siluan.qgs"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    look(tmp_path, tmp_path / "x.png")
    assert not was_edited(tmp_path / "cases.gpkg")
    said = look(tmp_path, tmp_path / "x.png", "--edit")
    assert said["edited"] is True
    assert was_edited(tmp_path / "cases.gpkg")
    row = next(iter(read_table(tmp_path / "cases.gpkg").rows))
    assert (row["kind"], row["due"], row["note"]) == ("jian", "2026-06-30", "已到现场")


def test_an_export_opens_styled_too(tmp_path: Path, folder: Path) -> None:
    cases = many()
    layer = cases_for_editing(cases, [row_of(c) for c in cases], {"crop": "农作物"})
    (tmp_path / "cases.gpkg").write_bytes(geopackage([layer], "EPSG:4326", RECORD.period[1]))
    (tmp_path / "siluan.qgs").write_bytes((folder / "siluan.qgs").read_bytes())
    said = look(tmp_path, tmp_path / "x.png")["alone"][CASES[0]]
    assert (said["crs"], said["label"]) == ("EPSG:4326", "乱占·关注\n00000000")
    assert sum(said["drawn_by"][:4]) == len(cases)
