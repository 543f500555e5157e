"""The words of pictures and of case.json, in Chinese and in English."""

from __future__ import annotations

from pipeline.evidence.types import Language

_WORDS: dict[str, tuple[str, str]] = {
    "notice": ("仅为线索，不作为处罚依据", "A lead only; no ground for any penalty"),
    "suspected": ("疑似", "Suspected "),
    "zhan": ("乱占", "occupation (乱占)"),
    "cai": ("乱采", "extraction (乱采)"),
    "dui": ("乱堆", "dumping (乱堆)"),
    "jian": ("乱建", "construction (乱建)"),
    "before": ("此前", "Before"),
    "after": ("此后", "After"),
    "true": ("真彩色", "true colour"),
    "false_swir": ("假彩色（短波红外/近红外/红）", "false colour (SWIR/NIR/red)"),
    "false_nir": ("假彩色（近红外/红/绿）", "false colour (NIR/red/green)"),
    "hidden": ("遮挡", "hidden"),
    "level": ("水位序", "level rank"),
    "case_id": ("编号", "Case"),
    "revision": ("版本", "Revision"),
    "status": ("办理状态", "Status"),
    "evidence_state": ("影像判断", "By imagery"),
    "river": ("河湖", "Water"),
    "place": ("位置", "Place"),
    "chainage": ("桩号", "Chainage"),
    "county": ("县区/乡镇", "County"),
    "area": ("面积", "Area"),
    "volume": ("体积变化", "Volume change"),
    "height": ("高度变化（无人机）", "Change of height (drone)"),
    "footprint": ("变化范围（无人机）", "Ground changed (drone)"),
    "appeared": ("出现时间", "Appeared"),
    "between": ("{0} 之后、{1} 之前", "after {0}, before {1}"),
    "by": ("{0} 之前（更早没有清晰影像）", "before {0} (no clear look earlier)"),
    "last_seen": ("最近看到", "Last seen"),
    "counts": ("观测", "Looks"),
    "counted": (
        "出现以来看到 {0} 次，晴空未见 {1} 次，无法判断 {2} 次",
        "since it appeared: seen {0}, clear and not seen {1}, no answer {2}",
    ),
    "subtype": ("细类（建议）", "Sub-type, suggested"),
    "severity": ("严重程度（建议）", "Severity, suggested"),
    "unconfirmed": ("分级表未经核实", "by an unconfirmed table"),
    "leads": ("线索来源", "Leads"),
    "budget": ("建议交办次序", "Order of proposal"),
    "budget_goes": ("建议交办", "proposed for issue"),
    "budget_when": (
        "{0} {1} 第{2}位，共{3}处，{4}（制图时）",
        "{0} {1}: {2} of {3}, {4} (when drawn)",
    ),
    "reasons": ("说明", "Remarks"),
    "left": ("左岸", "left bank"),
    "right": ("右岸", "right bank"),
    "detector": ("方法", "Method"),
    "side": ("图幅边长", "Ground shown"),
    "looks": ("历次观测", "All looks"),
    "seen": ("看到", "seen"),
    "seen_uncertain": ("看到（不确定）", "seen (uncertain)"),
    "missed": ("晴空未见", "clear, not seen"),
    "undecided": ("晴空但不能判断", "clear, cannot tell"),
    "unseen": ("看不到（云等）", "could not see"),
    "level_axis": ("水位序（0 低 – 1 高）", "level rank (0 low – 1 high)"),
    "rise": ("高程变化（此后减此前）", "Change of surface (after less before)"),
    "rise_note": ("已减去轮廓外中位数", "median outside the outline taken off"),
    "metres": ("米", "m"),
    "m2": ("平方米", "m²"),
    "m3": ("立方米", "m³"),
    "north": ("北", "N"),
    "part": ("案件较长，图中只显示中部", "The case is longer: its middle is shown"),
    "same_stretch": (
        "前后两图同一范围、同一拉伸；灰色斜纹为走廊以外或无数据",
        "Both dates: same ground, same stretch; grey hatching: outside the corridor, or no data",
    ),
    "same_season": (
        "此前影像为同一季节（年内相差 {0} 天）",
        "Before: of the same season ({0} days apart)",
    ),
    "other_season": (
        "此前影像为不同季节（年内相差 {0} 天）：植被和水位可能因季节不同",
        "Before: of another season ({0} days apart): plants and water may differ for that",
    ),
    "of_revision": ("影像取自版本 {0} 的证据", "Pictures are those of revision {0}"),
    "nothing": ("没有可以显示的影像", "Nothing can be shown"),
    "no_before": ("首次看到之前没有清晰影像", "no clear look before it appeared"),
    "no_after": ("看到它的影像不在本次数据中", "no look that saw it is at hand"),
    "no_true": ("缺少红、绿、蓝波段", "red, green and blue are not all there"),
    "no_false": ("没有近红外波段，无假彩色", "no near infrared: no false colour"),
    "no_swir": ("没有短波红外，改用近红外/红/绿", "no SWIR: NIR/red/green instead"),
    "of_pictures": (
        "由未定标的图片发现，其像素不在影像库中",
        "found in uncalibrated pictures, whose pixels are not in the store",
    ),
    "of_drone": (
        "由无人机发现，本次运行没有读取航片；见航片对比的运行结果",
        "found by a drone; this run read no flights, the run that compared them has the pictures",
    ),
    "not_here": ("本次运行没有该河段的影像", "this run has no imagery of the reach"),
    "outside": ("不在影像库的范围内", "outside the ground that the store keeps"),
    "damaged": (
        "影像库中的一块数据损坏，下次运行重新读取",
        "a block of the store is damaged; the next run reads it again",
    ),
    "no_rise": ("没有两次航测高程", "no two surfaces"),
}

SENSORS: dict[str, tuple[str, str]] = {
    "sentinel-2-l2a": ("哨兵二号", "Sentinel-2"),
    "sentinel-2-l1c": ("哨兵二号", "Sentinel-2"),
    "landsat-c2-l2": ("陆地卫星", "Landsat"),
    "drone": ("无人机", "drone"),
}

EVIDENCE: dict[str, tuple[str, str]] = {
    "first": ("首次发现", "first sighting"),
    "provisional": ("待核", "provisional"),
    "suspected": ("疑似", "suspected"),
    "expired": ("已消失", "no longer seen"),
    "relapsed": ("再次出现", "seen again"),
}


def word(code: str, language: Language, *values: object) -> str:
    """Give the words of a code, with what they are about put in."""
    return _WORDS[code][language == "en"].format(*values)


def sensor_name(sensor: str, language: Language) -> str:
    """Name a sensor; one without a name here by its key."""
    return SENSORS.get(sensor, (sensor, sensor))[language == "en"]


def credit_of(sensors: list[str], years: list[int]) -> str | None:
    """Give what the licence of the imagery asks to be said; None where none is known."""
    span = "/".join(str(y) for y in sorted(set(years)))
    said: list[str] = []
    if any(s.startswith("sentinel-2") for s in sensors):
        said.append(f"Contains modified Copernicus Sentinel data {span}")
    if any(s.startswith("landsat") for s in sensors):
        said.append(f"Landsat data {span} courtesy of USGS")
    return "; ".join(said) or None
