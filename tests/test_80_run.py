"""A whole run, start to end: what it finds, and that nothing but the input decides it."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from shapely.geometry import shape

sys.path.insert(0, str(Path(__file__).parent))
import office
import tiny

from pipeline.errors import ExitCode, LedgerHeldError, SourceUnreachableError
from pipeline.inventory import StockRequest, list_stock
from pipeline.io.datum import Datum
from pipeline.ledger import open_ledger
from pipeline.model import Case
from pipeline.office.importing import ImportRequest, import_layer
from pipeline.office.kinds import LayerKind
from pipeline.run import RunRequest, run_workflow


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write_scenes(tmp_path_factory.mktemp("scenes") / "images")


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, images: Path) -> Path:
    folder = tmp_path_factory.mktemp("run")
    assert run_workflow(RunRequest(tiny.workflow(folder, images))) == ExitCode.DONE
    return folder


def test_a_fill_becomes_one_suspected_case(done: Path) -> None:
    (case,) = tiny.features(done, "cases.geojson")
    properties = case["properties"]
    assert properties["kind"] == "zhan"
    assert properties["evidence_state"] == "suspected"
    assert properties["notice"] == "仅为线索，不作为处罚依据"
    assert properties["first_seen"].startswith("2024-10-31")
    assert properties["appeared_after"] is not None
    # 14 rows by the 18 columns that are below the highest level that showed it (0.85).
    assert properties["area_m2"] == pytest.approx(14 * 16 * 100, rel=0.2)


def permit(folder: Path, outline: dict[str, Any], end: str) -> None:
    site = shape(outline).buffer(0.0004)
    feature = office.feature(site, 许可证号="A1", 起始日期="2024-10-01", 终止日期=end)
    file = office.write_geojson(folder / "permits.geojson", [feature])
    import_layer(
        ImportRequest(file, LayerKind.PERMITS, folder, Datum.CGCS2000, accept_offset="王工")
    )


def test_a_permit_hides_a_case_while_it_is_valid(
    tmp_path: Path, images: Path, done: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(done / "state", tmp_path / "state")
    run = RunRequest(tiny.workflow(tmp_path, images, layers="layers"))
    (case,) = tiny.features(done, "cases.geojson")
    assert case["properties"]["ruling"]["outcome"] == "kept"

    permit(tmp_path, case["geometry"], "2025-12-31")
    assert run_workflow(run) == ExitCode.DONE
    assert "suppressed: 1 (permit-valid 1)" in capsys.readouterr().out
    for name in ("cases.geojson", "watch.geojson"):
        assert tiny.features(tmp_path, name) == []
    (hidden,) = tiny.features(tmp_path, "suppressed.geojson")
    assert hidden["id"] == case["id"]
    assert hidden["properties"]["hits"] == case["properties"]["hits"]
    assert (hidden["properties"]["permit"]["id"], hidden["properties"]["audit"]) == ("A1", True)
    record = json.loads((tmp_path / "out/latest/run.json").read_text(encoding="utf-8"))
    assert record["counts"]["suppressed"] == {"permit-valid": 1}
    before = tiny.outputs(tmp_path)
    assert run_workflow(run) == ExitCode.DONE
    assert tiny.outputs(tmp_path) == before

    permit(tmp_path, case["geometry"], "2025-01-15")  # imagery saw it after that
    assert run_workflow(run) == ExitCode.DONE
    (back,) = tiny.features(tmp_path, "cases.geojson")
    assert back["id"] == case["id"]
    assert "到期" in back["properties"]["reasons"][0]
    with open_ledger(tmp_path / "state/ledger.sqlite", writing=False) as ledger:
        moves = [(e.old, e.new) for e in ledger.events() if e.what == "screened"]
    assert moves == [("kept", "suppressed:permit-valid"), ("suppressed:permit-valid", "kept")]


def test_a_falling_river_is_no_case(tmp_path: Path) -> None:
    images = tiny.write_scenes(tmp_path / "images", fill=False)
    assert run_workflow(RunRequest(tiny.workflow(tmp_path, images))) == ExitCode.DONE
    assert tiny.features(tmp_path, "cases.geojson") == []
    assert tiny.features(tmp_path, "watch.geojson") == []


def evidence(folder: Path) -> dict[str, bytes]:
    root = folder / "out/latest/evidence"
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def test_every_listed_case_has_evidence(done: Path) -> None:
    (case,) = tiny.features(done, "cases.geojson")
    p = case["properties"]
    files, place = evidence(done), f"{p['case_id']}/{p['revision']}"
    shown = json.loads(files[f"{place}/case.json"])
    assert shown["before"]["on"] <= p["appeared_after"]
    assert p["first_seen"] <= shown["after"]["on"] <= p["last_seen"]
    assert p["cloud_share"] == shown["after"]["cloud_share"] == 0
    overview = [c["sha256"] for c in p["chips"] if c["name"] == f"evidence/{place}/overview.png"]
    assert overview == [hashlib.sha256(files[f"{place}/overview.png"]).hexdigest()]


def test_the_page_of_a_run_has_a_map_of_its_corridor(done: Path) -> None:
    review = done / "out/latest/review"
    text = (review / "data.js").read_text(encoding="utf-8")
    (tile,) = (review / "tiles/0").glob("*.webp")
    assert tile.name in text
    (case,) = tiny.features(done, "cases.geojson")
    assert case["id"] in text
    image = np.asarray(Image.open(tile).convert("RGBA"))
    seen = image[image[..., 3] > 0][:, :3]
    # The corridor with its context, in 10 m pixels; the water is darker than the banks.
    assert 100 * 100 < len(seen) <= tiny.SIZE**2
    assert np.ptp(seen.astype(int).sum(axis=1)) > 60


def test_a_run_says_what_each_stage_took(done: Path) -> None:
    cpu = json.loads((done / "out/latest/run.json").read_bytes())["cpu_seconds"]
    within = [cpu[name] for name in ("gather", "prepare", "watch", "follow")]
    assert all(v > 0 for v in within)
    assert sum(within) <= cpu["detect"] + 0.01
    in_turn = sum(cpu[name] for name in ("start", "search", "detect", "pictures", "ledger"))
    assert cpu["detect"] < in_turn <= time.process_time()


def test_a_rerun_leaves_the_bytes_alone(done: Path) -> None:
    latest = done / "out" / "latest"
    before = {n: (latest / n).stat().st_mtime_ns for n in tiny.outputs(done)}
    content, pictures = tiny.outputs(done), evidence(done)
    page = {p: p.stat().st_mtime_ns for p in (latest / "review").rglob("*")}
    # As a loss of power leaves it: it is drawn again, to the same bytes.
    (kept,) = (done / "state/evidence/zh").glob("*/*/overview.png")
    kept.unlink()
    kept.write_bytes(b"")
    assert run_workflow(RunRequest(done / "workflow.yaml")) == ExitCode.DONE
    assert tiny.outputs(done) == content
    assert evidence(done) == pictures
    assert {p: p.stat().st_mtime_ns for p in page} == page
    assert {n: (latest / n).stat().st_mtime_ns for n in before} == before


def test_a_loss_of_power_empties_layers_and_costs_no_pixel(
    tmp_path: Path, images: Path, done: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(done / "state", tmp_path / "state")
    path = tiny.workflow(tmp_path, images)
    (store,) = (tmp_path / "state/store").iterdir()
    layers = sorted(store.glob("*/*/**/*.blk"))
    whole = {p: p.read_bytes() for p in (*store.glob("mask/*/*/*"), *store.glob("feature/*/*/*"))}
    pixels = {p: p.stat().st_mtime_ns for p in store.glob("2024*/*")}
    assert len(layers) > 100  # far more than the blocks of imagery that one run reads again
    for layer in layers:
        layer.write_bytes(b"")
    capsys.readouterr()
    assert run_workflow(RunRequest(path)) == ExitCode.DONE
    assert f"{len(layers)} damaged blocks of layers were dropped" in capsys.readouterr().err
    assert tiny.outputs(tmp_path) == tiny.outputs(done)
    assert {p: p.read_bytes() for p in whole} == whole
    assert {p: p.stat().st_mtime_ns for p in store.glob("2024*/*")} == pixels


@pytest.mark.parametrize(
    ("tile_px", "workers"),
    [(64, 3), *(pytest.param(*p, marks=pytest.mark.thorough) for p in ((64, 1), (256, 2)))],
)
def test_tiles_and_threads_do_not_matter(
    tmp_path: Path, images: Path, done: Path, tile_px: int, workers: int
) -> None:
    options = {"store": {"tile_px": tile_px, "workers": workers, "io_threads": workers}}
    path = tiny.workflow(tmp_path, images, options=options)
    assert run_workflow(RunRequest(path)) == ExitCode.DONE
    assert tiny.outputs(tmp_path) == tiny.outputs(done)


def essence(folder: Path) -> list[tuple[Any, ...]]:
    return sorted(
        (
            p["kind"],
            p["status"],
            p["evidence_state"],
            p["hits"],
            p["misses"],
            p["first_seen"],
            p["last_seen"],
            json.dumps(f["geometry"]),
        )
        for name in ("cases.geojson", "watch.geojson")
        for f in tiny.features(folder, name)
        for p in [f["properties"]]
    )


def test_a_period_split_into_runs_gives_the_same(tmp_path: Path, images: Path, done: Path) -> None:
    part = tmp_path / "images"
    part.mkdir()
    path = tiny.workflow(tmp_path, part)
    files = sorted(images.glob("*.tif"))
    for upto in (11, 13, len(files)):
        for file in files[:upto]:
            if not (part / file.name).exists():
                shutil.copy2(file, part / file.name)
        assert run_workflow(RunRequest(path)) == ExitCode.DONE
    assert essence(tmp_path) == essence(done)
    assert ledger_of(tmp_path) == ledger_of(done)


def ledger_of(folder: Path) -> list[Case]:
    """Give the ledger whole, but for ids and how often, and by which run, cases were revised."""
    with open_ledger(folder / "state/ledger.sqlite", writing=False) as ledger:
        return [replace(c, case_id="", revision=1, run_id="") for c in ledger.cases()]


@pytest.mark.thorough
@pytest.mark.parametrize("late", [2, 10, 11], ids=["history", "first sighting", "later"])
def test_a_late_scene_is_replayed(tmp_path: Path, images: Path, done: Path, late: int) -> None:
    part = tmp_path / "images"
    part.mkdir()
    path = tiny.workflow(tmp_path, part)
    files = sorted(images.glob("*.tif"))
    for file in [*files[:late], *files[late + 1 :]]:
        shutil.copy2(file, part / file.name)
    assert run_workflow(RunRequest(path)) == ExitCode.DONE
    before = {f["id"] for f in tiny.features(tmp_path, "cases.geojson")}
    shutil.copy2(files[late], part / files[late].name)
    assert run_workflow(RunRequest(path)) == ExitCode.DONE
    assert essence(tmp_path) == essence(done)
    assert ledger_of(tmp_path) == ledger_of(done)
    assert before == {f["id"] for f in tiny.features(tmp_path, "cases.geojson")}


def test_a_fill_of_the_last_patrol_stays_a_case_in_the_next(tmp_path: Path, images: Path) -> None:
    path = tiny.workflow(tmp_path, images)
    assert run_workflow(RunRequest(path)) == ExitCode.DONE
    (case,) = tiny.features(tmp_path, "cases.geojson")
    later = {"from": "2024-01-01", "patrol_from": "2025-01-01", "to": "2025-03-31", "zone": "UTC"}
    assert run_workflow(RunRequest(tiny.workflow(tmp_path, images, period=later))) == ExitCode.DONE
    (same,) = tiny.features(tmp_path, "cases.geojson")
    assert same["id"] == case["id"]


@pytest.mark.parametrize(
    ("module", "command"),
    [
        ("pipeline.run", lambda path: run_workflow(RunRequest(path))),
        ("pipeline.inventory", lambda path: list_stock(StockRequest(path))),
    ],
)
def test_nothing_is_searched_or_made_ready_outside_the_lock(
    tmp_path: Path, images: Path, monkeypatch: pytest.MonkeyPatch, module: str, command: Any
) -> None:
    held: list[bool] = []

    def within(*_: Any) -> Any:
        with pytest.raises(LedgerHeldError), open_ledger(tmp_path / "state/ledger.sqlite"):
            pass
        held.append(True)
        raise SourceUnreachableError("no answer")

    monkeypatch.setattr(f"{module}.search", within)
    with pytest.raises(SourceUnreachableError):
        command(tiny.workflow(tmp_path, images))
    assert held == [True]


def test_a_dry_run_says_what_it_did_not_reach(
    tmp_path: Path, images: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tiny.workflow(tmp_path, images, sources=[tiny.source(images), tiny.SILENT])
    assert run_workflow(RunRequest(path, dry_run=True)) == ExitCode.UNREACHABLE
    said = capsys.readouterr().out
    assert said.count(" new: ") == len(tiny.LEVELS)
    assert "not reached: the catalogue http://127.0.0.1:9 does not answer" in said
    assert "Run again later." in said
