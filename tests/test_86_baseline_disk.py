"""``siluan baseline build`` over a disk: says what it costs before it makes anything ready."""

from __future__ import annotations

import shutil
import sys
import tarfile
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
import parcel
import tiny

from pipeline.baseline import BuildRequest, build_baseline
from pipeline.errors import ConfigurationError, ExitCode
from pipeline.io.archives import ARCHIVES, Limits, Package, TarPackage
from pipeline.run import RunRequest, run_workflow


@pytest.fixture(scope="module")
def post(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five products, two of them zipped."""
    disk = tmp_path_factory.mktemp("post") / "disk"
    for index, day in enumerate(tiny.days()[:5]):
        when = datetime(day.year, day.month, day.day, 3, 1, 12, tzinfo=UTC)
        root = parcel.write_safe(disk, when, parcel.bands_of(tiny.look(index, fill=True)))
        if index % 4 == 0:
            parcel.zip_folder(root, disk / f"{root.name}.zip")
            shutil.rmtree(root)
    (disk / "radar.h5").write_bytes(b"x")
    return disk


def workflow(folder: Path, disk: Path, **changes: Any) -> Path:
    source = {"type": "disk", "path": str(disk)}
    how = {"sources": [source], "sensors": str(parcel.SENSORS), **changes}
    return tiny.workflow(folder, disk, **how)


def build(path: Path, **how: Any) -> ExitCode:
    return build_baseline(BuildRequest(path, **{"years": 2.0, "yes": True, **how}))


def number(said: str) -> float:
    value, unit = said.split()
    return float(value) * {"B": 1, "kB": 1e3, "MB": 1e6}[unit]


def test_the_cost_is_said_and_nothing_is_made_before_the_answer(
    post: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = workflow(tmp_path, post)
    assert build(path, dry_run=True) == ExitCode.DONE
    said = capsys.readouterr().out
    assert "on the disk: 5 product(s) to make ready first, once: " in said
    assert "one product a sensor, made ready on trial" in said
    assert "5 to read" in said
    assert "5 scenes, about " in said
    assert not (tmp_path / "state").exists()
    kept = number(said.split("  about ")[1].split(" to keep in the state")[0])
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr("builtins.input", lambda _: "n")
    with pytest.raises(ConfigurationError, match="as you said"):
        build(path, yes=False)
    assert not (tmp_path / "state").exists()
    monkeypatch.setattr("builtins.input", lambda _: "y")
    capsys.readouterr()
    assert build(path, yes=False) == ExitCode.DONE
    said = capsys.readouterr()
    assert "tiny: 5 passes read, 0 were there" in said.out
    assert said.err.count("1 file(s) are no product known here: radar.h5") == 1
    made = [p for p in (tmp_path / "state/disk/products").rglob("*.tif") if p.is_file()]
    assert kept == pytest.approx(sum(p.stat().st_size for p in made), rel=0.1)
    assert build(path) == ExitCode.DONE
    said = capsys.readouterr().out
    assert "5 already in the store, 0 to read" in said
    assert "make ready" not in said


def test_a_tar_is_listed_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    disk = tmp_path / "disk"
    for day in tiny.days()[:2]:
        when = datetime(day.year, day.month, day.day, 3, 1, 12, tzinfo=UTC)
        root = parcel.write_safe(tmp_path / "made", when, parcel.bands_of(tiny.look(0, fill=True)))
        disk.mkdir(exist_ok=True)
        with tarfile.open(disk / f"{root.stem}.tar", "w") as archive:
            archive.add(root, root.name)
    listed: list[str] = []
    plain = TarPackage.of

    def spied(path: Path, limits: Limits) -> Package:
        opened = tarfile.open

        def seen(*args: Any, **how: Any) -> Any:
            listed.append(path.name)
            return opened(*args, **how)

        with monkeypatch.context() as patch:
            patch.setattr(tarfile, "open", seen)
            return plain(path, limits)

    monkeypatch.setitem(cast(dict[str, Any], ARCHIVES), ".tar", spied)
    path = workflow(tmp_path / "work", disk)
    assert build(path) == ExitCode.DONE
    assert "2 passes read" in capsys.readouterr().out
    assert sorted(listed) == sorted(p.name for p in disk.iterdir())
    assert build(path, dry_run=True) == ExitCode.DONE
    assert len(listed) == 2  # a dry run reads the listings of the state folder


def test_a_cost_that_cannot_be_tried_is_not_guessed(
    post: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("pipeline.acquire.disk.trial._LIMIT_BYTES", 1)
    assert build(workflow(tmp_path, post), dry_run=True) == ExitCode.DONE
    said = capsys.readouterr().out
    assert "what 5 of them cost is not known" in said
    assert "none of the scenes tried could be opened" in said


def test_a_damaged_product_is_no_measure_for_the_others(
    post: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    disk = tmp_path / "disk"
    shutil.copytree(post, disk)
    for broken in sorted(disk.glob("*.SAFE"))[1:]:
        image = next(broken.rglob("*_B03_10m.jp2"))
        image.write_bytes(b"x" * image.stat().st_size)
    path = workflow(tmp_path, disk)
    assert build(path, dry_run=True) == ExitCode.DONE
    said = capsys.readouterr().out
    assert "5 product(s) to make ready first" in said
    assert "made ready on trial" in said
    assert "5 scenes, about " in said
    assert build(path) == ExitCode.SET_ASIDE
    assert "tiny: 3 passes read" in capsys.readouterr().out


def test_a_dry_run_says_what_is_made_ready_first(
    post: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_workflow(RunRequest(workflow(tmp_path, post), dry_run=True)) == ExitCode.DONE
    said = capsys.readouterr().out
    assert "5 product(s) of the disk are made ready first: S2A_MSIL2A_2024" in said
    assert not (tmp_path / "state").exists()


def test_a_period_that_begins_before_the_years_is_fetched_whole(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = tiny.write_scenes(tmp_path / "images")
    path = tiny.workflow(tmp_path, images)
    assert build(path, years=0.5) == ExitCode.DONE
    said = capsys.readouterr().out
    assert "the workflow's period begins on 2024-01-01, before the last 0.5 year(s)" in said
    assert "tiny: 15 passes from 2024-01-01 to 2025-03-31" in said
    assert run_workflow(RunRequest(path, dry_run=True)) == ExitCode.DONE
    assert " new: " not in capsys.readouterr().out
    assert build(path, years=2.0) == ExitCode.DONE
    assert "the workflow's period begins" not in capsys.readouterr().out


def test_pictures_are_named_where_nothing_of_them_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    disk = tmp_path / "disk"
    images = tiny.write_scenes(tmp_path / "images", only=range(3))
    grey = np.full((3, 64, 64), 90, "uint8")
    parcel.write_raster(disk / "spring.tif", grey, 20)
    when = {"from": date(2024, 2, 1), "to": date(2024, 3, 1), "zone": "UTC"}
    mosaics = [{"pattern": "spring.tif", **when}]
    sources = [tiny.source(images), {"type": "disk", "path": str(disk), "mosaics": mosaics}]
    path = tiny.workflow(tmp_path, images, sources=sources)
    table = (parcel.SENSORS / "mosaic-rgb8.yaml").read_bytes()
    (tmp_path / "sensors" / "mosaic-rgb8.yaml").write_bytes(table)
    assert run_workflow(RunRequest(path, dry_run=True)) == ExitCode.DONE
    said = capsys.readouterr().out
    assert "tiny spring picture: of 2024-02-01 to 2024-03-01, enters no history" in said
    assert build(path, dry_run=True) == ExitCode.DONE
    said = capsys.readouterr().out
    assert "1 uncalibrated picture(s) enter no history" in said
    assert said.rstrip().split("is fetched: ")[1].startswith("spring")
