"""What is missing, what that costs, and the command that mends it. Only reads."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from pipeline.config import Workflow, choose_corridors
from pipeline.errors import ExitCode, SiluanError
from pipeline.io import FOREIGN
from pipeline.io.alerts import missing_program, placed
from pipeline.io.cluster_options import check_cluster
from pipeline.io.corridors import load_corridors
from pipeline.io.layers import OfficeLayer, load_layer
from pipeline.ledger.address import settle_place
from pipeline.ledger.lock import refuse_network_share
from pipeline.model import Corridor
from pipeline.office.finding import Finding, Weight
from pipeline.office.kinds import KINDS, LayerKind
from pipeline.office.releasing import store_findings
from pipeline.office.sources import source_findings
from pipeline.passes.any_workflow import load_any
from pipeline.passes.inspect_workflow import InspectWorkflow

DRAFT_M = 200.0  # a corridor that is worse is a sketch
FREE_BYTES = 20 * 10**9  # a corridor of 50 km with two years of scenes fits in a tenth of it


@dataclass(frozen=True)
class Checkup:
    """Where the doctor looks."""

    config: Path
    workflows: tuple[Path, ...] = ()
    today: date = field(default_factory=date.today)  # of the office's own clock
    foreign: tuple[tuple[str, str], ...] = tuple(FOREIGN.items())
    free_bytes: Callable[[Path], int] = lambda path: shutil.disk_usage(path).free


_COSTS = {
    LayerKind.BOUNDARY: "in_management_area is unknown for every case: 四乱 exists only inside it",
    LayerKind.ZONES: "zone is null",
    LayerKind.NO_MINING: "no_mining is null",
    LayerKind.PERMITS: "permit is null: permitted sites are reported like any other",
    LayerKind.WORKS: "authorised works (levees, dams, restoration) are reported as cases",
    LayerKind.EXISTING: "known bridges, weirs and sluices are not told from new ones",
    LayerKind.HISTORY: "places that were judged before are reported again",
    LayerKind.COUNTIES: "county_code and county_zh are null: nobody knows whose case it is",
    LayerKind.TOWNSHIPS: "township_code and township_zh are null",
    LayerKind.VESSELS: "no reason says that a case lies at a mooring",
}


_SCREENING = (LayerKind.PERMITS, LayerKind.WORKS, LayerKind.EXISTING, LayerKind.HISTORY)


def examine(checkup: Checkup) -> list[Finding]:
    """Collect all findings, grouped."""
    opened = [_open(path) for path in checkup.workflows]
    loaded = [o for o in opened if isinstance(o, _Opened)]
    found = [*_environment(checkup), *_corridors(checkup, loaded)]
    found += [*_layers(checkup), *_tables(checkup)]
    for one in opened:
        found += _workflow(checkup, one) if isinstance(one, _Opened) else [one]
    return found


def report(findings: list[Finding]) -> list[str]:
    """Write findings for a person, by group."""
    if not findings:
        return ["nothing is missing"]
    lines: list[str] = []
    for group in dict.fromkeys(f.group for f in findings):
        lines.append(group)
        for f in findings:
            if f.group == group:
                mark = "WRONG " if f.weight is Weight.WRONG else ""
                lines += [f"  {mark}{f.what}", f"    costs: {f.cost}", f"    remedy: {f.remedy}"]
    wrong = sum(f.weight is Weight.WRONG for f in findings)
    lines.append(f"{len(findings)} findings, {wrong} of them keep a run from being right")
    return lines


def exit_code(findings: list[Finding], *, strict: bool) -> ExitCode:
    """Give 2 where a run would be refused, 10 for the rest if asked to be strict, else 0."""
    if any(f.weight is Weight.WRONG for f in findings):
        return ExitCode.CONFIGURATION
    return ExitCode.SET_ASIDE if strict and findings else ExitCode.DONE


def _environment(checkup: Checkup) -> Iterator[Finding]:
    for name, value in checkup.foreign:
        yield Finding(
            "environment",
            f"{name} is set to {value}",
            "nothing here, it is dropped; other programs of that shell may read wrong tables",
            f"Unset it (unset {name}); QGIS and PostGIS leave it behind",
        )


def _corridors(checkup: Checkup, loaded: Sequence[_Opened]) -> Iterator[Finding]:
    """Judge the corridors of the workflows; without one, all of the office's file."""
    path = checkup.config / "corridors.geojson"
    try:
        corridors = [c for o in loaded for c in o.corridors] or load_corridors(path)
    except SiluanError as error:
        yield Finding(
            "corridors",
            error.what,
            "no run has a place to look at",
            "Say with --config where the office's folder is, or add one: siluan corridor add LINE "
            "--id ID --name NAME --water river --width METRES --accuracy METRES --datum cgcs2000",
            Weight.WRONG,
        )
        return
    corridors = list({c.id: c for c in corridors}.values())
    drafts = [c for c in corridors if c.accuracy_m > DRAFT_M]
    if drafts:
        names = ", ".join(f"{c.id} ({c.name_zh}) ±{c.accuracy_m:g} m" for c in drafts)
        yield Finding(
            "corridors",
            f"{len(drafts)} of {len(corridors)} are drafts: {names}",
            "they find imagery and screen nothing; bank is null near them, chainage is as vague",
            "siluan corridor add FILE --id ID --accuracy METRES --datum cgcs2000 --replace with "
            "the office's own line (and --width METRES) or polygon, or siluan corridor derive ID "
            "--workflow WORKFLOW.yaml after a run",
        )
    for corridor in corridors:
        yield from _corridor(corridor)
    for proposal in sorted((checkup.config / "proposals").glob("*.geojson")):
        yield Finding(
            "corridors",
            f"a derived corridor waits: {proposal.name}",
            "it is not used before somebody accepts it",
            f"Look at it in a GIS, then: siluan corridor accept {proposal.stem} --by NAME",
        )


def _corridor(corridor: Corridor) -> Iterator[Finding]:
    name = f"{corridor.id} ({corridor.name_zh})"
    if corridor.water != "river":
        return
    if corridor.centreline_wgs84 is None:
        yield Finding(
            "corridors",
            f"{name} has no centreline",
            "chainage and bank are null, and the whole of it is one reach with one water level",
            f"siluan corridor add LINE --id {corridor.id} --datum cgcs2000 (its polygon stays)",
        )
    elif not corridor.downstream_known:
        yield Finding(
            "corridors",
            f"the direction of {name} is not known",
            "chainage and bank are null",
            f"siluan corridor derive {corridor.id} --workflow WORKFLOW.yaml --upstream LON,LAT, "
            "and accept it",
        )


def _layers(checkup: Checkup) -> Iterator[Finding]:
    folder = checkup.config / "layers"
    for kind in LayerKind:
        name = f"{kind.value} ({KINDS[kind].zh})"
        remedy = f"siluan layers import FILE --as {kind.value} --datum cgcs2000"
        try:
            layer = load_layer(folder, kind.value)
        except SiluanError as error:
            yield Finding("layers", error.what, "no run starts", error.remedy, Weight.WRONG)
            continue
        if layer is None:
            yield Finding("layers", f"{name} was not imported", _COSTS[kind], remedy)
        else:
            yield from _layer(layer, name, checkup.today)
    if not list((checkup.config / "water").glob("*.tif")):
        yield Finding(
            "layers",
            "there is no raster of observed water",
            "the position of boundaries and counties is checked by the corridors' lines alone",
            "Put a water occurrence raster into config/water/, or after a run: siluan corridor "
            "derive ID --workflow WORKFLOW.yaml",
        )


def _layer(layer: OfficeLayer, name: str, today: date) -> Iterator[Finding]:
    for source in layer.record.sources:
        unchecked = source.position.position == "unverified"
        if unchecked and layer.record.kind in _SCREENING:
            yield Finding(
                "layers",
                f"{name}: nobody vouches for the position of {source.source}",
                "its areas are named in reasons, and no case is put aside by them",
                f"Import {source.file} again with --accept-offset NAME of whoever answers for it, "
                "or with --reference LINES",
            )
        elif unchecked and KINDS[LayerKind(layer.record.kind)].place != "none":
            yield Finding(
                "layers",
                f"{name}: the position of {source.source} is unverified",
                "a layer in GCJ-02 would be 660 m off and nobody would see it",
                f"Import it again with --water RASTER or --reference LINES ({source.file})",
            )
        if source.position.position == "accepted":
            yield Finding(
                "layers",
                f"{name}: {source.position.accepted_by} answers for the position of "
                f"{source.source}",
                source.position.detail,
                "Ask for a file whose datum is known",
            )
        if source.set_aside:
            yield Finding(
                "layers",
                f"{name}: {len(source.set_aside)} features of {source.source} were set aside",
                "; ".join(source.set_aside[:5]),
                f"Mend them in {source.file} and import it again",
            )
    if layer.record.kind in (LayerKind.PERMITS, LayerKind.WORKS):
        yield from _expired(layer, name, today)


def _expired(layer: OfficeLayer, name: str, today: date) -> Iterator[Finding]:
    over = [f for f in layer.features if str(f.fields.get("to")) < today.isoformat()]
    if over:
        named = [str(f.fields.get("id") or f.fields.get("name")) for f in over]
        shown = ", ".join(named[:10]) + (f" and {len(named) - 10} more" if len(named) > 10 else "")
        yield Finding(
            "layers",
            f"{name}: {len(over)} of {len(layer.features)} have run out: {shown}",
            "they explain no case that is seen after their end",
            "Import the renewed list if they were renewed",
        )


def _tables(checkup: Checkup) -> Iterator[Finding]:
    path = checkup.config / "severity.csv"
    rows: list[dict[str, str]] = []
    if path.exists():
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    if not rows or any(r.get("verified", "").lower() != "true" for r in rows):
        yield Finding(
            "tables",
            "the table of severity is not confirmed",
            "a severity that is given says verified: false",
            f"Let the office confirm {path}: grade, verified = true, confirmed_by, confirmed_on",
        )
    if not (checkup.config / "counties.csv").exists():
        yield Finding(
            "tables",
            "the table of counties is missing",
            "counties imported without names stay without names",
            f"Restore {checkup.config / 'counties.csv'}",
        )


@dataclass(frozen=True)
class _Opened:
    """A workflow that can be read."""

    path: Path
    workflow: Workflow | InspectWorkflow
    corridors: tuple[Corridor, ...]

    @property
    def group(self) -> str:
        return f"workflow {self.path.name}"


def _open(path: Path) -> _Opened | Finding:
    try:
        workflow = load_any(path)
        return _Opened(path, workflow, choose_corridors(workflow))
    except SiluanError as error:
        remedy = error.remedy or "Correct it"
        group = f"workflow {path.name}"
        return Finding(group, error.what, "it does not start", remedy, Weight.WRONG)


def _workflow(checkup: Checkup, one: _Opened) -> Iterator[Finding]:
    group, workflow = one.group, one.workflow
    yield from _ledger_and_disk(checkup, one)
    yield from _alerts(one)
    if isinstance(workflow, InspectWorkflow):
        yield from _flights(workflow, group)
        return
    yield from source_findings(workflow, one.corridors, group)
    yield from store_findings(one.path, workflow, one.corridors, group)
    # A history that was fetched makes a ledger and a store as well, but judges nothing.
    if not any((workflow.state / "store").glob("*/state")):
        held = any((workflow.state / "store").glob("*"))
        yield Finding(
            group,
            "its history was fetched, but it has never run" if held else "it has never run",
            "there are no cases and no water history",
            f"siluan run {one.path} --dry-run, then without --dry-run",
        )


def _alerts(one: _Opened) -> Iterator[Finding]:
    alerts = one.workflow.alerts
    if alerts is None:
        return
    if missing := missing_program(placed(alerts, one.path.resolve().parent)):
        yield Finding(
            one.group,
            f"the command of alerts is not there, or may not be run: {missing}",
            "nobody is told of a run that ends badly",
            "Correct alerts.command, or make the file executable (chmod +x)",
        )


def _flights(workflow: InspectWorkflow, group: str) -> Iterator[Finding]:
    """Name folders of flights that are not there; what lies in them is a run's to read."""
    for folder in workflow.flights:
        if not folder.is_dir():
            yield Finding(
                group,
                f"{folder} is no folder",
                "it does not start",
                "Name a folder of flights that siluan submit has taken in, or its catalogue",
                Weight.WRONG,
            )


def _ledger_and_disk(checkup: Checkup, one: _Opened) -> Iterator[Finding]:
    group, workflow = one.group, one.workflow
    try:
        if not isinstance(workflow, InspectWorkflow):  # pairs of flights are compared here
            check_cluster(workflow.cluster)
    except SiluanError as error:
        yield Finding(group, error.what, "no run starts", error.remedy, Weight.WRONG)
    try:
        if settle_place(workflow.ledger_place).url is None:
            refuse_network_share(workflow.state / "ledger.sqlite")
    except SiluanError as error:
        yield Finding(group, error.what, "the ledger is refused", error.remedy, Weight.WRONG)
    for folder in dict.fromkeys((_existing(workflow.state), _existing(workflow.out))):
        free = checkup.free_bytes(folder)
        if free < FREE_BYTES:
            yield Finding(
                group,
                f"only {free / 1e9:.1f} GB are free on the disk of {folder}",
                "a run may stop with a full disk; nothing half-written stays",
                "Free some space, or set state and out to another disk",
            )


def _existing(path: Path) -> Path:
    return next(p for p in (path, *path.parents) if p.exists())
