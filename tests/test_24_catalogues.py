"""Catalogues by name: entries, conditions, paging, retries."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

sys.path.insert(0, str(Path(__file__).parent))
import tiny
from test_20_acquire import TABLE, WANTED, catalogue, five, item, source
from test_83_served import served

from pipeline.acquire.api import api_items
from pipeline.acquire.bands import READ, load_sensor_table
from pipeline.acquire.catalogues import load_catalogue, resolve
from pipeline.acquire.items import Reach, scene_from_item
from pipeline.acquire.local_api import serve
from pipeline.acquire.narrow import Narrow
from pipeline.acquire.pages import Pages
from pipeline.acquire.passes import drop_duplicates
from pipeline.acquire.source import StacSource
from pipeline.acquire.stac import search_stac
from pipeline.config import choose_corridors, load_workflow
from pipeline.errors import ConfigurationError, ExitCode, SourceUnreachableError
from pipeline.passes.gather import OPTIONAL, REQUIRED
from pipeline.passes.search import search
from pipeline.run import RunRequest, run_workflow

ROOT = Path(__file__).resolve().parents[1]
ENTRIES = ROOT / "config" / "catalogues"
Handler = Callable[[Request], Response | None]


def clouds(folder: Path) -> Path:
    """Items with 10, 30, 50 % of cloud, and one that does not say."""
    items = [
        item(f"s{i}", f"2024-0{i}-05T03:00:00Z", properties={"eo:cloud_cover": cover})
        for i, cover in ((1, 10), (2, 30), (3, 50))
    ]
    return catalogue(folder, [*items, item("mute", "2024-04-05T03:00:00Z")])


def ids(found: Any) -> list[str]:
    return [s.id for s in found.scenes]


# Entries


@pytest.mark.parametrize("path", sorted(ENTRIES.glob("*.yaml")), ids=lambda p: p.stem)
def test_every_entry_that_ships_names_sensors_that_ship(path: Path) -> None:
    entry = load_catalogue(ENTRIES, path.stem)
    assert entry.url.startswith("https://")
    for collection in entry.collections.values():
        table = load_sensor_table(ROOT / "config" / "sensors", collection.sensor)
        assert set(collection.assets) <= set(table.bands)


def test_the_patrol_takes_its_catalogue_by_name() -> None:
    (found,) = load_workflow(ROOT / "workflows" / "patrol.yaml").sources
    assert isinstance(found, StacSource)
    assert found.url == "https://earth-search.aws.element84.com/v1"
    assert found.sensor == "sentinel-2-l2a"


def test_collections_of_two_sensors_become_two_sources() -> None:
    asked = StacSource(
        catalogue="planetary-computer", collections=("sentinel-2-l2a", "landsat-c2-l2")
    )
    found = resolve(asked, ENTRIES)
    assert [(s.sensor, s.collections) for s in found] == [
        ("sentinel-2-l2a", ("sentinel-2-l2a",)),
        ("landsat-c2-l2", ("landsat-c2-l2",)),
    ]
    assert all(s.access.signing is not None and s.page_size == 250 for s in found)


def test_what_the_workflow_says_wins() -> None:
    asked = StacSource(
        catalogue="earth-search", collections=("sentinel-2-l2a",), page_size=7, url="https://o.x/v1"
    )
    (found,) = resolve(asked, ENTRIES)
    assert (found.page_size, found.url) == (7, "https://o.x/v1")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"catalogue": "earth-serch"}, "did you mean 'earth-search'"),
        ({"collections": ["sentinel-3"]}, "no collection sentinel-3"),
        ({"collections": []}, "needs 'collections'"),
        ({"catalogue": None}, "needs a catalogue"),
        ({"catalogue": None, "url": "https://x.org"}, "missing key 'sensor'"),
        ({"filter": "eo:cloud_cover <"}, "no CQL2"),
        ({"filter": "weather_of(platform) = 3"}, "no function weather_of"),
        ({"query": {"eo:cloud_cover": {"below": 3}}}, "'below' is no operator"),
        ({"access": {"proxy": "http://u:secret@p:1"}}, "proxy_env"),
        ({"access": {"mirrors": [{"from": "https://a/", "to": "b"}]}}, "absolute folder"),
        (
            {"access": {"signing": {"kind": "bearer", "token_env": "eyJ.x", "hosts": ["h"]}}},
            "token_env",
        ),
    ],
)
def test_a_wrong_source_is_one_sentence(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    entry: dict[str, Any] = {"type": "stac", "catalogue": "earth-search"}
    entry |= {"collections": ["sentinel-2-l2a"], **changes}
    path = tiny.workflow(tmp_path, tmp_path, sources=[entry], catalogues=str(ENTRIES))
    with pytest.raises(ConfigurationError, match=said) as raised:
        load_workflow(path)
    assert "secret" not in str(raised.value)
    assert "eyJ" not in str(raised.value)


def test_where_imagery_comes_from_does_not_change_the_hash(tmp_path: Path) -> None:
    entries = {"type": "stac", "collections": ["sentinel-2-l2a"], "sensor": "tiny"}
    hashes = set[str]()
    for name in ("earth-search", "planetary-computer"):
        sources = [{**entries, "catalogue": name}]
        path = tiny.workflow(tmp_path, tmp_path, sources=sources, catalogues=str(ENTRIES))
        hashes.add(load_workflow(path).config_hash())
    assert len(hashes) == 1


def test_asset_keys_of_no_band_are_refused_and_of_no_asset_named(tmp_path: Path) -> None:
    path = five(tmp_path)
    with pytest.raises(ConfigurationError) as caught:
        search_stac(source(path, asset_keys={"bleu": "B02", "rot": "B04"}), TABLE, WANTED)
    assert "'bleu' (did you mean 'blue'?), 'rot'" in caught.value.what
    assert "Bands there: " in caught.value.remedy
    keys = {"red": "B04_nowhere", "green": "green"}
    found = search_stac(source(path, asset_keys=keys), TABLE, WANTED)
    said = "no item has the asset 'B04_nowhere' that asset_keys states for red"
    assert found.notes == (f"{path}: {said}: the band table's keys are read",)


def test_an_alternate_that_no_asset_has_is_named(tmp_path: Path) -> None:
    one = item("a", "2024-03-05T03:00:00Z")
    one["assets"]["red"]["alternate"] = {"https": {"href": "https://h.org/red.tif"}}
    path = catalogue(tmp_path, [one, item("b", "2024-03-06T03:00:00Z")])
    right, wrong = (
        search_stac(source(path, alternate=name), TABLE, WANTED) for name in ("https", "htps")
    )
    assert right.scenes[0].assets["red"].href == "https://h.org/red.tif"
    assert right.notes == ()
    said = "no asset has the alternate 'htps'; there are: https: its href is read"
    assert wrong.notes == (f"{path}: {said}",)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("swir1", "no band is called 'swir1' (did you mean 'swir16'?)"),
        ("classes", "no band is called 'classes'; bands that are read: blue, green"),
        ("rededge1", ""),
        ("coastal", ""),
    ],
)
def test_a_misspelt_band_of_a_table_is_refused(tmp_path: Path, name: str, said: str) -> None:
    table = yaml.safe_load((ROOT / "config/sensors/sentinel-2-l2a.yaml").read_text("utf-8"))
    table["bands"][name] = table["bands"].pop("swir16")
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(table), encoding="utf-8")
    assert set(READ) == {*REQUIRED, *OPTIONAL}
    if not said:
        assert name in load_sensor_table(tmp_path, "own").bands
        return
    with pytest.raises(ConfigurationError) as caught:
        load_sensor_table(tmp_path, "own")
    assert said in caught.value.what


def test_an_item_of_copernicus_is_read_by_its_own_names() -> None:
    (asked,) = resolve(StacSource(catalogue="copernicus", collections=("sentinel-2-l2a",)), ENTRIES)
    entry = item("S2A", "2024-03-05T03:00:00Z", properties={"platform": "Sentinel-2A"})
    entry["properties"]["eopf:datatake_id"] = "GS2A_20240305T025959_045"
    entry["assets"] = {
        key: {
            "href": f"s3://eodata/x/{key}.jp2",
            "alternate": {"https": {"href": f"https://d.org/{key}"}},
        }
        for key in ("B02_10m", "B03_10m", "B04_10m", "B08_10m", "B8A_20m", "SCL_20m", "B02_20m")
    }
    scene = scene_from_item(entry, "", TABLE, Reach(asked.asset_keys, None, asked.access))
    assert scene.assets["blue"].href == "s3://eodata/x/B02_10m.jp2"
    assert scene.assets["scl"].access == asked.access
    assert scene.datatake == "GS2A_20240305T025959_045"
    https = scene_from_item(entry, "", TABLE, Reach(asked.asset_keys, "https", asked.access))
    assert https.assets["nir"].href == "https://d.org/B08_10m"


def test_one_overflight_in_two_catalogues_is_one_scene() -> None:
    a = item("a", "2024-03-05T03:00:00Z")
    b = item("b", "2024-03-05T03:00:01Z", properties={"platform": "Sentinel-2A"})
    del b["properties"]["grid:code"]
    b["properties"]["s2:mgrs_tile"] = "49RGL"
    kept, dropped = drop_duplicates([scene_from_item(i, "/x", TABLE) for i in (a, b)])
    assert (len(kept), len(dropped)) == (1, 1)


# Conditions


CONDITIONS: list[dict[str, Any]] = [
    {"filter": "eo:cloud_cover < 40"},
    {"filter": {"op": "<", "args": [{"property": "eo:cloud_cover"}, 40]}},
    {"query": {"eo:cloud_cover": {"lt": 40}}},
    {"query": {"eo:cloud_cover": {"lt": 60}}, "filter": "eo:cloud_cover <= 30"},
    {"query": {"id": {"in": ["s1", "s2"]}}},
    {"query": {"platform": {"startsWith": "sentinel"}}, "filter": "eo:cloud_cover <> 50"},
]


@pytest.mark.parametrize("condition", CONDITIONS)
@pytest.mark.parametrize("way", ["file", "api", "untrusted"])
def test_a_condition_means_the_same_everywhere(
    tmp_path: Path, condition: dict[str, Any], way: str
) -> None:
    changes = {"local_api": way != "file", **condition}
    if way == "untrusted":
        changes["supports"] = {"query": False, "filter": False}
    with ExitStack() as stack:
        found = search_stac(source(clouds(tmp_path), **changes), TABLE, WANTED, stack)
    assert ids(found) == ["s1", "s2"]
    applied_here = [n for n in found.notes if "is applied here" in n]
    # The local API has filters and no queries: a query is sent to it as a filter.
    assert len(applied_here) == (len(condition) if way == "untrusted" else 0)


def test_a_filter_goes_along(tmp_path: Path) -> None:
    with serve(clouds(tmp_path)) as url:
        asked = source(url, filter="eo:cloud_cover < 40")
        raw = api_items(asked, url, WANTED)
        assert search_stac(asked, TABLE, WANTED).notes == ()
    assert raw.sent
    assert [i["id"] for i, _ in raw.items] == ["s1", "s2"]


def test_a_server_that_ignores_everything_is_noted_once(tmp_path: Path) -> None:
    cloudy = item("cloudy", "2024-03-05T03:00:00Z", properties={"eo:cloud_cover": 90})
    late, far = item("late", "2025-01-05T03:00:00Z"), item("far", "2024-02-05T03:00:00Z")
    far["geometry"] = {"type": "Point", "coordinates": [10, 10]}
    other = item("other", "2024-03-05T03:00:00Z", collection="x")
    good = item("good", "2024-03-05T03:00:00Z")
    for entry in (late, far, good):
        entry["properties"]["eo:cloud_cover"] = 1
    page = {"type": "FeatureCollection", "links": []}
    page["features"] = [cloudy, cloudy | {"id": "c2"}, late, far, other, good]

    def lies(request: Request) -> Response | None:
        return JSONResponse(page) if request.url.path == "/search" else None

    with serve(five(tmp_path), lies) as url:
        asked = source(url, filter="eo:cloud_cover < 40", collections=["c"])
        found = search_stac(asked, TABLE, WANTED)
    assert ids(found) == ["good"]
    kinds = [n.split(" ignores the ")[1].split()[0] for n in found.notes]
    assert kinds == ["area", "collections", "filter", "period"]


def test_a_condition_that_cannot_be_judged_is_refused() -> None:
    odd = Narrow.of(None, "s_within(platform, POINT(1 1))")
    with pytest.raises(ConfigurationError, match="cannot be checked here"):
        odd.fits(item("a", "2024-03-05T03:00:00Z"))
    assert not odd.fits({"id": "a", "properties": {}})


def five_of(folder: Path, **properties: list[Any]) -> Path:
    """Five items with these properties, in their order; None: the item has none."""
    entries: list[dict[str, Any]] = []
    for i in range(5):
        own = {f"eo:{k}": v[i] for k, v in properties.items() if v[i] is not None}
        entries.append(item(f"s{i + 1}", f"2024-0{i + 1}-05T03:00:00Z", properties=own))
    return catalogue(folder, entries)


def test_what_a_filter_takes_for_a_missing_property_is_counted(tmp_path: Path) -> None:
    path = five_of(tmp_path, cloud_cover=[None, 5, None, 90, 10])
    found = search_stac(source(path, filter="eo:cloud_cover < 80"), TABLE, WANTED)
    assert ids(found) == ["s2", "s5"]
    said = "2 of 5 items have no eo:cloud_cover, which the filter asks for, and are left out"
    assert found.notes == (f"{path}: {said}",)
    assert found.left_out == ("3 of 5 items do not meet the filter", said)
    # Where all have it, a filter that takes some away is what was asked for.
    (tmp_path / "b").mkdir()
    path = five_of(tmp_path / "b", cloud_cover=[90, 5, 90, 90, 10])
    assert search_stac(source(path, filter="eo:cloud_cover < 80"), TABLE, WANTED).notes == ()


def test_a_collection_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = five(tmp_path)
    found = search_stac(source(path, collections=["c", "C2"]), TABLE, WANTED)
    assert found.notes == (f"{path}: no item is of the collection(s) C2; there are: c",)
    with serve(path) as url:
        found = search_stac(source(url, collections=["C2"]), TABLE, WANTED)
    assert found.left_out == ("no item is of the collection(s) C2",)


@pytest.mark.parametrize("status", [400, 504])
def test_a_server_that_wants_collections_says_no_sentence_and_stops_nothing(
    tmp_path: Path, status: int
) -> None:
    """It is asked once, without the patience that an answer of weight is worth."""
    asked: list[str] = []

    def answer(request: Request) -> Response | None:
        if request.url.path == "/":
            to = {"rel": "search", "href": f"{request.url}search"} | {
                "type": "application/geo+json"
            }
            root = {"type": "Catalog", "id": "x", "stac_version": "1.0.0", "description": "x"}
            has = [f"https://api.stacspec.org/v1.0.0/{n}" for n in ("core", "item-search")]
            return JSONResponse({**root, "conformsTo": has, "links": [to]})
        if request.url.path != "/search":
            return None
        if request.query_params.get("collections"):
            return JSONResponse({"type": "FeatureCollection", "features": [], "links": []})
        asked.append(str(request.url))
        return Response("collections is required", status_code=status)

    with serve(five(tmp_path), answer) as url:
        found = search_stac(source(url, collections=["C2"]), TABLE, WANTED)
    assert (found.scenes, found.left_out, len(asked)) == ((), (), 1)


def test_an_item_whose_property_has_another_type_is_set_aside(tmp_path: Path) -> None:
    path = five_of(tmp_path, cloud_cover=[3, "12", 5, 90, None])
    found = search_stac(source(path, filter="eo:cloud_cover < 80"), TABLE, WANTED)
    assert ids(found) == ["s1", "s3"]
    (aside,) = found.set_aside
    assert (aside.what, bool(aside.remedy)) == ("s2", True)
    assert "cannot be checked here" in aside.reason
    path = five_of(tmp_path, cloud_cover=["1", "12", "5", "9", "1"])
    with pytest.raises(ConfigurationError, match="cannot be checked here"):
        search_stac(source(path, filter="eo:cloud_cover < 80"), TABLE, WANTED)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"filter": "eo:cloudcover < 80"}, "5 of 5 items do not meet the filter; 5 of 5 items"),
        ({"collections": ["sentinel-2-l2A"]}, "5 of 5 items are of other collections; no item is"),
    ],
)
def test_an_empty_search_says_what_took_everything(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, asked: dict[str, Any], said: str
) -> None:
    """It is no empty period that a misspelt name makes."""
    path = five_of(tmp_path, cloud_cover=[1, 2, 3, 4, 5])
    workflow = tiny.workflow(tmp_path, tmp_path)
    content = yaml.safe_load(workflow.read_text("utf-8"))
    content["sources"] = [{"type": "stac", "url": str(path), "sensor": "tiny", **asked}]
    workflow.write_text(yaml.safe_dump(content), encoding="utf-8")
    loaded = load_workflow(workflow)
    with ExitStack() as stack:
        search(loaded, choose_corridors(loaded), stack)
    assert f"no scenes in the period that the sources ask for ({said}" in caplog.text


def test_a_search_that_is_refused_is_not_an_outage(tmp_path: Path) -> None:
    def refuse(request: Request) -> Response | None:
        return Response("no such thing", status_code=400) if request.method == "POST" else None

    with (
        serve(five(tmp_path), refuse) as url,
        pytest.raises(ConfigurationError, match=r"refuses the search \(400: no such thing\)"),
    ):
        search_stac(source(url), TABLE, WANTED)


# Paging


def pages(
    contents: list[list[str]], matched: int | None = None, last: str | None = None
) -> Handler:
    """Serve pages in order by GET; ``last`` is where the last one leads."""

    def answer(request: Request) -> Response | None:
        if request.url.path != "/search":
            return None
        number = int(request.query_params.get("n", 0))
        index = min(number, len(contents) - 1)
        when = "2024-03-05T03:00:00Z"
        page: dict[str, Any] = {"type": "FeatureCollection", "links": []}
        page["features"] = [item(name, when) for name in contents[index]]
        if matched is not None:
            page["numberMatched"] = matched
        href = f"{request.url.replace(query='')}?n={number + 1}"
        if number >= len(contents) - 1:
            href = href if last == "on" else f"{request.url.replace(query='')}?{last}"
        if number < len(contents) - 1 or last is not None:
            page["links"] = [{"rel": "next", "href": href}]
        return JSONResponse(page)

    return answer


@pytest.mark.parametrize(
    ("contents", "matched", "last", "names", "incomplete"),
    [
        ([["a"], [], [], ["b"]], None, None, ["a", "b"], False),  # empty pages in the middle
        ([["a"], ["b"], []], None, None, ["a", "b"], False),  # and at the end
        ([["a", "b"], ["b", "c"]], None, None, ["a", "b", "c"], False),  # an item twice
        ([["a"], ["b"]], 2, "n=1", ["a", "b"], False),  # a circle after the last
        ([["a"], ["b"]], 9, "n=1", ["a", "b"], True),  # and before it
        ([["a"], ["b"]], None, "n=0", ["a", "b"], True),  # nobody knows
        ([["a", "c"]], 47, None, ["a", "c"], False),  # an estimate, or counted before a filter
        ([["a"], ["b"], ["c"]], 3, None, ["a", "b", "c"], False),
        ([["a", "b"], ["b", "c"]], 4, None, ["a", "b", "c"], False),  # counted as they came
        ([["a"], ["b"]], None, "on", ["a", "b"], True),  # the same page under new addresses
    ],
)
def test_paging_ends_and_nothing_is_lost(
    tmp_path: Path,
    contents: list[list[str]],
    matched: int | None,
    last: str | None,
    names: list[str],
    incomplete: bool,
) -> None:
    with serve(five(tmp_path), pages(contents, matched, last)) as url:
        found = search_stac(source(url), TABLE, WANTED)
    assert ids(found) == names
    assert bool(found.incomplete) == incomplete
    if matched == 2:
        assert "circle after its last page" in found.notes[0]
    if contents[0] == ["a", "b"]:
        assert found.notes == (f"{url} gave 1 item(s) twice: each counts once",)


@pytest.mark.parametrize("size", [2, 3])
def test_a_count_that_came_short_is_said_with_its_numbers(tmp_path: Path, size: int) -> None:
    """By OGC API's field, as text, and by the older one of the context extension.

    A server that stopped at a limit gave a full page; another's number is an estimate.
    """
    plain = pages([["a", "b"]], 47)

    def older(request: Request) -> Response | None:
        answer = plain(request)
        if answer is None:
            return None
        page = json.loads(bytes(answer.body))
        return JSONResponse(page | {"context": {"matched": page.pop("numberMatched")}})

    def text(request: Request) -> Response | None:
        answer = plain(request)
        if answer is None:
            return None
        return JSONResponse(json.loads(bytes(answer.body)) | {"numberMatched": "47"})

    for handler in (plain, older, text):
        with serve(five(tmp_path), handler) as url:
            found = search_stac(source(url, page_size=size), TABLE, WANTED)
        said = f"{url} says that 47 items match, gives 2 and no next page"
        full = f"{said} after a full one: others are missing"
        assert found.incomplete == (full if size == 2 else "")
        assert (f"{said}: its number may be an estimate" in found.notes) == (size == 3)


def test_a_server_that_stops_at_a_limit_of_its_own_is_incomplete(tmp_path: Path) -> None:
    plain = pages([["a", "b"]])

    def limited(request: Request) -> Response | None:
        answer = plain(request)
        if answer is None:
            return None
        page = json.loads(bytes(answer.body))
        return JSONResponse(page | {"context": {"matched": 9, "limit": 2}})

    with serve(five(tmp_path), limited) as url:
        assert "others are missing" in search_stac(source(url), TABLE, WANTED).incomplete


def test_a_next_link_may_be_relative_to_its_page(tmp_path: Path) -> None:
    turned = pages([["a"], ["b"], ["c"]])

    def relative(request: Request) -> Response | None:
        answer = turned(request)
        if answer is None:
            return None
        base = str(request.base_url).encode()
        return Response(bytes(answer.body).replace(base, b""), media_type="application/json")

    with serve(five(tmp_path), relative) as url:
        assert ids(search_stac(source(url), TABLE, WANTED)) == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("body", "said"), [("{}", "answers 403"), ('{"a": "expired"}', 'answers 403: {"a": "expired"}')]
)
def test_a_page_that_is_refused_is_named_with_its_status(
    tmp_path: Path, body: str, said: str
) -> None:
    turned = pages([["a"], ["b"]])

    def refusing(request: Request) -> Response | None:
        if request.query_params.get("n"):
            return Response(body, status_code=403)
        return turned(request)

    with (
        serve(five(tmp_path), refusing) as url,
        pytest.raises(SourceUnreachableError) as caught,
    ):
        search_stac(source(url), TABLE, WANTED)
    assert caught.value.what == f"the catalogue {url} {said}"
    assert "token" in caught.value.remedy


class FakePages:
    """A server as far as paging goes, and the search that is sent to it."""

    url, method = "http://x/search", "POST"

    def __init__(self, contents: list[list[str]], back_to: int | None) -> None:
        self.contents, self.back_to = contents, back_to

    def get_parameters(self) -> dict[str, Any]:
        return {}

    def read_json(self, place: Any, **rest: Any) -> dict[str, Any]:
        del rest
        number = 0 if isinstance(place, str) else int(place.href.split("=")[1])
        last = number == len(self.contents) - 1
        following = self.back_to if last else number + 1
        page: dict[str, Any] = {"features": [{"id": i} for i in self.contents[number]]}
        if following is not None:
            page["links"] = [{"rel": "next", "href": f"http://x/search?n={following}"}]
        return page


@settings(deadline=None)
@given(
    contents=st.lists(st.lists(st.sampled_from("abcdefgh"), max_size=4), min_size=1, max_size=12),
    back=st.none() | st.integers(0, 11),
)
def test_every_paging_ends_with_each_item_once(contents: list[list[str]], back: int | None) -> None:
    unique = {tuple(page) for page in contents if page}
    fake: Any = FakePages(contents, None if back is None else min(back, len(contents) - 1))
    pages = Pages(source("http://x"))
    found = [f["id"] for f in pages.walk(fake, fake)]
    assert len(found) == len(set(found))
    if len(unique) == len([page for page in contents if page]):  # no page looks like another
        assert set(found) == {i for page in contents for i in page}
        assert bool(pages.incomplete) == (back is not None)
    else:
        assert pages.incomplete, "a page that comes again is never taken for the end"


def test_empty_pages_without_end_are_no_answer(tmp_path: Path) -> None:
    with (
        serve(five(tmp_path), pages([["a"], []], None, "on")) as url,
        pytest.raises(SourceUnreachableError, match="page after page"),
    ):
        search_stac(source(url), TABLE, WANTED)


def test_a_server_that_only_answers_get_is_asked_by_get(tmp_path: Path) -> None:
    methods: list[str] = []

    def get_only(request: Request) -> Response | None:
        if request.url.path == "/":
            links = [
                {"rel": "search", "href": f"{request.url}search"} | {"type": "application/geo+json"}
            ]
            links[0]["type"] = "application/geo+json"
            root = {"type": "Catalog", "id": "g", "stac_version": "1.0.0", "description": "g"}
            kinds = ["https://api.stacspec.org/v1.0.0/item-search"]
            return JSONResponse({**root, "links": links, "conformsTo": kinds})
        methods.append(request.method)
        return None

    with serve(five(tmp_path), get_only) as url:
        assert len(search_stac(source(url), TABLE, WANTED).scenes) == 5
    assert methods == ["GET"]


# Retries


def stumbling(times: int, status: int, headers: dict[str, str] | None = None) -> Handler:
    left = [times]

    def fault(request: Request) -> Response | None:
        if request.url.path != "/search" or left[0] == 0:
            return None
        left[0] -= 1
        return Response(status_code=status, headers=headers)

    return fault


@pytest.mark.parametrize("status", [429, 503])
def test_a_wait_that_the_server_asks_for_is_kept(tmp_path: Path, status: int) -> None:
    began = time.monotonic()
    with serve(five(tmp_path), stumbling(1, status, {"Retry-After": "1"})) as url:
        assert len(search_stac(source(url), TABLE, WANTED).scenes) == 5
    assert time.monotonic() - began >= 1


def test_a_wait_of_hours_is_left_to_the_next_run(tmp_path: Path) -> None:
    began = time.monotonic()
    with (
        serve(five(tmp_path), stumbling(1, 429, {"Retry-After": "7200"})) as url,
        pytest.raises(SourceUnreachableError, match="asks to wait 7200 s"),
    ):
        search_stac(source(url), TABLE, WANTED)
    assert time.monotonic() - began < 5


@pytest.mark.thorough
def test_a_run_over_a_circle_keeps_what_came_and_says_run_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    local = served(tmp_path)

    def circle(request: Request) -> Response | None:
        if request.url.path == "/search" and request.query_params.get("again"):
            return JSONResponse(
                {"type": "FeatureCollection", "features": [], "links": links(request)}
            )
        return None

    def links(request: Request) -> list[dict[str, Any]]:
        return [{"rel": "next", "href": f"{request.url.replace(query='')}?again=1"}]

    def first(request: Request) -> Response | None:
        broken = circle(request)
        if broken is not None or request.url.path != "/search":
            return broken
        names = sorted((tmp_path / "scenes/images").glob("*.json"))
        base = str(request.base_url)
        features = []
        for path in names:
            entry = yaml.safe_load(path.read_text("utf-8"))
            for asset in entry["assets"].values():
                asset["href"] = f"{base}data/images/{asset['href'].removeprefix('./')}"
            features.append(entry)
        page = {"type": "FeatureCollection", "features": features, "links": links(request)}
        return JSONResponse(page)

    with serve(Path(local["url"]), first) as url:
        asked = {"type": "stac", "url": url, "sensor": "tiny"}
        path = tiny.workflow(tmp_path, tmp_path, sources=[asked])
        assert run_workflow(RunRequest(path)) == ExitCode.UNREACHABLE
    assert tiny.features(tmp_path, "cases.geojson")[0]["properties"]["hits"] == 5
    assert "leads in a circle after 15 items" in capsys.readouterr().err
