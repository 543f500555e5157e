"""A receiving system in a process of its own: it keeps what it is given, and says what is wrong."""

from __future__ import annotations

import hashlib
import http.server
import json
import threading
import time
from dataclasses import asdict, dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

import httpx

from pipeline.deliver.contract import validator
from pipeline.deliver.signing import KEY, SIGNATURE, TIMESTAMP, verify

SECRET = "a secret of this benchmark alone"
SECRET_ENV = "SILUAN_BENCHMARK_SECRET"


@dataclass
class Books:
    """What it holds."""

    held: dict[str, int] = field(default_factory=dict[str, int])  # newest revision by case
    said: dict[str, Any] = field(default_factory=dict[str, Any])  # properties of that revision
    keys: dict[str, str] = field(default_factory=dict[str, str])  # digest of the body by key
    again: int = 0  # keys that came once more with the same content
    wrong: list[str] = field(default_factory=list[str])


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    books = Books()
    guard = threading.Lock()

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        self._answer(200, asdict(self.books))

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length)
        if len(body) < length:
            self.close_connection = True
            return  # its sender was killed
        signed = (self.headers.get(TIMESTAMP, ""), self.headers.get(SIGNATURE, ""))
        with self.guard:
            if not verify(SECRET.encode(), *signed, body, time.time()):
                why = "a signature is wrong"
            else:
                why = self._take(json.loads(body), body)
            if why:
                self.books.wrong.append(why)
        self._answer(422 if why else 200, {"title": why})

    def _take(self, feature: dict[str, Any], body: bytes) -> str:
        """Keep a case; give what is wrong with it."""
        books, key = self.books, self.headers.get(KEY, "").strip('"')
        digest = hashlib.sha256(body).hexdigest()
        if key in books.keys:
            books.again += 1
            return "" if books.keys[key] == digest else f"{key} came with another content"
        bad = next(iter(validator("item").iter_errors(feature)), None)
        if bad is not None:
            return f"schema: {bad.message[:200]}"
        case, revision = feature["id"], feature["properties"]["revision"]
        if revision <= books.held.get(case, 0):
            return f"{case}: {revision} after {books.held[case]}"
        books.keys[key] = digest
        books.held[case], books.said[case] = revision, feature["properties"]
        return ""

    def _answer(self, status: int, document: Any) -> None:
        data = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # a sender that was killed


class Receiver:
    """The receiver from outside."""

    def __init__(self) -> None:
        ours, its = get_context("spawn").Pipe()
        self._process: BaseProcess = get_context("spawn").Process(target=_serve, args=(its,))
        self._process.start()
        self.url = f"http://127.0.0.1:{ours.recv()}"

    def books(self) -> Books:
        """Ask what it holds."""
        return Books(**httpx.get(self.url, trust_env=False).raise_for_status().json())

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.join()


def _serve(told: Connection) -> None:
    with _Server(("127.0.0.1", 0), _Handler) as server:
        told.send(server.server_port)
        server.serve_forever(0.05)
