"""Words of the office's layers that rules rest on: what a permit allows, and which zone it is.

Pure. A word counts where it is said plainly; one that is denied is not said.
"""

from __future__ import annotations

import re
import unicodedata

ZONES = ("保护区", "保留区", "控制利用区", "开发利用区")
"""Of a river's shore (岸线功能区), by the ministry's guide 河湖岸线保护与利用规划编制指南（试行）;
written with 岸线 before them as often as not."""

PROTECTED = ("保护区", "保留区")
"""Zones that make a case more pressing."""

_STOPS = "，,；;。（）()\\[\\]【】\n"
# What follows in the same clause is denied: 禁止采砂、取土.
_FORBIDDEN = re.compile(
    f"(?:禁止|严禁|不得|不准|不许|不予|不含|不包[括含]|不涉及|不允许|不批准|未批准|未许可)[^{_STOPS}]*"
)
_EXCEPTED = re.compile(f"[^{_STOPS}]*除外(?=[{_STOPS}]|$)|(?<![清拆扫排解])除[^{_STOPS}]+?外")
# Denied by the characters before: 非采砂, 不再占用. 非开挖管线施工 is a way of building.
_DENIED = "(?<![非不未无勿禁])(?<!不[可能再])"


def allows(what: str, words: str) -> bool:
    """Tell whether a permit's matter (许可事项) names one of some words without denying it.

    Parameters
    ----------
    words : str
        Alternatives as a regular expression, 采砂|疏浚.
    """
    said = _EXCEPTED.sub("", _FORBIDDEN.sub("", unicodedata.normalize("NFKC", what)))
    return re.search(f"{_DENIED}(?:{words})", said) is not None


def zone_of(text: str | None) -> str | None:
    """Give the one of ``ZONES`` that a layer's word names (岸线保护区, 保护区); None if none."""
    word = "".join(unicodedata.normalize("NFKC", text or "").split())
    return next((z for z in ZONES if word == z or word.endswith(f"岸线{z}")), None)
