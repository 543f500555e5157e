"""CPU time of a database's server, which the time of our own process does not hold."""

from __future__ import annotations

import os
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from pipeline.ledger import LedgerPlace

_PROC = Path("/proc")
_TICKS = os.sysconf("SC_CLK_TCK")


class Server:
    """A PostgreSQL on this machine, as Linux counts it; of any other nothing is known."""

    def __init__(self, place: LedgerPlace) -> None:
        self.postmaster = None if place.url is None else _postmaster(place.url)
        self._before = self._now()

    def since(self) -> float:
        """Give the CPU seconds of the server, all its processes together, since it was asked."""
        return round(self._now() - self._before, 3)

    def _now(self) -> float:
        if self.postmaster is None:
            return 0.0
        own = _stat(self.postmaster)
        # utime, stime, and the same of children that have ended; those at work count themselves.
        ticks = sum(int(v) for v in own[11:15])
        for child in _PROC.glob("[0-9]*"):
            found = _stat(int(child.name))
            if found and int(found[1]) == self.postmaster:
                ticks += int(found[11]) + int(found[12])
        return ticks / _TICKS


def _postmaster(url: str) -> int | None:
    engine = sa.create_engine(
        sa.make_url(url).set(drivername="postgresql+psycopg"), poolclass=NullPool
    )
    with engine.connect() as connection:
        backend = int(connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one())
        found = _stat(backend)
    name = _PROC / str(backend) / "comm"
    here = found and name.exists() and name.read_text().startswith("postgres")
    return int(found[1]) if here else None


def _stat(process: int) -> list[str]:
    """Give the fields of a process from its state on; none where it is gone."""
    try:
        return (_PROC / str(process) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
