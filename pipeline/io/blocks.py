"""Blocks of the corridor store as bytes: packed layers with a checksum, and a bounded cache.

A block holds, per layer, the stored pixels of its tile in row-major order as int16 (or float32 for
references), compressed by bitshuffle and LZ4. What is cached are checked, compressed blocks: three
times as many fit as of decoded ones, and decoding one layer costs less than a millisecond. A few
megabytes of decoded layers are cached beside them, as windows that are neighbours share blocks.
"""

from __future__ import annotations

import importlib
import json
import os
import struct
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numcodecs.blosc import Blosc, decompress
from numpy.typing import NDArray

from pipeline.io.recent import Recent

NODATA = -32768
"""What a packed pixel without data holds."""

SCALE = 10_000.0
"""Packed reflectance per reflectance."""

MARK_CHARS = 8
"""Of the checksum of a block, as text."""

_MAGIC = b"SLB1"
_CACHE_BYTES = 64 << 20
_DECODED_BYTES = 12 << 20
_HEAD_BYTES = 4096  # at least of the line that names the layers
_FLOAT = "f4"
_READ = os.O_RDONLY | getattr(os, "O_BINARY", 0)  # Windows would end lines in its own way

Packed = NDArray[np.int16 | np.float32]


@cache
def _summing() -> Callable[..., int]:
    """Give what makes a CRC-32 (ISO 3309) of bytes, and goes on from one that is given.

    It is libdeflate's, four times as fast, where that is there.
    """
    try:
        return importlib.import_module("deflate").crc32
    except (ImportError, AttributeError):  # old ones have none
        return zlib.crc32


class DamagedBlockError(ValueError):
    """A block whose bytes do not fit its checksum; it can be made again."""

    def __init__(self, what: str, path: Path | None = None) -> None:
        super().__init__(what)
        self.path = path


@dataclass(frozen=True, slots=True)
class Layer:
    """One packed layer of one block: ``values`` are the stored pixels at ``factor`` of the grid."""

    values: Packed
    factor: int


@dataclass(frozen=True, slots=True)
class Block:
    """A checked block, still compressed."""

    head: Mapping[str, list[int | str]]  # name → bytes, pixels, factor[, type if not int16]
    body: memoryview

    @classmethod
    def parse(cls, blob: bytes) -> Block:
        """Check and open the bytes of a block.

        Raises
        ------
        DamagedBlockError
            Truncated or altered.
        """
        view = memoryview(blob)
        whole = len(blob) >= 8 and blob[:4] == _MAGIC
        if not whole or struct.unpack("<I", blob[4:8])[0] != _summing()(view[8:]):
            raise DamagedBlockError("checksum")
        end = blob.find(b"\n", 8)
        end = len(blob) if end < 0 else end
        return cls(json.loads(blob[8:end]), view[end + 1 :])

    def layer(self, name: str) -> Layer | None:
        """Decode one layer; None if the block does not hold it."""
        at = 0
        for held, (length, size, factor, *kind) in self.head.items():
            if held == name:
                raw = decompress(self.body[at : at + int(length)])
                dtype = np.float32 if kind == [_FLOAT] else np.int16
                return Layer(np.frombuffer(raw, dtype=dtype, count=int(size)), int(factor))
            at += int(length)
        return None


def pieces(layers: Mapping[str, Layer]) -> list[bytes]:
    """Serialise a block, as pieces that follow each other.

    They are half a megabyte: joining them clears and copies as much fresh memory twice, which takes
    longer than packing them.
    """
    codec = Blosc(cname="lz4", clevel=5, shuffle=Blosc.BITSHUFFLE)
    head: dict[str, list[int | str]] = {}
    parts: list[bytes] = []
    for name, layer in sorted(layers.items()):
        part = bytes(codec.encode(np.ascontiguousarray(layer.values)))
        kind: list[int | str] = [_FLOAT] if layer.values.dtype == np.float32 else []
        head[name] = [len(part), int(layer.values.size), layer.factor, *kind]
        parts.append(part)
    body = [json.dumps(head).encode() + b"\n", *parts]
    summing, mark = _summing(), 0
    for piece in body:
        mark = summing(piece, mark)
    return [_MAGIC + struct.pack("<I", mark), *body]


def decode(blob: bytes, names: Iterable[str]) -> dict[str, Layer]:
    """Read some layers of a block; names it does not hold are left out.

    Raises
    ------
    DamagedBlockError
        Truncated or altered.
    """
    block = Block.parse(blob)
    found = {name: block.layer(name) for name in names}
    return {name: layer for name, layer in found.items() if layer is not None}


_Key = tuple[str, int, int]  # path, time and size of a file
_recent: Recent[_Key, Block] = Recent(_CACHE_BYTES, lambda block: len(block.body))


# Windows with halos ask for a tile's layers as often as it has neighbours.
_decoded: Recent[tuple[_Key, str], Layer] = Recent(_DECODED_BYTES, lambda one: one.values.nbytes)


def _block(path: str) -> tuple[_Key, Block]:
    stat = os.stat(path)  # noqa: PTH116 - asked for every layer; a Path costs more than the call
    key = (path, stat.st_mtime_ns, stat.st_size)
    block = _recent.get(key)
    if block is None:
        try:
            block = Block.parse(_content(path))
        except ValueError as error:
            raise DamagedBlockError(f"{path} is damaged", Path(path)) from error
        _recent.put(key, block)
    return key, block


def _layer(key: _Key, block: Block, name: str) -> Layer | None:
    """Decode one layer through the cache; nobody writes into what comes from it."""
    layer = _decoded.get((key, name))
    if layer is None:
        layer = block.layer(name)
        if layer is not None:
            _decoded.put((key, name), layer)
    return layer


def _content(path: str) -> bytes:
    """Read a file by the system's calls: of thousands of them a run a file object costs more."""
    file = os.open(path, _READ)
    try:
        size = os.fstat(file).st_size
        content = os.read(file, size)
        while len(content) < size and (more := os.read(file, size - len(content))):
            content += more
    except OSError as error:  # a disk that cannot be read, a folder: a descriptor has no name
        raise OSError(error.errno, error.strerror, path) from error
    finally:
        os.close(file)
    return content


def read_layer(path: str, name: str) -> Layer | None:
    """Read one layer of a block's file through the cache; None if there is no file or layer.

    Raises
    ------
    DamagedBlockError
        With the path.
    """
    layers = read_layers(path, (name,))
    return None if layers is None else layers[0]


def read_layers(path: str, names: Sequence[str]) -> list[Layer | None] | None:
    """Read several layers as :func:`read_layer`, asking for the file once; None if there is none.

    Raises
    ------
    DamagedBlockError
        With the path.
    """
    try:
        key, block = _block(path)
    except FileNotFoundError:
        return None
    try:
        return [_layer(key, block, name) for name in names]
    except ValueError as error:
        raise DamagedBlockError(f"{path} is damaged", Path(path)) from error


def block_mark(path: str | Path) -> str:
    """Give the checksum that a block carries, "" where there is none; it is not verified here."""
    try:
        file = os.open(path, _READ)  # of thousands of blocks a run; a file object costs more
    except FileNotFoundError:
        return ""
    try:
        return os.read(file, 8)[4:].hex()  # shorter only where a block was cut off within it
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        os.close(file)


def has_full_length(path: str | Path) -> bool:
    """Tell, by its head and its size, whether a block was written to its end.

    A disk that changes bytes is not found so: that shows when the block is read.
    """
    try:
        file = os.open(path, _READ)  # every run asks this of every block of its looks
        try:
            start, size = os.read(file, _HEAD_BYTES), os.fstat(file).st_size
        finally:
            os.close(file)
        line, found, _ = start[8:].partition(b"\n")
        if start[:4] != _MAGIC or not found:
            return False
        return 8 + len(line) + 1 + sum(int(held[0]) for held in json.loads(line).values()) == size
    except (OSError, ValueError, AttributeError, TypeError, IndexError):
        return False


def damaged_in(folder: Path) -> list[Path]:
    """Give the blocks of a folder whose bytes do not fit their checksum; reads all of them."""
    found: list[Path] = []
    for path in sorted(folder.glob("*.blk")):
        try:
            Block.parse(path.read_bytes())
        except ValueError:
            found.append(path)
    return found
