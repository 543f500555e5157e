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

_STOPS = "\\s:，,；;。（）()\\[\\]【】"
_REST = f"[^{_STOPS}]*"
_NEVER = "禁止|严禁|不得|不准|不许|不允许"
_LACKING = "不含|不包[括含]|不涉及"
_DENIALS = f"{_NEVER}|{_LACKING}|不予|不批准|不同意|未批准|未许可|暂停|停止"
_PERMITTED = "(?:许可|允许|批准|准予|准许|同意)"
_OF_TIME = "(?:(?:禁采|禁渔|主?汛|枯水|洪水|封航|繁殖)期[内间]*|夜[间晚]|(?:法定)?节假日)"
_NUMERAL = "[\\d一二三四五六七八九十]"
_DATES = f"(?:每[年月日天])?{_NUMERAL}(?:{_NUMERAL}|[年月日号时点至到~—-])*+期?间?"

# What is read first, and what it leaves: conditions that hold a denial and are none of the matter.
_CONDITIONS = tuple(
    (re.compile(pattern), left)
    for pattern, left in (
        # A list under a heading of its own, up to a heading of what is permitted.
        (
            f"(?:{_NEVER})[^{_STOPS}]{{0,6}}:\\s*\\(?[1一][、.)](?s:.)*?(?={_PERMITTED}{_REST}:|$)",
            ";",
        ),
        # Numbers of a list begin a clause: 1、不得影响行洪 2、采砂.
        (r"(?<![\d至到~—-])\d{1,2}[、.)](?!\d)|(?:^|(?<=[\s;。]))[一二三四五六七八九十]+、", ";"),
        ("不含税", ""),
        # A most or least of something: 每日不得超过500吨采砂.
        (
            r"不得?(?:超过|多于|大于|高于|少于|低于)\d[\d.,]*万?"
            r"(?:立方米?|平方米|公里|公顷|小时|m[23]?|km|t|[吨方米亩天日艘条台人元次车%])?",
            "",
        ),
        # 除采砂外不得…, 不得从事采砂以外的活动: what is named is what may be.
        (
            f"(?<![清拆扫排解])除([^{_STOPS}]+?)[以之]?外,?(?:其[他它余]{_REST}?)?(?:均|都|一律)?"
            f"(?:{_NEVER}){_REST}",
            r"\1;",
        ),
        (
            f"(?:{_NEVER})([^{_STOPS}]+?)[以之]外的(?:其[他它]|任何)?"
            f"(?:用途|活动|作业|事项|行为|项目|内容){_REST}",
            r"\1;",
        ),
        # 采砂4至6月除外 excepts the months and not the mining.
        (f"(?:[、和及与]?(?:{_OF_TIME}|{_DATES}|(?:禁采|保护)区))++除外", ""),
        # 在不得影响行洪的前提下占用: a condition; 不得在未经许可的情况下采砂 is none.
        (f"(?:{_DENIALS})(?![在于未无擅]){_REST}?前提[之]?下", ""),
        (f"(?:不得|{_LACKING})(?![在于未无擅]){_REST}?(?:情况|条件)[之]?下", ""),
        # 在不涉及红线的河段采砂, at the head of a sentence; 绿化，不含河道的采砂 is a denial.
        (f"(?:^|(?<=[;。\\n在于对]))(?:{_LACKING}){_REST}?(?:的|河段)", ""),
    )
)
# What follows in the same clause is denied: 禁止采砂、取土; 禁止事项：采砂.
_FORBIDDEN = re.compile(f"(?:{_DENIALS}){_PERMITTED}?(?:事项|内容|行为|项目|活动)?[\\s:]*{_REST}")
_EXCEPTED = re.compile(f"{_REST}除外(?=[{_STOPS}]|$)|(?<![清拆扫排解])除[^{_STOPS}]+?外")
# Denied by the characters before: 非采砂, 不再占用, 免占用. 非开挖管线施工 is a way of building.
_DENIED = re.compile("(?:[非不未无勿禁免]|[不未无][可能再需须宜必]?(?:要|新增)?)$")


def allows(what: str, words: str) -> bool:
    """Tell whether a permit's matter (许可事项) names one of some words without denying it.

    Parameters
    ----------
    words : str
        Alternatives as a regular expression, 采砂|疏浚.
    """
    # ① is 1 in NFKC, and nothing would tell it from the words beside it.
    said = unicodedata.normalize("NFKC", re.sub("([①-⑳])", r"\1、", what))
    for condition, left in _CONDITIONS:
        said = condition.sub(left, said)
    said = _EXCEPTED.sub("", _FORBIDDEN.sub("", said))
    return any(not _DENIED.search(said[: m.start()]) for m in re.finditer(words, said))


def zone_of(text: str | None) -> str | None:
    """Give the one of ``ZONES`` that a layer's word names (岸线保护区, 保护区); None if none."""
    word = "".join(unicodedata.normalize("NFKC", text or "").split())
    return next((z for z in ZONES if word == z or word.endswith(f"岸线{z}")), None)
