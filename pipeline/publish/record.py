"""What a run did, as run.json; and the id that makes the same run the same."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from pipeline.model import RunRecord
from pipeline.publish.geojson import SCHEMA_VERSION, instant
from pipeline.publish.words import NOTICE


def make_run_id(
    workflow: str,
    corridors: Iterable[str],
    period: tuple[datetime, datetime],
    fingerprints: Mapping[str, str],
    config_hash: str,
    code_version: str,
) -> str:
    """Hash what determines a run into 12 hexadecimal digits; wall time has no part in it.

    Parameters
    ----------
    fingerprints : mapping of scene id to str
        Of every input.
    """
    start, end = period
    content = {
        "workflow": workflow,
        "corridors": sorted(set(corridors)),
        "period": [start.isoformat(), end.isoformat()],
        "inputs": dict(sorted(fingerprints.items())),
        "config": config_hash,
        "code": code_version,
    }
    text = json.dumps(content, ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def run_document(record: RunRecord, contents: Mapping[str, bytes]) -> dict[str, Any]:
    """Give run.json; ``contents`` are the files that the run leaves beside it."""
    return {
        "schema_version": SCHEMA_VERSION,
        "run_id": record.run_id,
        "workflow": record.workflow,
        "period": {"start": instant(record.period[0]), "end": instant(record.period[1])},
        "code_version": record.code_version,
        "config_hash": record.config_hash,
        "inputs": [_plain(i) for i in sorted(record.inputs, key=lambda i: str(i["id"]))],
        "counts": _plain(record.counts),
        "seconds": {k: round(v, 3) for k, v in record.seconds.items()},
        "cpu_seconds": {k: round(v, 3) for k, v in record.cpu_seconds.items()},
        "set_aside": [asdict(s) for s in sorted(record.set_aside)],
        "files": {n: hashlib.sha256(data).hexdigest() for n, data in sorted(contents.items())},
        "notice": NOTICE,
    }


def _plain(value: Any) -> Any:
    """Turn mappings, sequences and instants into what JSON knows."""
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, datetime):
        return instant(value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(v) for v in value]
    return value
