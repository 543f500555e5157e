"""What becomes of a work once it ended (完工后): it stays, it is cleared, or nobody can tell."""

from __future__ import annotations

import re
import unicodedata

_CLEARED = "clear|清退|恢复|拆除|临时"
_STAYS = "stay|保留|永久"
_CLAUSES = "[,;。、()]"
# Said with a denial, and denying nothing of what becomes of the work.
_HARMLESS = re.compile(
    "无偿|无条件|非汛期|不(?:得)?(?:迟|晚)于|不超过|不(?:予|再|得)?(?:延续|延期|续期|续)"
    "|未(?:按[时期]|及时|自行)*(?:拆除|清退|恢复)的"
    "|不(?:得|会)?影响(?:[行泄防]洪|通航|河势|堤防)(?:安全)?|不(?:得|会)?影响[^,;。、()]*?的"
)
_NOT_KEPT = re.compile("不(?:予|再|得|作|准|能|可)?保留")
_ENGLISH = "not|n't|never|\\bno\\b|\\bun"
# 不得拆除, 不将其拆除, 不属于临时: a denial stands before its word, with no other verb between.
_FILLED = (
    "(?:再|进行|将其|对其|予以|予|立即|全部|部分|需要?|须|必须?|得|应|可|能|宜|用|要|准|许|允许|同意"
    "|会|被|是|属于|于|单独|另行|自行|主动|一并|擅自|私自|随意|任意)"
)
_UNCLEARED = re.compile(
    f"(?:[不非未无免勿]|暂缓|禁止|严禁|是否|否){_FILLED}{{0,3}}(?:{_CLEARED})"
    f"|(?:{_ENGLISH}).*(?:{_CLEARED})|否则.*(?:{_CLEARED})|(?:{_CLEARED}).*(?:否|除外)"
)
# What stays explains for good, so that any denial before it counts: 不长期保留, 未验收前保留.
_UNSTAYING = re.compile(
    f"(?:[不非未无免勿否]|暂缓|禁止|严禁|{_ENGLISH}).*(?:{_STAYS})|(?:{_STAYS}).*(?:否|除外)"
)


def what_becomes(text: str) -> str | None:
    """Give ``stays`` or ``cleared``; None where a word is denied that the answer would rest on.

    Where a part is cleared and another stays, the answer is ``cleared``: it explains no longer than
    the works last.
    """
    word = _HARMLESS.sub("", unicodedata.normalize("NFKC", text).lower())
    clauses = re.split(_CLAUSES, _NOT_KEPT.sub("清退", word))
    if any(_UNCLEARED.search(c) for c in clauses):
        return None
    if any(re.search(_CLEARED, c) for c in clauses):
        return "cleared"
    if any(_UNSTAYING.search(c) for c in clauses):
        return None
    return "stays" if any(re.search(_STAYS, c) for c in clauses) else None
