"""The one-page form: offline, complete, and what it writes is what is read."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import flight
import office

from pipeline.acquire.inbox.form import FlightForm, read_form
from pipeline.acquire.inbox.page import NAME_ZH, form_page
from pipeline.office.flights import desk
from pipeline.office.inbox import look


class Page(HTMLParser):
    """Fields, labels and what a page would load."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.fields: dict[str, dict[str, str | None]] = {}
        self.options: dict[str, list[str]] = {}
        self.labels: set[str] = set()
        self.loads: list[str] = []
        self._select = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.loads += [v for k, v in attrs if k in ("src", "href") and v]
        if tag == "label" and found.get("for"):
            self.labels.add(str(found["for"]))
        if tag in ("input", "select", "textarea"):
            self.fields[str(found["name"])] = found
            self._select = str(found["name"])
        if tag == "option" and found.get("value"):
            self.options.setdefault(self._select, []).append(str(found["value"]))


PAGE = form_page({})


def test_it_loads_nothing_and_every_field_has_a_label() -> None:
    page = Page(PAGE)
    assert page.loads == []
    assert not re.search(r"https?:|//\w|url\(|import|fetch\(", PAGE)
    unlabelled = set(page.fields) - page.labels
    assert unlabelled == {"history"}  # stands inside its label
    assert not re.search(r"tabindex=\"[1-9]|onclick", PAGE)  # the keyboard goes in the order shown


def test_it_asks_for_what_the_form_needs_and_for_nothing_else() -> None:
    page = Page(PAGE)
    asked = set(page.fields) - {"zone"}  # becomes part of 'flown'
    assert asked <= set(FlightForm.model_fields)
    assert set(FlightForm.model_fields) - asked == {"bands", "files", "height_unit"}
    needed = {n for n, f in FlightForm.model_fields.items() if f.is_required()}
    assert needed <= {n for n, f in page.fields.items() if "required" in f}
    assert set(page.options["vertical"]) == {"1985", "ellipsoid", "unknown"}


@pytest.mark.skipif(shutil.which("node") is None, reason="no node to run the page's script")
def test_what_it_writes_is_read(tmp_path: Path) -> None:
    odd = "渌口\"区\"\\: #'队'\n- x"
    values: dict[str, Any] = {
        "team": odd, "drone": "a: b", "camera": "*c", "flown": "2026-11-20T10:30",
        "zone": "+08:00", "vertical": "1985", "rtk": "true", "gcp": "4", "horizontal": "",
        "gsd_m": "0.05", "supersedes": "", "history": True, "photo_zone": "+08:00", "note": "{",
    }  # fmt: skip
    script = re.findall(r"<script>(.*?)</script>", PAGE, re.S)[0]
    run = f"{script}\nprocess.stdout.write(toYaml({json.dumps(values)}))"
    done = subprocess.run(["node", "-e", run], capture_output=True, check=True)
    path = tmp_path / "flight.yaml"
    path.write_bytes(done.stdout)
    form = read_form(path, flight.NOW)
    assert (form.team, form.drone, form.camera, form.note) == (odd, "a: b", "*c", "{")
    assert form.flown.isoformat() == "2026-11-20T10:30:00+08:00"
    assert (form.vertical, form.rtk, form.gcp, form.gsd_m) == ("1985", True, 4, 0.05)
    assert (form.horizontal, form.supersedes, form.history) == (None, None, True)


def test_what_is_known_cannot_leave_its_place() -> None:
    page = form_page({"team": "</script><script>alert(1)</script>"})
    assert page.count("</script>") == PAGE.count("</script>")
    held = re.findall(r'id="prefill">(.*?)</script>', page, re.S)[0]
    assert json.loads(held)["team"].startswith("</script>")


def test_a_drop_without_a_form_gets_one_with_what_its_files_say(tmp_path: Path) -> None:
    drop = flight.odm(tmp_path / "drop")
    (drop / "flight.yaml").unlink()
    assert flight.codes(flight.hand_in(tmp_path, drop)) == ["no_form"]
    page = (tmp_path / "drop_登记表.html").read_text("utf-8")
    held = json.loads(re.findall(r'id="prefill">(.*?)</script>', page, re.S)[0])
    assert held == {"horizontal": flight.CRS, "gsd_m": "0.05"}
    assert "登记表.html" in (tmp_path / "drop_回执.html").read_text("utf-8")


def test_an_inbox_always_holds_the_form(tmp_path: Path) -> None:
    office.make_config(tmp_path)
    box = tmp_path / "inbox"
    flight.odm(box / "a", gcp="many")
    (box / "a" / "DONE").touch()
    with desk(tmp_path / "config", tmp_path / "state", flight.NOW) as at:
        assert look(box, at).code == 6
    assert (box / NAME_ZH).read_text("utf-8") == PAGE
    assert (box / "a_登记表.html").is_file()
