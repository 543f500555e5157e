"""How workflows stand, for people, for programs, and for Prometheus."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.exposition import generate_latest

from pipeline.schedule.listed import Listed, Unread
from pipeline.schedule.runs import Run
from pipeline.schedule.standing import CRITICAL, WARNING, Standing
from pipeline.schedule.words import local, shown, span

_WORDS = {WARNING: "warning", CRITICAL: "critical"}


def for_people(one: Listed, s: Standing, now: datetime) -> list[str]:
    """Say in a few lines how a workflow stands; times in the zone of its schedule."""
    zone = one.schedule.zone if one.schedule else "Asia/Shanghai"
    lines = [f"{s.workflow}: {_WORDS.get(s.level, 'fine')}", f"  last run   {_run(s.last, zone)}"]
    if s.last is not None and s.last.ended != s.good:
        lines.append(f"  last good  {local(s.good, zone) if s.good else 'none'}")
    lines.append(f"  next run   {_next(one, s, zone)}")
    if s.due_since is not None:
        lines.append(f"  due since  {local(s.due_since, zone)}")
    others = f", and {s.set_aside_others} that nobody can" if s.set_aside_others else ""
    mend = f"{len(s.set_aside)} that somebody can mend{others}"
    lines.append(f"  set aside  {mend if s.set_aside or others else 'nothing'}")
    lines += [f"    {a['what']}: {a['reason']}. {a['remedy']}." for a in s.set_aside[:10]]
    if len(s.set_aside) > 10:
        lines.append(f"    and {len(s.set_aside) - 10} more, in run.json")
    if s.inbox is not None:
        lines.append(f"  inbox      {s.inbox} waiting")
    if s.outbox is not None:
        lines.append(f"  outbox     {s.outbox['waiting']} waiting, {s.outbox['dead']} dead letters")
    for corridor, seen in sorted(s.newest_clear.items()):
        ago = "never" if seen is None else f"{span((now - seen).total_seconds())} ago"
        lines.append(f"  clear look {corridor}: {ago}")
    held = "free" if s.ledger_held_by is None else f"held by process {s.ledger_held_by}"
    free = ", ".join(f"{k} {v / 1e9:.1f} GB" for k, v in s.free_bytes.items())
    lines += [f"  ledger     {held}", f"  disk free  {free}"]
    lines += [f"  {_WORDS[lev]}: {what}" for lev, what in s.findings if lev]
    return [shown(line) for line in lines]


def unread_lines(one: Unread) -> list[str]:
    """Say of a workflow that cannot be read, or looked at, why."""
    said = str(one.why)
    named = said if str(one.path) in said else f"{one.path}: {said}"
    return [shown(f"{one.name}: critical"), shown(f"  critical: {named}")]


def summary(standings: Sequence[Standing], wrong: Sequence[Unread] = ()) -> str:
    """Say in a line how several workflows stand."""
    levels = [*((s.workflow, s.level) for s in standings), *((w.name, CRITICAL) for w in wrong)]
    names = {
        word: [name for name, own in levels if own == level]
        for level, word in ((CRITICAL, "critical"), (WARNING, "warning"))
    }
    named = [f"{word}: {', '.join(who)}" for word, who in names.items() if who]
    fine = len(levels) - sum(map(len, names.values()))
    return shown(f"{len(levels)} workflows, {'; '.join([f'{fine} fine', *named])}")


def _next(one: Listed, s: Standing, zone: str) -> str:
    if s.next is None or one.schedule is None:
        return "by hand"
    by = f"by the clock of process {s.clock}" if s.clock else "no `siluan schedule` is running"
    return f"{local(s.next, zone)} ({one.schedule.cron}), {by}"


def _run(run: Run | None, zone: str) -> str:
    if run is None:
        return "none"
    began = local(run.began, zone)
    if run.ended is None:
        return f"{began}, {'running' if run.alive else 'killed'} (process {run.pid})"
    return f"{began}, code {run.code}, {span(run.seconds or 0.0)}"


def for_programs(
    standings: Iterable[Standing], now: datetime, wrong: Sequence[Unread] = ()
) -> dict[str, Any]:
    """Give everything as JSON."""
    every = list(standings)
    return {
        "at": _iso(now),
        "level": max((*(s.level for s in every), *(CRITICAL for _ in wrong)), default=0),
        "workflows": [_plain(s) for s in every],
        "unread": [
            {"workflow": shown(w.name), "path": shown(w.path), "why": shown(w.why)} for w in wrong
        ],
    }


def _plain(s: Standing) -> dict[str, Any]:
    last = None
    if s.last is not None:
        last = {
            "began": _iso(s.last.began),
            "ended": _iso(s.last.ended),
            "code": s.last.code,
            "seconds": s.last.seconds,
            "running": s.last.alive,
        }
    return {
        "workflow": s.workflow,
        "path": shown(s.path),
        "level": s.level,
        "last_run": last,
        "last_good_run": _iso(s.good),
        "next_run": _iso(s.next),
        "clock_process": s.clock,
        "due_since": _iso(s.due_since),
        "set_aside": [dict(a) for a in s.set_aside],
        "set_aside_others": s.set_aside_others,
        "failed_corridors": dict(s.failed),
        "inbox_waiting": s.inbox,
        "outbox": None if s.outbox is None else dict(s.outbox),
        "newest_clear": {k: _iso(v) for k, v in s.newest_clear.items()},
        "ledger_held_by": s.ledger_held_by,
        "free_bytes": dict(s.free_bytes),
        "findings": [{"level": level, "what": shown(what)} for level, what in s.findings],
    }


def _iso(at: datetime | None) -> str | None:
    return None if at is None else f"{at:%Y-%m-%dT%H:%M:%SZ}"


_GAUGES = {
    "status": "0 fine, 1 warnings, 2 critical",
    "last_run_timestamp_seconds": "When the last run began",
    "last_run_exit_code": "Its exit code, once it has ended",
    "last_run_duration_seconds": "How long it took",
    "last_good_run_timestamp_seconds": "When the newest run ended that was done (0 or 10)",
    "next_run_timestamp_seconds": "When it runs next",
    "clock_running": "1 while `siluan schedule` has it; timers of the system do not count",
    "due_seconds": "For how long a run is due that has not been",
    "set_aside": "Inputs that were set aside and somebody can mend",
    "failed_corridors": "Corridors that the last run of them could not finish",
    "inbox_waiting": "Drops waiting in the inbox",
    "outbox_waiting": "Messages waiting to be handed over",
    "outbox_dead": "Messages that receivers refused for good",
    "ledger_held": "1 while a run holds the ledger",
}


def for_prometheus(
    standings: Sequence[Standing], now: datetime, wrong: Sequence[Unread] = ()
) -> bytes:
    """Give the text file that node_exporter's textfile collector reads.

    A file that cannot be read goes by its name without the ending, and is critical. Where several
    have one name, each goes by its name and its path.
    """
    named = [(s.workflow, s.path) for s in standings] + [(w.name, w.path) for w in wrong]
    often = Counter(name for name, _ in named)
    labels = iter([shown(f"{n} ({path})" if often[n] > 1 else n) for n, path in named])
    registry = CollectorRegistry()
    gauges = {
        name: Gauge(f"siluan_{name}", text, ("workflow",), registry=registry)
        for name, text in _GAUGES.items()
    }
    clear = Gauge(
        "siluan_clear_look_timestamp_seconds",
        "Newest clear look",
        ("workflow", "corridor"),
        registry=registry,
    )
    free = Gauge(
        "siluan_disk_free_bytes",
        "Free space of the disk of state and out",
        ("workflow", "place"),
        registry=registry,
    )
    for s in standings:
        label = next(labels)
        for name, value in _values(s, now).items():
            if value is not None:
                gauges[name].labels(label).set(value)
        for corridor, seen in s.newest_clear.items():
            if seen is not None:
                clear.labels(label, corridor).set(seen.timestamp())
        for place, size in s.free_bytes.items():
            free.labels(label, place).set(size)
    for label in labels:
        gauges["status"].labels(label).set(CRITICAL)
    return generate_latest(registry)


def _values(s: Standing, now: datetime) -> dict[str, float | None]:
    last, outbox = s.last, s.outbox or {}
    return {
        "status": s.level,
        "last_run_timestamp_seconds": last.began.timestamp() if last else None,
        "last_run_exit_code": last.code if last else None,
        "last_run_duration_seconds": last.seconds if last else None,
        "last_good_run_timestamp_seconds": s.good.timestamp() if s.good else None,
        "clock_running": float(s.clock is not None),
        "next_run_timestamp_seconds": s.next.timestamp() if s.next else None,
        "due_seconds": (now - s.due_since).total_seconds() if s.due_since else 0.0,
        "set_aside": len(s.set_aside),
        "failed_corridors": len(s.failed),
        "inbox_waiting": s.inbox,
        "outbox_waiting": outbox.get("waiting"),
        "outbox_dead": outbox.get("dead"),
        "ledger_held": float(s.ledger_held_by is not None),
    }
