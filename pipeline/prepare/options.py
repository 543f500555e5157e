"""All options of this stage, composed."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from pipeline.prepare.mask import MaskOptions
from pipeline.prepare.quarantine import QuarantineOptions
from pipeline.prepare.radiometry import RadiometryOptions
from pipeline.prepare.reference import ReferenceOptions
from pipeline.prepare.register import RegisterOptions


class PrepareOptions(BaseModel):
    """All options of this stage."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reference: ReferenceOptions = ReferenceOptions()
    radiometry: RadiometryOptions = RadiometryOptions()
    mask: MaskOptions = MaskOptions()
    register_: RegisterOptions = Field(default=RegisterOptions(), alias="register")
    quarantine: QuarantineOptions = QuarantineOptions()
    least_clear: float = Field(
        default=0.02,
        ge=0,
        le=1,
        description="clear share of the corridor below which a date is no look",
    )
