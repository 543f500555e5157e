"""A TIFF of some blocks only: a file's header with the blocks that were fetched behind it.

GDAL opens and decodes it as it would the whole file; only that the other blocks are marked as not
written. Format: TIFF 6.0 (Adobe, 1992), BigTIFF (libtiff); the mark of the layout of a COG is
GDAL's own (its documentation, "COG driver").
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 16: 8, 18: 8}
_CODES = {3: "H", 4: "I", 16: "Q"}
_WIDTH, _HEIGHT, _COMPRESSION, _SAMPLES, _PLANAR = 256, 257, 259, 277, 284
_BITS, _MEANING, _FILL, _PREDICTOR, _KIND = 258, 262, 266, 317, 339
_DEFLATE = (8, 32946)
_NUMBERS = (1, 2, 3)  # of what a pixel may mean: those that stand for themselves
_OLD_JPEG = 6  # its tables lie anywhere in the file
_TILE, _STRIP = (322, 323, 324, 325), (256, 278, 273, 279)  # columns, rows, offsets, counts
_GHOST = b"GDAL_STRUCTURAL_METADATA_SIZE="


@dataclass(frozen=True)
class _Field:
    kind: int
    count: int
    at: int  # of its values

    @property
    def end(self) -> int:
        return self.at + self.count * _SIZES[self.kind]


@dataclass(frozen=True)
class TiffHead:
    """The first directory of a file, and where its blocks lie.

    ``block`` (rows, columns) and ``across`` (blocks in a row) are of one band; ``spans`` are the
    bytes of each block, first and one after the last, empty where it was not written.
    ``number_bytes`` is the size of a pixel in a block that holds nothing but whole numbers from 0
    up, little end first, row by row and packed by DEFLATE; 0 where blocks are anything else.
    ``predicted`` says that each number but a row's first is its difference to the one before.
    """

    raw: bytes
    block: tuple[int, int]
    across: int
    planes: int  # bands with blocks of their own
    spans: tuple[tuple[int, int], ...]
    number_bytes: int
    predicted: bool
    _order: str
    _offsets: _Field
    _counts: _Field
    _next: int  # place of the address of the next directory
    _wide: bool

    def index(self, row: int, col: int, band: int) -> int | None:
        """Give the number of a block, None where there is none; ``band`` counts from 1."""
        plane, one = band - 1 if self.planes > 1 else 0, len(self.spans) // self.planes
        inside = row * self.across + col
        if not (0 <= plane < self.planes and 0 <= col < self.across and 0 <= inside < one):
            return None
        return plane * one + inside

    def with_blocks(self, blocks: Mapping[int, bytes | memoryview]) -> bytes:
        """Give a file that holds these blocks and no others.

        Raises
        ------
        struct.error
            Too many bytes for the file's own numbers.
        """
        n = len(self.spans)
        counts, offsets, at = [0] * n, [0] * n, len(self.raw)
        for number, body in blocks.items():
            offsets[number], counts[number], at = at, len(body), at + len(body)
        head = bytearray(self.raw)
        for field, values in ((self._offsets, offsets), (self._counts, counts)):
            struct.pack_into(f"{self._order}{n}{_CODES[field.kind]}", head, field.at, *values)
        struct.pack_into(f"{self._order}{'Q' if self._wide else 'I'}", head, self._next, 0)
        first = 16 if self._wide else 8
        if head.startswith(_GHOST, first):
            # It promises that blocks lie as they did.
            head[first : first + len(_GHOST)] = bytes(len(_GHOST))
        return b"".join([head, *blocks.values()])


def parse(raw: bytes) -> TiffHead | int | None:
    """Read a directory from the first bytes of a file.

    Returns
    -------
    TiffHead, int or None
        So many bytes are needed, where these are too few; None for what is no TIFF, or one that is
        better left to GDAL.
    """
    try:
        return _parsed(raw)
    except (struct.error, ArithmeticError, ValueError, IndexError, MemoryError):
        return None  # damaged: GDAL says how


def _parsed(raw: bytes) -> TiffHead | int | None:
    order = {b"II": "<", b"MM": ">"}.get(raw[:2])
    version = struct.unpack_from(f"{order}H", raw, 2)[0] if order and len(raw) >= 16 else 0
    if order is None or version not in (42, 43):
        return None
    wide = version == 43
    at = struct.unpack_from(f"{order}{'Q' if wide else 'I'}", raw, 8 if wide else 4)[0]
    head, entry = (8, 20) if wide else (2, 12)
    if at + head > len(raw):
        return at + head + 64 * entry
    number = struct.unpack_from(f"{order}{'Q' if wide else 'H'}", raw, at)[0]
    after = at + head + number * entry
    if after + 8 > len(raw):
        return after + 8
    fields: dict[int, _Field] = {}
    for place in range(at + head, after, entry):
        tag, kind, count = struct.unpack_from(f"{order}HH{'Q' if wide else 'I'}", raw, place)
        if kind not in _SIZES:
            return None
        slot = place + (12 if wide else 8)
        inline = count * _SIZES[kind] <= (8 if wide else 4)
        where = (
            slot if inline else struct.unpack_from(f"{order}{'Q' if wide else 'I'}", raw, slot)[0]
        )
        fields[tag] = _Field(kind, count, where)
    needed = max([after + 8, *(f.end for f in fields.values())])
    if needed > len(raw):
        return needed
    return _head(raw[:needed], order, fields, (after, wide))


def _head(
    raw: bytes, order: str, fields: Mapping[int, _Field], end: tuple[int, bool]
) -> TiffHead | None:
    def values(tag: int, otherwise: tuple[int, ...] = ()) -> tuple[int, ...]:
        field = fields.get(tag)
        if field is None or field.kind not in _CODES:
            return otherwise
        return struct.unpack_from(f"{order}{field.count}{_CODES[field.kind]}", raw, field.at)

    tiled = _TILE[2] in fields
    tags = _TILE if tiled else _STRIP
    offsets, counts = values(tags[2]), values(tags[3])
    width, height = values(_WIDTH), values(_HEIGHT)
    rows, cols = values(tags[1], height), values(tags[0])
    # Places of a few kB at most do not fit into numbers of two bytes once blocks are moved.
    narrow = tags[2] in fields and fields[tags[2]].kind == 3
    if not (width and height and rows and cols and offsets) or narrow:
        return None
    if values(_COMPRESSION, (1,))[0] == _OLD_JPEG:
        return None
    planes = values(_SAMPLES, (1,))[0] if values(_PLANAR, (1,))[0] == 2 else 1
    block = (rows[0] if tiled else min(rows[0], height[0]), cols[0])
    across, down = -(-width[0] // block[1]), -(-height[0] // block[0])
    if len(offsets) != len(counts) or len(offsets) != across * down * planes:
        return None
    spans = tuple((o, o + c) for o, c in zip(offsets, counts, strict=True))
    places = (fields[tags[2]], fields[tags[3]])
    plain = _number_bytes(values) if tiled and order == "<" else 0
    predicted = values(_PREDICTOR, (1,))[0] == 2
    return TiffHead(raw, block, across, planes, spans, plain, predicted, order, *places, *end)


def _number_bytes(values: Callable[[int, tuple[int, ...]], tuple[int, ...]]) -> int:
    """Give the bytes of a pixel of blocks that hold plain numbers, packed by DEFLATE; else 0."""
    bits, apart = set(values(_BITS, (1,))), values(_PLANAR, (1,))[0] == 2
    plain = (
        values(_COMPRESSION, (1,))[0] in _DEFLATE
        and values(_PREDICTOR, (1,))[0] in (1, 2)
        and values(_MEANING, (0,))[0] in _NUMBERS
        and values(_FILL, (1,))[0] == 1
        and set(values(_KIND, (1,))) == {1}
        and (apart or values(_SAMPLES, (1,))[0] == 1)
    )
    return bits.pop() // 8 if plain and bits in ({8}, {16}) else 0
