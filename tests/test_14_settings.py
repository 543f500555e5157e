"""What a refusal of a workflow says: every offender, and only what helps with it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import tiny

from pipeline.config import load_workflow
from pipeline.errors import ConfigurationError

FOLDER_KEYS = "(known here: path, pattern, sensor, time_of_day, type, zone)"


def refusal(folder: Path, *sources: dict[str, Any]) -> str:
    path = tiny.workflow(folder, folder, sources=list(sources))
    with pytest.raises(ConfigurationError) as refused:
        load_workflow(path)
    return refused.value.what.removeprefix(f"{path}: ")


def test_the_keys_listed_are_those_of_the_kind_of_source(tmp_path: Path) -> None:
    folder = tiny.source(tmp_path)
    said = refusal(tmp_path, {**folder, "collections": "x"})
    assert said == f"unknown key 'sources.0.folder.collections' {FOLDER_KEYS}"
    said = refusal(tmp_path, folder, {**tiny.SILENT, "colections": ["a"], "patern": "x"})
    assert "'sources.1.stac.colections' (did you mean 'collections'?)" in said
    assert "time_of_day" not in said
    deep = {**tiny.SILENT, "access": {"signing": {"kind": "bearer", "xyz": 1}}}
    said = refusal(tmp_path, deep)
    assert "'sources.0.stac.access.signing.bearer.xyz' (known here: " in said
    assert "token_url" not in said.split("known here")[1]  # a key of the other kind of signing


def test_a_bad_source_is_not_a_missing_one(tmp_path: Path) -> None:
    folder = tiny.source(tmp_path)
    for bad in ({**folder, "xyz": 1}, {"type": "foldr"}, {"path": "x"}):
        assert "needs 1 or more" not in refusal(tmp_path, bad)
    assert refusal(tmp_path) == "'sources' holds 0 and needs 1 or more"


def test_an_unknown_kind_of_source_names_the_known_ones(tmp_path: Path) -> None:
    said = refusal(tmp_path, {"type": "foldr"}, {"type": "qqq"}, {"path": "x"})
    assert said.split("; ") == [
        "'sources.0.type': 'foldr' is not known (did you mean 'folder'?)",
        "'sources.1.type': 'qqq' is not known (known here: disk, folder, stac)",
        "missing key 'sources.2.type'",
    ]
