"""``siluan report``: frozen periods, editions, templates, and the bytes of three formats."""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path

import pytest
import shapely
import typst
from docx import Document as WordDocument
from openpyxl import load_workbook
from PIL import Image
from shapely.geometry import LineString, box
from typer.testing import CliRunner

from pipeline.adjudicate.evidence import fold
from pipeline.cli import app
from pipeline.config import Workflow
from pipeline.errors import ConfigurationError, ExitCode
from pipeline.io.corridors import load_corridors, reaches_of, utm_crs
from pipeline.io.observed import LookedAt, note_looks
from pipeline.ledger import Command, Edit, LedgerContext, LedgerPlace, apply, change, open_ledger
from pipeline.ledger.status import Reason
from pipeline.model import Attribution, Candidate, Case, Corridor, Kind, Look, Seen, Status
from pipeline.report import frozen, making, runs
from pipeline.report import observed as told_of
from pipeline.report.docx import DocxForm
from pipeline.report.making import ReportRequest, make_report
from pipeline.report.observed import CorridorLooks
from pipeline.report.period import read_period
from pipeline.report.starter import starter

START, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 3, 31, tzinfo=UTC)
OCTOBER = datetime(2026, 10, 5, 2, tzinfo=UTC)
SHIPPED = Path(runs.__file__).with_name("template") / "report.docx"


def place(case: Case) -> Attribution:
    west = case.polygon.bounds[0] < 700200
    return Attribution(
        county_code="430212" if west else None,
        county_zh="渌口区" if west else None,
        township_zh="<&>镇" if west else None,
    )


def office(folder: Path, cases: int = 4) -> list[str]:
    """Make a ledger: ids from west to east."""
    found: list[Candidate] = []
    for i in range(cases):
        looks = tuple(
            Look(datetime(2026, 1, 1 + k, 3, tzinfo=UTC), f"p{k}", "s2", 1.0, Seen.HIT, True, 0.4)
            for k in range(3)
        )
        shape = box(700000 + 150 * i, 3070000, 700040 + 150 * i, 3070040)
        found.append(
            Candidate(
                kind=Kind.DUI,
                corridor_id="lushui",
                polygon=shape,
                crs="EPSG:32649",
                area_m2=shape.area,
                looks=looks,
                evidence=fold(looks),
                score=0.5,
                measures={},
                scene_ids=("s",),
                detector="ground/1",
            )
        )
    context = LedgerContext(
        "r", "0", "h", ("lushui",), (START, END), partial(fold, until=END), attribute=place
    )
    folder.mkdir(parents=True, exist_ok=True)
    with open_ledger(folder / "ledger.sqlite") as ledger:
        done = apply(ledger, found, context).cases
    return [c.case_id for c in sorted(done, key=lambda c: c.polygon.bounds)]


def say(state: Path, case: str, on: date, status: Status, reason: Reason | None = None) -> None:
    edit = Edit(case, "王工", on, status=status, reason=reason)
    said = Command("t", f"t-{on}-{status}", datetime(2026, 10, 1, tzinfo=UTC), "0")
    with open_ledger(state / "ledger.sqlite") as ledger:
        assert not change(ledger, [edit], said).refused


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """Make a ledger with one case verified, one issued, one rejected and one suspected."""
    state = tmp_path_factory.mktemp("office") / "state"
    ids = office(state)
    for one in ids[:2]:
        say(state, one, date(2026, 7, 3), Status.ISSUED)
    say(state, ids[0], date(2026, 7, 20), Status.VERIFIED)
    say(state, ids[2], date(2026, 8, 1), Status.REJECTED, Reason.SHADOW)
    return state, ids


@pytest.fixture
def ids(made: tuple[Path, list[str]], tmp_path: Path) -> list[str]:
    """Copy that ledger into the test's own folder."""
    shutil.copytree(made[0], tmp_path / "state")
    return made[1]


def request(tmp_path: Path, **more: object) -> ReportRequest:
    asked = ReportRequest(
        ledger=LedgerPlace(tmp_path / "state" / "ledger.sqlite"),
        period="2026Q3",
        out=tmp_path / "out",
        settings=settings_file(tmp_path),
        forms=("xlsx",),
        now=OCTOBER,
    )
    return replace(asked, **more)  # type: ignore[arg-type]


def settings_file(tmp_path: Path, text: str = "office_zh: 某办\n") -> Path:
    path = tmp_path / "report.yaml"
    if not path.exists():
        path.write_text(text, encoding="utf-8")
    return path


def sheets(path: Path) -> dict[str, list[tuple[object, ...]]]:
    book = load_workbook(path)
    return {s.title: list(s.iter_rows(values_only=True)) for s in book.worksheets}


def row(table: list[tuple[object, ...]], name: str) -> tuple[object, ...]:
    return next(r for r in table if r[0] == name)


def test_a_finished_period_is_frozen_and_what_comes_later_is_a_correction(
    tmp_path: Path, ids: list[str]
) -> None:
    state = tmp_path / "state"
    make_report(request(tmp_path))
    file = tmp_path / "out" / "四乱报告_2026Q3.xlsx"
    first = sheets(file)
    assert row(first["总体情况"], "新增核实")[1:] == (1, 0)
    assert first["更正"][2][0] == "本期没有。"
    assert row(first["观测情况"], "全部")[1:5] == ("未知",) * 4  # no workflow is known
    kept = (state / "reports" / "2026Q3.json").read_bytes()
    assert json.loads(kept)["observed"] == {}

    say(state, ids[1], date(2026, 9, 28), Status.VERIFIED)  # typed after the report
    make_report(request(tmp_path))
    second = sheets(file)
    assert row(second["总体情况"], "新增核实") == row(first["总体情况"], "新增核实")
    assert ("2026年第三季度", "合计", "新增核实", 1, 2) in second["更正"]
    assert ("2026年第三季度", "渌口区", "期末在办", 1, 2) in second["更正"]
    assert (state / "reports" / "2026Q3.json").read_bytes() == kept

    make_report(request(tmp_path, period="2026Q4"))
    running = sheets(tmp_path / "out" / "四乱报告_2026Q4.xlsx")
    assert row(running["总体情况"], "期初在办")[1] == 2
    assert ("2026年第三季度", "合计", "期末在办", 1, 2) in running["更正"]
    assert not (state / "reports" / "2026Q4.json").exists()  # it is not over


def test_a_ledger_that_does_not_begin_with_the_frozen_events_is_refused(
    tmp_path: Path, ids: list[str]
) -> None:
    make_report(request(tmp_path))
    path = tmp_path / "state" / "reports" / "2026Q3.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "digest": "0" * 16}))
    with pytest.raises(ConfigurationError, match="does not begin with"):
        make_report(request(tmp_path))


def test_the_public_edition_says_nothing_of_suspected_ones(tmp_path: Path, ids: list[str]) -> None:
    make_report(request(tmp_path, public=True, forms=("xlsx", "docx")))
    folder = tmp_path / "out"
    found = sheets(folder / "四乱报告_2026Q3_公开版.xlsx")
    told = repr(found) + _text(folder / "四乱报告_2026Q3_公开版.docx")
    assert not any(i in told for i in ids)
    for word in (
        "位置（WGS 84）",
        "最严重的问题",
        "未定县区",
        "条记录",
        "新增疑似",
        "待核查",
        "内业排除",
        "疑似线索（内部",
        "113.0",
    ):
        assert word not in told
    assert "仅为线索，不作为处罚依据" in told
    make_report(request(tmp_path, forms=("xlsx",)))
    internal = repr(sheets(folder / "四乱报告_2026Q3.xlsx"))
    assert ids[1] in internal
    assert "乱堆（疑似）" in internal
    assert "113.0" in internal


def test_the_same_ledger_gives_the_same_bytes_in_every_form(tmp_path: Path, ids: list[str]) -> None:
    files: list[dict[str, bytes]] = []
    for _ in range(2):
        done = make_report(request(tmp_path, forms=("docx", "pdf", "xlsx")))
        assert done.code in (ExitCode.DONE, ExitCode.SET_ASIDE)  # 10: no Chinese font here
        files.append({p.name: p.read_bytes() for p in sorted((tmp_path / "out").iterdir())})
    assert files[0] == files[1]
    text = _text(tmp_path / "out" / "四乱报告_2026Q3.docx")
    assert "<&>镇" in text
    assert "{{" not in text
    assert "{%" not in text


def test_without_a_chinese_font_the_other_forms_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ids: list[str]
) -> None:
    class NoFonts:
        def __init__(self, **_: object) -> None: ...

        def families(self) -> list[str]:
            return ["DejaVu Sans"]

    monkeypatch.setattr(typst, "Fonts", NoFonts)
    done = make_report(request(tmp_path, forms=("pdf", "xlsx")))
    assert done.code is ExitCode.SET_ASIDE
    assert "fonts-noto-cjk" in done.lines[0]
    assert [p.suffix for p in (tmp_path / "out").iterdir()] == [".xlsx"]


def test_one_county_is_counted_alone_and_an_unknown_one_is_named(
    tmp_path: Path, ids: list[str]
) -> None:
    make_report(request(tmp_path, counties=("渌口区",)))
    found = sheets(tmp_path / "out" / "四乱报告_2026Q3_渌口区.xlsx")
    assert row(found["总体情况"], "新增疑似")[1] == 0
    assert [r[1] for r in found["分县区（4+1）"][2:4]] == ["渌口区", None]
    with pytest.raises(ConfigurationError, match="no county is called 长沙"):
        make_report(request(tmp_path, counties=("长沙",)))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, "is no Word document"),
        ("{{ title }}", "lacks the fields edition, notice, period, basis"),
        ("{{ title }}{{ edition }}{{ notice }}{{ period }}{{ basis }}{{ titel }}", "titel"),
        ("{{ title }", "cannot be filled"),
        ("{{ title }}{% for %}", "cannot be filled"),
    ],
)
def test_a_template_that_cannot_be_used_is_refused(
    tmp_path: Path, text: str | None, says: str
) -> None:
    template = tmp_path / "模板.docx"
    if text is None:
        template.write_bytes(b"PK no")
    else:
        document = WordDocument()
        document.add_paragraph(text)
        document.save(str(template))
    with pytest.raises(ConfigurationError, match=says):
        DocxForm(template)


def test_the_template_that_ships_is_the_one_that_is_made_and_sets_chinese_fonts() -> None:
    assert SHIPPED.read_bytes() == starter()
    with zipfile.ZipFile(SHIPPED) as parts:
        assert 'w:eastAsia="宋体"' in parts.read("word/styles.xml").decode()


def test_the_command_copies_the_template_and_says_what_it_lacks(
    tmp_path: Path, ids: list[str]
) -> None:
    run = CliRunner().invoke
    target = tmp_path / "模板.docx"
    assert run(app, ["report", "--template-out", str(target)]).exit_code == 0
    assert target.read_bytes() == SHIPPED.read_bytes()
    again = run(app, ["report", "--template-out", str(target)])
    assert (again.exit_code, "is there already" in again.output) == (2, True)
    nothing = run(app, ["report", "--state", str(tmp_path)])
    assert (nothing.exit_code, "--period 2026Q3" in nothing.output) == (2, True)
    asked = ["--state", str(tmp_path / "state"), "--period", "2026Q1", "--as", "xlsx"]
    settings = ["--config", str(settings_file(tmp_path))]
    done = run(app, ["report", *asked, *settings, "--out", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    assert "四乱报告_2026Q1.xlsx" in done.output
    bad = run(app, ["report", *asked[:-1], "odt", *settings, "--out", str(tmp_path / "out")])
    assert (bad.exit_code, "odt" in bad.output) == (2, True)


# --- folders of runs ------------------------------------------------------------------------


def test_reaches_are_measured_along_the_line_and_cut_at_counties(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = LineString([(113.0, 27.6), (113.2, 27.6)])
    river = Corridor("lushui", "渌水", "river", line.buffer(0.01), line, 100.0, "")
    lake = Corridor("lake", "水库", "reservoir", box(113.3, 27.6, 113.31, 27.61), None, 1.0, "")
    whole = runs.stretches_of([river, lake], tmp_path)
    length = sum(s.km or 0.0 for s in whole)
    assert length == pytest.approx(19.75, abs=0.05)
    assert [s.km for s in whole if s.corridor == "lake"] == [None]

    class Feature:
        geometry = shapely.box(112.9, 27.5, 113.1, 27.7)
        fields = {"code": "430212"}  # noqa: RUF012

    class Layer:
        features = (Feature(),)

    monkeypatch.setattr(runs, "load_layer", lambda *_: Layer())
    cut = runs.stretches_of([river], tmp_path)
    inside = sum(s.km or 0.0 for s in cut if s.county == "430212")
    assert inside == pytest.approx(length / 2, rel=0.01)
    assert sum(s.km or 0.0 for s in cut) == pytest.approx(length, abs=0.001)


def test_looks_of_all_runs_are_kept_beside_the_ledger(tmp_path: Path) -> None:
    river = Corridor(
        "lushui", "渌水", "river", shapely.box(113, 27.5, 113.1, 27.6), None, 30.0, "a test"
    )
    sky = LookedAt(on=date(2026, 7, 20), clear=("lushui-1",))
    cloud = LookedAt(on=date(2026, 9, 1), clear=())
    note_looks(tmp_path, river, {"a_s2": sky, "b_s2": cloud})
    # A pass that is judged again is written over, and a drone's look stays.
    note_looks(tmp_path, river, {"drone_f": cloud.model_copy(update={"clear": ("lushui-1",)})})
    note_looks(tmp_path, river, {"a_s2": sky.model_copy(update={"clear": ()})})
    (known,) = runs.looks_of(tmp_path, [river]).values()
    assert known == CorridorLooks(
        date(2026, 7, 20), date(2026, 9, 1), {"lushui-1": frozenset({date(2026, 9, 1)})}
    )
    file = tmp_path / "observed" / "lushui.json"
    before = file.stat().st_mtime_ns
    note_looks(tmp_path, river, {"b_s2": cloud})
    assert file.stat().st_mtime_ns == before
    wider = replace(river, polygon_wgs84=shapely.box(113, 27.5, 113.2, 27.6))
    assert runs.looks_of(tmp_path, [wider]) == {}
    file.write_text("{")
    with pytest.raises(ConfigurationError, match="is damaged"):
        runs.looks_of(tmp_path, [river])


def test_what_was_observed_is_frozen_by_workflow(
    tmp_path: Path, ids: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    del ids
    told = {name: (told_of.Seen(corridor=name, county="", in_km=True, size=1.0, seen=n, unseen=0.0,
            unknown=0.0),) for n, name in enumerate(("one", "two"), 1)}  # fmt: skip
    asked: list[str] = []

    def observed(
        _: Path, workflow: Workflow | None, *__: object
    ) -> tuple[told_of.Seen, ...] | None:
        asked.append(workflow.name if workflow else "")
        return told.get(asked[-1])

    monkeypatch.setattr(making, "_observed", observed)
    state, today = tmp_path / "state", date(2026, 11, 1)
    period = read_period("2026Q3")
    named = [Workflow.model_construct(name=n) for n in ("one", "two", "one")]
    mark = frozen.Mark(0, 0, "")
    found = [
        making._freeze(state, period, (frozen.read_frozen(state, "2026Q3"), mark), w, today)[1]
        for w in named
    ]
    assert found == [told["one"], told["two"], told["one"]]
    assert asked == ["one", "two"]


def test_an_inspection_is_reported_over_its_state(tmp_path: Path, ids: list[str]) -> None:
    del ids
    line = {"type": "LineString", "coordinates": [[113.0, 27.6], [113.02, 27.6]]}
    told = {"id": "lushui", "name_zh": "渌水", "water": "river", "accuracy_m": 30.0,
            "provenance": "a test", "half_width_m": 200}  # fmt: skip
    feature = {"type": "Feature", "geometry": line, "properties": told}
    corridors = tmp_path / "corridors.geojson"
    corridors.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}), "utf-8")
    workflow = tmp_path / "inspect.yaml"
    workflow.write_text(
        "name: inspect\nkind: inspect\ncorridors: {file: corridors.geojson}\n"
        "flights: [flights]\nstate: state\nout: inspected\n",
        "utf-8",
    )
    (river,) = load_corridors(corridors)
    (reach,) = reaches_of(river, utm_crs(river.polygon_wgs84))
    clear = (reach.id,)
    flown = {f"drone_{d}": LookedAt(on=date(2026, 7, d), clear=clear) for d in (1, 21)}
    note_looks(tmp_path / "state", river, flown)
    make_report(request(tmp_path, workflow=workflow, out=None))
    (file,) = (tmp_path / "inspected" / "reports").glob("*.xlsx")
    # km·days of a reach of some 2 km: 20 days from flight to flight, and the 30 of the last.
    seen, unseen, unknown = row(sheets(file)["观测情况"], "渌水")[2:5]
    assert (seen, unseen) == (pytest.approx(50 * 1.97, rel=0.02), 0)
    assert unknown == pytest.approx((92 - 50) * 1.97, rel=0.02)
    kept = json.loads((tmp_path / "state" / "reports" / "2026Q3.json").read_bytes())
    assert list(kept["observed"]) == ["inspect"]


def test_pictures_are_those_of_the_newest_revision_up_to_the_reports(tmp_path: Path) -> None:
    folder = tmp_path / "2026-09-30_abc"
    folder.mkdir()
    (folder / "run.json").write_text("{}")
    folders = runs.run_folders([tmp_path])
    picture = folder / "evidence" / "c" / "2" / "overview.png"
    picture.parent.mkdir(parents=True)
    picture.write_bytes(_png())
    assert runs.picture_of(folders, "c", 3, ("overview.png",)) == picture.resolve()
    assert runs.picture_of(folders, "c", 1, ("overview.png",)) is None


def _png() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (8, 8)).save(out, "PNG")
    return out.getvalue()


def _text(path: Path) -> str:
    document = WordDocument(str(path))
    cells = [c.text for t in document.tables for r in t.rows for c in r.cells]
    heads = [p.text for s in document.sections for p in s.header.paragraphs]
    return "\n".join([*(p.text for p in document.paragraphs), *cells, *heads])
