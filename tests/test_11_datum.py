"""GCJ-02 and BD-09 there and back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Geod
from shapely.geometry import Point

from pipeline.io.datum import (
    FORWARD,
    Datum,
    from_shifted,
    to_gcj02,
    unshift,
    wgs84_to_bd09,
    wgs84_to_gcj02,
)

GEOD = Geod(ellps="WGS84")
CHINA = st.tuples(st.floats(74, 134), st.floats(4, 53))


@settings(deadline=None)
@given(CHINA, st.sampled_from([Datum.GCJ02, Datum.BD09]))
def test_what_is_shifted_comes_back(place: tuple[float, float], datum: Datum) -> None:
    points = np.array([place])
    back = from_shifted(FORWARD[datum](points), datum)
    assert np.abs(back - points).max() < 1e-8  # a millimetre


def test_the_shift_at_zhuzhou_is_what_everybody_measures() -> None:
    azimuth, _, metres = GEOD.inv(113.13, 27.83, *to_gcj02(113.13, 27.83))
    assert 655 < metres < 680
    assert 115 < azimuth < 130  # east-south-east
    _, _, baidu = GEOD.inv(113.13, 27.83, *wgs84_to_bd09(np.array([[113.13, 27.83]]))[0])
    assert 900 < baidu < 1500


def test_bd09_against_a_published_pair() -> None:
    # 39.915 N 116.404 E in GCJ-02 is 39.92133699351021 N 116.41036949371029 E in BD-09, the
    # example of the converters in common use.
    wgs = from_shifted(np.array([[116.404, 39.915]]), Datum.GCJ02)
    assert wgs84_to_bd09(wgs)[0] == pytest.approx([116.41036949371029, 39.92133699351021], abs=1e-7)


def test_elsewhere_and_true_datums_stay() -> None:
    abroad = np.array([[2.8, 42.3], [150.0, -30.0]])
    assert (wgs84_to_gcj02(abroad) == abroad).all()
    assert (wgs84_to_bd09(abroad) == abroad).all()
    assert unshift(Point(113, 27), Datum.CGCS2000) == Point(113, 27)
    assert unshift(Point(113, 27), Datum.GCJ02).distance(Point(113, 27)) > 0.004
