"""The review page: what it is made of, and that nothing in its data is more than text."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import sys
from contextlib import closing
from dataclasses import replace
from datetime import date
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from affine import Affine

sys.path.insert(0, str(Path(__file__).parent))
import review_pages as pages

from pipeline.io.shelf import keep
from pipeline.ledger.status import REASON_ZH, Mover, Reason, Verdict, allowed
from pipeline.model import (
    DRONE_SURFACES,
    Grade,
    Grid,
    Kind,
    Lead,
    LeadSource,
    PeopleRecord,
    Proposed,
    Severity,
    Status,
)
from pipeline.passes.map_tiles import SIDE, Picture, pyramid
from pipeline.publish import PublishContext, feature_of
from pipeline.publish.gis.drawings import KIND_COLOURS
from pipeline.publish.gis.layers import Said, run_cases
from pipeline.publish.rows import row_of
from pipeline.review.data import Entry, page_data
from pipeline.review.page import NAMES, as_script, page_files
from pipeline.shown import _may

PAGE = Path(__file__).parents[1] / "pipeline/review/page"
SCRIPTS = [n for n in NAMES if n.endswith(".js")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("page")
    return pages.publish(root, [pages.case(n) for n in range(2)]).parent


def data_of(folder: Path) -> dict[str, object]:
    text = (folder / "data.js").read_text(encoding="utf-8")
    found = re.fullmatch(r"window\.SILUAN_DATA=JSON\.parse\('(.*)'\);\n", text)
    assert found
    assert not re.search(r"(?<!\\)(\\\\)*'", found[1])  # nothing ends the string
    return json.loads(re.sub(r"\\(['\\])", r"\1", found[1]))


def test_no_text_of_the_data_can_end_the_script(folder: Path) -> None:
    text = (folder / "data.js").read_text(encoding="utf-8")
    assert not set("<>&\u2028\u2029") & set(text)
    (corridor,) = data_of(folder)["corridors"]
    assert corridor["name"] == pages.HOSTILE
    assert b"JSON.parse" in as_script({"a": "\ud800"})


def test_the_page_writes_text_only_and_asks_nobody() -> None:
    for name in SCRIPTS:
        script = (PAGE / name).read_text(encoding="utf-8")
        risky = (
            r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|Function\(|fetch\(|XMLHttp"
        )
        assert not re.search(risky, script), name
        assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", script), name
    page = (PAGE / "index.html").read_text(encoding="utf-8")
    assert "default-src 'none'" in page
    assert not re.search(r"https?://|\son\w+=|style=", page)
    assert sum((PAGE / n).stat().st_size for n in SCRIPTS) <= 300_000


def test_the_page_has_all_that_it_names(folder: Path) -> None:
    page = (folder / "index.html").read_text(encoding="utf-8")
    names = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert {*names, "index.html"} == {*NAMES, "data.js"}
    for case in data_of(folder)["cases"]:
        pictures = [folder / case["folder"] / f"{n}.png" for n in (*case["pics"], "overview")]
        assert len(pictures) == 5
        assert all(p.is_file() for p in pictures)
    words = (PAGE / "words.js").read_text(encoding="utf-8")
    said = {w for n in SCRIPTS for w in re.findall(r'say\("(\w+)"', (PAGE / n).read_text())}
    said |= set(re.findall(r'data-word="(\w+)"', page))
    assert not {w for w in said if not re.search(rf"\b{w}:", words) and not w.startswith("sort_")}


def test_a_rerun_with_evidence_and_a_map_is_the_same_and_keeps_what_people_edited(
    tmp_path: Path,
) -> None:
    cases = [pages.case(n) for n in range(2)]
    folder = pages.publish(tmp_path, cases).parents[1]
    project = (folder / "siluan.qgs").read_text(encoding="utf-8")
    sources = re.findall(r'source="\./(mosaics/[^"]+)"', project)
    assert sources
    shown = "".join((folder / name).read_text(encoding="utf-8") for name in sources)
    for one, time in product(cases, ("before", "after")):
        assert f"evidence/{one.case_id}/{one.revision}/{time}.tif" in shown
    with closing(sqlite3.connect(folder / "cases.gpkg")) as file:
        (shown,) = file.execute("SELECT picture FROM cases LIMIT 1").fetchone()
    assert (folder / shown).is_file()
    before = tree(folder)
    pages.publish(tmp_path, cases)
    assert tree(folder) == before
    (folder / "siluan.qgs").write_text(project + " ", encoding="utf-8")
    pages.publish(tmp_path, cases)
    assert tree(folder) == before
    (kept,) = (tmp_path / "out" / "edited").iterdir()
    assert kept.read_text(encoding="utf-8") == project + " "


def test_the_page_knows_which_verdict_the_ledger_holds_and_nobodys_name(tmp_path: Path) -> None:
    said = PeopleRecord("王工", date(2025, 7, 2), verdict="问题", decided_on=date(2025, 6, 1))
    cases = [replace(pages.case(1), people=said), pages.case(4)]
    folder = pages.publish(tmp_path, cases, pictures=False).parent
    assert [c["told"] for c in data_of(folder)["cases"]] == [[["问题", "2025-06-01", 2]], []]
    assert "王工" not in (folder / "data.js").read_text(encoding="utf-8")


def test_a_page_without_imagery_of_its_own_shows_what_the_last_patrol_left(tmp_path: Path) -> None:
    shelf = tmp_path / "state" / "maps" / "river"
    grid = Grid(pages.CRS, Affine(10, 0, pages.X, 0, -10, pages.Y), (512, 512))
    for n, name in enumerate(("older", "newest", "torn")):
        seen = np.full((SIDE, SIDE, 4), 40 * n, np.uint8)
        keep(shelf / name, pyramid({(0, 0): Picture.of(seen)}, grid, SIDE))
        os.utime(shelf / name, (n, n))
    (shelf / "torn" / "0_0_0.webp").unlink()
    folder = pages.publish(tmp_path, [pages.case(0)], pictures=False).parent
    (found,) = data_of(folder)["maps"]
    assert (found["when"], [t["name"] for t in found["tiles"]]) == ("", ["0_0_0.webp"])
    shown = (folder / found["folder"] / "0_0_0.webp").read_bytes()
    assert shown == (shelf / "newest" / "0_0_0.webp").read_bytes()


def tree(folder: Path) -> dict[str, bytes]:
    files = (p for p in folder.rglob("*") if p.is_file() and p.name != "run.json")
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in files}


def test_a_kind_has_one_colour_on_the_page_in_qgis_and_in_kml() -> None:
    script = (PAGE / "map.js").read_text(encoding="utf-8")
    for kind, colour in KIND_COLOURS.items():
        assert f'{kind.value}: "{colour}"' in script


def test_the_page_tells_severity_leads_budget_and_what_a_drone_measured(tmp_path: Path) -> None:
    one = replace(
        pages.case(0),
        leads=(Lead(date(2025, 3, 1), LeadSource.REPORT, "12", Kind.DUI, "list", "key"),),
        grade=Grade("d1", "垃圾堆放", Severity("较大", False, 1, "m2", 5400.0)),
        measures={n + e: v for n in ("height_m", "net_m3", "footprint_m2")
                  for e, v in (("", 2.5), ("_low", 2.0), ("_high", 3.0))},
        detector=DRONE_SURFACES,
    )  # fmt: skip
    budget = Proposed(3, 9, "2025-06", "渌口区", 0.5, "本月名额已满")
    context = PublishContext(proposed={one.case_id: budget})
    entry = Entry("cases", feature_of(one, context), None, None, ())
    (shown,) = page_data({}, ([], []), [entry], pages.ZONE)["cases"]
    assert shown["subtype"] == "疑似垃圾堆放"
    assert shown["severity"] == "较大（分级表未经核实）"
    assert shown["leads"] == ["举报 12（2025-03-01）"]
    assert shown["budget"] == "2025-06 渌口区 3/9 · 本月名额已满"
    assert shown["measured"] == [["height_m", 2.5, 2.0, 3.0], ["net_m3", 2.5, 2.0, 3.0]]
    row = row_of(one)
    assert (row["subtype_zh"], row["severity"]) == (shown["subtype"], shown["severity"])
    assert (row["leads"], row["volume_m3"], row["height_m"]) == (shown["leads"][0], "2.50", "2.50")
    layer = run_cases(
        ("cases", ""),
        [one],
        Said({}, {}, {}, frozenset(), {}, {one.case_id: budget}, {one.case_id: "a.png"}),
    )
    told = layer.rows[0]
    assert (told["proposed_rank"], told["waits"], told["picture"]) == (3, "本月名额已满", "a.png")


def test_the_page_knows_the_closed_lists_of_the_ledger() -> None:
    words = (PAGE / "words.js").read_text(encoding="utf-8")
    verdicts = re.findall(r'\["([^"]+)", "[^"]+"\]', words.split("const VERDICTS")[1].split(";")[0])
    assert sorted(verdicts) == sorted(v.value for v in Verdict)
    for reason in Reason:
        assert f'{reason.value}: ["{REASON_ZH[reason]}"' in words
    for status in Status:
        assert f"{status.value}: [" in words
        # 问题 makes a case verified, without a reason; 不是问题 makes it rejected.
        ways = allowed(status, Mover.PERSON)
        assert ("no" in _may(status)) == (Status.REJECTED in ways)
    assert [s for s in Status if "yes" in _may(s)] == [
        Status.ISSUED, Status.VERIFIED, Status.RECTIFYING, Status.RELAPSED,
    ]  # fmt: skip


def test_the_same_data_gives_the_same_page(folder: Path) -> None:
    data = data_of(folder)
    assert page_files(data) == page_files(json.loads(json.dumps(data)))


def test_no_word_of_the_page_is_written_over_by_another() -> None:
    """Two words under one code: the later one showed up in a place of the earlier."""
    text = (PAGE / "words.js").read_text(encoding="utf-8")
    table = text[text.index("const WORDS") : text.index("const STATUS")]
    codes = re.findall(r"(?:^|[\s,{])(\w+): \[", table)
    assert sorted(set(codes)) == sorted(codes)
