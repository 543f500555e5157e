"""Servers for tests beside the project's own API: a token endpoint, and a forward proxy."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from urllib.parse import urlsplit

import httpx

Answer = tuple[int, bytes]


@contextmanager
def _serving(handler: type[http.server.BaseHTTPRequestHandler]) -> Generator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@contextmanager
def answering(answer: Callable[[str], Answer]) -> Generator[str]:
    """Answer every GET by what ``answer`` makes of its path."""

    class _Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = answer(self.path)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with _serving(_Handler) as url:
        yield url


@contextmanager
def forwarding(target: str, seen: list[dict[str, str]]) -> Generator[str]:
    """Forward what comes, for whatever host, to ``target``; keep each request's headers."""
    skipped = {"host", "proxy-authorization", "proxy-connection", "connection", "accept-encoding"}

    class _Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._pass("GET")

        def do_HEAD(self) -> None:
            self._pass("HEAD")

        def do_POST(self) -> None:
            self._pass("POST")

        def _pass(self, method: str) -> None:
            seen.append({"url": self.path} | {k.lower(): v for k, v in self.headers.items()})
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            parts = urlsplit(self.path)
            url = f"{target}{parts.path}{'?' + parts.query if parts.query else ''}"
            headers = {k: v for k, v in self.headers.items() if k.lower() not in skipped}
            answer = httpx.request(method, url, content=body, headers=headers, trust_env=False)
            origin = f"{parts.scheme}://{parts.netloc}"
            content = answer.content
            if "json" in answer.headers.get("content-type", ""):
                content = content.replace(target.encode(), origin.encode())
            self.send_response(answer.status_code)
            for name in ("content-type", "content-range", "accept-ranges"):
                if name in answer.headers:
                    self.send_header(name, answer.headers[name])
            size = answer.headers.get("content-length") if method == "HEAD" else len(content)
            self.send_header("Content-Length", str(size))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with _serving(_Handler) as url:
        yield url
