"""``flight.yaml``: what a pilot says of a flight."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, field_validator
from pyproj import CRS
from pyproj.exceptions import CRSError

from pipeline.acquire.inbox.reasons import SubmissionRefusedError, refuse
from pipeline.io.settings import explain

NAME = "flight.yaml"
_LIMIT = 64 * 2**10  # bytes
_DEEPEST = 6  # levels
_OPENING = (
    yaml.BlockMappingStartToken,
    yaml.BlockSequenceStartToken,
    yaml.FlowMappingStartToken,
    yaml.FlowSequenceStartToken,
)
_CLOSING = (yaml.BlockEndToken, yaml.FlowMappingEndToken, yaml.FlowSequenceEndToken)
_NUMBER = re.compile(r"\s*[+-]?[\d_.]+(e[+-]?\d+)?\s*", re.I)
_STRICT = ConfigDict(frozen=True, extra="forbid")
Band = Literal["red", "green", "blue", "nir", "alpha", "other"]


class FileNames(BaseModel):
    """Which file is what, where names and content leave it open."""

    model_config = _STRICT

    mosaic: tuple[str, ...] = Field(min_length=1, max_length=10_000, description="relative")
    dsm: tuple[str, ...] = Field(default=(), max_length=10_000, description="relative")


class FlightForm(BaseModel):
    """What a pilot says of a flight."""

    model_config = _STRICT

    team: str = Field(min_length=1, max_length=200, description="who flew")
    drone: str = Field(min_length=1, max_length=200, description="maker and model")
    camera: str = Field(min_length=1, max_length=200, description="maker and model")
    flown: AwareDatetime = Field(description="middle of the flight, with its zone")
    horizontal: str | None = Field(
        default=None,
        pattern=r"^EPSG:\d{4,6}$",
        description="CRS of mosaic and surface; default: what the files say",
    )
    vertical: Literal["1985", "ellipsoid", "unknown"] = Field(
        description="1985 国家高程基准, heights above the ellipsoid, or unknown: then a surface "
        "serves for changes between flights only"
    )
    height_unit: Literal["m", "ft"] = Field(default="m", description="of the surface model")
    gsd_m: float | None = Field(default=None, gt=0, le=5, description="of the mosaic [m]")
    rtk: bool = Field(description="positions of the camera by RTK or PPK")
    gcp: int = Field(ge=0, le=10_000, description="ground control points; 0: none")
    supersedes: str | None = Field(
        default=None, max_length=100, description="number of the submission that this one corrects"
    )
    history: bool = Field(
        default=False, description="true: flown before one that is in use, and meant so"
    )
    bands: tuple[Band, ...] | None = Field(
        default=None, min_length=3, max_length=20, description="of the mosaic, in order"
    )
    files: FileNames | None = Field(default=None, description="which file is what")
    photo_zone: str | None = Field(
        default=None, description="of the clocks of photos that store none, such as +08:00"
    )
    note: str = Field(default="", max_length=2000, description="anything else")

    @field_validator("flown", mode="before")
    @classmethod
    def _no_bare_number(cls, value: object) -> object:
        # Pydantic takes one for seconds since 1970, UTC: a zone that nobody stated.
        if isinstance(value, int | float) or (isinstance(value, str) and _NUMBER.fullmatch(value)):
            raise ValueError("a date and a time with its zone, no bare number")
        return value

    @field_validator("flown")
    @classmethod
    def _of_our_time(cls, value: datetime) -> datetime:
        if value.year < 2000:
            raise ValueError("no flight is that old")
        return value

    @field_validator("vertical", mode="before")
    @classmethod
    def _as_text(cls, value: object) -> object:
        return "1985" if value == 1985 else value  # YAML reads it as a number

    @field_validator("horizontal")
    @classmethod
    def _known(cls, value: str | None) -> str | None:
        try:
            known = value is None or CRS.from_user_input(value)
        except CRSError as error:
            raise ValueError(f"no CRS is called {value}") from error
        del known
        return value

    @field_validator("photo_zone")
    @classmethod
    def _offset(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"[+-](0\d|1[0-4]):[0-5]\d", value):
            raise ValueError("a zone is written like +08:00")
        return value

    @field_validator("bands")
    @classmethod
    def _colours(cls, value: tuple[Band, ...] | None) -> tuple[Band, ...] | None:
        named = [b for b in value or () if b != "other"]
        if value is not None and (
            not {"red", "green", "blue"} <= set(named) or len(set(named)) != len(named)
        ):
            raise ValueError("name red, green and blue once each; what is neither is 'other'")
        return value

    @property
    def flown_utc(self) -> datetime:
        """When, UTC."""
        return self.flown.astimezone(UTC)


_HINTS = {
    "team": "飞行队伍名称",
    "drone": "无人机型号",
    "camera": "相机型号",
    "flown": "飞行时间，须带时区，例如 2026-11-20T10:30:00+08:00，且不能晚于现在",
    "horizontal": "坐标系，例如 EPSG:4547",
    "vertical": "高程基准：1985、ellipsoid（椭球高）或 unknown（不清楚）",
    "height_unit": "高程单位：m",
    "gsd_m": "分辨率（米），例如 0.05",
    "rtk": "是否使用 RTK/PPK：true 或 false",
    "gcp": "像控点个数，没有写 0",
    "supersedes": "所更正的那一次的编号",
    "history": "是否历史资料：true 或 false",
    "bands": "波段顺序，例如 [red, green, blue, nir]",
    "files": "文件名",
    "photo_zone": '照片时区，例如 "+08:00"',
    "note": "备注",
}


def read_form(path: Path, now: datetime) -> FlightForm:
    """Read and check a form; UTF-8 with or without BOM, or GBK.

    Parameters
    ----------
    now : datetime
        Aware; nothing is flown after it.

    Raises
    ------
    SubmissionRefusedError
        Every offender named.
    """
    if path.stat().st_size > _LIMIT:
        raise _wrong("it is too long to be a form", "文件过长")
    raw = _parsed(path.read_bytes())
    if not isinstance(raw, dict):
        raise _wrong("it must hold keys and values", "内容应为“项目: 值”的形式")
    try:
        form = FlightForm.model_validate(raw)
    except ValidationError as error:
        raise _wrong(explain(error, FlightForm), _in_chinese(error)) from error
    if form.flown_utc > now:
        raise _wrong(f"'flown' ({form.flown.isoformat()}) is in the future", _HINTS["flown"])
    return form


def _parsed(data: bytes) -> Any:
    try:
        text = _decoded(data)
        _check_tokens(text)
        _check_keys(yaml.compose(text, yaml.SafeLoader))
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        detail = " ".join(str(error).split())[:200]
        raise _wrong(f"it is not valid YAML ({detail})", "不是有效的 YAML 文件") from error


def _check_tokens(text: str) -> None:
    """Refuse what no form needs and what makes a small file costly: aliases, deep nesting."""
    depth = 0
    for token in yaml.scan(text):
        if isinstance(token, yaml.AliasToken):
            raise _wrong("it uses aliases, which no form needs", "不要使用引用（*）")
        depth += isinstance(token, _OPENING) - isinstance(token, _CLOSING)
        if depth > _DEEPEST:
            raise _wrong("it is nested deeper than any form", "括号或层次过多")


def _check_keys(form: yaml.Node | None) -> None:
    """Refuse keys that are given twice: YAML keeps the last one without a word."""
    said: list[str] = []
    zh: list[str] = []
    for node in _mappings(form):
        lines: dict[str, list[str]] = {}
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                lines.setdefault(str(key.value), []).append(str(key.start_mark.line + 1))
        twice = {k: n for k, n in lines.items() if len(n) > 1}
        said += [f"'{k}' (lines {', '.join(n)})" for k, n in twice.items()]
        zh += [f"{k}（第 {'、'.join(n)} 行）" for k, n in twice.items()]
    if said:
        raise _wrong(f"given more than once: {', '.join(said)}", f"重复填写：{'，'.join(zh)}")


def _mappings(node: yaml.Node | None) -> Iterator[yaml.MappingNode]:
    if isinstance(node, yaml.MappingNode):
        yield node
        for _, value in node.value:
            yield from _mappings(value)


def _decoded(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("gb18030")


def _wrong(what: str, zh: str) -> SubmissionRefusedError:
    return refuse("form", what=what, zh=zh)


def _in_chinese(error: ValidationError) -> str:
    parts: dict[str, str] = {}
    for item in error.errors():
        name = str(item["loc"][0]) if item["loc"] else ""
        kind = {"missing": "缺少", "extra_forbidden": "没有这一项"}.get(item["type"], "写法不对")
        hint = f"（{_HINTS[name]}）" if name in _HINTS else ""
        parts.setdefault(name, f"{name} {kind}{hint}")
    return "；".join(parts.values())
