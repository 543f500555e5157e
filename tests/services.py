"""Real services for the lane `services`: PostgreSQL with PostGIS and pgstac, tipg, nginx, moto.

Started by the tests as an unprivileged user, in a folder of their own, on free ports of this
machine; stopped at the end. What is missing is said in one sentence.
"""

from __future__ import annotations

import json
import os
import pwd
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).resolve().parents[1]
POSTGRES_USER = "postgres"  # PostgreSQL refuses to run as root; Debian's package makes this one


class MissingServiceError(Exception):
    """A program of the lane is not there; the sentence says which and what installs it."""


def missing(what: str) -> MissingServiceError:
    return MissingServiceError(f"{what} is not installed: run .ci/services, which installs it")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def program(name: str, *more: str) -> str:
    """Find a program on the path or in the folders where Debian hides it."""
    found = shutil.which(
        name, path=os.pathsep.join([*more, os.environ.get("PATH", ""), "/usr/sbin"])
    )
    if found is None:
        raise missing(name)
    return found


def services_python() -> str:
    """Give the interpreter of the servers: SILUAN_SERVICES_PYTHON, or the lane's own."""
    asked = os.environ.get("SILUAN_SERVICES_PYTHON")
    candidates = [asked] if asked else [str(ROOT / ".venv-services/bin/python"), sys.executable]
    for python in candidates:
        code = "import moto.server, pypgstac, stac_fastapi.pgstac.app, tipg"
        if python and Path(python).exists():
            done = subprocess.run([python, "-c", code], capture_output=True, check=False)
            if done.returncode == 0:
                return python
    raise missing("the extra `services` (stac-fastapi-pgstac, pypgstac, tipg, moto)")


def _user() -> list[str]:
    """Give the prefix that lets a command run unprivileged."""
    if os.geteuid() != 0:
        return []
    try:
        pwd.getpwnam(POSTGRES_USER)
    except KeyError as error:
        raise missing("PostgreSQL (no user 'postgres')") from error
    return [program("runuser"), "-u", POSTGRES_USER, "--"]


def _run(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    if done.returncode:
        raise RuntimeError(f"{command[:6]} failed: {done.stdout[-800:]} {done.stderr[-2000:]}")
    return done


def wait_for(ready: Callable[[], bool], what: str, seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            if ready():
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.1)
    raise RuntimeError(f"{what} did not start within {seconds:.0f} s")


@contextmanager
def process(command: list[str], log: Path, **options: Any) -> Generator[subprocess.Popen[bytes]]:
    with log.open("wb") as sink:
        child = subprocess.Popen(command, stdout=sink, stderr=sink, **options)
        try:
            yield child
        finally:
            child.terminate()
            try:
                child.wait(20)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


@contextmanager
def postgres(folder: Path) -> Generator[dict[str, str]]:
    """Start PostgreSQL with PostGIS in a folder; give the environment that leads to it."""
    where = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    bins = [str(p) for p in where]
    initdb, server = program("initdb", *bins), program("postgres", *bins)
    if not any(Path("/usr/share/postgresql").glob("*/extension/postgis.control")):
        raise missing("PostGIS (Debian: postgresql-15-postgis-3)")
    data, port, user = folder / "pg", free_port(), _user()
    folder.mkdir(parents=True, exist_ok=True)
    if user:
        shutil.chown(folder, POSTGRES_USER)
    _run([*user, initdb, "-D", str(data), "-A", "trust", "-U", "siluan", "-E", "UTF8"], cwd="/")
    settings = ["-c", f"port={port}", "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"]
    settings += ["-c", f"unix_socket_directories={folder}"]
    env = {"PGHOST": "127.0.0.1", "PGPORT": str(port), "PGUSER": "siluan", "PGDATABASE": "stac"}
    env["PGPASSWORD"] = "none-needed"
    psql = [program("psql", *bins), "-h", "127.0.0.1", "-p", str(port), "-U", "siluan"]

    def answers() -> bool:
        return (
            subprocess.run(
                [*psql, "-c", "select 1", "postgres"], capture_output=True, check=False
            ).returncode
            == 0
        )

    command = [*user, server, "-D", str(data), *settings]
    with process(command, folder / "postgres.log", cwd="/"):
        wait_for(answers, "PostgreSQL")
        _run([*psql, "-c", "create database stac", "postgres"])
        _run([*psql, "-c", "create extension postgis", "stac"])
        yield env


@contextmanager
def pgstac(
    folder: Path, collection: dict[str, Any], items: Iterable[dict[str, Any]]
) -> Generator[str]:
    """Serve items by stac-fastapi-pgstac on a PostgreSQL of its own; give the API's address."""
    python = services_python()
    with postgres(folder) as found:
        env = {**os.environ, **found}
        tool = [python, "-m", "pypgstac.pypgstac"]
        _run([*tool, "migrate"], env=env)
        for name, rows in (("collections", [collection]), ("items", list(items))):
            path = folder / f"{name}.ndjson"
            path.write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")
            _run([*tool, "load", name, str(path), "--method", "upsert"], env=env)
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        command = [python, "-m", "uvicorn", "--factory", "stac_fastapi.pgstac.app:create_app"]
        command += ["--host", "127.0.0.1", "--port", str(port), "--log-level", "warning"]
        with process(command, folder / "api.log", env=env):
            wait_for(lambda: httpx.get(url, trust_env=False).status_code == 200, "pgstac's API")
            yield url


@contextmanager
def tipg(folder: Path, database: str) -> Generator[str]:
    """Serve the maps' schema of a ledger's database by tipg, as docs/postgis.md says."""
    python = services_python()
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    settings = {
        "DATABASE_URL": database,
        "TIPG_DB_SCHEMAS": '["siluan_open"]',
        "TIPG_TABLE_CONFIG__siluan_open_cases__pk": "case_id",
    }
    command = [python, "-m", "uvicorn", "tipg.main:app", "--host", "127.0.0.1"]
    command += ["--port", str(port), "--log-level", "warning"]
    with process(command, folder / "tipg.log", env={**os.environ, **settings}, cwd=folder):
        wait_for(lambda: httpx.get(f"{url}/healthz", trust_env=False).status_code == 200, "tipg")
        yield url


NGINX = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections 256; }}
http {{
  access_log {folder}/access.log;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  limit_req_zone $server_port zone=slow:1m rate=40r/s;
  limit_req_status 429;
  server {{
    listen 127.0.0.1:{port};
    root {root};
    location /files/ {{ alias {root}/; }}
    location /limited/ {{ alias {root}/; limit_req zone=slow burst=8 nodelay; }}
    location /down/ {{ return 503; }}
    location /closed/ {{ return 403; }}
    location /busy/ {{ add_header Retry-After 1 always; return 429; }}
    location /whole/ {{ alias {root}/; max_ranges 0; }}
    location /slow/ {{ alias {root}/; limit_rate 200k; }}
  }}
  limit_req_zone $server_port zone=api:1m rate=5r/s;
  server {{
    listen 127.0.0.1:{front};
    location / {{
      limit_req zone=api burst=1 nodelay;
      proxy_pass {api};
      proxy_set_header Host $http_host;
    }}
  }}
}}
"""


@dataclass(frozen=True)
class Nginx:
    """A running nginx."""

    url: str
    front: str  # the API behind it, a few requests a second and no more
    folder: Path

    def lines(self, part: str) -> list[str]:
        """Give the lines of its access log that hold ``part``."""
        text = (self.folder / "access.log").read_text(encoding="utf-8")
        return [line for line in text.splitlines() if part in line]


@contextmanager
def nginx(folder: Path, root: Path, api: str = "http://127.0.0.1:9") -> Generator[Nginx]:
    """Serve a folder by nginx, whole, by ranges, limited, and from places that are down."""
    binary = program("nginx")
    folder.mkdir(parents=True, exist_ok=True)
    port, front = free_port(), free_port()
    config = folder / "nginx.conf"
    text = NGINX.format(folder=folder, root=root, port=port, front=front, api=api)
    if os.geteuid() == 0:
        text = "user root;\n" + text  # the files of a test belong to whoever runs it
    config.write_text(text, encoding="utf-8")
    command = [binary, "-c", str(config), "-p", str(folder), "-e", str(folder / "error.log")]
    url = f"http://127.0.0.1:{port}"
    with process(command, folder / "out.log"):
        wait_for(lambda: httpx.get(f"{url}/closed/", trust_env=False).status_code == 403, "nginx")
        yield Nginx(url, f"http://127.0.0.1:{front}", folder)


@contextmanager
def s3(folder: Path, root: Path, bucket: str = "imagery") -> Generator[str]:
    """Serve a folder's GeoTIFFs by moto as objects of a bucket; give the endpoint."""
    python = services_python()
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [python, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with process(command, folder / "moto.log"):
        wait_for(lambda: httpx.get(f"{url}/moto-api/", trust_env=False).status_code == 200, "moto")
        # moto takes any signature; it wants one that looks right.
        headers = {
            "Authorization": "AWS4-HMAC-SHA256 Credential=x/20240101/us-east-1/s3/aws4_request, "
            "SignedHeaders=host, Signature=0"
        }
        with httpx.Client(headers=headers, trust_env=False) as client:
            client.put(f"{url}/{bucket}").raise_for_status()
            for path in sorted(root.rglob("*.tif")):
                name = path.relative_to(root).as_posix()
                client.put(f"{url}/{bucket}/{name}", content=path.read_bytes()).raise_for_status()
        yield url
