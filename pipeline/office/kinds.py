"""The kinds of layers an office can import, and the fields each of them has.

Names of columns are those in use in offices' own files; they are matched without regard to case.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

Parse = Literal[
    "text", "id", "date", "past", "month-day", "number", "county", "township", "after", "verdict"
]
Place = Literal["hold", "follow", "shore", "none"]


class LayerKind(StrEnum):
    """What a layer is imported as."""

    BOUNDARY = "boundary"
    ZONES = "zones"
    NO_MINING = "no-mining"
    PERMITS = "permits"
    WORKS = "works"
    EXISTING = "existing"
    HISTORY = "history"
    COUNTIES = "counties"
    TOWNSHIPS = "townships"
    VESSELS = "vessels"


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """One field of a normalised layer."""

    name: str
    aliases: tuple[str, ...]  # column names that offices use
    required: bool = False
    parse: Parse = "text"


@dataclass(frozen=True, slots=True)
class KindSpec:
    """One kind of layer.

    ``place`` says how its position can be held against observed water: ``hold`` its polygons hold
    the water, ``follow`` its outlines follow the middle of rivers, ``shore`` its outlines follow
    the shore, ``none`` nothing is known.
    """

    kind: LayerKind
    zh: str
    areal: bool  # polygons only; otherwise points, lines and polygons
    place: Place
    fields: tuple[FieldSpec, ...]
    near_water: bool = True  # features far from every corridor are named
    key: str | None = None  # field whose value stands once in a layer

    def field(self, name: str) -> FieldSpec | None:
        """Give the field of that name."""
        return next((f for f in self.fields if f.name == name), None)


_NAME = FieldSpec("name", ("name", "名称", "name_zh", "mc", "xmmc", "title"))
_NAMED = FieldSpec(
    "name", (*_NAME.aliases, "xzqmc", "县名", "乡镇名称", "行政区名称", "xzmc"), required=True
)
_FROM = FieldSpec(
    "from",
    ("from", "valid_from", "起始日期", "开始日期", "有效期起", "开工日期", "start", "qsrq"),
    required=True,
    parse="date",
)
_TO = FieldSpec(
    "to",
    ("to", "valid_to", "终止日期", "结束日期", "有效期止", "完工日期", "end", "zzrq"),
    required=True,
    parse="date",
)

KINDS: dict[LayerKind, KindSpec] = {
    spec.kind: spec
    for spec in (
        KindSpec(
            LayerKind.BOUNDARY,
            "管理范围",
            True,
            "hold",
            (
                _NAME,
                FieldSpec("river", ("river", "河流", "河流名称", "hlmc")),
                FieldSpec("approval", ("approval", "批复", "批复文号", "pfwh")),
            ),
        ),
        KindSpec(
            LayerKind.ZONES,
            "岸线功能区",
            True,
            "shore",
            (
                _NAME,
                FieldSpec("zone", ("zone", "功能区", "功能区类型", "gnqlx"), required=True),
            ),
        ),
        KindSpec(
            LayerKind.NO_MINING,
            "禁采区和禁采期",
            True,
            "hold",
            (
                _NAME,
                FieldSpec("from", ("from", "禁采期起", "起", "开始", "start"), parse="month-day"),
                FieldSpec("to", ("to", "禁采期止", "止", "结束", "end"), parse="month-day"),
                FieldSpec("stage_m", ("stage_m", "水位", "控制水位"), parse="number"),
                FieldSpec("station", ("station", "水文站", "站名")),
            ),
        ),
        KindSpec(
            LayerKind.PERMITS,
            "许可",
            True,
            "none",
            (
                FieldSpec(
                    "id",
                    ("id", "permit_id", "许可证号", "证号", "xkzh"),
                    required=True,
                    parse="id",
                ),
                _NAME,
                FieldSpec("holder", ("holder", "持证人", "被许可人", "单位")),
                FieldSpec("what", ("what", "许可事项", "许可类型", "许可内容", "xksx")),
                _FROM,
                _TO,
            ),
            key="id",
        ),
        KindSpec(
            LayerKind.WORKS,
            "在建或已批准工程",
            False,
            "none",
            (
                _NAMED,
                _FROM,
                _TO,
                FieldSpec("after", ("after", "完工后", "完工后处置", "工后处置"), parse="after"),
            ),
        ),
        KindSpec(LayerKind.EXISTING, "既有建筑物", False, "none", (_NAME,)),
        KindSpec(
            LayerKind.HISTORY,
            "历史问题",
            True,
            "none",
            (
                FieldSpec("id", ("id", "编号", "问题编号", "wtbh"), required=True, parse="id"),
                FieldSpec(
                    "verdict",
                    ("verdict", "结论", "认定结论", "认定", "rdjl"),
                    parse="verdict",
                ),
                FieldSpec("on", ("on", "认定日期", "复核日期", "日期", "rdrq"), parse="past"),
                _NAME,
            ),
            key="id",
        ),
        KindSpec(
            LayerKind.COUNTIES,
            "县级行政区",
            True,
            "follow",
            (
                FieldSpec(
                    "code",
                    ("code", "代码", "行政区代码", "xzqdm", "adcode", "pac", "县代码"),
                    required=True,
                    parse="county",
                ),
                FieldSpec("name", _NAMED.aliases),
            ),
            near_water=False,
            key="code",
        ),
        KindSpec(
            LayerKind.TOWNSHIPS,
            "乡级行政区",
            True,
            "follow",
            (
                FieldSpec(
                    "code",
                    ("code", "代码", "行政区代码", "xzqdm", "乡镇代码"),
                    parse="township",
                ),
                _NAMED,
            ),
            near_water=False,
            key="code",
        ),
        KindSpec(
            LayerKind.VESSELS,
            "采砂船停泊点",
            False,
            "none",
            (
                FieldSpec("id", ("id", "船号", "船名", "vessel"), required=True, parse="id"),
                _NAME,
            ),
        ),
    )
}
