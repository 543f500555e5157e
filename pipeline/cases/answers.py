"""The answers of an audit: read, counted by stratum, and said with their intervals."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from pipeline.cases.audit import AuditKey, key_path
from pipeline.cases.strata import (
    CASES,
    SHOWN,
    Share,
    Stratum,
    Tally,
    precision,
    recall,
    share_of_squares,
)
from pipeline.cases.tables import Row, read_table
from pipeline.cases.words import free_text, plain, read_day
from pipeline.errors import ConfigurationError

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
    return key, _tallies(key, answers)


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
            lines.append(f"  {s}: {t.yes} of {t.told} = {share}; of {t.of}; {rest}")
    for s in CASES:
        t = tallies[s]
        if t.of:
            told = t.cases_yes + t.cases_no
            lines.append(
                f"precision of {s}: {t.cases_yes} of {told} cases = {_shown(precision(t))}"
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
        return AuditKey.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise ConfigurationError(
            f"no audit '{name}' was drawn from this ledger", "Check --workflow or --state"
        ) from error


def _answer(row: Row, key: AuditKey) -> tuple[str, Answer | None]:
    place, word = plain(row["place"]) or "", plain(row["answer"])
    if place not in key.places:
        raise ConfigurationError(f"'{place}' is no place of {key.audit}", "Keep the column place")
    if word is None:
        return place, None
    answer = ANSWERS.get(word.lower())
    if answer is None:
        raise ConfigurationError(
            f"{place}: answer '{word}' is not known", f"Known: {', '.join(ANSWERS)}"
        )
    if free_text(row["by"], "by") is None or read_day(row["on"]) is None:
        raise ConfigurationError(f"{place}: by or on is empty", "Say who looked, and on which day")
    return place, answer


def _tallies(key: AuditKey, answers: Mapping[str, Answer]) -> dict[Stratum, Tally]:
    squares: dict[Stratum, list[str]] = {s: [] for s in Stratum}
    cases: dict[Stratum, list[str]] = {s: [] for s in Stratum}
    for place, meaning in key.places.items():
        said = answers.get(place, "silent")
        squares[meaning.stratum].append(said)
        if meaning.case_id is not None:
            cases[meaning.stratum].append(said)
    return {
        s: Tally(
            key.sizes.get(s, 0),
            *(squares[s].count(name) for name in ("yes", "no", "unclear", "silent")),
            *(cases[s].count(name) for name in ("yes", "no")),
        )
        for s in Stratum
    }


def _shown(share: Share) -> str:
    value = "?" if share.value is None else f"{share.value:.2f}"
    return f"{value} [{share.low:.2f}, {share.high:.2f}]"


def _plain(share: Share) -> dict[str, float | None]:
    return {"value": share.value, "low": share.low, "high": share.high}
