"""Making a report: ledger and folders of runs in, files out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from pipeline.config import ReportOptions, Workflow, choose_corridors
from pipeline.errors import ConfigurationError, ExitCode
from pipeline.io.atomic import write_bytes
from pipeline.ledger import LedgerPlace, LedgerStore, open_ledger
from pipeline.model import Case, office_day
from pipeline.passes.any_workflow import load_any
from pipeline.report.book import Standing, count_at, facts_of, standing_cases
from pipeline.report.document import Basis, Document, write_document
from pipeline.report.forms import Form, FormError, forms_of
from pipeline.report.frozen import Frozen, Mark, check_frozen, marks_of, read_frozen, write_frozen
from pipeline.report.observed import Seen, tally
from pipeline.report.options import ReportSettings, county_names, load_settings
from pipeline.report.period import ReportPeriod, read_period
from pipeline.report.runs import IMAGE, OVERVIEW, looks_of, picture_of, run_folders, stretches_of
from pipeline.report.tables import Names
from pipeline.report.words import NO_COUNTY
from pipeline.report.worst import Worst, most_serious, shown, small_picture

if TYPE_CHECKING:
    from pipeline.passes.inspect_workflow import InspectWorkflow

    AnyWorkflow: TypeAlias = Workflow | InspectWorkflow


@dataclass(frozen=True)
class ReportRequest:
    """What the command was given; exactly one of ``workflow`` and ``state``."""

    ledger: LedgerPlace
    period: str
    workflow: Path | None = None
    counties: tuple[str, ...] = ()  # codes or names
    out: Path | None = None
    public: bool = False
    forms: tuple[str, ...] = ("docx", "pdf", "xlsx")
    template: Path | None = None
    settings: Path | None = None
    now: datetime | None = None  # aware; None: the clock


@dataclass(frozen=True)
class Made:
    """What a report left, and how it ends."""

    lines: tuple[str, ...]
    code: ExitCode
    files: tuple[Path, ...] = ()


def make_report(request: ReportRequest) -> Made:
    """Make the report of a period; the first one of a finished period freezes it.

    Raises
    ------
    ConfigurationError
        The period, a county, the template or the settings are wrong; nothing was written.
    """
    today = office_day(request.now or datetime.now(UTC))
    period = read_period(request.period)
    if period.first > today:
        raise ConfigurationError(f"{period.zh} has not begun yet", "Choose an earlier period")
    settings_path, workflow = _places(request)
    settings = load_settings(settings_path, given=request.settings is not None)
    forms = forms_of(request.forms, request.template, settings.fonts)
    _target_folder(request, workflow)
    state = request.ledger.file.parent
    folders = run_folders([workflow.out] if workflow else [])
    before = period.before()
    with open_ledger(request.ledger, writing=False) as ledger:
        kept, old = read_frozen(state, period.name), read_frozen(state, before.name)
        marks = marks_of(ledger, {f.events for f in (kept, old) if f})
        for found in (f for f in (kept, old) if f):
            check_frozen(state, found, marks)
        now = marks[-1]
        names, only = _asked(settings, workflow, ledger, request.counties)
        # What may be refused is asked before the period is frozen.
        frozen, seen = _freeze(state, period, (kept, now), workflow, today)
        mark = marks.get(frozen.events, now) if frozen else now
        # Each mark is counted once, for all periods that are asked of it.
        asked = {mark: {period, before}}
        for frozen_by, p in ((frozen, period), (old, before)):
            if frozen_by is not None:
                asked.setdefault(marks.get(frozen_by.events, now), set()).add(p)
                asked.setdefault(now, set()).add(p)
        counted = {m: count_at(ledger, m, periods, only) for m, periods in asked.items()}
        today_figures = [
            (
                p.zh,
                counted[marks.get(f.events, now)].figures[p.name],
                counted[now].figures[p.name],
            )
            for p, f in ((before, old), (period, frozen))
            if f is not None
        ]
        # A case's number tells its place, and people may have cleared it since: public names none.
        grave = ()
        if not request.public:
            grave = most_serious(standing_cases(ledger, counted[mark].standing))
    basis = Basis(
        period=period,
        made_on=today,
        now=counted[mark].figures[period.name],
        before=counted[mark].figures[before.name],
        today=tuple(today_figures),
        events=mark.events,
        frozen=frozen,
        seen=_only_seen(seen, only),
        window=_window(workflow),
        counties=only,
    )
    worst = _worst(grave, counted[mark].standing, names, folders)
    document = write_document(basis, worst, names, settings, public=request.public)
    return _write(document, forms, _target(request, workflow, period, names, only), today)


def _freeze(
    state: Path,
    period: ReportPeriod,
    known: tuple[Frozen | None, Mark],
    workflow: AnyWorkflow | None,
    today: date,
) -> tuple[Frozen | None, tuple[Seen, ...] | None]:
    """Give what a period rests on and what was observed; keep it where the period is over."""
    frozen, mark = known
    name = workflow.name if workflow else None
    seen = frozen.observed.get(name) if frozen and name else None
    if seen is None:
        seen = _observed(state, workflow, period, today)
    if today <= period.last:
        return None, seen
    kept = frozen or Frozen(
        period=period.name,
        events=mark.events,
        digest=mark.digest,
        frozen_on=today.isoformat(),
    )
    if name and seen is not None:
        kept = kept.model_copy(update={"observed": {**kept.observed, name: seen}})
    if kept != frozen:
        write_frozen(state, kept)
    return kept, seen


def _observed(
    state: Path, workflow: AnyWorkflow | None, period: ReportPeriod, today: date
) -> tuple[Seen, ...] | None:
    if workflow is None:
        return None
    corridors = choose_corridors(workflow)
    looks = looks_of(state, corridors)
    if not looks:
        return None
    so_far = replace(period, last=min(period.last, today))
    stretches = stretches_of(corridors, workflow.layers)
    return tally(stretches, looks, so_far, _window(workflow))


def _window(workflow: AnyWorkflow | None) -> int:
    """Give for how many days a look counts; an inspection has no such option, nor a state alone."""
    options = workflow.options.report if isinstance(workflow, Workflow) else ReportOptions()
    return options.unseen_days


def _worst(
    grave: Sequence[Case],
    standing: Mapping[str, Standing],
    names: Names,
    folders: Sequence[Path],
) -> list[Worst]:
    found: list[Worst] = []
    for rank, case in enumerate(grave, 1):
        path = picture_of(folders, case.case_id, case.revision, (OVERVIEW, IMAGE))
        row = shown(case, rank, standing[case.case_id].status, names)
        found.append(Worst(row, small_picture(path) if path else None))
    return found


def _write(document: Document, forms: Sequence[Form], target: Path, today: date) -> Made:
    """Render every form, then write those that this machine could."""
    lines: list[str] = []
    ready: dict[Path, bytes] = {}
    for form in forms:
        path = target.with_name(f"{target.name}.{form.name}")
        try:
            ready[path] = form.render(document, today)
            lines.append(str(path))
        except FormError as error:
            lines.append(f"{path.name} was not written: {error}")
    for path, data in ready.items():
        write_bytes(path, data)
    code = ExitCode.DONE if len(ready) == len(forms) else ExitCode.SET_ASIDE
    return Made((*lines, document.basis), code, tuple(ready))


def _places(request: ReportRequest) -> tuple[Path, AnyWorkflow | None]:
    if request.workflow is None:
        return request.settings or Path("config/report.yaml"), None
    default = request.workflow.resolve().parent.parent / "config" / "report.yaml"
    return request.settings or default, load_any(request.workflow)


def _target(
    request: ReportRequest,
    workflow: AnyWorkflow | None,
    period: ReportPeriod,
    names: Names,
    only: Sequence[str],
) -> Path:
    parts = (
        "四乱报告",
        period.name,
        *(names.county(c) for c in only),
        *(["公开版"] if request.public else []),
    )
    return _target_folder(request, workflow) / "_".join(parts)


def _target_folder(request: ReportRequest, workflow: AnyWorkflow | None) -> Path:
    out = request.out or (workflow.out / "reports" if workflow else None)
    if out is None:
        raise ConfigurationError("where the report goes is not said", "Give --out DIR")
    return out


def _asked(
    settings: ReportSettings,
    workflow: AnyWorkflow | None,
    ledger: LedgerStore,
    wanted: Sequence[str],
) -> tuple[Names, tuple[str, ...]]:
    """Give the names of places, and the keys of the counties that were asked for."""
    counties = dict(county_names(settings.counties))
    keys: dict[str, None] = {}
    for place in ledger.whereabouts():
        if place.county_code and place.county_zh:
            counties.setdefault(place.county_code, place.county_zh)
        keys.setdefault(facts_of(place).county)
    rivers = {c.id: c.name_zh for c in choose_corridors(workflow)} if workflow else {}
    names = Names(counties, settings.county_classes, rivers)
    only = _counties(wanted, names, keys)
    return (replace(names, counties={c: names.county(c) for c in only}) if only else names), only


def _counties(wanted: Sequence[str], names: Names, keys: Iterable[str]) -> tuple[str, ...]:
    """Give the keys of the counties that were named, by code or name."""
    known = {zh: code for code, zh in names.counties.items()} | {c: c for c in names.counties}
    for key in keys:
        known.setdefault(key or NO_COUNTY, key)
    bad = [w for w in wanted if w not in known]
    if bad:
        raise ConfigurationError(
            f"no county is called {', '.join(bad)}",
            f"Known: {', '.join(sorted(names.counties.values()))}",
        )
    return tuple(dict.fromkeys(known[w] for w in wanted))


def _only_seen(seen: tuple[Seen, ...] | None, only: Sequence[str]) -> tuple[Seen, ...] | None:
    if seen is None or not only:
        return seen
    return tuple(s for s in seen if s.county in only) or None
