"""What a hand-over says, line by line."""

from __future__ import annotations

from dataclasses import dataclass, field

from pipeline.cases.where import Report
from pipeline.errors import ExitCode, on_one_line


@dataclass
class Told:
    """What the command will print, and how it ends."""

    lines: list[str] = field(default_factory=list[str])
    codes: set[ExitCode] = field(default_factory=set[ExitCode])

    def say(self, line: str, code: ExitCode = ExitCode.DONE) -> None:
        """Add a line, and how bad it is; what others wrote stays on it."""
        self.lines.append(on_one_line(line))
        self.codes.add(code)

    def report(self) -> Report:
        """Give all lines; unreachable is worse than held, held worse than set aside."""
        order = (ExitCode.UNREACHABLE, ExitCode.LEDGER_HELD, ExitCode.SET_ASIDE)
        return Report(tuple(self.lines), next((c for c in order if c in self.codes), ExitCode.DONE))
