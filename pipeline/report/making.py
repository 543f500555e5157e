"""Making a report: ledger and folders of runs in, files out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path

from pipeline.config import Workflow, choose_corridors, load_workflow
from pipeline.errors import ConfigurationError, ExitCode
from pipeline.io.atomic import write_bytes
from pipeline.ledger import Event, LedgerPlace, LedgerStore, open_ledger
from pipeline.model import Attribution, Case
from pipeline.report.document import Basis, Document, write_document
from pipeline.report.figures import Facts, Figures, count_cases
from pipeline.report.forms import Form, FormError, forms_of
from pipeline.report.frozen import Frozen, digest_of, read_frozen, write_frozen
from pipeline.report.observed import Seen, tally
from pipeline.report.options import ReportSettings, county_names, load_settings
from pipeline.report.period import ReportPeriod, read_period
from pipeline.report.replay import ZONE, moves_of, state_on
from pipeline.report.runs import IMAGE, OVERVIEW, looks_of, picture_of, run_folders, stretches_of
from pipeline.report.tables import Names
from pipeline.report.words import NO_COUNTY
from pipeline.report.worst import Worst, most_serious, shown, small_picture


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


@dataclass(frozen=True)
class _Book:
    """The ledger at one revision."""

    events: tuple[Event, ...]
    cases: Mapping[str, Case]

    def figures(self, period: ReportPeriod, counties: Sequence[str]) -> Figures:
        facts = {i: _facts(c) for i, c in self.cases.items() if _wanted(c, counties)}
        return count_cases(moves_of(self.events), facts, period)


def make_report(request: ReportRequest) -> Made:
    """Make the report of a period; the first one of a finished period freezes it.

    Raises
    ------
    ConfigurationError
        The period, a county, the template or the settings are wrong; nothing was written.
    """
    today = (request.now or datetime.now(UTC)).astimezone(ZONE).date()
    period = read_period(request.period)
    if period.first > today:
        raise ConfigurationError(f"{period.zh} has not begun yet", "Choose an earlier period")
    settings_path, workflow = _places(request)
    settings = load_settings(settings_path, given=request.settings is not None)
    forms = forms_of(request.forms, request.template, settings.fonts)
    _target_folder(request, workflow)
    state = request.ledger.file.parent
    folders = run_folders([workflow.out] if workflow else [])
    with open_ledger(request.ledger, writing=False) as ledger:
        events = ledger.events()
        whole = _Book(events, {c.case_id: c for c in ledger.cases()})
        names = _names(settings, workflow, whole.cases.values())
        only = _counties(request.counties, names, whole.cases.values())
        # What may be refused is asked before the period is frozen.
        frozen, seen = _freeze(state, period, events, workflow, today)
        book = _as_of(ledger, whole, frozen)
        if only:
            names = replace(names, counties={c: names.county(c) for c in only})
        before = period.before()
        old = read_frozen(state, before.name, events)
        today_figures = [
            (p.zh, _as_of(ledger, whole, f).figures(p, only), whole.figures(p, only))
            for p, f in ((before, old), (period, frozen))
            if f is not None
        ]
    basis = Basis(
        period=period,
        made_on=today,
        now=book.figures(period, only),
        before=book.figures(before, only),
        today=tuple(today_figures),
        events=len(book.events),
        frozen=frozen,
        seen=_only_seen(seen, only),
        window=workflow.options.report.unseen_days if workflow else 30,
        counties=only,
    )
    # A case's number tells its place, and people may have cleared it since: public names none.
    worst = () if request.public else _worst(book, basis, names, folders)
    document = write_document(basis, worst, names, settings, public=request.public)
    return _write(document, forms, _target(request, workflow, period, names, only), today)


def _freeze(
    state: Path,
    period: ReportPeriod,
    events: tuple[Event, ...],
    workflow: Workflow | None,
    today: date,
) -> tuple[Frozen | None, tuple[Seen, ...] | None]:
    """Give what a period rests on and what was observed; keep it where the period is over."""
    frozen = read_frozen(state, period.name, events)
    name = workflow.name if workflow else None
    seen = frozen.observed.get(name) if frozen and name else None
    if seen is None:
        seen = _observed(state, workflow, period, today)
    if today <= period.last:
        return None, seen
    kept = frozen or Frozen(
        period=period.name,
        events=len(events),
        digest=digest_of(events),
        frozen_on=today.isoformat(),
    )
    if name and seen is not None:
        kept = kept.model_copy(update={"observed": {**kept.observed, name: seen}})
    if kept != frozen:
        write_frozen(state, kept)
    return kept, seen


def _observed(
    state: Path, workflow: Workflow | None, period: ReportPeriod, today: date
) -> tuple[Seen, ...] | None:
    if workflow is None:
        return None
    corridors = choose_corridors(workflow)
    looks = looks_of(state, corridors)
    if not looks:
        return None
    so_far = replace(period, last=min(period.last, today))
    stretches = stretches_of(corridors, workflow.layers)
    return tally(stretches, looks, so_far, workflow.options.report.unseen_days)


def _as_of(ledger: LedgerStore, whole: _Book, frozen: Frozen | None) -> _Book:
    """Give the ledger as it was when a period was frozen."""
    if frozen is None or frozen.events == len(whole.events):
        return whole
    events = whole.events[: frozen.events]
    revision: dict[str, int] = {}
    for event in events:
        revision[event.case_id] = event.revision
    cases = {i: whole.cases[i] for i, at in revision.items() if whole.cases[i].revision == at}
    older = {i: at for i, at in revision.items() if i not in cases}
    cases |= {c.case_id: c for c in ledger.kept(older)}
    return _Book(events, cases)


def _worst(book: _Book, basis: Basis, names: Names, folders: Sequence[Path]) -> list[Worst]:
    moves = moves_of(book.events)
    wanted = (*basis.now.in_hand, *basis.now.issued)
    found: list[Worst] = []
    for rank, case in enumerate(most_serious(book.cases.values(), wanted), 1):
        state = state_on(moves[case.case_id], basis.period.last)
        status = state.status if state else case.status
        path = picture_of(folders, case.case_id, case.revision, (OVERVIEW, IMAGE))
        row = shown(case, rank, status, names)
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


def _places(request: ReportRequest) -> tuple[Path, Workflow | None]:
    if request.workflow is None:
        return request.settings or Path("config/report.yaml"), None
    default = request.workflow.resolve().parent.parent / "config" / "report.yaml"
    return request.settings or default, load_workflow(request.workflow)


def _target(
    request: ReportRequest,
    workflow: Workflow | None,
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


def _target_folder(request: ReportRequest, workflow: Workflow | None) -> Path:
    out = request.out or (workflow.out / "reports" if workflow else None)
    if out is None:
        raise ConfigurationError("where the report goes is not said", "Give --out DIR")
    return out


def _names(settings: ReportSettings, workflow: Workflow | None, cases: Iterable[Case]) -> Names:
    counties = dict(county_names(settings.counties))
    for case in cases:
        place = case.attribution
        if place and place.county_code and place.county_zh:
            counties.setdefault(place.county_code, place.county_zh)
    rivers = {c.id: c.name_zh for c in choose_corridors(workflow)} if workflow else {}
    return Names(counties, settings.county_classes, rivers)


def _counties(wanted: Sequence[str], names: Names, cases: Iterable[Case]) -> tuple[str, ...]:
    """Give the keys of the counties that were named, by code or name."""
    known = {zh: code for code, zh in names.counties.items()} | {c: c for c in names.counties}
    for case in cases:
        key = _facts(case).county
        known.setdefault(key or NO_COUNTY, key)
    bad = [w for w in wanted if w not in known]
    if bad:
        raise ConfigurationError(
            f"no county is called {', '.join(bad)}",
            f"Known: {', '.join(sorted(names.counties.values()))}",
        )
    return tuple(dict.fromkeys(known[w] for w in wanted))


def _facts(case: Case) -> Facts:
    place = case.attribution or Attribution()
    county = place.county_code or place.county_zh or ""
    return Facts(county, place.township_zh or "", case.corridor_id, case.kind.value)


def _wanted(case: Case, counties: Sequence[str]) -> bool:
    return not counties or _facts(case).county in counties


def _only_seen(seen: tuple[Seen, ...] | None, only: Sequence[str]) -> tuple[Seen, ...] | None:
    if seen is None or not only:
        return seen
    return tuple(s for s in seen if s.county in only) or None
