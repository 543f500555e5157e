"""A correction takes another flight out of use: it has to be one of the same flight."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import shapely
from shapely.geometry import MultiPoint
from typer.testing import CliRunner

sys.path.insert(0, str(Path(__file__).parent))
import flight
from test_27_inbox_photos import photo

from pipeline.acquire.inbox import against
from pipeline.cli import app

LATER = {"seed": 2, "flown": "2026-11-21T10:30:00+08:00"}


def moved(drop: Path, east_m: float) -> Path:
    for path in drop.rglob("*.tif"):
        with rasterio.open(path, "r+") as sink:
            sink.transform = rasterio.Affine.translation(east_m, 0) * sink.transform
    return drop


def surfaceless(drop: Path) -> Path:
    (drop / "odm_dem" / "dsm.tif").unlink()
    return drop


def with_photos_alone(drop: Path) -> Path:
    for path in drop.rglob("*.tif"):
        path.unlink()
    photo(drop / "a.jpg")
    return drop


@pytest.mark.parametrize(
    ("east_m", "form", "lacks", "said"),
    [
        (0.0, {"team": "另一队"}, False, "飞行队伍是渌口区无人机队，不是另一队"),
        (-400.0, {}, False, "只覆盖它的 0%"),
        (-3.0, {}, False, "只覆盖它的"),  # of 4.8 m
        (0.0, {}, True, "有本次没有的内容（正射影像、地表模型）"),
    ],
    ids=["team", "place", "part", "content"],
)
def test_what_is_no_correction_is_refused_but_for_a_name(
    tmp_path: Path, east_m: float, form: dict[str, Any], lacks: bool, said: str
) -> None:
    first = flight.hand_in(tmp_path, flight.odm(tmp_path / "a"))
    drop = moved(flight.odm(tmp_path / "b", supersedes=first.id, **LATER, **form), east_m)
    drop = with_photos_alone(drop) if lacks else drop
    answer = flight.hand_in(tmp_path, drop)
    assert flight.codes(answer) == ["corrects"]
    assert said in (tmp_path / "b_回执.html").read_text("utf-8")
    answer = flight.hand_in(tmp_path, drop, answered_by="王工")
    assert answer.taken, answer.lines
    item = json.loads((tmp_path / "state/flights" / answer.id / "item.json").read_text("utf-8"))
    assert item["properties"]["siluan:supersedes_accepted_by"] == "王工"
    assert "由 王工 确认" in (tmp_path / "b_回执.html").read_text("utf-8")


def test_all_that_is_wrong_with_a_correction_is_said(tmp_path: Path) -> None:
    first = flight.hand_in(tmp_path, flight.odm(tmp_path / "a"))
    drop = flight.odm(tmp_path / "b", supersedes=first.id, team="另一队", **LATER)
    answer = flight.hand_in(tmp_path, with_photos_alone(drop))
    (line, _) = answer.lines
    assert "another team" in line
    assert "(mosaic, surface)" in line
    assert "submit the whole flight again" in line


def test_a_surface_may_be_withdrawn_and_the_receipt_says_so(tmp_path: Path) -> None:
    """The same mosaic again, without the surface that proved wrong."""
    first = flight.hand_in(tmp_path, flight.odm(tmp_path / "a"))
    drop = surfaceless(flight.odm(tmp_path / "b", supersedes=first.id))
    answer = flight.hand_in(tmp_path, drop)
    assert answer.taken, answer.lines
    said = f"{first.id} 有地表模型，本次没有"
    assert said in (tmp_path / "b_回执.html").read_text("utf-8")
    again = flight.odm(tmp_path / "c", supersedes=answer.id, gcp=5)
    answer = flight.hand_in(tmp_path, again)
    assert answer.taken, answer.lines
    assert "那一次的地表模型随之停用" not in (tmp_path / "c_回执.html").read_text("utf-8")


def test_a_surface_alone_is_told_to_be_no_flight(tmp_path: Path) -> None:
    first = flight.hand_in(tmp_path, flight.odm(tmp_path / "a"))
    drop = flight.odm(tmp_path / "b", supersedes=first.id)
    (drop / "odm_orthophoto" / "odm_orthophoto.tif").unlink()
    answer = flight.hand_in(tmp_path, drop)
    assert flight.codes(answer) == ["nothing"]
    assert "a correction is the whole flight again" in answer.lines[0]


def test_a_team_written_otherwise_is_the_same_and_more_may_be_brought(tmp_path: Path) -> None:
    first = flight.hand_in(tmp_path, surfaceless(flight.odm(tmp_path / "a", team="队 A")))
    drop = flight.odm(tmp_path / "b", supersedes=first.id, team="队－ａ", **LATER)
    assert flight.hand_in(tmp_path, moved(drop, -1.0)).taken


def test_photos_correct_photos_of_the_same_place() -> None:
    places = np.array([[113.1, 27.8], [113.101, 27.8], [113.1, 27.801]])
    old = MultiPoint(places)
    near = MultiPoint(places + 0.0002)
    assert against._common(near, old) == 1.0
    assert against._common(MultiPoint(places + 0.01), old) == 0.0
    assert against._common(shapely.box(113.05, 27.75, 113.15, 27.85), old) == 1.0


def test_as_it_is_typed(tmp_path: Path) -> None:
    first = flight.hand_in(tmp_path, flight.odm(tmp_path / "a"))
    drop = flight.odm(tmp_path / "b", supersedes=first.id, team="另一队", **LATER)
    told = [str(drop), "--config", str(tmp_path / "config"), "--state", str(tmp_path / "state")]
    done = CliRunner().invoke(app, ["submit", *told])
    assert done.exit_code == 6
    assert "--accept-supersedes NAME" in done.output
    done = CliRunner().invoke(app, ["submit", *told, "--accept-supersedes", "王工"])
    assert (done.exit_code, done.stderr) == (0, "")
