"""Stores of earlier outlines that no run removes: named by the doctor, released by a person.

A run removes the store that its outline has replaced. It keeps one that names no workflow (made
before stores named them), one that another workflow uses, and one with passes that today's lacks.
Nobody but the office knows whether these are still wanted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.config import Workflow, choose_corridors, load_workflow
from pipeline.errors import ConfigurationError
from pipeline.io.sizes import in_words
from pipeline.ledger import open_ledger
from pipeline.model import Corridor
from pipeline.office.finding import Finding
from pipeline.passes.old_stores import OldStore, describe_old, remove_stores
from pipeline.passes.site import store_root


@dataclass(frozen=True)
class Release:
    """What would be removed, and what is said before."""

    workflow: Workflow
    corridor: Corridor
    stores: tuple[OldStore, ...]
    kept: tuple[OldStore, ...]  # in use by other workflows
    lines: tuple[str, ...]


def plan_release(path: Path, corridor_id: str, gone: Sequence[str]) -> Release:
    """Say which stores of earlier outlines of a corridor would be removed; changes nothing.

    Parameters
    ----------
    path
        Of the workflow.
    gone
        Names of workflows that no longer exist: what only they used is nobody's.

    Raises
    ------
    ConfigurationError
        There are such stores, and all of them are in use by other workflows.
    LedgerHeldError
        A run works on this state.
    """
    workflow = load_workflow(path)
    (corridor,) = choose_corridors(workflow, (corridor_id,))
    found = describe_old(workflow, corridor)
    kept = tuple(s for s in found if set(s.others(workflow)) - {*gone})
    stores = tuple(s for s in found if s not in kept)
    if kept and not stores:
        users = sorted({name for s in kept for name in s.others(workflow)} - {*gone})
        where = ", ".join(str(s.root) for s in kept)
        raise ConfigurationError(
            f"{where}: an earlier outline of {corridor_id}, in use by {', '.join(users)}",
            "Run these over today's outline, or say --gone NAME of each that no longer exists",
        )
    if stores:
        _nobody_works(workflow)
    lines = [f"{corridor.id}: {_said(s, workflow)}" for s in (*kept, *stores)]
    if stores:
        size = in_words(sum(s.size for s in stores))
        lines.append(
            f"{len(stores)} store(s), {size}, would be removed. Cases stay in the ledger; a "
            "workflow that still draws the corridor so would read its imagery again"
        )
    else:
        lines.append(f"{corridor.id}: there is no store of an earlier outline")
    return Release(workflow, corridor, stores, kept, tuple(lines))


def release(plan: Release) -> list[str]:
    """Remove the stores of a plan, if they still are what was said; give what was done, in words.

    Raises
    ------
    ConfigurationError
        Something changed since the plan was made, and nothing was removed; or a folder could not
        be removed.
    LedgerHeldError
        A run works on this state.
    """
    with open_ledger(plan.workflow.ledger_place):
        now = describe_old(plan.workflow, plan.corridor)
        if any(store not in now for store in plan.stores):
            raise ConfigurationError(
                f"old stores of {plan.corridor.id} have changed meanwhile; nothing was removed",
                "Look at them again with the same command",
            )
        lines = remove_stores(plan.workflow, plan.corridor, plan.stores)
    left = [line for line, s in zip(lines, plan.stores, strict=True) if s.root.exists()]
    if left:
        raise ConfigurationError("; ".join(left), "Check who owns these folders")
    return lines


def store_findings(
    path: Path, workflow: Workflow, corridors: Sequence[Corridor], group: str
) -> Iterator[Finding]:
    """Name the stores that no run of a workflow will remove by itself."""
    for corridor in corridors:
        if not (store_root(workflow, corridor) / "store.json").exists():
            continue  # the first run over today's outline removes what it can
        for store in describe_old(workflow, corridor):
            if store.users == (workflow.name,) and not store.missing:
                continue  # the next run removes it
            command = f"siluan corridor release {corridor.id} --workflow {path}"
            others = store.others(workflow)
            remedy = f"{command}, which asks first"
            if others:
                gone = " ".join(f"--gone {name}" for name in others)
                remedy = (
                    f"Run {', '.join(others)} over today's outline, or if gone: {command} {gone}"
                )
            yield Finding(
                group,
                f"{corridor.id}: {_said(store, workflow)}",
                f"{in_words(store.size)} of disk that no run of this workflow gives back",
                remedy,
            )


def _said(store: OldStore, workflow: Workflow) -> str:
    others = store.others(workflow)
    if others:
        whose = f"is used by {', '.join(others)}"
    else:
        whose = (
            "names no workflow that uses it" if not store.users else "is used by no other workflow"
        )
    rest = f"; {store.missing} of them are not in today's store" if store.missing else ""
    return (
        f"the store {store.root} of an earlier outline ({in_words(store.size)}, "
        f"{store.passes} passes{rest}) {whose}"
    )


def _nobody_works(workflow: Workflow) -> None:
    with open_ledger(workflow.ledger_place):
        pass
