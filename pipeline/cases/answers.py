"""The answers of an audit: read, counted by stratum, and said with their intervals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import Any, Literal

from shapely.geometry import Point

from pipeline.cases.audit import AuditKey, Meaning, key_path
from pipeline.cases.strata import (
    CASES,
    SHOWN,
    Share,
    Stratum,
    Tally,
    Weighed,
    precision,
    recall,
    share_of_squares,
)
from pipeline.cases.tables import Row, read_table
from pipeline.cases.where import today
from pipeline.cases.words import free_text, plain, read_day
from pipeline.errors import ConfigurationError
from pipeline.io.datum import applies, to_gcj02

Answer = Literal["yes", "no", "unclear"]
ANSWERS: Mapping[str, Answer] = {
    "有问题": "yes",
    "没有问题": "no",
    "看不清": "unclear",
    "是": "yes",
    "否": "no",
    "yes": "yes",
    "no": "no",
    "unclear": "unclear",
}


_NEAR_DEG = 1.001e-5  # 1 m: a spreadsheet rounds, and nobody moves a square of 100 m by less
_COUNTS = ("of", "yes", "no", "unclear", "silent", "cases_yes", "cases_no")


def judge_answers(state: Path, file: Path) -> tuple[AuditKey, dict[Stratum, Tally]]:
    """Read the answers of an audit and count them by stratum.

    Raises
    ------
    ConfigurationError
        The list is of no audit of this ledger, or an answer cannot be read: every offender named.
    """
    table = read_table(file)
    table.require("audit", "place", "answer", "by", "on")
    key = _key_of(state, file, {plain(r["audit"]) or "" for r in table.rows})
    answers: dict[str, Answer] = {}
    bad: list[str] = []
    for row in table.rows:
        try:
            place, answer = _answer(row, key)
        except ConfigurationError as error:
            bad.append(f"{row.where}: {str(error).rstrip('.')}")
            continue
        if place in answers:
            bad.append(f"{row.where}: {place} is answered twice")
        elif answer is not None:
            answers[place] = answer
    if bad:
        raise ConfigurationError(f"{file} cannot be used: {'; '.join(bad)}", "Mend these lines")
    return key, count_answers(key, answers)


def report_lines(key: AuditKey, tallies: Mapping[Stratum, Tally]) -> list[str]:
    """Say what the answers come to."""
    side = f"{key.side_m:.0f} m"
    lines = [
        f"{key.audit}, drawn {key.made_at}: squares of {side} that hold a problem, by the best "
        "case in them; intervals at 95 %"
    ]
    for s, t in tallies.items():
        if t.of:
            rest = f"{t.unclear} unclear, {t.silent} unanswered"
            share = _shown(share_of_squares(t))
            told = f"{t.told}{', weighed' if t.weighed else ''}"
            lines.append(f"  {s}: {t.yes} of {told} = {share}; of {t.of}; {rest}")
    for s in CASES:
        t = tallies[s]
        if t.of:
            told = t.cases_yes + t.cases_no
            lines.append(
                f"precision of {s}: {t.cases_yes} of {told} cases"
                f"{', weighed' if t.cases_weighed else ''} = {_shown(precision(t))}"
            )
    for i in range(1, len(SHOWN) + 1):
        name = " + ".join(SHOWN[:i])
        lines.append(f"recall of {name}: {_shown(recall(tallies, SHOWN[:i]))}")
    lines.append(
        f"Recall is of squares: a problem over several squares of {side} counts in each of them."
    )
    return lines


def report_json(key: AuditKey, tallies: Mapping[Stratum, Tally]) -> dict[str, Any]:
    """Give the same as keys and values."""
    return {
        "audit": key.audit,
        "made_at": key.made_at,
        "side_m": key.side_m,
        "strata": {
            s.value: {
                **{n: getattr(t, n) for n in _COUNTS},
                "share": _plain(share_of_squares(t)),
                "precision": _plain(precision(t)),
            }
            for s, t in tallies.items()
        },
        "recall": {
            "+".join(SHOWN[:i]): _plain(recall(tallies, SHOWN[:i]))
            for i in range(1, len(SHOWN) + 1)
        },
    }


def _key_of(state: Path, file: Path, names: set[str]) -> AuditKey:
    if len(names) != 1:
        raise ConfigurationError(
            f"{file} holds places of {len(names)} audits", "Give the list of one audit"
        )
    (name,) = names
    path = key_path(state, Path(name).name)
    try:
        key = AuditKey.model_validate_json(path.read_bytes())
        _ = key.drawn_on
    except ValueError as error:  # pydantic's too
        raise ConfigurationError(
            f"the key of {name} is damaged: {path}",
            "Restore it from a backup (siluan backup); without it the answers mean nothing",
        ) from error
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ConfigurationError(
            f"no audit '{name}' was drawn from this ledger", "Check --workflow"
        ) from error
    except OSError as error:
        raise ConfigurationError(
            f"the key of {name} cannot be read: {path} ({error.strerror})",
            "Restore it from a backup (siluan backup), or let it be read",
        ) from error
    return key


def _answer(row: Row, key: AuditKey) -> tuple[str, Answer | None]:
    place, word = plain(row["place"]) or "", plain(row["answer"])
    if place not in key.places:
        raise ConfigurationError(f"'{place}' is no place of {key.audit}", "Keep the column place")
    _same_place(row, place, key.places[place])
    if word is None:
        return place, None
    answer = ANSWERS.get(word.lower())
    if answer is None:
        raise ConfigurationError(
            f"{place}: answer '{word}' is not known", f"Known: {', '.join(ANSWERS)}"
        )
    on = read_day(row["on"])
    if free_text(row["by"], "by") is None or on is None:
        raise ConfigurationError(f"{place}: by or on is empty", "Say who looked, and on which day")
    _in_time(place, on, key)
    return place, answer


def _same_place(row: Row, place: str, meaning: Meaning) -> None:
    """Refuse a row whose coordinates are not those of its place; what it does not say is not held.

    Columns that were sorted apart sent whoever went there to other squares.
    """
    lon, lat = meaning.lon, meaning.lat
    if lon is None or lat is None:  # of a key that knows no places
        return
    right = {"lon": lon, "lat": lat}
    if applies(lon, lat):
        right |= dict(zip(("lon_gcj02", "lat_gcj02"), to_gcj02(lon, lat), strict=True))
    stated = {c: plain(row[c]) for c in right}
    off = [c for c, word in stated.items() if word is not None and not _near(word, right[c])]
    if off or (row.geometry is not None and row.geometry.distance(Point(lon, lat)) > _NEAR_DEG):
        what = ", ".join(f"{c} {stated[c]} (and not {right[c]:.7f})" for c in off)
        raise ConfigurationError(
            f"{place} was drawn elsewhere: {what or 'its outline was moved'}",
            "Put the coordinates of the list back beside their places",
        )


def _near(word: str, right: float) -> bool:
    try:
        return abs(float(word) - right) <= _NEAR_DEG
    except ValueError:
        return False


def _in_time(place: str, on: date, key: AuditKey) -> None:
    if on > today():
        raise ConfigurationError(f"{place}: its day {on} has not come yet", "Check the column on")
    if on < key.drawn_on:
        raise ConfigurationError(
            f"{place}: its day {on} lies before the day the list was drawn ({key.drawn_on})",
            "A visit answers a list that was there: check the column on",
        )


def count_answers(key: AuditKey, answers: Mapping[str, Answer]) -> dict[Stratum, Tally]:
    """Count answers by stratum; a place without one is silent."""
    squares: dict[Stratum, list[tuple[str, float]]] = {s: [] for s in Stratum}
    cases: dict[Stratum, list[tuple[str, float]]] = {s: [] for s in Stratum}
    for place, meaning in key.places.items():
        said = (answers.get(place, "silent"), meaning.weight)
        squares[meaning.stratum].append(said)
        if meaning.case_id is not None:
            cases[meaning.stratum].append(said)
    return {
        s: Tally(
            key.sizes.get(s, 0),
            *(_count(squares[s], name) for name in ("yes", "no", "unclear", "silent")),
            *(_count(cases[s], name) for name in ("yes", "no")),
            weighed=_weighed(squares[s]),
            cases_weighed=_weighed(cases[s]),
        )
        for s in Stratum
    }


def _count(said: Iterable[tuple[str, float]], name: str) -> int:
    return sum(word == name for word, _ in said)


def _weighed(said: Iterable[tuple[str, float]]) -> Weighed | None:
    """Sum up by weight what could be told; None where all stand for as much."""
    told = [(word, weight) for word, weight in said if word in ("yes", "no")]
    if len({weight for _, weight in told}) < 2:
        return None
    yes, no = (sum(w for word, w in told if word == name) for name in ("yes", "no"))
    return Weighed(yes, no, sum(w * w for _, w in told))


def _shown(share: Share) -> str:
    value = "?" if share.value is None else f"{share.value:.2f}"
    return f"{value} [{share.low:.2f}, {share.high:.2f}]"


def _plain(share: Share) -> dict[str, float | None]:
    return {"value": share.value, "low": share.low, "high": share.high}
