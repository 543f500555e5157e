"""What the clock remembers, on disk: one small file a workflow, whole or not at all."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

from pipeline.io.atomic import write_json
from pipeline.io.cron import Schedule
from pipeline.schedule.due import Memory


def write_memory(path: Path, memory: Memory, schedule: Schedule | None = None) -> None:
    """Keep what is remembered, and for which times: they may be edited while no clock runs."""
    content: dict[str, Any] = {
        "done": memory.done.isoformat(),
        "owed": _text(memory.owed),
        "pending": _text(memory.pending),
        "tries": memory.tries,
        "not_before": _text(memory.not_before),
    }
    if schedule is not None:
        content |= {"cron": schedule.cron, "zone": schedule.zone}
    write_json(path, content)


def remembered_times(path: Path) -> Schedule | None:
    """Give the times that the memory is of; None where it does not say."""
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return Schedule(cron=content["cron"], zone=content["zone"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def is_damaged(path: Path) -> bool:
    """Tell whether something is there that says nothing."""
    return path.exists() and read_memory(path) is None


def read_memory(path: Path) -> Memory | None:
    """Give what is remembered; None where nothing is, or nothing that can be read."""
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        memory = Memory(
            done=datetime.fromisoformat(content["done"]),
            owed=_instant(content.get("owed")),
            pending=_instant(content["pending"]),
            tries=int(content["tries"]),
            not_before=_instant(content["not_before"]),
        )
        every = (memory.done, memory.owed, memory.pending, memory.not_before)
        naive = [t for t in every if t and not t.tzinfo]
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None
    return None if naive else memory


def _text(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
