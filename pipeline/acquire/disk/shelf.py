"""Products made ready to be read, once, in the state folder.

``PRODUCT-KEY/`` holds what one product became. KEY names what it was made from and how, so another
state of the disk, of the terrain or of the corridors makes another folder and never mends one;
``done.json`` is written last. A run that was killed goes on with the files that are whole.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import shapely
from affine import Affine
from shapely.geometry.base import BaseGeometry

from pipeline.acquire.disk.product import File, How, Product
from pipeline.acquire.disk.source import DemOptions
from pipeline.errors import SceneUnusableError
from pipeline.grid import reproject
from pipeline.io.atomic import write_json
from pipeline.io.corridors import utm_crs
from pipeline.io.raster import raster_crs, raster_profile
from pipeline.io.transcode import Terrain, orthorectify, transcode
from pipeline.model import Grid

_ALIGN_PX = 64  # corners of orthorectified images lie on multiples of so many pixels
_VERSION = 1  # counts up when what is made changes
_AGAIN = "Copy the product again from the disk, or ask the sender for it again"


@dataclass(frozen=True)
class Shelf:
    """Where products are kept, and what is wanted of them."""

    root: Path
    area_wgs84: BaseGeometry  # all corridors, with their margins
    dem: DemOptions | None


@dataclass(frozen=True)
class Place:
    """Where the files of one product are, or will be."""

    folder: Path
    need: BaseGeometry  # what of the product is wanted, WGS 84
    crs: str  # of orthorectified images
    ready: bool


def place(shelf: Shelf, product: Product, corridor_wgs84: BaseGeometry) -> Place:
    """Find what was made of a product before, or say where it will be; touches nothing.

    Parameters
    ----------
    corridor_wgs84
        The corridor whose UTM zone orthorectified images get.
    """
    need = shapely.intersection(product.footprint_wgs84, shelf.area_wgs84)
    crs = utm_crs(corridor_wgs84) if product.how == How.ORTHO else ""
    stem = f"{product.id}-{_key(shelf, product, crs)}"
    if product.how == How.READ:
        folder = shelf.root / stem
        return Place(folder, need, crs, (folder / "done.json").is_file())
    for done in sorted(shelf.root.glob(f"{stem}-*/done.json")):
        held = shapely.from_wkt(json.loads(done.read_text(encoding="utf-8"))["area_wkt"])
        if held.covers(need):
            return Place(done.parent, need, crs, True)
    mark = hashlib.sha256(shapely.normalize(need).wkb).hexdigest()[:8]
    return Place(shelf.root / f"{stem}-{mark}", need, crs, False)


def _key(shelf: Shelf, product: Product, crs: str) -> str:
    members = [m for f in product.files.values() for m in (f.member, *f.beside)]
    parts: list[object] = [_VERSION, product.package.state(members), crs]
    if product.how == How.ORTHO and shelf.dem is not None:
        dem = Path(shelf.dem.path)
        stat = dem.stat() if dem.is_file() else None
        parts += [stat and [stat.st_size, stat.st_mtime_ns], _undulation(shelf.dem)]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:8]


def _undulation(dem: DemOptions) -> float:
    return dem.undulation_m or 0.0


def hrefs(product: Product, at: Place) -> dict[str, Path]:
    """Path of each file of a product, by its key."""
    if product.how != How.TRANSCODE:
        return {key: _lying(product, file, at) for key, file in product.files.items()}
    return {key: at.folder / f"{key}.tif" for key in product.files}


def _lying(product: Product, file: File, at: Place) -> Path:
    """Where an image is read: as it lies where that can be, else as it was made."""
    local = product.package.local(file.member)
    if product.how == How.READ or (local is not None and raster_crs(str(local)) is not None):
        return local or at.folder / PurePosixPath(file.member).name
    return at.folder / "ortho.tif"


def needs_work(product: Product, at: Place) -> bool:
    """Tell whether something has to be made before the product can be read."""
    if at.ready:
        return False
    return any(path.parent == at.folder for path in hrefs(product, at).values())


def jobs_of(product: Product) -> list[tuple[str, ...]]:
    """Keys of the files that are made together: of an archive all in one pass over it."""
    return [tuple(product.files)] if product.how == How.READ else [(k,) for k in product.files]


def make_files(shelf: Shelf, product: Product, keys: tuple[str, ...], at: Place) -> None:
    """Make files of a product; what is whole already is kept.

    Raises
    ------
    SceneUnusableError
        Damaged, another checksum than stated, no terrain or no polynomials: with the remedy.
    DiskFullError
        Nothing half-written remains.
    """
    targets = {k: path for k, path in hrefs(product, at).items() if k in keys}
    todo = {k: t for k, t in targets.items() if t.parent == at.folder and not t.is_file()}
    if product.how == How.READ:
        if todo:
            product.package.take({product.files[k].member: t for k, t in todo.items()})
        return
    for key, target in todo.items():
        _make(shelf, product, product.files[key], target, at)


def _make(shelf: Shelf, product: Product, file: File, target: Path, at: Place) -> None:
    raw, scratch = _unpacked(product, file, at)
    try:
        if product.how == How.TRANSCODE:
            _check_sum(raw, file)
            transcode(raw, target, at.need)
        else:
            _place_on_ground(shelf, product, raw, target, at)
    finally:
        if scratch is not None:
            shutil.rmtree(scratch, ignore_errors=True)


def finish(product: Product, at: Place) -> None:
    """Note that a product is whole, and drop what it replaces."""
    write_json(
        at.folder / "done.json",
        {"product": product.id, "area_wkt": shapely.to_wkt(at.need, rounding_precision=-1)},
    )
    stem = at.folder.name.rsplit("-", 1)[0]
    for done in at.folder.parent.glob(f"{stem}-*/done.json"):
        if done.parent == at.folder or product.how == How.READ:
            continue
        held = shapely.from_wkt(json.loads(done.read_text(encoding="utf-8"))["area_wkt"])
        if at.need.covers(held):
            shutil.rmtree(done.parent, ignore_errors=True)


def _unpacked(product: Product, file: File, at: Place) -> tuple[Path, Path | None]:
    """Path of an image on the disk, with its companions; and a folder to remove afterwards."""
    local = product.package.local(file.member)
    if local is not None:
        return local, None
    scratch = at.folder / f".{PurePosixPath(file.member).stem}.raw"
    wanted = {m: scratch / PurePosixPath(m).name for m in (file.member, *file.beside)}
    product.package.take(wanted)
    return wanted[file.member], scratch


def _check_sum(raw: Path, file: File) -> None:
    """Compare with the manifest's checksum where its algorithm is known."""
    if file.checksum is None:
        return
    name = file.checksum[0].lower().replace("-", "_")
    if name not in hashlib.algorithms_available:
        return
    with raw.open("rb") as stream:
        found = hashlib.file_digest(stream, name).hexdigest()
    if found != file.checksum[1]:
        raise SceneUnusableError(
            f"{raw.name} does not have the checksum that its manifest states", _AGAIN
        )


def _place_on_ground(shelf: Shelf, product: Product, raw: Path, target: Path, at: Place) -> None:
    """Orthorectify, or copy where the archive held a georeferenced image after all."""
    if raster_crs(str(raw)) is not None:
        transcode(raw, target, at.need)
        return
    if shelf.dem is None:
        raise _no_terrain(product)
    terrain = Terrain(Path(shelf.dem.path), _undulation(shelf.dem))
    grid = _grid(reproject(at.need, "EPSG:4326", at.crs).bounds, at.crs, product.gsd_m)
    orthorectify(raw, target, grid, at.need, terrain)


def _grid(bounds: tuple[float, float, float, float], crs: str, gsd_m: float) -> Grid:
    """Bounds snapped outward, so that all images of a sensor share one lattice."""
    step = gsd_m * _ALIGN_PX
    left, bottom = bounds[0] // step * step, bounds[1] // step * step
    right, top = -(-bounds[2] // step) * step, -(-bounds[3] // step) * step
    shape = (round((top - bottom) / gsd_m), round((right - left) / gsd_m))
    return Grid(crs, Affine(gsd_m, 0, left, 0, -gsd_m, top), shape)


def check_terrain(shelf: Shelf, product: Product, files: Mapping[str, Path]) -> None:
    """Say before any work that an image which lies unpacked needs a terrain model."""
    raw = any(
        product.package.local(file.member) not in (None, files[key])
        for key, file in product.files.items()
    )
    if product.how == How.ORTHO and shelf.dem is None and raw:
        raise _no_terrain(product)


def _no_terrain(product: Product) -> SceneUnusableError:
    return SceneUnusableError(
        f"{product.id} is not georeferenced, and the source names no terrain model",
        "State 'dem' of the source (path, heights), or ask for an orthorectified product",
    )


def check_readable(paths: Mapping[str, Path]) -> None:
    """Open each file; raises ``SceneUnusableError`` for one without a CRS, or damaged."""
    for path in sorted(set(paths.values())):
        raster_profile(str(path))
