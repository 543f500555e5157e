"""Catalogues that are broken in one place: the place is named, the rest is used."""

from __future__ import annotations

import functools
import http.server
import json
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

sys.path.insert(0, str(Path(__file__).parent))
from test_20_acquire import TABLE, WANTED, catalogue, five, item, source

from pipeline.acquire.items import radiometry, scene_from_item
from pipeline.acquire.local_api import serve
from pipeline.acquire.passes import drop_duplicates
from pipeline.acquire.stac import Found, search_stac
from pipeline.errors import ConfigurationError, SourceUnreachableError
from pipeline.model import Scene

WHEN = "2024-03-05T03:00:00Z"


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def plain_http(folder: Path) -> Generator[str]:
    handler = functools.partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def no_assets(entry: dict[str, Any]) -> None:
    entry["assets"] = [1]


def text_asset(entry: dict[str, Any]) -> None:
    entry["assets"]["red"] = "red.tif"


def no_href(entry: dict[str, Any]) -> None:
    del entry["assets"]["green"]["href"]


def empty_place(entry: dict[str, Any]) -> None:
    entry["geometry"] = {"type": "Polygon", "coordinates": []}


def odd_place(entry: dict[str, Any]) -> None:
    entry["geometry"] = {"type": "Nope"}


def no_zone(entry: dict[str, Any]) -> None:
    entry["properties"]["datetime"] = "2024-03-05T03:00:00"


@pytest.mark.parametrize("spoil", [no_assets, text_asset, no_href, empty_place, odd_place, no_zone])
@pytest.mark.parametrize("local_api", [False, True])
def test_a_malformed_item_is_named_and_the_rest_is_used(
    tmp_path: Path, spoil: Callable[[dict[str, Any]], None], local_api: bool
) -> None:
    bad = item("bad", WHEN)
    spoil(bad)
    path = catalogue(tmp_path, [item("good", WHEN), bad])
    with ExitStack() as stack:
        found = search_stac(source(path, local_api=local_api), TABLE, WANTED, stack)
    assert [s.id for s in found.scenes] == ["good"]
    if spoil is empty_place and local_api:
        return  # the server leaves it out: it lies nowhere
    assert [a.what for a in found.set_aside] == ["bad"]


def test_what_a_catalogue_writes_moves_no_cursor(tmp_path: Path) -> None:
    """Ids, and what is wrong with an item, go to a terminal, to logs and to run.json."""
    good = item("a", WHEN) | {"id": "a\x1b[2J\nb"}
    good["properties"]["platform"] = "Sentinel\u20282A"
    bad = item("c", "\x1b]0;x\x07") | {"id": "c\r\x1b[1A"}
    path = catalogue(tmp_path, [item("a", WHEN), item("c", WHEN)])
    for name, one in (("a", good), ("c", bad)):
        (tmp_path / "c" / name / f"{name}.json").write_text(json.dumps(one), encoding="utf-8")
    found = search_stac(source(path), TABLE, WANTED)
    assert [(s.id, s.platform) for s in found.scenes] == [("a_[2J_b", "sentinel_2a")]
    (aside,) = found.set_aside
    assert aside.what == "c__[1A"
    assert aside.reason == "its datetime '_]0;x_' is no RFC 3339 time"


def gone(path: Path) -> None:
    path.unlink()


def cut(path: Path) -> None:
    path.write_text("{", encoding="utf-8")


def nameless(path: Path) -> None:
    entry = json.loads(path.read_text(encoding="utf-8"))
    del entry["id"]
    path.write_text(json.dumps(entry), encoding="utf-8")


@pytest.mark.parametrize("spoil", [gone, cut, nameless])
@pytest.mark.parametrize("way", ["file", "http", "api"])
def test_an_item_file_that_cannot_be_read_is_named(
    tmp_path: Path, spoil: Callable[[Path], None], way: str
) -> None:
    path = catalogue(tmp_path, [item("good", WHEN), item("bad", WHEN)])
    spoil(tmp_path / "c" / "bad" / "bad.json")
    with ExitStack() as stack:
        if way == "http":
            url = stack.enter_context(plain_http(tmp_path))
            found: Found = search_stac(source(f"{url}/catalog.json"), TABLE, WANTED)
        else:
            found = search_stac(source(path, local_api=way == "api"), TABLE, WANTED, stack)
    assert [s.id for s in found.scenes] == ["good"]
    assert len(found.set_aside) == 1


def linked_collection(root: Path, away: Path) -> list[str]:
    (root / "c").rename(away)
    (root / "c").symlink_to(away)
    return [str(root / "c"), str(away)]


def linked_items(root: Path, away: Path) -> list[str]:
    away.mkdir()
    for name in ("a", "b"):
        (root / "c" / name).rename(away / name)
        (root / "c" / name).symlink_to(away / name)
    return [str(away / "a"), str(away / "b")]


def linked_files(root: Path, away: Path) -> list[str]:
    away.write_bytes(b"a raster")
    for name in ("a", "b"):
        (root / "c" / name / "red.tif").symlink_to(away)
    return [str(root / "c" / n / "red.tif") for n in ("a", "b")]


@pytest.mark.parametrize("lead", [linked_collection, linked_items, linked_files])
def test_a_link_out_of_a_served_catalogue_is_named_and_read_without_the_server(
    tmp_path: Path, lead: Callable[[Path, Path], list[str]]
) -> None:
    root = tmp_path / "root"
    root.mkdir()
    path = catalogue(root, [item("a", WHEN), item("b", WHEN)])
    outside = lead(root, tmp_path / "away")
    with pytest.raises(ConfigurationError, match="lie outside its folder") as caught:
        search_stac(source(path, local_api=True), TABLE, WANTED)
    for named in outside:
        assert named in str(caught.value)
    assert "Take 'local_api' out" in str(caught.value)
    assert [s.id for s in search_stac(source(path), TABLE, WANTED).scenes] == ["a", "b"]


@pytest.mark.parametrize("kind", ["shown", "loop", "long"])
def test_a_picture_or_a_link_that_leads_nowhere_refuses_no_catalogue(
    tmp_path: Path, kind: str
) -> None:
    root = tmp_path / "root"
    root.mkdir()
    one = item("a", WHEN)
    (tmp_path / "away.jpg").write_bytes(b"a picture")
    if kind == "shown":
        one["assets"]["thumbnail"] = {"href": "../../../away.jpg", "roles": ["thumbnail"]}
    else:
        one["assets"]["notes"] = {"href": "loop" if kind == "loop" else "x" * 5000}
    path = catalogue(root, [one])
    if kind == "loop":
        (root / "c" / "a" / "loop").symlink_to(root / "c" / "a" / "loop")
    assert [s.id for s in search_stac(source(path, local_api=True), TABLE, WANTED).scenes] == ["a"]


def at(path: str, answer: Callable[[], Response]) -> Callable[[Request], Response | None]:
    return lambda request: answer() if request.url.path == path else None


def html() -> Response:
    return Response("<html>please log in</html>", media_type="text/html")


@pytest.mark.parametrize("answer", [html, lambda: Response(status_code=404)])
def test_a_page_that_is_no_catalogue_is_a_wrong_address(
    tmp_path: Path, answer: Callable[[], Response]
) -> None:
    with (
        serve(five(tmp_path), at("/", answer)) as url,
        pytest.raises(ConfigurationError, match="STAC catalogue is expected"),
    ):
        search_stac(source(url), TABLE, WANTED)


@pytest.mark.parametrize("answer", [html, lambda: JSONResponse([1])])
def test_an_answer_that_is_no_page_of_items_is_an_unreachable_source(
    tmp_path: Path, answer: Callable[[], Response]
) -> None:
    with (
        serve(five(tmp_path), at("/search", answer)) as url,
        pytest.raises(SourceUnreachableError, match="not as a STAC API"),
    ):
        search_stac(source(url), TABLE, WANTED)


OURS = {"scale": 1e-4, "offset": -0.1}
PREFIXED = {"raster:scale": 1e-4, "raster:offset": -0.1}


@pytest.mark.parametrize(
    ("asset", "properties", "offset"),
    [
        ({"raster:bands": [OURS]}, {}, -0.1),  # STAC 1.0
        ({"bands": [PREFIXED]}, {}, -0.1),  # STAC 1.1, said of the band
        (PREFIXED, {}, -0.1),  # STAC 1.1, said of the asset
        ({"bands": [{"name": "B04"}], **PREFIXED}, {}, -0.1),
        ({"bands": [{"raster:offset": 0}], **PREFIXED}, {}, 0.0),  # the band wins
        ({"raster:bands": [{"scale": 1e-4}]}, {"s2:processing_baseline": "05.09"}, 0.0),
        ({}, {"s2:processing_baseline": "04.00"}, -0.1),  # the table, by baseline
        ({}, {"s2:processing_baseline": "03.01"}, 0.0),
        ({}, {"processing:version": "05.11"}, -0.1),
        ({}, {}, 0.0),
        ({"raster:bands": [OURS]}, {"earthsearch:boa_offset_applied": True}, 0.0),
        ({"raster:bands": [OURS]}, {"earthsearch:boa_offset_applied": False}, -0.1),
        ({"raster:bands": [OURS]}, {"sentinel:boa_offset_applied": True}, 0.0),
        ({"raster:bands": ["?"]}, {}, 0.0),
    ],
)
def test_the_offset_is_taken_from_whoever_knows_best(
    asset: dict[str, Any], properties: dict[str, Any], offset: float
) -> None:
    scale, found, note = radiometry({"properties": properties}, asset, TABLE, "red")
    assert (scale, found) == (1e-4, offset)
    assert bool(note) == any(v is True for v in properties.values())


def scene(name: str, when: str, datatake: str, baseline: str = "05.00") -> Scene:
    properties = {"s2:datatake_id": datatake, "s2:processing_baseline": baseline}
    return scene_from_item(item(name, when, properties=properties), "/x/i.json", TABLE)


def test_duplicates_are_told_by_datatake() -> None:
    take = "GS2A_20240305T025959_042547"
    old = scene("a", "2024-03-05T02:59:59.9Z", f"{take}_N04.00", "04.00")
    new = scene("b", "2024-03-05T03:00:00.1Z", f"{take}_N05.10", "05.10")
    other = scene("c", "2024-03-05T03:00:20Z", "GS2A_20240305T030010_042548_N05.10", "05.10")
    kept, dropped = drop_duplicates([other, new, old])
    assert [s.id for s in kept] == ["b", "c"]
    assert [a.what for a in dropped] == ["a"]


def _collection_of(features: list[Any], **more: Any) -> dict[str, Any]:
    return {"type": "FeatureCollection", "features": features, **more}


def test_a_saved_search_is_read_as_the_url_and_as_a_link(tmp_path: Path) -> None:
    """Programs write what they found into one file, an ItemCollection."""
    saved = tmp_path / "saved.json"
    saved.write_text(json.dumps(_collection_of([item("a", WHEN), item("b", WHEN)])))
    found = search_stac(source(saved), TABLE, WANTED)
    assert [s.id for s in found.scenes] == ["a", "b"]
    assert found.scenes[0].assets["red"].href == str(tmp_path / "red.tif")
    root = tmp_path / "catalog.json"
    links = [{"rel": "item", "href": "./saved.json"}]
    root.write_text(json.dumps({"type": "Catalog", "id": "x", "links": links}))
    assert search_stac(source(root), TABLE, WANTED).scenes == found.scenes
    with plain_http(tmp_path) as url:
        away = search_stac(source(f"{url}/saved.json"), TABLE, WANTED)
        assert [s.id for s in away.scenes] == ["a", "b"]


def test_a_saved_page_says_that_others_are_missing_and_names_what_is_no_feature(
    tmp_path: Path,
) -> None:
    links = [{"rel": "next", "href": "https://h.org/search?token=2"}, {"rel": "search"}]
    one = item("a", WHEN) | {"links": [{"rel": "self", "href": "https://h.org/c/items/a"}]}
    saved = tmp_path / "saved.json"
    saved.write_text(json.dumps(_collection_of([one, None, "x"], links=links)))
    found = search_stac(source(saved), TABLE, WANTED)
    assert found.scenes[0].assets["red"].href == "https://h.org/c/items/red.tif"
    assert "is one page of a search" in found.incomplete
    said = [(a.what, a.reason) for a in found.set_aside]
    assert said == [(f"{saved}, feature {n}", "it is no feature") for n in (2, 3)]


@pytest.mark.parametrize(
    ("links", "said"),
    [
        (None, "its links are no list"),
        (["c/a/a.json"], "1 of its links are no links"),
        ([{"rel": "item"}, {"rel": "child", "href": None}], "2 of its links lead nowhere"),
    ],
)
def test_links_that_are_none_are_named_and_the_others_are_followed(
    tmp_path: Path, links: list[Any] | None, said: str
) -> None:
    path = catalogue(tmp_path, [item("a", WHEN)])
    document = json.loads(path.read_text(encoding="utf-8"))
    document["links"] = None if links is None else [*document["links"], *links]
    path.write_text(json.dumps(document), encoding="utf-8")
    found = search_stac(source(path), TABLE, WANTED)
    assert [s.id for s in found.scenes] == (["a"] if links else [])
    (aside,) = found.set_aside
    assert (aside.what, bool(aside.remedy)) == (str(path), True)
    assert aside.reason.startswith(said)
    with pytest.raises(ConfigurationError, match="whose links lead somewhere"):
        search_stac(source(path, local_api=True), TABLE, WANTED)


@pytest.mark.parametrize(
    "href", ["http://[bad", "http://h.org:99999/x.json", "a\0b.json", "\ud800.json"]
)
@pytest.mark.parametrize("rel", ["item", "child"])
def test_a_link_that_is_no_address_is_named_and_the_others_are_followed(
    tmp_path: Path, href: str, rel: str
) -> None:
    """They left with the code of a defect of our own."""
    path = catalogue(tmp_path, [item("a", WHEN)])
    document = json.loads(path.read_text(encoding="utf-8"))
    document["links"].append({"rel": rel, "href": href})
    path.write_text(json.dumps(document), encoding="utf-8")
    found = search_stac(source(path), TABLE, WANTED)
    assert [s.id for s in found.scenes] == ["a"]
    (aside,) = found.set_aside
    assert aside.what == str(path)
    assert "is no address" in aside.reason
    aside.reason.encode()
    with pytest.raises(ConfigurationError):
        search_stac(source(path, local_api=True), TABLE, WANTED)


def test_what_is_nested_too_deeply_is_named(tmp_path: Path) -> None:
    path = catalogue(tmp_path, [item("a", WHEN)])
    document = json.loads(path.read_text(encoding="utf-8"))
    document["links"].append({"rel": "child", "href": "./deep.json"})
    path.write_text(json.dumps(document), encoding="utf-8")
    deep = tmp_path / "deep.json"
    deep.write_text('{"a":' * 50_000)
    found = search_stac(source(path), TABLE, WANTED)
    assert [s.id for s in found.scenes] == ["a"]
    (aside,) = found.set_aside
    assert aside.what == str(deep)
    assert aside.reason.endswith("is JSON nested too deeply")
    with pytest.raises(ConfigurationError, match="nested too deeply"):
        search_stac(source(deep), TABLE, WANTED)


def test_a_self_link_that_is_no_address_refuses_what_needs_it(tmp_path: Path) -> None:
    links = [{"rel": "self", "href": "http://[x"}]
    needs, other = (item(n, WHEN) | {"links": links} for n in "ab")
    other["assets"] = {k: {"href": f"https://h.org/{k}.tif"} for k in other["assets"]}
    third = item("c\ud800", WHEN)
    saved = tmp_path / "saved.json"
    saved.write_text(json.dumps(_collection_of([needs, other, third])))
    found = search_stac(source(saved), TABLE, WANTED)
    assert [s.id for s in found.scenes] == ["b", "c_"]
    (aside,) = found.set_aside
    assert aside.what == "a"
    assert "lies at no address" in aside.reason


def test_a_collection_without_links_is_lawful(tmp_path: Path) -> None:
    path = catalogue(tmp_path, [item("a", WHEN)])
    document = json.loads(path.read_text(encoding="utf-8"))
    (tmp_path / "bare.json").write_text('{"type": "Collection", "id": "bare"}')
    document["links"].append({"rel": "child", "href": "./bare.json"})
    path.write_text(json.dumps(document), encoding="utf-8")
    found = search_stac(source(path), TABLE, WANTED)
    assert ([s.id for s in found.scenes], found.set_aside) == (["a"], ())
    served = search_stac(source(path, local_api=True), TABLE, WANTED)
    assert [s.id for s in served.scenes] == ["a"]


def test_json_that_is_no_catalogue_is_refused_and_named_below(tmp_path: Path) -> None:
    """It gave no items, and no word of it."""
    other = tmp_path / "other.json"
    other.write_text('{"name": "x"}')
    with pytest.raises(ConfigurationError, match="is no STAC catalogue"):
        search_stac(source(other), TABLE, WANTED)
    path = catalogue(tmp_path, [item("a", WHEN)])
    document = json.loads(path.read_text(encoding="utf-8"))
    document["links"].append({"rel": "item", "href": "./other.json"})
    path.write_text(json.dumps(document), encoding="utf-8")
    found = search_stac(source(path), TABLE, WANTED)
    assert [s.id for s in found.scenes] == ["a"]
    assert [a.what for a in found.set_aside] == [str(other)]
