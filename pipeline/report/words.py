"""The Chinese words of a report."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.publish.words import NOTICE

UNKNOWN = "未知"
NO_COUNTY = "未定县区"
NO_TOWNSHIP = "未定乡镇"
NO_CLASS = "未分类"
NO_REASON = "未注明"

COUNT_ZH: Mapping[str, str] = {
    "opening": "期初在办",
    "new": "新增核实",
    "again": "重新核实",
    "relapsed": "反弹",
    "closed": "销号",
    "removed": "更正移出",
    "closing": "期末在办",
    "to_rectifying": "转入整改",
    "waiting": "其中待整改",
    "rectifying": "其中整改中",
    "back": "其中反弹",
    "overdue": "其中逾期",
    "on_account": "其中挂账",
    "suspected_new": "新增疑似",
    "suspected_open": "期末疑似",
    "issued_new": "新交办疑似",
    "issued_open": "期末待核查",
}

STEP_ZH: Mapping[str, str] = {
    "issued_verified": "交办至核实",
    "verified_rectifying": "核实至整改",
    "rectifying_closed": "整改至销号",
    "issued_closed": "交办至销号",
}

WHERE_ZH = {"desk": "内业排除", "field": "核查排除"}

INTERNAL = "内部版：含疑似线索，不得对外发布"
PUBLIC = "公开版：仅统计经人工核实的问题"

HOW_COUNTED = (
    f"本报告依据遥感影像线索和人工处置记录编制。疑似线索{NOTICE}；“核实”指具名人员核查后登记为问题，不代表任何法律认定。",
    "在办问题指已核实、整改中和反弹的问题。期初在办＋新增核实＋重新核实＋反弹－销号－更正移出＝期末在办。",
    "“更正移出”含核实后改为排除、许可、撤回、重新交办，与其他问题合并，以及更正为未反弹的。",
    "程度按本单位分级表；标“未确认”的，分级表尚未经确认，仅供排序。",
    "处置日期取登记的业务日期，不取录入日期；同一问题的日期不倒退。",
)

HOW_OBSERVED = (
    "已观测：截至当日的{window}日内（含当日）至少有一次晴空影像（卫星或无人机，巡查或复核）的河段长度乘以天数（公里·日）；"
    "水库无中心线，按座·日计。"
    "“已观测”不等于没有问题。",
    "未能观测：同样的{window}日内因云、阴影等没有晴空影像的河段乘以天数。未知：首次影像之前和最新影像之后的日期，不按零计。",
)
