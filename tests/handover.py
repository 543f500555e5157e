"""A ledger with cases to hand over, and a receiver in a process of its own."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import yaml
from shapely.geometry import box

from pipeline.adjudicate.evidence import fold
from pipeline.cases.where import Report
from pipeline.deliver import upkeep
from pipeline.deliver.place import Place, find_place
from pipeline.deliver.service import DeliverRequest, deliver
from pipeline.io.atomic import write_json
from pipeline.ledger import Command, Edit, LedgerContext, apply, change, open_ledger
from pipeline.ledger.status import Reason
from pipeline.model import Candidate, Case, Kind, Look, Seen, Status

START, END = datetime(2025, 1, 1, tzinfo=UTC), datetime(2025, 6, 30, tzinfo=UTC)
X, Y = 710000.0, 3080000.0  # UTM 49N, near Zhuzhou
CONTEXT = LedgerContext("r", "0", "h", ("xiangjiang",), (START, END), partial(fold, until=END))
NOW = datetime(2026, 3, 1, 4, tzinfo=UTC)


def candidate(i: int, hits: int = 3) -> Candidate:
    looks = tuple(
        Look(datetime(2025, 1, 1 + k, 3, tzinfo=UTC), f"p{k}", "s2", 1.0, Seen.HIT, True, 0.4)
        for k in range(hits)
    )
    shape = box(X + 200 * i, Y, X + 200 * i + 40, Y + 40)
    return Candidate(
        kind=Kind.DUI,
        corridor_id="xiangjiang",
        polygon=shape,
        crs="EPSG:32649",
        area_m2=shape.area,
        looks=looks,
        evidence=fold(looks),
        score=0.5,
        measures={},
        scene_ids=("s1",),
        detector="ground/1",
    )


@dataclass
class Office:
    """One state folder with its office file, and what people do there."""

    root: Path
    now: datetime = NOW

    @property
    def state(self) -> Path:
        return self.root / "state"

    @property
    def feed(self) -> Path:
        return self.state / "feed"

    def run(self, *hits: int) -> list[str]:
        """Let imagery see as many objects, each so often; give the ids from west to east."""
        found = [candidate(i, n) for i, n in enumerate(hits) if n]
        with open_ledger(self.state / "ledger.sqlite") as ledger:
            cases = apply(ledger, found, CONTEXT).cases
        return [c.case_id for c in sorted(cases, key=lambda c: c.polygon.bounds)]

    def say(self, status: Status, *ids: str, reason: Reason | None = None, **more: Any) -> None:
        edits = [
            Edit(i, "王工", self.now.date(), status=status, reason=reason, record=more) for i in ids
        ]
        command = Command("siluan cases update", f"u{self.now:%H%M%S}", self.now, "0")
        with open_ledger(self.state / "ledger.sqlite") as ledger:
            done = change(ledger, edits, command)
        assert not done.refused, done.refused
        self.now += timedelta(seconds=1)

    def issue(self, *ids: str) -> None:
        self.say(Status.ISSUED, *ids)

    def cases(self) -> dict[str, Case]:
        with open_ledger(self.state / "ledger.sqlite", writing=False) as ledger:
            return {c.case_id: c for c in ledger.cases()}

    def settle(self, *receivers: dict[str, Any], **more: Any) -> None:
        """Write the office file."""
        text = yaml.safe_dump({**more, "receivers": list(receivers)}, allow_unicode=True)
        self.root.mkdir(exist_ok=True)
        (self.root / "deliver.yaml").write_text(text, encoding="utf-8")

    def place(self) -> Place:
        settings = self.root / "deliver.yaml"
        return find_place(None, self.state, settings if settings.exists() else None)

    def deliver(self, *, full: bool = False, by: str | None = None, now: bool = False) -> Report:
        return deliver(DeliverRequest(self.place(), full, by, now, lambda: self.now))

    def foretell(self) -> Report:
        return upkeep.foretell(DeliverRequest(self.place(), now=lambda: self.now))

    def page(self, number: int) -> dict[str, Any]:
        return json.loads((self.feed / f"{number:06d}.geojson").read_bytes())

    def told(self, number: int) -> list[tuple[str, int, str]]:
        """Give what a number says: case, revision, change."""
        return [
            (f["id"], f["properties"]["revision"], f["delivery"]["change"])
            for f in self.page(number)["features"]
        ]

    def pictured(self, case_id: str, revision: int, data: bytes, sha256: str) -> Path:
        """Leave a picture as a run does."""
        folder = self.root / "out" / "2025-06-30_r" / "evidence" / case_id / str(revision)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "after.png").write_bytes(data)
        file = {
            "name": "after.png",
            "sha256": sha256,
            "bytes": len(data),
            "media_type": "image/png",
            "role": "after",
        }
        (folder / "manifest.json").write_text(json.dumps({"files": [file]}))
        return folder


def as_receiver(url: str | None, **more: Any) -> dict[str, Any]:
    """Give the settings of a receiver that loses no time."""
    http = {"url": url, "secret_env": "CITY_SECRET"} if url else {}
    quick = {"timeout_s": 60, "tries": 2, "pause_s": 0, "wait_s": 60}
    return {"name": "city", **http, **(quick if url else {}), **more}


@dataclass
class Receiver:
    """The receiver's process, from outside."""

    url: str

    def tell(self, **told: Any) -> None:
        httpx.put(f"{self.url}/faults", json=told).raise_for_status()

    def forget(self) -> None:
        self.tell(forget=True)

    def state(self) -> dict[str, Any]:
        return httpx.get(f"{self.url}/state").json()


@contextmanager
def receiving() -> Generator[Receiver]:
    """Start the receiver as a process of its own."""
    command = [sys.executable, str(Path(__file__).with_name("receiver.py"))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield Receiver(process.stdout.readline().strip())
        finally:
            process.kill()


def make_samples(folder: Path, root: Path) -> None:
    """Make the samples that ship, after a change of the schemas: ``python tests/handover.py``."""
    office, png = Office(root), b"\x89PNG sample"
    office.settle(evidence="out")
    ids = office.run(3, 3)
    office.pictured(ids[0], 1, png, hashlib.sha256(png).hexdigest())
    office.issue(*ids)
    office.deliver()
    new = next(f for f in office.page(1)["features"] if f["id"] == ids[0])
    write_json(folder / "sample_new.json", new)
    (folder / "sample_feed.geojson").write_bytes((office.feed / "000001.geojson").read_bytes())
    office.say(Status.WITHDRAWN, ids[1], reason=Reason.DUPLICATE)
    office.deliver()
    write_json(folder / "sample_ended.json", office.page(2)["features"][0])
    first = {
        "case_id": ids[0],
        "revision": 2,
        "external_id": "2026-0311-004",
        "status": "处理中",
        "unit": "渌口区水利局",
        "due": "2026-06-30",
        "on": "2026-03-11",
    }
    second = {"case_id": ids[1], "revision": 2, "status": "驳回"}
    write_json(folder / "sample_answers.json", {"answers": [first, second], "next": "2"})


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        make_samples(Path(__file__).parent.parent / "pipeline" / "deliver", Path(scratch))
