"""What becomes of a case whose flights were superseded: nothing rests on what was taken back. Pure.

A flight that another supersedes was wrong: its date, its mosaic or its surface. Its looks are not
evidence any more, whichever way they spoke (decision 301).
"""

from __future__ import annotations

from dataclasses import replace

from pipeline.ledger.context import LedgerContext
from pipeline.ledger.joining import keep_corrections
from pipeline.ledger.revision import weigh
from pipeline.model import DRONE_PICTURES, DRONE_SURFACES, Case, Look, Seen


def without_withdrawn(case: Case, context: LedgerContext) -> Case:
    """Give a case without looks that do not count any more; its revision as it was.

    Where no surface of a drone shows it then, kind, outline and measures are again those from
    before; where nothing was before, the outline stays until something draws another, and the
    measures go. What rests on nothing is not produced any more, unless people issued it.
    """
    gone = context.withdrawn
    kept = tuple(k for k in case.looks if k.pass_id not in gone.passes)
    if len(kept) == len(case.looks):
        return case
    scenes = tuple(s for s in case.scene_ids if s not in gone.scenes)
    bare = replace(case, scene_ids=scenes)
    if case.detector == DRONE_SURFACES and not any(_shows(k) for k in kept):
        bare = _as_before(bare, gone.cases.get(case.case_id))
    after = weigh(bare, kept, context)
    rests = after.issued or after.leads or after.evidence.hits > 0
    return after if rests else replace(after, produced=False)


def _shows(look: Look) -> bool:
    return look.of_drone and look.certain and look.seen is Seen.HIT


def _as_before(case: Case, old: Case | None) -> Case:
    if old is None:
        # As of pictures: whatever sees it next draws and measures it anew.
        return replace(case, measures={}, detector=DRONE_PICTURES)
    drawn = replace(
        case,
        kind=old.kind,
        polygon=old.seen_polygon,
        crs=old.crs,
        area_m2=old.area_m2,
        score=old.score,
        measures=old.measures,
        detector=old.detector,
    )
    return keep_corrections(case, drawn)
