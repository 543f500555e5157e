"""A small object store: files by HTTP ranges, each answer after a delay, and what it sent."""

from __future__ import annotations

import http.server
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Sent:
    """What a server has sent."""

    url: str = ""
    bytes: int = 0
    requests: int = 0
    ranges: list[tuple[str, int, int]] = field(default_factory=list[tuple[str, int, int]])
    lock: threading.Lock = field(default_factory=threading.Lock)

    def twice(self) -> int:
        """Give the bytes that were sent more than once."""
        once, reached = 0, ("", 0)
        for name, first, end in sorted(self.ranges):
            start = max(first, reached[1]) if name == reached[0] else first
            once += max(end - start, 0)
            reached = (name, max(end, start))
        return self.bytes - once


@contextmanager
def serving(folder: Path, delay_s: float = 0.0) -> Generator[Sent]:
    """Serve the files of a folder; every answer waits ``delay_s`` first."""
    sent = Sent()

    class _Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_HEAD(self) -> None:
            self._answer(body=False)

        def do_GET(self) -> None:
            self._answer(body=True)

        def _answer(self, body: bool) -> None:
            path = folder / self.path.lstrip("/").split("?")[0]
            time.sleep(delay_s)
            if not path.is_file():
                self.send_response(404)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            size = path.stat().st_size
            first, last = 0, size - 1
            asked = self.headers.get("Range", "")
            if asked.startswith("bytes="):
                begin, _, end = asked[6:].split(",")[0].partition("-")
                first, last = int(begin), min(int(end) if end else size - 1, size - 1)
            self.send_response(206 if asked else 200)
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("Content-Length", str(last - first + 1))
            if asked:
                self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
            self.end_headers()
            with sent.lock:
                sent.requests += 1
                if body:
                    sent.bytes += last - first + 1
                    sent.ranges.append((path.name, first, last + 1))
            if body:
                with path.open("rb") as file:
                    file.seek(first)
                    self.wfile.write(file.read(last - first + 1))

        def log_message(self, format: str, *args: object) -> None:
            pass

    class _Server(http.server.ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 256

    with _Server(("127.0.0.1", 0), _Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        sent.url = f"http://127.0.0.1:{server.server_port}"
        yield sent
        server.shutdown()
        thread.join()
