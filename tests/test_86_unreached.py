"""A second source that is dead: every command that searches names it and leaves with 3."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import tiny

COMMAND = [sys.executable, "-c", "from pipeline.cli import main; main()"]
DEAD = "the catalogue http://127.0.0.1:9 does not answer"


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write_scenes(tmp_path_factory.mktemp("scenes") / "images", only=range(4))


@pytest.mark.parametrize(
    "words",
    [
        ("run", "--dry-run"),
        ("baseline", "build", "--dry-run"),
        pytest.param(("baseline", "build", "--yes"), marks=pytest.mark.thorough),
        pytest.param(("inventory",), marks=pytest.mark.thorough),
    ],
)
def test_a_dead_second_source_is_named(
    tmp_path: Path, images: Path, words: tuple[str, ...]
) -> None:
    path = tiny.workflow(tmp_path, images, sources=[tiny.source(images), tiny.SILENT])
    ended = subprocess.run(
        [*COMMAND, *words, str(path)], capture_output=True, text=True, check=False, cwd=tiny.ROOT
    )
    assert ended.returncode == 3, ended.stderr
    said = ended.stdout + ended.stderr
    assert f"not reached: {DEAD}" in said
    assert "tiny" in ended.stdout  # the source that answers was looked at all the same
    assert (tmp_path / "state").exists() == ("--dry-run" not in words)


@pytest.mark.parametrize("words", [("run", "--dry-run"), ("baseline", "build", "--dry-run")])
def test_where_nobody_answers_nothing_is_planned(tmp_path: Path, words: tuple[str, ...]) -> None:
    path = tiny.workflow(tmp_path, tmp_path, sources=[tiny.SILENT])
    ended = subprocess.run(
        [*COMMAND, *words, str(path)], capture_output=True, text=True, check=False, cwd=tiny.ROOT
    )
    assert ended.returncode == 3, ended.stderr
    assert DEAD in ended.stderr
    assert not (tmp_path / "state").exists()
