"""What the C library holds of freed memory goes back to the system when asked."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from pipeline.io.heap import hand_back, resident_bytes


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="of glibc")
def test_what_is_free_between_arrays_in_use_is_handed_back() -> None:
    hand_back(0)
    before = resident_bytes()
    arrays = [np.ones(64 << 10, np.uint8) for _ in range(1600)]  # below glibc's mmap threshold
    kept = arrays[::100]
    del arrays
    taken = resident_bytes()
    assert taken > before + (60 << 20)  # holes between what is kept
    assert not hand_back(taken * 2)
    assert resident_bytes() > before + (60 << 20)
    assert hand_back(before)
    assert resident_bytes() < before + (30 << 20)
    assert all(one.all() for one in kept)
