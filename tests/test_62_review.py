"""The review page: what it is made of, and that nothing in its data is more than text."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import review_pages as pages

from pipeline.ledger.status import REASON_ZH, Mover, Reason, Verdict, allowed
from pipeline.model import Status
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
