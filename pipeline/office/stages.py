"""``siluan layers import --as stages``: readings of water gauges, for no-mining by stage (水位)."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from pipeline.errors import ConfigurationError, ExitCode
from pipeline.io.encodings import read_text
from pipeline.io.layers import load_layer
from pipeline.io.rows import rows_of
from pipeline.io.stages import FILE, STAGE_RANGE_M, Readings, Stages, load_stages
from pipeline.model import office_day
from pipeline.office.importing import ImportReport, check_office
from pipeline.office.kinds import LayerKind
from pipeline.office.values import read_date

KIND = "stages"
_NAMES = {
    "station": ("station", "水文站", "站名", "测站", "站点"),
    "time": ("time", "on", "date", "时间", "日期", "观测时间", "tm"),
    "stage_m": ("stage_m", "stage", "水位", "水位m", "水位(m)", "水位（m）", "z"),
}
_SHOWN = 5
# No tide falls so far below a gauge's zero, and no gauge of China stands so high: -99.9, -9999 and
# 9999 are what loggers write for nothing [m].
_PLAUSIBLE = (-20.0, 6000.0)
_FIRST_YEAR = 1865  # of the oldest gauge of China, at 汉口


@dataclass(frozen=True, slots=True)
class _Reading:
    line: int
    station: str
    on: date
    stage_m: float


@dataclass(frozen=True, slots=True)
class _Usual:
    """What readings of a gauge are held against."""

    stage_m: float
    what: str  # that it is

    def far(self, stage_m: float) -> bool:
        return abs(stage_m - self.stage_m) > STAGE_RANGE_M


_Bad = list[tuple[int, str]]  # line, and what is wrong with it


def import_stages(
    file: Path, config: Path, encoding: str | None = None, fields: Mapping[str, str] | None = None
) -> ImportReport:
    """Add readings to those that are kept; of a day the highest counts, whichever file it is from.

    Times are the office's (Asia/Shanghai), stages metres above the gauge's own zero, as the
    no-mining layer writes its trigger.

    Raises
    ------
    ConfigurationError
        A column is missing, or a row cannot be read or cannot be true: every offender named,
        nothing kept.
    """
    check_office(config)
    text, _ = read_text(file, encoding)
    header, rows = rows_of(file, text)
    columns = _columns(file, header, fields or {})
    folder = config / "layers"
    before = load_stages(folder)
    found, bad = _readings(rows, columns)
    usual = _usual(found, _triggers(folder), before.readings)
    strange = _strange(found, usual)
    odd = _odd(before.readings, {} if strange else usual, folder / FILE)
    bad += strange
    if bad or not found:
        raise _refused(file, sorted(bad), odd, folder / FILE)
    new = _highest(found)
    after = Stages({s: _both(before, new, s) for s in {*before.readings, *new}})
    changed = after.marks != before.marks
    if changed:
        after.save(folder)
    lines = [
        f"{s}: {len(days)} days, {min(days)} to {max(days)}" for s, days in sorted(new.items())
    ]
    lines += [*_higher(before.readings, new, folder / FILE), *odd]
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
    strange = sorted(set(fields) - set(_NAMES))
    if strange:
        raise ConfigurationError(
            f"--field names {', '.join(strange)}, which readings do not have",
            f"They have: {', '.join(_NAMES)}",
        )
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


def _readings(
    rows: Sequence[tuple[int, Mapping[str, str]]], columns: Mapping[str, str]
) -> tuple[list[_Reading], _Bad]:
    """Read each row, or say what is wrong with it."""
    found: list[_Reading] = []
    bad: _Bad = []
    today = office_day(datetime.now(UTC))
    for line, row in rows:
        station, time, stage = (row[columns[role]].strip() for role in _NAMES)
        on, metres = read_date(time), _metres(stage)
        if not station or on is None or metres is None:
            bad.append((line, ", ".join((station, time, stage))))
        elif not f"{_FIRST_YEAR}" <= on <= today.isoformat():
            bad.append((line, f"a day that cannot be: {on}"))
        elif not _plausible(metres):
            bad.append((line, f"{stage} m is no stage: loggers write such numbers for nothing"))
        else:
            found.append(_Reading(line, station, date.fromisoformat(on), metres))
    return found, bad


def _metres(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _plausible(stage_m: float) -> bool:
    return _PLAUSIBLE[0] <= stage_m <= _PLAUSIBLE[1]


def _triggers(folder: Path) -> dict[str, list[float]]:
    """Give the stages at which the no-mining layer forbids mining, by gauge."""
    layer = load_layer(folder, LayerKind.NO_MINING.value)
    found: dict[str, list[float]] = {}
    for feature in layer.features if layer else ():
        station, stage = feature.fields.get("station"), feature.fields.get("stage_m")
        if station and stage:
            found.setdefault(station.strip(), []).append(float(stage))
    return found


def _usual(
    found: Sequence[_Reading], triggers: Mapping[str, Sequence[float]], kept: Readings
) -> dict[str, _Usual]:
    """Give by gauge its trigger, or the middle of its readings, those kept before among them."""
    stages: dict[str, list[float]] = {}
    for one in found:
        stages.setdefault(one.station, []).append(one.stage_m)
    usual: dict[str, _Usual] = {}
    for station, values in stages.items():
        if station in triggers:
            what = f"the stage_m of {station} in the no-mining layer: are both in metres?"
            usual[station] = _Usual(statistics.median(triggers[station]), what)
            continue
        before = [m for m in kept.get(station, {}).values() if _plausible(m)]
        known = f" ({FILE} keeps {min(before):g} to {max(before):g} m)" if before else ""
        # The lower of two: centimetres are more than metres, whichever came first.
        middle = statistics.median_low([*before, *values])
        usual[station] = _Usual(middle, f"which is usual of {station}{known}: are these metres?")
    return usual


def _strange(found: Sequence[_Reading], usual: Mapping[str, _Usual]) -> _Bad:
    """Name readings that no gauge can have beside its trigger, or beside its other readings."""
    return [
        (
            one.line,
            f"{one.stage_m:g} m is more than {STAGE_RANGE_M:g} m from {known.stage_m:g} m, "
            f"{known.what}",
        )
        for one in found
        if (known := usual[one.station]).far(one.stage_m)
    ]


def _odd(kept: Readings, usual: Mapping[str, _Usual], path: Path) -> list[str]:
    """Name readings of before that cannot be: earlier imports took what loggers write."""
    odd = [
        f"{s} {d} ({stage:g} m)"
        for s, days in sorted(kept.items())
        for d, stage in sorted(days.items())
        if not _plausible(stage) or (s in usual and usual[s].far(stage))
    ]
    if not odd:
        return []
    more = f" and {len(odd) - _SHOWN} more" if len(odd) > _SHOWN else ""
    return [f"kept before, and no stage that can be: {', '.join(odd[:_SHOWN])}{more}; edit {path}"]


def _highest(found: Sequence[_Reading]) -> dict[str, dict[date, float]]:
    out: dict[str, dict[date, float]] = {}
    for one in found:
        days = out.setdefault(one.station, {})
        days[one.on] = max(one.stage_m, days.get(one.on, -math.inf))
    return out


def _both(before: Stages, new: Readings, station: str) -> dict[date, float]:
    old, more = before.readings.get(station, {}), new.get(station, {})
    return {d: max(days[d] for days in (old, more) if d in days) for d in {*old, *more}}


def _higher(before: Readings, new: Readings, path: Path) -> list[str]:
    """Say of which days a higher reading was known: files of single hours bring lower ones too."""
    known = [
        f"{s} {d} ({before[s][d]:g} m)"
        for s, days in sorted(new.items())
        for d, stage in sorted(days.items())
        if before.get(s, {}).get(d, -math.inf) > stage
    ]
    if not known:
        return []
    more = f" and {len(known) - _SHOWN} more" if len(known) > _SHOWN else ""
    shown = ", ".join(known[:_SHOWN])
    return [f"a higher reading is known and kept of {shown}{more}; a wrong one: edit {path}"]


def _refused(file: Path, bad: _Bad, odd: Sequence[str], kept: Path) -> ConfigurationError:
    more = f" and {len(bad) - _SHOWN} more" if len(bad) > _SHOWN else ""
    named = "; ".join(f"line {line} ({why})" for line, why in bad[:_SHOWN])
    wrong = f". Where {kept} is what is wrong, correct it there" if kept.is_file() else ""
    told = "; ".join([named + more if bad else "it has no rows", *odd])
    return ConfigurationError(
        f"{file} holds readings that cannot be read: {told}",
        "Each needs a station, a time like 2025-06-01 08:00 and a stage in metres; take out rows "
        f"without a reading{wrong}",
    )
