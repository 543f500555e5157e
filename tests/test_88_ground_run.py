"""A whole run over changed ground: one shed, one pit, and what makes no difference to them."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
import tiny

from pipeline.adjudicate.evidence import fold
from pipeline.errors import ExitCode
from pipeline.ledger import open_ledger
from pipeline.model import EvidenceState, Seen
from pipeline.run import RunRequest, run_workflow

ROOF = (0.215, 0.225, 0.230, 0.255, 0.245, 0.215)
POND = (0.064, 0.092, 0.078, 0.036, 0.011, 0.008)
FROM = 10  # index of the first date that shows them
SHED, PIT = (slice(30, 38), slice(102, 110)), (slice(90, 99), slice(101, 110))


def write(folder: Path, *, until: int = 99) -> Path:
    """Scenes with a shed and a pit behind the eastern bank, there up to ``until``."""
    folder.mkdir(parents=True)
    for index, day in enumerate(tiny.days()):
        image = tiny.look(index, fill=False)
        if FROM <= index < until:
            for k in range(len(tiny.BANDS)):
                image[k][SHED] = ROOF[k]
                image[k][PIT] = POND[k]
        tiny.write_look(folder, day, image)
    return folder


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("scenes") / "images")


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, images: Path) -> Path:
    folder = tmp_path_factory.mktemp("run")
    assert run_workflow(RunRequest(tiny.workflow(folder, images))) == ExitCode.DONE
    return folder


def everything(folder: Path) -> list[dict[str, Any]]:
    names = ("cases.geojson", "watch.geojson")
    return [f["properties"] for name in names for f in tiny.features(folder, name)]


def test_a_shed_and_a_pit_are_one_case_each(done: Path) -> None:
    pit, shed = sorted(everything(done), key=lambda p: p["kind"])
    assert pit["kind"] == "cai"
    assert shed["kind"] == "jian"
    assert shed["evidence_state"] == "suspected"
    # A pond is certain once it has lasted 60 days: from the third of five looks on.
    assert pit["evidence_state"] == "suspected"
    for found, area in ((shed, 6400), (pit, 8100)):
        assert found["area_m2"] == pytest.approx(area, rel=0.1)
        assert found["first_seen"].startswith("2024-10-31")
        assert found["appeared_after"] is not None
        assert found["hits"] == 5
        scores = [a["score"] for a in found["alternatives"]]
        assert scores == sorted(scores, reverse=True)
        assert sum(scores) == pytest.approx(1, abs=0.01)
        assert found["alternatives"][0]["kind"] == found["kind"]


def test_soil_must_stay_for_a_season(tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    for index, day in enumerate(tiny.days()):
        image = tiny.look(index, fill=False)
        if index >= FROM:
            image[:, *SHED] = np.array(tiny.SOIL)[:, None, None]
        tiny.write_look(images, day, image)
    assert run_workflow(RunRequest(tiny.workflow(tmp_path, images))) == ExitCode.DONE
    # Looks lie 30 days apart: with the one of 90 days it has stayed, and the others count with it.
    with open_ledger(tmp_path / "state/ledger.sqlite") as ledger:
        (case,) = ledger.cases()
    assert case.evidence.state is EvidenceState.SUSPECTED
    hits = [k for k in case.looks if k.seen is Seen.HIT]
    assert [(k.certain, k.pending) for k in hits] == [(False, True)] * 3 + [(True, False)] * 2
    assert fold(k for k in case.looks if k.on < hits[3].on).state is EvidenceState.PROVISIONAL


def test_they_expire_when_they_are_gone(tmp_path: Path) -> None:
    images = write(tmp_path / "images", until=11)
    assert run_workflow(RunRequest(tiny.workflow(tmp_path, images))) == ExitCode.DONE
    assert everything(tmp_path) == []
    with open_ledger(tmp_path / "state/ledger.sqlite") as ledger:
        assert {c.evidence.state for c in ledger.cases()} == {EvidenceState.EXPIRED}


@pytest.mark.parametrize(
    ("tile_px", "workers"), [(64, 2), pytest.param(256, 1, marks=pytest.mark.thorough)]
)
@pytest.mark.thorough
def test_tiles_and_threads_do_not_matter(
    tmp_path: Path, images: Path, done: Path, tile_px: int, workers: int
) -> None:
    options = {"store": {"tile_px": tile_px, "workers": workers, "io_threads": workers}}
    path = tiny.workflow(tmp_path, images, options=options)
    assert run_workflow(RunRequest(path)) == ExitCode.DONE
    assert tiny.outputs(tmp_path) == tiny.outputs(done)


ESSENCE = ("kind", "status", "evidence_state", "hits", "misses", "first_seen", "last_seen",
           "area_m2", "alternatives", "confidence", "dates_seen")  # fmt: skip


def essence(folder: Path) -> list[tuple[Any, ...]]:
    return sorted(tuple(str(p[k]) for k in ESSENCE) for p in everything(folder))


@pytest.mark.thorough
def test_scenes_that_come_in_parts_give_the_same(tmp_path: Path, images: Path, done: Path) -> None:
    part = tmp_path / "images"
    part.mkdir()
    path = tiny.workflow(tmp_path, part)
    files = sorted(images.glob("*.tif"))
    for upto in (11, 13, len(files)):
        for file in files[:upto]:
            shutil.copy2(file, part / file.name)
        assert run_workflow(RunRequest(path)) == ExitCode.DONE
    assert essence(tmp_path) == essence(done)


@pytest.mark.thorough
def test_the_next_patrol_knows_them(tmp_path: Path, images: Path) -> None:
    path = tiny.workflow(tmp_path, images)
    assert run_workflow(RunRequest(path)) == ExitCode.DONE
    before = {p["case_id"] for p in everything(tmp_path)}
    later = {"from": "2024-01-01", "patrol_from": "2025-01-01", "to": "2025-03-31", "zone": "UTC"}
    assert run_workflow(RunRequest(tiny.workflow(tmp_path, images, period=later))) == ExitCode.DONE
    after = everything(tmp_path)
    assert {p["case_id"] for p in after} == before
    assert {p["hits"] for p in after} == {5}


def test_a_pond_does_not_begin_to_wait_anew_with_every_patrol(
    tmp_path: Path, images: Path, done: Path
) -> None:
    spans = (("2024-10-15", "2024-12-15"), ("2024-12-16", "2025-03-31"))
    for start, end in spans:
        period = {"from": "2024-01-01", "patrol_from": start, "to": end, "zone": "UTC"}
        path = tiny.workflow(tmp_path, images, period=period)
        assert run_workflow(RunRequest(path)) == ExitCode.DONE
    # The shed's first looks were taken for cloud by the patrol that had no third one yet.
    (pond,) = [p for p in everything(tmp_path) if p["kind"] == "cai"]
    (whole,) = [p for p in everything(done) if p["kind"] == "cai"]
    for name in ("evidence_state", "hits", "first_seen", "appeared_after"):
        assert pond[name] == whole[name]
