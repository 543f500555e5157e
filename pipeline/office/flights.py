"""``siluan submit``: a flight is taken in whole, or refused with a receipt; nothing in between."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from pipeline.acquire.inbox.against import check_against, withdraws_surface
from pipeline.acquire.inbox.build import Built, build_flight
from pipeline.acquire.inbox.drop import (
    Drop,
    NoRoomError,
    check_names,
    list_drop,
    pick,
    reading,
    unpack,
)
from pipeline.acquire.inbox.examine import Examined, examine, extent
from pipeline.acquire.inbox.place import Covered, covered
from pipeline.acquire.inbox.reasons import Fault, SubmissionRefusedError, printable, refuse
from pipeline.acquire.inbox.receipt import accepted_page, refused_page, write_receipt
from pipeline.acquire.inbox.shelf import DROP, flights_in, place_again, write_index
from pipeline.errors import ConfigurationError, DiskFullError, ExitCode, LedgerHeldError
from pipeline.io.atomic import replace_dir, write_json, write_text
from pipeline.io.corridors import load_corridors
from pipeline.io.failpoints import failpoint
from pipeline.ledger.lock import hold
from pipeline.model import Corridor
from pipeline.office.corridor_file import corridors_file
from pipeline.office.flight_forms import offer_form

RECEIPT = "receipt.html"
_RASTERS = (".tif", ".tiff")


@dataclass(frozen=True)
class SubmitRequest:
    """What ``siluan submit`` was told about one drop."""

    drop: Path  # a folder, a zip, or the mosaic itself
    dsm: Path | None = None
    flight: Path | None = None
    answered_by: str = ""  # who of the office answers for what it supersedes


@dataclass(frozen=True)
class Answer:
    """What became of a drop."""

    name: str
    taken: bool
    id: str  # of the flight; "" where there is none
    lines: tuple[str, ...]
    faults: tuple[Fault, ...] = ()

    @property
    def code(self) -> ExitCode:
        """Of the contract."""
        if any(f.code == "room" for f in self.faults):
            return ExitCode.DISK_FULL
        return ExitCode.DONE if self.taken else ExitCode.QUARANTINED


@dataclass(frozen=True)
class Desk:
    """Where flights are kept, and what the office watches."""

    root: Path  # state/flights
    corridors: tuple[Corridor, ...]
    now: datetime  # aware


@contextmanager
def desk(config: Path, state: Path, now: datetime) -> Generator[Desk]:
    """Open the desk; one at a time.

    Raises
    ------
    ConfigurationError
        No corridors, or damaged flights.
    LedgerHeldError
        Another process takes flights in.
    """
    corridors = load_corridors(corridors_file(config))
    root = state.absolute() / "flights"
    try:
        with hold(root / ".desk"):
            _sweep(root)
            _place_waiting(root, corridors)
            write_index(root)
            yield Desk(root, corridors, now)
    except LedgerHeldError as error:
        raise LedgerHeldError(
            f"flights are being taken into {root} by another process",
            "Wait until it ends, then run again",
        ) from error


def submit(request: SubmitRequest, at: Desk, *, again: bool = True) -> Answer:
    """Take a drop in, or say why not; the receipt lies beside it and in the state folder.

    Parameters
    ----------
    again : bool
        The drop may be one that was taken in before from the same place: it is then answered as
        before.

    Raises
    ------
    ConfigurationError
        No such file.
    DiskFullError
        Nothing was taken in.
    SourceUnreachableError
        The disk or share that holds it failed; nothing was taken in.
    """
    try:
        return take_in(request, at, again=again)
    except SubmissionRefusedError as error:
        return _refuse(request.drop.resolve(), error.faults, at)
    except NoRoomError as error:
        return no_room(request.drop.resolve(), error.fault)


def no_room(path: Path, fault: Fault) -> Answer:
    """Say beside a zip that there is no room for it; it stays where it is, and may come again."""
    page = refused_page(path.name, [fault], "提交的文件没有移动，仍在原处。")
    receipt = write_receipt(path, page)
    said = [". ".join(fault.en()) + "."]
    said += [f"receipt: {receipt}"] if receipt else []
    return Answer(path.name, False, "", tuple(said), (fault,))


def take_in(request: SubmitRequest, at: Desk, *, again: bool) -> Answer:
    """Take a drop in; raises as :func:`submit`, ``SubmissionRefusedError`` and ``NoRoomError``."""
    scratch = at.root / ".unpacked"
    request = replace(request, drop=request.drop.resolve())
    try:
        with reading(request.drop):
            drop = _listed(request, scratch)
        return _take(drop, request, at, again=again)
    except (FileNotFoundError, PermissionError) as error:
        raise refuse("changed", file=Path(str(error.filename)).name) from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _listed(request: SubmitRequest, scratch: Path) -> Drop:
    missing = [p for p in (request.drop, request.dsm, request.flight) if p and not _there(p)]
    if missing:
        raise ConfigurationError(
            f"there is no {', '.join(str(p) for p in missing)}", "Check the path"
        )
    if request.drop.is_dir():
        return _with_named(list_drop(request.drop), request)
    if request.drop.suffix.lower() == ".zip":
        return _with_named(unpack(request.drop, scratch), request)
    if request.drop.suffix.lower() not in _RASTERS:
        raise ConfigurationError(
            f"{request.drop} is neither a folder nor a GeoTIFF",
            "Give the folder of a flight, its zip, or the mosaic",
        )
    beside = request.drop.with_name("flight.yaml")
    form = request.flight or (beside if beside.is_file() else None)
    files = {request.drop.name: request.drop}
    files |= {f"dsm/{request.dsm.name}": request.dsm} if request.dsm else {}
    files |= {"flight.yaml": form} if form else {}
    check_names(str(p.absolute()) for p in files.values())
    return pick({n: p.absolute() for n, p in files.items()})


def _there(path: Path) -> bool:
    return path.exists() or path.is_symlink()


def _with_named(drop: Drop, request: SubmitRequest) -> Drop:
    """Let files that were named on the command line take the place of those in the folder."""
    files, elsewhere = dict(drop.files), dict[str, Path]()
    if request.flight is not None:
        files = {n: s for n, s in files.items() if not n.lower().endswith("flight.yaml")}
        files["flight.yaml"] = request.flight.stat().st_size
        elsewhere["flight.yaml"] = request.flight.absolute()
    if request.dsm is not None:
        files["dsm.tif"] = request.dsm.stat().st_size
        elsewhere["dsm.tif"] = request.dsm.absolute()
    return replace(drop, files=files, elsewhere=elsewhere)


def _take(drop: Drop, request: SubmitRequest, at: Desk, *, again: bool) -> Answer:
    state, path = drop.state, request.drop
    with reading(path):
        examined = replace(examine(drop, at.now), answered_by=request.answered_by)
    flights = flights_in(at.root)
    before = next((f for f in flights if f.id == examined.id), None)
    if before is not None and again and before.drop["path"] == printable(str(path)):
        page = (before.folder / RECEIPT).read_text(encoding="utf-8")
        write_receipt(path, page)
        return Answer(path.name, True, before.id, (f"{before.id} was taken in before",))
    check_against(examined, extent(examined), flights)
    examined = replace(examined, withdraws_surface=withdraws_surface(examined, flights))
    _check_space(examined, at.root)
    built: list[Built] = []

    def build(folder: Path) -> None:
        done = build_flight(folder, examined, at.corridors)
        built.append(done)
        _check_unchanged(drop, state)
        write_json(folder / DROP, {"path": printable(str(path)), "files": len(drop.files)})
        page = accepted_page(path.name, done.rows, done.covered, done.notes)
        write_text(folder / RECEIPT, page)
        failpoint("submit.built")

    replace_dir(at.root / examined.id, build)
    failpoint("submit.taken")
    write_index(at.root)
    page = (at.root / examined.id / RECEIPT).read_text(encoding="utf-8")
    receipt = write_receipt(path, page)
    where = receipt or at.root / examined.id / RECEIPT
    return Answer(path.name, True, examined.id, _said(examined, built[0], where))


def _check_unchanged(drop: Drop, before: Mapping[str, tuple[int, int]]) -> None:
    now = drop.state
    changed = [name for name in before if now.get(name) != before[name]]
    if changed:
        raise refuse("changed", file=", ".join(changed[:3]))


def _check_space(examined: Examined, root: Path) -> None:
    """Refuse to begin what cannot end: the copies need about the room of the originals."""
    need = sum(s.bytes for s in examined.sources)
    free = shutil.disk_usage(root).free
    if free < need:
        raise DiskFullError(
            f"the disk of {root} has {free / 1e9:.1f} GB left, and {need / 1e9:.1f} GB are needed",
            "Free some space, then run again: nothing was taken in",
        )


def _said(examined: Examined, built: Built, receipt: Path) -> tuple[str, ...]:
    lines = [
        f"taken in as {examined.id}: {_content(examined)}",
        *corridor_lines(built.covered),
        f"receipt: {receipt}",
    ]
    return tuple(lines)


def _content(examined: Examined) -> str:
    sheets = examined.sheets
    if sheets is None:
        return f"{len(examined.photos)} photo(s) as dated points"
    surface = "with surface" if sheets.dsm else "without surface"
    return f"{sheets.mosaic.name}, {sheets.mosaic.gsd_m:.3f} m, {surface}"


def corridor_lines(found: Sequence[Covered]) -> list[str]:
    """Say what of each corridor is covered."""
    if not found:
        return ["awaiting corridor: it lies outside all corridors of the office"]
    return [f"{c.id}: {_amount(c)}" for c in found]


def _amount(c: Covered) -> str:
    if c.photos:
        return f"{c.photos} photo(s)"
    return f"{c.area_m2 / 1e6:.3f} km2" if c.length_m is None else f"{c.length_m / 1000:.2f} km"


def _refuse(path: Path, faults: Sequence[Fault], at: Desk) -> Answer:
    """Record a refusal in ``quarantine/`` and beside the drop; the drop itself is not touched."""
    page = refused_page(path.name, faults, "提交的文件没有移动，仍在原处。")
    record = quarantine(at.root, path, faults, page)
    receipt = write_receipt(path, page) or record / RECEIPT
    offer_form(path, faults)
    said = [". ".join(f.en()) + "." for f in faults]
    return Answer(path.name, False, "", (*said, f"receipt: {receipt}"), tuple(faults))


def quarantine(root: Path, path: Path, faults: Sequence[Fault], page: str) -> Path:
    """Write what was refused, and why, into the state folder."""
    mark = hashlib.sha256(str(path).encode(errors="surrogateescape")).hexdigest()[:8]
    target = root / "quarantine" / f"{printable(path.name)}-{mark}".lstrip(".")

    def build(folder: Path) -> None:
        write_text(folder / RECEIPT, page)
        reasons = [{"code": f.code, "what": f.en()[0], "remedy": f.en()[1]} for f in faults]
        write_json(folder / DROP, {"path": printable(str(path)), "faults": reasons})

    replace_dir(target, build)
    return target


def _sweep(root: Path) -> None:
    """Remove what a process that was killed left half-made."""
    for leftover in (*root.glob(".*.partial"), root / ".unpacked"):
        shutil.rmtree(leftover, ignore_errors=True)


def _place_waiting(root: Path, corridors: Sequence[Corridor]) -> None:
    """Look again whether flights that await a corridor have one now."""
    for flight in flights_in(root):
        if flight.waiting:
            found = covered(flight.footprint_wgs84, corridors)
            if found:
                place_again(flight, found)
