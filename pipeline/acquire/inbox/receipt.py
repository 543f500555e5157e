"""The receipt beside a drop: one page in Chinese, for whoever flew.

Everything on it that came from outside is escaped, and the page can load and run nothing.
"""

from __future__ import annotations

import errno
import html
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.acquire.inbox.place import Covered
from pipeline.acquire.inbox.reasons import Fault, printable
from pipeline.io.atomic import write_bytes

SUFFIX = "_回执.html"
_READ_ONLY = (errno.EROFS, errno.EACCES, errno.EPERM, errno.ENAMETOOLONG)
_PAGE = """<!DOCTYPE html>
<html lang="zh-CN"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{title}</title>
<style>
body{{font:16px/1.7 sans-serif;max-width:44em;margin:2em auto;padding:0 1em}}
h1{{font-size:1.4em;border-left:.4em solid {colour};padding-left:.6em}}
table{{border-collapse:collapse}} th{{text-align:left;padding:.2em 1.5em .2em 0;vertical-align:top}}
td{{padding:.2em 0}} .do{{font-weight:bold}} footer{{color:#555;margin-top:2em;font-size:.9em}}
</style></head><body>
<h1>{title}</h1>
{body}
<footer>siluan 四乱 · 本回执由程序自动生成；提交的文件没有被删除或修改。</footer>
</body></html>
"""


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    label: str
    value: str


def refused_page(name: str, faults: Sequence[Fault], where: str) -> str:
    """Say what is wrong, and what to do.

    Parameters
    ----------
    where : str
        Where the drop lies now, for the pilot.
    """
    items = "\n".join(
        f"<li>{_safe(what)}。<br><span class=do>{_safe(do)}。</span></li>"
        for what, do in (f.zh() for f in faults)
    )
    body = (
        f"<p>提交：{_safe(name)}</p>\n<p>这次提交<b>没有接收</b>，原因和办法如下：</p>\n"
        f"<ol>\n{items}\n</ol>\n<p>{_safe(where)}</p>\n<p>改好以后请整个文件夹重新提交一次。</p>"
    )
    return _PAGE.format(title="未接收：请按说明修改后重新提交", colour="#b00020", body=body)


def accepted_page(
    name: str, rows: Sequence[Row], found: Sequence[Covered], notes: Sequence[str]
) -> str:
    """Say what was taken in, and what it covers."""
    title = "已接收" if found else "已接收，等待河段（该区域尚未划定河段）"
    all_rows = [Row("提交", name), *rows, *corridor_rows(found)]
    table = "\n".join(
        f"<tr><th>{_safe(r.label)}</th><td>{_safe(r.value)}</td></tr>" for r in all_rows
    )
    said = "\n".join(f"<li>{_safe(n)}</li>" for n in notes)
    body = f"<table>\n{table}\n</table>" + (f"\n<p>说明</p>\n<ul>\n{said}\n</ul>" if said else "")
    return _PAGE.format(title=title, colour="#1b7f3b" if found else "#b26a00", body=body)


def corridor_rows(found: Sequence[Covered]) -> list[Row]:
    """Kilometres of each corridor, or its area where it has no centreline."""
    rows: list[Row] = []
    for c in found:
        if c.photos:
            rows.append(Row(f"位于 {c.name_zh}", f"{c.photos} 张照片"))
        elif c.length_m is None or c.of_m is None:
            rows.append(Row(f"覆盖 {c.name_zh}", f"{c.area_m2 / 1e6:.3f} 平方千米"))
        else:
            of = f"{c.length_m / 1000:.2f} 千米（河段全长 {c.of_m / 1000:.1f} 千米）"
            rows.append(Row(f"覆盖 {c.name_zh}", of))
    return rows


def write_receipt(beside: Path, page: str, suffix: str = SUFFIX) -> Path | None:
    """Write a page beside a drop; None where nothing can be written there.

    The scratch name is random, so that nobody can lay a link in its way.
    """
    path = beside.with_name(f"{beside.name}{suffix}")
    try:
        write_bytes(path, page.encode("utf-8", "replace"), durable=False)
    except PermissionError:
        return None
    except OSError as error:
        if error.errno in _READ_ONLY:
            return None
        raise
    return path


def _safe(text: str) -> str:
    return html.escape(printable(text))
