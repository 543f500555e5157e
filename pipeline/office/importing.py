"""``siluan layers import``: from a file as it came to a layer of the office."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import shapely
from shapely.geometry.base import BaseGeometry

from pipeline.errors import ConfigurationError, ExitCode
from pipeline.io.control_points import COLUMNS, read_control_points
from pipeline.io.datum import Datum, unshift
from pipeline.io.layers import (
    LayerFeature,
    SourceRecord,
)
from pipeline.io.vector import RawLayer, read_vector, sha256_of
from pipeline.office.evidence import references
from pipeline.office.keeping import Leaving, check_keys, keep_source, leaving
from pipeline.office.kinds import KINDS, KindSpec, LayerKind
from pipeline.office.mapping import Rows, choose_columns, fill_fields
from pipeline.office.memory import Answers, recall, remember
from pipeline.office.meridian import check_meridian, reach_of
from pipeline.office.placing import Suspect, judge_position
from pipeline.office.reference import Stated, resolve_crs, to_layer_crs
from pipeline.office.repair import Cleaned, Said, clean
from pipeline.office.telling import left_lines, shortened, story


@dataclass(frozen=True)
class ImportRequest:
    """What the command asked for; what is not given is remembered or found."""

    file: Path
    kind: LayerKind
    config: Path = Path("config")
    datum: Datum | None = None
    crs: str | None = None
    encoding: str | None = None
    fields: Mapping[str, str] = field(default_factory=dict[str, str])
    layer: str | None = None
    swap_xy: bool = False
    source: str | None = None
    water: tuple[Path, ...] = ()
    reference: Path | None = None
    accept_offset: str | None = None

    @property
    def name(self) -> str:
        """Name of the part that this import makes or replaces."""
        return self.source or self.file.stem

    @property
    def folder(self) -> Path:
        """Where layers are kept."""
        return self.config / "layers"


@dataclass(frozen=True)
class ImportReport:
    """What an import did, line by line, for the person who ran it."""

    lines: tuple[str, ...]
    changed: bool
    code: ExitCode


@dataclass(frozen=True)
class _Read:
    """A file with the answers that made it readable."""

    raw: RawLayer
    columns: dict[str, str]
    answers: Answers
    datum: Datum
    lines: tuple[str, ...]
    before: str | None  # folder that this part came from at the last import


def import_layer(request: ImportRequest) -> ImportReport:
    """Import a file; nothing is written unless all of it can be used or is named.

    Raises
    ------
    ConfigurationError
        One sentence with the remedy; every offender named.
    """
    check_office(request.config)
    spec = KINDS[request.kind]
    read = _read(request, spec)
    shapes, crs_name = _located(request, read)
    labels = _labels(read)
    placed = [None if g is None else unshift(g, read.datum) for g in shapes]
    cleaned = clean(placed, labels, _said(read), areal=spec.areal)
    if not cleaned.kept:
        raise ConfigurationError(
            f"{request.file} holds nothing that can be used: "
            f"{'; '.join(cleaned.set_aside) or 'it has no features'}",
            "Check that it is the right file",
        )
    rows = _rows(request, spec, read, cleaned)
    check_keys(request.folder, spec, request.name, rows)
    features = [
        LayerFeature(g, request.name, row) for g, row in zip(cleaned.geometries, rows, strict=True)
    ]
    left = leaving(request.folder, spec, request.name, features)
    _check_part(request, read, left)
    kept = [g for i in cleaned.kept if (g := shapes[i]) is not None]
    known = references(request.config, spec, request.name, request.water, request.reference)
    suspect = Suspect(request.file, read.datum, _words(request, read.raw))
    position = judge_position(suspect, kept, known, request.accept_offset)
    record = SourceRecord(
        source=request.name,
        file=request.file.name,
        sha256=sha256_of(request.file),
        datum=read.datum.value,
        crs=crs_name,
        encoding=read.raw.encoding,
        layer=read.raw.layer,
        mapping=read.columns,
        imported_on=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        features=len(rows),
        repaired=cleaned.repaired,
        set_aside=cleaned.set_aside,
        position=position,
        revision=1,
    )
    changed, revision = keep_source(request.folder, spec, record, features)
    remember(request.folder, request.kind.value, request.name, read.answers)
    gone = left_lines(request.name, left)
    lines = [
        *read.lines,
        *read.raw.notes,
        *gone,
        *story(request.config, spec, cleaned, rows, labels),
    ]
    done = f"{len(rows)} features as {request.kind.value} ({spec.zh})"
    state = f"revision {revision}" if changed else f"unchanged, revision {revision}"
    lines.append(f"imported {done} from {request.file.name}, {state}")
    lines.append(f"position: {position.position} ({position.detail})")
    code = ExitCode.SET_ASIDE if cleaned.set_aside else ExitCode.DONE
    return ImportReport(tuple(lines), changed, code)


def check_office(config: Path) -> None:
    """Refuse an office's folder that does not exist: its name is a slip, and nothing reads it.

    Raises
    ------
    ConfigurationError
        It is none.
    """
    if not config.is_dir():
        raise ConfigurationError(
            f"{config} is no folder",
            "Give the office's folder with --config, or make it first",
        )


def _read(request: ImportRequest, spec: KindSpec) -> _Read:
    """Read the file with what was given now and what was told before."""
    if not request.file.exists():
        raise ConfigurationError(f"{request.file} does not exist", "Check the path")
    memory = recall(request.folder, request.kind.value)
    own = memory.sources.get(request.name)
    lines: list[str] = []
    datum = request.datum or (own.datum if own else None)
    if datum is None:
        raise ConfigurationError(
            f"{request.file} was given without a datum",
            "Add --datum cgcs2000, wgs84, gcj02 or bd09: whoever drew it knows; web maps "
            "(高德, 腾讯) are gcj02, 百度 is bd09",
        )
    told = own or Answers(datum=datum)
    encoding = request.encoding or told.encoding
    layer = request.layer or told.layer
    given = {**told.fields, **request.fields}
    if request.file.suffix.lower() == ".csv":
        raw = read_control_points(request.file, given, encoding)
    else:
        raw = read_vector(request.file, layer, encoding)
    alike = None if own else memory.alike(list(raw.columns))
    before = alike[1].fields if alike else told.fields
    # A remembered column that this file no longer has is not what it was told to be.
    known = {f: c for f, c in before.items() if c in raw.columns or f in COLUMNS}
    given = {**known, **request.fields}
    if alike:
        lines.append(f"fields as remembered from {alike[0]}, which has the same columns")
    elif own and not request.fields:
        lines.append(f"datum, encoding and fields as remembered from the last {request.name}")
    columns = choose_columns(spec, list(raw.columns), given, request.file)
    answers = Answers(
        datum=datum,
        crs=request.crs or told.crs,
        encoding=encoding,
        layer=layer,
        swap_xy=request.swap_xy or told.swap_xy,
        fields={**{r: c for r, c in given.items() if r not in columns}, **columns},
        columns=tuple(raw.columns),
        folder=str(request.file.resolve().parent),
    )
    return _Read(raw, columns, answers, datum, tuple(lines), own.folder if own else None)


def _check_part(request: ImportRequest, read: _Read, left: Leaving | None) -> None:
    """Refuse what shares no ground with the part it would replace, and came from another folder.

    Offices get many files called 许可.shp; the file of one county is not to push out another's.
    Names tell nothing: works and permits are numbered from 1 in each.
    """
    elsewhere = read.before is not None and read.before != read.answers.folder
    if request.source is None and elsewhere and left is not None and left.whole:
        raise ConfigurationError(
            f"{request.file} has the name of a part that came from {read.before} "
            f"({shortened((*left.names, *left.moved))}), and holds nothing where that lies",
            f"Add --source {request.name} to replace that part, or --source with another name, "
            f"such as {request.name}-{request.file.resolve().parent.name}, to keep both",
        )


def _located(request: ImportRequest, read: _Read) -> tuple[list[BaseGeometry | None], str]:
    """Give lon/lat with the declared shift still in it, and the name of the CRS."""
    found = list(read.raw.geometries)
    if read.answers.swap_xy:
        found = [None if g is None else _swapped(g) for g in found]
    stated = Stated(
        request.file,
        read.datum,
        read.raw.crs,
        read.raw.crs_stated,
        read.answers.crs,
        read.answers.swap_xy,
    )
    drawn = [g for g in found if g is not None and not g.is_empty]
    crs = resolve_crs(stated, drawn)
    reach = reach_of(request.config) if KINDS[request.kind].near_water else None
    if reach is not None:
        check_meridian(stated, crs, drawn, reach)
    authority = crs.to_authority(min_confidence=50)
    name = f"{authority[0]}:{authority[1]}" if authority else crs.name
    return [None if g is None else to_layer_crs(g, crs, Datum.CGCS2000) for g in found], name


def _swapped(geometry: BaseGeometry) -> BaseGeometry:
    return shapely.transform(geometry, lambda xy: xy[:, ::-1])


def _labels(read: _Read) -> list[str]:
    """Give how each feature is called in a report."""
    column = next((read.columns[n] for n in ("name", "id", "code") if n in read.columns), None)
    names = read.raw.columns[column] if column else [None] * len(read.raw.geometries)
    return [f"feature {i} ({n})" if n else f"feature {i}" for i, n in enumerate(names, 1)]


def _said(read: _Read) -> list[Said]:
    """Give what each feature says in the fields that are read."""
    values = [read.raw.columns[c] for c in read.columns.values()]
    return [tuple(v[i] for v in values) for i in range(len(read.raw.geometries))]


def _rows(request: ImportRequest, spec: KindSpec, read: _Read, cleaned: Cleaned) -> Rows:
    count = len(read.raw.geometries)
    wanted = set(cleaned.kept)
    # What is set aside need not be complete; numbers stay those of the file.
    columns = {
        name: [v if i in wanted else None for i, v in enumerate(values)]
        for name, values in read.raw.columns.items()
    }
    rows = fill_fields(spec, columns, read.columns, (count, wanted), request.file)
    kept = [rows[i] for i in cleaned.kept]
    return _with_county_names(request.config, kept) if spec.kind is LayerKind.COUNTIES else kept


def _with_county_names(config: Path, rows: Rows) -> Rows:
    """Fill names that the file lacks from the office's table of counties."""
    path = config / "counties.csv"
    if not path.exists():
        return rows
    with path.open(encoding="utf-8-sig", newline="") as file:
        names = {r["code"]: r["name_zh"] for r in csv.DictReader(file)}
    return [{**r, "name": r["name"] or names.get(str(r["code"]))} for r in rows]


def _words(request: ImportRequest, raw: RawLayer) -> tuple[str, ...]:
    """Give what a file says of itself in words, among which a web map may be named."""
    texts = [v for values in raw.columns.values() for v in set(values[:1000]) if v]
    return (request.file.stem, raw.layer, *sorted(texts))
