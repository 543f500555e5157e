"""No-mining by stage: readings of gauges, and what they say of the day of a first sighting."""

from __future__ import annotations

import sys
from datetime import date
from pathlib import Path

import pytest
from shapely.geometry import box
from typer.testing import CliRunner

sys.path.insert(0, str(Path(__file__).parent))
import office

from pipeline.adjudicate.areas import AreaIndex, Spot
from pipeline.adjudicate.attribute import Attributor, in_force
from pipeline.adjudicate.rules import Rule, Subject
from pipeline.adjudicate.screen import Screener
from pipeline.cli import app
from pipeline.errors import ConfigurationError
from pipeline.io.datum import Datum
from pipeline.io.stages import Stages, load_stages
from pipeline.model import Attribution, Kind, LayerArea
from pipeline.office.importing import ImportRequest, import_layer
from pipeline.office.kinds import LayerKind
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
        ("station,time,stage_m\n", "it has no rows"),
        ("", "no column for station"),
        ("station,time,stage_m\nA,06-01,38\n,2025-06-01,38\nA,2025-06-01,high\n", "line 2.*line 4"),
        ("station,time,stage_m\nA,2025-06-01,nan\n", "line 2"),
        ("station,time,stage_m\nA,2025-06-01,-9999\n", r"line 2 \(-9999 m is no stage"),
        ("station,time,stage_m\nA,2025-06-01,-99.9\n", r"line 2 \(-99.9 m is no stage"),
        (
            "station,time,stage_m\nA,2025-06-01,41\nA,2025-06-02,4120\nA,2025-06-03,41\n",
            r"line 3 \(4120 m is more than 200 m from 41 m",
        ),
        ("station,time,stage_m\nA,0025-06-01,38\nA,2999-06-01,38\n", "line 2.*line 3"),
        (
            "station,time,stage_m\nA,2025-06-01,38\nA,2025-06-01,38,5\n",
            "more cells than columns in line 3",
        ),
        ("station,time,stage_m\nA,2025-06-01,38,5\n", "more cells than columns in line 2"),
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


def write(folder: Path, *rows: str) -> Path:
    file = folder / "s.csv"
    file.write_text("\n".join(("station,time,stage_m", *rows, "")), encoding="utf-8")
    return file


def test_of_a_day_the_highest_reading_counts_whichever_file_it_is_from(tmp_path: Path) -> None:
    import_stages(write(tmp_path, "A,2025-06-20 08:00,41", "A,2025-06-21 08:00,39,"), tmp_path)
    report = import_stages(
        write(tmp_path, "A,2025-06-20 20:00,38", "A,2025-06-21 20:00,40"), tmp_path
    )
    assert any("kept of A 2025-06-20 (41 m)" in line for line in report.lines)
    days = {FLOOD: 41.0, date(2025, 6, 21): 40.0}
    assert load_stages(tmp_path / "layers").readings == {"A": days}
    # An instant is of the office's day.
    import_stages(write(tmp_path, "A,2025-06-20T18:00:00Z,42"), tmp_path)
    assert load_stages(tmp_path / "layers").readings["A"][date(2025, 6, 21)] == 42.0


def test_stages_are_held_against_the_trigger_of_the_no_mining_layer(tmp_path: Path) -> None:
    ban = office.feature(HERE, name="一段", stage_m=38, station="株洲站")
    file = office.write_geojson(tmp_path / "ban.geojson", [ban])
    ask = ImportRequest(file, LayerKind.NO_MINING, tmp_path, datum=Datum.CGCS2000)
    import_layer(ask)
    with pytest.raises(ConfigurationError, match="4120 m .* 38 m, the stage_m of 株洲站"):
        import_stages(write(tmp_path, "株洲站,2025-06-20,4120"), tmp_path, "utf-8")
    import_stages(write(tmp_path, "株洲站,2025-06-20,41.2"), tmp_path, "utf-8")
    assert not any("are both in metres" in line for line in import_layer(ask).lines)
    office.write_geojson(file, [office.feature(HERE, name="一段", stage_m=3800, station="株洲站")])
    told = [line for line in import_layer(ask).lines if "are both in metres" in line]
    assert told == [
        "feature 1 (一段): stage_m 3800 is far from the readings of 株洲站 (41.2 to 41.2 m): "
        "are both in metres?"
    ]


def test_a_wrong_reading_of_before_is_named_and_refuses_no_right_one(tmp_path: Path) -> None:
    kept = {"A": {FLOOD: -9999.0}, "B": {FLOOD: 4120.0}}
    path = Stages(kept).save(tmp_path / "layers")
    report = import_stages(write(tmp_path, "A,2025-06-21,41.2", "B,2025-06-21,41.2"), tmp_path)
    told = f"no stage that can be: A {FLOOD} (-9999 m), B {FLOOD} (4120 m); edit {path}"
    assert any(line.endswith(told) for line in report.lines)
    assert load_stages(path.parent).readings["A"][date(2025, 6, 21)] == 41.2
    # Centimetres stay refused beside metres, and many of them are named with where they are kept.
    path.write_text(f"station,on,stage_m\nA,{FLOOD},41\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="4120 m is more than 200 m from 41 m"):
        import_stages(write(tmp_path, "A,2025-06-21,4120"), tmp_path)
    days = {date(2025, 6, d): 4120.0 for d in range(1, 9)}
    Stages({"A": days}).save(path.parent)
    with pytest.raises(ConfigurationError, match="keeps 4120 to 4120 m.*Where .*stages.csv is"):
        import_stages(write(tmp_path, "A,2025-06-21,41.2"), tmp_path)


def test_options_of_layers_are_not_passed_over_for_readings(tmp_path: Path) -> None:
    file = write(tmp_path, "A,2025-06-20,38")

    def told(*more: str, config: Path = tmp_path, code: int = 0) -> str:
        words = ["layers", "import", str(file), "--as", "stages", "--config", str(config), *more]
        done = CliRunner().invoke(app, words)
        assert done.exit_code == code, done.output
        return done.output.replace("\n", " ")

    assert "not used with stages: --datum, --swap-xy" in told("--swap-xy", "--datum", "wgs84")
    assert "--field names foo, which readings" in told("--field", "foo=bar", code=2)
    assert "not used" not in told()
    assert "is no folder" in told(config=tmp_path / "none", code=2)
    assert not (tmp_path / "none").exists()


def test_readings_that_no_import_wrote_are_refused(tmp_path: Path) -> None:
    (tmp_path / "stages.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="stages.csv is damaged"):
        load_stages(tmp_path)
