"""The numbered feed: files that appear whole, in order, and are never written again."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import ConfigurationError
from pipeline.io.atomic import write_bytes, write_json
from pipeline.ledger import Event
from pipeline.publish.geojson import feature_collection, to_bytes

FEED_VERSION = "1.0.0"
INDEX = "index.json"
_NAME = re.compile(r"(\d{6,})\.geojson")
_HEAD_MOST = 65536  # a first line longer than this is none of ours [bytes]


@dataclass(frozen=True, slots=True)
class Head:
    """What a number of the feed says of itself."""

    number: int
    full: bool  # all open cases, and not what changed
    part: int  # of a full set, 1-based; 1 of 1 for changes
    parts: int
    events_to: int  # number of the last event of the ledger that is in it
    last_event: str  # digest of that event: by it the ledger is known again
    made_with: str  # version of the program
    schema_version: str = FEED_VERSION


@dataclass(frozen=True)
class Page:
    """One number of the feed."""

    head: Head
    features: tuple[dict[str, Any], ...]
    data: bytes

    @property
    def sha256(self) -> str:
        """Digest of the file."""
        return hashlib.sha256(self.data).hexdigest()


def event_mark(seq: int, event: Event) -> str:
    """Name an event by what it says: another ledger has another event under this number."""
    said = [seq, event.case_id, event.revision, event.run_id, event.as_of.isoformat()]
    said += [event.what, event.old, event.new, sorted(event.detail.items())]
    return hashlib.sha256(json.dumps(said, ensure_ascii=False).encode()).hexdigest()[:16]


def make_page(head: Head, features: Iterable[dict[str, Any]]) -> Page:
    """Make a number of the feed; the same again is the same bytes."""
    collection = feature_collection(features)
    document = {"type": "FeatureCollection", "feed": asdict(head), **collection}
    return Page(head, tuple(collection["features"]), to_bytes(document))


def page_path(folder: Path, number: int) -> Path:
    """Give the file of a number."""
    return folder / f"{number:06d}.geojson"


def write_page(folder: Path, page: Page) -> None:
    """Let a number appear. The caller holds the outbox, so that nobody else writes one.

    Raises
    ------
    ConfigurationError
        The number is there already: none is ever written again.
    DiskFullError
        The disk is full; nothing appeared.
    """
    path = page_path(folder, page.head.number)
    if path.exists():
        raise ConfigurationError(
            f"{path} is there already, and no number of the feed is ever written again",
            "Two states write into one feed: give each its own, by feed in config/deliver.yaml",
        )
    write_bytes(path, page.data)


def numbers(folder: Path) -> list[int]:
    """Give the numbers that lie in a folder, ascending."""
    if not folder.is_dir():
        return []
    found = (_NAME.fullmatch(p.name) for p in folder.iterdir())
    return sorted(int(m[1]) for m in found if m)


def read_head(path: Path) -> Head:
    """Read what a number says of itself, and no more of it.

    Raises
    ------
    ConfigurationError
        It is none of ours, or damaged.
    """
    with path.open("rb") as file:
        line = file.readline(_HEAD_MOST)
    try:
        document = json.loads(line.decode().rstrip().removesuffix(',"features":[') + "}")
        return Head(**document["feed"])
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged(path) from error


def read_page(path: Path) -> Page:
    """Read a number.

    Raises
    ------
    ConfigurationError
        It is none of ours, or damaged.
    """
    data = path.read_bytes()
    try:
        document = json.loads(data)
        return Page(Head(**document["feed"]), tuple(document["features"]), data)
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged(path) from error


def write_index(folder: Path, newest: int, newest_full: Sequence[int]) -> None:
    """Say which number is the newest, and where the newest full set is; made again each time."""
    write_json(
        folder / INDEX,
        {
            "newest": newest,
            "newest_full": list(newest_full),
            "schema_version": FEED_VERSION,
        },
    )


def _damaged(path: Path) -> ConfigurationError:
    return ConfigurationError(
        f"{path} is no number of the feed that can be read",
        "Put it back from a backup; no number is ever made again",
    )
