"""What a run leaves for people to look at."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class EvidenceOptions(BaseModel):
    """Pictures of every case, and the page to review them; no result depends on it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pictures: bool = Field(default=True, description="evidence/CASE_ID/REVISION of every case")
    review: bool = Field(default=True, description="review/index.html")
    language: Literal["zh", "en"] = Field(default="zh", description="of pictures and of the page")
    least_side_m: float = Field(
        default=640.0, ge=20, le=20_000, description="side of the ground shown, at least [m]"
    )
    most_side_m: float = Field(
        default=5_120.0,
        ge=100,
        le=50_000,
        description="and at most: of a longer case its middle is shown [m]",
    )
    clear_share: float = Field(
        default=0.98, gt=0, le=1, description="clear share of a picture that is good enough"
    )
