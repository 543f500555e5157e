"""What making products ready costs: one of each sensor is made on trial; the rest are like it."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.acquire.disk.product import Product
from pipeline.acquire.disk.shelf import Place, Shelf, hrefs, jobs_of, make_files
from pipeline.acquire.source import Making
from pipeline.errors import DiskFullError, SceneUnusableError

log = logging.getLogger("siluan")

_LIMIT_BYTES = 2 * 2**30  # of images in a product; a larger one is too much to find out a number
_TRIES = 3  # products of a sensor, should one be damaged


@dataclass(frozen=True, slots=True)
class Trial:
    """One product that was made ready in a scratch folder."""

    product: Product
    place: Place
    seconds: float  # with one thread
    kept_bytes: int


def image_bytes(product: Product) -> int:
    """Bytes of its images, unpacked."""
    return sum(product.package.members[f.member] for f in product.files.values())


def try_one(
    shelf: Shelf, products: Sequence[Product], places: dict[str, Place], scratch: Path
) -> Trial | None:
    """Make the product of middling size ready below ``scratch``; None if none of a few can be.

    Whether a product is good is said when it is really made ready, and not here.
    """
    ordered = sorted(products, key=lambda p: (image_bytes(p), p.id))
    middle = len(ordered) // 2
    for product in [*ordered[middle:], *reversed(ordered[:middle])][:_TRIES]:
        if image_bytes(product) > _LIMIT_BYTES:
            continue
        place = replace(places[product.id], folder=scratch / "trials" / product.id, ready=False)
        log.info("trying what it costs to make %s ready", product.id)
        began = time.perf_counter()
        try:
            for keys in jobs_of(product):
                make_files(shelf, product, keys, place)
        except (SceneUnusableError, DiskFullError):
            shutil.rmtree(place.folder, ignore_errors=True)
            continue
        seconds = time.perf_counter() - began
        made = {p for p in hrefs(product, place).values() if p.parent == place.folder}
        return Trial(product, place, seconds, sum(p.stat().st_size for p in made))
    return None


def making_of(product: Product, place: Place, trial: Trial | None) -> Making:
    """Say what a product costs, by its size beside that of the one that was tried."""
    size = image_bytes(product)
    known = trial is not None and image_bytes(trial.product) > 0
    share = size / image_bytes(trial.product) if trial is not None and known else 0.0
    return Making(
        key=place.folder.name,
        product=product.id,
        image_bytes=size,
        kept_bytes=trial.kept_bytes * share if trial is not None and known else None,
        seconds=trial.seconds * share if trial is not None and known else None,
    )
