"""The evidence of a case: which looks are shown, how they are drawn, and what is written."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont
from shapely.geometry import box

from pipeline.evidence.choose import (
    Clear,
    choose_after,
    choose_before,
    same_season,
    season_apart,
)
from pipeline.evidence.document import ROLES, case_document
from pipeline.evidence.facts import facts_of
from pipeline.evidence.options import EvidenceOptions
from pipeline.evidence.pack import pack
from pipeline.evidence.panel import nice_length, rings_of
from pipeline.evidence.sheet import chips_of, seen_as
from pipeline.evidence.stretch import FALSE_NIR, TRUE, colours_of, false_bands
from pipeline.evidence.strip import CODES, code_of
from pipeline.evidence.text import _bytes, fitted, font, has_glyph, readable, wrapped
from pipeline.evidence.types import Missing, Picture, Subject, Views
from pipeline.evidence.words import word
from pipeline.io.atomic import remove_tree
from pipeline.io.chips import _block_px
from pipeline.io.shelf import MANIFEST, is_whole, keep, lay_out
from pipeline.model import (
    DRONE_SURFACES,
    Case,
    Evidence,
    EvidenceState,
    Grid,
    Kind,
    Look,
    Pass,
    Seen,
    Status,
)
from pipeline.passes.showing import Desk, draw_cases, ground_of, nothing
from pipeline.passes.showing_kept import from_shelf

GRID = Grid("EPSG:32649", Affine(10, 0, 700_000, 0, -10, 3_080_000), (64, 64))
ZONE = ZoneInfo("Asia/Shanghai")
HOSTILE = "<script>alert(1)</script>\u202e\x07 𠮷"


def day(n: int) -> datetime:
    return datetime(2025, 1, 1, 3, tzinfo=UTC) + timedelta(days=n)


def look(n: int, seen: Seen, **more: Any) -> Look:
    return Look(day(n), f"p{n}", "sentinel-2-l2a", 1.0, seen, **more)


def case(*looks: Look, after: int | None = None, first: int | None = None, **more: Any) -> Case:
    hits = [k.on for k in looks if k.seen is Seen.HIT]
    evidence = Evidence(
        EvidenceState.SUSPECTED, len(hits), 0, len(looks),
        day(first) if first is not None else min(hits, default=None), max(hits, default=None),
        None if after is None else day(after), frozen=False,
    )  # fmt: skip
    outline = box(700_200, 3_079_600, 700_320, 3_079_700)
    return Case(
        "ZZ-2025-zhan-1", Kind.ZHAN, "r", outline, "EPSG:32649", 12_000.0, Status.SUSPECTED,
        evidence, looks, 0.5, {}, (), "zhan/1", 1, "run", "0", "0", **more,
    )  # fmt: skip


def passes(*days: int) -> list[Pass]:
    return [Pass(f"p{n}", "sentinel-2-l2a", day(n), ()) for n in days]


def picture(name: str, value: float, bands: tuple[str, ...] = (*TRUE, "nir", "swir16")) -> Picture:
    rng = np.random.default_rng(3)
    ground = (value + rng.normal(0, 0.03, GRID.shape)).astype(np.float32)
    held = {b: ground + np.float32(0.02 * i) for i, b in enumerate(bands)}
    return Picture(name, day(1), "sentinel-2-l2a", held, np.ones(GRID.shape, bool), 10.0)


def views(**more: Any) -> Views:
    outline = box(700_200, 3_079_600, 700_320, 3_079_700)
    return replace(Views(GRID, outline, picture("a", 0.1), picture("b", 0.2)), **more)


def subject(**more: Any) -> Subject:
    properties = {
        "case_id": "ZZ-2025-zhan-1", "revision": 2, "kind": "zhan", "kind_zh": "乱占",
        "status": "suspected", "status_zh": "疑似", "evidence_state": "suspected",
        "corridor_id": "r", "river_zh": "小河", "point_wgs84": [113.0, 27.0], "area_m2": 12_000.0,
        "detector": "zhan/1", "appeared_after": "2025-01-01T18:00:00Z", "audit": True,
        "appeared_before": "2025-02-01T03:00:00Z", "reasons": ["在管理范围内"], "visit": None,
        "proposed": None, "chips": [], "cloud_share": None, "imagery_credit": None,
        "hits": 1, "misses": 0,
    }  # fmt: skip
    looks = (look(1, Seen.MISS), look(30, Seen.HIT, level_rank=0.4), look(31, Seen.UNKNOWN))
    return Subject({**properties, **more}, looks, ZONE)


def how(clear: dict[str, float]) -> Any:
    return lambda p: Clear(clear.get(p.id, 1.0), clear.get(p.id, 1.0))


def test_a_sheet_counts_looks_as_the_evidence_does() -> None:
    said = {f.name: f.value for f in facts_of(subject(), views())}
    # What was clear before it appeared is no look that misses it.
    assert said["观测"] == "出现以来看到 1 次，晴空未见 0 次，无法判断 1 次"


def test_before_is_the_newest_clear_look_without_it() -> None:
    one = case(look(0, Seen.MISS), look(20, Seen.MISS), look(40, Seen.HIT), after=20)
    all_of = passes(0, 10, 20, 30, 40)
    assert choose_before(one, all_of, how({}), 0.98) == all_of[2]
    assert choose_before(one, all_of, how({"p20": 0.9}), 0.98) == all_of[1]
    hazy = {"p0": 0.7, "p10": 0.9, "p20": 0.8}
    assert choose_before(one, all_of, how(hazy), 0.98) == all_of[1]
    assert choose_before(one, all_of, how({"p0": 0.1, "p10": 0.2, "p20": 0.3}), 0.98) is None
    # Without a clear look before it: what is there before the first sighting.
    never = case(look(40, Seen.HIT))
    assert choose_before(never, all_of, how({}), 0.98) == all_of[3]
    # It stood there once before, and went: that look is not the ground without it.
    back = case(look(10, Seen.HIT), look(40, Seen.HIT), after=10, first=40)
    assert choose_before(back, all_of, how({}), 0.98) == all_of[0]


def test_before_is_of_the_season_of_after_where_the_history_has_one() -> None:
    seen = passes(*range(-400, 200, 10))
    one = case(look(190, Seen.HIT), after=100, first=190)
    after = choose_after(one, seen, how({}), 0.98)
    assert after is not None
    assert after.id == "p190"

    def before(clear: dict[str, float]) -> str:
        found = choose_before(one, seen, how(clear), 0.98, after)
        assert found is not None
        return found.id

    # Within 45 days of the day of the year, a year earlier; the newest of these.
    assert before({}) == "p-140"
    assert not same_season(day(-130), day(190))
    # Where none of the season is clear, the newest that is; where none is at all, the clearest.
    cloudy = {p.id: 0.6 for p in seen if same_season(p.acquired, after.acquired)}
    assert before(cloudy) == "p100"
    assert before(dict.fromkeys([p.id for p in seen], 0.6) | {"p-100": 0.7}) == "p-100"


@given(st.datetimes(), st.datetimes())
def test_days_apart_in_the_year_are_those_of_the_shorter_way(one: datetime, two: datetime) -> None:
    apart = season_apart(one, two)
    assert 0 <= apart <= 183
    assert apart == season_apart(two, one)
    assert season_apart(one, one) == 0


def test_a_sheet_names_what_office_tables_and_lists_say() -> None:
    lead = {"source": "list", "source_zh": "下发图斑", "ref": "B-7", "on": "2026-02-03"}
    said = subject(
        subtype="a", subtype_zh="疑似弃渣", leads=[{**lead, "kind": "dui"}],
        severity={"grade": "重大", "verified": False, "row": 1, "measure": "m2", "lower": 9000.0},
        proposed={"rank": 2, "of": 7, "month": "2026-03", "county": "渌口区", "waits": None},
        drone_measures={
            "height_m": {"value": -2.25, "low": -2.5, "high": -2.0},
            "footprint_m2": {"value": 1234.5, "low": 1200.0, "high": 1270.0},
        },
    )  # fmt: skip
    told = {f.name: f.value for f in facts_of(said, views())}
    assert told["细类（建议）"] == "疑似弃渣"
    assert told["严重程度（建议）"] == "重大（分级表未经核实）"
    assert told["高度变化（无人机）"] == "-2.2 (-2.5 – -2.0) 米"
    assert told["变化范围（无人机）"] == "1,234 (1,200 – 1,270) 平方米"
    assert told["线索来源"] == "下发图斑 B-7 (2026-02-03)"
    assert told["建议交办次序"] == "2026-03 渌口区 第2位，共7处，建议交办（制图时）"
    document = case_document(said, views(), None)
    assert document["proposed_when_drawn"]["rank"] == 2
    assert document["season_days_apart"] == 0
    assert {"subtype_zh", "severity", "leads"} <= set(document["case"])
    english = {f.value for f in facts_of(replace(said, language="en"), views())}
    assert "重大 (by an unconfirmed table)" in english


def test_a_drones_case_that_people_moved_on_keeps_its_pictures(tmp_path: Path) -> None:
    rise = np.full(GRID.shape, 1.5, np.float32)
    one = replace(case(look(1, Seen.HIT)), detector=DRONE_SURFACES)
    desk = Desk(tmp_path, EvidenceOptions(), ZONE)
    nowhere = nothing(one, "of_drone")
    flown = draw_cases([one], lambda _: subject().properties, lambda _: views(rise=rise), desk)
    assert flown.made == 1
    moved = replace(one, revision=3, status=Status.ISSUED)
    said = {**subject().properties, "status": "issued", "status_zh": "已交办", "revision": 3}
    again = draw_cases([moved], lambda _: said, lambda _: nowhere, desk)
    assert (again.made, again.plain) == (1, {})
    old, new = tmp_path / "zh" / one.case_id / "1", again.kept[one.case_id]
    for name in ("before.tif", "after.tif", "rise.tif", "rise.png"):
        assert (new / name).read_bytes() == (old / name).read_bytes()
    document = json.loads((new / "case.json").read_bytes())
    assert (document["case"]["status"], document["pictures_of_revision"]) == ("issued", 1)
    further = replace(moved, revision=4)
    views_again = from_shelf(desk.folder(further), further)
    assert views_again is not None
    assert views_again.of_revision == 1
    assert from_shelf(desk.folder(one), one) is None


def test_after_is_the_newest_clear_look_that_saw_it() -> None:
    one = case(look(10, Seen.HIT), look(20, Seen.HIT), look(30, Seen.HIT), look(40, Seen.MISS))
    all_of = passes(0, 10, 20, 30, 40)
    assert choose_after(one, all_of, how({}), 0.98) == all_of[3]
    assert choose_after(one, all_of, how({"p30": 0.6}), 0.98) == all_of[2]
    assert choose_after(one, passes(0, 40), how({}), 0.98) is None


def test_both_dates_have_one_stretch() -> None:
    dark, light = picture("a", 0.1), picture("b", 0.3)
    one, other = colours_of([dark, light], TRUE) or ([], [])
    same = replace(light, bands={b: dark.bands[b].copy() for b in dark.bands})
    same.bands["red"][0, 0] = light.bands["red"].max()  # type: ignore[index]
    assert np.mean(one) + 60 < np.mean(other)
    again, twin = colours_of([dark, dark], TRUE) or ([], [])
    assert np.array_equal(again, twin)


def test_what_is_under_cloud_does_not_set_the_stretch() -> None:
    plain = picture("a", 0.1)
    white = {b: v.copy() for b, v in plain.bands.items()}
    clear = np.ones(GRID.shape, bool)
    clear[:32] = False
    for band in white.values():
        band[:32] = 0.9
    cloudy = replace(plain, bands=white, clear=clear)
    made = colours_of([plain, cloudy], TRUE) or ([], [])
    assert np.array_equal(made[0][32:], made[1][32:])
    assert np.mean(made[0]) > 60
    assert cloudy.hidden_share == 0.5


def test_missing_bands_are_said_and_replaced() -> None:
    short = picture("a", 0.1, (*TRUE, "nir"))
    assert false_bands([short, picture("b", 0.1)]) == FALSE_NIR
    chips = chips_of(views(before=short))
    assert Missing("no_swir") in chips.missing
    assert chips.false_of == FALSE_NIR
    chips = chips_of(views(before=picture("a", 0.1, TRUE), after=None))
    assert set(chips.images) == {"before_true"}
    assert Missing("no_false") in chips.missing


def test_a_pack_is_listed_whole_and_is_the_same_again() -> None:
    files = pack(subject(), views())
    assert files == pack(subject(), views())
    listed = {f["name"]: f for f in json.loads(files[MANIFEST])["files"]}
    assert {*listed, MANIFEST} == set(files)
    for name, entry in listed.items():
        assert entry["sha256"] == hashlib.sha256(files[name]).hexdigest()
        assert (entry["bytes"], entry["role"]) == (len(files[name]), ROLES[name])
    document = json.loads(files["case.json"])
    assert document["case"]["case_id"] == "ZZ-2025-zhan-1"
    of_a_run = {"audit", "visit", "proposed", "chips", "cloud_share", "imagery_credit"}
    assert not of_a_run & set(document["case"])
    assert document["before"]["on_local"] == "2025-01-02 11:00 (UTC+8)"
    assert [k["was"] for k in document["looks"]] == ["missed", "seen", "undecided"]
    assert document["ground"]["outline_px"][0][0] == [32.0, 40.0]
    assert Image.open(BytesIO(files["overview.png"])).width > 1000
    assert Image.open(BytesIO(files["after_true.png"])).size == (64, 64)


def test_a_geotiff_lies_where_the_ground_is() -> None:
    files = pack(subject(), views())
    with rasterio.open(BytesIO(files["after.tif"])) as tif:
        assert tif.descriptions == ("red", "green", "blue", "nir", "swir16")
        assert (tif.crs, tif.transform, tif.nodata) == ("EPSG:32649", GRID.transform, -32768)
        assert tif.tags()["ACQUIRED_UTC"] == "2025-01-02T03:00:00Z"
        assert tif.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        red = tif.read(1) / 10_000
    assert np.allclose(red, picture("b", 0.2).bands["red"], atol=1e-4)


def test_where_nothing_can_be_drawn_the_reason_is_written() -> None:
    files = pack(subject(), nothing(case(), "of_pictures"))
    assert set(files) == {"case.json", MANIFEST}
    document = json.loads(files["case.json"])
    assert document["missing"][0]["text"].startswith("由未定标的图片发现")
    assert document["before"] is None


def test_a_surface_has_a_legend_and_a_raster_in_metres() -> None:
    rise = np.zeros(GRID.shape, np.float32)
    rise[30:40, 20:30] = 2.5
    rise[0] = np.nan
    files = pack(subject(), views(rise=rise))
    with rasterio.open(BytesIO(files["rise.tif"])) as tif:
        assert tif.read(1)[35, 25] == 2.5
        assert np.isnan(tif.read(1)[0]).all()
    assert json.loads(files["case.json"])["ground"]["rise_limit_m"] == 2.5
    plain = Image.open(BytesIO(pack(subject(), views())["overview.png"]))
    assert Image.open(BytesIO(files["overview.png"])).height > plain.height


def test_hostile_text_is_drawn_and_breaks_nothing() -> None:
    said = subject(
        river_zh=HOSTILE, reasons=[HOSTILE * 30], county_zh=HOSTILE, township_zh="x" * 900
    )
    files = pack(said, views())
    assert json.loads(files["case.json"])["case"]["river_zh"] == HOSTILE
    assert readable(HOSTILE) == "<script>alert(1)</script>[U+202E][U+0007] [U+20BB7]"


def test_text_that_is_drawn_again_is_drawn_the_same() -> None:
    plain = ImageFont.truetype(BytesIO(_bytes()), 17, layout_engine=ImageFont.Layout.BASIC)
    for _ in range(2):
        for anchor, at in (("la", (3, 4)), ("ma", (40.5, 4.25)), ("rb", (79, 30))):
            ours, theirs = (Image.new("RGB", (120, 40), "white") for _ in range(2))
            for image, face in ((ours, font(17)), (theirs, plain)):
                ImageDraw.Draw(image).text(
                    at, "疑似 K12", "black", face, anchor, stroke_width=2, stroke_fill="yellow"
                )
            assert ours.tobytes() == theirs.tobytes()
        assert font(17).getlength("疑似 K12") == plain.getlength("疑似 K12")


def test_a_small_geotiff_is_one_block_and_holds_little_else() -> None:
    files = pack(subject(), views())
    with rasterio.open(BytesIO(files["after.tif"])) as tif:
        assert tif.block_shapes[0] == GRID.shape
    assert _block_px((84, 61)) == 96
    assert _block_px((640, 640)) == 256


def test_the_font_has_the_characters_that_names_are_written_in() -> None:
    common = "疑似乱占乱采乱堆乱建涢沄沅㵲氹滹沱²±·–—…（）、，。"
    assert [c for c in common if not has_glyph(c)] == []
    level_one = [
        bytes([b1, b2]).decode("gb2312")
        for b1 in range(0xB0, 0xD8, 6)
        for b2 in range(0xA1, 0xFA, 4)
    ]
    assert all(has_glyph(c) for c in level_one)
    assert not has_glyph("𠮷")
    for code in ("notice", *CODES):
        assert readable(word(code, "zh")) == word(code, "zh")


@settings(max_examples=30)
@given(st.text(max_size=60), st.integers(40, 300))
@example("00000:@@B", 40)  # wide characters at the end of narrow ones
def test_wrapped_lines_fit_and_lose_nothing(text: str, width: int) -> None:
    lines = wrapped(text, 16, width)
    joined = "".join(lines).replace(" ", "")
    assert joined == readable(text).replace(" ", "")
    widest = max((font(16).getlength(c) for c in readable(text)), default=0)
    assert all(font(16).getlength(line) <= max(width, 2 * widest) for line in lines)
    assert font(16).getlength(fitted(text, 16, width)) <= width


@given(st.floats(0.01, 1e6))
def test_a_scale_bar_is_a_round_number_that_fits(most: float) -> None:
    length = nice_length(most)
    assert most / 2.6 < length <= most * (1 + 1e-9)
    assert f"{length:e}"[0] in "125"


def test_marks_of_looks() -> None:
    assert code_of(look(1, Seen.HIT)) == "seen"
    assert code_of(look(1, Seen.HIT, certain=False)) == "seen_uncertain"
    assert code_of(look(1, Seen.MISS)) == "missed"
    assert code_of(look(1, Seen.UNKNOWN)) == "undecided"
    assert code_of(replace(look(1, Seen.UNKNOWN), clear_share=0.2)) == "unseen"


def test_times_carry_their_zone() -> None:
    assert seen_as(picture("a", 0.1), subject()).startswith("2025-01-02 11:00 (UTC+8)")
    india = replace(subject(), zone=ZoneInfo("Asia/Kolkata"))
    assert "(UTC+5:30)" in seen_as(picture("a", 0.1), india)


def test_the_ground_shown_holds_the_case_or_its_middle() -> None:
    options = EvidenceOptions()
    small, whole = ground_of(box(700_200, 3_079_600, 700_300, 3_079_700), GRID, options)
    assert (small.shape, whole) == ((64, 64), True)
    river = box(700_000, 3_070_000, 700_100, 3_090_000)
    cut, whole = ground_of(river, GRID, options)
    assert (cut.shape, whole) == ((512, 512), False)
    assert rings_of(river, GRID.sub(cut))


def test_the_shelf_is_written_once_and_mended(tmp_path: Path) -> None:
    folder = tmp_path / "shelf" / "1"
    files = pack(subject(), views())
    keep(folder, files)
    assert is_whole(folder)
    (folder / "overview.png").chmod(0o644)
    (folder / "overview.png").write_bytes(b"")  # as a loss of power leaves it
    assert not is_whole(folder)
    keep(folder, files)
    (folder / "more.txt").write_text("x")
    assert not is_whole(folder)
    assert not is_whole(tmp_path / "none")


def test_a_restored_ledger_gets_pictures_of_its_own_revision(tmp_path: Path) -> None:
    one = case(look(1, Seen.HIT))
    desk = Desk(tmp_path, EvidenceOptions(), ZONE)
    said = {**subject().properties, "run_id": "a", "last_seen": "2025-02-01T03:00:00Z"}

    def drawn(run_id: str) -> int:
        return draw_cases([one], lambda _: {**said, "run_id": run_id}, lambda _: views(), desk).made

    assert [drawn(run) for run in ("a", "a", "b", "b")] == [1, 0, 1, 0]


def test_an_output_gets_links_or_copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(tmp_path / "shelf", {"a": b"1", MANIFEST: b"{}"})
    lay_out(tmp_path / "shelf", tmp_path / "linked")
    assert (tmp_path / "linked/a").samefile(tmp_path / "shelf/a")
    (tmp_path / "shelf/a").chmod(0o644)  # as an earlier version kept it
    lay_out(tmp_path / "shelf", tmp_path / "again")

    def refused(*_: object) -> None:
        raise OSError("no links here")

    monkeypatch.setattr(os, "link", refused)
    lay_out(tmp_path / "shelf", tmp_path / "copied")
    assert (tmp_path / "copied/a").read_bytes() == b"1"
    assert not (tmp_path / "copied/a").samefile(tmp_path / "shelf/a")
    for place in ("shelf", "linked", "again", "copied"):
        assert not (tmp_path / place / "a").stat().st_mode & 0o222, "an edit in place"
    remove_tree(tmp_path / "linked")
    assert not (tmp_path / "linked").exists()
    assert (tmp_path / "shelf/a").read_bytes() == b"1"
