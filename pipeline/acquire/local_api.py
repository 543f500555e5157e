"""A small STAC API over a static catalogue, on this machine only.

It exists so that the sample and the tests take the same path as a remote catalogue: conformance,
POST and GET search, paging, CQL2 filters, assets by byte range.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import uvicorn
from shapely.errors import ShapelyError
from shapely.geometry import box, shape
from shapely.geometry.base import BaseGeometry
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from pipeline.acquire.items import joined
from pipeline.acquire.narrow import Narrow
from pipeline.acquire.walk import links_of
from pipeline.errors import ConfigurationError

CONFORMS_TO = [
    "https://api.stacspec.org/v1.0.0/core",
    "https://api.stacspec.org/v1.0.0/collections",
    "https://api.stacspec.org/v1.0.0/item-search",
    "https://api.stacspec.org/v1.0.0/item-search#filter",
    "http://www.opengis.net/spec/cql2/1.0/conf/cql2-json",
    "http://www.opengis.net/spec/cql2/1.0/conf/cql2-text",
]
Fault = Callable[[Request], Response | None]
"""Asked before every answer; what it returns is sent instead (for tests)."""


_NAMED = 5
"""Places that are named of those that lead out of a catalogue; of the others their number."""


_SHOWN = frozenset({"thumbnail", "overview", "metadata", "preview", "rendered_preview"})


def _only_shown(key: str, asset: dict[str, Any]) -> bool:
    """Tell what no run reads: it may lie anywhere."""
    roles = asset.get("roles")
    said = {key, *(str(r) for r in roles)} if isinstance(roles, list) else {key}
    return bool(said & _SHOWN)


class LocalCatalogue:
    """Items of a static catalogue, with links that lead to the API.

    Raises
    ------
    ConfigurationError
        Collections, items or assets lie outside its folder, behind a symbolic link or ``..``:
        nothing but that folder is served.
    """

    def __init__(self, path: Path) -> None:
        self.root = path.resolve().parent
        self.collections: dict[str, dict[str, Any]] = {}
        self.items: list[dict[str, Any]] = []
        self._outside: list[str] = []
        self._walk(path.resolve())
        if self._outside:
            self._refuse(path)
        self.items.sort(key=lambda i: (str(i["properties"].get("datetime")), str(i.get("id"))))

    def _walk(self, path: Path) -> None:
        document = _document(path)
        if document.get("type") == "Collection":
            self.collections[str(document["id"])] = document
        for link in links_of(document):
            if link.get("rel") not in ("child", "item"):
                continue
            target = (path.parent / str(link["href"])).resolve()
            if not target.is_relative_to(self.root):
                self._outside.append(f"{path.parent / str(link['href'])} (at {target})")
            elif link.get("rel") == "child":
                self._walk(target)
            else:
                item = _readable(target, document)
                item["_folder"] = target.parent.relative_to(self.root).as_posix()
                self.items.append(item)
                self._outside += self._assets_outside(item, target.parent)

    def _assets_outside(self, item: dict[str, Any], folder: Path) -> list[str]:
        """Name files of an item that are there and lie outside; ``folder`` holds no link."""
        assets = item.get("assets")
        out: list[str] = []
        for key, asset in assets.items() if isinstance(assets, dict) else ():
            href = asset.get("href") if isinstance(asset, dict) else None
            if not isinstance(href, str) or "://" in href or _only_shown(str(key), asset):
                continue
            named = folder / href
            try:
                target = named.resolve()
                outside = target.exists() and not target.is_relative_to(self.root)
            except (OSError, RuntimeError, ValueError):
                continue  # a loop of links, a name too long: it is said where it is read
            if outside:
                out.append(f"{named} (at {target})")
        return out

    def _refuse(self, path: Path) -> None:
        more = len(self._outside) - _NAMED
        others = f" and {more} more" if more > 0 else ""
        named = ", ".join(self._outside[:_NAMED])
        raise ConfigurationError(
            f"of the catalogue {path} {len(self._outside)} part(s) lie outside its folder, behind "
            f"a symbolic link or '..', or are named by an absolute path: {named}{others}",
            "Take 'local_api' out of the source, which follows such links without it; or put "
            "catalog.json into a folder that holds all of them",
        )

    def served(self, item: dict[str, Any], base: str) -> dict[str, Any]:
        """Give an item as the API shows it: absolute hrefs, its own links."""
        out = {k: v for k, v in item.items() if k != "_folder"}
        assets = item.get("assets")
        out["assets"] = {
            key: {**asset, "href": _absolute(str(asset["href"]), f"{base}/data/{item['_folder']}")}
            for key, asset in (assets.items() if isinstance(assets, dict) else ())
            if isinstance(asset, dict) and "href" in asset
        }
        home = f"{base}/collections/{item.get('collection')}/items/{item.get('id')}"
        out["links"] = [{"rel": "self", "href": home, "type": "application/geo+json"}]
        return out


def _document(path: Path) -> dict[str, Any]:
    """Read a catalogue or collection whose links lead somewhere."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        lawful = found.get("type") in ("Catalog", "Collection")  # may do without links
        odd = len(links_of(found)) < len(found.get("links", [] if lawful else None)) or any(
            not isinstance(k.get("href"), str) or not joined("", k["href"]) for k in links_of(found)
        )
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        odd, found = True, {}
    if odd:
        raise ConfigurationError(
            f"{path} is no catalogue or collection whose links lead somewhere",
            "Take 'local_api' out of the source, which names what cannot be read and goes on",
        )
    return cast("dict[str, Any]", found)


def _readable(path: Path, parent: dict[str, Any]) -> dict[str, Any]:
    """Read an item; one that cannot be read is served bare, for the client to refuse by name."""
    try:
        item = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        item = None
    if isinstance(item, dict) and isinstance(item.get("properties"), dict):
        return cast("dict[str, Any]", item)
    bare = {"type": "Feature", "id": str(path), "geometry": None, "properties": {}, "assets": {}}
    return {**bare, "collection": parent.get("id")}


def _absolute(href: str, folder: str) -> str:
    if "://" in href:
        return href
    return f"{folder}/{href.removeprefix('./')}"


def application(catalogue: LocalCatalogue, fault: Fault | None = None) -> Starlette:
    """Make the API."""

    def guarded(handler: Callable[[Request, dict[str, Any]], Response]) -> Any:
        async def endpoint(request: Request) -> Response:
            broken = fault(request) if fault else None
            if broken is not None:
                return broken
            body = json.loads(await request.body()) if request.method == "POST" else {}
            return handler(request, body)

        return endpoint

    def landing(request: Request, body: dict[str, Any]) -> Response:
        del body
        base = _base(request)
        links = [
            {"rel": "self", "href": base, "type": "application/json"},
            {"rel": "root", "href": base, "type": "application/json"},
            {"rel": "data", "href": f"{base}/collections", "type": "application/json"},
            *(
                {
                    "rel": "search",
                    "href": f"{base}/search",
                    "type": "application/geo+json",
                    "method": method,
                }
                for method in ("GET", "POST")
            ),
        ]
        return JSONResponse(
            {
                "type": "Catalog",
                "id": "siluan-local",
                "stac_version": "1.0.0",
                "description": "A static catalogue served on this machine",
                "conformsTo": CONFORMS_TO,
                "links": links,
            }
        )

    def collections(request: Request, body: dict[str, Any]) -> Response:
        del request, body
        found = [{**c, "links": []} for c in catalogue.collections.values()]
        return JSONResponse({"collections": found, "links": []})

    def collection(request: Request, body: dict[str, Any]) -> Response:
        del body
        found = catalogue.collections.get(request.path_params["name"])
        return JSONResponse({**found, "links": []}) if found else Response(status_code=404)

    def search(request: Request, body: dict[str, Any]) -> Response:
        return _search(catalogue, request, body)

    class _Files(StaticFiles):
        async def get_response(self, path: str, scope: Any) -> Response:
            broken = fault(Request(scope)) if fault else None
            return broken if broken is not None else await super().get_response(path, scope)

    return Starlette(
        routes=[
            Route("/", guarded(landing)),
            Route("/collections", guarded(collections)),
            Route("/collections/{name}", guarded(collection)),
            Route("/search", guarded(search), methods=["GET", "POST"]),
            Mount("/data", app=_Files(directory=catalogue.root)),
        ]
    )


def _base(request: Request) -> str:
    return str(request.base_url).rstrip("/")


def _search(catalogue: LocalCatalogue, request: Request, body: dict[str, Any]) -> Response:
    asked = body if request.method == "POST" else _from_query(request)
    try:
        found = [i for i in catalogue.items if _matches(i, asked)]
    except (ValueError, KeyError, TypeError, ConfigurationError) as error:
        return JSONResponse({"code": "BadRequest", "description": str(error)}, status_code=400)
    limit = int(asked.get("limit") or 10)
    start = int(asked.get("token") or 0)
    page = found[start : start + limit]
    base = _base(request)
    links: list[dict[str, Any]] = [{"rel": "root", "href": base, "type": "application/json"}]
    if start + limit < len(found):
        more = {**asked, "token": str(start + limit)}
        link: dict[str, Any] = {"rel": "next", "href": f"{base}/search", "method": "POST"}
        links.append({**link, "body": more, "type": "application/geo+json"})
    return JSONResponse(
        {
            "type": "FeatureCollection",
            "features": [catalogue.served(i, base) for i in page],
            "links": links,
            "numberMatched": len(found),
            "numberReturned": len(page),
        },
        media_type="application/geo+json",
    )


def _from_query(request: Request) -> dict[str, Any]:
    asked: dict[str, Any] = dict(request.query_params)
    for key in ("collections", "ids"):
        if key in asked:
            asked[key] = asked[key].split(",")
    if "bbox" in asked:
        asked["bbox"] = [float(v) for v in asked["bbox"].split(",")]
    if "intersects" in asked:
        asked["intersects"] = json.loads(asked["intersects"])
    return asked


def _matches(item: dict[str, Any], asked: dict[str, Any]) -> bool:
    if asked.get("collections") and item.get("collection") not in asked["collections"]:
        return False
    if asked.get("ids") and item.get("id") not in asked["ids"]:
        return False
    area = _area(asked)
    if area is not None and not _touches(item.get("geometry"), area):
        return False
    if asked.get("datetime") and not _in_time(item, str(asked["datetime"])):
        return False
    narrow = Narrow.of(None, asked.get("filter"))
    try:
        return narrow.fits(_plain(item))
    except ConfigurationError:
        return True  # for the client to set aside by name


def _touches(geometry: Any, area: BaseGeometry) -> bool:
    try:
        return bool(shape(geometry).intersects(area))
    except (KeyError, TypeError, AttributeError, ValueError, ShapelyError):
        return True  # no geometry, or none that can be read: for the client to refuse


def _plain(item: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in item.items() if k != "_folder"}


def _area(asked: dict[str, Any]) -> BaseGeometry | None:
    if asked.get("intersects"):
        return shape(asked["intersects"])
    return box(*asked["bbox"]) if asked.get("bbox") else None


def _in_time(item: dict[str, Any], interval: str) -> bool:
    value = item["properties"].get("datetime")
    if not value:
        return True  # as real servers do: an item without time is for the client to refuse
    try:
        when = datetime.fromisoformat(str(value))
    except ValueError:
        return True
    if when.tzinfo is None:
        return True
    start, _, end = interval.partition("/")
    last = end or start
    after = start in ("", "..") or datetime.fromisoformat(start) <= when
    return after and (last in ("", "..") or when <= datetime.fromisoformat(last))


@contextmanager
def serve(path: Path, fault: Fault | None = None) -> Generator[str]:
    """Serve a static catalogue on a free port of this machine; give the API's URL."""
    app = application(LocalCatalogue(path), fault)
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.bind(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    config = uvicorn.Config(app, log_level="error", lifespan="off", access_log=False, ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(
        target=server.run, kwargs={"sockets": [listener]}, name="local-stac-api", daemon=True
    )
    thread.start()
    began = datetime.now(UTC)
    while not server.started and (datetime.now(UTC) - began).total_seconds() < 10:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(timeout=10)
        listener.close()
