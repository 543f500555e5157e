"""The ledger at size: ``python -m benchmarks.ledger --out FOLDER``.

Writes ``ledger.json`` and ``ledger.md``. With ``--url postgresql://...`` in an empty database of
PostGIS instead of a file. ``--kills 200`` kills a writer at random instants instead, and with
``--deliver`` an office that writes, decides and hands over to a receiver.
"""

from __future__ import annotations

import argparse
import json
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.ledger.handover import kill_deliveries
from benchmarks.ledger.kills import kill_often
from benchmarks.ledger.measure import PARTS, machine, measure
from pipeline.ledger import LedgerPlace

GOALS = {"matching": "<= 2 s", "feed": "<= 50 ms a page"}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--out", type=Path, default=Path("out/ledger"))
    parser.add_argument("--cases", type=int, default=1_000_000)
    parser.add_argument("--url", help="an empty database with PostGIS; default: a file")
    parser.add_argument("--kills", type=int, help="kill a writer so often, and measure nothing")
    parser.add_argument("--deliver", action="store_true", help="with --kills: kill deliveries")
    parser.add_argument(
        "--parts", nargs="+", choices=[*PARTS], help="these alone, after filling; default: all"
    )
    parser.add_argument("--seed", type=int, default=7)
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=asked.out) as folder:
        if asked.kills and asked.deliver:
            _deliveries(asked, Path(folder))
        elif asked.kills:
            _kills(asked, Path(folder))
        else:
            _measure(asked, Path(folder))


def _kills(asked: argparse.Namespace, folder: Path) -> None:
    place = LedgerPlace(folder / "killed" / "ledger.sqlite", asked.url)
    done = kill_often(place, folder / "calm.sqlite", asked.kills, asked.seed)
    print(
        f"{done.kills} kills, {done.inside} of them within a transaction, of which "
        f"{done.undone} left nothing; {done.steps} transactions finished; "
        f"{done.torn} ledgers neither before nor after one"
    )
    store = "postgis" if asked.url else "sqlite"
    _keep(asked.out, {f"kills {store}": vars(done)})
    if done.torn:
        raise SystemExit(1)


def _deliveries(asked: argparse.Namespace, folder: Path) -> None:
    done = kill_deliveries(folder, asked.kills, asked.seed)
    print(
        f"{done.kills} kills over {done.steps} steps; the receiver holds {done.cases} cases; "
        f"{done.again} deliveries came again with the same content; {len(done.wrong)} were wrong, "
        f"{done.lost} cases are not as an undisturbed receiver has them, {done.torn} ledgers torn"
    )
    for why in done.wrong:
        print(why)
    _keep(asked.out, {"deliveries": vars(done)})
    if done.wrong or done.lost or done.torn:
        raise SystemExit(1)


def _measure(asked: argparse.Namespace, folder: Path) -> None:
    store = "postgis" if asked.url else "sqlite"
    numbers: dict[str, Any] = {"machine": machine(), "cases": asked.cases}
    chosen = [p for p in PARTS if p == "fill" or not asked.parts or p in asked.parts]
    for part in chosen:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            numbers[part] = pool.submit(measure, part, folder, asked.url, asked.cases).result()
        print(part, numbers[part], flush=True)
        _keep(asked.out, {store: numbers})


def _keep(out: Path, numbers: dict[str, Any]) -> None:
    kept = out / "ledger.json"
    whole: dict[str, Any] = json.loads(kept.read_text()) if kept.exists() else {}
    whole |= numbers
    kept.write_text(json.dumps(whole, indent=1) + "\n")
    (out / "ledger.md").write_text(_markdown(whole))


def _markdown(whole: dict[str, Any]) -> str:
    text = ""
    for store in ("sqlite", "postgis"):
        if store in whole:
            text += _table(store, whole[store])
    for name in sorted(n for n in whole if n.startswith("kills")):
        k = whole[name]
        text += (
            f"\n{name.removeprefix('kills ')}: {k['kills']} kills, {k['inside']} within "
            f"a transaction, {k['steps']} transactions finished, {k['torn']} ledgers torn.\n"
        )
    if "deliveries" in whole:
        d = whole["deliveries"]
        text += (
            f"\ndeliveries: {d['kills']} kills, {d['cases']} cases at the receiver, {d['again']} "
            f"came again, {len(d['wrong'])} wrong, {d['lost']} lost, {d['torn']} ledgers torn.\n"
        )
    return text


def _table(store: str, numbers: dict[str, Any]) -> str:
    lines = [f"\n## {store}, {numbers['cases']:,} cases\n"]
    lines.append(f"{numbers['machine']}. Seconds and ms are of CPU where nothing else is said.\n")
    lines += [
        "| part | what it does | numbers | CPU s | peak MB | goal |",
        "|---|---|---|---|---|---|",
    ]
    for part, do in PARTS.items():
        if part not in numbers:
            continue
        found = dict(numbers[part])
        cpu, peak = found.pop("CPU s"), found.pop("peak MB")
        said = ", ".join(
            f"{k} {v:,}" if isinstance(v, int) else f"{k} {v:g}" for k, v in found.items()
        )
        what = (do.__doc__ or "").rstrip(".")
        lines.append(f"| {part} | {what} | {said} | {cpu} | {peak} | {GOALS.get(part, '')} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
