"""The workflows that a clock or a status is about: of any kind, by what all kinds have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ConfigDict, Field

from pipeline.errors import ConfigurationError, SiluanError
from pipeline.io.alerts import Alerts
from pipeline.io.cron import Schedule
from pipeline.io.settings import load_model
from pipeline.io.timed import Inbox, Monitor, TimedWorkflow


class _AnyWorkflow(TimedWorkflow):
    """Of a workflow of any kind, only what concerns the clock; ``siluan run`` checks the rest."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")
    kind: str = "patrol"
    patrol: Path | None = None
    state: Path | None = None
    out: Path | None = None


@dataclass(frozen=True)
class Listed:
    """One workflow, its places absolute."""

    path: Path
    name: str
    kind: str
    state: Path  # its own, or that of the patrol it names
    out: Path | None
    schedule: Schedule | None
    alerts: Alerts | None
    monitor: Monitor
    inbox: Inbox | None = None  # its places absolute

    @property
    def memory(self) -> Path:
        """What the clock remembers of it."""
        return self.state / "schedule" / f"{self.name}.json"

    @property
    def runs(self) -> Path:
        """When it ran, and how that ended: JSON lines."""
        return self.state / "schedule" / f"{self.name}.runs.jsonl"

    @property
    def log(self) -> Path:
        """What its runs said that the clock started."""
        return self.state / "schedule" / f"{self.name}.log"

    @property
    def inbox_log(self) -> Path:
        """What was said of the drops that the clock submitted."""
        return self.state / "schedule" / f"{self.name}.inbox.log"


def read_listed(path: Path) -> Listed:
    """Read what concerns the clock of one workflow.

    Raises
    ------
    ConfigurationError
        Every offender named.
    """
    read = load_model(path, _AnyWorkflow)
    base = path.resolve().parent
    state = read.state
    if state is None and read.patrol is not None:
        patrol = (base / read.patrol).resolve()
        other = load_model(patrol, _AnyWorkflow)
        state = patrol.parent / other.state if other.state is not None else None
    if state is None:
        raise ConfigurationError(
            f"{path} names no state folder", "Give it a key state, or patrol of a workflow with one"
        )
    monitor, inbox = read.monitor, read.inbox
    if inbox is not None:
        named = {"folder": inbox.folder, "config": inbox.config, "state": inbox.state or state}
        places = {name: (base / path).resolve() for name, path in named.items()}
        inbox = inbox.model_copy(update=places)
    counted = monitor.inbox or (inbox.folder if inbox else None)
    if counted is not None:
        monitor = monitor.model_copy(update={"inbox": (base / counted).resolve()})
    return Listed(
        path=path.resolve(),
        name=read.name,
        kind=read.kind,
        state=(base / state).resolve(),
        out=None if read.out is None else (base / read.out).resolve(),
        schedule=read.schedule,
        alerts=read.alerts,
        monitor=monitor,
        inbox=inbox,
    )


def files_of(paths: Sequence[Path]) -> list[Path]:
    """Give the files of workflows: of a folder every ``*.yaml`` in it, in the order of names."""
    return [f for p in paths for f in (sorted(p.glob("*.yaml")) if p.is_dir() else (p,))]


def list_workflows(paths: Sequence[Path]) -> tuple[Listed, ...]:
    """Read workflows; of a folder every ``*.yaml`` in it, in the order of names.

    Raises
    ------
    ConfigurationError
        Every file that cannot be read is named, and workflows of one name over one state, which
        could not be told apart.
    """
    files = files_of(paths)
    if not files:
        named = ", ".join(str(p) for p in paths)
        raise ConfigurationError(f"there is no workflow (*.yaml) in {named}", "Name a file")
    found: dict[Path, Listed] = {}
    wrong: list[SiluanError] = []
    for file in files:
        try:
            found.setdefault(file.resolve(), read_listed(file))
        except SiluanError as error:
            wrong.append(error)
    if wrong:
        remedies = dict.fromkeys(e.remedy for e in wrong if e.remedy)
        raise ConfigurationError("; ".join(e.what for e in wrong), ". ".join(remedies))
    seen: dict[Path, Listed] = {}
    for one in found.values():
        other = seen.setdefault(one.memory, one)
        if other is not one:
            raise ConfigurationError(
                f"{other.path} and {one.path} are both called {one.name}, over one state folder",
                "Give one of them another name",
            )
    return tuple(found.values())
