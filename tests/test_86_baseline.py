"""``siluan baseline build``: says first, fetches once, goes on after anything."""

from __future__ import annotations

import http.server
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
import tiny

import pipeline.baseline as module
from pipeline.baseline import BuildRequest, build_baseline
from pipeline.errors import (
    ConfigurationError,
    ExitCode,
    LedgerHeldError,
    SourceUnreachableError,
)
from pipeline.io.sizes import file_bytes
from pipeline.ledger import open_ledger
from pipeline.passes import gather as reading
from pipeline.run import RunRequest, run_workflow

COMMAND = [sys.executable, "-c", "from pipeline.cli import main; main()"]


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write_scenes(tmp_path_factory.mktemp("scenes") / "images")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, images: Path) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("undisturbed")
    assert run_workflow(RunRequest(tiny.workflow(folder, images))) == ExitCode.DONE
    return tiny.outputs(folder)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, images: Path) -> Path:
    folder = tmp_path_factory.mktemp("built")
    assert build(tiny.workflow(folder, images)) == ExitCode.DONE
    return folder


def build(path: Path, **how: Any) -> ExitCode:
    return build_baseline(BuildRequest(path, **{"years": 2.0, "yes": True, **how}))


def no_reading(*_: Any) -> None:
    raise AssertionError("a scene was read again")


def test_a_run_reads_nothing_again(
    tmp_path: Path,
    images: Path,
    undisturbed: dict[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tiny.workflow(tmp_path, images)
    assert build(path) == ExitCode.DONE
    said = capsys.readouterr().out
    assert (
        "tiny: 15 passes from 2023-04-01 to 2025-03-31, 0 already in the store, 15 to read" in said
    )
    assert "15 scenes, about " in said
    assert "an estimate from 3 scene(s): sizes of their files x the share of blocks" in said
    assert "tiny: 15 passes read, 0 were there, 0 of no use" in said
    monkeypatch.setattr(reading, "_read_pass", no_reading)
    assert build(path) == ExitCode.DONE
    assert "15 already in the store, 0 to read" in capsys.readouterr().out
    assert run_workflow(RunRequest(path)) == ExitCode.DONE
    assert tiny.outputs(tmp_path) == undisturbed


def test_the_bytes_are_those_of_the_blocks_that_are_touched(
    tmp_path: Path, images: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    total = sum(p.stat().st_size for p in images.glob("*.tif"))
    assert build(tiny.workflow(tmp_path, images), dry_run=True) == ExitCode.DONE
    said = capsys.readouterr().out.split(" to fetch")[0].rsplit("about ", 1)[1]
    number, unit = said.split()
    assert float(number) * {"kB": 1e3, "MB": 1e6}[unit] == pytest.approx(total, rel=0.1)
    # A corridor in one corner of large scenes takes the blocks it touches and no more.
    large = tmp_path / "large"
    for i, day in enumerate(tiny.days()[:3]):
        large.mkdir(exist_ok=True)
        rng = np.random.default_rng(i)
        tiny.write_stack(large / f"tiny_{day}.tif", rng.integers(1, 9, (6, 1024, 1024), "uint16"))
    total = sum(p.stat().st_size for p in large.glob("*.tif"))
    assert build(tiny.workflow(tmp_path, large), dry_run=True) == ExitCode.DONE
    said = capsys.readouterr().out.split(" to fetch")[0].rsplit("about ", 1)[1]
    number, unit = said.split()
    # Of 16 x 16 blocks 3 x 3: the corridor and 300 m around it, cut at the scene's edge.
    expected = total * 9 / 256
    assert float(number) * {"kB": 1e3, "MB": 1e6}[unit] == pytest.approx(expected, rel=0.1)


def test_a_dry_run_and_a_refusal_leave_nothing(
    tmp_path: Path, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tiny.workflow(tmp_path, images)
    assert build(path, dry_run=True, yes=False) == ExitCode.DONE
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False)
    with pytest.raises(ConfigurationError, match="--yes"):
        build(path, yes=False)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr("builtins.input", lambda _: "n")
    with pytest.raises(ConfigurationError, match="as you said"):
        build(path, yes=False)
    assert not (tmp_path / "state").exists()
    monkeypatch.setattr("builtins.input", lambda _: "y")
    assert build(path, yes=False) == ExitCode.DONE
    assert (tmp_path / "state/store").exists()


def test_what_was_not_reached_is_said_before_it_asks(
    tmp_path: Path,
    images: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tiny.workflow(tmp_path, images, sources=[tiny.source(images), tiny.SILENT])
    assert build(path, dry_run=True) == ExitCode.UNREACHABLE
    assert "not reached: the catalogue http://127.0.0.1:9" in capsys.readouterr().out
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    asked: list[str] = []

    def no(_: str) -> str:
        asked.append(capsys.readouterr().out)
        return "n"

    monkeypatch.setattr("builtins.input", no)
    with pytest.raises(ConfigurationError, match="as you said"):
        build(path, yes=False)
    assert "not reached: the catalogue http://127.0.0.1:9" in asked[0]


def stored(folder: Path) -> dict[str, bytes]:
    (store,) = (folder / "state/store").iterdir()
    return {str(p.relative_to(store)): p.read_bytes() for p in store.rglob("*") if p.is_file()}


POINTS = ("acquire.searched", "baseline.planned", "gather.block:5", "gather.pass_done:3")


@pytest.mark.thorough
@pytest.mark.parametrize("point", [*POINTS, "baseline.fetched"])
def test_a_killed_build_goes_on(tmp_path: Path, images: Path, built: Path, point: str) -> None:
    path = tiny.workflow(tmp_path, images)
    words = ("baseline", "build", str(path), "--years", "2", "--yes")
    killed = subprocess.run(
        [*COMMAND, *words],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "SILUAN_FAILPOINT": f"{point}=kill"},
        cwd=tiny.ROOT,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    again: list[str] = []
    plain = reading._read_pass  # pyright: ignore[reportPrivateUsage]
    with pytest.MonkeyPatch.context() as patch:

        def counted(store: Any, pass_id: str, scenes: Any) -> Any:
            again.append(pass_id)
            return plain(store, pass_id, scenes)

        patch.setattr(reading, "_read_pass", counted)
        assert build(path) == ExitCode.DONE
    done = {"gather.pass_done:3": 3, "baseline.fetched": 15}.get(point, 0)
    assert len(again) <= 15 - done
    assert stored(tmp_path) == stored(built)


def test_a_bad_week_is_set_aside_by_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = tiny.write_scenes(tmp_path / "images")
    files = sorted(images.glob("*.tif"))
    whole = files[4].read_bytes()
    files[3].write_text("<html>not found</html>", encoding="utf-8")
    files[4].write_bytes(whole[: len(whole) // 2])
    tiny.write_stack(files[5], np.full((2, 128, 128), 500, "uint16"))
    path = tiny.workflow(tmp_path, images)
    assert build(path) == ExitCode.SET_ASIDE
    said = capsys.readouterr()
    assert all(f.stem in said.err for f in files[3:6])
    # What is no raster, or has too few bands, is set aside before it is read.
    assert "tiny: 12 passes read, 0 were there, 1 of no use" in said.out
    files[4].write_bytes(whole)
    assert build(path) == ExitCode.SET_ASIDE
    assert "tiny: 1 passes read, 12 were there" in capsys.readouterr().out


def test_a_silent_server_ends_it_and_the_next_goes_on(
    tmp_path: Path,
    images: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tiny.workflow(tmp_path, images)
    monkeypatch.setattr(module, "_BATCH", 4)
    plain, calls = reading._read_pass, []  # pyright: ignore[reportPrivateUsage]

    def failing(store: Any, pass_id: str, scenes: Any) -> Any:
        calls.append(pass_id)
        if len(calls) > 6:
            raise SourceUnreachableError("the server answers 503", "Run again later")
        return plain(store, pass_id, scenes)

    monkeypatch.setattr(reading, "_read_pass", failing)
    assert build(path) == ExitCode.UNREACHABLE
    said = capsys.readouterr()
    assert len(calls) == 12
    assert "tiny: 6 passes read, 0 were there, 0 of no use (cloud or set aside), 9 not" in said.out
    assert "not reached: the server answers 503" in said.err
    monkeypatch.setattr(reading, "_read_pass", plain)
    assert build(path) == ExitCode.DONE
    assert "tiny: 9 passes read, 6 were there" in capsys.readouterr().out


def test_builds_and_runs_take_turns(tmp_path: Path, images: Path) -> None:
    path = tiny.workflow(tmp_path, images)
    with open_ledger(tmp_path / "state/ledger.sqlite"), pytest.raises(LedgerHeldError):
        build(path)
    with pytest.raises(ConfigurationError, match="--years"):
        build(path, years=0.0)


class _Server(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        status, headers = {
            "/range": (206, {"Content-Range": "bytes 0-0/12345", "Content-Length": "1"}),
            "/whole": (200, {"Content-Length": "77"}),
            "/gone": (404, {"Content-Length": "0"}),
            "/coy": (206, {"Content-Range": "bytes 0-0/*", "Content-Length": "1"}),
        }[self.path]
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if status != 404:
            self.wfile.write(b"x" * int(headers["Content-Length"]))

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def address() -> Generator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Server) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_the_size_of_a_file_is_asked_for_and_not_guessed(tmp_path: Path, address: str) -> None:
    sizes = [file_bytes(f"{address}/{name}") for name in ("range", "whole", "gone", "coy")]
    assert sizes == [12345, 77, None, None]
    assert file_bytes("http://127.0.0.1:9/") is None
    (tmp_path / "a").write_bytes(b"123")
    assert file_bytes(str(tmp_path / "a")) == 3
    assert file_bytes(str(tmp_path / "b")) is None


def test_help_has_examples() -> None:
    ended = subprocess.run(
        [*COMMAND, "baseline", "build", "--help"], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0
    assert "Examples" in ended.stdout
