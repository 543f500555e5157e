"""Workflows and corridors: YAML and GeoJSON in, frozen checked objects out.

Configuration is inert: nothing here creates a folder, opens an image or asks a server. Each stage
keeps its options beside its functions; this module only composes them.
"""

from __future__ import annotations

import difflib
import hashlib
import json
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from pipeline.acquire.catalogues import resolve
from pipeline.acquire.disk.source import DiskSource
from pipeline.acquire.folder import FolderSource
from pipeline.acquire.stac import StacSource
from pipeline.adjudicate.calibration import Calibration
from pipeline.adjudicate.candidates import AdjudicateOptions
from pipeline.adjudicate.grading_tables import SEVERITY_COLUMNS, SUBTYPE_COLUMNS, grading_of
from pipeline.adjudicate.weighing import DryOptions
from pipeline.detect.afloat import AfloatOptions
from pipeline.detect.change_options import ChangeOptions
from pipeline.detect.dark import DarkOptions
from pipeline.detect.disturb_options import DisturbOptions
from pipeline.detect.farming import FarmingOptions
from pipeline.detect.image_change import PictureOptions
from pipeline.detect.kinds import KindOptions
from pipeline.detect.normal import NormalOptions
from pipeline.detect.observe import ObserveOptions
from pipeline.detect.onward import OnwardOptions
from pipeline.detect.own_ground import OwnGroundOptions
from pipeline.detect.ramps import RampOptions
from pipeline.detect.resemble import ResembleOptions
from pipeline.detect.stock import StockOptions
from pipeline.detect.water import WaterOptions
from pipeline.detect.woods import WoodOptions
from pipeline.detect.zhan_options import ZhanOptions
from pipeline.errors import ConfigurationError
from pipeline.evidence.options import EvidenceOptions
from pipeline.io.cluster_options import ClusterOptions
from pipeline.io.corridors import load_corridors
from pipeline.io.rows import read_rows
from pipeline.io.settings import NAME, load_model
from pipeline.io.timed import TIMED, TimedWorkflow
from pipeline.io.vault import alike
from pipeline.ledger.address import LedgerPlace, LedgerUrl
from pipeline.ledger.proposing import ProposeOptions
from pipeline.model import Corridor
from pipeline.prepare.options import PrepareOptions

_STRICT = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Period(BaseModel):
    """Which looks a run judges; days are whole days in ``zone``."""

    model_config = _STRICT

    start: date = Field(alias="from", description="first day of the history that is read")
    patrol_from: date | None = Field(
        default=None, description="first day whose looks may open a case; default: from"
    )
    end: date = Field(alias="to", description="last day, included")
    zone: str = Field(default="Asia/Shanghai", description="IANA time zone of the three days")

    @field_validator("zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"no time zone is called '{value}' (try Asia/Shanghai)") from error
        return value

    @model_validator(mode="after")
    def _ordered(self) -> Period:
        if self.end < self.start:
            raise ValueError(f"the period ends ({self.end}) before it begins ({self.start})")
        if self.patrol_from is not None and not self.start <= self.patrol_from <= self.end:
            raise ValueError("patrol_from lies outside the period")
        return self

    def _midnight(self, day: date) -> datetime:
        return datetime.combine(day, time(), ZoneInfo(self.zone)).astimezone(UTC)

    @property
    def span(self) -> tuple[datetime, datetime]:
        """First instant and last second, UTC."""
        last = self._midnight(self.end + timedelta(days=1)) - timedelta(seconds=1)
        return self._midnight(self.start), last

    @property
    def patrol_start(self) -> datetime:
        """First instant whose looks may open a case, UTC."""
        return self._midnight(self.patrol_from or self.start)


class CorridorChoice(BaseModel):
    """Which corridors a workflow runs over."""

    model_config = _STRICT

    file: Path = Field(description="GeoJSON of corridors, relative to the workflow")
    ids: tuple[str, ...] | None = Field(default=None, description="default: all of the file")


class StoreOptions(BaseModel):
    """How looks are kept on disk."""

    model_config = _STRICT

    tile_px: int = Field(default=512, ge=64, le=4096, multiple_of=64, description="tile side [px]")
    context_m: float = Field(
        default=300.0, ge=0, le=5000, description="ground kept around a corridor [m]"
    )
    workers: int = Field(default=2, ge=1, le=64, description="threads; 1 is a plain loop")
    io_threads: int = Field(
        default=8, ge=1, le=256, description="scenes read at once: reading waits more than it works"
    )
    limit_gb: float | None = Field(
        default=None,
        gt=0,
        description="most that all stores of the state folder hold [GB]; what was used longest ago "
        "goes, and is read again when it is asked for; default: no limit",
    )


class EpochOptions(BaseModel):
    """Which looks are the history of a look."""

    model_config = _STRICT

    history_years: float = Field(
        default=3.0, gt=0, le=20, description="length of the history [years]"
    )
    min_history: int = Field(
        default=2, ge=2, le=50, description="looks without which nothing is judged"
    )


class GroundOptions(BaseModel):
    """Everything about changed ground."""

    model_config = _STRICT

    normal: NormalOptions = NormalOptions()
    change: ChangeOptions = ChangeOptions()
    disturb: DisturbOptions = DisturbOptions()
    resemble: ResembleOptions = ResembleOptions()
    kinds: KindOptions = KindOptions()
    stock: StockOptions = StockOptions()
    dark: DarkOptions = DarkOptions()
    woods: WoodOptions = WoodOptions()
    dry: DryOptions = DryOptions()
    ramps: RampOptions = RampOptions()
    afloat: AfloatOptions = AfloatOptions()
    onward: OnwardOptions = OnwardOptions()
    own_ground: OwnGroundOptions = OwnGroundOptions()
    farming: FarmingOptions = FarmingOptions()
    flooded_fields: float = Field(
        default=0.2,
        gt=0,
        le=1,
        description="share of squares with flooded fields from which new ponds are not certain",
    )
    flooded_square: float = Field(
        default=0.01, gt=0, le=1, description="share of a square's cropland that makes it flooded"
    )


class DetectOptions(BaseModel):
    """Water, level, 乱占, and changed ground (乱采, 乱堆, 乱建)."""

    model_config = _STRICT

    epoch: EpochOptions = EpochOptions()
    water: WaterOptions = WaterOptions()
    zhan: ZhanOptions = ZhanOptions()
    ground: GroundOptions = GroundOptions()
    observe: ObserveOptions = ObserveOptions()
    pictures: PictureOptions = PictureOptions()


class ReportOptions(BaseModel):
    """What the run says of places that nobody could see."""

    model_config = _STRICT

    unseen_days: int = Field(
        default=30, ge=1, description="a reach without a clear look for so long is reported [d]"
    )
    clear_share: float = Field(
        default=0.5, gt=0, le=1, description="clear share of a reach that makes a look"
    )


class Options(BaseModel):
    """Everything that can be tuned, by stage."""

    model_config = _STRICT

    store: StoreOptions = StoreOptions()
    prepare: PrepareOptions = PrepareOptions()
    detect: DetectOptions = DetectOptions()
    adjudicate: AdjudicateOptions = AdjudicateOptions()
    propose: ProposeOptions = ProposeOptions()
    report: ReportOptions = ReportOptions()
    evidence: EvidenceOptions = EvidenceOptions()


Source = Annotated[StacSource | FolderSource | DiskSource, Field(discriminator="type")]


TABLES = ("subtypes", "severity")
"""Keys of a workflow that name the office's tables."""

_PLACES = (
    *("state", "ledger", "out", "sensors", "layers", "cluster", "catalogues", "confidence"),
    *("deliver", *TABLES),
)
_LEFT_OUT = {*_PLACES, *TIMED}


class Workflow(TimedWorkflow):
    """One file in ``workflows/``: what runs, where, from which sources, when."""

    model_config = _STRICT

    name: str = Field(pattern=NAME, description="names the outputs")
    kind: Literal["patrol"] = "patrol"
    corridors: CorridorChoice
    sources: tuple[Source, ...] = Field(min_length=1)
    period: Period
    state: Path = Field(description="ledger, store and caches, relative to the workflow")
    ledger: LedgerUrl | None = Field(
        default=None,
        description="postgresql://user@host:port/database, without a password; default: "
        "ledger.sqlite in the state folder, or where that folder says",
    )
    out: Path = Field(description="output folder, relative to the workflow")
    sensors: Path = Field(
        default=Path("../config/sensors"), description="folder of band tables, relative"
    )
    cluster: ClusterOptions = Field(
        default=ClusterOptions(address="threads"),
        description="where the sweeps run: threads, processes, tcp://host:8786, or a mapping",
    )
    layers: Path = Field(
        default=Path("../config/layers"), description="folder of imported layers, relative"
    )
    catalogues: Path = Field(
        default=Path("../config/catalogues"), description="folder of catalogue entries, relative"
    )
    confidence: Path = Field(
        default=Path("../config/confidence.yaml"),
        description="calibration of the confidence, relative; without the default file it stays "
        "uncalibrated, and says so",
    )
    subtypes: Path = Field(
        default=Path("../config/subtypes.csv"),
        description="table of sub-types, relative; without the default file none is suggested",
    )
    severity: Path = Field(
        default=Path("../config/severity.csv"),
        description="table of severity, relative; without the default file nothing is graded",
    )
    deliver: Path = Field(
        default=Path("../config/deliver.yaml"),
        description="the office file of the hand-over, relative; without the default file there "
        "is a feed and no receiver",
    )
    options: Options = Options()

    @property
    def ledger_place(self) -> LedgerPlace:
        """Where its cases are remembered."""
        return LedgerPlace(self.state / "ledger.sqlite", self.ledger)

    def config_hash(self) -> str:
        """SHA-256 of all that can change a result; where things lie and threads are left out."""
        content = self.model_dump(mode="json", by_alias=True, exclude=_LEFT_OUT)
        for name in ("workers", "io_threads", "tile_px", "limit_gb"):
            content["options"]["store"].pop(name)
        content["options"].pop("evidence")
        for source in content["sources"]:
            # Where a catalogue lies does not change what its scenes say: their own marks do.
            for name in ("url", "path", "catalogue", "access", "page_size", "retries", "supports"):
                source.pop(name, None)
            (source.get("dem") or {}).pop("path", None)
            for mosaic in source.get("mosaics", ()):
                (mosaic["dates"] or {}).pop("file", None)
        content["corridors"].pop("file")
        return hashlib.sha256(json.dumps(alike(content), sort_keys=True).encode()).hexdigest()


def load_workflow(path: Path) -> Workflow:
    """Read and check a workflow; its relative paths become absolute.

    Raises
    ------
    ConfigurationError
        Every offender named.
    """
    workflow = load_model(path, Workflow)
    base = path.resolve().parent
    catalogues = (base / workflow.catalogues).resolve()
    update: dict[str, Any] = {
        "catalogues": catalogues,
        "state": (base / workflow.state).resolve(),
        "out": (base / workflow.out).resolve(),
        "sensors": (base / workflow.sensors).resolve(),
        "layers": (base / workflow.layers).resolve(),
        "confidence": (base / workflow.confidence).resolve(),
        **{name: (base / getattr(workflow, name)).resolve() for name in TABLES},
        "deliver": (base / workflow.deliver).resolve(),
        "corridors": workflow.corridors.model_copy(
            update={"file": (base / workflow.corridors.file).resolve()}
        ),
        "sources": tuple(
            part.anchored(base)
            for source in workflow.sources
            for part in (resolve(source, catalogues) if source.type == "stac" else (source,))
        ),
    }
    read = _with_calibration(workflow.model_copy(update=update), workflow.model_fields_set)
    adjudicate = with_grading(
        read.options.adjudicate, (read.subtypes, read.severity), workflow.model_fields_set
    )
    options = read.options.model_copy(update={"adjudicate": adjudicate})
    return read.model_copy(update={"options": options})


def with_grading(
    adjudicate: AdjudicateOptions, tables: tuple[Path, Path], given: set[str]
) -> AdjudicateOptions:
    """Read the office's tables into the options, where they count for the hash.

    Parameters
    ----------
    tables : (Path, Path)
        Of sub-types and of severity, absolute.
    given : set of str
        Keys that the workflow names: a table that is named must be there.

    Raises
    ------
    ConfigurationError
        Every bad line of both tables named.
    """
    if adjudicate.grading is not None:
        return adjudicate
    rows = [
        read_rows(path, columns) if name in given or path.is_file() else []
        for path, name, columns in zip(
            tables, TABLES, (SUBTYPE_COLUMNS, SEVERITY_COLUMNS), strict=True
        )
    ]
    if not rows[0]:
        return adjudicate
    read = grading_of(rows[0], rows[1], (str(tables[0]), str(tables[1])))
    return adjudicate.model_copy(update={"grading": read})


def _with_calibration(workflow: Workflow, given: set[str]) -> Workflow:
    """Read the calibration into the options, where it counts for the hash; a named file must be."""
    named = "confidence" in given
    adjudicate = workflow.options.adjudicate
    if adjudicate.calibration is not None or not (named or workflow.confidence.is_file()):
        return workflow
    read = load_model(workflow.confidence, Calibration)
    adjudicate = adjudicate.model_copy(update={"calibration": read})
    options = workflow.options.model_copy(update={"adjudicate": adjudicate})
    return workflow.model_copy(update={"options": options})


class HasCorridors(Protocol):
    """A workflow of any kind."""

    @property
    def corridors(self) -> CorridorChoice:
        """Which it runs over, its file absolute."""
        ...


def choose_corridors(workflow: HasCorridors, only: tuple[str, ...] = ()) -> tuple[Corridor, ...]:
    """Load the workflow's corridors, or those of ``only``.

    Raises
    ------
    ConfigurationError
        An id that the file does not hold (all such ids named, with the nearest right one).
    """
    known = {c.id: c for c in load_corridors(workflow.corridors.file)}
    wanted = only or workflow.corridors.ids or tuple(known)
    unknown = [name for name in wanted if name not in known]
    if unknown:
        hints = [_hint(name, list(known)) for name in unknown]
        raise ConfigurationError(
            f"{workflow.corridors.file} holds no corridor {'; '.join(hints)}",
            f"Known ids: {', '.join(known)}",
        )
    return tuple(known[name] for name in dict.fromkeys(wanted))


def _hint(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"'{name}' (did you mean '{near[0]}'?)" if near else f"'{name}'"
