"""Scenes of several sources or collections that share an id: all are read, none renamed for it."""

from __future__ import annotations

import json
import sys
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from shapely.affinity import translate

sys.path.insert(0, str(Path(__file__).parent))
import tiny
from test_20_acquire import TABLE, WANTED, catalogue, item, source

from pipeline.acquire.items import scene_from_item
from pipeline.acquire.passes import drop_duplicates, merge_passes, told_apart
from pipeline.acquire.stac import search_stac
from pipeline.config import Workflow, choose_corridors, load_workflow
from pipeline.io.blocks import NODATA
from pipeline.model import Scene
from pipeline.passes.gather import fingerprint, gather, plan
from pipeline.passes.ground import Site
from pipeline.passes.search import Searched, search
from pipeline.passes.site import open_site


def halves(folder: Path, days: int = 2, *, rows: int = 64) -> tuple[Path, Path]:
    """Write the tiny scenes cut in two, each half in a folder of its own, by the same names."""
    out = (folder / "north", folder / "south")
    for place, at in zip(out, (0, rows), strict=True):
        place.mkdir(parents=True)
        for day in tiny.days()[:days]:
            data = np.full((len(tiny.BANDS), rows, 128), 1000 + at, "uint16")
            path = place / f"tiny_{day:%Y-%m-%d}.tif"
            tiny.write_stack(path, data)
            with rasterio.open(path, "r+") as sink:
                sink.transform = Affine(10, 0, 700_000, 0, -10, 3_080_000 - at * 10)
    return out


def searched(workflow: Workflow) -> Searched:
    with ExitStack() as stack:
        return search(workflow, choose_corridors(workflow), stack)


def opened(workflow: Workflow, found: Searched) -> Site:
    (corridor,) = choose_corridors(workflow)
    site = open_site(workflow, corridor, found.passes["tiny"], None)
    assert site is not None
    return site


def of(folder: Path, *places: Path) -> Workflow:
    path = tiny.workflow(folder, places[0], sources=[tiny.source(p) for p in places])
    return load_workflow(path)


def ids(found: Searched) -> list[list[str]]:
    return [[s.id for s in p.scenes] for p in found.passes["tiny"]]


def test_two_folders_of_the_same_names_are_both_read(tmp_path: Path) -> None:
    north, south = halves(tmp_path)
    workflow = of(tmp_path, north, south)
    found = searched(workflow)
    assert [len(p) for p in ids(found)] == [2, 2]
    assert len({i for p in ids(found) for i in p}) == 4
    site = opened(workflow, found)
    assert all(g.usable for g in gather(site, found.passes["tiny"]))
    for p in found.passes["tiny"]:
        held = [site.store.packed(p.id, "green", t) for t in site.store.tiles]
        values = np.concatenate([h.values for h in held if h is not None])
        assert set(np.unique(values[values != NODATA])) == {1000, 1064}


def test_a_mark_is_the_same_in_every_run_and_order(tmp_path: Path) -> None:
    north, south = halves(tmp_path)
    found, turned = (searched(of(tmp_path, *p)) for p in ((north, south), (south, north)))
    assert ids(found) == ids(turned) == ids(searched(of(tmp_path, north, south)))
    marks = [fingerprint(p) for p in found.passes["tiny"]]
    assert marks == [fingerprint(p) for p in turned.passes["tiny"]]


def test_a_source_that_is_added_makes_nothing_unknown(tmp_path: Path) -> None:
    """The store knows the first source's ids; the second has the same for one of the dates."""
    north, south = halves(tmp_path)
    (south / f"tiny_{tiny.days()[1]:%Y-%m-%d}.tif").unlink()
    alone = of(tmp_path, north)
    before = searched(alone)
    assert ids(before) == [[f"tiny_{d:%Y-%m-%d}"] for d in tiny.days()[:2]]
    site = opened(alone, before)
    gather(site, before.passes["tiny"])
    both = searched(of(tmp_path, north, south))
    first, second = both.passes["tiny"]
    assert second.scenes[0].id == f"tiny_{tiny.days()[1]:%Y-%m-%d}"
    said = plan(site.store, both.passes["tiny"])
    assert said == {first.id: "recompute", second.id: "skip"}  # there is more of the first now


def test_an_id_that_stands_elsewhere_reads_no_pass_anew(tmp_path: Path) -> None:
    """An id that two dates share: the pass that is known stays as it is."""
    north, _ = halves(tmp_path)
    alone = of(tmp_path, north)
    before = searched(alone)
    site = opened(alone, before)
    gather(site, before.passes["tiny"])
    scenes = [s for p in before.passes["tiny"] for s in p.scenes]
    later = replace(scenes[0], acquired=scenes[0].acquired + timedelta(days=400))
    now = merge_passes(told_apart([*scenes, later]))
    assert [p.id for p in now[:2]] == [p.id for p in before.passes["tiny"]]
    assert now[0].scenes[0].id != scenes[0].id
    assert [plan(site.store, now)[p.id] for p in now] == ["skip", "skip", "new"]


def test_what_was_read_twice_for_two_is_read_anew() -> None:
    """Stores of earlier versions hold one of the scenes twice, under a fingerprint of both."""
    one, other = (made("a", f"/{n}/i.json") for n in "xy")
    other = replace(other, footprint_wgs84=translate(other.footprint_wgs84, 0.1))
    (marked,) = merge_passes(told_apart([one, other]))
    # By version 7cf3e3a, of both orders, and of one scene alone.
    of_both = (
        "c073eeb8a3ed4d069b3e6ce45cd9fed83b2d895efc7fbd732b1171b2185c3142",
        "df27346e96ee03314b0af5e96684803ea2d9df4455cbff290bc3e6d66ffd9b2e",
    )
    of_one = "3659eaa0bb557ed3618f1879824f6e869beb8c8b904ddc950caac9bf301259ec"
    assert fingerprint(marked) not in of_both
    (alone,) = (s for s in marked.scenes if s.assets == one.assets)
    assert alone.id != "a"
    assert fingerprint(replace(marked, scenes=(alone,))) == of_one


def made(name: str, base: str, **changes: Any) -> Scene:
    when = changes.pop("when", "2024-03-05T03:00:00Z")
    return scene_from_item(item(name, when, **changes), base, TABLE)


def test_collections_with_dates_as_ids_lose_no_item(tmp_path: Path) -> None:
    """The one catalogue, a collection a tile, an item a date."""
    entries: list[dict[str, Any]] = []
    for at, tile in enumerate("ab"):
        one = item("20240305", "2024-03-05T03:00:00Z", properties={"grid:code": f"T-{tile}"})
        one["geometry"]["coordinates"] = [
            [[x + 0.05 * at, y] for x, y in one["geometry"]["coordinates"][0]]
        ]
        entries.append(one | {"collection": tile})
    path = catalogue(tmp_path, [entries[0]])
    (tmp_path / "c" / "other.json").write_text(json.dumps(entries[1]), encoding="utf-8")
    collection = json.loads((tmp_path / "c" / "collection.json").read_text(encoding="utf-8"))
    collection["links"].append({"rel": "item", "href": "./other.json"})
    (tmp_path / "c" / "collection.json").write_text(json.dumps(collection), encoding="utf-8")
    found = search_stac(source(path), TABLE, WANTED)
    assert [s.id for s in found.scenes] == ["20240305", "20240305"]
    kept, dropped = drop_duplicates(found.scenes)
    assert (len(kept), dropped) == (2, [])
    (p,) = merge_passes(told_apart(kept))
    assert len({s.id for s in p.scenes}) == 2


def test_one_product_of_one_id_is_read_once_and_the_other_is_named() -> None:
    """With and without a tile; the first that is listed wins."""
    for code in ("MGRS-49RGL", ""):
        one, other = (made("a", f"/{n}/i.json", properties={"grid:code": code}) for n in "xy")
        kept, dropped = drop_duplicates([one, other])
        assert kept == [one]
        assert [(a.what, a.remedy) for a in dropped] == [("a", "")]
        assert "/x/blue.tif is read and /y/blue.tif is not" in dropped[0].reason
        assert told_apart(kept) == [one]


def test_an_item_that_two_sources_list_is_one_and_nothing_is_set_aside() -> None:
    for code in ("MGRS-49RGL", ""):
        one = made("a", "/x/i.json", properties={"grid:code": code})
        assert drop_duplicates([one, replace(one)]) == ([one], [])


def test_a_part_of_the_same_name_does_not_stand_for_the_whole() -> None:
    """Without a tile an id alone makes no product the same: not its extent, day or satellite."""
    whole = made("a", "/x/i.json", properties={"grid:code": ""})
    part = made("a", "/y/i.json", properties={"grid:code": ""})
    part = replace(part, footprint_wgs84=whole.footprint_wgs84.buffer(-0.01))
    later = replace(made("a", "/z/i.json"), tile="", acquired=datetime(2024, 4, 5, tzinfo=UTC))
    other = replace(made("a", "/w/i.json"), tile="", platform="sentinel-2b")
    kept, dropped = drop_duplicates([whole, part, later, other])
    assert (len(kept), dropped) == (4, [])
    assert len({s.id for s in told_apart(kept)}) == 4


def test_a_mark_hears_of_no_signature() -> None:
    """Catalogues that sign by themselves give another query in every run."""

    def marked(sign: str) -> list[str]:
        scenes = [made("a", f"https://h/{n}/i.json") for n in "xy"]
        signed = [
            replace(s, assets={b: replace(a, href=a.href + sign) for b, a in s.assets.items()})
            for s in scenes
        ]
        return [s.id for s in told_apart(signed)]

    assert marked("?sig=1") == marked("?sig=2") == marked("")


def test_two_sources_of_one_folder_keep_their_files_for_every_corridor(tmp_path: Path) -> None:
    """Each has a catalogue of its own: the second's took the first's place after one corridor."""
    images = tiny.write_scenes(tmp_path / "images", only=range(4))
    parts = [
        tiny.source(images) | {"pattern": rf"tiny_(?P<date>2024-0[{months}]-\d\d)\.tif"}
        for months in ("12", "34")
    ]
    path = tiny.workflow(tmp_path, images, sources=parts, corridors={"file": "corridors.geojson"})
    second = tiny.corridor()
    second["properties"]["id"] = "second"
    both = {"type": "FeatureCollection", "features": [tiny.corridor(), second]}
    (tmp_path / "corridors.geojson").write_text(json.dumps(both), encoding="utf-8")
    found = searched(load_workflow(path))
    assert {k: len(p) for k, p in found.passes.items()} == {"tiny": 4, "second": 4}


def test_equal_ids_of_two_sensors_stay_as_they_are() -> None:
    """They lie in stores of their own, and never clashed."""
    one = scene_from_item(item("20240305", "2024-03-05T03:00:00Z"), "/x/i.json", TABLE)
    other = replace(one, sensor="other")
    apart = replace(one, acquired=one.acquired + timedelta(days=1))
    assert told_apart([one, other]) == [one, other]
    marked = told_apart([one, other, apart])
    assert [s.id == "20240305" for s in marked] == [False, True, False]
