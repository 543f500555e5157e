"""One receiver at the other end of the line: signed requests, each with an end."""

from __future__ import annotations

import asyncio
import ssl
import time
from codecs import BOM_UTF8
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Any
from urllib.parse import quote

import httpx

from pipeline import __version__
from pipeline.deliver.options import ReceiverOptions
from pipeline.deliver.reading import parsed
from pipeline.deliver.signing import KEY, SIGNATURE, TIMESTAMP, sign
from pipeline.errors import ConfigurationError
from pipeline.io.secrets import clean, secret

_MOST = 16 * 1024 * 1024  # of an answer [bytes]
_LEAST_SECRET = 16  # [characters]
_REST_MOST_S = 86_400.0
"""Of what a receiver asks for [s]: whoever asks for more is asked again the next day."""
_LATER = frozenset({408, 425, 429})
_OURS = frozenset({401, 403, 404, 405, 407})
"""Refusals that may speak of the secret or the address and not of the case."""


class Outcome(StrEnum):
    """What became of a request."""

    TAKEN = "taken"
    LATER = "later"  # 5xx, silence: the same again may succeed
    DOUBTFUL = "doubtful"  # refused, and it may be us and not the case
    REFUSED = "refused"  # for good


@dataclass(frozen=True, slots=True)
class Reply:
    """What a receiver said, or that it said nothing."""

    outcome: Outcome
    said: str = ""  # in a sentence
    status: int | None = None
    body: bytes = b""
    after_s: float = 0  # for which it asks not to be asked again [s]; of what may succeed later

    def json(self) -> Any:
        """Read the body; None where it is no JSON."""
        try:
            return parsed(self.body)
        except ValueError:
            return None


class Line:
    """Requests to one receiver; see ``open_line``."""

    def __init__(
        self,
        options: ReceiverOptions,
        key: bytes,
        runner: asyncio.Runner,
        client: httpx.AsyncClient,
    ) -> None:
        self._options, self._key, self._url = options, key, options.url or ""
        self._runner, self._client = runner, client

    def post_case(self, body: bytes, key: str) -> Reply:
        """Hand a case over."""
        headers = {"Content-Type": "application/geo+json", KEY: f'"{key}"'}
        return self._ask("POST", "/cases", body, headers)

    def has_chip(self, sha256: str) -> Reply:
        """Ask whether a picture is there: taken where it is, status 404 where not."""
        return self._ask("HEAD", f"/chips/{sha256}", b"", {})

    def put_chip(self, sha256: str, body: bytes, media_type: str) -> Reply:
        """Give a picture."""
        return self._ask("PUT", f"/chips/{sha256}", body, {"Content-Type": media_type})

    def get_answers(self, after: str | None) -> Reply:
        """Ask for answers."""
        query = f"?after={quote(after, safe='')}" if after else ""
        return self._ask("GET", f"/answers{query}", b"", {})

    def _ask(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        now = int(time.time())
        signed = {
            **headers,
            TIMESTAMP: str(now),
            SIGNATURE: sign(self._key, now, body),
            "User-Agent": f"siluan/{__version__}",
        }
        try:
            return self._runner.run(self._send(method, path, body, signed))
        except TimeoutError:
            wait = f"{self._options.timeout_s:g} s"
            return Reply(Outcome.LATER, f"no answer to {method} {path} within {wait}")
        except httpx.HTTPError as error:
            why = clean(" ".join(str(error).split())) or type(error).__name__
            return Reply(Outcome.LATER, f"{method} {path} failed: {why[:200]}")

    async def _send(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        # One limit over all of it: a server that drips bytes would pass any limit between two.
        async with asyncio.timeout(self._options.timeout_s):
            request = self._client.build_request(
                method, self._url + path, content=body, headers=dict(headers)
            )
            answer = await self._client.send(request, stream=True)
            try:
                found = bytearray()
                async for part in answer.aiter_bytes():
                    found += part
                    if len(found) > _MOST:
                        return Reply(Outcome.LATER, f"the answer to {method} {path} has no end")
            finally:
                await answer.aclose()
        return _reply(method, path, answer, bytes(found), self._options)


@contextmanager
def open_line(options: ReceiverOptions) -> Generator[Line]:
    """Open the line to a receiver.

    Raises
    ------
    ConfigurationError
        Its secret is not set, or is too short to be one; its authority cannot be read.
    """
    key = secret_of(options)
    try:
        verify = ssl.create_default_context(cafile=options.ca_file) if options.ca_file else True
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(
            f"the authority {options.ca_file} of {options.name} cannot be read",
            "It must be a PEM file",
        ) from error
    with asyncio.Runner() as runner:
        # No limit of its own: there is one over all of a request, in _send.
        client = httpx.AsyncClient(verify=verify, timeout=None, follow_redirects=False)  # noqa: S113
        try:
            yield Line(options, key.encode(), runner, client)
        finally:
            runner.run(client.aclose())


def secret_of(options: ReceiverOptions) -> str:
    """Give the secret of a receiver.

    Raises
    ------
    ConfigurationError
        It is not set, or is too short to be one.
    """
    key = secret(options.secret_env or "")
    if len(key) < _LEAST_SECRET:
        raise ConfigurationError(
            f"the secret of {options.name} in {options.secret_env} is shorter than "
            f"{_LEAST_SECRET} characters",
            "Agree on a long random one, for example by 'openssl rand -hex 32'",
        )
    return key


def _reply(
    method: str, path: str, answer: httpx.Response, body: bytes, options: ReceiverOptions
) -> Reply:
    status = answer.status_code
    page = 200 <= status < 300 and _is_web_page(answer.headers.get("Content-Type", ""), body)
    if page and options.pages == "doubted":
        # A portal that lets nobody through shows its log-in page with 200. No rule tells it from
        # a system that says ok by a page: the office does.
        said = (
            f"{method} {path} was answered {status} with a web page, as of a log-in; where "
            f"{options.name} says ok by one, write pages: taken"
        )
        return Reply(Outcome.DOUBTFUL, said, status, body)
    if 200 <= status < 300:
        return Reply(Outcome.TAKEN, "", status, body)
    said = f"{method} {path} was answered {status}{_why(body)}"
    if status >= 500 or status in _LATER:
        after = _seconds(answer.headers.get("Retry-After", ""), time.time())
        return Reply(Outcome.LATER, said, status, body, after)
    if 300 <= status < 400 or status in _OURS:
        return Reply(Outcome.DOUBTFUL, said, status, body)
    return Reply(Outcome.REFUSED, said, status, body)


def _is_web_page(kind: str, body: bytes) -> bool:
    start = body[:200].removeprefix(BOM_UTF8).lstrip().lower()
    # Frameworks call an empty or plain answer text/html as well: that is none.
    named = kind.lower().startswith(("text/html", "application/xhtml")) and start.startswith(b"<")
    return named or start.startswith((b"<!doctype html", b"<html"))


def _seconds(text: str, now: float) -> float:
    """Read Retry-After (RFC 9110, 10.2.3): seconds, or a date; 0 where it is neither."""
    word = text.strip()
    try:
        if word.isascii() and word.isdigit():
            asked = float(word)
        else:
            asked = parsedate_to_datetime(word).timestamp() - now
    except (ValueError, OverflowError):
        return 0
    return min(max(asked, 0), _REST_MOST_S)


def _why(body: bytes) -> str:
    """Give the reason of an RFC 9457 problem, or the beginning of a text, on one line."""
    text = body[:2000].decode("utf-8", "replace")
    try:
        problem = parsed(body)
    except ValueError:
        problem = None
    if isinstance(problem, dict):
        said = (problem.get("detail"), problem.get("title"))
        text = next((t for t in said if isinstance(t, str) and t), "")
    plain = "".join(c if c.isprintable() else " " for c in clean(text))
    words = " ".join(plain.split())[:200]
    return f" ({words})" if words else ""
