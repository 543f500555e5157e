"""Confidence as a share: monotone, fitted, read from its file, and said to be calibrated."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))
import tiny
from test_62_publish import case

from benchmarks.accuracy.confidence import confidence_of, fit, reliability
from benchmarks.accuracy.simulated.scoring import Entry
from pipeline.adjudicate.calibration import BetaMap, Calibration, calibrated
from pipeline.config import load_workflow
from pipeline.errors import ConfigurationError
from pipeline.model import NO_SWIR, Kind
from pipeline.publish.contract import check
from pipeline.publish.geojson import case_feature, feature_collection

ROOT = Path(__file__).resolve().parents[1]
PLAIN = BetaMap(offset=0.0, low=1.0, high=1.0, confirmed=1.0)
share = st.floats(0, 1)


@settings(deadline=None)  # the first call builds the model
@given(share, share, st.floats(0, 5), st.floats(0, 5), st.booleans())
def test_more_score_is_never_less_confidence(
    a: float, b: float, low: float, high: float, confirmed: bool
) -> None:
    by = BetaMap(offset=-0.5, low=low, high=high, confirmed=1.2)
    first, second = (by.at(s, confirmed=confirmed) for s in sorted((a, b)))
    assert 0 <= first <= second <= 1
    assert by.at(a, confirmed=True) > by.at(a, confirmed=False)


def test_the_plain_map_changes_nothing() -> None:
    assert PLAIN.at(0.7, confirmed=False) == pytest.approx(0.7)


def test_only_known_detectors_and_kinds_are_calibrated() -> None:
    one = case()
    table = Calibration(basis="a test", detectors=(one.detector,), kinds={one.kind: PLAIN})
    assert calibrated(one, None) is None
    assert calibrated(replace(one, detector="image-change/1"), table) is None
    other = next(k for k in Kind if k is not one.kind)
    assert calibrated(replace(one, kind=other), table) is None
    value = calibrated(one, table)
    assert value is not None
    assert value != one.score  # imagery confirmed it


def test_a_simulation_says_nothing_of_what_no_swir_has_shown() -> None:
    one = replace(case(), measures={NO_SWIR: 1.0})
    table = Calibration(basis="a test", detectors=(one.detector,), kinds={one.kind: PLAIN})
    assert calibrated(one, table) is None
    assert calibrated(replace(one, measures={NO_SWIR: 0.0}), table) is not None
    office = table.model_construct(**{**dict(table), "provenance": object()})
    assert office.of_verdicts
    assert calibrated(one, office) is not None  # its own cases, by the same imagery


def test_a_calibrated_feature_says_so() -> None:
    table = Calibration(basis="a test", detectors=("ground/1",), kinds={case().kind: PLAIN})
    feature = case_feature(case(), calibrated=(0.83, table.basis_word))
    assert feature["properties"]["confidence"] == 0.83
    assert feature["properties"]["confidence_calibrated"] is True
    assert feature["properties"]["confidence_basis"] == "simulated"
    plain = case_feature(case())["properties"]
    assert (plain["confidence_calibrated"], plain["confidence_basis"]) == (False, None)
    check("cases", feature_collection([feature]))


def _entries(n: int, seed: int) -> list[Entry]:
    """True with a probability that the score exaggerates."""
    rng = np.random.default_rng(seed)
    out: list[Entry] = []
    for _ in range(n):
        s, confirmed = float(rng.uniform(0.05, 0.95)), bool(rng.random() < 0.5)
        p = s**2 * (1.0 if confirmed else 0.3)
        out.append(Entry("dui", "ground/1", confirmed, s, bool(rng.random() < p)))
    return out


def test_a_fit_makes_the_score_reliable_on_entries_it_has_not_seen() -> None:
    table = fit(_entries(1500, 1), "a test")
    unseen = _entries(2000, 2)
    raw, mended = (
        max(abs(told - true) for _, told, true, _ in reliability(unseen, c, 250))
        for c in (None, table)
    )
    assert raw > 0.15
    assert mended < 0.08
    assert confidence_of(unseen[0], None) == unseen[0].score


def test_a_kind_without_entries_takes_what_all_kinds_say() -> None:
    table = fit(_entries(600, 1), "a test")
    assert table.kinds[Kind.CAI].low == pytest.approx(table.kinds[Kind.DUI].low, abs=0.5)
    with pytest.raises(ValueError, match="too few"):
        fit(_entries(20, 1), "a test")


def test_a_workflow_reads_the_file_and_its_hash_knows(tmp_path: Path) -> None:
    plain = tiny.workflow(tmp_path, tmp_path / "images")
    assert load_workflow(plain).options.adjudicate.calibration is None
    before = load_workflow(plain).config_hash()
    table = Calibration(basis="a test", detectors=("zhan/1",), kinds={Kind.ZHAN: PLAIN})
    path = tmp_path / "confidence.yaml"
    path.write_text(yaml.safe_dump(json.loads(table.model_dump_json())), encoding="utf-8")
    with_file = tiny.workflow(tmp_path, tmp_path / "images", confidence="confidence.yaml")
    read = load_workflow(with_file)
    assert read.options.adjudicate.calibration == table
    assert read.config_hash() != before


def test_a_named_file_that_is_missing_or_wrong_is_refused(tmp_path: Path) -> None:
    path = tiny.workflow(tmp_path, tmp_path / "images", confidence="confidence.yaml")
    with pytest.raises(ConfigurationError, match=r"confidence\.yaml does not exist"):
        load_workflow(path)
    (tmp_path / "confidence.yaml").write_text("basis: x\nkinds: {zhan: {offset: 99}}\n")
    with pytest.raises(ConfigurationError, match="offset"):
        load_workflow(path)


def test_the_supplied_file_speaks_of_all_kinds_and_of_no_verdicts() -> None:
    read = load_workflow(ROOT / "workflows" / "patrol.yaml").options.adjudicate.calibration
    assert read is not None
    assert set(read.kinds) == set(Kind)
    assert set(read.detectors) == {"ground/1", "zhan/1"}
    assert not read.of_verdicts  # so that nothing is issued by it
    assert "simulation" in read.basis
    for by in read.kinds.values():
        assert by.at(0.7, confirmed=True) > 0.8
        assert by.at(0.3, confirmed=False) < 0.2
