"""Layers of the office: what an import says of words, and which features and parts it keeps."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from shapely.geometry import box

sys.path.insert(0, str(Path(__file__).parent))
import office

from pipeline.errors import ConfigurationError, ExitCode
from pipeline.io.datum import Datum
from pipeline.io.layers import load_layer
from pipeline.office.importing import ImportReport, ImportRequest, import_layer
from pipeline.office.kinds import LayerKind

HERE = [box(419_000 + i, 3_060_000, 421_000 + i, 3_061_000) for i in (0, 3000, 6000)]
YEAR = {"from": "2025-01-01", "to": "2025-12-31"}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return office.make_config(tmp_path)


def imported(file: Path, config: Path, kind: str, *features: dict[str, Any]) -> ImportReport:
    """Write a file and import it."""
    file.parent.mkdir(exist_ok=True)
    office.write_geojson(file, list(features))
    return import_layer(ImportRequest(file, LayerKind(kind), config, datum=Datum.CGCS2000))


def test_permits_that_name_no_kind_of_case_are_named(tmp_path: Path, config: Path) -> None:
    words = ("禁止采砂", "采砂", None)
    features = [
        office.feature(office.lonlat(g), id=f"A{i}", what=what, **YEAR)
        for i, (g, what) in enumerate(zip(HERE, words, strict=True))
    ]
    report = imported(tmp_path / "p.geojson", config, "permits", *features)
    told = "permits whose matter names no kind of case, so they explain none: feature 1 (A0): "
    assert f"{told}禁止采砂" in report.lines
    assert report.code == ExitCode.DONE


@pytest.mark.parametrize("words", [(None, "采砂"), ("采砂", None)])
def test_what_is_kept_does_not_hang_on_the_order_of_features(
    tmp_path: Path, config: Path, words: tuple[str | None, str | None]
) -> None:
    shape = office.lonlat(HERE[0])
    features = [office.feature(shape, id="1", what=what, **YEAR) for what in (*words, "采砂")]
    report = imported(tmp_path / "p.geojson", config, "permits", *features)
    layer = load_layer(config / "layers", "permits")
    assert layer is not None
    assert {f.fields["what"] for f in layer.features} == {None, "采砂"}
    assert sum("is the same as" in line for line in report.lines) == 1


def test_works_of_the_same_numbers_elsewhere_are_another_countys(
    tmp_path: Path, config: Path
) -> None:
    def works(*places: int) -> list[dict[str, Any]]:
        return [
            office.feature(office.lonlat(HERE[place]), name=str(number), **YEAR)
            for number, place in enumerate(places, 1)
        ]

    imported(tmp_path / "A" / "works.geojson", config, "works", *works(0, 0))
    with pytest.raises(ConfigurationError, match=r"\(1, 2\), and holds nothing where .* works-B"):
        imported(tmp_path / "B" / "works.geojson", config, "works", *works(2, 2))
    # What is corrected stays, what lies elsewhere now is named.
    report = imported(tmp_path / "C" / "works.geojson", config, "works", *works(0, 2))
    assert "elsewhere than before in the part works: 2" in report.lines
    assert not any(line.startswith("no more") for line in report.lines)
