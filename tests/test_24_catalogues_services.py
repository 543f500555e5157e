"""Runs over real services: pgstac on PostgreSQL, files behind nginx, objects in moto's S3.

These need programs that `make test` does not install; `.ci/services` does.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from shapely.geometry import shape

sys.path.insert(0, str(Path(__file__).parent))
import services
import tiny

from pipeline.access import Access
from pipeline.acquire.bands import load_sensor_table
from pipeline.acquire.source import StacSource, Wanted
from pipeline.acquire.stac import search_stac
from pipeline.config import load_workflow
from pipeline.errors import ConfigurationError, ExitCode
from pipeline.io.asset_reader import AssetReader
from pipeline.io.raster import raster_profile
from pipeline.model import Asset, Grid, Window
from pipeline.run import RunRequest, run_workflow

pytestmark = [pytest.mark.services, pytest.mark.timeout(300)]
COLLECTION = {
    "type": "Collection",
    "id": "tiny",
    "stac_version": "1.0.0",
    "description": "A tiny river",
    "license": "other",
    "links": [],
    "extent": {
        "spatial": {"bbox": [[-180, -90, 180, 90]]},
        "temporal": {"interval": [["2024-01-01T00:00:00Z", None]]},
    },
}


@contextmanager
def _there(what: Any) -> Generator[Any]:
    """Enter a service; without its programs skip, or fail where they are required."""
    try:
        found = what.__enter__()
    except services.MissingServiceError as error:
        if os.environ.get("SILUAN_REQUIRE_SERVICES") == "1":
            pytest.fail(str(error))
        pytest.skip(str(error))
    try:
        yield found
    finally:
        what.__exit__(None, None, None)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("services")
    # The database's user must be able to walk to its folder.
    for path in (folder, *list(folder.parents)[:2]):
        if path.stat().st_uid == os.geteuid():
            path.chmod(path.stat().st_mode | 0o011)
    return folder


@pytest.fixture(scope="module")
def images(base: Path) -> Path:
    return tiny.write_scenes(base / "images")


def items(images: Path, prefix: str) -> list[dict[str, Any]]:
    """Give the scenes as items whose files lie below ``prefix``; cloud counts 0, 5, 10 ... %."""
    out: list[dict[str, Any]] = []
    geometry = tiny.corridor()["geometry"]
    for i, path in enumerate(sorted(images.glob("*.tif"))):
        day = path.stem.removeprefix("tiny_")
        properties = {"datetime": f"{day}T03:00:00Z", "platform": "tiny", "eo:cloud_cover": 5 * i}
        if i == 0:
            del properties["eo:cloud_cover"]
        entry = {"type": "Feature", "stac_version": "1.0.0", "id": path.stem, "links": []}
        entry |= {"collection": "tiny", "geometry": geometry, "properties": properties}
        entry["bbox"] = list(shape(geometry).bounds)
        entry["assets"] = {b: {"href": f"{prefix}/{path.name}"} for b in tiny.BANDS}
        out.append(entry)
    return out


def static(folder: Path, entries: list[dict[str, Any]]) -> Path:
    """Write items as a static catalogue."""
    folder.mkdir(parents=True, exist_ok=True)
    links = []
    for entry in entries:
        (folder / f"{entry['id']}.json").write_text(json.dumps(entry), encoding="utf-8")
        links.append({"rel": "item", "href": f"./{entry['id']}.json"})
    root = {"type": "Catalog", "id": "r", "stac_version": "1.0.0", "description": "r"}
    path = folder / "catalog.json"
    path.write_text(json.dumps({**root, "links": links}), encoding="utf-8")
    return path


def source(url: str | Path, **changes: Any) -> dict[str, Any]:
    return {"type": "stac", "url": str(url), "sensor": "tiny", **changes}


@pytest.fixture(scope="module")
def server(base: Path, images: Path) -> Iterator[services.Nginx]:
    with _there(services.nginx(base / "nginx", images)) as found:
        yield found


@pytest.fixture(scope="module")
def api(base: Path, images: Path, server: services.Nginx) -> Iterator[str]:
    entries = items(images, f"{server.url}/files")
    with _there(services.pgstac(base / "pgstac", COLLECTION, entries)) as url:
        yield url


@pytest.fixture(scope="module")
def store(base: Path, images: Path) -> Iterator[str]:
    with _there(services.s3(base / "moto", images)) as url:
        yield url


@pytest.fixture(scope="module")
def expected(base: Path, images: Path) -> dict[str, Any]:
    """The case that the same files give when they lie in a folder."""
    path = tiny.workflow(base / "folder", images)
    assert run_workflow(RunRequest(path)) == ExitCode.DONE
    return tiny.features(base / "folder", "cases.geojson")[0]


def same_case(folder: Path, expected: dict[str, Any]) -> bool:
    (found,) = tiny.features(folder, "cases.geojson")
    names = ("hits", "clear_looks", "first_seen", "last_seen", "area_m2")
    same = all(found["properties"][n] == expected["properties"][n] for n in names)
    return same and found["geometry"] == expected["geometry"]


# pgstac


def test_the_command_runs_over_pgstac_and_nginx(
    tmp_path: Path, api: str, server: services.Nginx, expected: dict[str, Any]
) -> None:
    path = tiny.workflow(tmp_path, tmp_path, sources=[source(api, page_size=4)])
    siluan = Path(sys.executable).with_name("siluan")
    done = subprocess.run(
        [str(siluan), "run", str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert api not in done.stderr, "there is nothing to say of this server"
    assert same_case(tmp_path, expected)
    assert server.lines(" 206 "), "files were read by ranges"


def pgstac_search(tmp_path: Path, url: str, **changes: Any) -> tuple[list[str], tuple[str, ...]]:
    path = tiny.workflow(tmp_path, tmp_path)
    workflow = load_workflow(path)
    table = load_sensor_table(workflow.sensors, "tiny")
    start, end = workflow.period.span
    wanted = Wanted(shape(tiny.corridor()["geometry"]), start, end)
    asked = StacSource(**source(url, **changes))
    found = search_stac(asked, table, wanted)
    return [s.id for s in found.scenes], found.notes


CONDITIONS: list[tuple[dict[str, Any], list[int]]] = [
    ({"filter": "eo:cloud_cover <= 10"}, [1, 2]),
    ({"query": {"eo:cloud_cover": {"lte": 10}}}, [1, 2]),
    # Together they are one filter: pgstac answers 400 to both.
    ({"query": {"eo:cloud_cover": {"gt": 5}}, "filter": "eo:cloud_cover <= 10"}, [2]),
    ({"filter": "eo:cloud_cover IN (5, 70)"}, [1, 14]),
    ({"filter": "eo:cloud_cover IS NULL"}, [0]),
    ({"filter": "no_such_property < 3"}, []),
    ({"filter": "platform LIKE 'ti%' AND NOT (eo:cloud_cover > 5)"}, [1]),
    ({"filter": "datetime >= TIMESTAMP('2025-02-01T00:00:00Z')"}, [14]),
]


@pytest.mark.parametrize(("condition", "wanted"), CONDITIONS)
@pytest.mark.parametrize("trusted", [True, False])
def test_pgstac_and_we_understand_a_condition_alike(
    tmp_path: Path, api: str, condition: dict[str, Any], wanted: list[int], trusted: bool
) -> None:
    supports = {"query": trusted, "filter": trusted}
    found, notes = pgstac_search(tmp_path, api, supports=supports, page_size=3, **condition)
    days = [f"tiny_{day:%Y-%m-%d}" for day in tiny.days()]
    assert found == [days[i] for i in wanted]
    assert bool(notes) is not trusted


def test_pgstac_takes_no_query_beside_a_filter(api: str) -> None:
    """The reason why we never send both; it may go once this fails."""
    both = {
        "query": {"eo:cloud_cover": {"lt": 10}},
        "filter": {"op": "<", "args": [{"property": "eo:cloud_cover"}, 10]},
        "filter-lang": "cql2-json",
    }
    assert httpx.post(f"{api}/search", json=both, trust_env=False).status_code == 400
    del both["query"]
    assert httpx.post(f"{api}/search", json=both, trust_env=False).status_code == 200


def test_an_api_that_takes_few_requests_is_paged_to_the_end(
    tmp_path: Path, api: str, base: Path, images: Path
) -> None:
    with _there(services.nginx(base / "front", images, api=api)) as front:
        found, notes = pgstac_search(tmp_path, front.front, page_size=1)
        assert len(found) == 15
        assert notes == ()
        assert front.lines(" 429 "), "the server did refuse some of the requests"


def test_a_place_that_pgstac_does_not_cover_is_told_from_an_empty_week(
    tmp_path: Path, api: str, capsys: pytest.CaptureFixture[str]
) -> None:
    corridors = {"file": "corridors.geojson", "ids": ["far"]}
    path = tiny.workflow(tmp_path, tmp_path, sources=[source(api)], corridors=corridors)
    with pytest.raises(ConfigurationError, match="outside all scenes"):
        run_workflow(RunRequest(path))
    period = {"from": "2024-01-06", "to": "2024-01-20", "zone": "UTC"}
    path = tiny.workflow(tmp_path, tmp_path, sources=[source(api)], period=period)
    assert run_workflow(RunRequest(path)) == ExitCode.DONE
    assert "no scenes in the period" in capsys.readouterr().err


# nginx


@pytest.mark.parametrize("place", ["files", "slow", "whole"])
def test_a_run_reads_what_nginx_serves(
    tmp_path: Path, images: Path, server: services.Nginx, expected: dict[str, Any], place: str
) -> None:
    catalogue = static(tmp_path / "c", items(images, f"{server.url}/{place}"))
    path = tiny.workflow(tmp_path, tmp_path, sources=[source(catalogue)])
    assert run_workflow(RunRequest(path)) == ExitCode.DONE
    assert same_case(tmp_path, expected)


def test_a_store_that_takes_few_requests_is_read_in_the_end(
    tmp_path: Path, images: Path, server: services.Nginx, expected: dict[str, Any]
) -> None:
    catalogue = static(tmp_path / "c", items(images, f"{server.url}/limited"))
    path = tiny.workflow(tmp_path, tmp_path, sources=[source(catalogue)])
    codes = [run_workflow(RunRequest(path))]
    while codes[-1] == ExitCode.UNREACHABLE and len(codes) < 4:
        codes.append(run_workflow(RunRequest(path)))  # what was read before is kept
    assert codes[-1] == ExitCode.DONE
    assert same_case(tmp_path, expected)
    assert [line for line in server.lines("/limited/") if " 429 " in line]


@pytest.mark.parametrize("place", ["down", "busy"])
def test_a_file_that_is_down_is_read_by_the_next_run(
    tmp_path: Path,
    images: Path,
    server: services.Nginx,
    expected: dict[str, Any],
    capsys: pytest.CaptureFixture[str],
    place: str,
) -> None:
    entries = items(images, "https://files.invalid/data")
    victim = entries[-1]["assets"]["red"]["href"]
    up = {"from": "https://files.invalid/data/", "to": f"{server.url}/files/"}
    down = {"from": victim, "to": f"{server.url}/{place}/x.tif"}
    catalogue = static(tmp_path / "c", entries)
    access: dict[str, Any] = {"mirrors": [down, up], "read_retries": 1}
    path = tiny.workflow(tmp_path, tmp_path, sources=[source(catalogue, access=access)])
    assert run_workflow(RunRequest(path)) == ExitCode.UNREACHABLE
    status = {"down": 503, "busy": 429}[place]
    assert f"/{place}/x.tif answers {status}" in capsys.readouterr().err
    path = tiny.workflow(tmp_path, tmp_path, sources=[source(catalogue, access={"mirrors": [up]})])
    assert run_workflow(RunRequest(path)) == ExitCode.DONE
    assert same_case(tmp_path, expected)


# S3


def s3(endpoint: str, **changes: Any) -> dict[str, Any]:
    keys = {"key_env": "TEST_S3_KEY", "secret_env": "TEST_S3_SECRET"}
    return {"s3": {"endpoint": endpoint, "virtual_hosting": False, **(changes or keys)}}


@pytest.mark.parametrize("anonymous", [False, True])
def test_a_run_reads_objects(
    tmp_path: Path,
    images: Path,
    store: str,
    expected: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    anonymous: bool,
) -> None:
    catalogue = static(tmp_path / "c", items(images, "s3://imagery"))
    monkeypatch.setenv("TEST_S3_KEY", "AKIDEXAMPLE")
    monkeypatch.setenv("TEST_S3_SECRET", "secret-of-a-test")
    access = s3(store, anonymous=True) if anonymous else s3(store)
    path = tiny.workflow(tmp_path, tmp_path, sources=[source(catalogue, access=access)])
    assert run_workflow(RunRequest(path)) == ExitCode.DONE
    assert same_case(tmp_path, expected)
    for written in [*(tmp_path / "out").rglob("*"), *(tmp_path / "state").rglob("*")]:
        assert not written.is_file() or b"secret-of-a-test" not in written.read_bytes()


def test_objects_that_are_gone_or_closed_are_set_aside_by_name(
    tmp_path: Path,
    images: Path,
    store: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_ROLE_ARN", "AWS_NO_SIGN_REQUEST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    entries = items(images, "s3://imagery")
    entries[-1]["assets"]["red"]["href"] = "s3://imagery/gone.tif"
    catalogue = static(tmp_path / "c", entries)
    access = s3(store, anonymous=True)
    path = tiny.workflow(tmp_path, tmp_path, sources=[source(catalogue, access=access)])
    assert run_workflow(RunRequest(path)) == ExitCode.SET_ASIDE
    assert "s3://imagery/gone.tif answers 404" in capsys.readouterr().err
    access = s3(store, region="us-east-1")  # no key is named, and the environment has none
    path = tiny.workflow(tmp_path / "b", tmp_path, sources=[source(catalogue, access=access)])
    assert run_workflow(RunRequest(path)) == ExitCode.SET_ASIDE
    assert "no key for it is known" in capsys.readouterr().err


def test_a_window_of_an_object_is_the_window_of_the_file(images: Path, store: str) -> None:
    name = sorted(images.glob("*.tif"))[0].name
    found = object_asset(store, f"s3://imagery/{name}")
    grid = Grid("EPSG:32649", raster_profile(str(images / name)).transform, (128, 128))
    read = []
    for asset in (found, object_asset(store, str(images / name))):
        with AssetReader(asset, grid) as reader:
            read.append(reader.read(Window(32, 100, 10, 90))[0])
    assert (read[0] == read[1]).all()


def object_asset(store: str, href: str) -> Asset:
    access = Access.model_validate(s3(store, anonymous=True))
    return Asset("red", href, 3, 1e-4, 0.0, 0.0, 10.0, access=access)
