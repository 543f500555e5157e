"""What systemd itself says of units that were written: a version before ours may refuse a line."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

_PROGRAM = "systemd-analyze"
_SECONDS = 60.0


def verified(folder: Path, names: Sequence[str], user: bool) -> list[str]:
    """Let ``systemd-analyze verify`` look at units, and give what it says of them.

    Nothing where there is no such program; where it could not look, that. It never fails.
    """
    program = shutil.which(_PROGRAM)
    if program is None:
        return []
    whose = ("--user",) if user else ()
    words = (program, *whose, "verify", "--man=no", *(str(folder / n) for n in names))
    try:
        done = subprocess.run(  # noqa: S603 - our own words, no shell
            words, capture_output=True, text=True, errors="replace", timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return [f"{_PROGRAM} verify could not look at them ({type(error).__name__})"]
    said = done.stderr.splitlines()
    # It speaks of units of others as well, of which nobody asked.
    ours = [line for line in said if any(name in line for name in names)]
    if ours:
        return [f"{_PROGRAM} verify: {line}" for line in ours]
    if done.returncode:
        why = said[-1] if said else f"code {done.returncode}"
        return [f"{_PROGRAM} verify could not look at them ({why})"]
    return [f"{_PROGRAM} verify: nothing to object to"]
