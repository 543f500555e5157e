"""No-mining by stage: readings of gauges, and what they say of the day of a first sighting."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from shapely.geometry import box

from pipeline.adjudicate.areas import AreaIndex, Spot
from pipeline.adjudicate.attribute import Attributor, in_force
from pipeline.adjudicate.rules import Rule, Subject
from pipeline.adjudicate.screen import Screener
from pipeline.errors import ConfigurationError
from pipeline.io.stages import Stages, load_stages
from pipeline.model import Attribution, Kind, LayerArea
from pipeline.office.stages import import_stages, stage_lines

HERE = box(113.0, 27.8, 113.2, 28.0)
FLOOD = date(2025, 6, 20)
READ = {"株洲站": {date(2025, 6, 1): 36.0, FLOOD: 39.2}}


def ban(**fields: str | None) -> LayerArea:
    return LayerArea(HERE, {"name": "一段", **fields})


@pytest.mark.parametrize(
    ("fields", "on", "force"),
    [
        ({}, FLOOD, "yes"),
        ({"station": "株洲站", "stage_m": "38"}, FLOOD, "yes"),
        ({"station": "株洲站", "stage_m": "39.2"}, FLOOD, "yes"),
        ({"station": "株洲站", "stage_m": "38"}, date(2025, 6, 1), "no"),
        ({"station": "株洲站", "stage_m": "38"}, date(2025, 6, 2), "unknown"),
        ({"station": "渌口站", "stage_m": "38"}, FLOOD, "unknown"),
        ({"station": "株洲站", "stage_m": "38"}, None, "unknown"),
        ({"from": "04-01", "to": "06-30"}, FLOOD, "yes"),
        ({"from": "04-01", "to": "05-31"}, FLOOD, "no"),
        ({"from": "04-01", "to": "05-31", "station": "株洲站", "stage_m": "38"}, FLOOD, "yes"),
        ({"from": "04-01", "to": "05-31", "station": "x", "stage_m": "38"}, FLOOD, "unknown"),
    ],
)
def test_a_ban_is_in_force_by_season_or_by_stage(
    fields: dict[str, str | None], on: date | None, force: str
) -> None:
    assert in_force(ban(**fields), on, READ) == force


@pytest.mark.parametrize(
    ("on", "force", "said"),
    [
        (FLOOD, "yes", "在禁采期内（株洲站当日水位 39.2 m）"),
        (date(2025, 6, 1), "no", "在禁采期之外（株洲站当日水位 36 m）"),
        (date(2025, 6, 2), "unknown", "没有株洲站的水位记录，是否在禁采期内不明"),
    ],
)
def test_a_case_says_whether_the_ban_was_in_force(on: date, force: str, said: str) -> None:
    areas = AreaIndex({"no-mining": [ban(station="株洲站", stage_m="38")]}, READ)
    shape = box(113.1, 27.9, 113.101, 27.901)
    found = Attributor({}, areas)("x", shape, "EPSG:4326", on)
    assert (found.no_mining_in_force, found.no_mining) == (force, "一段（株洲站水位达 38 m 时）")
    (note,) = found.notes
    assert said in note


def test_a_ban_that_was_not_in_force_does_not_press() -> None:
    def says(force: str) -> str:
        place = Attribution(no_mining="一段", no_mining_in_force=force)  # type: ignore[arg-type]
        spot = Spot.of(box(113.1, 27.9, 113.101, 27.901), "EPSG:4326")
        subject = Subject(frozenset({Kind.CAI}), spot, FLOOD, FLOOD, 0.0, place)
        (one,) = [s for s in Screener(AreaIndex({}))(subject).spoken if s.code == Rule.NO_MINING]
        return one.says

    assert [says(f) for f in ("yes", "unknown", "no")] == ["for", "for", "note"]


def test_readings_are_imported_kept_and_added_to(tmp_path: Path) -> None:
    file = tmp_path / "水位.csv"
    text = "站名,时间,水位\n株洲站,2025-06-20 08:00,38.9\n株洲站,2025年6月20日,39.2\n"
    file.write_bytes(text.encode("gbk"))
    with pytest.raises(ConfigurationError, match="encoding"):
        import_stages(file, tmp_path)
    report = import_stages(file, tmp_path, "gbk")
    assert report.changed
    assert load_stages(tmp_path / "layers").readings == {"株洲站": {FLOOD: 39.2}}
    assert not import_stages(file, tmp_path, "gbk").changed
    file.write_text("station,time,stage_m\n株洲站,2025/6/1,36\n", encoding="utf-8-sig")
    import_stages(file, tmp_path)
    assert load_stages(tmp_path / "layers").readings == READ
    assert Stages(READ).marks == load_stages(tmp_path / "layers").marks
    assert stage_lines(tmp_path) == ["stages (水位): 株洲站, 2 days, 2025-06-01 to 2025-06-20"]
    assert (load_stages(tmp_path / "none").readings, Stages().marks) == ({}, {})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("station,time\nA,2025-06-01\n", "no column for stage_m"),
        ("station,time,stage_m\n", "no column for station"),
        ("station,time,stage_m\nA,06-01,38\n,2025-06-01,38\nA,2025-06-01,high\n", "line 2.*line 4"),
        ("station,time,stage_m\nA,2025-06-01,nan\n", "line 2"),
    ],
)
def test_readings_that_cannot_be_read_are_named_and_nothing_is_kept(
    tmp_path: Path, text: str, said: str
) -> None:
    file = tmp_path / "s.csv"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError, match=said):
        import_stages(file, tmp_path)
    assert not (tmp_path / "layers").exists()


def test_readings_that_no_import_wrote_are_refused(tmp_path: Path) -> None:
    (tmp_path / "stages.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="stages.csv is damaged"):
        load_stages(tmp_path)
