"""The office file of the hand-over, ``config/deliver.yaml``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from pipeline.access import EnvName, without_secrets
from pipeline.errors import ConfigurationError
from pipeline.io.settings import load_model
from pipeline.ledger.status import IN_HAND, Reason
from pipeline.model import Kind, Status

_STRICT = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,40}$")]
Share = Annotated[float, Field(ge=0.5, le=1)]


class Meaning(BaseModel):
    """What a receiver's word does to a case; nothing is done that does not stand here."""

    model_config = _STRICT

    status: Status | None = Field(default=None, description="moves the case, along the table")
    reason: Reason | None = Field(default=None, description="where that move needs one")
    overdue: bool | None = Field(default=None, description="逾期, of a case in hand")
    on_account: bool | None = Field(default=None, description="挂账, of a case in hand")

    @model_validator(mode="after")
    def _possible(self) -> Meaning:
        if self.status in (Status.WATCH, Status.SUSPECTED):
            raise ValueError(f"no receiver makes a case {self.status}")
        if self.reason is not None and self.status is None:
            raise ValueError("a reason without a status says nothing")
        if self.reason is Reason.OTHER:
            raise ValueError("the reason 'other' needs a note, and a table has none")
        flags = self.overdue is not None or self.on_account is not None
        if flags and self.status not in (None, *IN_HAND):
            raise ValueError(f"a case that is {self.status} is neither overdue nor on account")
        return self


PLAIN_WORDS: Mapping[str, Meaning] = {
    "未处理": Meaning(),
    "处理中": Meaning(),
    "已处理": Meaning(),
    "逾期": Meaning(overdue=True),
    "驳回": Meaning(),
}
"""Words that are noted beside a case; only 逾期 does more."""


class AnswerOptions(BaseModel):
    """How a receiver answers."""

    model_config = _STRICT

    inbox: Path | None = Field(default=None, description="folder for its CSV and JSON; relative")
    settle_s: float = Field(
        default=60, ge=0, le=86400, description="a file younger than this may still be written [s]"
    )
    fetch: bool = Field(default=False, description="ask GET url/answers")
    columns: Mapping[str, str] = Field(
        default_factory=dict[str, str], description="its name of a column: ours"
    )
    words: Mapping[str, Meaning] = Field(
        default=PLAIN_WORDS, description="its word for a status: what that does to a case"
    )

    @field_validator("columns")
    @classmethod
    def _ours(cls, value: Mapping[str, str]) -> Mapping[str, str]:
        unknown = sorted(set(value.values()) - set(COLUMNS))
        if unknown:
            raise ValueError(f"{', '.join(unknown)} is none of {', '.join(COLUMNS)}")
        return value


COLUMNS = ("case_id", "revision", "external_id", "status", "unit", "due", "on")
"""What an answer may say."""


class ReceiverOptions(BaseModel):
    """One system that receives cases: by HTTP, or by reading the feed."""

    model_config = _STRICT

    name: Name = Field(description="names it in the ledger and in the outbox; never change it")
    url: str | None = Field(
        default=None,
        description="https:// address above /cases, /chips and /answers; without it the receiver "
        "reads the feed, and may answer by files",
    )
    secret_env: EnvName | None = Field(
        default=None, description="variable with the secret that signs; never the secret"
    )
    timeout_s: float = Field(default=30, gt=0, le=600, description="of one request, all in all [s]")
    tries: int = Field(default=3, ge=1, le=10, description="of one delivery, by one command")
    pause_s: float = Field(
        default=1, ge=0, le=60, description="before the second try, then doubled"
    )
    wait_s: float = Field(
        default=60, ge=0, le=86400, description="before the next command tries again, then doubled"
    )
    wait_most_s: float = Field(default=3600, ge=0, le=86400, description="the most of that")
    give_up: int = Field(
        default=5, ge=1, le=100, description="deliveries without an answer, one after another"
    )
    pages: Literal["doubted", "taken"] = Field(
        default="doubted",
        description="what a web page with 2xx means: taken, where the receiver says ok by one; "
        "else it may be the log-in of a portal",
    )
    ca_file: Path | None = Field(default=None, description="the office's own authority; relative")
    answers: AnswerOptions = AnswerOptions()

    @field_validator("url")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(without_secrets(value))
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("an address begins with https:// (or http://, inside the office)")
        if parts.fragment:
            raise ValueError("an address of a receiver has no #")
        return value.rstrip("/")

    @model_validator(mode="after")
    def _whole(self) -> ReceiverOptions:
        if (self.url is None) != (self.secret_env is None):
            raise ValueError("url and secret_env go together: what is sent is signed")
        if self.answers.fetch and self.url is None:
            raise ValueError("answers.fetch needs a url")
        return self


class BrakeOptions(BaseModel):
    """When more would leave the office than a person can have meant."""

    model_config = _STRICT

    factor: float = Field(default=5, ge=1, le=1000, description="times the median of recent ones")
    floor: int = Field(default=20, ge=0, description="so many pass always")
    recent: int = Field(default=10, ge=1, le=100, description="how many are recent")


class DeliverOptions(BaseModel):
    """All of ``config/deliver.yaml``."""

    model_config = _STRICT

    office: str = Field(
        default="ZZ", pattern=r"^[A-Za-z0-9]{1,12}$", description="first part of our case ids"
    )
    feed: Path | None = Field(
        default=None, description="folder of the feed, relative; default: STATE/feed"
    )
    page: int = Field(default=250, ge=1, le=5000, description="cases in one number of the feed")
    evidence: Path | None = Field(
        default=None, description="output folder with evidence, relative; default: the workflow's"
    )
    brake: BrakeOptions = BrakeOptions()
    automatic: Mapping[str, Mapping[Kind, Share]] = Field(
        default_factory=dict[str, Mapping[Kind, Share]],
        description="workflow: kind: calibrated confidence from which imagery issues by itself",
    )
    receivers: tuple[ReceiverOptions, ...] = ()

    @model_validator(mode="after")
    def _named_once(self) -> DeliverOptions:
        names = [r.name for r in self.receivers]
        twice = sorted({n for n in names if names.count(n) > 1})
        if twice:
            raise ValueError(f"receivers called {', '.join(twice)} more than once")
        return self


def load_options(path: Path, *, named: bool) -> DeliverOptions:
    """Read the office file; relative paths become absolute. Without one: a feed, no receiver.

    Parameters
    ----------
    named : bool
        Somebody said that it is there.

    Raises
    ------
    ConfigurationError
        Every bad value named; a named file that is not there.
    """
    if not named and not path.is_file():
        return DeliverOptions()
    read = load_model(path, DeliverOptions)
    base = path.resolve().parent

    def absolute(place: Path | None) -> Path | None:
        return None if place is None else (base / place).resolve()

    receivers: list[ReceiverOptions] = []
    for one in read.receivers:
        answers = one.answers.model_copy(update={"inbox": absolute(one.answers.inbox)})
        update: dict[str, Any] = {"ca_file": absolute(one.ca_file), "answers": answers}
        receivers.append(one.model_copy(update=update))
        if one.ca_file is not None and not (base / one.ca_file).is_file():
            raise ConfigurationError(
                f"{path}: receivers.{one.name}.ca_file {one.ca_file} does not exist",
                "Name the file of the office's authority (PEM), or leave it out",
            )
    places = {"feed": absolute(read.feed), "evidence": absolute(read.evidence)}
    return read.model_copy(update={**places, "receivers": tuple(receivers)})
