"""What the reduction knows of looks so far, and the names of what it rests on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pipeline.io.store import CorridorStore
from pipeline.io.vault import content_key
from pipeline.model import DateQuality, Pass
from pipeline.passes.sky import mark_of, source_of


@dataclass
class Known:
    """Quality and mask of every look; ``quality`` is added to as the reduction goes on."""

    store: CorridorStore
    quality: dict[str, DateQuality]
    sources: Mapping[str, str]  # pass id → name of its stored pixels
    mask_keys: Mapping[str, str]
    _marks: dict[str, str] = field(default_factory=dict[str, str])

    @classmethod
    def of(
        cls,
        store: CorridorStore,
        passes: Sequence[Pass],
        quality: dict[str, DateQuality],
        mask_keys: Mapping[str, str],
    ) -> Known:
        """Name the stored pixels of all passes."""
        sources = {p.id: content_key(source_of(store, p)) for p in passes}
        return cls(store, quality, sources, mask_keys)

    def quality_of(self, passes: Sequence[Pass]) -> dict[str, DateQuality]:
        """Give a copy for some passes, as known now."""
        return {p.id: self.quality[p.id] for p in passes}

    def mask(self, pass_id: str) -> str:
        """Name what the mask of a look says: other inputs may give the same mask."""
        if pass_id not in self._marks:
            folder = f"mask/{self.mask_keys[pass_id]}/{pass_id}"
            self._marks[pass_id] = mark_of(self.store, folder)
        return self._marks[pass_id]

    def content(self, pass_id: str) -> list[object]:
        """Give all that the pixels of a look depend on as they are known now."""
        q = self.quality[pass_id]
        return [self.sources[pass_id], self.mask(pass_id), *q.shift_px, q.reflectance_offset]
