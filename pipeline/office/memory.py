"""What was asked once at an import, remembered beside the layer."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field

from pipeline.io.atomic import write_text
from pipeline.io.datum import Datum
from pipeline.io.settings import load_model

_STRICT = ConfigDict(frozen=True, extra="forbid")
_HEAD = "# What 'siluan layers import' was told once; edit or delete it to be asked again.\n"


class Answers(BaseModel):
    """How one source is read."""

    model_config = _STRICT

    datum: Datum
    crs: str | None = None
    encoding: str | None = None
    layer: str | None = None
    swap_xy: bool = False
    fields: dict[str, str] = Field(default_factory=dict)
    columns: tuple[str, ...] = Field(default=(), description="by which a like source is known")
    folder: str | None = Field(default=None, description="of the file, by which another is known")


class Memory(BaseModel):
    """Answers by the name of the source."""

    model_config = _STRICT

    sources: dict[str, Answers] = Field(default_factory=dict)

    def alike(self, columns: Collection[str]) -> tuple[str, Answers] | None:
        """Give a source with the same columns, whose field mapping fits another file too."""
        wanted = sorted(columns)
        return next(
            (s for s in sorted(self.sources.items()) if sorted(s[1].columns) == wanted), None
        )


def memory_path(folder: Path, kind: str) -> Path:
    """Give the file of a kind's answers."""
    return folder / f"{kind}.yaml"


def recall(folder: Path, kind: str) -> Memory:
    """Read what is remembered of a kind."""
    path = memory_path(folder, kind)
    return load_model(path, Memory) if path.exists() else Memory()


def remember(folder: Path, kind: str, source: str, answers: Answers) -> None:
    """Keep the answers for a source; the others stay."""
    known = recall(folder, kind)
    if known.sources.get(source) == answers:
        return
    content = Memory(sources={**known.sources, source: answers}).model_dump(
        mode="json", exclude_defaults=True
    )
    text = yaml.safe_dump(content, allow_unicode=True, sort_keys=True)
    write_text(memory_path(folder, kind), _HEAD + text)
