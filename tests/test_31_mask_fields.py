"""Each step of mask and quarantine looks at the options it declares, and at no other.

Layers are named by what is declared: an option that a step looked at and did not declare would
leave a layer as it was when the option changes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from pipeline.prepare import masksteps
from pipeline.prepare.mask import Sky
from pipeline.prepare.maskoptions import (
    FIELDS,
    FLAGGED,
    OPEN_SKY,
    History,
    MaskOptions,
    finish_radius_px,
    flag_radius_px,
    hint_radius_px,
    rule_of,
)
from pipeline.prepare.quarantine import (
    GROUND_FIELDS,
    TALLY_FIELDS,
    QuarantineOptions,
    deviation_of,
    stable_ground,
    tally_change,
)

SHAPE = (40, 40)
Image = NDArray[np.float32]


class Spy:
    """Options that note which of them were looked at."""

    def __init__(self, options: BaseModel, seen: set[str], path: str = "") -> None:
        self._at = (options, seen, path)

    def __getattr__(self, name: str) -> Any:
        options, seen, path = self._at
        value = getattr(options, name)
        if isinstance(value, BaseModel):
            return Spy(value, seen, f"{path}{name}.")
        seen.add(path + name)
        return value


def fill(value: float) -> Image:
    return np.full(SHAPE, value, np.float32)


def looked_at() -> dict[str, set[str]]:
    seen: dict[str, set[str]] = {step: set() for step in FIELDS}
    spies: Any = {step: Spy(MaskOptions(), own) for step, own in seen.items()}
    bright = {"blue": 0.3, "green": 0.3, "red": 0.3, "nir": 0.35, "swir16": 0.2}
    date = {band: fill(value) for band, value in bright.items()}
    for values in date.values():
        values[5:20, 5:20] *= 0.2  # something dark, for shadows
    history = History(fill(0.03), fill(0.01), fill(0.3), fill(0.2))
    stack = np.stack([date["blue"]] * 6)
    masksteps.dark_history(stack, stack, np.ones(stack.shape, bool), spies["low"])
    masksteps.flag(date, None, (history.blue_low, history.hot_low), spies["raw"])
    flag_radius_px(spies["raw"])
    masksteps.usual_of(stack, np.full(stack.shape, int(Sky.CLEAR), np.uint8), spies["usual"])
    raw = np.full(SHAPE, int(Sky.CLEAR), np.uint8)
    raw[4:30, 4:30] = int(Sky.CLOUD)
    sun = (150.0, 45.0)
    masksteps.hint(date, raw, sun, history, spies["hint"])
    hint_radius_px(spies["hint"])
    hints = np.full(stack.shape, FLAGGED | OPEN_SKY, np.uint8)
    masksteps.give_back((stack, stack, stack), np.stack([raw] * 6), hints, spies["code"])
    raw[6:12, 6:12] = int(Sky.RESCUED)
    raw[33:36, 33:36] = int(Sky.CLOUD)
    raw[33, 33] = int(Sky.RESCUED)
    scl = np.full(SHAPE, 3, np.uint8)
    for when in (sun, None):
        masksteps.finish(date, raw, (scl, when), history, spies["mask"], 10.0)
    finish_radius_px(spies["mask"], 10.0)
    return seen


def test_each_step_of_the_mask_looks_at_what_it_declares() -> None:
    seen = looked_at()
    assert {step: sorted(own) for step, own in seen.items()} == {
        step: sorted(own) for step, own in FIELDS.items()
    }
    named = {name for own in FIELDS.values() for name in own}
    spectral, rescue, shadow = (
        {f"{part}.{n}" for n in type(getattr(MaskOptions(), part)).model_fields}
        for part in ("spectral", "rescue", "shadow")
    )
    plain = {n for n in MaskOptions.model_fields if n not in ("spectral", "rescue", "shadow")}
    assert named == plain | spectral | rescue | shadow  # every option belongs to a step
    spectral_options = MaskOptions().spectral
    assert rule_of(MaskOptions(), "low") == {
        "spectral.quantile": spectral_options.quantile,
        "spectral.least_dates": spectral_options.least_dates,
    }


def test_stable_ground_and_its_counts_look_at_what_they_declare() -> None:
    ground: set[str] = set()
    tally: set[str] = set()
    options = QuarantineOptions()
    one = np.stack([fill(0.2)])
    spy: Any = Spy(options, ground)
    stable = stable_ground(one, one * 0.01, fill(0.0), spy)
    spy = Spy(options, tally)
    tally_change(one, one * 0.01, one, stable, np.zeros(1, np.float32), spy)
    before: set[str] = set()
    spy = Spy(options, before)
    deviation_of(one[0], one[0] * 0.01, one[0], np.zeros(len(one[0]), np.float32), spy)
    assert (ground, tally, before) == (set(GROUND_FIELDS), set(TALLY_FIELDS), set(TALLY_FIELDS))
