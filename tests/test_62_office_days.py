"""Bare days are the office's: a flight in the morning is of the day before in UTC, and its year."""

from __future__ import annotations

import csv
import io
import sys
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from test_62_publish import RECORD, case
from test_64_cases import candidate, make, read, siluan

from pipeline.adjudicate.evidence import fold
from pipeline.adjudicate.rules import subject_of
from pipeline.model import Attribution, Candidate, Case, Status
from pipeline.publish.folder import folder_of
from pipeline.publish.geojson import case_feature
from pipeline.publish.rows import row_of
from pipeline.report.tables import Names
from pipeline.report.worst import shown
from pipeline.running.judging import place_case

MORNING = datetime(2025, 12, 31, 22, 30, tzinfo=UTC)  # 06:30 of New Year's Day there


def flown() -> Case:
    one = case(hits=1)
    looks = (replace(one.looks[0], on=MORNING),)
    return replace(one, looks=looks, evidence=fold(looks))


def test_rows_features_and_reports_say_the_offices_day() -> None:
    row, told = row_of(flown()), case_feature(flown())["properties"]
    assert (row["first_seen"], row["last_seen"]) == ("2026-01-01", "2026-01-01")
    assert told["dates_seen"] == ["2026-01-01"]
    assert told["last_seen"] == "2025-12-31T22:30:00Z"  # an instant says its zone
    assert shown(flown(), 1, Status.ISSUED, Names({}, {}, {}))["first"] == "2026-01-01"


def test_layers_are_asked_about_the_offices_day() -> None:
    subject = subject_of(flown(), None, MORNING + timedelta(days=1))
    new_year = date(2026, 1, 1)
    assert (subject.first, subject.last, subject.looked) == (new_year, new_year, new_year)
    assert subject.newest == date(2026, 1, 2)
    asked: list[date | None] = []

    def where(corridor: str, outline: object, crs: str, on: date | None) -> Attribution:
        asked.append(on)
        return Attribution()

    place_case(where, flown())  # type: ignore[arg-type]
    assert asked == [new_year]


@pytest.mark.parametrize(
    ("end", "zone", "day"),
    [
        (MORNING, "Asia/Shanghai", "2026-01-01"),
        (datetime(2025, 12, 31, 15, 59, 59, tzinfo=UTC), "Asia/Shanghai", "2025-12-31"),
        (datetime(2025, 12, 31, 23, 59, 59, tzinfo=UTC), "UTC", "2025-12-31"),  # as it is asked for
    ],
)
def test_a_folder_is_named_by_the_last_day_of_the_period(
    end: datetime, zone: str, day: str
) -> None:
    record = replace(RECORD, period=(RECORD.period[0], end), zone=zone)
    assert folder_of(Path("out"), record) == Path(f"out/{day}_abc123")


def in_the_morning() -> Candidate:
    one = candidate(0, hits=1)
    looks = (replace(one.looks[0], on=MORNING),)
    return replace(one, looks=looks, evidence=fold(looks))


def test_lists_say_it_and_a_table_of_an_older_version_is_no_edit(tmp_path: Path) -> None:
    state, out = tmp_path / "state", tmp_path / "out"
    make(state, [in_the_morning()])
    (one,) = read(state)
    assert one.startswith("ZZ-2025-")  # ids are made of UTC, and stay
    assert " 2026-01-01 " in siluan("list", "--state", state)
    siluan("export", "--state", state, "--out", out, "--as", "csv")
    (row,) = csv.DictReader(io.StringIO((out / "cases.csv").read_text(encoding="utf-8-sig")))
    assert row["last_seen"] == "2026-01-01"
    text = (out / "cases.csv").read_text(encoding="utf-8-sig")
    (out / "cases.csv").write_text(text.replace("2026-01-01", "2025-12-31"), encoding="utf-8-sig")
    siluan("export", "--state", state, "--out", out, "--as", "csv")
    assert "2026-01-01" in (out / "cases.csv").read_text(encoding="utf-8-sig")
    edited = text.replace("2026-01-01", "2025-12-30")
    (out / "cases.csv").write_text(edited, encoding="utf-8-sig")
    said = siluan("export", "--state", state, "--out", out, "--as", "csv", code=2)
    assert "first_seen, last_seen" in said
