"""Text of files that do not say how it is encoded: both readings are shown, and one is asked for.

Nothing is guessed.
"""

from __future__ import annotations

import codecs
from collections.abc import Mapping
from pathlib import Path

from pipeline.errors import ConfigurationError

ENCODINGS = ("gbk", "utf-8")
UNREAD = "latin-1"  # for a file whose text is not looked at: nothing can fail
_SHOWN = 3


def read_text(path: Path, encoding: str | None) -> tuple[str, str]:
    """Read a text file whose encoding may have to be asked for; give (text, encoding).

    Raises
    ------
    ConfigurationError
        Not plain ASCII, no byte order mark and no declared encoding, or a wrong one.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(
            f"{path} cannot be read: {error.strerror}", "Check the path"
        ) from error
    if data.startswith(codecs.BOM_UTF8):
        return data.decode("utf-8-sig"), "utf-8"
    if encoding is None:
        if data.isascii():
            return data.decode("ascii"), "ascii"
        line = next(k for k in data.splitlines() if not k.isascii())
        raise _ask_encoding(path, {"first line": line})
    try:
        return data.decode(encoding), encoding
    except (UnicodeDecodeError, LookupError) as error:
        raise ConfigurationError(
            f"{path} is not {encoding}: {error}",
            f"Declare one of {', '.join(ENCODINGS)}",
        ) from error


def decode_columns(
    path: Path,
    columns: Mapping[str, tuple[str | None, ...]],
    encoding: str | None,
    notes: list[str],
) -> tuple[dict[str, tuple[str | None, ...]], str]:
    """Decode texts that are Latin-1 and stand for their bytes; give them and the encoding.

    Raises
    ------
    ConfigurationError
        No encoding is declared and text is not ASCII, or it is not in the declared one.
    """
    pool: dict[str, bytes] = {}
    for name, values in columns.items():
        for value in (name, *values):
            if value is not None and not value.isascii() and name not in pool:
                pool[name] = value.encode("latin-1")
    if not pool:
        return dict(columns), encoding or "ascii"
    if encoding is None:
        raise _ask_encoding(path, pool)
    reader = _Decoder(encoding)
    out = {str(reader(n)): tuple(reader(v) for v in vs) for n, vs in columns.items()}
    if reader.wrong:
        raise ConfigurationError(
            f"{path} has {len(reader.wrong)} values that are not {encoding}, such as "
            f"{', '.join(reader.wrong[:_SHOWN])}",
            f"Declare another of {', '.join(ENCODINGS)}",
        )
    if reader.cut:
        notes.append(
            f"{reader.cut} values were cut in the middle of a character by the field's width"
        )
    return out, encoding


class _Decoder:
    """Text from Latin-1 that stands for bytes of an encoding; counts what does not fit."""

    def __init__(self, encoding: str) -> None:
        self._encoding = encoding
        self.wrong: list[str] = []
        self.cut = 0

    def __call__(self, value: str | None) -> str | None:
        if value is None or value.isascii():
            return value
        data = value.encode("latin-1")
        try:
            text = codecs.getincrementaldecoder(self._encoding)().decode(data, final=False)
        except UnicodeDecodeError:
            self.wrong.append(repr(data[:20]))
            return None
        # A DBF field ends where its width ends, in the middle of a character too.
        self.cut += len(data) != len(text.encode(self._encoding))
        return text


def _ask_encoding(path: Path, samples: Mapping[str, bytes]) -> ConfigurationError:
    readings: list[str] = []
    for encoding in ENCODINGS:
        shown: list[str] = []
        for data in list(samples.values())[:_SHOWN]:
            try:
                shown.append(f"'{data[:60].decode(encoding)}'")
            except UnicodeDecodeError:
                shown.append("not valid")
        readings.append(f"as {encoding}: {', '.join(shown)}")
    return ConfigurationError(
        f"{path} does not say how its text is encoded; {'; '.join(readings)}",
        "Add --encoding gbk or --encoding utf-8, whichever reads right",
    )
