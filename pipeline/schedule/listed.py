"""The workflows that a clock or a status is about: of any kind, by what all kinds have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from pydantic import ConfigDict, Field, model_validator

from pipeline.errors import ConfigurationError, SiluanError
from pipeline.io.alerts import Alerts, placed
from pipeline.io.cron import Schedule
from pipeline.io.settings import NAME, load_model
from pipeline.io.timed import TIMED, Inbox, Monitor, TimedWorkflow

_NEAR = 0.75
"""How alike a key must be to be one of ours misspelt; no key of any kind of workflow is."""

_ENDINGS = frozenset({".yaml", ".yml"})


class _AnyWorkflow(TimedWorkflow):
    """Of a workflow of any kind, only what concerns the clock; ``siluan run`` checks the rest."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str = Field(pattern=NAME)
    kind: str = "patrol"
    patrol: Path | None = None
    state: Path | None = None
    out: Path | None = None

    @model_validator(mode="before")
    @classmethod
    def _none_misspelt(cls, raw: object) -> object:
        """Refuse what would be no time, or no alarm, and look as if nobody had wanted one."""
        said: list[str] = []
        for key in raw if isinstance(raw, Mapping) else ():
            near = misspelt(key)
            if near is not None:
                said.append(f"unknown key '{key}' (did you mean '{near}'?)")
        if said:
            raise ValueError("; ".join(said))
        return raw


def misspelt(key: object) -> str | None:
    """Give the key of :data:`TIMED` that somebody meant; None of one that is right, or another."""
    if not isinstance(key, str) or key in TIMED:
        return None
    return next(iter(get_close_matches(key.lower(), TIMED, n=1, cutoff=_NEAR)), None)


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
        alerts=None if read.alerts is None else placed(read.alerts, base),
        monitor=monitor,
        inbox=inbox,
    )


@dataclass(frozen=True)
class Unread:
    """A file that is no workflow that could be put on a clock, and why."""

    path: Path
    why: SiluanError

    @property
    def name(self) -> str:
        """What it is called where nobody can read its name: its file, without the ending."""
        return self.path.stem


@dataclass(frozen=True)
class Found:
    """What files and folders hold: one that is wrong is no reason to leave out the others."""

    good: tuple[Listed, ...]
    wrong: tuple[Unread, ...] = ()

    def every(self) -> tuple[Listed, ...]:
        """Give the workflows where all of them can be read.

        Raises
        ------
        ConfigurationError
            Every file that is wrong is named.
        """
        if self.wrong:
            remedies = dict.fromkeys(w.why.remedy for w in self.wrong if w.why.remedy)
            what = "; ".join(dict.fromkeys(w.why.what for w in self.wrong))
            raise ConfigurationError(what, ". ".join(remedies))
        return self.good


def files_of(paths: Sequence[Path]) -> list[Path]:
    """Give the files of workflows: of a folder every ``*.yaml`` and ``*.yml``, by name.

    Raises
    ------
    ConfigurationError
        A folder cannot be looked into.
    """
    return [f for p in paths for f in (_in_folder(p) if p.is_dir() else (p,))]


def _in_folder(folder: Path) -> list[Path]:
    try:
        every = list(folder.iterdir())
    except OSError as error:
        raise ConfigurationError(
            f"the folder {folder} cannot be looked into ({error.strerror})",
            "Let this user read it",
        ) from error
    # Names with a dot before them are what macOS and editors put beside a file.
    return sorted(f for f in every if f.suffix in _ENDINGS and not f.name.startswith("."))


def list_workflows(paths: Sequence[Path], *, alone: bool = True) -> Found:
    """Read workflows; of a folder every ``*.yaml`` and ``*.yml`` in it, in the order of names.

    Two of one name over one state could not be told apart, so that neither is good.

    Raises
    ------
    ConfigurationError
        There is no file; or one was named alone and cannot be read (not so without ``alone``).
    """
    files = files_of(paths)
    if not files:
        named = ", ".join(str(p) for p in paths)
        raise ConfigurationError(f"there is no workflow (*.yaml, *.yml) in {named}", "Name a file")
    read: dict[Path, Listed] = {}
    wrong: list[Unread] = []
    for path, file in {f.resolve(): f for f in files}.items():
        try:
            read[path] = read_listed(file)
        except SiluanError as error:
            wrong.append(Unread(path, error))
    called: dict[Path, list[Listed]] = {}
    for one in read.values():
        called.setdefault(one.memory, []).append(one)
    for twins in called.values():
        if len(twins) > 1:
            wrong += [Unread(one.path, _twins(twins)) for one in twins]
    found = Found(tuple(t[0] for t in called.values() if len(t) == 1), tuple(wrong))
    if alone and len(paths) == 1 and not paths[0].is_dir():
        found.every()
    return found


def _twins(twins: Sequence[Listed]) -> ConfigurationError:
    return ConfigurationError(
        f"{' and '.join(str(t.path) for t in twins)} are both called {twins[0].name}, over one "
        "state folder",
        "Give one of them another name",
    )
