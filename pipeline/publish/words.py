"""The Chinese words that stand beside codes."""

from __future__ import annotations

from pipeline.model import EvidenceState, Status

NOTICE = "仅为线索，不作为处罚依据"

STATUS_ZH = {
    Status.WATCH: "关注",
    Status.SUSPECTED: "疑似",
    Status.ISSUED: "已交办",
    Status.VERIFIED: "已核实",
    Status.REJECTED: "已排除",
    Status.PERMITTED: "已许可",
    Status.RECTIFYING: "整改中",
    Status.CLOSED: "已销号",
    Status.RELAPSED: "反弹",
    Status.WITHDRAWN: "已撤回",
}

EVIDENCE_ZH = {
    EvidenceState.FIRST: "首次发现",
    EvidenceState.PROVISIONAL: "待核",
    EvidenceState.SUSPECTED: "疑似",
    EvidenceState.EXPIRED: "已消失",
    EvidenceState.RELAPSED: "再次出现",
}
