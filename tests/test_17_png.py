"""Pictures as PNG: what comes back is what was written, whichever library packs."""

from __future__ import annotations

import zlib
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from pipeline.io import png as writing
from pipeline.io.png import png


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (64, 97)])
@pytest.mark.parametrize("library", ["deflate", "zlib"])
def test_pixels_come_back(
    shape: tuple[int, int], library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if library == "deflate":
        pytest.importorskip("deflate")
    else:
        monkeypatch.setattr(writing, "_packing", lambda: zlib.compress)
    image = np.random.default_rng(sum(shape)).integers(0, 256, (*shape, 3), np.uint8)
    found = Image.open(BytesIO(png(image)))
    assert (found.format, found.mode) == ("PNG", "RGB")
    assert np.array_equal(np.asarray(found), image)  # Pillow checks every sum on the way


def test_a_view_of_a_larger_picture_is_written_as_it_looks() -> None:
    image = np.random.default_rng(1).integers(0, 256, (40, 50, 3), np.uint8)
    view = image[::-2, 5:20]
    assert np.array_equal(np.asarray(Image.open(BytesIO(png(view)))), view)


def test_plain_ground_is_small() -> None:
    assert len(png(np.full((400, 400, 3), 255, np.uint8))) < 4000
