"""The receiving system of the tests (``tests/receiver.py``), in a process of its own."""

from __future__ import annotations

import runpy
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

_PROGRAM = Path(__file__).resolve().parents[2] / "tests" / "receiver.py"
SECRET: str = runpy.run_path(str(_PROGRAM))["SECRET"]
SECRET_ENV = "SILUAN_BENCHMARK_SECRET"


@dataclass(frozen=True)
class Books:
    """What it holds."""

    held: dict[str, int]  # newest revision by case
    last: dict[str, Any]  # that revision as it came
    again: int  # deliveries that came once more with the same content
    wrong: list[str]  # what broke the contract


class Receiver:
    """The receiver from outside."""

    def __init__(self) -> None:
        words = [sys.executable, str(_PROGRAM)]
        self._process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().strip()

    def books(self) -> Books:
        """Ask what it holds."""
        told = httpx.get(f"{self.url}/state", trust_env=False).raise_for_status().json()
        return Books(told["held"], told["last"], told["again"], told["wrong"])

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()
