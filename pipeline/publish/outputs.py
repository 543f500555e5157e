"""What a run leaves in its output folder: all of it appears at once, or nothing does."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from pipeline.errors import ContractError
from pipeline.io.atomic import point_latest, replace_dir, write_bytes, write_json, write_text
from pipeline.io.failpoints import failpoint
from pipeline.model import Case, NotObserved, RunRecord
from pipeline.publish.geojson import (
    SCHEMA_VERSION,
    case_feature,
    feature_collection,
    instant,
    not_observed_feature,
    to_bytes,
)
from pipeline.publish.words import NOTICE

VOLATILE = frozenset({"run.json", "run.log"})
"""Files that a rerun over the same input may change."""


@dataclass(frozen=True)
class Outputs:
    """What a run has to say."""

    cases: Sequence[Case]
    watch: Sequence[Case]
    not_observed: Sequence[NotObserved]
    record: RunRecord
    rivers: Mapping[str, str] = field(default_factory=dict[str, str])  # corridor id → 河名
    gsd_m: Mapping[str, float] = field(default_factory=dict[str, float])  # by sensor
    log_text: str = ""


@cache
def validator(name: str) -> Draft202012Validator:
    """Give the validator of a schema that ships in this package."""
    text = resources.files("pipeline.publish").joinpath(f"{name}_schema.json").read_text("utf-8")
    schema = json.loads(text)
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def check(name: str, what: str, document: Any) -> None:
    """Hold a document against its schema.

    Raises
    ------
    ContractError
        It does not fit; every place is named.
    """
    faults = sorted(validator(name).iter_errors(document), key=lambda e: list(map(str, e.path)))
    if faults:
        places = "; ".join(
            f"{'/'.join(map(str, f.absolute_path)) or 'document'}: {f.message[:160]}"
            for f in faults[:10]
        )
        raise ContractError(f"{what} breaks its schema ({places})", "Nothing was published")


def publish_run(out: Path, outputs: Outputs) -> Path:
    """Write a run's folder and point ``latest`` to it.

    The folder is named by the period's end and the run id, not by the clock, so that an unchanged
    rerun finds its own folder and leaves all but ``run.json`` and ``run.log`` alone.

    Raises
    ------
    ContractError
        Something would break a schema; nothing is written.
    DiskFullError
        The disk is full; what was there stays.
    """
    files = _layers(outputs)
    record = _record(outputs.record, files)
    check("run", "run.json", record)
    name = f"{outputs.record.period[1]:%Y%m%d}-{outputs.record.run_id}"

    def build(folder: Path) -> None:
        for file, data in files.items():
            write_bytes(folder / file, data)
        write_json(folder / "run.json", record)
        write_text(folder / "run.log", outputs.log_text)
        failpoint("publish.before_swap")

    target = out / name
    replace_dir(target, build, VOLATILE)
    failpoint("publish.after_swap")
    point_latest(target)
    return target


def _layers(outputs: Outputs) -> dict[str, bytes]:
    def cases_of(cases: Sequence[Case]) -> dict[str, Any]:
        return feature_collection(
            case_feature(c, river_zh=outputs.rivers.get(c.corridor_id), gsd_m=outputs.gsd_m)
            for c in cases
        )

    documents = {
        "cases.geojson": ("case", cases_of(outputs.cases)),
        "watch.geojson": ("case", cases_of(outputs.watch)),
        "not_observed.geojson": (
            "not_observed",
            feature_collection(not_observed_feature(n) for n in outputs.not_observed),
        ),
    }
    files: dict[str, bytes] = {}
    for file, (schema, document) in documents.items():
        data = to_bytes(document)
        # What is validated is what is read back, not what was meant.
        check(schema, file, json.loads(data))
        files[file] = data
    return files


def _record(record: RunRecord, files: Mapping[str, bytes]) -> dict[str, Any]:
    return {
        "run_id": record.run_id,
        "workflow": record.workflow,
        "period": {"from": instant(record.period[0]), "to": instant(record.period[1])},
        "code_version": record.code_version,
        "config_hash": record.config_hash,
        "schema_version": SCHEMA_VERSION,
        "counts": dict(record.counts),
        "inputs": [dict(i) for i in record.inputs],
        "set_aside": [asdict(a) for a in record.set_aside],
        "outputs": {name: hashlib.sha256(data).hexdigest() for name, data in files.items()},
        "seconds": dict(record.seconds),
        "notice": NOTICE,
    }
