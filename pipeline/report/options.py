"""What an office sets for its reports: ``config/report.yaml``."""

from __future__ import annotations

import csv
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from pipeline.errors import ConfigurationError
from pipeline.io.settings import load_model


class ReportSettings(BaseModel):
    """Names and approvals; nothing of it changes a count."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    office_zh: str = Field(
        default="", description="who issues the report, as it stands below the title"
    )
    map_approval: str | None = Field(
        default=None,
        min_length=3,
        description="审图号, which stands below the pictures; the public edition has none",
    )
    county_classes: dict[str, str] = Field(
        default_factory=dict, description="class of a county in the 4+1 assessment, by county code"
    )
    counties: Path = Field(
        default=Path("counties.csv"),
        description="codes and names of counties, relative to this file",
    )
    fonts: Path | None = Field(
        default=None, description="a folder of fonts for the PDF, relative to this file"
    )


def load_settings(path: Path, *, given: bool) -> ReportSettings:
    """Read the settings; where the default file is missing, the defaults, with paths made absolute.

    Parameters
    ----------
    given : bool
        Somebody named the file: then it must be there.

    Raises
    ------
    ConfigurationError
        It cannot be read, or a key is wrong.
    """
    found = load_model(path, ReportSettings) if given or path.is_file() else ReportSettings()
    base = path.resolve().parent
    fonts = None if found.fonts is None else (base / found.fonts).resolve()
    return found.model_copy(update={"counties": (base / found.counties).resolve(), "fonts": fonts})


def county_names(path: Path) -> dict[str, str]:
    """Read the names of counties by code, in the order of the file; none without the file.

    Raises
    ------
    ConfigurationError
        The file has not the columns code and name_zh.
    """
    if not path.is_file():
        return {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return {r["code"].strip(): r["name_zh"].strip() for r in csv.DictReader(file)}
    except (KeyError, AttributeError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigurationError(
            f"{path} is no list of counties", "It needs the columns code and name_zh, in UTF-8"
        ) from error
