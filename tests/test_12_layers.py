"""Layers of the office: files as they come, and what is refused."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from shapely.geometry import MultiPolygon, Polygon, box

sys.path.insert(0, str(Path(__file__).parent))
import office

from pipeline.errors import ConfigurationError, ExitCode
from pipeline.grid import reproject
from pipeline.io.datum import Datum
from pipeline.io.layers import OfficeLayer, areas_of, load_layer
from pipeline.office.importing import ImportRequest, import_layer
from pipeline.office.keeping import remove_source
from pipeline.office.kinds import KINDS, LayerKind, Parse
from pipeline.office.showing import list_lines, show_lines
from pipeline.office.values import PARSERS, read_date, read_month_day

ALONG = office.river().buffer(500)  # EPSG:4547
ZONE = np.array([38_000_000, 0])
TWO = [box(419_000, 3_060_000, 421_000, 3_061_000), box(419_000, 3_062_000, 421_000, 3_063_000)]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return office.make_config(tmp_path)


def request(file: Path, kind: str, config: Path, **more: Any) -> ImportRequest:
    return ImportRequest(file, LayerKind(kind), config, **{"datum": Datum.CGCS2000, **more})


def layer_of(config: Path, kind: str) -> OfficeLayer:
    layer = load_layer(config / "layers", kind)
    assert layer is not None
    return layer


def test_gbk_shapefile_with_the_zone_in_its_eastings(tmp_path: Path, config: Path) -> None:
    """Step by step, as a person would, through the command."""
    shape = shapely.transform(ALONG, lambda xy: xy + ZONE)
    names = {"HDMC": ["小江"], "批复": ["株政函〔2020〕5号"]}
    file = office.write_shapefile(tmp_path / "管理范围线.shp", [shape], names, "EPSG:4526")
    words = ["layers", "import", file, "--as", "boundary", "--config", config]

    code, _, error = office.siluan(*words)
    assert code == 2
    assert "without a datum" in error
    code, _, error = office.siluan(*words, "--datum", "cgcs2000")
    assert code == 2
    assert "小江" in error  # as gbk
    assert "as utf-8: not valid" in error
    words += ["--datum", "cgcs2000", "--encoding", "gbk", "--field", "river=HDMC"]
    code, out, error = office.siluan(*words)
    assert (code, error) == (0, "")
    assert "imported 1 features as boundary" in out
    assert "position: agrees" in out

    (found,) = layer_of(config, "boundary").features
    assert found.fields["river"] == "小江"
    assert found.fields["approval"] == "株政函〔2020〕5号"
    back = reproject(found.geometry, "EPSG:4490", "EPSG:4547")
    assert back.symmetric_difference(ALONG).area < 1
    assert sorted(p.name for p in (config / "layers").iterdir()) == [
        "boundary.gpkg",
        "boundary.yaml",
    ]

    code, out, _ = office.siluan("layers", "import", file, "--as", "boundary", "--config", config)
    assert code == 0
    assert "as remembered" in out
    assert "unchanged, revision 1" in out


def test_declared_crs_that_does_not_fit_names_the_one_that_does(
    tmp_path: Path, config: Path
) -> None:
    plain = {"name": ["a"]}
    file = office.write_shapefile(tmp_path / "a.shp", [ALONG], plain, "EPSG:4526")
    with pytest.raises(ConfigurationError, match=r"do not fit EPSG:4526.*They fit EPSG:4547"):
        import_layer(request(file, "boundary", config))
    zoned = shapely.transform(ALONG, lambda xy: xy + ZONE)
    file = office.write_shapefile(tmp_path / "b.shp", [zoned], plain, "EPSG:4547")
    with pytest.raises(ConfigurationError, match=r"do not fit EPSG:4547.*EPSG:4526"):
        import_layer(request(file, "boundary", config))
    told = import_layer(request(file, "boundary", config, crs="EPSG:4526"))  # the .prj is wrong
    assert told.code == ExitCode.DONE
    with pytest.raises(ConfigurationError, match="--crs says EPSG:4528"):
        import_layer(request(file, "boundary", config, crs="EPSG:4528"))
    file = office.write_shapefile(tmp_path / "c.shp", [ALONG], plain, None)
    with pytest.raises(ConfigurationError, match="no coordinate reference system"):
        import_layer(request(file, "boundary", config))
    assert import_layer(request(file, "boundary", config, crs="EPSG:4547")).changed
    swapped = shapely.transform(ALONG, lambda xy: xy[:, ::-1])
    file = office.write_shapefile(tmp_path / "d.shp", [swapped], plain, "EPSG:4547")
    with pytest.raises(ConfigurationError, match="X and Y are exchanged"):
        import_layer(request(file, "boundary", config))
    report = import_layer(request(file, "boundary", config, swap_xy=True))
    assert report.code == ExitCode.DONE


@pytest.mark.parametrize(
    ("crs", "datum", "says"),
    [
        ("EPSG:2383", "cgcs2000", "Xi'an 80"),  # CM 114E
        ("EPSG:2435", "cgcs2000", "Beijing 54"),
        ("EPSG:32649", "cgcs2000", "says WGS 84"),
        ("EPSG:4547", "wgs84", "says CGCS2000"),
    ],
)
def test_datums_that_contradict_or_have_no_parameters(
    tmp_path: Path, config: Path, crs: str, datum: str, says: str
) -> None:
    file = office.write_shapefile(tmp_path / "a.shp", [ALONG], {"name": ["a"]}, crs)
    with pytest.raises(ConfigurationError, match=says):
        import_layer(request(file, "boundary", config, datum=Datum(datum)))
    assert not (config / "layers").exists()


def test_a_local_grid_is_refused(tmp_path: Path, config: Path) -> None:
    file = office.write_shapefile(tmp_path / "a.shp", [ALONG], {"name": ["a"]}, "EPSG:4547")
    local = 'LOCAL_CS["Zhuzhou city grid",UNIT["metre",1]]'
    file.with_suffix(".prj").write_text(local, encoding="ascii")
    with pytest.raises(ConfigurationError, match="local or unknown system"):
        import_layer(request(file, "boundary", config))


def test_invalid_empty_and_double_features_are_named(tmp_path: Path, config: Path) -> None:
    bow = Polygon([(419e3, 3.06e6), (421e3, 3.061e6), (421e3, 3.06e6), (419e3, 3.061e6)])
    far = box(600_000, 3_060_000, 601_000, 3_061_000)
    shapes = [office.lonlat(g) for g in (bow, TWO[1], TWO[1], far)]
    abroad = box(2.8, 42.3, 2.9, 42.4)
    named = zip(("n1", "n2", "n2", "n4", "n5"), [*shapes, abroad], strict=True)
    features = [office.feature(g, name=name, gnqlx="保留区") for name, g in named]
    features.append({"type": "Feature", "properties": {"name": "n6"}, "geometry": None})
    file = office.write_geojson(tmp_path / "zones.geojson", features)
    report = import_layer(request(file, "zones", config))
    told = "\n".join(report.lines)
    assert report.code == ExitCode.SET_ASIDE
    assert "feature 1 (n1) was invalid (Self-intersection" in told
    assert "set aside: feature 3 (n2) is the same as feature 2 (n2), in outline and fields" in told
    assert "set aside: feature 5 (n5) lies outside China" in told
    assert "set aside: feature 6 (n6) has no geometry" in told
    assert "outside all corridors: feature 4 (n4)" in told
    kept = layer_of(config, "zones").features
    assert [f.fields["name"] for f in kept] == ["n1", "n2", "n4"]
    assert isinstance(kept[0].geometry, MultiPolygon)
    assert kept[0].geometry.is_valid


SAME_GROUND: list[tuple[str, list[dict[str, str | None]]]] = [
    (
        "permits",
        [
            {"id": "旧", "from": "2024-01-01", "to": "2025-06-30"},
            {"id": "新", "from": "2025-07-01", "to": "2026-12-31"},
        ],
    ),
    (
        "works",
        [
            {"name": "堤防", "from": "2024-01-01", "to": "2024-12-31"},
            {"name": "堤防", "from": "2025-01-01", "to": "2025-12-31"},
        ],
    ),
    (
        "history",
        [
            {"id": "H1", "verdict": "问题", "on": "2024-03-01"},
            {"id": "H1", "verdict": "不是问题", "on": "2025-03-01"},
        ],
    ),
    (
        "no-mining",
        [
            {"name": "一段", "from": "04-01", "to": "06-30", "stage_m": None, "station": None},
            {"name": "一段", "from": None, "to": None, "stage_m": "38", "station": "株洲站"},
        ],
    ),
    ("zones", [{"zone": "控制利用区"}, {"zone": "保护区"}]),
]


@pytest.mark.parametrize(("kind", "fields"), SAME_GROUND, ids=[k for k, _ in SAME_GROUND])
def test_what_stands_on_the_same_ground_and_says_something_else_is_kept(
    tmp_path: Path, config: Path, kind: str, fields: list[dict[str, str | None]]
) -> None:
    shape = office.lonlat(TWO[0])
    features = [office.feature(shape, **f) for f in fields]
    report = import_layer(
        request(office.write_geojson(tmp_path / "a.geojson", features), kind, config)
    )
    assert report.code == ExitCode.DONE
    assert any(line.startswith("both kept: feature 2") for line in report.lines)
    kept = [dict(f.fields) for f in layer_of(config, kind).features]
    assert [{k: v for k, v in f.items() if k in fields[0]} for f in kept] == fields
    # The very same again says nothing new.
    more = [*features, office.feature(shape, **fields[0])]
    report = import_layer(request(office.write_geojson(tmp_path / "a.geojson", more), kind, config))
    assert report.code == ExitCode.SET_ASIDE
    (aside,) = [line for line in report.lines if line.startswith("set aside: ")]
    assert aside.startswith("set aside: feature 3")
    assert len(layer_of(config, kind).features) == 2


def test_permits_without_dates_are_all_named(tmp_path: Path, config: Path) -> None:
    shapes = [office.lonlat(g) for g in TWO]
    features = [
        office.feature(shapes[0], 许可证号="A1", 有效期起="2024-01-01", 有效期止=None),
        office.feature(shapes[1], 许可证号="A2", 有效期起="soon", 有效期止="2023/1/5"),
    ]
    file = office.write_geojson(tmp_path / "permits.geojson", features)
    wanted = r"feature 2 has 有效期起 = 'soon', which is no date.*feature 1 \(A1\) has no to"
    with pytest.raises(ConfigurationError, match=wanted):
        import_layer(request(file, "permits", config))
    features[0]["properties"]["有效期止"] = "2023-12-31"
    features[1]["properties"]["有效期起"] = "2022年3月1日"
    office.write_geojson(file, features)
    with pytest.raises(ConfigurationError, match=r"A1\) ends \(2023-12-31\) before"):
        import_layer(request(file, "permits", config))
    features[0]["properties"]["有效期止"] = "20251231"
    office.write_geojson(file, features)
    assert import_layer(request(file, "permits", config)).code == ExitCode.DONE
    fields = [f.fields for f in layer_of(config, "permits").features]
    assert [(f["from"], f["to"]) for f in fields] == [
        ("2024-01-01", "2025-12-31"),
        ("2022-03-01", "2023-01-05"),
    ]
    other = request(file, "permits", config, source="another")
    with pytest.raises(ConfigurationError, match="A1, A2 stand already in the part permits"):
        import_layer(other)


def test_works_and_verdicts_and_who_answers_for_them(tmp_path: Path, config: Path) -> None:
    days = {"开工日期": "2024-01-01", "完工日期": "2024-12-31"}
    shapes = [office.lonlat(g) for g in TWO]
    words = ("工程成果永久保留", "临时用地，恢复原状")
    features = [
        office.feature(g, 名称=f"工程{i}", 完工后=word, **days)
        for i, (g, word) in enumerate(zip(shapes, words, strict=True))
    ]
    file = office.write_geojson(tmp_path / "works.geojson", features)
    import_layer(request(file, "works", config))
    layer = layer_of(config, "works")
    assert [f.fields["after"] for f in layer.features] == ["stays", "cleared"]
    assert layer.record.sources[0].position.position == "unverified"
    assert not any(a.trusted for a in areas_of({"works": layer})["works"])
    import_layer(request(file, "works", config, accept_offset="王工"))
    answered = layer_of(config, "works")
    position = answered.record.sources[0].position
    assert (position.position, position.accepted_by) == ("accepted", "王工")
    assert position.detail.startswith("could not be checked")
    areas = areas_of({"works": answered})["works"]
    assert [(a.trusted, a.verified, a.answered_by) for a in areas] == [(True, False, "王工")] * 2
    assert answered.fingerprint != layer.fingerprint
    features[0]["properties"]["完工后"] = "新建"
    office.write_geojson(file, features)
    with pytest.raises(ConfigurationError, match=r"完工后 = '新建', which is neither 保留"):
        import_layer(request(file, "works", config))
    judged = [
        office.feature(
            shapes[0], 问题编号="H1", 结论=" 不是问题 - 历史不碍洪", 认定日期="2024年3月1日"
        )
    ]
    import_layer(request(office.write_geojson(file, judged), "history", config))
    (one,) = layer_of(config, "history").features
    assert (one.fields["verdict"], one.fields["on"]) == (
        "不是问题·历史不碍洪",
        "2024-03-01",
    )
    judged[0]["properties"]["结论"] = "没问题"
    office.write_geojson(file, judged)
    spec = KINDS[LayerKind.HISTORY].field("on")
    assert spec is not None
    assert spec.parse == "past"
    with pytest.raises(
        ConfigurationError, match="结论 = '没问题', which is none of 不是问题 / 不是"
    ):
        import_layer(request(file, "history", config))


def test_no_mining_periods(tmp_path: Path, config: Path) -> None:
    shape = office.lonlat(ALONG)
    across = office.feature(shape, name="汛期外", 禁采期起="10月1日", 禁采期止="03-31")
    file = office.write_geojson(tmp_path / "ban.geojson", [across])
    import_layer(request(file, "no-mining", config))
    (found,) = layer_of(config, "no-mining").features
    assert (found.fields["from"], found.fields["to"]) == ("10-01", "03-31")
    half = office.feature(shape, name="half", 禁采期起="10-01")
    stage = office.feature(shape.buffer(0.001), name="stage", 水位=29.5)
    office.write_geojson(file, [half, stage])
    with pytest.raises(ConfigurationError, match=r"half\) has only one end.*stage\) has a stage"):
        import_layer(request(file, "no-mining", config))
    assert len(layer_of(config, "no-mining").features) == 1


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2025-06-01", "2025-06-01"),
        ("2025/6/1", "2025-06-01"),
        ("2025年6月1日", "2025-06-01"),
        ("20250601", "2025-06-01"),
        ("2025.06.01 00:00:00", "2025-06-01"),
        ("2025-06-01 08", "2025-06-01"),
        ("2025年6月1日 8时30分", "2025-06-01"),
        ("2025-06-01 星期日", "2025-06-01"),
        ("2025-06-01 起", "2025-06-01"),
        ("2024-12-31T16:00:00Z", "2025-01-01"),
        ("2024-12-31 15:59:59.9+00:00", "2024-12-31"),
        ("2024/12/31 16:00:00+00", "2025-01-01"),
        ("2025-01-01T00:00:00+08:00", "2025-01-01"),
        ("9999-12-31T16:00:00Z", "9999-12-31"),
        ("9999-12-31T23:59:59Z", "9999-12-31"),
        ("2025-06-01 08:00:00 北京时间", "2025-06-01"),
        ("2025-06-01 00:00:00 CST", "2025-06-01"),
        ("2025-06-01 00:00:00 UTC+8", "2025-06-01"),
        ("2025-06-01T08:00:00+8", "2025-06-01"),
        ("2025-06-01T08:00:00[Asia/Shanghai]", "2025-06-01"),
        ("2025-06-01T16:00:00Z[UTC]", "2025-06-02"),
        ("2025-06-01T000000", "2025-06-01"),
        ("20250601T160000Z", "2025-06-02"),
        ("2025-06-01 上午", "2025-06-01"),
        ("2025-06-01 Sunday", "2025-06-01"),
        ("2025-06-01（换发）", "2025-06-01"),
        ("2025-06-01 0830", "2025-06-01"),
        ("2025-06-01 2026", None),
        ("20250601 1231", None),
        ("2025-06-01 16:00 (UTC)", None),
        ("2025-06-01 16:00[UTC]", None),
        ("2025-06-01 (至年底)", None),
        ("2025-06-01 (至六月)", None),
        ("2025-06-01 08:30-09:30", None),
        ("2025-01-01 至 2025-12-31", None),
        ("2025-12-31 延期至2026-06-30", None),
        ("2025-12-31 2026-06-30", None),
        ("2025-13-01", None),
        ("01/06/2025", None),
        ("2025", None),
    ],
)
def test_dates(text: str, day: str | None) -> None:
    assert read_date(text) == day


def test_days_of_the_year() -> None:
    assert read_month_day("4月1日") == "04-01"
    assert read_month_day("02-29") == "02-29"
    assert read_month_day("13-01") is None
    assert read_month_day("2025-04-01") == "2025-04-01"


def test_times_of_a_file_are_days_of_the_office(tmp_path: Path, config: Path) -> None:
    served = {"id": "A1", "from": "2024-12-31T16:00:00Z", "to": "2025-12-30T16:00:00Z"}
    naive = {"id": "A2", "from": "2025-01-01T20:00:00", "to": "2025-12-31T00:00:00"}
    features = [office.feature(office.lonlat(g), **served) for g in TWO]
    features[1]["properties"] = naive
    import_layer(request(office.write_geojson(tmp_path / "p.geojson", features), "permits", config))
    kept = [f.fields for f in layer_of(config, "permits").features]
    assert [(f["from"], f["to"]) for f in kept] == [("2025-01-01", "2025-12-31")] * 2
    ranged = office.feature(office.lonlat(TWO[0]), id="A1", 有效期="2025-01-01 至 2025-12-31")
    file = office.write_geojson(tmp_path / "r.geojson", [ranged])
    fields = {"from": "有效期", "to": "有效期"}
    with pytest.raises(ConfigurationError, match="'2025-01-01 至 2025-12-31', which is no date"):
        import_layer(request(file, "permits", config, fields=fields))


@pytest.mark.parametrize(
    ("word", "after"),
    [
        ("保留", "stays"),
        ("永久保留", "stays"),
        ("不影响行洪，予以保留", "stays"),
        ("清退", "cleared"),
        ("不予保留", "cleared"),
        ("不保留，恢复原状", "cleared"),
        ("拆除临时围堰，主体保留", "cleared"),
        ("非永久", None),
        ("永久保留，不得拆除", None),
        ("不清退", None),
        ("无需拆除", None),
        ("是否保留", None),
        ("not cleared", None),
        ("not to stay", None),
        ("无条件拆除", "cleared"),
        ("期满后由业主无偿拆除并恢复原状", "cleared"),
        ("临时占用，期满无条件恢复", "cleared"),
        ("非汛期拆除", "cleared"),
        ("不迟于2025年底拆除", "cleared"),
        ("到期后拆除，未拆除的强制清退", "cleared"),
        ("期满不延续清退", "cleared"),
        ("不予延期期满清退", "cleared"),
        ("临时（无永久建筑）", "cleared"),
        ("非永久建筑，期满拆除", "cleared"),
        ("拆除，不得保留", "cleared"),
        ("不影响行洪的予以保留", "stays"),
        ("不影响防洪的保留", "stays"),
        ("不得擅自拆除", None),
        ("不将其拆除", None),
        ("临时围堰不拆除", None),
        ("保留（不拆除）", None),
        ("保留，否则拆除", None),
        ("不长期保留", None),
        ("未验收前保留", None),
        ("不属于临时", None),
    ],
)
def test_a_denied_word_says_nothing_of_what_becomes_of_works(word: str, after: str | None) -> None:
    assert PARSERS["after"](word) == after


@pytest.mark.parametrize(
    ("parse", "text", "day"),
    [
        ("date", "0025-06-01", None),
        ("date", "1900-01-01", None),
        ("date", "9999-12-31", "9999-12-31"),
        ("past", "2999-01-01", None),
        ("past", "2024-03-01", "2024-03-01"),
        ("month-day", "1025-04-01", None),
    ],
)
def test_days_that_cannot_be_are_none(parse: Parse, text: str, day: str | None) -> None:
    assert PARSERS[parse](text) == day


def test_zones_that_the_rules_do_not_know_are_named(tmp_path: Path, config: Path) -> None:
    words = ("岸线保护区", "湘江右岸岸线控制利用区", "随便", "饮用水源保护区")
    shapes = [box(419_000, 3_060_000 + i, 421_000, 3_061_000) for i in range(len(words))]
    features = [
        office.feature(office.lonlat(g), zone=w) for g, w in zip(shapes, words, strict=True)
    ]
    report = import_layer(
        request(office.write_geojson(tmp_path / "z.geojson", features), "zones", config)
    )
    (said,) = [line for line in report.lines if "are none of" in line]
    assert said.endswith("feature 3: 随便; feature 4: 饮用水源保护区")
    assert report.code == ExitCode.DONE


def test_a_number_that_lost_its_last_digits_is_no_id(tmp_path: Path, config: Path) -> None:
    days = {"from": "2025-01-01", "to": "2025-12-31"}
    shapes = [office.lonlat(g) for g in TWO]
    ids = (202603050000000123, 9007199254740991)
    whole = [office.feature(g, id=i, **days) for g, i in zip(shapes, ids, strict=True)]
    file = office.write_geojson(tmp_path / "p.geojson", whole)
    import_layer(request(file, "permits", config))
    kept = [f.fields["id"] for f in layer_of(config, "permits").features]
    assert kept == ["202603050000000123", "9007199254740991"]
    # A missing number makes floats of the column.
    office.write_geojson(file, [*whole, office.feature(ALONG.envelope, id=None, **days)])
    with pytest.raises(ConfigurationError, match=r"feature 1 has id = '2\.02.*digits are lost"):
        import_layer(request(file, "permits", config))


def test_control_points(tmp_path: Path, config: Path) -> None:
    ring = list(TWO[0].exterior.coords)[:-1]
    order = [2, 0, 3, 1]  # rows in any order
    lines = ["名称,环号,序号,X,Y"]
    lines += [f"一段,1,{i},{ring[i][1]:.3f},{ring[i][0]:.3f}" for i in order]  # X is north
    file = tmp_path / "界桩.csv"
    file.write_bytes("\n".join(lines).encode("gbk"))
    ask = request(file, "boundary", config)
    with pytest.raises(ConfigurationError, match=r"as gbk: '名称,环号"):
        import_layer(ask)
    ask = replace(ask, encoding="gbk", crs="EPSG:4547")
    with pytest.raises(ConfigurationError, match="add --swap-xy"):
        import_layer(ask)
    import_layer(replace(ask, swap_xy=True))
    (found,) = layer_of(config, "boundary").features
    assert found.fields["name"] == "一段"
    back = reproject(found.geometry, "EPSG:4490", "EPSG:4547")
    assert back.symmetric_difference(TWO[0]).area < 1
    again = office.make_config(tmp_path / "again")
    file.write_text("ring,order,x,y\n1,1,1,1,\n1,2,2,2,5\n1,3,3,3,5\n", encoding="ascii")
    with pytest.raises(ConfigurationError, match="more cells than columns in line 3, 4"):
        import_layer(request(file, "boundary", again))
    file.write_text("ring,order,x,y\n1,1,nan,1\n1,2,2,inf\n1,3,4,4\n", encoding="ascii")
    with pytest.raises(ConfigurationError, match=r"line 2 has .* no number; line 3 has"):
        import_layer(request(file, "boundary", again))
    file.write_text("ring,order,x,y\n1,1,1,1\n1,1,2,2\n2,1,a,3\n", encoding="ascii")
    wrong = "line 4 has an order.*ring 1 has only 2 points; ring 1 has the order 1 twice"
    with pytest.raises(ConfigurationError, match=wrong):
        import_layer(ask)


def test_a_file_of_the_same_name_does_not_push_out_another_countys_part(
    tmp_path: Path, config: Path
) -> None:
    days = {"from": "2025-01-01", "to": "2025-12-31"}

    def permits(folder: str, *ids: str, at: int = 0) -> Path:
        (tmp_path / folder).mkdir(exist_ok=True)
        shape = office.lonlat(TWO[at])
        features = [office.feature(shape.buffer(i * 1e-5), id=n, **days) for i, n in enumerate(ids)]
        return office.write_geojson(tmp_path / folder / "许可.geojson", features)

    def ids() -> list[tuple[str, str | None]]:
        return [(f.source, f.fields["id"]) for f in layer_of(config, "permits").features]

    import_layer(request(permits("渌口", "p1", "p2"), "permits", config))
    other = request(permits("天元", "q", at=1), "permits", config)
    with pytest.raises(ConfigurationError, match=r"\(p1, p2\), and holds nothing .*许可-天元"):
        import_layer(other)
    import_layer(replace(other, source="许可-天元"))
    assert ids() == [("许可", "p1"), ("许可", "p2"), ("许可-天元", "q")]
    # The next year's file of another folder shares a permit or ground; what goes is said.
    report = import_layer(request(permits("2026", "p2", "p3"), "permits", config))
    assert "no more in the part 许可: p1" in report.lines
    report = import_layer(request(permits("2027", "r"), "permits", config))
    assert "no more in the part 许可: p2, p3" in report.lines
    # The same file may change altogether, and a named part is replaced as it was asked.
    report = import_layer(request(permits("2027", "s", at=1), "permits", config))
    assert "no more in the part 许可: r" in report.lines
    report = import_layer(request(permits("2028", "t"), "permits", config, source="许可"))
    assert "no more in the part 许可: s" in report.lines
    assert ids() == [("许可", "t"), ("许可-天元", "q")]
    assert (
        import_layer(request(permits("2028", "t"), "permits", config))
        .lines[-2]
        .endswith("unchanged, revision 6")
    )


def test_the_meridian_of_another_zone_is_refused_by_name(tmp_path: Path, config: Path) -> None:
    for crs, right in (("EPSG:4548", "EPSG:4547"), ("EPSG:32650", "EPSG:32649")):
        here = reproject(TWO[0], office.METRIC, right)
        datum = Datum.CGCS2000 if right == "EPSG:4547" else Datum.WGS84
        file = office.write_shapefile(tmp_path / f"{crs[5:]}.shp", [here], {"name": ["a"]}, None)
        ask = request(file, "existing", config, datum=datum)
        with pytest.raises(ConfigurationError, match=f"it would lie in them.*add --crs {right}"):
            import_layer(replace(ask, crs=crs))
        assert import_layer(replace(ask, crs=right)).code == ExitCode.DONE
        file = office.write_shapefile(tmp_path / f"{crs[5:]}p.shp", [here], {"name": ["a"]}, crs)
        with pytest.raises(ConfigurationError, match=f"correct its system in a GIS to {right}"):
            import_layer(request(file, "existing", config, datum=datum))
    # What lies far away in every zone is only named.
    far = shapely.transform(TWO[0], lambda xy: xy + np.array([0, 900_000]))
    file = office.write_shapefile(tmp_path / "far.shp", [far], {"name": ["a"]}, office.METRIC)
    report = import_layer(request(file, "existing", config))
    assert report.code == ExitCode.DONE
    assert "outside all corridors: feature 1 (a)" in report.lines


def test_parts_and_what_is_remembered(tmp_path: Path, config: Path) -> None:
    first = office.write_geojson(
        tmp_path / "a.geojson",
        [office.feature(office.lonlat(TWO[0]), XZMC="甲", DM="430211100000")],
    )
    given = {"name": "XZMC", "code": "DM"}
    with pytest.raises(ConfigurationError, match=r"no such column: name=XXX.*XZMC, DM"):
        import_layer(request(first, "townships", config, fields={"name": "XXX"}))
    with pytest.raises(ConfigurationError, match="--field names nmae"):
        import_layer(request(first, "townships", config, fields={"nmae": "XZMC"}))
    import_layer(request(first, "townships", config, fields=given))
    second = office.write_geojson(
        tmp_path / "b.geojson",
        [office.feature(office.lonlat(TWO[1]), XZMC="乙", DM="430211101000")],
    )
    report = import_layer(request(second, "townships", config))
    assert "fields as remembered from a" in report.lines[0]
    layer = layer_of(config, "townships")
    assert [(f.fields["code"], f.source) for f in layer.features] == [
        ("430211100", "a"),
        ("430211101", "b"),
    ]
    assert layer.record.revision == 2
    assert "townships" in list_lines(config / "layers")[0]
    assert any(
        "code=430211101" in line for line in show_lines(config / "layers", LayerKind.TOWNSHIPS)
    )
    remove_source(config / "layers", LayerKind.TOWNSHIPS, "a")
    assert [f.source for f in layer_of(config, "townships").features] == ["b"]
    remove_source(config / "layers", LayerKind.TOWNSHIPS, "b")
    assert load_layer(config / "layers", "townships") is None
    with pytest.raises(ConfigurationError, match="no part 'b'"):
        remove_source(config / "layers", LayerKind.TOWNSHIPS, "b")


@pytest.mark.parametrize("name", ["x.gpkg", "x.kml", "x.gdb", "x.geojson"])
def test_other_formats(tmp_path: Path, config: Path, name: str) -> None:
    from pyogrio import raw

    drivers = {"gpkg": "GPKG", "kml": "KML", "gdb": "OpenFileGDB", "geojson": "GeoJSON"}
    raw.write(
        tmp_path / name,
        geometry=np.array([shapely.to_wkb(office.lonlat(ALONG))], dtype=object),
        field_data=[np.array(["小江"], dtype=object)],
        fields=np.array(["Name"], dtype=object),
        geometry_type="Polygon",
        crs="EPSG:4326",
        driver=drivers[name.split(".")[1]],
    )
    report = import_layer(request(tmp_path / name, "boundary", config, datum=Datum.WGS84))
    assert report.code == ExitCode.DONE
    assert layer_of(config, "boundary").features[0].fields["name"] == "小江"


def test_what_is_no_layer(tmp_path: Path, config: Path) -> None:
    with pytest.raises(ConfigurationError, match="does not exist"):
        import_layer(request(tmp_path / "no.shp", "boundary", config))
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(ConfigurationError, match="no format that is known"):
        import_layer(request(tmp_path / "a.txt", "boundary", config))
    (tmp_path / "b.gpkg").write_text("x")
    with pytest.raises(ConfigurationError, match="cannot be opened"):
        import_layer(request(tmp_path / "b.gpkg", "boundary", config))
    office.write_geojson(tmp_path / "c.geojson", [])
    with pytest.raises(ConfigurationError, match="it has no features"):
        import_layer(request(tmp_path / "c.geojson", "boundary", config))
    folder = config / "layers"
    folder.mkdir()
    (folder / "boundary.gpkg").write_text("x")
    with pytest.raises(ConfigurationError, match="damaged"):
        load_layer(folder, "boundary")
