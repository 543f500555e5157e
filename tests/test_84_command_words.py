"""What the commands say of themselves and of bad words, to somebody who sees them first."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

sys.path.insert(0, str(Path(__file__).parent))
import office
import tiny

from pipeline.acquire.api import unreachable
from pipeline.cli import app
from pipeline.errors import ConfigurationError
from pipeline.io.datum import Datum
from pipeline.office.corridors import AddRequest, add_corridor
from pipeline.office.proposals import DeriveRequest, propose


def commands(command: Any, name: str = "siluan") -> Iterator[tuple[str, Any]]:
    yield name, command
    for word, sub in getattr(command, "commands", {}).items():
        yield from commands(sub, f"{name} {word}")


def test_every_command_says_what_it_does_and_gives_an_example() -> None:
    for name, command in commands(typer.main.get_command(app)):
        assert command.help, name
        if not getattr(command, "commands", {}):
            assert command.epilog, f"{name} has no example"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"id": "Bad ID"}, "'Bad ID' is no id: letters a-z, digits"),
        ({"id": "../../x"}, "'../../x' is no id"),
        ({"water": "lake"}, "--water lake is not known: river or reservoir"),
        ({"accuracy_m": -1.0}, "'accuracy_m': Input should be greater than 0"),
        ({"width_m": 0.0}, "'half_width_m': Input should be greater than 0"),
    ],
)
def test_a_bad_word_names_no_scratch_path(
    tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    config = office.make_config(tmp_path / "office")
    before = (config / "corridors.geojson").read_bytes()
    line = office.write_geojson(
        tmp_path / "line.geojson", [office.feature(office.lonlat(office.river()))]
    )
    words = {"id": "new", "name": "新", "water": "river", "width_m": 300.0, "accuracy_m": 20.0}
    with pytest.raises(ConfigurationError) as refused:
        add_corridor(
            AddRequest(file=line, datum=Datum.CGCS2000, config=config, **{**words, **change})
        )
    sentence = str(refused.value)
    assert said in sentence
    assert "/corridors.geojson" not in sentence.replace(str(config / "corridors.geojson"), "")
    assert (config / "corridors.geojson").read_bytes() == before


def test_a_new_corridor_without_a_name_is_refused_before_its_water_is_kept(tmp_path: Path) -> None:
    config = office.make_config(tmp_path / "office")
    words = ["corridor", "derive", "new", "--config", config, "--workflow", tmp_path / "none.yaml"]
    code, _, error = office.siluan(*words)
    assert (code, "is new and needs --name and --water-kind" in error) == (2, True)
    code, _, error = office.siluan(*words, "--name", "新", "--water-kind", "river")
    assert (code, "none.yaml does not exist" in error) == (2, True)


def test_a_bad_word_derives_nothing(tmp_path: Path) -> None:
    config = office.make_config(tmp_path / "office")
    request = DeriveRequest("../x", tmp_path / "no.tif", config, "新", "lake")
    with pytest.raises(ConfigurationError, match=r"is no id.*--water-kind lake is not known"):
        propose(request)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            "HTTPConnectionPool(host='h', port=9): Max retries exceeded with url: / (Caused by "
            "NewConnectionError(\"HTTPConnection(host='h', port=9): Failed to establish a new "
            'connection: [Errno 111] Connection refused"))',
            "connection refused",
        ),
        (
            "HTTPSConnectionPool(host='h', port=443): Max retries exceeded with url: / (Caused by "
            "NameResolutionError(\"HTTPSConnection(host='h', port=443): Failed to resolve 'h' "
            '([Errno -2] Name or service not known)"))',
            "its name cannot be resolved",
        ),
        ("HTTPSConnectionPool(host='h'): Read timed out. (read timeout=30)", "timed out"),
        ("", "ValueError"),
    ],
)
def test_why_a_catalogue_does_not_answer_is_said_in_a_few_words(text: str, reason: str) -> None:
    error = unreachable("https://h", ValueError(text))
    assert error.what == f"the catalogue https://h does not answer: {reason}"


def test_a_long_reason_is_cut_between_words() -> None:
    what = unreachable("https://h", ValueError("gateway says no " * 40)).what
    assert what.endswith("gateway says no ...")


def test_no_package_is_named_twice() -> None:
    project = tomllib.loads((tiny.ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    for listed in (project["dependencies"], *project["optional-dependencies"].values()):
        names = [re.split(r"[\[<>=~! ]", entry)[0] for entry in listed]
        assert sorted(names) == sorted(set(names))


def test_help_imports_no_heavy_library() -> None:
    # By what is imported and not by the clock: rich alone took as long as all the rest.
    heavy = "numpy numba scipy rasterio geopandas pyogrio shapely sqlalchemy httpx rich distributed"
    code = f"""
import contextlib, io, sys
from pipeline.cli import app
said = io.StringIO()
for words in (["--help"], ["status", "--help"], ["cases", "--help"], ["run", "--help"]):
    with contextlib.redirect_stdout(said), contextlib.suppress(SystemExit):
        app(words)
assert "siluan doctor" in said.getvalue()
print(*(set("{heavy}".split()) & set(sys.modules)))
"""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tiny.ROOT)
    assert done.stdout.split() == []


def test_a_patrol_imports_nothing_of_flights_and_bars() -> None:
    others = "pipeline.passes.inspect_workflow pipeline.detect.surface_single rich.progress pyogrio"
    code = f"""
import gc, sys
from pipeline.io.heap import while_importing
with while_importing():
    import pipeline.dispatch, pipeline.run
    assert not gc.isenabled()
assert gc.isenabled()
gc.disable()
with while_importing():
    pass
assert not gc.isenabled()
print(*(set("{others}".split()) & set(sys.modules)))
"""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tiny.ROOT)
    assert done.stdout.split() == []


def test_help_cuts_no_sentence_off() -> None:
    said = " ".join(CliRunner().invoke(app, ["--help"]).stdout.split())
    assert "what waits, what was set aside; only reads. run Run one workflow" in said
