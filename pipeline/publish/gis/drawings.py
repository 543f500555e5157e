"""Colours, hatches and labels, chosen once for all layers.

The four colours are of Okabe and Ito's palette (Color Universal Design, 2008): told apart with any
kind of colour vision and on imagery. No meaning rests on colour alone: labels name the kind, and
the line says the status.
"""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.model import Kind, Status
from pipeline.publish.gis.table import Drawing, Rule
from pipeline.publish.words import STATUS_ZH

KIND_COLOURS: Mapping[Kind, str] = {
    Kind.ZHAN: "#0072b2",
    Kind.CAI: "#f0e442",
    Kind.DUI: "#cc79a7",
    Kind.JIAN: "#d55e00",
}

_LINES = (  # statuses, QGIS's name of the line, its width [mm]
    ((Status.SUSPECTED,), "solid", "0.5"),
    ((Status.ISSUED, Status.VERIFIED), "dash", "0.7"),
    ((Status.RECTIFYING,), "dash dot", "0.7"),
    ((Status.CLOSED, Status.RELAPSED), "dash dot dot", "0.7"),
    ((Status.WATCH,), "dot", "0.5"),
)
_DARK = "#1a1a1a"
NEAR = 50_000  # scale denominator up to which outlines are drawn, and dots beyond


def case_drawing() -> Drawing:
    """Fill by kind, line by status; the label is kind, status and the end of the case's id.

    On a map of a whole river an outline is a speck: there a dot in the kind's colour stands for it.
    """
    kinds = [
        Rule(k.zh, _of(k), {"color": _rgba(KIND_COLOURS[k], 110), "line": "no"}, nearer_than=NEAR)
        for k in Kind
    ]
    dots = [
        Rule(f"{k.zh}（小比例尺）", _of(k), {"dot": _rgba(KIND_COLOURS[k])}, farther_than=NEAR)
        for k in Kind
    ]
    lines: list[Rule] = []
    for statuses, line, width in _LINES:
        codes = ", ".join(f"'{s.value}'" for s in statuses)
        symbol = {"style": "no", "line": line, "line_color": _rgba(_DARK), "line_width": width}
        named = "、".join(STATUS_ZH[s] for s in statuses)
        lines.append(Rule(f"状态：{named}", f'"status" IN ({codes})', symbol, nearer_than=NEAR))
    rest = {"style": "no", "line": "solid", "line_color": _rgba("#808080"), "line_width": "0.4"}
    known = ", ".join(f"'{s.value}'" for statuses, _, _ in _LINES for s in statuses)
    decided = "、".join(
        STATUS_ZH[s] for s in Status if not any(s in statuses for statuses, _, _ in _LINES)
    )
    where = f'"status" NOT IN ({known})'
    lines.append(Rule(f"状态：{decided}", where, rest, nearer_than=NEAR))
    return Drawing(
        (*kinds, *lines, *dots),
        label_outside=True,
        label='"kind_zh" || \'·\' || "status_zh" || \'\\n\' || right("case_id", 8)',
        title='"case_id" || \' \' || "kind_zh" || \' \' || "status_zh"',
    )


def hatched(label: str, colour: str, angle: int, text: str | None = None) -> Drawing:
    """Give a hatch with an outline: ground that carries a note, imagery stays visible below."""
    symbol = {"angle": str(angle), "line_color": _rgba(colour), "line_width": "0.3"}
    return Drawing((Rule(label, "ELSE", symbol),), label=text)


def outlined(label: str, colour: str, line: str, width: str, text: str | None = None) -> Drawing:
    """Give an outline without any fill."""
    symbol = {"style": "no", "line": line, "line_color": _rgba(colour), "line_width": width}
    return Drawing((Rule(label, "ELSE", symbol),), label=text, labels_from=500_000)


def _of(kind: Kind) -> str:
    return f"\"kind\" = '{kind.value}'"


def _rgba(colour: str, alpha: int = 255) -> str:
    parts = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return ",".join(map(str, (*parts, alpha)))
