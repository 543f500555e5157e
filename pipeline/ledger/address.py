"""Where a ledger lies: a file in the state folder, or a PostgreSQL database that it points to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeAlias
from urllib.parse import parse_qsl, urlsplit

from pydantic import AfterValidator

from pipeline.errors import ConfigurationError
from pipeline.io.atomic import write_if_changed

PASSWORD_ENV = "SILUAN_LEDGER_PASSWORD"  # noqa: S105 - the name of a variable, not a password
"""Variable with the database's password; libpq's own (PGPASSWORD, ~/.pgpass) count without it."""

_ALLOWED = frozenset({"sslmode", "sslrootcert", "sslcert", "sslkey"})


@dataclass(frozen=True, slots=True)
class LedgerPlace:
    """A ledger as a workflow names it."""

    file: Path  # state/ledger.sqlite: the ledger, or the file beside which its lock and mark lie
    url: str | None = None  # postgresql://user@host:port/database, without a password

    @property
    def mark(self) -> Path:
        """The file that says, for whoever knows the state folder only, where its ledger is."""
        return self.file.with_suffix(".url")


def check_url(value: str) -> str:
    """Give the address of a ledger back, or refuse one that is none or that holds a secret.

    Raises
    ------
    ValueError
        In words that repeat nothing of the address: it may hold a password.
    """
    parts = urlsplit(value)
    if parts.scheme != "postgresql" or not parts.path.strip("/"):
        raise ValueError("a ledger is postgresql://user@host:port/database")
    if parts.password is not None:
        raise ValueError(
            f"an address holds no password; put it into the variable {PASSWORD_ENV}, or into "
            "PGPASSWORD or ~/.pgpass"
        )
    unknown = sorted({k for k, _ in parse_qsl(parts.query, keep_blank_values=True)} - _ALLOWED)
    if unknown or parts.fragment:
        raise ValueError(
            f"after ? only {', '.join(sorted(_ALLOWED))} may stand in the address of a ledger"
        )
    return value


AnyPlace: TypeAlias = "Path | LedgerPlace"

LedgerUrl = Annotated[str, AfterValidator(check_url)]
"""Address of a ledger in a configuration file."""


def settle_place(place: AnyPlace) -> LedgerPlace:
    """Give a ledger's place with what the state folder says of it.

    Raises
    ------
    ConfigurationError
        The workflow and the state folder name different ledgers: a second one would begin.
    """
    found = place if isinstance(place, LedgerPlace) else LedgerPlace(place)
    found = LedgerPlace(found.file.resolve(), found.url)
    marked = read_mark(found)
    if found.url is None or marked == found.url:
        return LedgerPlace(found.file, marked)
    moving = "Correct the workflow, or move the ledger: siluan backup, then siluan restore --ledger"
    if marked is not None:
        raise ConfigurationError(
            f"the ledger of {found.file.parent} is {marked}, and the workflow names {found.url}",
            moving,
        )
    if found.file.exists():
        raise ConfigurationError(
            f"{found.file} is the ledger of this state folder, and the workflow names {found.url}",
            moving,
        )
    return found


def read_mark(place: LedgerPlace) -> str | None:
    """Give the address that the state folder's mark holds; None where its ledger is the file.

    Raises
    ------
    ConfigurationError
        The mark holds no address of a ledger.
    """
    try:
        text = place.mark.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None
    try:
        return check_url(text)
    except ValueError as error:
        raise ConfigurationError(
            f"{place.mark} does not say where a ledger is ({error})", "Write its address into it"
        ) from error


def write_mark(place: LedgerPlace) -> None:
    """Let the state folder say that its ledger is in a database."""
    if place.url is not None:
        write_if_changed(place.mark, f"{place.url}\n".encode())
