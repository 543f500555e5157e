"""Tells a command or a web address how a run ended; never changes how it ended.

The message names the workflow, the code and the times: no path, no case and no person, and nothing
of what the run said, because that may hold any of them.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from pipeline.errors import SiluanError
from pipeline.io.secrets import hide, secret

log = logging.getLogger("siluan")

MEANINGS = {
    0: "done",
    2: "configuration or arguments wrong, nothing started",
    3: "a source or the cluster could not be reached",
    4: "another run holds the ledger",
    5: "disk full",
    6: "a submission was refused",
    10: "done, some inputs were set aside",
    70: "a bug, or a corridor failed",
    130: "interrupted",
    143: "terminated",
}
"""Exit codes of docs/contracts.md in a few words."""


class Alerts(BaseModel):
    """Whom an ending is told: a command (JSON on its standard input) or an address (POST)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    command: tuple[str, ...] | None = Field(
        default=None, min_length=1, description="program and arguments; no shell"
    )
    webhook: str | None = Field(
        default=None, pattern=r"^https?://\S+$", description="address that takes JSON"
    )
    webhook_env: str | None = Field(
        default=None, description="variable that holds the address, where that is a secret"
    )
    # Not `on`, which YAML reads as true.
    codes: tuple[int, ...] = Field(
        default=(2, 3, 5, 70), min_length=1, description="exit codes that are told"
    )
    timeout_s: float = Field(default=10.0, gt=0, le=60, description="longest wait [s]")

    @field_validator("command", mode="before")
    @classmethod
    def _a_list(cls, value: object) -> object:
        if isinstance(value, str):
            raise ValueError(f"is a list of program and arguments: [{value}]")
        return value

    @field_validator("codes")
    @classmethod
    def _of_processes(cls, codes: tuple[int, ...]) -> tuple[int, ...]:
        unknown = [c for c in codes if not 0 <= c <= 255]
        if unknown:
            raise ValueError(f"no exit codes: {', '.join(map(str, unknown))}")
        return codes

    @model_validator(mode="after")
    def _one_way(self) -> Alerts:
        ways = [w for w in (self.command, self.webhook, self.webhook_env) if w is not None]
        if len(ways) != 1:
            raise ValueError("give one of command, webhook and webhook_env")
        return self


def placed(alerts: Alerts, base: Path) -> Alerts:
    """Take a program that is given as a relative path from ``base``, the workflow's folder."""
    if alerts.command is None or (
        len(Path(alerts.command[0]).parts) < 2 and (not alerts.command[0].startswith("./"))
    ):
        return alerts  # a bare name is looked up as a shell does
    program = str((base / alerts.command[0]).absolute())
    return alerts.model_copy(update={"command": (program, *alerts.command[1:])})


def missing_program(alerts: Alerts | None) -> str | None:
    """Give the program that should be told and is not there, or may not be run."""
    if alerts is None or alerts.command is None or shutil.which(alerts.command[0]) is not None:
        return None
    return alerts.command[0]


def payload(name: str, code: int, began: datetime, ended: datetime) -> dict[str, Any]:
    """Make the message about a run; instants in UTC."""
    return {
        "workflow": name,
        "code": code,
        "meaning": MEANINGS.get(code, "ended by a signal" if code > 128 else "unknown"),
        "began": began.isoformat(timespec="seconds"),
        "ended": ended.isoformat(timespec="seconds"),
        "seconds": round((ended - began).total_seconds(), 1),
    }


def is_told(alerts: Alerts | None, code: int) -> bool:
    """Tell whether anybody is to hear of an ending."""
    return alerts is not None and code in alerts.codes


def tell(alerts: Alerts | None, message: dict[str, Any]) -> bool:
    """Tell it, if it is to be told; a failure is logged. True if it was told."""
    if alerts is None or not is_told(alerts, message["code"]):
        return False
    import httpx  # noqa: PLC0415 - slow to import, and rarely needed

    try:
        _send(alerts, json.dumps(message, ensure_ascii=False).encode())
    except SiluanError as error:
        log.warning("the alert about %s was not sent: %s", message["workflow"], error)
    except httpx.HTTPStatusError as error:
        said = error.response.status_code
        log.warning("the alert about %s was refused: HTTP %d", message["workflow"], said)
    except Exception as error:  # noqa: BLE001 - a run's end never hangs on who is told of it
        # Its words may hold the address.
        kind = type(error).__name__
        if missing := missing_program(alerts):
            kind = f"{missing} is not there, or may not be run"
        log.warning("the alert about %s was not sent (%s)", message["workflow"], kind)
    else:
        return True
    return False


def _send(alerts: Alerts, body: bytes) -> None:
    if alerts.command is not None:
        _run(alerts.command, body, alerts.timeout_s)
        return
    address = alerts.webhook or secret(alerts.webhook_env or "")
    hide(address)
    _within(alerts.timeout_s, lambda: _post(address, body, alerts.timeout_s))


def _run(command: tuple[str, ...], body: bytes, timeout_s: float) -> None:
    """Run a program to its end; one that hangs is ended with its group (on Windows it alone)."""
    with subprocess.Popen(  # noqa: S603 - the office's own command, and no shell
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        try:
            process.communicate(body, timeout=timeout_s)
        except BaseException:
            if sys.platform == "win32":
                process.kill()
            else:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
            raise
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)


def _post(address: str, body: bytes, timeout_s: float) -> None:
    import httpx  # noqa: PLC0415 - slow to import, and rarely needed

    headers = {"Content-Type": "application/json; charset=utf-8"}
    # What it answers is nothing to us but for its status.
    with httpx.stream(
        "POST", address, content=body, headers=headers, timeout=timeout_s
    ) as response:
        response.raise_for_status()


def _within(seconds: float, action: Callable[[], None]) -> None:
    """Do it, and wait no longer: the library's own limit counts from one byte to the next.

    The thread is left behind: it ends with the process, which is about to end.
    """
    failed: list[Exception] = []

    def work() -> None:
        try:
            action()
        except Exception as error:  # noqa: BLE001 - raised again where it is waited for
            failed.append(error)

    thread = threading.Thread(target=work, name="alert", daemon=True)
    thread.start()
    thread.join(seconds)
    if failed:
        raise failed[0]
    if thread.is_alive():
        raise TimeoutError(f"no answer within {seconds:g} s")
