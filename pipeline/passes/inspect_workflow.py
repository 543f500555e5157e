"""The file of a workflow that compares drone flights."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from pipeline.adjudicate.calibration import Calibration
from pipeline.adjudicate.candidates import AdjudicateOptions
from pipeline.config import TABLES, CorridorChoice, with_grading
from pipeline.detect.surface_single import SingleOptions
from pipeline.evidence.options import EvidenceOptions
from pipeline.io.settings import NAME, load_model
from pipeline.io.timed import TIMED, TimedWorkflow
from pipeline.ledger.address import LedgerPlace, LedgerUrl
from pipeline.ledger.match import MatchOptions
from pipeline.passes.flight_windows import FlightOptions
from pipeline.prepare.flight_register import PictureRegisterOptions

_STRICT = ConfigDict(frozen=True, extra="forbid")
_PLACES = (
    *("state", "ledger", "out", "layers", "confidence", "deliver", "flights"),
    *(*TABLES, *TIMED),
)


class PairingOptions(BaseModel):
    """Which flights are a pair, and on which pixels they are compared."""

    model_config = _STRICT

    least_overlap: float = Field(
        default=0.1,
        gt=0,
        le=1,
        description="share of the smaller ground of two flights that a pair must add: a seam is "
        "not worth the comparison of all that the two share",
    )
    finest_m: float = Field(default=0.05, gt=0, le=1, description="no finer pixels are read [m]")
    coarsest_m: float = Field(
        default=0.25, gt=0, le=1, description="coarser mosaics are not compared [m]"
    )


class InspectOptions(BaseModel):
    """Everything that can be tuned, by stage."""

    model_config = _STRICT

    pairing: PairingOptions = PairingOptions()
    register_pictures: PictureRegisterOptions = PictureRegisterOptions()
    compare: FlightOptions = FlightOptions()
    single: SingleOptions = SingleOptions()
    match: MatchOptions = MatchOptions()
    adjudicate: AdjudicateOptions = AdjudicateOptions()
    evidence: EvidenceOptions = EvidenceOptions()


class InspectWorkflow(TimedWorkflow):
    """One file in ``workflows/`` of kind ``inspect``: which flights, over which corridors."""

    model_config = _STRICT

    name: str = Field(pattern=NAME, description="names the outputs")
    kind: Literal["inspect"]
    corridors: CorridorChoice
    flights: tuple[Path, ...] = Field(
        min_length=1,
        description="folders of accepted flights, or catalogues of them, relative to the workflow",
    )
    state: Path = Field(description="the patrol's, so that both see the same cases; relative")
    ledger: LedgerUrl | None = Field(default=None, description="the patrol's, if that names one")
    out: Path = Field(description="output folder, relative to the workflow")
    layers: Path = Field(
        default=Path("../config/layers"), description="folder of imported layers, relative"
    )
    confidence: Path = Field(
        default=Path("../config/confidence.yaml"),
        description="calibration of the confidence, relative; it speaks of satellites' cases only",
    )
    subtypes: Path = Field(
        default=Path("../config/subtypes.csv"), description="table of sub-types, relative"
    )
    severity: Path = Field(
        default=Path("../config/severity.csv"), description="table of severity, relative"
    )
    deliver: Path = Field(
        default=Path("../config/deliver.yaml"),
        description="the office file of the hand-over, relative",
    )
    options: InspectOptions = InspectOptions()

    @property
    def ledger_place(self) -> LedgerPlace:
        """Where its cases are remembered."""
        return LedgerPlace(self.state / "ledger.sqlite", self.ledger)

    def config_hash(self) -> str:
        """SHA-256 of all that can change a result; where things lie and threads are left out."""
        content = self.model_dump(mode="json", exclude=set(_PLACES))
        content["options"]["compare"].pop("threads")
        content["options"].pop("evidence")
        content["corridors"].pop("file")
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def load_inspection(path: Path) -> InspectWorkflow:
    """Read and check a workflow of kind ``inspect``; its relative paths become absolute.

    Raises
    ------
    ConfigurationError
        Every offender named.
    """
    workflow = load_model(path, InspectWorkflow)
    base = path.resolve().parent
    named = "confidence" in workflow.model_fields_set
    read = workflow.model_copy(
        update={
            **{n: (base / getattr(workflow, n)).resolve() for n in ("state", "out", "layers")},
            "confidence": (base / workflow.confidence).resolve(),
            **{n: (base / getattr(workflow, n)).resolve() for n in TABLES},
            "deliver": (base / workflow.deliver).resolve(),
            "flights": tuple((base / f).resolve() for f in workflow.flights),
            "corridors": workflow.corridors.model_copy(
                update={"file": (base / workflow.corridors.file).resolve()}
            ),
        }
    )
    tables = (read.subtypes, read.severity)
    adjudicate = with_grading(read.options.adjudicate, tables, workflow.model_fields_set)
    if adjudicate.calibration is None and (named or read.confidence.is_file()):
        calibration = load_model(read.confidence, Calibration)
        adjudicate = adjudicate.model_copy(update={"calibration": calibration})
    options = read.options.model_copy(update={"adjudicate": adjudicate})
    return read.model_copy(update={"options": options})
