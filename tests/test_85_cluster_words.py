"""What a workflow may say of its cluster, and what it is told of what it may not."""

from __future__ import annotations

import pickle
import re
import socket
import sys
import threading
from contextlib import ExitStack, suppress
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from affine import Affine
from pydantic import ValidationError
from shapely.geometry import box

sys.path.insert(0, str(Path(__file__).parent))
import tiny

from pipeline.config import load_workflow
from pipeline.dispatch import run_any
from pipeline.errors import ClusterUnreachableError, ConfigurationError
from pipeline.io import cluster
from pipeline.io.cluster import open_workers
from pipeline.io.cluster_names import keys_of
from pipeline.io.cluster_options import ClusterOptions, check_cluster
from pipeline.io.cluster_sent import Sent
from pipeline.io.store import CorridorStore
from pipeline.model import Grid, Tile, Window
from pipeline.office.doctor import Checkup, examine
from pipeline.passes.baselines import BaselineCache
from pipeline.run import RunRequest

LOCAL = "distributed.LocalCluster"


def read(value: Any) -> ClusterOptions:
    return ClusterOptions.model_validate(value)


def test_nothing_a_word_an_address_and_a_class() -> None:
    assert read(None) == read("threads") == ClusterOptions(address="threads")
    assert read("tls://a:8786") == read({"address": "tls://a:8786"})
    slurm = read({"class": "dask_jobqueue.SLURMCluster", "adapt": {"maximum": 9}})
    assert (slurm.name, slurm.most) == ("dask_jobqueue.SLURMCluster", 9)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("127.0.0.1:8786", "neither threads nor processes nor the address"),
        ("tcp://a", "neither threads nor processes nor the address"),
        ("tls://a:99999", "neither threads nor processes nor the address"),
        ({}, "give one of address and class"),
        ({"address": "threads", "class": LOCAL, "scale": 1}, "give one of address and class"),
        ({"class": LOCAL}, "a class needs one of scale and adapt"),
        ({"class": LOCAL, "scale": 1, "adapt": {"maximum": 2}}, "needs one of scale and adapt"),
        ({"class": LOCAL, "adapt": {"minimum": 3, "maximum": 2}}, "minimum 3 is more"),
        ({"class": LOCAL, "scale": 1, "args": {"loop": 1}}, "loop cannot be chosen here"),
        ({"class": "os.system; rm", "scale": 1}, "should match pattern"),
        ({"address": "tcp://a:1", "scale": 2}, "scale goes with class"),
        ({"address": "threads", "otherwise": "threads"}, "threads always answer"),
        ({"address": "tcp://a:1", "otherwise": "tcp://b:1"}, "'threads' or 'processes'"),
        ({"class": LOCAL, "scales": 1}, "Extra inputs"),
    ],
)
def test_what_it_may_not_say(value: Any, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        read(value)


def test_a_misspelt_key_is_named_with_its_place(tmp_path: Path) -> None:
    path = tiny.workflow(tmp_path, tmp_path, cluster={"class": LOCAL, "scael": 2})
    with pytest.raises(ConfigurationError, match=r"'cluster.scael' \(did you mean 'scale'\?\)"):
        load_workflow(path)


@pytest.mark.parametrize(
    ("dotted", "said"),
    [
        ("dask_jobqueue.SLURMCluster", "pip install dask-jobqueue"),
        ("dask_kubernetes.operator.KubeCluster", "pip install dask-kubernetes"),
        ("distributed.LocalClutser", "Did you mean distributed.LocalCluster"),
        ("distributed.nowhere.LocalCluster", "has no module distributed.nowhere"),
        ("distributed.Client", "is no cluster of Dask's"),
        ("os.system", "is no cluster of Dask's"),
        ("distributed.deploy.Cluster", "is no cluster of Dask's"),
    ],
)
def test_a_class_that_is_none_is_told_before_the_run(
    tmp_path: Path, dotted: str, said: str
) -> None:
    path = tiny.workflow(tmp_path, tmp_path, cluster={"class": dotted, "scale": 1})
    with pytest.raises(ConfigurationError, match=re.escape(said)):
        run_any(RunRequest(path, dry_run=True))


def test_a_recheck_asks_for_the_cluster_of_its_patrol(tmp_path: Path) -> None:
    tiny.workflow(tmp_path, tmp_path, cluster={"class": "os.system", "scale": 1})
    path = tmp_path / "recheck.yaml"
    content = {"name": "again", "kind": "recheck", "patrol": "workflow.yaml", "out": "again"}
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"os\.system"):
        run_any(RunRequest(path))


def test_the_doctor_names_a_cluster_that_cannot_be_started(tmp_path: Path) -> None:
    images = tiny.write_scenes(tmp_path / "images", only=range(1))
    path = tiny.workflow(tmp_path, images, cluster={"class": "os.system", "scale": 1})
    found = examine(Checkup(tmp_path, (path,), date(2025, 6, 1)))
    assert [f.cost for f in found if "os.system" in f.what] == ["no run starts"]


def test_threads_need_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    check_cluster(read("threads"))
    with pytest.raises(ConfigurationError, match=r"pip install 'siluan\[cluster\]'"):
        check_cluster(read("processes"))


def work(item: object) -> object:
    return item


def test_keys_name_stage_and_tiles_and_are_given_once() -> None:
    split = pytest.importorskip("dask.utils").key_split
    cores = [Window(0, 9, c, c + 9) for c in (0, 9, 18)]
    tiles = [Tile(c, c) for c in cores]
    batches = [tiles[:2], tiles[2:]]
    keys = keys_of(work, "levels 2026-07", batches)
    assert keys[0].startswith("levels_2026_07-r0c0..r0c9-")
    assert keys[1].startswith("levels_2026_07-r0c18-")
    assert {split(k) for k in keys} == {"levels_2026_07"}
    assert not set(keys) & set(keys_of(work, "levels 2026-07", batches))
    anonymous = keys_of(partial(work), "", [[("pass", 1.0)], [object()]])
    assert {split(k) for k in anonymous} == {"work"}
    inner = keys_of(lambda _: None, "", [["a"]])[0]
    assert split(inner) == "test_keys_name_stage_and_tiles_and_are_given_once"


def test_copies_of_a_cache_share_what_they_built_until_it_is_cleared() -> None:
    cache = BaselineCache(None, None)  # type: ignore[arg-type]
    sent = [pickle.loads(pickle.dumps(cache)) for _ in range(2)]
    held = [vars(one)["_held"] for one in sent]
    assert held[0] is held[1]
    assert held[0] is not vars(cache)["_held"]
    cache.clear()
    assert vars(pickle.loads(pickle.dumps(cache)))["_held"] is not held[0]
    for _ in range(3):
        pickle.loads(pickle.dumps(BaselineCache(None, None)))  # type: ignore[arg-type]
    assert vars(pickle.loads(pickle.dumps(sent[0])))["_held"] is not held[0]


@pytest.mark.parametrize("banner", [b"SSH-2.0-OpenSSH_9.6\r\n" + b"x" * 64, b""])
def test_what_answers_and_is_no_scheduler_is_named(
    tmp_path: Path, banner: bytes, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(cluster, "_CONNECT_S", 0.3)
    links: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as server, ExitStack() as stack:

        def serve() -> None:
            with suppress(OSError):  # until the server is closed
                while True:
                    links.append(server.accept()[0])
                    links[-1].sendall(banner)

        threading.Thread(target=serve, daemon=True).start()
        stack.callback(server.shutdown, socket.SHUT_RDWR)
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        said = f"{address} answers, but not as a Dask scheduler does"
        with pytest.raises(ClusterUnreachableError, match=f"{said}.*dashboard.*otherwise: threads"):
            stack.enter_context(open_workers(read(address), 2, tmp_path))
        here = read({"address": address, "otherwise": "threads"})
        assert stack.enter_context(open_workers(here, 2, tmp_path)) == 2
    for link in links:
        link.close()
    assert f"{said} ({'MemoryError' if banner else 'it is silent'}); goes on" in caplog.text


PAGE = (tiny.ROOT / "docs" / "cluster.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("block", re.findall(r"```yaml\n(cluster:.*?)```", PAGE, re.DOTALL))
def test_what_the_page_shows_is_taken(block: str) -> None:
    ClusterOptions.model_validate(yaml.safe_load(block)["cluster"])


def test_the_page_shows_every_way() -> None:
    for said in ("threads", "tcp://", "otherwise", "SLURMCluster", "KubeCluster", "adapt"):
        assert said in PAGE


def test_a_worker_unpacks_work_once_and_shares_its_store(tmp_path: Path) -> None:
    grid = Grid("EPSG:32649", Affine(10, 0, 700_000, 0, -10, 3_080_000), (128, 192))
    store = CorridorStore(tmp_path, grid, 64, box(700_100, 3_079_000, 701_500, 3_079_700))
    first, second = (Sent.of(lambda tile, n=n: (store, tile, n)) for n in range(2))
    assert first.name != second.name
    assert first.here() is first.here()
    theirs = [sent.here()(3) for sent in (first, second)]
    assert [n for _, _, n in theirs] == [0, 1]
    assert theirs[0][0] is theirs[1][0]
    assert theirs[0][0] is not store
    assert theirs[0][0].tiles == store.tiles
    for tile in store.tiles:
        np.testing.assert_array_equal(theirs[0][0].kept(tile.core, 2), store.kept(tile.core, 2))
    before = first.here()
    for n in (2, 3):
        Sent.of(lambda tile, n=n: n).here()
    assert first.here() is not before, "what was sent long ago is not kept"
