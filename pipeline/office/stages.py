"""``siluan layers import --as stages``: readings of water gauges, for no-mining by stage (水位)."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping
from datetime import date
from pathlib import Path

from pipeline.errors import ConfigurationError, ExitCode
from pipeline.io.encodings import read_text
from pipeline.io.stages import Stages, load_stages
from pipeline.office.importing import ImportReport
from pipeline.office.values import read_date

KIND = "stages"
_NAMES = {
    "station": ("station", "水文站", "站名", "测站", "站点"),
    "time": ("time", "on", "date", "时间", "日期", "观测时间", "tm"),
    "stage_m": ("stage_m", "stage", "水位", "水位m", "水位(m)", "水位（m）", "z"),
}
_SHOWN = 5


def import_stages(
    file: Path, config: Path, encoding: str | None = None, fields: Mapping[str, str] | None = None
) -> ImportReport:
    """Add readings to those that are kept; of a day the highest counts, and a new file wins.

    Times are the office's (Asia/Shanghai), stages metres above the gauge's own zero, as the
    no-mining layer writes its trigger.

    Raises
    ------
    ConfigurationError
        A column is missing, or a row cannot be read: every offender named, nothing kept.
    """
    text, _ = read_text(file, encoding)
    rows = list(csv.DictReader(io.StringIO(text.lstrip("\ufeff"))))
    columns = _columns(file, list(rows[0]) if rows else [], fields or {})
    new: dict[str, dict[date, float]] = {}
    wrong: list[str] = []
    for number, row in enumerate(rows, 2):
        station = (row[columns["station"]] or "").strip()
        on = read_date(row[columns["time"]] or "")
        stage = _metres(row[columns["stage_m"]])
        if not station or on is None or stage is None:
            wrong.append(
                f"line {number} ({', '.join(str(row[c] or '') for c in columns.values())})"
            )
            continue
        days = new.setdefault(station, {})
        day = date.fromisoformat(on)
        days[day] = max(stage, days.get(day, -math.inf))
    if wrong or not new:
        more = f" and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
        named = f"{'; '.join(wrong[:_SHOWN])}{more}" if wrong else "it has no rows"
        raise ConfigurationError(
            f"{file} holds readings that cannot be read: {named}",
            "Each needs a station, a time like 2025-06-01 08:00 and a stage in metres",
        )
    folder = config / "layers"
    before = load_stages(folder)
    both = {s: {**before.readings.get(s, {}), **new.get(s, {})} for s in {*before.readings, *new}}
    after = Stages(both)
    changed = after.marks != before.marks
    if changed:
        after.save(folder)
    lines = [
        f"{s}: {len(days)} days, {min(days)} to {max(days)}" for s, days in sorted(new.items())
    ]
    said = "imported readings" if changed else "known already: readings"
    return ImportReport((*lines, f"{said} of {len(new)} station(s)"), changed, ExitCode.DONE)


def stage_lines(config: Path) -> list[str]:
    """Say which readings are kept; nothing where there are none."""
    kept = load_stages(config / "layers").readings
    return [
        f"stages (水位): {s}, {len(days)} days, {min(days)} to {max(days)}"
        for s, days in sorted(kept.items())
    ]


def _columns(file: Path, header: list[str], fields: Mapping[str, str]) -> dict[str, str]:
    plain = {name.strip().lower(): name for name in header}
    found = {
        role: fields.get(role) or next((plain[n] for n in names if n in plain), None)
        for role, names in _NAMES.items()
    }
    missing = [role for role, column in found.items() if column not in header]
    if missing:
        raise ConfigurationError(
            f"{file} has no column for {', '.join(missing)} "
            f"(columns: {', '.join(header) or 'none'})",
            f"Name it: {' '.join(f'--field {m}=COLUMN' for m in missing)}",
        )
    return {role: str(column) for role, column in found.items()}


def _metres(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None
