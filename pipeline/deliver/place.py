"""Where a hand-over takes place: the ledger, the feed, the outbox, and what a workflow knows."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from pipeline.adjudicate.calibration import Calibration
from pipeline.cases.where import require_ledger
from pipeline.deliver.automatic import Rules
from pipeline.deliver.features import Dressing
from pipeline.deliver.options import DeliverOptions, load_options
from pipeline.deliver.outbox import Outbox
from pipeline.deliver.planning import Maker
from pipeline.errors import ConfigurationError, LedgerHeldError
from pipeline.io.settings import kind_of, load_model
from pipeline.ledger import LedgerPlace
from pipeline.ledger.lock import hold
from pipeline.model import Corridor


@dataclass(frozen=True)
class Place:
    """Where a hand-over takes place."""

    ledger: LedgerPlace
    feed: Path
    options: DeliverOptions
    maker: Maker
    rules: Rules | None = None  # of automatic issue

    @property
    def outbox(self) -> Path:
        """The outbox of this state."""
        return self.ledger.file.parent / "outbox" / "outbox.sqlite"


@dataclass(frozen=True)
class _Known:
    """What a workflow adds to the state folder."""

    state: Path
    settings: Path  # the office file
    named: bool  # somebody wrote its name
    ledger: LedgerPlace | None = None  # as the workflow names it
    out: Path | None = None
    name: str | None = None
    corridors: tuple[Corridor, ...] = ()
    calibration: Calibration | None = None
    sensors: Path | None = None


class _Named(BaseModel):
    """What a workflow itself names; once its paths are absolute all of them seem to be."""

    model_config = ConfigDict(extra="ignore")

    deliver: Path | None = None


def find_place(workflow: Path | None, state: Path | None, settings: Path | None) -> Place:
    """Give the place of a hand-over.

    Parameters
    ----------
    settings : Path, optional
        The office file; default: the workflow's. With the state folder alone and no file there is
        a feed and no receiver.

    Raises
    ------
    ConfigurationError
        Neither or both of workflow and state are given; a value is wrong (each is named); no run
        has made the ledger yet.
    """
    if (workflow is None) == (state is None):
        raise ConfigurationError(
            "which ledger is meant is not said", "Give --workflow FILE or --state DIR, one of them"
        )
    known = _of_workflow(workflow) if workflow else _Known(Path(state or "."), Path(), named=False)
    if settings is not None:
        options = load_options(settings, named=True)
    elif workflow is not None:
        options = load_options(known.settings, named=known.named)
    else:
        options = DeliverOptions()
    ledger = require_ledger(known.ledger or LedgerPlace(known.state / "ledger.sqlite"))
    feed = options.feed or known.state / "feed"
    dressing = Dressing(
        {c.id: c.name_zh for c in known.corridors}, known.calibration, known.sensors
    )
    maker = Maker(feed, options.evidence or known.out, dressing, options.page)
    return Place(ledger, feed, options, maker, _rules(options, known))


@contextmanager
def open_outbox(place: Place) -> Generator[Outbox]:
    """Open the outbox, and hold it against other hand-overs.

    Raises
    ------
    LedgerHeldError
        Another hand-over of this state is at work.
    ConfigurationError
        The file is no outbox.
    """
    with ExitStack() as stack:
        try:
            stack.enter_context(hold(place.outbox))
        except LedgerHeldError as error:
            raise LedgerHeldError(
                f"another siluan deliver is at work on {place.outbox.parent}", "Wait until it ends"
            ) from error
        outbox = stack.enter_context(closing(Outbox(place.outbox)))
        outbox.set_up()
        yield outbox


def _of_workflow(path: Path) -> _Known:
    from pipeline.config import (  # noqa: PLC0415 - half the time of a command with --state
        choose_corridors,
        load_workflow,
    )
    from pipeline.passes.inspect_workflow import load_inspection  # noqa: PLC0415
    from pipeline.passes.recheck_workflow import load_recheck  # noqa: PLC0415

    sensors: Path | None = None
    kind = kind_of(path)
    if kind == "recheck":  # its cases are the patrol's
        path = load_recheck(path)[0].patrol
    if kind == "inspect":
        workflow = load_inspection(path)
    else:
        workflow = load_workflow(path)
        sensors = workflow.sensors
    return _Known(
        state=workflow.state,
        settings=workflow.deliver,
        named=load_model(path, _Named).deliver is not None,
        ledger=workflow.ledger_place,
        out=workflow.out,
        name=workflow.name,
        corridors=choose_corridors(workflow),
        calibration=workflow.options.adjudicate.calibration,
        sensors=sensors,
    )


def _rules(options: DeliverOptions, known: _Known) -> Rules | None:
    least = options.automatic.get(known.name or "")
    if not least:
        return None
    return Rules(known.name or "", {c.id for c in known.corridors}, least, known.calibration)
