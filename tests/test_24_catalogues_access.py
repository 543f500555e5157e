"""How files of a catalogue are reached: signed, with a token, through a proxy, from a mirror."""

from __future__ import annotations

import json
import logging
import sys
import time
import traceback
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from requests.exceptions import ProxyError
from starlette.requests import Request
from starlette.responses import Response

sys.path.insert(0, str(Path(__file__).parent))
import tiny
from pydantic import ValidationError
from small_servers import answering, forwarding
from test_20_acquire import TABLE, WANTED, catalogue, five, item, source
from test_21_catalogue_faults import plain_http
from test_22_rasters_remote import written
from test_24_catalogues import pages
from test_83_served import served

from pipeline.access import Access
from pipeline.acquire.api import unreachable
from pipeline.acquire.local_api import serve
from pipeline.acquire.source import StacSource
from pipeline.acquire.stac import search_stac
from pipeline.errors import ConfigurationError, ExitCode, SceneUnusableError, SourceUnreachableError
from pipeline.io import remote
from pipeline.io.asset_reader import AssetReader
from pipeline.io.raster import raster_profile
from pipeline.io.secrets import HIDDEN, clean
from pipeline.io.tokens import Tokens
from pipeline.model import Asset
from pipeline.run import RunRequest, run_workflow

Handler = Callable[[Request], Response | None]
SECRET = "sig=abc%2Fdef0123456789"


class Storage:
    """A container whose files want a token, and the endpoint that gives them out."""

    def __init__(self, minutes: float = 45) -> None:
        self.minutes = minutes
        self.given = 0
        self.accepted: set[str] = set()
        self.down = 0

    def token(self, path: str) -> tuple[int, bytes]:
        assert path == "/token/127/data"  # account and container, by the host and the path
        if self.down:
            self.down -= 1
            return 503, b""
        self.given += 1
        token = f"n={self.given}&{SECRET}"
        self.accepted = {token}
        until = datetime.now(UTC) + timedelta(minutes=self.minutes)
        return 200, json.dumps({"msft:expiry": until.isoformat(), "token": token}).encode()

    def __call__(self, request: Request) -> Response | None:
        closed = request.url.path.endswith(".tif") and request.url.query not in self.accepted
        return Response(status_code=403) if closed else None


@contextmanager
def closed_store(
    folder: Path, store: Storage, fault: Handler | None = None
) -> Generator[tuple[str, Access]]:
    """Serve a folder's catalogue and files; give its address and how it is read."""
    with serve(folder, fault or store) as url, answering(store.token) as tokens:
        signing = {"kind": "sas", "hosts": ["127.0.0.1"]}
        signing["token_url"] = f"{tokens}/token/{{account}}/{{container}}"
        yield url, Access.model_validate({"signing": signing})


@pytest.fixture(autouse=True)
def _fresh_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "TOKENS", Tokens())
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "AWS_ACCESS_KEY_ID"):
        monkeypatch.delenv(name, raising=False)


def test_one_token_serves_many_files(tmp_path: Path) -> None:
    store = Storage()
    catalogue = five(tmp_path)
    written(tmp_path)
    (tmp_path / "b.tif").write_bytes((tmp_path / "a.tif").read_bytes())
    with closed_store(catalogue, store) as (url, access):
        for name in ("a", "b"):
            assert raster_profile(f"{url}/data/{name}.tif", access).count == 1
    assert store.given == 1


def test_a_token_that_ends_soon_is_renewed(tmp_path: Path) -> None:
    store = Storage(minutes=0)
    catalogue = five(tmp_path)
    written(tmp_path)
    (tmp_path / "b.tif").write_bytes((tmp_path / "a.tif").read_bytes())
    with closed_store(catalogue, store) as (url, access):
        for name in ("a", "b"):
            raster_profile(f"{url}/data/{name}.tif", access)
    assert store.given == 2


def test_a_token_that_is_refused_is_renewed_once(tmp_path: Path) -> None:
    store = Storage()
    catalogue = five(tmp_path)
    written(tmp_path)
    with closed_store(catalogue, store) as (url, access):
        remote.opening(f"{url}/data/a.tif", access)
        store.accepted = set()  # the keeper changed his key
        assert raster_profile(f"{url}/data/a.tif", access).count == 1
    assert store.given == 2


@pytest.mark.thorough
def test_a_token_endpoint_that_stumbles_is_asked_again(tmp_path: Path) -> None:
    store = Storage()
    store.down = 2
    catalogue = five(tmp_path)
    written(tmp_path)
    with closed_store(catalogue, store) as (url, access):
        assert raster_profile(f"{url}/data/a.tif", access).count == 1
    store.down = 99
    with (
        closed_store(catalogue, store) as (url, access),
        pytest.raises(SourceUnreachableError, match="token endpoint"),
    ):
        raster_profile(f"{url}/data/a.tif", access)


@pytest.mark.thorough
def test_no_secret_leaves_in_a_message_or_a_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    store = Storage()
    catalogue = five(tmp_path)
    _, area = written(tmp_path)
    said: list[str] = []

    def fault(request: Request) -> Response | None:
        # The token is good, and the files are gone, no raster, or fail in the middle.
        broken = store(request)
        if broken is None and request.url.path.endswith("gone.tif"):
            return Response(status_code=404)
        if broken is None and request.url.path.endswith("page.tif"):
            return Response("<html></html>")
        return Response(status_code=503) if said and request.url.path.endswith("a.tif") else broken

    with closed_store(catalogue, store, fault) as (url, access):
        for name in ("gone", "page"):
            with pytest.raises(SceneUnusableError) as raised:
                raster_profile(f"{url}/data/{name}.tif", access)
            said.append("".join(traceback.format_exception(raised.value)))
        said.clear()
        href = f"{url}/data/a.tif"
        with AssetReader(Asset("green", href, 1, 1, 0, 0, 10, access=access), area) as reader:
            said.append("")
            with pytest.raises(SourceUnreachableError) as failed:
                reader.read(area.window)
        said.append("".join(traceback.format_exception(failed.value)))
    text = "".join(said) + caplog.text
    assert "503" in text
    assert "abc" not in text
    assert HIDDEN in caplog.text  # the libraries did write it, and it was cleared


def test_files_elsewhere_get_no_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OFFICE_TOKEN", "very-secret")
    headers: list[str | None] = []

    def watch(request: Request) -> Response | None:
        headers.append(request.headers.get("authorization"))
        return None

    catalogue = five(tmp_path)
    written(tmp_path)
    signing: dict[str, Any] = {"kind": "bearer", "token_env": "OFFICE_TOKEN"}
    with serve(catalogue, watch) as url:
        for hosts in (["127.0.0.1"], ["localhost", ".0.0.2"]):
            access = Access.model_validate({"signing": {**signing, "hosts": hosts}})
            headers.clear()
            raster_profile(f"{url}/data/a.tif", access)
            search_stac(source(url, access=access), TABLE, WANTED)
            wanted = {"Bearer very-secret"} if "127.0.0.1" in hosts else {None}
            assert set(headers) == wanted
        headers.clear()
        raster_profile(f"{url.replace('127.0.0.1', 'localhost')}/data/a.tif")
        assert set(headers) == {None}, "what one file was opened with stays with it"


def test_a_link_to_another_host_takes_no_token_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A ``next`` may lead anywhere; only named hosts see the token."""
    monkeypatch.setenv("OFFICE_TOKEN", "very-secret")
    turned = pages([["a"], ["b"], ["c"]])
    headers: dict[str, set[str | None]] = {}

    def away(request: Request) -> Response | None:
        host = request.url.hostname or ""
        headers.setdefault(host, set()).add(request.headers.get("authorization"))
        answer = turned(request)
        if answer is not None and host == "127.0.0.1":
            body = bytes(answer.body).replace(b"http://127.0.0.1", b"http://localhost")
            return Response(body, media_type="application/json")
        return answer

    signing = {"kind": "bearer", "token_env": "OFFICE_TOKEN", "hosts": ["127.0.0.1"]}
    access = Access.model_validate({"signing": signing})
    with serve(five(tmp_path), away) as url:
        found = search_stac(source(url, access=access), TABLE, WANTED)
    assert len(found.scenes) == 3
    assert headers == {"127.0.0.1": {"Bearer very-secret"}, "localhost": {None}}


def test_a_long_message_is_cleared_in_no_time() -> None:
    """It took the square of the length: 8 s for this one."""
    start = time.process_time()
    assert clean("a." * 60_000 + "ftp://bob:x@h/") == "a." * 60_000 + f"ftp://{HIDDEN}@h/"
    assert time.process_time() - start < 1


def test_an_address_is_named_without_its_user_and_password(tmp_path: Path) -> None:
    """Some catalogues write them into their hrefs; what is said is printed, logged and kept."""
    said = "cannot open /vsicurl/https://bob:x@h.org:9/a.tif and ftp://bob:p%40w@h/b?sig=1x"
    for form in ("https://bob:s3cretpw@h.org:9/x/B03.tif", "s3://key:s3cretpw@bucket/B03.tif"):
        assert "s3cretpw" not in clean(f"({form}): no")
        assert "s3cretpw" not in remote.named(form)
        assert remote.named(form).endswith("/B03.tif")
    assert clean(said).endswith(f"ftp://{HIDDEN}@h/b?{HIDDEN}")
    assert clean("https://h.org/a@b.tif") == remote.named("https://h.org/a@b.tif")
    lost = "http://bob:s3cretpw@127.0.0.1:9/x/B03.tif"
    with pytest.raises(SourceUnreachableError) as caught:
        raster_profile(lost, Access(read_retries=0))
    assert "http://127.0.0.1:9/x/B03.tif cannot be fetched" in caught.value.what
    one = item("a", "2024-03-05T03:00:00Z") | {"id": None, "assets": {}}
    path = catalogue(tmp_path, [item("b", "2024-03-05T03:00:00Z")])
    link = {"rel": "item", "href": lost}
    with plain_http(tmp_path) as url:
        document = json.loads(path.read_text(encoding="utf-8"))
        signed = url.replace("http://", "http://bob:s3cretpw@")
        (tmp_path / "nameless.json").write_text(json.dumps(one), encoding="utf-8")
        document["links"] += [
            link | {"href": f"{signed}/{n}?sig=s3cretpw"} for n in ("none.json", "nameless.json")
        ]
        path.write_text(json.dumps(document), encoding="utf-8")
        found = search_stac(source(path), TABLE, WANTED)
    assert len(found.set_aside) == 2
    assert "s3cretpw" not in repr(found.set_aside)


def test_secrets_that_are_not_set_are_named_before_anything_is_asked(tmp_path: Path) -> None:
    signing = {"kind": "bearer", "token_env": "NOT_SET_A", "hosts": ["h"]}
    s3 = {"key_env": "NOT_SET_B", "secret_env": "NOT_SET_C"}
    access = Access.model_validate({"signing": signing, "s3": s3})
    with pytest.raises(ConfigurationError, match="NOT_SET_B, NOT_SET_C, NOT_SET_A"):
        search_stac(source("http://127.0.0.1:9/", access=access), TABLE, WANTED)


def test_a_proxy_carries_searches_and_files(tmp_path: Path) -> None:
    catalogue = five(tmp_path)
    written(tmp_path)
    seen: list[dict[str, str]] = []
    with serve(catalogue) as url, forwarding(url, seen) as proxy:
        access = Access(proxy=proxy)
        found = search_stac(source("http://catalogue.invalid/", access=access), TABLE, WANTED)
        assert len(found.scenes) == 5
        assert raster_profile("http://files.invalid/data/a.tif", access).count == 1
        with pytest.raises(SceneUnusableError, match=r"files.invalid/data/gone.tif answers 404"):
            raster_profile("http://files.invalid/data/gone.tif", access)
    assert {urlsplit(s["url"]).hostname for s in seen} == {"catalogue.invalid", "files.invalid"}


def test_a_proxy_of_the_environment_is_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalogue = five(tmp_path)
    written(tmp_path)
    seen: list[dict[str, str]] = []
    with serve(catalogue) as url, forwarding(url, seen) as proxy:
        monkeypatch.setenv("http_proxy", proxy)
        found = search_stac(source("http://catalogue.invalid/"), TABLE, WANTED)
        assert len(found.scenes) == 5
        assert raster_profile("http://files.invalid/data/a.tif").count == 1


def test_a_proxy_with_a_password_comes_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalogue = five(tmp_path)
    written(tmp_path)
    seen: list[dict[str, str]] = []
    access = Access(proxy_env="OFFICE_PROXY")
    with serve(catalogue) as url, forwarding(url, seen) as proxy:
        monkeypatch.setenv("OFFICE_PROXY", proxy.replace("://", "://clerk:hush-hush@"))
        raster_profile("http://files.invalid/data/a.tif", access)
        search_stac(source("http://catalogue.invalid/", access=access), TABLE, WANTED)
    assert seen
    assert all(s["proxy-authorization"].startswith("Basic ") for s in seen)
    monkeypatch.setenv("OFFICE_PROXY", "http://clerk:hush-hush@127.0.0.1:9")
    with pytest.raises(SourceUnreachableError) as raised:
        search_stac(source("http://c.invalid/", access=access, retries=0), TABLE, WANTED)
    assert "hush" not in str(raised.value)
    with pytest.raises(SourceUnreachableError) as raised:
        raster_profile("http://c.invalid/a.tif", access)
    assert "hush" not in "".join(traceback.format_exception(raised.value))


def mirrored(folder: Path, url: str, *, to: str) -> dict[str, Any]:
    """Rewrite the tiny items to lie at a far host, and give a source that reads them at ``to``."""
    for path in (folder / "scenes/images").glob("*.json"):
        entry = json.loads(path.read_text("utf-8"))
        for asset in entry["assets"].values():
            asset["href"] = f"https://far.invalid/scenes/{Path(asset['href']).name}"
        path.write_text(json.dumps(entry), encoding="utf-8")
    access = {"mirrors": [{"from": "https://far.invalid/scenes/", "to": to}]}
    return {"type": "stac", "url": url, "sensor": "tiny", "local_api": True, "access": access}


@pytest.mark.thorough
def test_a_run_reads_an_offices_mirror_on_disk_and_then_by_http(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    local = served(tmp_path)
    with serve(Path(local["url"])) as url:
        asked = mirrored(tmp_path, local["url"], to=f"{tmp_path}/scenes/images/")
        path = tiny.workflow(tmp_path, tmp_path, sources=[asked])
        assert run_workflow(RunRequest(path)) == ExitCode.DONE
        assert tiny.features(tmp_path, "cases.geojson")[0]["properties"]["hits"] == 5
        first = tiny.outputs(tmp_path)
        # Another mirror is another way to the same files: nothing is read again.
        asked["access"]["mirrors"][0]["to"] = f"{url}/data/images/"
        path = tiny.workflow(tmp_path, tmp_path, sources=[asked])
        capsys.readouterr()
        assert run_workflow(RunRequest(path, dry_run=True)) == ExitCode.DONE
        said = capsys.readouterr().out
        assert said.count(" skip: ") == 15, said
        fresh = tiny.workflow(tmp_path / "other", tmp_path, sources=[asked])
        assert run_workflow(RunRequest(fresh)) == ExitCode.DONE
        again = tiny.features(tmp_path / "other", "cases.geojson")
        assert again[0]["geometry"] == json.loads(first["cases.geojson"])["features"][0]["geometry"]


def test_a_run_over_signed_files_writes_no_token(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    local, store = served(tmp_path), Storage()
    with closed_store(Path(local["url"]), store) as (url, access):
        asked: dict[str, Any] = {"type": "stac", "url": url, "sensor": "tiny"}
        asked["access"] = access.model_dump(mode="json", by_alias=True)
        path = tiny.workflow(tmp_path, tmp_path, sources=[asked])
        assert run_workflow(RunRequest(path)) == ExitCode.DONE
    assert store.given == 1
    assert tiny.features(tmp_path, "cases.geojson")[0]["properties"]["hits"] == 5
    captured = capsys.readouterr()
    written_ = [p for p in tmp_path.rglob("*") if p.is_file() and "scenes" not in p.parts]
    assert len(written_) > 10
    leaks = [p for p in written_ if b"abc%2F" in p.read_bytes() or b"abc/def" in p.read_bytes()]
    assert leaks == []
    assert "abc" not in captured.out + captured.err


@pytest.mark.parametrize(
    "url", ["https://user:s3cr3t@h.invalid/v1", "https://h.invalid/v1?t=s3cr3t"]
)
def test_an_address_that_may_hold_a_secret_is_refused_and_not_said(url: str) -> None:
    for build in (
        lambda: StacSource.model_validate({"url": url, "sensor": "x"}),
        lambda: Access.model_validate({"mirrors": [{"from": "https://a", "to": url}]}),
    ):
        with pytest.raises(ValidationError) as refused:
            build()
        (error,) = refused.value.errors()
        assert "access.signing" in error["msg"]
        assert "s3cr3t" not in error["msg"]


@pytest.mark.parametrize(
    ("behind", "words"),
    [
        ("[Errno 111] Connection refused", "cannot be reached"),
        ("Tunnel connection failed: 403 Forbidden", "lets nothing through"),
    ],
)
def test_a_proxy_that_fails_is_named_and_not_the_catalogue(behind: str, words: str) -> None:
    error = ProxyError(f"Caused by ProxyError('Unable to connect to proxy', OSError('{behind}'))")
    said = unreachable("https://stac.example", error).what
    assert said.endswith(f"the proxy (access.proxy, or HTTPS_PROXY) {words}")
