"""Walk a disk: which products lie on it, and what of it is no product or not a whole one."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from shapely.geometry.base import BaseGeometry

from pipeline.acquire.bands import SensorTable
from pipeline.acquire.disk import gaofen, landsat, sentinel
from pipeline.acquire.disk.mosaic import mosaic_product
from pipeline.acquire.disk.product import Product
from pipeline.acquire.disk.source import DiskSource
from pipeline.errors import ConfigurationError, SceneUnusableError
from pipeline.io.archives import ARCHIVES, FolderPackage, Limits, Package
from pipeline.model import SetAside

_RASTERS = (".tif", ".tiff", ".img", ".jp2", ".hdf", ".h5", ".nc")
# Parts of archives in volumes among them; a folder of products is rarely sent otherwise.
_OTHER_ARCHIVES = re.compile(
    r"(?i)\.(rar|r\d\d|7z|(7z|zip|rar)\.\d{3}|z\d\d|t(ar\.)?(bz2?|xz|zst|lz)|gz|bz2|xz|zst|iso|cab)$"
)
_SAFE_MARKS = ("MTD_MSIL2A.xml", "MTD_MSIL1C.xml", "manifest.safe")


@dataclass(frozen=True)
class Survey:
    """What lies on a disk."""

    products: tuple[Product, ...]
    set_aside: tuple[SetAside, ...]
    unknown: tuple[str, ...]  # archives and rasters that are no product known here
    packed: tuple[str, ...] = ()  # archives of a kind that is not opened here
    links: tuple[str, ...] = ()  # symbolic links, which are not followed


@dataclass
class _Found:
    products: list[Product] = field(default_factory=list[Product])
    aside: list[SetAside] = field(default_factory=list[SetAside])
    unknown: list[str] = field(default_factory=list[str])
    packed: list[str] = field(default_factory=list[str])
    links: list[str] = field(default_factory=list[str])

    def refuse(self, name: str, error: SceneUnusableError) -> None:
        reason = error.what.removeprefix(f"{name}: ").removeprefix(f"{name} ")
        self.aside.append(SetAside(name, "acquire", reason, error.remedy))


@dataclass(frozen=True)
class _Context:
    source: DiskSource
    tables: Callable[[str], SensorTable]
    area_wgs84: BaseGeometry
    limits: Limits


def survey_disk(
    source: DiskSource,
    tables: Callable[[str], SensorTable],
    area_wgs84: BaseGeometry,
    listings: Path,
    known: tuple[Path, ...] = (),
) -> Survey:
    """Recognise products by name and metadata.

    Parameters
    ----------
    tables
        Gives the band table of a sensor.
    area_wgs84
        Where imagery is wanted (only the dates of mosaics depend on it).
    listings
        Folder where listings of tars are kept, because listing one reads all of it.
    known
        Folders of such listings that are only read.

    Raises
    ------
    ConfigurationError
        No such folder; a date layer or a band table that cannot be used.
    """
    root = Path(source.path)
    if not root.is_dir():
        raise ConfigurationError(
            f"the folder {root} does not exist", "Check the source's path, and that the disk is in"
        )
    limits = Limits(int(source.max_unpacked_gb * 2**30), listings, known)
    context = _Context(source, tables, area_wgs84, limits)
    found = _Found()
    for name, package in _packages(root, context, found):
        _recognise(name, package, context, found)
    products, twice = _once(found.products)
    beside = (tuple(sorted(w)) for w in (found.unknown, found.packed, found.links))
    return Survey(products, tuple(sorted({*found.aside, *twice})), *beside)


def _packages(root: Path, context: _Context, found: _Found) -> Iterator[tuple[str, Package]]:
    """Yield SAFE folders, archives, and what else lies in each folder."""
    for folder, below, files in os.walk(root):
        below.sort()
        here = Path(folder)
        found.links += [str(here / n) for n in (*below, *files) if (here / n).is_symlink()]
        if here.suffix.upper() == ".SAFE" or any(mark in files for mark in _SAFE_MARKS):
            below.clear()
            yield here.name, FolderPackage.of(here)
            continue
        plain: dict[str, int] = {}
        for name in sorted(files):
            path = here / name
            if path.is_symlink() or name.startswith("."):
                continue
            suffix = next((s for s in ARCHIVES if name.lower().endswith(s)), None)
            if suffix is None and _OTHER_ARCHIVES.search(name):
                found.packed.append(str(path))
                continue
            if suffix is None:
                plain[name] = path.stat().st_size
                continue
            try:
                yield name, ARCHIVES[suffix](path, context.limits)
            except SceneUnusableError as error:
                found.refuse(name, error)
        if plain:
            yield here.name, FolderPackage(here, plain)


def _recognise(name: str, package: Package, context: _Context, found: _Found) -> None:
    """Find the products of one package."""
    before = len(found.products) + len(found.aside)
    roots = _safe_roots(name, package)
    for root, product_name in roots:
        _attempt(
            found,
            product_name,
            lambda r=root, p=product_name: [sentinel.sentinel_product(package, r, p)],
        )
    rest = [m for m in package.members if not any(m.startswith(root) for root, _ in roots)]
    taken = _landsat(package, rest, found) | _gaofen(package, rest, context, found)
    if isinstance(package, FolderPackage):
        if not roots:
            _rasters(package, [m for m in rest if m not in taken], context, found)
    elif before == len(found.products) + len(found.aside):
        found.unknown.append(str(package.path))


def _attempt(
    found: _Found, name: str, read: Callable[[], Sequence[Product | SceneUnusableError]]
) -> None:
    try:
        for item in read():
            if isinstance(item, Product):
                found.products.append(_on_earth(item))
            else:
                found.refuse(item.what.split(" ")[0].rstrip(":"), item)
    except SceneUnusableError as error:
        found.refuse(name, error)


def _on_earth(product: Product) -> Product:
    """Refuse a footprint that no product can have."""
    shape = product.footprint_wgs84
    west, south, east, north = shape.bounds
    inside = -180 <= west <= east <= 180 and -90 <= south <= north <= 90  # false for NaN
    if not inside or shape.area == 0:
        raise SceneUnusableError(
            f"{product.id}: its metadata place it nowhere on Earth",
            "Copy the whole product again, or ask the sender for it again",
        )
    return product


def _safe_roots(name: str, package: Package) -> list[tuple[str, str]]:
    """Prefix and name of each SAFE in a package, by its name or by its metadata."""
    roots: dict[str, str] = {}
    for member in package.members:
        parts = member.split("/")
        for depth, part in enumerate(parts[:-1]):
            if part.upper().endswith(".SAFE"):
                roots.setdefault("/".join(parts[: depth + 1]) + "/", part)
                break
        else:
            if parts[-1] in _SAFE_MARKS:
                roots.setdefault("".join(f"{p}/" for p in parts[:-1]), (parts[-2:-1] or [name])[0])
    if not roots and name.upper().endswith(".SAFE"):
        roots[""] = name
    # The product's own name, whatever somebody called the folder.
    out: list[tuple[str, str]] = []
    for root, folder in sorted(roots.items()):
        match = sentinel.NAME.search(folder) or sentinel.NAME.search(name)
        out.append((root, match[0] if match else re.sub(r"(?i)\.(safe|zip)$", "", folder)))
    return out


def _landsat(package: Package, members: Sequence[str], found: _Found) -> set[str]:
    groups: dict[str, dict[str, str]] = {}
    for member in members:
        base = member.rsplit("/", 1)[-1]
        match = landsat.NAME.fullmatch(base)
        if match:
            name = match["id"].upper()
            groups.setdefault(name, {})[base[len(name) :].upper()] = member
    for name, own in groups.items():
        _attempt(found, name, lambda n=name, o=own: [landsat.landsat_product(package, n, o)])
    return {m for own in groups.values() for m in own.values()}


def _gaofen(package: Package, members: Sequence[str], context: _Context, found: _Found) -> set[str]:
    groups: dict[str, dict[str, re.Match[str]]] = {}
    for member in members:
        match = gaofen.NAME.fullmatch(member.rsplit("/", 1)[-1])
        if match:
            groups.setdefault(match["base"], {})[member] = match
    for name, own in groups.items():
        _attempt(
            found,
            name,
            lambda o=own: gaofen.gaofen_products(
                package, o, context.tables, context.source.gaofen_zone
            ),
        )
    return {m for own in groups.values() for m in own}


def _rasters(
    package: FolderPackage, members: Sequence[str], context: _Context, found: _Found
) -> None:
    """Mosaics by what their file says; any other raster is named and left."""
    for member in members:
        if not member.lower().endswith(_RASTERS):
            continue
        path = package.path / member
        if context.source.dem is not None and str(path) == context.source.dem.path:
            continue
        if not member.lower().endswith((".tif", ".tiff")):
            found.unknown.append(str(path))
            continue
        try:
            product = mosaic_product(path, context.source.mosaics, context.area_wgs84)
        except SceneUnusableError as error:
            found.refuse(member, error)
            continue
        if product is None:
            found.unknown.append(str(path))
        else:
            found.products.append(product)


def _once(products: Sequence[Product]) -> tuple[tuple[Product, ...], list[SetAside]]:
    """Keep one of the products that lie there twice, unpacked before packed."""
    kept: dict[str, Product] = {}
    twice: list[SetAside] = []
    ordered = sorted(
        products, key=lambda p: (p.id, not isinstance(p.package, FolderPackage), p.where)
    )
    for product in ordered:
        first = kept.setdefault(product.id, product)
        if first is not product:
            reason = f"lies there twice; {first.where} is read and {product.where} is not"
            twice.append(SetAside(product.id, "acquire", reason))
    return tuple(kept.values()), twice
