"""Of bands that are fetched side by side: what one of them says holds for all, and soon."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest
from rasterio.errors import RasterioError

from pipeline.errors import SceneUnusableError, SourceUnreachableError
from pipeline.io.line import LeftToGdalError
from pipeline.io.ranges import Coming, Fetcher
from pipeline.passes import fetched_bands
from pipeline.passes.bands import BadSceneError

STORE: Any = SimpleNamespace(tiles=["a", "b"], grid=None, kept=None)
SCENE: Any = SimpleNamespace(id="scene")


def plan(answer: Callable[[], bytes]) -> Any:
    """Stand in for what is planned of a file: ``answer`` is called for its blocks."""
    return SimpleNamespace(size=1, asset="asset", ask=lambda _: Coming([], answer))


def endless() -> Any:
    """Stand in for a file whose server does not answer."""
    future: Future[bytes] = Future()
    coming = Coming([future], lambda: future.result(timeout=60))
    return SimpleNamespace(size=1, asset="asset", ask=lambda _: coming)


def fails(error: BaseException, after_s: float = 0.0) -> Callable[[], bytes]:
    def answer() -> bytes:
        time.sleep(after_s)
        raise error

    return answer


@pytest.fixture
def fetch(monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, Any]], Any]:
    monkeypatch.setattr(fetched_bands, "AssetReader", lambda *_: nullcontext())
    monkeypatch.setattr(fetched_bands, "read_tile", lambda _s, band, _r, tile: f"{band} {tile}")

    def run(plans: dict[str, Any]) -> Any:
        every = {band: [(SCENE, p)] for band, p in plans.items()}
        monkeypatch.setattr(fetched_bands, "_plans", lambda *_: every)
        with Fetcher(2) as fetcher:
            found = fetched_bands.fetched_bands(STORE, {}, fetcher)
            with fetcher.room.held(1 << 40):  # its room is free again
                return found

    return run


def test_each_band_has_a_layer_for_each_tile(fetch: Callable[..., Any]) -> None:
    plans = {"red": plan(lambda: b""), "nir": plan(lambda: b"")}
    assert fetch(plans) == {"red": ["red a", "red b"], "nir": ["nir a", "nir b"]}


def test_what_is_gdals_decides_whatever_came_first(fetch: Callable[..., Any]) -> None:
    bad = SceneUnusableError("damaged", "Fetch it again")
    for late in (0.0, 0.1):
        for odd in (LeftToGdalError(), RasterioError("odd")):
            plans = {"red": plan(fails(bad)), "nir": plan(fails(odd, late))}
            assert fetch(plans) is None


def test_the_first_bad_scene_is_named_whatever_came_first(fetch: Callable[..., Any]) -> None:
    for late in (0.0, 0.1):
        plans = {
            "red": plan(fails(BadSceneError("one", SceneUnusableError("x", "y")), late)),
            "nir": plan(fails(BadSceneError("two", SceneUnusableError("x", "y")))),
            "blue": plan(lambda: b""),
        }
        with pytest.raises(BadSceneError, match="one"):
            fetch(plans)


def test_a_server_that_fails_stops_what_is_under_way(fetch: Callable[..., Any]) -> None:
    asked: list[Any] = []
    under_way = threading.Event()

    def gone() -> bytes:
        under_way.set()
        time.sleep(0.2)
        raise SourceUnreachableError("gone", "Run again")

    class Large:
        """Comes in alone, and asks for room once the others have it."""

        asset = "asset"

        @property
        def size(self) -> int:
            under_way.wait(30)
            return 1 << 30

        def ask(self, _: Fetcher) -> Coming[bytes]:
            asked.append(1)
            return Coming([], lambda: b"")

    began = time.monotonic()
    with pytest.raises(SourceUnreachableError, match="gone"):
        fetch({"blue": Large(), "red": endless(), "nir": plan(gone)})
    assert time.monotonic() - began < 10
    assert asked == []


def test_an_interrupt_stops_what_is_under_way(
    fetch: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = threading.Event()

    def interrupted(_: Future[Any], timeout: float | None = None) -> Any:
        waiting.wait(0.1)
        raise KeyboardInterrupt

    began = time.monotonic()
    with monkeypatch.context() as patch:
        patch.setattr(Future, "exception", interrupted)
        with pytest.raises(KeyboardInterrupt):
            fetch({"red": endless(), "nir": endless()})
    assert time.monotonic() - began < 10
