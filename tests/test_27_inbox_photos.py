"""Photos without a mosaic: dated points, or refused by name."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from pyproj import Transformer
from typer.testing import CliRunner

sys.path.insert(0, str(Path(__file__).parent))
import flight

from pipeline.acquire.inbox.drop import list_drop
from pipeline.acquire.inbox.page import known_of
from pipeline.acquire.inbox.photos import Photo, read_photos
from pipeline.acquire.inbox.reasons import SubmissionRefusedError
from pipeline.acquire.inbox.shelf import flights_in
from pipeline.cli import app

LON, LAT = Transformer.from_crs(flight.CRS, "EPSG:4326", always_xy=True).transform(*flight.CORNER)
FIX: dict[int, Any] = {5: b"\x00", 6: 98.5, 17: 271.25}
LOCAL: dict[int, Any] = {0x9003: "2026:11:20 10:31:05"}
ZONED: dict[int, Any] = {**LOCAL, 0x9011: "+08:00"}
CLOCK: dict[int, Any] = {29: "2026:11:20", 7: (2.0, 31.0, 5.0)}


def sixty(value: float) -> tuple[float, float, float]:
    minutes = abs(value) * 60
    return float(minutes // 60), float(minutes // 1 % 60), round(minutes % 1 * 60, 5)


def place(lon: float = LON, lat: float = LAT) -> dict[int, Any]:
    return {1: "NS"[lat < 0], 2: sixty(lat), 3: "EW"[lon < 0], 4: sixty(lon)}


def photo(
    path: Path, exif: dict[int, Any] | None = None, gps: dict[int, Any] | None = None, red: int = 9
) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    head = Image.Exif()
    head[0x010F], head[0x0110] = "DJI", "M3E\0"
    head.get_ifd(0x8769).update(ZONED if exif is None else exif)
    head.get_ifd(0x8825).update({**place(), **FIX} if gps is None else gps)
    Image.new("RGB", (8, 8), (red, 0, 0)).save(path, "JPEG", exif=head)
    return path


def read(path: Path, zone: str | None = None) -> Photo:
    (found,) = read_photos(list_drop(path.parent), [path.name], zone, flight.NOW)
    return found


def test_a_form_is_filled_in_from_photos_and_reports_and_guesses_nothing(tmp_path: Path) -> None:
    drop = tmp_path / "渌水"
    flight.odm(drop)
    (drop / "flight.yaml").unlink()
    fixed = b'<x drone-dji:RtkFlag="50" drone-dji:DroneModel="M3E"/>'
    for n, minute in enumerate(("10:31:05", "10:51:05")):
        taken = {0x9003: f"2026:11:20 {minute}", 0x9011: "+08:00"}
        path = photo(drop / f"images/{n}.JPG", taken, red=n)
        path.write_bytes(path.read_bytes() + fixed)
    (drop / "opensfm").mkdir()
    (drop / "opensfm/stats.json").write_text('{"reconstruction_statistics": {"has_gcp": false}}')
    done = CliRunner().invoke(app, ["submit", "--form", str(drop)])
    assert (done.exit_code, "filled in from the files" in done.output) == (0, True)
    page = (tmp_path / "渌水_登记表.html").read_text("utf-8")
    held = json.loads(re.findall(r'id="prefill">(.*?)</script>', page, re.S)[0])
    assert held == {
        "camera": "DJI M3E", "drone": "M3E", "flown": "2026-11-20T10:41:05", "zone": "+08:00",
        "rtk": "true", "gcp": "0", "horizontal": flight.CRS, "gsd_m": "0.05",
    }  # fmt: skip
    assert not (tmp_path / "state").exists()
    # Two cameras, a photo without a fix, a clock without a zone, points that were used.
    odd = photo(drop / "images/2.JPG", LOCAL, place(), red=7)
    odd.write_bytes(odd.read_bytes().replace(b"M3E", b"M3T") + fixed.replace(b"50", b"16"))
    (drop / "opensfm/stats.json").write_text('{"reconstruction_statistics": {"has_gcp": true}}')
    assert known_of(list_drop(drop)) == {
        "drone": "M3E", "horizontal": flight.CRS, "gsd_m": "0.05",
    }  # fmt: skip
    (drop / "opensfm/stats.json").write_text("[1]")
    assert "gcp" not in known_of(list_drop(drop))
    assert CliRunner().invoke(app, ["submit", "--form", str(tmp_path / "no")]).exit_code == 2
    assert CliRunner().invoke(app, ["submit", str(drop), "--form", str(drop)]).exit_code == 2


def test_photos_become_dated_points(tmp_path: Path) -> None:
    for n in range(2):
        photo(tmp_path / f"drop/DCIM/{n}.JPG", red=n)
    flight.write_form(tmp_path / "drop", gsd_m=None, vertical="unknown")
    answer = flight.hand_in(tmp_path, tmp_path / "drop")
    assert answer.taken, answer.lines
    assert "2 photo(s) as dated points" in answer.lines[0]
    assert answer.lines[1] == "river: 2 photo(s)"
    folder = tmp_path / "state/flights" / answer.id
    points = json.loads((folder / "photos.geojson").read_text("utf-8"))["features"]
    assert len(points) == 2
    for point in points:
        assert point["geometry"]["coordinates"] == pytest.approx([LON, LAT], abs=1e-6)
        told = point["properties"]
        assert told["taken"] == "2026-11-20T02:31:05Z"
        assert told["taken_local"] == "2026-11-20T10:31:05+08:00"
        assert (told["altitude_m"], told["direction_deg"]) == (98.5, 271.25)
        assert told["camera"] == "DJI M3E"
        assert (folder / told["href"]).read_bytes() == (
            tmp_path / "drop" / told["name"]
        ).read_bytes()
    (found,) = flights_in(tmp_path / "state/flights")
    assert found.footprint_wgs84.geom_type == "MultiPoint"
    receipt = (tmp_path / "drop_回执.html").read_text("utf-8")
    assert "2 张照片" in receipt
    assert "只有照片" in receipt
    (tmp_path / "drop").rename(tmp_path / "again")
    assert flight.codes(flight.hand_in(tmp_path, tmp_path / "again")) == ["twice"]


@pytest.mark.parametrize(
    ("exif", "gps", "zone", "taken"),
    [
        (ZONED, {}, None, "2026-11-20T10:31:05+08:00"),
        (ZONED, CLOCK, "+09:00", "2026-11-20T10:31:05+08:00"),
        (LOCAL, CLOCK, None, "2026-11-20T02:31:05+00:00"),
        ({}, CLOCK, None, "2026-11-20T02:31:05+00:00"),
        (LOCAL, {}, "+08:00", "2026-11-20T10:31:05+08:00"),
    ],
)
def test_whose_time_it_is(
    tmp_path: Path, exif: dict[int, Any], gps: dict[int, Any], zone: str | None, taken: str
) -> None:
    path = photo(tmp_path / "a.jpg", exif, {**place(), **gps})
    assert read(path, zone).taken.isoformat() == taken


def test_south_west_and_below_the_sea(tmp_path: Path) -> None:
    found = read(photo(tmp_path / "a.jpg", gps={**place(-70.5, -33.25), 5: b"\x01", 6: 3.0}))
    assert (found.lon, found.lat) == pytest.approx((-70.5, -33.25))
    assert found.altitude_m == -3.0
    assert found.direction_deg is None


@pytest.mark.parametrize(
    ("exif", "gps", "why"),
    [
        (ZONED, {}, "position"),
        (ZONED, {**place(), 3: "X"}, "position"),
        (ZONED, place(0.0, 0.0), "position"),
        (ZONED, {**place(), 2: (95.0, 0.0, 0.0)}, "position"),
        (ZONED, {**place(), 2: 27.5}, "position"),
        ({}, place(), "time"),
        ({0x9003: "0000:00:00 00:00:00", 0x9011: "+08:00"}, place(), "time"),
        (LOCAL, place(), "zone"),
        ({**LOCAL, 0x9011: "Z+8"}, place(), "zone"),
        ({0x9003: "2027:01:01 00:00:00", 0x9011: "+08:00"}, place(), "future"),
    ],
)
def test_a_photo_that_says_too_little_is_refused(
    tmp_path: Path, exif: dict[int, Any], gps: dict[int, Any], why: str
) -> None:
    path = photo(tmp_path / "a.jpg", exif, gps)
    with pytest.raises(SubmissionRefusedError, match=rf"1 photo.*a\.jpg \({why}\)"):
        read(path)


def test_one_bad_photo_refuses_the_drop(tmp_path: Path) -> None:
    photo(tmp_path / "drop/good.jpg")
    photo(tmp_path / "drop/no_zone.jpg", LOCAL)
    (tmp_path / "drop/cut.jpg").write_bytes((tmp_path / "drop/good.jpg").read_bytes()[:30])
    (tmp_path / "drop/page.jpg").write_text("<html>")
    flight.write_form(tmp_path / "drop")
    answer = flight.hand_in(tmp_path, tmp_path / "drop")
    assert flight.codes(answer) == ["photos"]
    assert "3 photo(s)" in answer.lines[0]
    receipt = (tmp_path / "drop_回执.html").read_text("utf-8")
    assert "no_zone.jpg（拍摄时间没有时区）" in receipt
    assert "cut.jpg（损坏或不是 JPEG）" in receipt
    assert not list((tmp_path / "state/flights").glob("*/item.json"))


def test_photos_outside_wait_for_a_corridor(tmp_path: Path) -> None:
    photo(tmp_path / "drop/a.jpg", gps=place(112.0, 26.0))
    flight.write_form(tmp_path / "drop")
    answer = flight.hand_in(tmp_path, tmp_path / "drop")
    assert answer.taken
    assert "awaiting corridor" in answer.lines[1]
