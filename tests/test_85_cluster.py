"""Workers elsewhere: the same bytes, through deaths, and a sentence where they cannot work."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import tiny

from pipeline.errors import ClusterUnreachableError, ConfigurationError, ExitCode
from pipeline.io import cluster as module
from pipeline.io.cluster import open_workers
from pipeline.io.cluster_options import ClusterOptions
from pipeline.io.cluster_sent import Sent
from pipeline.io.tasks import map_tiles
from pipeline.run import RunRequest, run_workflow

# The client and its loop close their sockets when they are collected, on Python 3.11 too late.
pytestmark = [
    pytest.mark.thorough,
    pytest.mark.timeout(400),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning"),
]


@contextmanager
def program(*words: str, **environment: str) -> Generator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", *words]
    env = {**os.environ, **environment}
    child = subprocess.Popen(
        command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=tiny.ROOT
    )
    try:
        yield child
    finally:
        child.kill()
        child.wait()


def worker(folder: Path, **environment: str) -> AbstractContextManager[subprocess.Popen[bytes]]:
    words = ("--scheduler-file", str(folder / "scheduler.json"), "--nthreads", "1")
    more = ("--no-nanny", "--no-dashboard", "--local-directory", str(folder))
    return program("distributed.cli.dask_worker", *words, *more, **environment)


@dataclass
class Scheduler:
    folder: Path
    process: subprocess.Popen[bytes]
    address: str = ""


@pytest.fixture
def scheduler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Scheduler]:
    """Give a running scheduler without workers."""
    # On a busy machine a worker is not there within a quarter of a minute.
    monkeypatch.setattr(module, "_CONNECT_S", 120.0)
    monkeypatch.setattr(module, "_FIRST_S", 120.0)
    folder = tmp_path / "dask"
    folder.mkdir()
    words = ("--scheduler-file", str(folder / "scheduler.json"), "--port", "0")
    here = ("--host", "127.0.0.1", "--no-dashboard")
    with program("distributed.cli.dask_scheduler", *words, *here) as process:
        found = Scheduler(folder, process)
        for _ in range(1800):
            with suppress(OSError, ValueError):
                found.address = json.loads((folder / "scheduler.json").read_text())["address"]
                break
            time.sleep(0.1)
        yield found


def at(address: str, **more: object) -> ClusterOptions:
    return ClusterOptions.model_validate({"address": address, **more})


def local(**more: object) -> dict[str, object]:
    """Say a cluster of this machine as a workflow says a class."""
    args = {"n_workers": 0, "threads_per_worker": 1, "dashboard_address": ":0"}
    return {"class": "distributed.LocalCluster", "args": args, "wait_s": 60, **more}


def double(item: int) -> int:
    if item == 13:
        raise ConfigurationError("thirteen", "Take another one")
    return 2 * item


def slow(item: tuple[int, Path]) -> int:
    """Leave a mark on the way in, so that a test knows that work goes on."""
    (item[1] / f"started-{item[0]}").touch()
    time.sleep(0.5)
    return item[0]


def test_a_run_gives_the_same_bytes_though_a_worker_is_killed(
    tmp_path: Path, scheduler: Scheduler
) -> None:
    images = tiny.write_scenes(tmp_path / "images")
    options = {"store": {"tile_px": 64}}
    threads, spread = tmp_path / "threads", tmp_path / "spread"
    assert run_workflow(RunRequest(tiny.workflow(threads, images, options=options))) == 0
    path = tiny.workflow(spread, images, options=options, cluster=scheduler.address)
    doomed = {"SILUAN_FAILPOINT": "cluster.batch:9=kill"}
    with worker(scheduler.folder), worker(scheduler.folder, **doomed) as victim:
        assert run_workflow(RunRequest(path)) == ExitCode.DONE
        assert victim.wait(timeout=5) == -9
    assert tiny.outputs(spread) == tiny.outputs(threads)
    record = [(f / "out/latest/run.json").read_text() for f in (threads, spread)]
    hashes = [r[r.index('"config_hash"') :].split("\n")[0] for r in record]
    assert hashes[0] == hashes[1]
    blocks = [sorted((f / "state/store").rglob("*/*/*/*/*.blk")) for f in (threads, spread)]
    assert [b.read_bytes() for b in blocks[0]] == [b.read_bytes() for b in blocks[1]]
    assert not list((spread / "state").glob(".cluster-*"))


def test_processes_of_this_machine_and_failures_in_order(tmp_path: Path) -> None:
    said: list[tuple[str, int, int]] = []
    with open_workers(at("processes"), 2, tmp_path) as workers:
        found = map_tiles(double, range(12), workers, lambda *a: said.append(a), "doubling")
        assert found == [2 * i for i in range(12)]
        assert said[-1] == ("doubling", 12, 12)
        assert map_tiles(double, [], workers) == []
        with pytest.raises(ConfigurationError, match="thirteen"):
            map_tiles(double, range(20), workers)
        assert map_tiles(double, [4], workers) == [8]


def ends_its_worker_once(item: tuple[int, Path]) -> int:
    if item[0] == 5 and not (item[1] / "died").exists():
        (item[1] / "died").touch()
        os.kill(os.getpid(), 9)
    return item[0]


@pytest.mark.parametrize("how", [{"scale": 2}, {"adapt": {"minimum": 1, "maximum": 2}}])
def test_a_class_is_started_outlives_a_worker_and_is_closed(
    tmp_path: Path, how: dict[str, object]
) -> None:
    options = ClusterOptions.model_validate(local(**how))
    items = [(i, tmp_path) for i in range(24)]
    with suppress(KeyboardInterrupt), open_workers(options, 2, tmp_path) as workers:
        found = map_tiles(ends_its_worker_once, items, workers, what="levels 2026-07")
        assert found == [*range(24)]
        assert (tmp_path / "died").exists()
        client: Any = workers._client  # pyright: ignore
        prefixes = client.run_on_scheduler(lambda dask_scheduler: [*dask_scheduler.task_prefixes])
        assert prefixes == ["levels_2026_07"]
        address = client.cluster.scheduler_address
        raise KeyboardInterrupt
    with pytest.raises(ClusterUnreachableError), open_workers(at(address), 1, tmp_path):
        pass
    assert not list(tmp_path.glob(".cluster-*"))


@pytest.mark.parametrize("cluster", ["processes", local(scale=2)])
def test_all_of_them_give_the_same_bytes(tmp_path: Path, cluster: object) -> None:
    images = tiny.write_scenes(tmp_path / "images")
    options = {"store": {"tile_px": 64}}
    threads, spread = tmp_path / "threads", tmp_path / "spread"
    assert run_workflow(RunRequest(tiny.workflow(threads, images, options=options))) == 0
    path = tiny.workflow(spread, images, options=options, cluster=cluster)
    assert run_workflow(RunRequest(path)) == ExitCode.DONE
    assert tiny.outputs(spread) == tiny.outputs(threads)


def test_a_run_that_is_terminated_leaves_no_process(tmp_path: Path) -> None:
    images = tiny.write_scenes(tmp_path / "images")
    path = tiny.workflow(tmp_path, images, cluster=local(scale=2))
    words = ("-c", "from pipeline.cli import main; main()", "run", str(path))
    scratch = str(tmp_path / "scratch")
    env = {**os.environ, "DASK_TEMPORARY_DIRECTORY": scratch}
    command = [sys.executable, *words]
    with subprocess.Popen(command, env=env, cwd=tmp_path, stderr=subprocess.DEVNULL) as run:
        try:
            for _ in range(3000):
                mark = list((tmp_path / "state").glob(".cluster-*"))
                if mark and len(processes_in(scratch)) >= 3:
                    break
                time.sleep(0.1)
            assert len(processes_in(scratch)) >= 3
            run.terminate()
            assert run.wait(timeout=90) == ExitCode.TERMINATED
        finally:
            run.kill()
    for _ in range(100):  # helpers of theirs end a moment later
        if not processes_in(scratch):
            break
        time.sleep(0.1)
    assert processes_in(scratch) == []
    assert not list((tmp_path / "state").glob(".cluster-*"))


def processes_in(scratch: str) -> list[str]:
    """Give the processes that were started with a scratch folder."""
    found: list[str] = []
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if scratch.encode() in (place / "environ").read_bytes():
                found.append(place.name)
    return found


def test_without_an_answer_the_run_goes_on_if_the_workflow_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "_CONNECT_S", 1.0)
    options = at("tcp://127.0.0.1:9", otherwise="threads")
    with open_workers(options, 2, tmp_path) as workers:
        assert workers == 2
    said = "the cluster tcp://127.0.0.1:9 cannot be reached (OSError); goes on with threads"
    assert said in caplog.text


def test_no_scheduler_is_3(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CONNECT_S", 1.0)
    images = tiny.write_scenes(tmp_path / "images", only=range(2))
    path = tiny.workflow(tmp_path, images, cluster="tcp://127.0.0.1:9")
    with pytest.raises(ClusterUnreachableError, match=r"tcp://127\.0\.0\.1:9 cannot be reached"):
        run_workflow(RunRequest(path))
    assert ClusterUnreachableError.code == 3


def test_a_loop_that_begins_late_is_waited_for() -> None:
    late = iter([False, False, True])

    def make() -> str:
        assert next(late), "the loop did not begin within 10 s"
        return "made"

    assert module._looped(make, "x") == "made"  # pyright: ignore[reportPrivateUsage]
    late = iter([False] * 9)
    with pytest.raises(ClusterUnreachableError, match="too busy"):
        module._looped(make, "x")  # pyright: ignore[reportPrivateUsage]


def test_tls_without_certificates_is_named(tmp_path: Path) -> None:
    with (
        pytest.raises(ConfigurationError, match=r"speaks TLS.*distributed\.comm\.tls"),
        open_workers(at("tls://127.0.0.1:9"), 1, tmp_path),
    ):
        pass


def test_no_worker_is_3(
    tmp_path: Path, scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_FIRST_S", 1.0)
    with (
        pytest.raises(ClusterUnreachableError, match="no worker that answers"),
        open_workers(at(scheduler.address), 2, tmp_path),
    ):
        pass
    assert not list(tmp_path.glob(".cluster-*"))


def test_a_worker_that_does_not_see_the_state_is_named(
    tmp_path: Path, scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "write_text", lambda *_: None)
    said = f"cannot see the state directory {tmp_path}"
    with (
        worker(scheduler.folder),
        pytest.raises(ClusterUnreachableError, match=said),
        open_workers(at(scheduler.address), 2, tmp_path),
    ):
        pass
    # A worker that comes later says so itself.
    late = module._Batch(Sent.of(double), tmp_path / "mark")  # pyright: ignore[reportPrivateUsage]
    with pytest.raises(ClusterUnreachableError, match=said):
        late([1])


def test_a_class_that_takes_other_args_or_cannot_start_says_so(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    # Any free port: the usual one is that of whatever other cluster this machine runs.
    free = {"dashboard_address": ":0"}
    args = {"n_workers": 0, "threads_per_worker": 1, "interface": "no-such-card", **free}
    for given, error, said in (
        ({"n_workers": 1, "colour": "blue", **free}, ConfigurationError, "does not take.*'colour'"),
        (args, (ConfigurationError, ClusterUnreachableError), "no-such-card"),
    ):
        options = ClusterOptions.model_validate(local(scale=1, args=given))
        with pytest.raises(error, match=said), open_workers(options, 1, tmp_path):
            pass
        assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize("who", ["the worker", "the scheduler"])
def test_a_cluster_that_goes_away_ends_the_run(
    tmp_path: Path, scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch, who: str
) -> None:
    monkeypatch.setattr(module, "_PATIENCE_S", 2.0)
    with ExitStack() as stack:
        only = stack.enter_context(worker(scheduler.folder))
        workers = stack.enter_context(open_workers(at(scheduler.address), 1, tmp_path))

        def kill(what: str, done: int, total: int) -> None:
            if list(tmp_path.glob("started-*")):
                (only if who == "the worker" else scheduler.process).kill()

        with pytest.raises(ClusterUnreachableError, match="went away in the middle"):
            map_tiles(slow, [(i, tmp_path) for i in range(30)], workers, kill, "waiting")


def test_without_dask_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with (
        pytest.raises(ConfigurationError, match=r"pip install 'siluan\[cluster\]'"),
        open_workers(at("processes"), 2, tmp_path),
    ):
        pass
