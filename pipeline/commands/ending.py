"""How a command ends: one sentence, and the exit code of the contract."""

from __future__ import annotations

import errno
import os
import signal
import sys
import traceback
from collections.abc import Callable
from types import FrameType

import typer

from pipeline.errors import ExitCode, SiluanError


class _TerminatedError(BaseException):
    """SIGTERM, so that open files are closed on the way out."""


def guard(action: object, debug: bool, ended: Callable[[ExitCode], None] | None = None) -> None:
    """Turn every ending into one sentence and the exit code of the contract.

    ``ended`` is told the code before the process leaves with it.
    """
    code = _code_of(action, debug)
    if ended is not None:
        # What is noted now is noted whole; it takes seconds at most.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        ended(code)
    sys.exit(int(code))


def _code_of(action: object, debug: bool) -> ExitCode:
    if not callable(action):  # pragma: no cover - a programming error
        raise TypeError("action must be callable")
    signal.signal(signal.SIGTERM, _on_sigterm)
    try:
        code = ExitCode(action())
    except SiluanError as error:
        code = _say(error.code, str(error), debug)
    except KeyboardInterrupt:
        code = _say(
            ExitCode.INTERRUPTED, "Interrupted. What was finished is kept; run again.", False
        )
    except _TerminatedError:
        code = _say(ExitCode.TERMINATED, "Terminated. What was finished is kept; run again.", False)
    except BrokenPipeError:
        # Whoever read the output went away (a pager, head); nothing is wrong here.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = ExitCode.DONE
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            where = error.filename or "the state or output folder"
            sentence = f"No space left on the disk of {where}. Free some space and run again."
            code = _say(ExitCode.DISK_FULL, sentence, debug)
        elif isinstance(error, IsADirectoryError) and error.filename is not None:
            where = error.filename2 or error.filename
            sentence = f"{where} is a folder where a file belongs. Move it away and run again."
            code = _say(ExitCode.CONFIGURATION, sentence, debug)
        else:
            sentence = f"A bug, or a broken disk: {type(error).__name__} ({error})."
            code = _say(ExitCode.BUG, sentence, debug)
    except Exception as error:  # noqa: BLE001 - the outermost edge: say it and leave with 70
        hint = "" if debug else " Run again with --debug and report it."
        code = _say(ExitCode.BUG, f"A bug: {error!r}.{hint}", debug)
    return code


def _say(code: ExitCode, sentence: str, debug: bool) -> ExitCode:
    if debug:
        traceback.print_exc()
    typer.echo(f"siluan: {sentence}", err=True)
    return code


def _on_sigterm(number: int, frame: FrameType | None) -> None:
    del number, frame
    raise _TerminatedError
