"""``siluan submit`` as it is typed, killed, and given something large."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio
from typer.testing import CliRunner

sys.path.insert(0, str(Path(__file__).parent))
import flight
import office

from pipeline.cli import app
from pipeline.errors import LedgerHeldError
from pipeline.io import failpoints
from pipeline.office.flights import desk


def test_as_it_is_typed(tmp_path: Path) -> None:
    office.make_config(tmp_path)
    flight.odm(tmp_path / "渌水1120")
    code, out, error = office.siluan("submit", "渌水1120", cwd=tmp_path)
    assert (code, error) == (0, "")
    assert "taken in as 20261120T0230Z-" in out
    assert "river: 0.0" in out
    shutil.copytree(tmp_path / "渌水1120", tmp_path / "again")
    told = [tmp_path / "again", "--config", tmp_path / "config", "--state", tmp_path / "state"]
    done = CliRunner().invoke(app, ["submit", *map(str, told)])
    assert (done.exit_code, done.stdout) == (6, "")
    assert "was taken in already as 20261120T0230Z-" in done.stderr
    assert "again_回执.html" in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "one thing has to be given"),
        (["no"], "there is no no"),
        (["a.txt"], "neither a folder"),
    ],
)
def test_bad_words(tmp_path: Path, words: list[str], said: str) -> None:
    config = office.make_config(tmp_path)
    (tmp_path / "a.txt").touch()
    paths = [tmp_path / w for w in words]
    told = ["submit", *map(str, paths), "--config", str(config), "--state", str(tmp_path / "s")]
    done = CliRunner().invoke(app, told)
    assert done.exit_code == 2
    assert said in done.output.replace(f"{tmp_path}/", "")


@pytest.mark.parametrize("point", ["submit.built", "submit.taken"])
def test_interrupted_and_given_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    drop = flight.odm(tmp_path / "drop")
    failpoints._passages.clear()
    with monkeypatch.context() as patched:
        patched.setenv(failpoints.VARIABLE, f"{point}=interrupt")
        with pytest.raises(KeyboardInterrupt):
            flight.hand_in(tmp_path, drop)
    assert not (tmp_path / "drop_回执.html").exists()
    answer = flight.hand_in(tmp_path, drop)
    assert answer.taken, answer.lines
    assert "已接收" in (tmp_path / "drop_回执.html").read_text("utf-8")
    shown = sorted(p.name for p in (tmp_path / "state/flights").iterdir())
    assert shown == [".desk.lock", answer.id, "catalog.json"]


def test_one_at_a_time(tmp_path: Path) -> None:
    config = office.make_config(tmp_path)
    with (
        desk(config, tmp_path / "state", flight.NOW),
        pytest.raises(LedgerHeldError, match="by another process"),
        desk(config, tmp_path / "state", flight.NOW),
    ):
        pass


@pytest.mark.thorough
def test_killed_and_given_again(tmp_path: Path) -> None:
    office.make_config(tmp_path)
    flight.odm(tmp_path / "drop")
    command = [sys.executable, "-c", "from pipeline.cli import main; main()", "submit", "drop"]
    for point in ("submit.built", "submit.taken"):
        shutil.rmtree(tmp_path / "state", ignore_errors=True)
        env = {**os.environ, failpoints.VARIABLE: point}
        assert subprocess.run(command, cwd=tmp_path, env=env, check=False).returncode == -9
        code, out, _ = office.siluan("submit", "drop", cwd=tmp_path)
        assert code == 0
        assert "taken in" in out
        left = [p.name for p in (tmp_path / "state/flights").glob(".*") if p.name != ".desk.lock"]
        assert left == []


@pytest.mark.thorough
def test_memory_does_not_grow_with_the_mosaic(tmp_path: Path) -> None:
    """14,000 px a side, RGBA: 784 MB unpacked. Peak of a process of its own."""
    office.make_config(tmp_path)
    side = 14_000
    profile = {
        "driver": "GTiff", "width": side, "height": side, "count": 4, "dtype": "uint8",
        "crs": flight.CRS, "transform": rasterio.Affine(0.05, 0, 420_690, 0, -0.05, 3_050_500),
        "tiled": True, "blockxsize": 256, "blockysize": 256, "compress": "lzw",
        "photometric": "RGB", "alpha": "yes",
    }  # fmt: skip
    (tmp_path / "drop").mkdir()
    part = np.random.default_rng(1).integers(1, 255, (4, 1024, 1024)).astype("uint8")
    part[:, 256:] //= 16
    part[3] = 255
    with rasterio.open(tmp_path / "drop/odm_orthophoto.tif", "w", **profile) as sink:
        for row in range(0, side, 1024):
            for col in range(0, side, 1024):
                h, w = min(1024, side - row), min(1024, side - col)
                sink.write(part[:, :h, :w], window=((row, row + h), (col, col + w)))
    flight.write_form(tmp_path / "drop")
    # Of its own memory: what getrusage says of a child begins with the parent it was forked from.
    script = (
        "import re\nfrom pathlib import Path\nfrom pipeline.cli import main\n"
        "try:\n    main()\nfinally:\n"
        "    print(re.search(r'VmHWM:\\s+(\\d+) kB', Path('/proc/self/status').read_text())[1])\n"
    )
    command = [sys.executable, "-c", script, "submit", "drop"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    peak = int(done.stdout.splitlines()[-1])
    assert 0.05 * 2**20 < peak < 0.7 * 2**20  # kB
