"""The empty form beside a drop, filled in with what the files of the drop say."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

from pipeline.acquire.inbox.drop import list_drop, reading
from pipeline.acquire.inbox.page import SUFFIX, form_page, known_of
from pipeline.acquire.inbox.reasons import Fault, SubmissionRefusedError
from pipeline.acquire.inbox.receipt import write_receipt
from pipeline.errors import ConfigurationError


def offer_form(path: Path, faults: Sequence[Fault]) -> None:
    """Lay the form beside a drop that has none, or a wrong one, with what its files say."""
    if not {"no_form", "form"} & {f.code for f in faults}:
        return
    write_receipt(path, form_page(_known(path)), SUFFIX)


def _known(path: Path) -> dict[str, str]:
    if path.is_dir() and not path.is_symlink():
        with contextlib.suppress(SubmissionRefusedError):
            return known_of(list_drop(path))
    return {}


def write_form(folder: Path) -> tuple[str, ...]:
    """Lay the form beside a folder, filled in with what its files say; nothing is taken in.

    Raises
    ------
    ConfigurationError
        No such folder, or nothing can be written beside it.
    """
    folder = folder.resolve()
    if not folder.is_dir():
        raise ConfigurationError(f"there is no folder {folder}", "Check the path")
    with reading(folder):
        known = _known(folder)
    path = write_receipt(folder, form_page(known), SUFFIX)
    if path is None:
        raise ConfigurationError(
            f"nothing can be written beside {folder}", "Copy the folder to where you may write"
        )
    said = ", ".join(f"{k} {v}" for k, v in sorted(known.items())) or "nothing"
    return (f"form: {path}", f"filled in from the files: {said}")
