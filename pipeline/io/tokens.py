"""Tokens that sign hrefs: asked from their endpoint, kept until shortly before they end."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from pipeline.access import Access, SasSigning
from pipeline.errors import SourceUnreachableError
from pipeline.io.secrets import hide

_MARGIN_S = 300.0  # a token is renewed so long before it ends: a file is read for minutes
_DEFAULT_LIFE_S = 600.0  # of a token that does not say when it ends
_TRIES = 4  # for a token


class Tokens:
    """Tokens by endpoint, kept until shortly before they end; safe to ask from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: dict[str, tuple[str, float]] = {}

    def get(self, url: str, access: Access) -> str:
        """Give the token of an endpoint.

        Raises
        ------
        SourceUnreachableError
            The endpoint gives none.
        """
        with self._lock:
            token, until = self._held.get(url, ("", 0.0))
            if not token or time.time() > until:
                token, until = _ask_token(url, access)
                self._held[url] = (token, until)
            return token

    def forget(self, url: str) -> bool:
        """Drop a token that was refused; true if there was one."""
        with self._lock:
            return self._held.pop(url, None) is not None


TOKENS = Tokens()


def _ask_token(url: str, access: Access) -> tuple[str, float]:
    import httpx  # noqa: PLC0415 - slow to import, and rarely needed

    signing = access.signing
    named = signing.key_env if isinstance(signing, SasSigning) else None
    key = os.environ.get(named) if named else None
    headers = {"Ocp-Apim-Subscription-Key": key} if key else {}
    hide(key)
    said = ""
    for attempt in range(_TRIES):
        if attempt:
            time.sleep(0.3 * 2**attempt)
        try:
            answer = httpx.get(url, headers=headers, timeout=20, proxy=access.proxy_url())
            if answer.status_code == 200:
                return _token(answer.json())
            said = f"answers {answer.status_code}"
            if answer.status_code < 500 and answer.status_code != 429:
                break
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            said = f"gives no token ({type(error).__name__})"
    raise SourceUnreachableError(f"the token endpoint {url} {said}", "Run again later")


def _token(answer: Mapping[str, Any]) -> tuple[str, float]:
    token = str(answer["token"]).lstrip("?")
    if not token:
        raise ValueError("an empty token")
    hide(token)
    now = time.time()
    end = now + _DEFAULT_LIFE_S
    if answer.get("msft:expiry"):
        stated = datetime.fromisoformat(str(answer["msft:expiry"]))
        end = (stated if stated.tzinfo else stated.replace(tzinfo=UTC)).timestamp()
    # A token that ends within the margin is used for the half of its life that is left.
    return token, max(end - _MARGIN_S, now + (end - now) / 2)
