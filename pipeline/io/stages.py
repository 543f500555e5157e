"""Readings of water gauges that the office keeps: ``stages.csv`` beside its layers."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from pipeline.errors import ConfigurationError
from pipeline.io.atomic import write_bytes

FILE = "stages.csv"
_COLUMNS = ("station", "on", "stage_m")

STAGE_RANGE_M = 200.0
"""Between the stages of one gauge [m]: a deep reservoir falls by half of it, and readings in
centimetres beside metres are beyond."""

Readings = Mapping[str, Mapping[date, float]]
"""Highest stage [m] by station and day (Asia/Shanghai)."""


@dataclass(frozen=True)
class Stages:
    """All readings of the office."""

    readings: Readings = field(default_factory=dict[str, dict[date, float]])

    @property
    def marks(self) -> dict[str, str]:
        """Give what tells these readings from others, by name; empty without any."""
        if not self.readings:
            return {}
        return {"stages": hashlib.sha256(self._text().encode()).hexdigest()[:16]}

    def _text(self) -> str:
        sink = io.StringIO()
        rows = csv.writer(sink, lineterminator="\n")
        rows.writerow(_COLUMNS)
        for station, days in sorted(self.readings.items()):
            rows.writerows((station, on.isoformat(), f"{m:g}") for on, m in sorted(days.items()))
        return sink.getvalue()

    def save(self, folder: Path) -> Path:
        """Write them, whole or not at all."""
        folder.mkdir(parents=True, exist_ok=True)
        write_bytes(folder / FILE, self._text().encode("utf-8"))
        return folder / FILE


def load_stages(folder: Path) -> Stages:
    """Read the office's readings; none if there is no file.

    Raises
    ------
    ConfigurationError
        The file was not written by an import.
    """
    path = folder / FILE
    if not path.is_file():
        return Stages()
    found: dict[str, dict[date, float]] = {}
    try:
        for row in csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))):
            days = found.setdefault(row["station"], {})
            days[date.fromisoformat(row["on"])] = float(row["stage_m"])
    except (KeyError, ValueError, TypeError) as error:
        raise ConfigurationError(
            f"{path} is damaged, or was not written by 'siluan layers import'",
            "Move it away and import the readings again",
        ) from error
    return Stages(found)
