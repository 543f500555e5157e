"""Stores of a corridor as it was before: another outline begins a new store.

A store keeps the pixels of one outline, packed, so another outline cannot use it. The old one stays
until a run over the new one was finished that holds every pass of it, and goes then if no other
workflow uses it. What no run can remove (a store of before that rule names no workflow, and a
workflow may be gone) a person can. Cases are not in stores: nothing here touches the ledger.
"""

from __future__ import annotations

import json
import logging
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from pipeline.config import Workflow
from pipeline.io.atomic import write_bytes
from pipeline.io.sizes import folder_bytes, in_words
from pipeline.model import Corridor
from pipeline.passes.site import store_root

log = logging.getLogger("siluan")

_USERS = "used_by.json"  # names of the workflows that used a store

_NAMES = TypeAdapter(list[str])

LOST = "_unknown"
"""Stands among them for those that a damaged list named; no workflow can be called so."""


def note_use(root: Path, workflow: Workflow) -> None:
    """Note in a store that a workflow uses it."""
    known = _users_mended(root)
    users = sorted({*known, workflow.name})
    if users != known:
        _write_users(root, users)


def _users_mended(root: Path) -> list[str]:
    """Give the users of a store; a damaged list is said, and is whole again after that."""
    users = _read_users(root)
    if users is not None:
        return users
    log.warning(
        "%s is damaged: who uses this store is not known, so %s stands in it and no run removes "
        "the store. Where no workflow uses it any more: siluan corridor release CORRIDOR "
        "--workflow WORKFLOW.yaml --gone %s",
        root / _USERS,
        LOST,
        LOST,
    )
    _write_users(root, [LOST])
    return [LOST]


def _write_users(root: Path, users: list[str]) -> None:
    write_bytes(root / _USERS, (json.dumps(users) + "\n").encode())


def _users(root: Path) -> list[str]:
    users = _read_users(root)
    return [LOST] if users is None else users


def _read_users(root: Path) -> list[str] | None:
    """Give the users that a store names; None where its list is there and says nothing."""
    path = root / _USERS
    if not path.exists():
        return []
    try:
        return _NAMES.validate_json(path.read_bytes(), strict=True)
    except ValidationError:
        return None


def _complete(root: Path) -> set[str]:
    return {p.parent.name for p in root.glob("*/pass.json")}


@dataclass(frozen=True)
class OldStore:
    """A store that holds another outline of a corridor than today's."""

    root: Path
    size: int  # bytes
    passes: int
    missing: int  # of its passes, not in today's store
    users: tuple[str, ...]  # names of workflows

    def others(self, workflow: Workflow) -> tuple[str, ...]:
        """Give the names of the other workflows that use it."""
        return tuple(name for name in self.users if name != workflow.name)


def describe_old(workflow: Workflow, corridor: Corridor) -> list[OldStore]:
    """Say what the old stores of a corridor hold."""
    today = _complete(store_root(workflow, corridor))
    found: list[OldStore] = []
    for root in old_stores(workflow, corridor):
        held = _complete(root)
        missing = len(held - today)
        found.append(OldStore(root, folder_bytes(root), len(held), missing, tuple(_users(root))))
    return found


def old_stores(workflow: Workflow, corridor: Corridor) -> list[Path]:
    """Give the stores that hold another outline of the corridor than today's."""
    own = store_root(workflow, corridor).name
    mark = own.removeprefix(f"{corridor.id}-")[:8]
    pattern = re.compile(rf"{re.escape(corridor.id)}-(?P<mark>[0-9a-f]{{8}})-[\d.]+m")
    found = sorted((workflow.state / "store").glob(f"{corridor.id}-*"))
    matched = [(p, pattern.fullmatch(p.name)) for p in found]
    return [p for p, m in matched if m is not None and m["mark"] != mark]


def say_new_store(workflow: Workflow, corridor: Corridor, passes: int) -> list[str]:
    """Say, before it happens, that another outline begins a new store; empty if it does not."""
    old = old_stores(workflow, corridor)
    if not old or (store_root(workflow, corridor) / "store.json").exists():
        return []
    size = in_words(sum(folder_bytes(p) for p in old))
    return [
        f"{corridor.id}: its outline (or tile_px, context_m) has changed since it was last read: a "
        f"new store begins, and {passes} passes are read again. The cases of the ledger stay. "
        f"The old store ({size}) goes once the new one holds all its passes"
    ]


def drop_old_stores(workflow: Workflow, corridor: Corridor) -> list[str]:
    """Remove the stores that only this workflow used and that today's outline replaces.

    Call it when a run over the new store is finished. Gives what was removed or kept, in words. A
    store is moved aside before it is removed: if that is interrupted, no half of it is ever read.
    """
    lines: list[str] = []
    _sweep_out(workflow, corridor)  # what an interrupted removal left would stand in the way
    for old in old_stores(workflow, corridor):
        users = _users_mended(old)
        others = [name for name in users if name != workflow.name]
        if others or not users:
            if others:
                who = f"is used by {', '.join(others)}, and is kept"
            else:
                who = "names no workflow that uses it, and is kept until somebody releases it: "
                who += f"siluan corridor release {corridor.id} --workflow WORKFLOW.yaml"
            lines.append(f"{corridor.id}: the old store {old} {who}")
            if others != users:
                _write_users(old, others)
            continue
        missing = len(_complete(old) - _complete(store_root(workflow, corridor)))
        if missing:
            why = f"{missing} of its passes are not in the new one yet"
            lines.append(f"{corridor.id}: the old store {old} is kept: {why}")
            continue
        lines.append(_move_aside(corridor, old))
    _sweep_out(workflow, corridor)
    return lines


def remove_stores(workflow: Workflow, corridor: Corridor, stores: Sequence[OldStore]) -> list[str]:
    """Remove old stores, whoever used them; give what was removed, in words."""
    _sweep_out(workflow, corridor)
    lines = [_move_aside(corridor, store.root) for store in stores]
    _sweep_out(workflow, corridor)
    return lines


def _move_aside(corridor: Corridor, old: Path) -> str:
    size = in_words(folder_bytes(old))
    try:
        old.rename(old.with_name(f".{old.name}.gone"))
    except OSError as error:
        why = f"could not be removed: {error.strerror or type(error).__name__}"
        return f"{corridor.id}: the old store {old} {why}"
    return f"{corridor.id}: the old store {old.name} ({size}) was removed"


def _sweep_out(workflow: Workflow, corridor: Corridor) -> None:
    for gone in (workflow.state / "store").glob(f".{corridor.id}-*.gone"):
        shutil.rmtree(gone, ignore_errors=True)
