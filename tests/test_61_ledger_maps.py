"""The ledger's maps, served by tipg over PostGIS: open issued cases, and no names of persons."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import httpx
import pytest
from shapely import affinity
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry
from sqlalchemy.exc import DBAPIError

sys.path.insert(0, str(Path(__file__).parent))
import ledgers
import services

from pipeline.grid import reproject
from pipeline.ledger import Command, Edit, LedgerPlace, LedgerStore, change, open_ledger
from pipeline.model import Attribution, Case, Kind, Status

pytestmark = [pytest.mark.services, pytest.mark.timeout(300)]
DOCS = Path(__file__).parents[1] / "docs" / "postgis.md"


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, list[Case]]]:
    """Give the address of tipg over a ledger with one case of every status, and these cases."""
    folder = tmp_path_factory.mktemp("maps")
    with ledgers.server() as base:
        url = ledgers.database(base)
        place = LedgerPlace(folder / "state" / "ledger.sqlite", url)
        found = [ledgers.candidate(1000.0 * i, 3) for i in range(len(Status))]
        north = [replace(c, polygon=_at_zhuzhou(c.polygon)) for c in found]
        with open_ledger(place) as ledger:
            opened = ledgers.apply(ledger, north, ledgers.CONTEXT).cases
            here = Attribution(county_code="430212", county_zh="渌口区")
            cases = [
                replace(c, status=s, attribution=here, kind=list(Kind)[i % 4], revision=2)
                for i, (c, s) in enumerate(zip(opened, Status, strict=True))
            ]
            with ledger.transaction(lambda: None) as transaction:
                transaction.write(cases, [])
            held = cases[[c.status for c in cases].index(Status.ISSUED)]
            _verify(ledger, held.case_id)
            cases = list(ledger.cases())
        # As the page for whoever sets it up says, word for word.
        for statement in _said_in_docs("sql"):
            ledgers.sql(url, statement)
        (srid,) = ledgers.sql(url, "SELECT Find_SRID('siluan_open', 'cases', 'shape')")
        assert srid == (4490,)
        with pytest.raises(DBAPIError, match="permission denied"):
            ledgers.sql(url.replace("siluan@", "maps@"), "SELECT * FROM siluan.cases")
        with ledgers.there(services.tipg(folder / "tipg", url.replace("siluan@", "maps@"))) as at:
            yield str(at), cases


def _at_zhuzhou(polygon: BaseGeometry) -> BaseGeometry:
    return affinity.translate(polygon, 700_000, 3_050_000)


def _verify(ledger: LedgerStore, case_id: str) -> None:
    """Let a named person move a case, so that a name stands in the ledger."""
    edit = Edit(case_id, "王工", date(2025, 7, 1), status=Status.VERIFIED, record={"note": "已核"})
    said = Command("siluan cases update", "u-1", datetime(2025, 7, 1, tzinfo=UTC), "0")
    assert change(ledger, [edit], said).applied == (case_id,)


def _said_in_docs(language: str) -> list[str]:
    blocks = re.findall(rf"```{language}\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.S)
    text = "\n".join(b for b in blocks if "-- maps" in b)
    return [s.strip() for s in re.sub(r"--.*", "", text).split(";") if s.strip()]


def test_features_are_the_open_issued_cases_without_names(office: tuple[str, list[Case]]) -> None:
    at, cases = office
    with httpx.Client(base_url=at, trust_env=False, timeout=60) as client:
        _check_features(client, cases)


def _check_features(client: httpx.Client, cases: list[Case]) -> None:
    names = [c["id"] for c in client.get("/collections").json()["collections"]]
    assert names == ["siluan_open.cases"]
    answer = client.get("/collections/siluan_open.cases/items?limit=100")
    held = {c.case_id: c for c in cases if c.held}
    features = {f["id"]: f for f in answer.json()["features"]}
    assert set(features) == set(held)
    assert len(held) == 4
    for name, feature in features.items():
        case, said = held[name], feature["properties"]
        assert (said["status"], said["county_zh"]) == (case.status.value, "渌口区")
        assert said["kind_zh"] == case.kind.zh
        assert said["area_m2"] == case.area_m2
        assert said["notice"].startswith("疑似")
        there = reproject(case.polygon, case.crs, "EPSG:4490")
        assert shape(feature["geometry"]).hausdorff_distance(there) < 1e-6
    assert "王工" not in answer.text
    assert "已核" not in answer.text
    one = client.get("/collections/siluan_open.cases/items?status=rectifying").json()
    assert [f["properties"]["status"] for f in one["features"]] == ["rectifying"]
    west, south, east, north = reproject(cases[0].polygon, cases[0].crs, "EPSG:4490").bounds
    near = client.get(
        "/collections/siluan_open.cases/items",
        params={"bbox": f"{west - 1},{south - 1},{east + 1},{north + 1}", "limit": 100},
    )
    assert near.json()["numberMatched"] == 4


def test_vector_tiles(office: tuple[str, list[Case]]) -> None:
    at, cases = office
    held = next(c for c in cases if c.held)
    lon, lat = reproject(held.polygon, held.crs, "EPSG:4490").centroid.coords[0]
    zoom = 12
    # The tile of WGS 84 degrees: two columns and one row at zoom 0 (OGC 17-083r4, annex D.3).
    col, row = int((lon + 180) / 180 * 2**zoom), int((90 - lat) / 180 * 2**zoom)
    answer = httpx.get(
        f"{at}/collections/siluan_open.cases/tiles/WorldCRS84Quad/{zoom}/{col}/{row}",
        trust_env=False,
        timeout=60,
    )
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("application/vnd.mapbox-vector-tile")
    assert held.case_id.encode() in answer.content
    assert "渌口区".encode() in answer.content
    assert "王工".encode() not in answer.content
