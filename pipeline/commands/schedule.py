"""``siluan schedule``."""

from __future__ import annotations

import logging
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.commands.ending import guard
from pipeline.errors import ConfigurationError, ExitCode

if TYPE_CHECKING:
    from pipeline.schedule.listed import Listed


class Scheduler(StrEnum):
    """What may start runs instead of the embedded clock."""

    SYSTEMD = "systemd"
    CRON = "cron"
    WINDOWS = "windows"


def schedule(
    workflows: Annotated[
        list[Path], typer.Argument(help="Workflows, or their folder.", show_default=False)
    ],
    once: Annotated[
        bool, typer.Option("--once", help="Run what is due now, one look, and leave.")
    ] = False,
    install: Annotated[
        bool, typer.Option("--install", help="Hand the times to the system's own scheduler.")
    ] = False,
    user: Annotated[
        bool, typer.Option("--user", help="With --install: units of this user, not the system.")
    ] = False,
    as_: Annotated[
        Scheduler | None,
        typer.Option(
            "--as", help="With --install: systemd (the default) writes units, others print lines."
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="With --install: folder for the units.")] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
) -> None:
    """Run workflows at the times of their `schedule:`; each as a process of its own.

    What was missed is caught up once. Ends on SIGTERM or Ctrl-C, and goes on when started again.
    """

    def work() -> ExitCode:
        from pipeline.schedule.serving import run_clock  # noqa: PLC0415 - keeps --help fast

        check_asked(install=install, once=once, beside=user or out is not None or as_ is not None)
        found = timed(workflows, whole=install)
        if install:
            return _install(found, workflows, as_ or Scheduler.SYSTEMD, user, out)
        logging.basicConfig(format="%(message)s")
        logging.getLogger("siluan").setLevel(logging.INFO)
        return run_clock(workflows, once)

    guard(work, debug)


def check_asked(*, install: bool, once: bool, beside: bool) -> None:
    """Refuse what does not go together, before anything starts; ``beside``: options of --install.

    Raises
    ------
    ConfigurationError
        Always where that is so.
    """
    if beside and not install:
        raise ConfigurationError("--as, --user and --out go with --install", "Add it, or drop them")
    if install and once:
        raise ConfigurationError("--once runs what is due, and --install runs nothing", "Drop one")


def timed(paths: list[Path], *, whole: bool) -> list[Listed]:
    """Give the workflows on the clock, and say when each is next; ``whole``: none may be wrong."""
    from pipeline.schedule.clock import utc_now  # noqa: PLC0415 - keeps --help fast
    from pipeline.schedule.listed import list_workflows  # noqa: PLC0415
    from pipeline.schedule.words import local  # noqa: PLC0415

    read = list_workflows(paths)
    found = read.every() if whole or not read.good else read.good
    named = {p.resolve() for p in paths}
    bare = [w for w in found if w.schedule is None and w.inbox is None]
    wrong = [str(w.path) for w in bare if w.path in named]
    if len(bare) == len(found):
        read.every()  # what is wrong is more than that these have no times
    if wrong or len(bare) == len(found):
        raise ConfigurationError(
            f"there is no schedule in {', '.join(wrong or [str(p) for p in paths])}",
            'Add one: schedule: {cron: "0 5 * * 1", zone: Asia/Shanghai}',
        )
    for one in found:
        if one.inbox is not None:
            every = f"every {one.inbox.every_minutes:g} min"
            typer.echo(f"{one.name}: looks into {one.inbox.folder} {every}", err=True)
        if one.schedule is None:
            typer.echo(f"{one.name}: by hand, no schedule", err=True)
        else:
            when = local(one.schedule.next(utc_now()), one.schedule.zone)
            typer.echo(f"{one.name}: {one.schedule.cron}, next {when}", err=True)
    return [w for w in found if w not in bare]


def _install(
    timed: list[Listed], typed: list[Path], as_: Scheduler, user: bool, out: Path | None
) -> ExitCode:
    from pipeline.schedule.units import (  # noqa: PLC0415 - keeps --help fast
        cron_line,
        how_to_enable,
        in_utf8,
        left_behind,
        too_long_for_windows,
        units_of,
        windows_line,
        write_units,
    )
    from pipeline.schedule.verifying import verified  # noqa: PLC0415

    if as_ is not Scheduler.SYSTEMD:
        if user or out is not None:
            raise ConfigurationError(
                f"--as {as_.value} prints a line, and --user and --out are for units",
                "Drop them",
            )
        # As it was typed: a folder stays a folder, with what is added to it later.
        paths = [p.absolute() for p in typed]
        line = cron_line(paths) if as_ is Scheduler.CRON else windows_line(paths)
        typer.echo(in_utf8(line, paths[0]))
        if as_ is Scheduler.WINDOWS and (more := too_long_for_windows(paths)):
            said = (
                f"{more} characters longer than schtasks takes: name a folder with a shorter path"
            )
            typer.echo(said, err=True)
        return ExitCode.DONE
    folder, units = write_units(units_of(timed, user), user, out)
    for name in units:
        typer.echo(folder / name)
    for line in verified(folder, units, user):
        typer.echo(line, err=True)
    if old := left_behind(folder, units):
        said = "of no workflow named now; where it is gone, disable --now and remove its files"
        typer.echo(f"{', '.join(old)} in {folder}: {said}", err=True)
    typer.echo(how_to_enable(units, user, None if out is None else folder))
    return ExitCode.DONE
