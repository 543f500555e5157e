"""One range of one remote file, asked for until it is there or the time is over.

Nothing here is without an end: not the tries, not the time, not the bytes that are read. An answer
that does not fit its question is not read as if it did.
"""

from __future__ import annotations

import os
import re
import time
from threading import Event
from typing import TYPE_CHECKING, NamedTuple

from pipeline.access import Access
from pipeline.errors import SourceUnreachableError
from pipeline.io import remote

if TYPE_CHECKING:
    from collections.abc import Mapping

    from requests import Response

_RETRIED = (429, 500, 502, 503, 504)
_CONNECT_S, _READ_S = 10, 60
_LONGEST_S = 30.0  # that an answer may ask to wait before the next try
_DEADLINE_S = 120.0  # of one range with all its tries,
_SLOWEST = 8192  # and a second more for so many bytes: dozens of ranges share a slow line
_PART = 65_536
_REDIRECTS = 5
# As curl and requests have them; GDAL reads with curl.
_CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")

Span = tuple[int, int]
"""First byte, and the one after the last."""


class LeftToGdalError(Exception):
    """A server or file is not as ordinary ones are: GDAL reads it, or says what is wrong."""


class Answer(NamedTuple):
    """What a server said: ``total`` is the size of the file, 0 where ranges are not given."""

    status: int
    body: bytes = b""
    total: int = 0
    tag: str = ""  # ETag and time of change, to tell whether a later answer is of the same file
    changed: str = ""

    def same(self, other: Answer) -> bool:
        """Tell whether two answers are of one state of a file, as far as both say."""
        if self.tag and other.tag:
            return self.tag == other.tag
        if self.changed and other.changed:
            return self.changed == other.changed
        return True


class Line:
    """Connections to servers, kept open; threads may share it.

    Parameters
    ----------
    connections
        Kept open for each host.
    """

    def __init__(self, connections: int) -> None:
        from requests import Session  # noqa: PLC0415 - slow to import, for remote files
        from requests.adapters import HTTPAdapter  # noqa: PLC0415

        self._session = Session()
        # Left to itself requests sends what ~/.netrc holds, and prefers the environment's proxy.
        self._session.trust_env = False
        self._session.max_redirects = _REDIRECTS
        self._session.headers["Accept-Encoding"] = "identity"  # offsets are those of the file
        for scheme in ("https://", "http://"):
            self._session.mount(scheme, HTTPAdapter(pool_maxsize=connections, max_retries=0))
        self._stopped = Event()

    def stop(self) -> None:
        """Let no try wait for the next."""
        self._stopped.set()

    def close(self) -> None:
        """Close all connections."""
        self._session.close()

    def ask(self, what: remote.Opening, access: Access | None, span: Span) -> Answer:
        """Ask for a range, again where the server stumbles.

        Raises
        ------
        SourceUnreachableError
            No answer, after all tries or in the time there is.
        LeftToGdalError
            An answer that does not fit the question, or a line that is not trusted.
        """
        until = time.monotonic() + _DEADLINE_S + (span[1] - span[0]) / _SLOWEST
        for left in range((access or Access()).read_retries, -1, -1):
            answer, wait = self._try(what, span, until)
            wait = 0.2 * 2 ** ((access or Access()).read_retries - left) if wait is None else wait
            over = left == 0 or time.monotonic() + wait >= until
            if isinstance(answer, Answer) and (answer.status not in _RETRIED or over):
                return answer
            if over or self._stopped.wait(wait):
                reason = f"{what.href} cannot be fetched ({answer})"
                raise SourceUnreachableError(reason, "Run again later")
        raise AssertionError("not reached")

    def _try(
        self, what: remote.Opening, span: Span, until: float
    ) -> tuple[Answer | str, float | None]:
        """Ask once: the answer or what failed, and how long the server wants to be left alone."""
        from requests import ConnectionError as Broken  # noqa: PLC0415
        from requests import Timeout  # noqa: PLC0415
        from requests.exceptions import ChunkedEncodingError, SSLError  # noqa: PLC0415
        from urllib3.exceptions import HTTPError  # noqa: PLC0415

        try:
            with self._session.get(
                what.probe,
                headers={**what.headers, "Range": f"bytes={span[0]}-{span[1] - 1}"},
                stream=True,
                timeout=(_CONNECT_S, _READ_S),
                proxies=_proxies(what),
                verify=next((v for n in _CA_VARIABLES if (v := os.environ.get(n))), True),
            ) as answer:
                if answer.status_code in _RETRIED:
                    return Answer(answer.status_code), _asked_wait(answer.headers)
                if answer.status_code != 206:
                    # The body of a server that ignores ranges is the whole file: not read.
                    return Answer(answer.status_code), None
                return _ranged(answer, span, until), None
        except SSLError:
            raise LeftToGdalError from None
        except (Broken, Timeout, ChunkedEncodingError, HTTPError, TimeoutError) as failure:
            return type(failure).__name__, None
        except (OSError, ValueError):  # an address, a file of certificates or a redirect gone wrong
            raise LeftToGdalError from None


def _proxies(what: remote.Opening) -> dict[str, str]:
    """Give the proxy of the source's entry, else the environment's."""
    from requests.utils import get_environ_proxies  # noqa: PLC0415

    if what.proxy:
        return {"http": what.proxy, "https": what.proxy}
    return dict(get_environ_proxies(what.probe))


def _asked_wait(headers: Mapping[str, str]) -> float | None:
    """Give the seconds of a Retry-After, None without one that can be read."""
    from urllib3 import Retry  # noqa: PLC0415
    from urllib3.exceptions import InvalidHeader  # noqa: PLC0415

    try:
        return min(Retry().parse_retry_after(headers["Retry-After"]), _LONGEST_S)
    except (KeyError, InvalidHeader, ValueError, OverflowError):
        return None


def _ranged(answer: Response, span: Span, until: float) -> Answer:
    """Read the body of a 206, up to the bytes that were asked for."""
    said = re.fullmatch(
        r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18})",
        answer.headers.get("Content-Range", "").strip(),
    )
    packed = answer.headers.get("Content-Encoding", "identity").strip().lower() != "identity"
    if said is None or packed:
        raise LeftToGdalError
    first, last, total = (int(n) for n in said.groups())
    if first != span[0] or last + 1 != min(span[1], total):
        raise LeftToGdalError
    size = last + 1 - first
    parts: list[bytes] = []
    held = 0
    while part := answer.raw.read1(min(_PART, size + 1 - held), decode_content=False):
        parts.append(part)
        held += len(part)
        if held > size:
            raise LeftToGdalError
        if time.monotonic() >= until:
            raise TimeoutError
    if held < size:
        raise LeftToGdalError
    return Answer(
        206,
        b"".join(parts),
        total,
        answer.headers.get("ETag", ""),
        answer.headers.get("Last-Modified", ""),
    )
