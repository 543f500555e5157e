"""A folder that teams drop flights into: a share or a USB disk, looked at once per call.

A drop is a folder or a zip. It is begun when ``DONE`` lies in it, or when nothing of it changed
between two looks a minute apart; what cannot be read then is left alone for a day, because some
programs give a file its size before its content. What was answered is moved into ``accepted/`` or
``quarantine/`` of the inbox, and the receipt stays where the drop was.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from pipeline.acquire.inbox.drop import NoRoomError, is_done, snapshot
from pipeline.acquire.inbox.page import NAME_ZH, form_page
from pipeline.acquire.inbox.reasons import Fault, SubmissionRefusedError, printable, refuse
from pipeline.acquire.inbox.receipt import refused_page, write_receipt
from pipeline.acquire.inbox.tiff import NO_BYTES, UNKNOWN
from pipeline.errors import ConfigurationError, ExitCode, SourceUnreachableError
from pipeline.io.atomic import write_bytes, write_json
from pipeline.office.flight_forms import offer_form
from pipeline.office.flights import (
    Answer,
    Desk,
    SubmitRequest,
    no_room,
    quarantine,
    take_in,
)

ACCEPTED, QUARANTINE = "accepted", "quarantine"
SETTLE = timedelta(seconds=60)  # without a change between two looks
GIVE_UP = timedelta(hours=24)  # after which what cannot be read is no copy in progress
_SYSTEM = frozenset({"system volume information", "$recycle.bin", "lost+found"})
_LOOSE = (".tif", ".tiff")
_PACKED = (".rar", ".7z", ".tar", ".gz", ".tgz", ".bz2", ".xz")  # no archive that is opened here
_UNFINISHED = {"unreadable", "archive", "changed"}  # what half a copy looks like


@dataclass(frozen=True)
class InboxReport:
    """What one look did."""

    lines: tuple[str, ...]
    code: ExitCode


@dataclass(frozen=True)
class _Known:
    """What is remembered of a drop between two looks."""

    mark: str  # snapshot
    since: datetime  # first look that saw it so
    answer: str = ""  # where it could not be moved away


def look(inbox: Path, at: Desk) -> InboxReport:
    """Look at every drop once; answer those that are whole.

    Raises
    ------
    ConfigurationError
        No such folder, or its accepted/ or quarantine/ is a link.
    DiskFullError
        That drop is kept for the next look; those before it were answered.
    """
    inbox = inbox.absolute()
    if not inbox.is_dir():
        raise ConfigurationError(f"the inbox {inbox} does not exist", "Check the path")
    for name in (ACCEPTED, QUARANTINE):
        if (inbox / name).is_symlink():
            raise ConfigurationError(f"{inbox / name} is a link", "Remove it; it is made anew")
    _lay_form(inbox)
    memory = _Memory(at.root / "inbox" / f"{_mark(str(inbox))}.json")
    lines: list[str] = []
    codes: set[ExitCode] = set()
    for drop in _drops(inbox):
        try:
            said, code = _one(drop, inbox, at, memory)
        except SourceUnreachableError as error:
            said, code = (str(error),), error.code
        except NoRoomError as error:
            # Others may be smaller; this one is measured again by the next look.
            answer = no_room(drop, error.fault)
            said, code = answer.lines, answer.code
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise
            # Gone meanwhile, or not ours to read: the drops after it are answered all the same.
            gone = isinstance(error, FileNotFoundError)
            said = (f"cannot be read now ({error.strerror}), left alone",)
            code = ExitCode.DONE if gone else ExitCode.QUARANTINED
        lines += [f"{printable(drop.name)}: {line}" for line in said]
        codes.add(code)
    memory.forget(d.name for d in _drops(inbox))
    # What the office has to mend comes before what a team has to.
    order = (ExitCode.DISK_FULL, ExitCode.UNREACHABLE, ExitCode.QUARANTINED)
    return InboxReport(tuple(lines), next((c for c in order if c in codes), ExitCode.DONE))


def _lay_form(inbox: Path) -> None:
    """Keep the empty form in the inbox, where teams find it."""
    path, page = inbox / NAME_ZH, form_page({}).encode()
    with contextlib.suppress(OSError):
        if path.is_symlink() or not path.is_file() or path.read_bytes() != page:
            write_bytes(path, page, durable=False)


def _drops(inbox: Path) -> list[Path]:
    """Give folders, archives, links, and rasters that lie by themselves; all else is no drop."""
    found: list[Path] = []
    for path in sorted(inbox.iterdir()):
        # Folders of a system or a store (Windows, Synology, ext4) are nobody's drop.
        system = path.name[0] in ".#@$~" or path.name.lower() in _SYSTEM
        if system or path.name in (ACCEPTED, QUARANTINE):
            continue
        is_file = path.suffix.lower() in (".zip", *_LOOSE, *_PACKED)
        if path.is_symlink() or path.is_dir() or is_file:
            found.append(path)
    return found


def _one(drop: Path, inbox: Path, at: Desk, memory: _Memory) -> tuple[tuple[str, ...], ExitCode]:
    """Lines about a drop, and the code that it alone would end with."""
    mark = snapshot(drop)
    known = memory.of(drop.name)
    same = known is not None and known.mark == mark
    since = known.since if known is not None and same else at.now
    if known is not None and same and known.answer:
        return (f"answered before ({known.answer})",), ExitCode.DONE
    done = not drop.is_symlink() and is_done(drop)
    if not done and at.now - since < SETTLE:
        memory.put(drop.name, _Known(mark, since))
        return ("not complete yet, left alone",), ExitCode.DONE
    try:
        answer = _take(drop, inbox, at)
    except SubmissionRefusedError as error:
        if any(_half(f) for f in error.faults) and not done and at.now - since < GIVE_UP:
            memory.put(drop.name, _Known(mark, since))
            said = f"cannot be read to its end yet, left alone ({error.what})"
            return (said,), ExitCode.DONE
        answer = _refuse(drop, inbox, error.faults, at)
    if answer.taken and not _moved(drop, inbox / ACCEPTED):
        memory.put(drop.name, _Known(mark, since, answer.id))
    elif not answer.taken and drop.exists():
        memory.put(drop.name, _Known(mark, since, "refused"))
    return answer.lines, answer.code


def _half(fault: Fault) -> bool:
    """Tell what half a copy looks like; a file of its full size may still be empty."""
    really = dict(fault.values).get("really")
    return fault.code in _UNFINISHED or really in (NO_BYTES, UNKNOWN)


def _take(drop: Path, inbox: Path, at: Desk) -> Answer:
    if drop.is_symlink():
        raise refuse("leaves", file=drop.name)
    if drop.suffix.lower() in _LOOSE and drop.is_file():
        raise refuse("loose", file=drop.name)
    if drop.suffix.lower() in _PACKED and drop.is_file():
        raise refuse("packed", file=drop.name)
    # What lies under accepted/ was answered; the same again is another drop, and said to be.
    again = not (inbox / ACCEPTED / drop.name).exists()
    return take_in(SubmitRequest(drop), at, again=again)


def _refuse(drop: Path, inbox: Path, faults: tuple[Fault, ...], at: Desk) -> Answer:
    """Move a drop into the quarantine of the inbox, and say so beside where it was."""
    place = _free(inbox / QUARANTINE, drop.name)
    page = refused_page(
        drop.name, faults, f"提交的文件已移到 {QUARANTINE}/{place.name}，没有改动。"
    )
    record = quarantine(at.root, drop, faults, page)
    # The receipt first: a drop that moved without a word would be a riddle.
    receipt = write_receipt(drop, page) or record
    offer_form(drop, faults)
    if not _moved(drop, inbox / QUARANTINE):
        page = refused_page(drop.name, faults, "提交的文件没有移动，仍在原处。")
        receipt = write_receipt(drop, page) or quarantine(at.root, drop, faults, page)
    said = [". ".join(f.en()) + "." for f in faults]
    return Answer(drop.name, False, "", (*said, f"receipt: {receipt}"), faults)


def _moved(drop: Path, folder: Path) -> bool:
    """Rename a drop into a folder; false where that is not possible (read-only, held open)."""
    with contextlib.suppress(OSError):
        folder.mkdir(exist_ok=True)
        drop.rename(_free(folder, drop.name))
        return True
    return False


def _free(folder: Path, name: str) -> Path:
    """Give a name that nothing has yet."""

    def names() -> Iterator[Path]:
        yield folder / name
        stem, suffix = Path(name).stem, Path(name).suffix
        for n in range(2, 10_000):
            yield folder / f"{stem}-{n}{suffix}"

    return next(p for p in names() if not p.exists() and not p.is_symlink())


def _mark(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:16]


class _Memory:
    """What is remembered of the drops of one inbox, in a file of the state folder."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._drops: dict[str, dict[str, Any]] = {}
        if path.is_file():
            # It can be made again by two more looks, so a damaged one is no reason to stop.
            with contextlib.suppress(ValueError):
                self._drops = dict(json.loads(path.read_text(encoding="utf-8")))

    def of(self, name: str) -> _Known | None:
        found = self._drops.get(_mark(name))
        if found is None:
            return None
        return _Known(found["mark"], datetime.fromisoformat(found["since"]), found["answer"])

    def put(self, name: str, known: _Known) -> None:
        self._drops[_mark(name)] = {
            "mark": known.mark,
            "since": known.since.isoformat(),
            "answer": known.answer,
        }
        write_json(self._path, self._drops)

    def forget(self, there: Iterator[str]) -> None:
        keep = {_mark(name) for name in there}
        left = {k: v for k, v in self._drops.items() if k in keep}
        if left != self._drops:
            self._drops = left
            write_json(self._path, left)
