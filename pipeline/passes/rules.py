"""By which rules the looks of a corridor were judged: a mark beside what was found of them.

What is found of a look is named by its history as well, which a run only comes to know on its way
(:mod:`pipeline.passes.book`). Rules it knows beforehand, and other rules judge every look again.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydantic import BaseModel

from pipeline.io.vault import Vault, content_key
from pipeline.passes.naming import code_mark

_KIND = "rules"


def note_judged(store: Path, *options: BaseModel) -> None:
    """Note that all looks of a run were judged by these options and this code."""
    vault, key = Vault(store / "kept"), _key(options)
    if vault.get(_KIND, key) is None:
        vault.put(_KIND, key, judged=np.ones(1, np.uint8))


def were_judged(store: Path, *options: BaseModel) -> bool:
    """Tell whether looks of this store were judged by these options and this code; only looks."""
    return Vault(store / "kept", touch=False).get(_KIND, _key(options)) is not None


def _key(options: tuple[BaseModel, ...]) -> str:
    return content_key(code_mark(), [o.model_dump() for o in options])
