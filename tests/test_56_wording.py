"""What a permit's words allow (许可事项): conditions, lists and exceptions, and what is denied."""

from __future__ import annotations

import time

import pytest

from pipeline.adjudicate.authorised import AuthorisedOptions, kinds_of
from pipeline.model import Kind

MINING, BUILDING, OCCUPYING = {"cai", "dui"}, {"jian", "dui", "zhan"}, {"jian", "zhan"}
NOTHING: set[str] = set()

LAWFUL = [
    ("在不得影响行洪安全的前提下占用滩地", OCCUPYING),
    ("不得影响防洪安全的前提下建设码头", BUILDING),
    ("在不影响行洪的前提下占用河道", OCCUPYING),
    ("在不涉及生态保护红线的河段采砂", MINING),
    ("不涉及饮用水源保护区河段采砂", MINING),
    ("不含砂石的河道疏浚", MINING),
    ("不含税价100万元采砂", MINING),
    ("除采砂外不得从事其他活动", MINING),
    ("除采砂外，其他活动一律禁止", MINING),
    ("不得采砂以外的用途", MINING),
    ("不得从事除采砂以外的活动", MINING),
    ("采砂4至6月除外", MINING),
    ("采砂、4至6月除外", MINING),
    ("采砂四月至六月除外", MINING),
    ("采砂（4月1日至6月30日除外）", MINING),
    ("河道采砂禁采区、禁采期除外", MINING),
    ("采砂、饮用水源保护区除外", MINING),
    ("1、不得影响行洪 2、采砂作业", MINING),
    ("1.不得弃渣.2.采砂", MINING),
    ("①不得弃渣②采砂", MINING),
    ("一、不得弃渣 二、采砂", MINING),
    ("禁止事项：夜间作业 许可事项：采砂", MINING),
    ("禁止事项：1、采砂 2、弃渣 许可事项：桥梁", BUILDING),
    ("不得弃渣\t建设桥梁", BUILDING),
    ("每日不得超过500吨采砂", MINING),
    ("许可采砂，每日不得超过500吨，采砂船3艘", MINING),
]
DENIED = [
    "不同意占用",
    "暂停采砂",
    "停止采砂",
    "免占用",
    "不需占用",
    "不新增占用",
    "不再占用",
    "禁止夜间采砂",
    "禁止在城区河段采砂",
    "不得在未经许可的情况下采砂",
    "严禁无证情况下采砂",
    "禁止采砂、4至6月除外",
    "采砂、弃渣除外",
    "采砂区除外",
    "绿化（不含河道的采砂）",
    "不得在采砂区以外的区域采砂",
    "不得在一、二级保护区采砂",
    "禁止：采砂",
    "禁止 采砂",
    "不予许可：采砂",
    "禁止事项：采砂",
    "禁止事项：1、采砂 2、弃渣",
    "禁止事项：①采砂②弃渣",
    "禁止事项：（一）采砂（二）弃渣",
    "未经批准不得建设",
]


@pytest.mark.parametrize(
    ("what", "kinds"),
    [
        *LAWFUL,
        *((what, NOTHING) for what in DENIED),
        ("除采砂外的涉河建设，不得影响行洪", BUILDING),
        ("建设（弃渣除外）", BUILDING),
        ("占用（不含采砂）", OCCUPYING),
    ],
)
def test_what_a_permit_allows_by_its_words(what: str, kinds: set[str]) -> None:
    assert {k.value for k in kinds_of(what, AuthorisedOptions())} == kinds


def test_a_long_number_takes_no_time() -> None:
    what = f"采砂{'1' * 60}其他{'除外其他' * 20}"
    began = time.perf_counter()
    assert kinds_of(what, AuthorisedOptions()) == {Kind.CAI, Kind.DUI}
    assert time.perf_counter() - began < 2  # without care: longer than anybody waits
