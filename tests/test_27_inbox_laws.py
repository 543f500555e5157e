"""Whatever comes in, it is taken in or refused with a sentence; nothing else happens."""

from __future__ import annotations

import contextlib
import struct
import sys
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))
import flight

from pipeline.acquire.inbox import pixels
from pipeline.acquire.inbox.checks import check_parts
from pipeline.acquire.inbox.drop import inside
from pipeline.acquire.inbox.form import FlightForm, read_form
from pipeline.acquire.inbox.reasons import REASONS, Fault, SubmissionRefusedError, printable
from pipeline.acquire.inbox.recognise import Parts
from pipeline.acquire.inbox.tiff import read_header

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12) | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner),
    max_leaves=5,
)


def read(data: bytes) -> FlightForm | None:
    with TemporaryDirectory() as folder, contextlib.suppress(SubmissionRefusedError):
        path = Path(folder) / "flight.yaml"
        path.write_bytes(data)
        return read_form(path, flight.NOW)
    return None


@settings(max_examples=30, deadline=None)
@given(st.binary(max_size=60))
@example(b"\xef\xbb\xbf")
@example(b"? [a]\n: b")
@example(b"2026-99-99")
@example(b"!!python/object/apply:os.system ['true']")
def test_bytes_are_a_form_or_refused(data: bytes) -> None:
    assert read(data) is None


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(sorted(FlightForm.model_fields)), anything)
def test_a_field_of_anything_is_taken_or_refused(name: str, value: object) -> None:
    content = yaml.safe_dump({**flight.FORM, name: value}, allow_unicode=True)
    form = read(content.encode("utf-8", "surrogatepass"))
    assert form is None or form.flown.tzinfo is not None


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_a_tiff_with_some_bytes_changed_is_read_or_refused(data: st.DataObject) -> None:
    with TemporaryDirectory() as folder:
        path = flight.write_tif(Path(folder) / "o.tif", flight.picture(size=16), compress="lzw")
        raw = bytearray(path.read_bytes())
        for _ in range(data.draw(st.integers(1, 4))):
            raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
        path.write_bytes(raw)
        form = FlightForm.model_validate({**flight.FORM, "gsd_m": None})
        with contextlib.suppress(SubmissionRefusedError):
            header = read_header(path, "o.tif")
            sheets = check_parts(Parts("", (header,), (), (), ()), form)
            plan = pixels.plan_bands(sheets.mosaic, None)
            if np.prod(sheets.mosaic.grid.shape) < 10_000:
                pixels.write_mosaic(sheets.mosaic, plan, Path(folder) / "out.tif")


@pytest.mark.parametrize(("tag", "at", "value"), [(256, 8, 0), (257, 8, 0), (273, 2, 0)])
def test_headers_that_gdal_complains_of_are_refused(
    tmp_path: Path, tag: int, at: int, value: int
) -> None:
    """Width 0, height 0, and offsets of no type: found by changing bytes at random."""
    path = flight.write_tif(tmp_path / "o.tif", flight.picture(size=16), compress="lzw")
    raw = bytearray(path.read_bytes())
    (first,) = struct.unpack_from("<I", raw, 4)
    (count,) = struct.unpack_from("<H", raw, first)
    entries = [first + 2 + 12 * i for i in range(count)]
    (entry,) = [e for e in entries if struct.unpack_from("<H", raw, e) == (tag,)]
    struct.pack_into("<H", raw, entry + at, value)
    path.write_bytes(raw)
    with pytest.raises(SubmissionRefusedError, match=r"o\.tif is damaged"):
        read_header(path, "o.tif")


@given(st.text(alphabet="ab./\\:C ", max_size=12))
@example("a/../../b")
@example("..\\b")
def test_a_name_that_is_inside_is_inside(name: str) -> None:
    if inside(name):
        joined = PurePosixPath("/drop") / name.replace("\\", "/")
        assert ".." not in joined.parts
        assert joined.is_relative_to("/drop")


@given(st.text())
def test_what_is_shown_can_be_shown(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    shown.encode()


def test_every_reason_says_what_and_what_to_do_in_both_languages() -> None:
    for code, reason in REASONS.items():
        for text in (reason.en, reason.en_do, reason.zh, reason.zh_do):
            assert text, code
            assert not text.endswith((".", "。")), code
        assert any("\u4e00" <= c <= "\u9fff" for c in reason.zh_do), code
    assert Fault.of("leaves", file="a\nb").en()[0].startswith("a?b")
