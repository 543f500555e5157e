"""Units for systemd, a line for crontab, a line for Windows: runs started by the system's clock."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pipeline.errors import ConfigurationError, DiskFullError
from pipeline.io.atomic import disk_full_named, remove_tree, write_bytes
from pipeline.io.cron import Schedule
from pipeline.schedule.listed import Listed
from pipeline.schedule.starting import inbox_words
from pipeline.schedule.words import shown

MARK = "# Written by siluan schedule --install; written again by it, so keep changes in a drop-in."
_WINDOWS_MOST = 261  # characters that schtasks takes after /TR
_DAYS = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat")


def calendar_of(schedule: Schedule) -> tuple[str, ...]:
    """Say a cron line as systemd's calendar events; two where either of two days is enough."""
    minute, hour, day, month, weekday = schedule.fields
    clock = f"{_list(hour)}:{_list(minute)}:00 {schedule.zone}"
    names = "" if weekday is None else ",".join(_DAYS[d] for d in weekday) + " "
    if day is None or weekday is None or not schedule.either_day:
        return (f"{names}*-{_list(month)}-{_list(day)} {clock}",)
    return (f"*-{_list(month)}-{_list(day)} {clock}", f"{names}*-{_list(month)}-* {clock}")


def _list(values: Sequence[int] | None) -> str:
    return "*" if values is None else ",".join(f"{v:02d}" for v in values)


def units_of(workflows: Sequence[Listed], user: bool) -> dict[str, str]:
    """Make a timer and a service for every workflow, by file name.

    Raises
    ------
    ConfigurationError
        Two workflows have one name, or one that is another's with ``-inbox``: their units could not
        be told apart. Or a name is not UTF-8.
    """
    units: dict[str, str] = {}
    owners: dict[str, Listed] = {}
    for one in workflows:
        for name, text in _units_of(one, user).items():
            if name in units:
                raise _alike(owners[name], one, name)
            units[name], owners[name] = in_utf8(text, one.path), one
    return units


def _units_of(one: Listed, user: bool) -> dict[str, str]:
    units: dict[str, str] = {}
    if one.inbox is not None:
        units[f"siluan-{one.name}-inbox.timer"] = _inbox_timer(one)
        units[f"siluan-{one.name}-inbox.service"] = _inbox_service(one)
    if one.schedule is not None:
        units[f"siluan-{one.name}.timer"] = _timer(one, one.schedule)
        units[f"siluan-{one.name}.service"] = _service(one, one.schedule, user)
    return units


def _alike(one: Listed, other: Listed, unit: str) -> ConfigurationError:
    if one.name == other.name:
        what = f"two workflows are called {one.name}, and units are named by them"
    else:
        what = f"{unit} would be a unit of the workflow {one.name} and one of {other.name}"
    return ConfigurationError(what, "Give one of them another name")


def in_utf8(text: str, path: Path) -> str:
    """Give what names a file, as units and lines for a scheduler can say it.

    Raises
    ------
    ConfigurationError
        A name in it is not UTF-8.
    """
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigurationError(
            f"the name of {shown(path)}, or of a folder in it or that it names, is not UTF-8, as "
            "what starts it must be",
            "Rename the file or the folder",
        ) from error


def _timer(one: Listed, schedule: Schedule) -> str:
    events = "\n".join(f"OnCalendar={event}" for event in calendar_of(schedule))
    return f"""{MARK}
[Unit]
Description=siluan {one.name}: {schedule.cron} {schedule.zone}

[Timer]
{events}
# A time that was missed while the machine was off is caught up, once.
Persistent=true
AccuracySec=1min

[Install]
WantedBy=timers.target
"""


def _service(one: Listed, schedule: Schedule, user: bool) -> str:
    words = (*siluan_command(), "run", str(one.path), "--wait", str(_turn_minutes(schedule)))
    command = " ".join(_quoted(word) for word in words)
    # The manager of a user knows no target of the network.
    network = "" if user else "Wants=network-online.target\nAfter=network-online.target\n"
    limit, again = _again(schedule)
    return f"""{MARK}
[Unit]
Description=siluan run {one.name}
{network}{limit}
[Service]
# Not oneshot: before systemd 244 that allows no Restart=. Nothing is ordered after a run, and a
# timer starts none that is still at work, whichever it is.
Type=simple
WorkingDirectory={str(one.path.parent).replace("%", "%%")}
ExecStart={command}
# It waits for its turn at the ledger by itself, so that a start is a try and nothing else.
# 10: done, some inputs were set aside; siluan status names them.
SuccessExitStatus=10
{again}KillMode=mixed
TimeoutStopSec=120
Nice=5
"""


def _inbox_timer(one: Listed) -> str:
    assert one.inbox is not None
    return f"""{MARK}
[Unit]
Description=siluan {one.name}: looks into its inbox

[Timer]
OnStartupSec=1min
OnUnitInactiveSec={60 * one.inbox.every_minutes:.0f}
AccuracySec=10s

[Install]
WantedBy=timers.target
"""


def _inbox_service(one: Listed) -> str:
    command = " ".join(_quoted(word) for word in (*siluan_command(), *inbox_words(one)))
    return f"""{MARK}
[Unit]
Description=siluan submit, the inbox of {one.name}

[Service]
Type=oneshot
WorkingDirectory={str(one.path.parent).replace("%", "%%")}
ExecStart={command}
# 4: somebody submits by hand; 6: a drop was refused, and has its receipt.
SuccessExitStatus=4 6
KillMode=mixed
TimeoutStopSec=120
Nice=5
"""


def _again(schedule: Schedule) -> tuple[str, str]:
    """Give the lines that try a run again; none where the next time comes sooner anyway."""
    window = timedelta(minutes=schedule.retry_minutes) * (schedule.retries + 1) + timedelta(hours=6)
    # systemd counts ordinary starts as well, and would refuse them.
    if schedule.retries == 0 or _shortest_gap(schedule) <= window:
        return "", ""
    limit = f"StartLimitIntervalSec={window.total_seconds():.0f}\n"
    limit += f"StartLimitBurst={schedule.retries + 1}\n"
    return limit, _AGAIN.format(minutes=schedule.retry_minutes)


def _shortest_gap(schedule: Schedule) -> timedelta:
    at, gaps = datetime.now(UTC), list[timedelta]()
    for _ in range(8):
        following = schedule.next(at)
        gaps.append(following - at)
        at = following
    return min(gaps[1:])


def _turn_minutes(schedule: Schedule) -> int:
    """Give how long a run waits while others have the ledger: a day, or until its next time."""
    return int(min(timedelta(days=1), _shortest_gap(schedule)) / timedelta(minutes=1))


_AGAIN = """\
# A source that was not reached, a run that was killed.
Restart=on-failure
RestartSec={minutes}min
RestartPreventExitStatus=2 4 5 6 70
"""


def _quoted(word: str) -> str:
    word = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{word}"'


def siluan_command() -> tuple[str, ...]:
    """Give the command of this installation, absolute."""
    beside = shutil.which("siluan", path=str(Path(sys.executable).parent))
    if beside is not None:
        return (beside,)
    return (sys.executable, "-c", "from pipeline.cli import main; main()")


def write_units(
    units: Mapping[str, str], user: bool, out: Path | None
) -> tuple[Path, tuple[str, ...]]:
    """Write units into ``out`` or where systemd looks; all of them or none.

    Raises
    ------
    ConfigurationError
        A file of that name is there that we did not write (all named), or the folder cannot be
        written.
    DiskFullError
        The disk is full.
    """
    folder = (out or _place(user)).absolute()
    data = {name: text.encode() for name, text in units.items()}
    try:
        foreign = [n for n in units if _is_foreign(folder / n)]
        if not foreign:
            with disk_full_named(folder), _made(folder):
                _write_all(folder, data)
    except OSError as error:
        why = "it is a file" if isinstance(error, FileExistsError) else error.strerror
        raise ConfigurationError(
            f"{folder} cannot be written ({why})",
            "Be root, or use --user, or name a folder that this user may write with --out, and "
            "copy them",
        ) from error
    if foreign:
        raise ConfigurationError(
            f"{', '.join(foreign)} in {folder}: not written by siluan, so left as they are",
            "Move them away, or choose another folder with --out",
        )
    return folder, tuple(units)


@contextmanager
def _made(folder: Path) -> Generator[None]:
    """Make a folder where there is none, and leave none where what follows fails."""
    new = [p for p in (folder, *folder.parents) if not p.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:
        for made in new:
            with suppress(OSError):
                made.rmdir()
        raise


def _write_all(folder: Path, data: Mapping[str, bytes]) -> None:
    """Write files into a folder: all are on the disk before the first is in its place."""
    before = {n: (folder / n).read_bytes() for n in data if (folder / n).exists()}
    placed = list[str]()
    partial = folder / ".siluan.partial"
    remove_tree(partial)
    try:
        for name, content in data.items():
            write_bytes(partial / name, content)
        for name in data:
            (partial / name).replace(folder / name)
            placed.append(name)
    except BaseException:
        for name in placed:
            _put_back(folder / name, before.get(name))
        raise
    finally:
        remove_tree(partial)


def _put_back(path: Path, content: bytes | None) -> None:
    with suppress(OSError, DiskFullError):
        if content is None:
            path.unlink(missing_ok=True)
        else:
            write_bytes(path, content)


def _is_foreign(path: Path) -> bool:
    if path.is_symlink():
        return True
    if not path.exists():
        return False
    return not path.is_file() or not path.read_bytes().startswith(MARK.encode())


def _place(user: bool) -> Path:
    if not user:
        return Path("/etc/systemd/system")
    base = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(base) / "systemd" / "user"


_LINGER = (
    "loginctl enable-linger   # without it a user's timers stop at logout, and after a reboot run "
    "only once that user has logged in"
)


def how_to_enable(units: Sequence[str], user: bool, folder: Path | None) -> str:
    """Say what somebody types next; nothing is started here."""
    control = "systemctl --user" if user else "systemctl"
    timers = " ".join(n for n in units if n.endswith(".timer"))
    typed = f"{control} daemon-reload && {control} enable --now {timers}"
    if user:
        typed += f"\n{_LINGER}"
    if folder is None:
        return typed
    where = "~/.config/systemd/user" if user else "/etc/systemd/system"
    return f"copy them to {where}, then: {typed}"


def left_behind(folder: Path, units: Sequence[str]) -> list[str]:
    """Name timers of ours in a folder that belong to no workflow that was named this time."""
    there = (p for p in folder.glob("siluan-*.timer") if p.name not in units)
    return sorted(p.name for p in there if p.is_file() and not _is_foreign(p))


def cron_line(paths: Sequence[Path]) -> str:
    """Give a line for crontab: every five minutes, what is due.

    Many crons know no time zone and catch nothing up; so the line only wakes the clock.
    """
    words = [*siluan_command(), "schedule", *(str(p) for p in paths), "--once"]
    # A per cent sign is the end of the line for cron.
    command = shlex.join(words).replace("%", "\\%")
    return f"*/5 * * * * {command} 2>&1 | logger -t siluan"


def windows_line(paths: Sequence[Path]) -> str:
    """Give the command that makes the same task for the Windows Task Scheduler."""
    command = _windows_words(paths).replace('"', '\\"')
    return f'schtasks /Create /TN siluan /SC MINUTE /MO 5 /TR "{command}"'


def too_long_for_windows(paths: Sequence[Path]) -> int:
    """Give by how many characters the task's command is longer than ``schtasks /TR`` takes."""
    return max(0, len(_windows_words(paths)) - _WINDOWS_MOST)


def _windows_words(paths: Sequence[Path]) -> str:
    words = [*siluan_command(), "schedule", *(str(p) for p in paths), "--once"]
    return " ".join(f'"{w}"' if " " in w else w for w in words)
