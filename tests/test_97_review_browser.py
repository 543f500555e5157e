"""The review page in Debian's Chromium: opened from a file, with 12 and with 5,000 cases."""

from __future__ import annotations

import csv
import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from shapely.geometry import Point, Polygon, box
from typer.testing import CliRunner

sys.path.insert(0, str(Path(__file__).parent))
import review_pages as pages

from pipeline.cli import app
from pipeline.ledger import open_ledger
from pipeline.model import Case, Status

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]
CHROMIUM = Path("/usr/bin/chromium")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip


def _cannot(why: str) -> None:
    if os.environ.get("SILUAN_REQUIRE_BROWSER"):
        pytest.fail(why)
    pytest.skip(why)


class Browser:
    """Opens pages at 1366 by 768, each in a profile of its own, and hears all that they ask for."""

    def __init__(self, playwright: Any, folder: Path) -> None:
        self._playwright, self._folder, self._open = playwright, folder, []
        self.asked: list[str] = []
        self.errors: list[str] = []

    def open(self, page: Path, fragment: str = "") -> Any:
        context = self._playwright.chromium.launch_persistent_context(
            str(self._folder / f"profile{len(self._open)}"),
            executable_path=str(CHROMIUM),
            args=list(FLAGS),
            viewport={"width": 1366, "height": 768},
            accept_downloads=True,
        )
        self._open.append(context)
        tab = context.pages[0]
        tab.on("request", lambda r: self.asked.append(r.url))
        tab.on("pageerror", lambda e: self.errors.append(str(e)))
        tab.on("console", lambda m: self.errors.append(m.text) if m.type == "error" else None)
        tab.goto(page.as_uri() + fragment)
        tab.wait_for_function("window.siluanReady > 0")
        return tab

    def close(self) -> None:
        for context in self._open:
            context.close()


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        _cannot("playwright is not installed (make browser)")
        return
    if not CHROMIUM.exists():
        _cannot(f"{CHROMIUM} is not installed (.ci/browser)")
    with sync_playwright() as playwright:
        one = Browser(playwright, tmp_path)
        yield one
        one.close()
    assert one.errors == []
    assert [u for u in one.asked if not u.startswith(("file:", "data:", "blob:"))] == []


def shot(tab: Any, name: str) -> None:
    """Keep a picture where the lane is told to."""
    if folder := os.environ.get("SILUAN_SHOTS"):
        tab.wait_for_timeout(400)
        tab.screenshot(path=str(Path(folder) / f"{name}.png"))


def processor_ms(tab: Any) -> float:
    """Load again, and give what the page's own process worked until it was ready [ms]."""
    session = tab.context.new_cdp_session(tab)
    session.send("Performance.enable")

    def spent() -> float:
        found = session.send("Performance.getMetrics")["metrics"]
        return 1000 * next(m["value"] for m in found if m["name"] == "ProcessTime")

    before = spent()
    tab.reload()
    tab.wait_for_function("window.siluanReady > 0")
    return spent() - before


def current(tab: Any) -> str:
    return tab.evaluate("decodeURIComponent(location.hash.slice(1))")


def ledger_cases(root: Path) -> dict[str, Case]:
    with open_ledger(root / "state/ledger.sqlite", writing=False) as ledger:
        return {c.case_id: c for c in ledger.cases()}


def test_twelve_cases_from_the_first_look_to_verdicts_in_the_ledger(
    tmp_path: Path, browser: Browser
) -> None:
    known = {c.case_id: c for c in map(pages.case, range(12))}
    tab = browser.open(pages.publish(tmp_path, list(known.values())))
    shot(tab, "review_12")
    assert tab.evaluate("window.hacked") is None
    assert tab.inner_text("#notice") == "仅为线索，不作为处罚依据"
    assert tab.inner_text("#count") == "12 / 12 条"
    assert pages.HOSTILE.replace("\u2028", "") in tab.inner_text("#facts").replace("\u2028", "")
    assert tab.evaluate("document.getElementById('before').naturalWidth") == 64

    # Keys: next and previous.
    first = current(tab)
    tab.keyboard.press("n")
    second = current(tab)
    assert second != first
    tab.keyboard.press("p")
    assert current(tab) == first

    # A filter: one kind alone, then a search.
    tab.click("#kinds button:nth-child(1)")
    assert tab.inner_text("#count") == "9 / 12 条"
    tab.click("#kinds button:nth-child(1)")
    tab.fill("#search", "0000000b")
    assert tab.inner_text("#count") == "1 / 12 条"
    tab.fill("#search", "")
    tab.keyboard.press("Escape")

    # Nothing leaves without a name; the name may hold what a spreadsheet would run.
    tab.keyboard.press("s")
    assert tab.evaluate("document.activeElement.id") == "by"
    tab.fill("#by", '=王工, "二"')
    tab.keyboard.press("Escape")

    issued = [c for c in known.values() if c.status is Status.ISSUED]
    fresh = next(c for c in known.values() if c.status is Status.SUSPECTED)
    for case in issued[:2]:
        tab.evaluate(f"location.hash = '#{case.case_id}'")
        tab.wait_for_function(
            f"document.getElementById('name').textContent.includes('{case.case_id}')"
        )
        tab.keyboard.press("1")
        assert "问题" in tab.inner_text("#said")
    # A corrected outline on the second of them.
    tab.keyboard.press("o")
    box = tab.locator("#map").bounding_box()
    middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    for dx, dy in ((-90, -60), (80, -60), (80, 60), (-90, 60)):
        tab.mouse.click(middle[0] + dx, middle[1] + dy)
    shot(tab, "review_drawing")
    tab.keyboard.press("Enter")
    assert "已画更正轮廓" in tab.inner_text("#said")
    # 问题 waits until the case was issued; 不是问题 needs its reason.
    tab.evaluate(f"location.hash = '#{fresh.case_id}'")
    tab.wait_for_function(
        f"document.getElementById('name').textContent.includes('{fresh.case_id}')"
    )
    assert tab.locator("#verdicts button").nth(0).is_disabled()
    tab.keyboard.press("3")
    assert tab.evaluate("document.activeElement.id") == "reason"
    assert tab.evaluate("document.getElementById('said').className") == "bad"
    tab.select_option("#reason", "crop")
    tab.keyboard.press("Escape")
    tab.fill("#note", '=现场，"玉米"')
    tab.keyboard.press("Escape")

    with tab.expect_download() as waiting:
        tab.keyboard.press("s")
    file = tmp_path / waiting.value.suggested_filename
    waiting.value.save_as(file)
    rows = list(csv.DictReader(file.read_text(encoding="utf-8-sig").splitlines()))
    assert len(rows) == 3
    words = ["cases", "verdict", str(file), "--state", str(tmp_path / "state")]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    after = ledger_cases(tmp_path)
    assert [after[c.case_id].status for c in issued[:2]] == [Status.VERIFIED] * 2
    assert after[fresh.case_id].status is Status.REJECTED
    people = after[fresh.case_id].people
    assert people
    assert (people.reason, people.note, people.by) == ("crop", '=现场，"玉米"', '=王工, "二"')
    moved = after[issued[1].case_id]
    assert moved.people
    assert moved.people.outline_fixed
    assert not moved.polygon.equals(issued[1].polygon)

    # What was said stays in this browser; English; the sheet for the printer.
    tab.click("#language")
    assert tab.inner_text("#save") == "Download verdicts"
    shot(tab, "review_english")
    tab.emulate_media(media="print")
    assert tab.locator("#print img").is_visible()
    shot(tab, "review_print")


def test_a_verdict_is_of_whoever_was_named_when_it_was_given(
    tmp_path: Path, browser: Browser
) -> None:
    issued = [c for c in map(pages.case, range(6)) if c.status is Status.ISSUED]
    tab = browser.open(pages.publish(tmp_path, issued, pictures=False))
    for name, case in zip(("王工", "李工"), issued, strict=True):
        tab.fill("#by", name)
        tab.keyboard.press("Escape")
        tab.evaluate(f"location.hash = '#{case.case_id}'")
        tab.wait_for_function(
            f"document.getElementById('name').textContent.includes('{case.case_id}')"
        )
        tab.keyboard.press("1")
    tab.click("#help")  # no key judges behind the list of keys
    tab.keyboard.press("3")
    tab.keyboard.press("Escape")
    with tab.expect_download() as waiting:
        tab.keyboard.press("s")
    waiting.value.save_as(tmp_path / "v.csv")
    rows = csv.DictReader((tmp_path / "v.csv").read_text(encoding="utf-8-sig").splitlines())
    found = [(r["case_id"], r["verdict"], r["by"]) for r in rows]
    names = [(c.case_id, "问题", by) for c, by in zip(issued, ("王工", "李工"), strict=True)]
    assert sorted(found) == sorted(names)


def go_to(tab: Any, case: Case) -> None:
    tab.evaluate(f"location.hash = '#{case.case_id}'")
    tab.wait_for_function(f"document.getElementById('name').textContent.includes('{case.case_id}')")


def test_what_is_not_in_the_ledger_is_offered_on_the_page_of_the_next_run(
    tmp_path: Path, browser: Browser
) -> None:
    issued = [c for c in map(pages.case, range(12)) if c.status is Status.ISSUED]
    first, second, third, fourth = issued
    week1 = pages.publish(tmp_path / "a", issued, pictures=False)
    # A week later: one has changed, one is gone.
    later = [first, replace(second, revision=second.revision + 1), third]
    week2 = pages.publish(tmp_path / "b", later, pictures=False, run_id="fedcbafedcba")
    tab = browser.open(week1)
    assert tab.locator("#left").is_hidden()
    tab.fill("#by", "王工")
    tab.keyboard.press("Escape")
    go_to(tab, third)
    tab.keyboard.press("1")
    with tab.expect_download():  # this one left
        tab.keyboard.press("s")
    assert tab.inner_text("#save") == "下载核查结果"
    for case in (first, second, fourth):
        go_to(tab, case)
        tab.keyboard.press("2")
    assert tab.inner_text("#save") == "下载核查结果 (3)"

    tab.goto(week2.as_uri())
    tab.wait_for_function("window.siluanReady > 0")
    told = tab.inner_text("#left")
    assert "台账中还没有的结论有 4 条（运行 abcdefabcdef）" in told
    assert "其中 1 条已交给浏览器下载" in told  # and not read since: nobody knows that it was kept
    assert "2 条的案件没有变化" in told
    assert second.case_id in told
    assert fourth.case_id in told
    shot(tab, "review_left")
    tab.click("#left button.main")
    assert tab.locator("#left").is_hidden()
    assert tab.inner_text("#save") == "下载核查结果 (2)"
    with tab.expect_download() as waiting:
        tab.keyboard.press("s")
    waiting.value.save_as(tmp_path / "v.csv")
    rows = csv.DictReader((tmp_path / "v.csv").read_text(encoding="utf-8-sig").splitlines())
    assert {(r["case_id"], r["verdict"], r["by"]) for r in rows} == {
        (first.case_id, "问题·历史碍洪", "王工"),
        (third.case_id, "问题", "王工"),
    }

    # What could not be taken over is asked for again, until somebody lets it go.
    tab.reload()
    tab.wait_for_function("window.siluanReady > 0")
    assert "台账中还没有的结论有 2 条" in tab.inner_text("#left")
    tab.click("#left button:nth-of-type(1)")
    tab.reload()
    tab.wait_for_function("window.siluanReady > 0")
    assert tab.locator("#left").is_hidden()


def ready(tab: Any, page: Path) -> None:
    tab.goto(page.as_uri())
    tab.wait_for_function("window.siluanReady > 0")


def test_of_two_words_on_a_case_the_later_is_offered_and_none_is_lost_by_a_rerun(
    tmp_path: Path, browser: Browser
) -> None:
    one = next(c for c in map(pages.case, range(6)) if c.status is Status.ISSUED)
    page = {
        name: pages.publish(tmp_path / name, [one], pictures=False, run_id=name * 12)
        for name in ("c", "a", "b")
    }
    tab = browser.open(page["a"])
    for name, word in (("c", "2"), ("a", "1")):  # the later is read from the storage first, or last
        ready(tab, page[name])
        if tab.locator("#left").is_visible():
            tab.click("#left button:nth-of-type(3)")
        tab.fill("#by", "王工")
        tab.keyboard.press("Escape")
        tab.keyboard.press(word)
    ready(tab, page["b"])
    assert "台账中还没有的结论有 1 条（运行 aaaaaaaaaaaa）" in tab.inner_text("#left")
    tab.click("#left button.main")
    assert tab.inner_text("#save") == "下载核查结果 (1)"
    # The same run is made again after the case has moved on: it is not counted here any more.
    later = replace(one, revision=one.revision + 1)
    again = pages.publish(tmp_path / "b2", [later], pictures=False, run_id="b" * 12)
    ready(tab, again)
    assert tab.inner_text("#save") == "下载核查结果"
    assert "台账中还没有的结论有 1 条" in tab.inner_text("#left")
    assert one.case_id in tab.inner_text("#left")
    tab.click("#left button:nth-of-type(1)")  # let go, on all pages
    for name in ("c", "a", "b"):
        ready(tab, page[name] if name != "b" else again)
        assert tab.locator("#left").is_hidden()


def judge_and_refuse(tab: Any, cases: list[Case]) -> None:
    """Give verdicts whose download the browser does not keep."""
    tab.fill("#by", "王工")
    tab.keyboard.press("Escape")
    for case in cases:
        go_to(tab, case)
        tab.keyboard.press("1")
    with tab.expect_download() as waiting:
        tab.keyboard.press("s")
    waiting.value.cancel()
    assert "已交给浏览器下载 2 条" in tab.inner_text("#said")


def test_verdicts_of_a_refused_download_are_offered_until_the_ledger_shows_them(
    tmp_path: Path, browser: Browser
) -> None:
    issued = [c for c in map(pages.case, range(6)) if c.status is Status.ISSUED]
    root = tmp_path / "a"
    tab = browser.open(pages.publish(root, issued, pictures=False))
    judge_and_refuse(tab, issued)
    ready(tab, pages.publish(root, issued, pictures=False, run_id="b" * 12))
    assert "其中 2 条已交给浏览器下载" in tab.inner_text("#left")
    tab.click("#left button.main")
    with tab.expect_download() as waiting:
        tab.keyboard.press("s")
    waiting.value.save_as(tmp_path / "v.csv")
    words = ["cases", "verdict", str(tmp_path / "v.csv"), "--state", str(root / "state")]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    read = list(ledger_cases(root).values())
    assert all(c.revision > 1 for c in read)
    ready(tab, pages.publish(root, read, pictures=False, run_id="c" * 12))
    assert tab.locator("#left").is_hidden()
    # Somebody else's change is no sign that the file was read.
    changed = [replace(c, revision=c.revision + 1) for c in issued]
    ready(tab, pages.publish(tmp_path / "d", changed, pictures=False, run_id="d" * 12))
    assert "2 条的案件已有新版本" in tab.inner_text("#left")


_CUT = """() => {
  const wide = document.documentElement.clientWidth, found = [];
  const near = (e) => e.id || e.textContent;
  const both = (a, b, c, d) => Math.min(b, d) - Math.max(a, c) > 1;
  if (document.documentElement.scrollWidth > wide) found.push("page scrolls sideways");
  for (const e of document.querySelectorAll("section"))
    if (e.clientWidth && e.scrollWidth > e.clientWidth) found.push(e.id + " scrolls sideways");
  const shown = [...document.querySelectorAll("button, select, input, h1, h2, #notice, #legend")]
    .filter((e) => e.offsetParent).map((e) => [e, e.getBoundingClientRect()]);
  for (const [e, r] of shown) {
    if (r.left < 0 || r.right > wide) found.push(near(e) + " is cut");
    if (e.tagName === "BUTTON" && e.scrollWidth > e.clientWidth) found.push(near(e) + " is short");
    for (const [f, s] of shown)
      if (e !== f && both(r.left, r.right, s.left, s.right)
        && both(r.top, r.bottom, s.top, s.bottom)) found.push(near(e) + " × " + near(f));
  }
  return found;
}"""


@pytest.mark.parametrize("size", [(1366, 768), (1024, 768), (800, 900), (390, 844)])
def test_nothing_is_cut_or_covered_on_narrow_screens(
    tmp_path: Path, browser: Browser, size: tuple[int, int]
) -> None:
    page = pages.publish(tmp_path, list(map(pages.case, range(3))))
    tab = browser.open(page)
    tab.set_viewport_size({"width": size[0], "height": size[1]})
    for _ in range(2):  # Chinese, then English
        assert tab.evaluate(_CUT) == []
        shot(tab, f"review_{size[0]}")
        tab.click("#language")


def test_corners_are_placed_and_moved_by_keys_alone(tmp_path: Path, browser: Browser) -> None:
    one = next(c for c in map(pages.case, range(6)) if c.status is Status.ISSUED)
    tab = browser.open(pages.publish(tmp_path, [one], pictures=False))
    tab.fill("#by", "王工")

    def press(*keys: str) -> None:
        for key in keys:
            tab.keyboard.press(key)

    press("Escape", "1", "o", *["ArrowLeft"] * 9, *["ArrowUp"] * 6, " ", *["ArrowRight"] * 18, " ")
    press(*["ArrowDown"] * 12, " ", *["ArrowLeft"] * 18, " ")
    corners = tab.evaluate("Chart.corners()")
    sides = [abs(corners[2][0] - corners[0][0]), abs(corners[2][1] - corners[0][1])]
    assert [round(s) for s in sides] == [18 * 8, 12 * 8]
    press("Enter")
    assert "已画更正轮廓" in tab.inner_text("#said")
    press("e", " ", " ", "Shift+ArrowDown")
    moved = tab.evaluate("Chart.corners()")
    assert len(moved) == 4
    assert round(moved[1][1] - corners[1][1]) == 1
    press("Backspace")
    assert len(tab.evaluate("Chart.corners()")) == 3
    press("Escape")


def test_corners_of_a_strip_and_of_an_outline_with_a_hole(tmp_path: Path, browser: Browser) -> None:
    one, two = [c for c in map(pages.case, range(12)) if c.status is Status.ISSUED][:2]
    x, y = one.polygon.centroid.x, one.polygon.centroid.y
    steps = [(x + 10 * i, y + 2 * (i % 2)) for i in range(40)]
    strip = Polygon([*steps, *[(px, py + 12) for px, py in reversed(steps)]])
    x, y = two.polygon.centroid.x, two.polygon.centroid.y
    holed = box(x - 40, y - 40, x + 40, y + 40) - Point(x, y).buffer(15)
    cases = [replace(c, polygon=p, area_m2=p.area) for c, p in ((one, strip), (two, holed))]
    tab = browser.open(pages.publish(tmp_path, cases, pictures=False))
    tab.fill("#by", "王工")
    tab.keyboard.press("Escape")
    for case in cases:
        go_to(tab, case)
        tab.keyboard.press("1")
        tab.keyboard.press("e")
        found = Polygon(tab.evaluate("Chart.corners()"))
        outer = Polygon(case.polygon.exterior)
        filled = [p.area / p.minimum_rotated_rectangle.area for p in (found, outer)]
        assert abs(filled[0] - filled[1]) < 0.15
        assert ("最大的一块" in tab.inner_text("#hint")) == bool(case.polygon.interiors)
        tab.keyboard.press("Enter")
        assert "已画更正轮廓" in tab.inner_text("#said")


def test_corners_of_an_outline_are_dragged_added_and_taken_away(
    tmp_path: Path, browser: Browser
) -> None:
    one = next(c for c in map(pages.case, range(6)) if c.status is Status.ISSUED)
    tab = browser.open(pages.publish(tmp_path, [one], pictures=False))
    tab.fill("#by", "王工")
    tab.keyboard.press("Escape")
    tab.keyboard.press("1")
    tab.keyboard.press("e")
    box = tab.locator("#map").bounding_box()

    def corners() -> list[list[float]]:
        return tab.evaluate("Chart.corners()")

    before = corners()
    assert len(before) == 4
    x, y = before[0]
    tab.mouse.move(box["x"] + x, box["y"] + y)
    tab.mouse.down()
    tab.mouse.move(box["x"] + x + 30, box["y"] + y + 20, steps=4)
    tab.mouse.up()
    moved = corners()
    assert moved[1:] == before[1:]
    assert abs(moved[0][0] - x - 30) < 2
    edge = [(a + b) / 2 for a, b in zip(before[1], before[2], strict=True)]
    tab.mouse.click(box["x"] + edge[0], box["y"] + edge[1])
    assert len(corners()) == 5
    tab.keyboard.press("Backspace")
    assert len(corners()) == 4
    shot(tab, "review_corners")
    tab.keyboard.press("Enter")
    assert "已画更正轮廓" in tab.inner_text("#said")
    with tab.expect_download() as waiting:
        tab.keyboard.press("s")
    file = tmp_path / "v.csv"
    waiting.value.save_as(file)
    done = CliRunner().invoke(
        app, ["cases", "verdict", str(file), "--state", str(tmp_path / "state")]
    )
    assert done.exit_code == 0, done.output
    after = ledger_cases(tmp_path)[one.case_id]
    assert after.people
    assert after.people.outline_fixed
    shared = after.polygon.intersection(one.polygon).area
    assert 0.7 < shared / one.polygon.area < 1.0


def test_everything_that_is_worked_with_has_a_name(tmp_path: Path, browser: Browser) -> None:
    tab = browser.open(pages.publish(tmp_path, list(map(pages.case, range(3))), pictures=False))
    nameless = tab.evaluate(
        """[...document.querySelectorAll(
            'button, select, input, a, canvas, [role]:not([role=status])')].filter((e) =>
          e.offsetParent !== null && !e.ariaHidden && !e.textContent.trim() && !e.ariaLabel
          && !(e.labels && e.labels.length)).map((e) => e.outerHTML)"""
    )
    assert nameless == []
    # Every stop of the Tab key is seen.
    stops: list[str] = []
    for _ in range(40):
        tab.keyboard.press("Tab")
        stops.append(
            tab.evaluate(
                """(() => { const e = document.activeElement; const s = getComputedStyle(e);
                return e === document.body ? 'body' : s.outlineStyle + ' ' + e.id; })()"""
            )
        )
    assert {"solid by", "solid save", "solid search", "solid rows", "solid map"} <= set(stops)
    assert not [s for s in stops if s.startswith("none")]


def test_five_thousand_cases_are_there_in_two_seconds(tmp_path: Path, browser: Browser) -> None:
    many = [pages.case(n, looks=40) for n in range(5000)]
    page = pages.publish(tmp_path, many, pictures=False)
    wanted = many[4321].case_id
    tab = browser.open(page, f"#{wanted}")
    ready = [tab.evaluate("window.siluanReady")]
    for _ in range(2):  # the first start of a browser on a busy machine is not the page's time
        tab.reload()
        tab.wait_for_function("window.siluanReady > 0")
        ready.append(tab.evaluate("window.siluanReady"))
    cpu = processor_ms(tab)
    print(f"ready after {', '.join(f'{r:.0f}' for r in ready)} ms, {cpu:.0f} ms of the processor")
    busy = os.getloadavg()[0] > 2 * (os.cpu_count() or 1)  # then wall time is the neighbours'
    assert (cpu if busy else min(ready)) <= 2000
    assert current(tab) == wanted
    assert wanted in tab.inner_text("#name")
    assert tab.inner_text("#count") == "5000 / 5000 条"
    shot(tab, "review_5000")
    assert tab.locator("#rows .item").count() < 60  # only what can be seen is there
    tab.select_option("#status", "issued")
    issued = sum(c.status is Status.ISSUED for c in many)
    assert tab.inner_text("#count") == f"{issued} / 5000 条"
    tab.select_option("#sort", "id")
    for _ in range(30):
        tab.keyboard.press("Escape")
        tab.keyboard.press("n")
    assert tab.locator("#rows .item.current").is_visible()
    spent = tab.evaluate(
        "(() => { const t = performance.now(); document.getElementById('sort')"
        ".dispatchEvent(new Event('change')); return performance.now() - t; })()"
    )
    assert spent < 500
