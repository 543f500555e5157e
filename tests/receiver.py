"""A receiving system for tests: a process of its own that checks everything and can misbehave.

``python receiver.py`` prints its address and serves until it is ended. ``PUT /faults`` takes
``{"next": [...], "always": {...}, "cases": {case: fault}}``; ``GET /state`` tells what it holds.
Faults: a number answers so; ``hang`` never answers; ``close`` drops the connection; ``taken-close``
and ``taken-500`` take the case first; ``twice`` sends its answer two times; ``drip`` sends a byte
now and then; ``{"raw": text, "status": 200}`` takes it and says that, with ``type`` and ``headers``
where they are given (``"take": false``: it takes nothing).
"""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import json
import socket
import sys
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from pipeline.deliver.contract import validator
from pipeline.deliver.signing import KEY, SIGNATURE, TIMESTAMP, verify

SECRET = "a-secret-that-only-two-know"


@dataclass
class Books:
    """What the receiver was given, and what it was told to do."""

    held: dict[str, int] = field(default_factory=dict)  # revision by case
    epochs: dict[str, int] = field(default_factory=dict)  # of that revision
    taken: list[list[Any]] = field(default_factory=list)  # [case, revision, change] in order
    bodies: dict[str, str] = field(default_factory=dict)  # SHA-256 by key
    again: int = 0  # keys that came once more with the same content
    chips: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)  # what broke the contract
    seen: int = 0  # requests to /cases
    faults: dict[str, Any] = field(default_factory=dict)
    answers: list[dict[str, Any]] = field(default_factory=list)
    raw_answers: str = ""  # instead of all pages
    reply: dict[str, Any] = field(default_factory=dict)  # of every case that is taken
    last: dict[str, Any] = field(default_factory=dict)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    books = Books()
    guard = threading.Lock()
    ended = threading.Event()

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        if self.path == "/state":
            self._say(200, vars(self.books))
        elif self._signed(b"") and self.path.startswith("/answers"):
            if self.books.raw_answers:
                self._raw({"raw": self.books.raw_answers})
                return
            start = int(self.path.partition("after=")[2] or 0)
            page = self.books.answers[start : start + 2]
            self._say(200, {"answers": page, "next": str(start + len(page)) if page else None})

    def do_HEAD(self) -> None:
        if self._signed(b""):
            self._say(200 if self.path.rpartition("/")[2] in self.books.chips else 404)

    def do_PUT(self) -> None:
        body = self._body()
        if self.path == "/faults":
            told = json.loads(body)
            if told.pop("forget", False):
                type(self).books = Books()
            for name, value in told.items():
                setattr(self.books, name, value)
            self._say(204)
        elif self._signed(body):
            name = self.path.rpartition("/")[2]
            if hashlib.sha256(body).hexdigest() != name:
                self._say(422, {"title": "another SHA-256"})
            else:
                self.books.chips.append(name)
                self._say(201)

    def do_POST(self) -> None:
        body = self._body()
        if not self._signed(body):
            return
        with self.guard:
            self.books.seen += 1
            feature = json.loads(body)
            fault = self._fault(feature)
            takes = fault.get("take", True) if isinstance(fault, dict) else fault is None
            if takes or str(fault).startswith("taken") or fault == "twice":
                status, said = self._take(feature, body)
            else:
                status, said = 0, {}
        self._misbehave(fault, status, said)

    def _misbehave(self, fault: Any, status: int, said: dict[str, Any]) -> None:
        if isinstance(fault, int):
            self._say(fault, {"title": f"told to answer {fault}"})
        elif isinstance(fault, dict):
            self._raw(fault)
        elif fault == "hang":
            self.ended.wait(20)
            self.close_connection = True
        elif fault == "drip":
            with contextlib.suppress(OSError):
                for byte in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * 200:
                    self.wfile.write(bytes([byte]))
                    self.wfile.flush()
                    time.sleep(0.05)
        elif fault in ("close", "taken-close"):
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
        elif fault == "taken-500":
            self._say(500)
        else:
            self._say(status, said)
            if fault == "twice":
                with contextlib.suppress(OSError):
                    self._say(status, said)

    def _fault(self, feature: dict[str, Any]) -> Any:
        told = self.books.faults
        if feature["id"] in told.get("cases", {}):
            return told["cases"][feature["id"]]
        if told.get("next"):
            return told["next"].pop(0)
        return told.get("always")

    def _take(self, feature: dict[str, Any], body: bytes) -> tuple[int, dict[str, Any]]:
        books, key = self.books, self.headers.get(KEY, "").strip('"')
        digest = hashlib.sha256(body).hexdigest()
        if key in books.bodies:
            if books.bodies[key] == digest:
                books.again += 1
                return 200, books.reply
            return self._refuse(409, f"{key} came with another content")
        first = next(iter(validator("item").iter_errors(feature)), None)
        if first is not None:
            return self._refuse(422, f"schema: {first.message[:200]}")
        case, revision = feature["id"], feature["properties"]["revision"]
        delivery = feature["delivery"]
        epoch = delivery.get("epoch", 0)
        wanted = f"{case}:{revision}" + (f":{epoch}" if epoch else "")
        if key != wanted or delivery["key"] != key:
            return self._refuse(422, f"key {key}")
        missing = [f for f in delivery["evidence"]["files"] if f["sha256"] not in books.chips]
        if missing:
            return self._refuse(422, "a picture that is cited is not here")
        if (epoch, revision) <= (books.epochs.get(case, 0), books.held.get(case, 0)):
            return self._refuse(422, f"{case}: {revision} after {books.held[case]}")
        books.held[case], books.epochs[case] = revision, epoch
        books.bodies[key] = digest
        books.taken.append([case, revision, delivery["change"]])
        books.last[case] = feature
        return 201, books.reply

    def _refuse(self, status: int, why: str) -> tuple[int, dict[str, Any]]:
        self.books.wrong.append(why)
        return status, {"title": why}

    def _signed(self, body: bytes) -> bool:
        stamp, signature = self.headers.get(TIMESTAMP, ""), self.headers.get(SIGNATURE, "")
        if verify(SECRET.encode(), stamp, signature, body, time.time()):
            return True
        self._say(401, {"title": "the signature is wrong"})
        return False

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _raw(self, said: dict[str, Any]) -> None:
        data = said["raw"].encode()
        self.send_response(said.get("status", 200))
        self.send_header("Content-Type", said.get("type", "application/json"))
        self.send_header("Content-Length", str(len(data)))
        for name, value in said.get("headers", {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def _say(self, status: int, document: Any = None) -> None:
        data = b"" if document is None else json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        if status != 204:
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # a client that went away, as some tests make it


if __name__ == "__main__":
    with Server(("127.0.0.1", 0), Handler) as server:
        sys.stdout.write(f"http://127.0.0.1:{server.server_port}\n")
        sys.stdout.flush()
        server.serve_forever(0.05)
