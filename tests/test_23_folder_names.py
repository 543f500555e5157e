"""Folders of files: what a name says, and names that cannot be told apart."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
import tiny

from pipeline.acquire.bands import load_sensor_table
from pipeline.acquire.folder import FolderSource, catalogue_folder
from pipeline.errors import ConfigurationError

SENSORS = Path(__file__).resolve().parents[1] / "config" / "sensors"


def dates(folder: Path, names: list[str], pattern: str | None = None) -> list[str]:
    files = folder / "files"
    files.mkdir()
    for name in names:
        tiny.write_stack(files / name, np.full((12, 64, 64), 1000, "int16"))
    stated = {} if pattern is None else {"pattern": pattern}
    source = FolderSource(
        path=str(files),
        sensor="sentinel-2-l2a-stack12",
        time_of_day="03:00",  # pyright: ignore[reportArgumentType]
        zone="UTC",
        **stated,
    )
    table = load_sensor_table(SENSORS, source.sensor)
    path, aside = catalogue_folder(source, table, folder / "cache")
    assert not aside
    links = json.loads(path.read_text(encoding="utf-8"))["links"]
    items = [json.loads((path.parent / k["href"]).read_text(encoding="utf-8")) for k in links]
    return [i["properties"]["datetime"] for i in items]


@pytest.mark.parametrize(
    "name",
    [
        "S2A_MSIL2A_20230815T095031_N0509_R079_T33TWL_20241103T155057.tif",
        "LC08_L2SP_123041_20230815_20241103_02_T1.tif",
        "Boadella_2023-08-15.tif",
    ],
)
def test_the_first_date_of_a_name_is_the_day_of_the_look(tmp_path: Path, name: str) -> None:
    # A product's name ends with the day it was processed, months later for an old scene.
    assert [d[:10] for d in dates(tmp_path, [name])] == ["2023-08-15"]


def test_files_that_cannot_be_told_apart_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"east_2024-03-05\.tif and west_2024-03-05\.tif"):
        dates(tmp_path, ["east_2024-03-05.tif", "west_2024-03-05.tif", "x_2024-03-06.tif"])


def test_a_tile_tells_them_apart(tmp_path: Path) -> None:
    pattern = r"(?P<tile>\w+)_(?P<date>[\d-]+)\.tif"
    assert len(dates(tmp_path, ["east_2024-03-05.tif", "west_2024-03-05.tif"], pattern)) == 2
