"""Parts of a bridge that stand in the water: what a deck leads from."""

from __future__ import annotations

from datetime import timedelta

from pipeline.adjudicate.tracks import Track
from pipeline.detect.objects import measure
from pipeline.grid import pixels_to_mask
from pipeline.passes.bench import Bench
from pipeline.passes.change import box_of
from pipeline.passes.follow_ground import is_bridge
from pipeline.passes.ground import Site
from pipeline.passes.watch import WatchOptions


def goes_on_as_deck(
    site: Site, bench: Bench, track: Track, stood: timedelta, options: WatchOptions
) -> bool:
    """Tell a pier or a ramp in the water by the deck that leads from it, if it is as narrow.

    Wider fills are not asked (``zhan.span_width_max_px``; a square of 7 pixels is wider,
    since it is four deviations): a new bridge beside one hides none. After a year
    (``ramps.days``), as slim strips are, it is told: a wharf has a trestle too.
    """
    if stood >= timedelta(days=options.ground.ramps.days):
        return False
    box = box_of((track.rows, track.cols))
    width = measure(pixels_to_mask(track.rows, track.cols, box)).width_px
    narrow = width <= options.zhan.span_width_max_px
    return narrow and is_bridge(site, bench, track, options.ground.disturb)
