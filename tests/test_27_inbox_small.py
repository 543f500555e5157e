"""What lies in an inbox and is no drop, and names that would leave a scratch folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.acquire.inbox.form import FlightForm
from pipeline.io.archives import _leaves
from pipeline.office.inbox import _drops


@pytest.mark.parametrize("name", [".", "./", "..", "a/../../b", "/etc/x", "C:/x", "c:x"])
def test_a_member_that_is_the_folder_itself_or_leaves_it_is_refused(name: str) -> None:
    assert _leaves(name)


@pytest.mark.parametrize("name", ["a", "a/b.tif", "./a"])
def test_a_member_below_stays(name: str) -> None:
    assert not _leaves(name)


def test_folders_of_a_system_are_nobodys_drop(tmp_path: Path) -> None:
    for name in ("@eaDir", "#recycle", "$RECYCLE.BIN", "System Volume Information", "lost+found"):
        (tmp_path / name).mkdir()
    (tmp_path / "渌水1120").mkdir()
    assert [p.name for p in _drops(tmp_path)] == ["渌水1120"]


def test_the_empty_date_of_a_program_is_no_flight() -> None:
    said = {"team": "t", "drone": "d", "camera": "c", "vertical": "unknown", "rtk": True, "gcp": 0}
    FlightForm.model_validate(said | {"flown": "2026-11-20T10:30:00+08:00"})
    with pytest.raises(ValueError, match="no flight is that old"):
        FlightForm.model_validate(said | {"flown": "0001-01-01T00:00:00+08:00"})
