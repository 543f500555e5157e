"""Dark ground from patrol to patrol: a patrol of one look each says what one long patrol says."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import date, timedelta
from functools import partial
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
import riverside
from riverside import Thing, at, painted, place

from pipeline.adjudicate.candidates import AdjudicateOptions
from pipeline.adjudicate.evidence import fold
from pipeline.adjudicate.tracks import link
from pipeline.config import DetectOptions
from pipeline.ledger.context import Judgement, LedgerContext
from pipeline.ledger.plan import plan
from pipeline.model import Candidate, Case, EvidenceState
from pipeline.passes.follow import FollowOptions, follow, relook
from pipeline.passes.ground import Looks, Site
from pipeline.passes.known import earlier_cases, known_pixels, proved_fills
from pipeline.passes.merge import one_problem
from pipeline.passes.watch import WatchOptions, watch

pytestmark = [pytest.mark.thorough, pytest.mark.timeout(400)]

APRIL, JULY = date(2025, 4, 10), date(2025, 7, 1)
COAL = np.array([0.035, 0.038, 0.042, 0.050, 0.070])[:, None, None]
GRAVEL = np.array([0.10, 0.115, 0.13, 0.17, 0.22])[:, None, None]
SOIL = np.array([0.08, 0.10, 0.13, 0.17, 0.24])[:, None, None]
YARD = place(60, 68, 90, 98)
BARE = place(78, 86, 104, 112)  # bare soil from April, coal from July
THINGS = [
    Thing(YARD, painted(COAL), APRIL),
    Thing(place(69, 71, 78, 100), painted(GRAVEL), APRIL),  # the road to it
    Thing(BARE, painted(SOIL), APRIL, JULY),
    Thing(BARE, painted(COAL), JULY),
]
DETECT, ADJUDICATE = DetectOptions(), AdjudicateOptions()
HOW = FollowOptions(
    WatchOptions(DETECT.zhan, DETECT.ground, DETECT.epoch), DETECT.observe, ADJUDICATE
)


def _patrol(
    site: Site, looks: Looks, start: object, cases: Sequence[Case]
) -> tuple[list[Candidate], tuple[Case, ...]]:
    """Run one patrol; give its candidates, and the ledger after it."""
    until = looks.passes[-1].acquired
    begin = riverside.PATROL if start is None else start
    assert isinstance(begin, type(until))
    old = earlier_cases("made", cases, begin)
    silent = HOW.watch.zhan.expect.level.silent_looks
    known = known_pixels(site, looks, old, begin)
    watched = watch(site, looks, begin, HOW.watch, known, proved_fills(site, old, begin, silent))
    tracks = link(watched.sightings, ADJUDICATE.link)
    every = follow(site, looks, watched, tracks, (HOW, until), old)
    found, _ = one_problem(every, ADJUDICATE.fold, until, list(cases))
    again = relook(site, looks, watched, old, (HOW, begin))
    judged = Judgement(frozenset(p.id for p in looks.passes), frozenset())
    context = LedgerContext(
        run_id=f"r{len(looks.passes)}",
        code_version="0",
        config_hash="0",
        corridors=("made",),
        period=(begin, until),
        fold=partial(fold, options=ADJUDICATE.fold),
        judged={"made": judged},
        until={"made": until},
    )
    return found, plan(cases, found, context, again).cases


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Sequence[Candidate | Case]]:
    """The ledger after fifteen patrols of a look each, and what one patrol finds at the end."""
    site = riverside.open_site(tmp_path_factory.mktemp("reach") / "store")
    scenes = ((d, riverside.scene(d, THINGS)) for d in riverside.DAYS)
    looks = riverside.prepared(site, riverside.gathered(site, scenes))
    first = sum(p.acquired < riverside.PATROL for p in looks.passes)
    cases: tuple[Case, ...] = ()
    start = None
    for n in range(first + 1, len(looks.passes) + 1):
        part = Looks(looks.passes[:n], looks.quality, looks.mask_keys, looks.state_keys)
        _, cases = _patrol(site, part, start, cases)
        start = part.passes[-1].acquired + timedelta(hours=12)
    return {"chain": cases, "once": _patrol(site, looks, None, ())[0]}


@pytest.mark.parametrize("how", ["chain", "once"])
def test_coal_beside_a_road_on_watch_is_told(
    told: dict[str, Sequence[Candidate | Case]], how: str
) -> None:
    live = [c for c in told[how] if c.evidence.state is EvidenceState.SUSPECTED]
    coal = [c for c in at(YARD, live) if c.measures.get("dark")]  # type: ignore[arg-type]
    assert len(coal) == 1
    assert coal[0].evidence.hits >= 12


def test_what_lay_bare_before_lends_coal_no_age_in_one_patrol(
    told: dict[str, Sequence[Candidate | Case]],
) -> None:
    """Fifty days after it came it still waits."""
    (dark,) = [c for c in at(BARE, told["once"]) if c.measures.get("dark")]  # type: ignore[arg-type]
    assert dark.evidence.state is not EvidenceState.SUSPECTED


def test_from_patrol_to_patrol_the_place_is_one_case(
    told: dict[str, Sequence[Candidate | Case]],
) -> None:
    """It has been bare for longer than soil must, whatever lay there: that is the case's age."""
    live = [c for c in told["chain"] if isinstance(c, Case) and c.merged_into is None]
    (case,) = at(BARE, live)  # type: ignore[arg-type]
    assert case.measures.get("dark")
    assert case.evidence.first_seen is not None
    assert case.evidence.first_seen.date() < JULY
