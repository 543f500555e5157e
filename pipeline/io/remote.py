"""Remote files for GDAL: paths, options, signatures and what a failure means.

A secret is handed to GDAL while a file is opened and to no one else: it stands in no address that
is kept, and every message that leaves this module has been cleared of it.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import httpx

from pipeline.access import Access, BearerSigning, S3Options, SasSigning, host_fits
from pipeline.errors import ConfigurationError, SceneUnusableError, SourceUnreachableError

_READING: Mapping[str, Any] = {
    # For remote reads only: beside local files GDAL must go on seeing .tfw, .aux.xml and .ovr.
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_HTTP_MULTIPLEX": "YES",
    "GDAL_HTTP_MERGE_CONSECUTIVE_RANGES": "YES",
    "GDAL_INGESTED_BYTES_AT_OPEN": "32768",
    "GDAL_HTTP_RETRY_DELAY": "0.2",
    "GDAL_HTTP_RETRY_CODES": "429,500,502,503,504",
    "GDAL_HTTP_CONNECTTIMEOUT": "10",
    "GDAL_HTTP_TIMEOUT": "60",
    "CPL_VSIL_CURL_CACHE_SIZE": "16777216",
}
_SCHEMES = ("http://", "https://", "s3://")
_MARGIN_S = 300.0  # a token is renewed so long before it ends: a file is read for minutes
_DEFAULT_LIFE_S = 600.0  # of a token that does not say when it ends
_TRIES = 4  # for a token
HIDDEN = "[hidden]"
_AWS_VARIABLES = (
    "AWS_ACCESS_KEY_ID",
    "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_NO_SIGN_REQUEST",
)


def is_remote(href: str) -> bool:
    """Tell URLs from paths."""
    return href.startswith(_SCHEMES)


@dataclass(frozen=True)
class Opening:
    """What GDAL is told to open one file."""

    href: str  # where it is read, mirror included, without any secret
    path: str  # for GDAL; may hold a token
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])  # while it is read
    secrets: Mapping[str, Any] = field(default_factory=dict[str, Any])  # while it is opened
    headers: Mapping[str, str] = field(default_factory=dict[str, str])  # for the probe
    probe: str = ""  # URL to ask where GDAL does not say what failed; may hold a token
    proxy: str | None = None


def opening(href: str, access: Access | None = None) -> Opening:
    """Say how an href of a catalogue is opened.

    Raises
    ------
    ConfigurationError
        A variable that should hold a secret is not set.
    SceneUnusableError
        An object store for which no key is known.
    SourceUnreachableError
        The endpoint of the tokens does not answer.
    """
    access = access or Access()
    place = access.mirrored(href)
    if not is_remote(place):
        return Opening(place, place)
    proxy = access.proxy_url()
    options: dict[str, Any] = {**_READING, "GDAL_HTTP_MAX_RETRY": str(access.read_retries)}
    secrets: dict[str, Any] = {}
    if proxy:
        secrets["GDAL_HTTP_PROXY"] = proxy
        _hide(urlsplit(proxy).password)
    if place.startswith("s3://"):
        found = _s3(place, access.s3)
        return Opening(
            *(place, f"/vsis3/{place.removeprefix('s3://')}", options, {**secrets, **found}),
            *({}, _s3_url(place, access.s3), proxy),
        )
    headers = bearer_headers(place, access)
    if headers:
        secrets["GDAL_HTTP_HEADERS"] = f"Authorization: {headers['Authorization']}"
    url = place
    signing = access.signing
    if isinstance(signing, SasSigning) and _unsigned(place, signing):
        url = f"{place}?{_TOKENS.get(_token_url(place, signing), access)}"
    return Opening(place, f"/vsicurl/{url}", options, secrets, headers, url, proxy)


def _unsigned(href: str, signing: SasSigning) -> bool:
    """Tell whether an href wants a token: one with a query was signed by its catalogue."""
    return host_fits(href, signing.hosts) and not urlsplit(href).query


def bearer_headers(url: str, access: Access) -> dict[str, str]:
    """Give the header that a host may see, none for another host.

    Raises
    ------
    ConfigurationError
        The variable that should hold the token is not set.
    """
    signing = access.signing
    if not isinstance(signing, BearerSigning) or not host_fits(url, signing.hosts):
        return {}
    token = _secret(signing.token_env)
    return {"Authorization": f"Bearer {token}"}


def renewed(what: Opening, access: Access | None, status: int) -> bool:
    """Forget the token of a file that was refused; true if asking again may help."""
    signing = access.signing if access else None
    if status not in (401, 403) or not isinstance(signing, SasSigning):
        return False
    return _unsigned(what.href, signing) and _TOKENS.forget(_token_url(what.href, signing))


def probe(what: Opening) -> int | SourceUnreachableError:
    """Ask for the first bytes of a file: the status, or why there is no answer."""
    try:
        with httpx.Client(proxy=what.proxy, timeout=10, follow_redirects=True) as client:
            headers = {**what.headers, "Range": "bytes=0-15"}
            with client.stream("GET", what.probe, headers=headers) as answer:
                return answer.status_code
    except (httpx.HTTPError, httpx.InvalidURL) as failure:
        reason = f"{what.href} cannot be fetched ({type(failure).__name__})"
        return SourceUnreachableError(reason, "Run again later")


def meaning(
    what: Opening, status: int | SourceUnreachableError
) -> SceneUnusableError | SourceUnreachableError | None:
    """Say what a status means; None if the server is well and the file is there."""
    if isinstance(status, SourceUnreachableError):
        return status
    if status == 429 or status >= 500:
        return SourceUnreachableError(f"{what.href} answers {status}", "Run again later")
    if status in (401, 403) and what.href.startswith("s3://"):
        # Asked without a signature, every object of a closed store answers so.
        return None
    if status in (401, 403):
        remedy = "It wants a token or a key (docs/catalogues.md), or it is not there"
        return SceneUnusableError(f"{what.href} answers {status}", remedy)
    if status >= 400:
        return SceneUnusableError(
            f"{what.href} answers {status}", "The catalogue cites a file that is not there"
        )
    return None


def clean(text: str) -> str:
    """Clear a message of every secret that this process has used."""
    for secret in _HIDDEN:
        text = text.replace(secret, HIDDEN)
    return text


_HIDDEN: set[str] = set()


class _Cleared(logging.Filter):
    """Clears the log lines of the libraries that see addresses with tokens."""

    def filter(self, record: logging.LogRecord) -> bool:
        if _HIDDEN:
            record.msg, record.args = clean(record.getMessage()), None
        return True


def _hide(secret: str | None) -> None:
    if secret:
        _HIDDEN.update({secret, quote(secret, safe="")})


for _name in ("httpx", "rasterio", "rasterio._env", "rasterio._err", "rasterio._io", "urllib3"):
    logging.getLogger(_name).addFilter(_Cleared())
for _name in ("rasterio._base", "rasterio.env", "rasterio.session", "urllib3.connectionpool"):
    logging.getLogger(_name).addFilter(_Cleared())


def _secret(name: str) -> str:
    value = os.environ.get(name, "").strip()
    if not value:
        raise ConfigurationError(
            f"the environment variable {name} is not set", "Set it to the token or key it names"
        )
    _hide(value)
    return value


def _s3(href: str, s3: S3Options) -> dict[str, Any]:
    out: dict[str, Any] = {"AWS_VIRTUAL_HOSTING": "TRUE" if s3.virtual_hosting else "FALSE"}
    if s3.endpoint:
        parts = urlsplit(s3.endpoint)
        out["AWS_S3_ENDPOINT"] = parts.netloc
        out["AWS_HTTPS"] = "YES" if parts.scheme == "https" else "NO"
    if s3.region:
        out["AWS_REGION"] = s3.region
    if s3.requester_pays:
        out["AWS_REQUEST_PAYER"] = "requester"
    return {**out, **_s3_keys(href, s3)}


def _s3_keys(href: str, s3: S3Options) -> dict[str, Any]:
    if s3.anonymous:
        return {"AWS_NO_SIGN_REQUEST": "YES"}
    if s3.key_env and s3.secret_env:
        return {
            "AWS_ACCESS_KEY_ID": _secret(s3.key_env),
            "AWS_SECRET_ACCESS_KEY": _secret(s3.secret_env),
            # A session token of another account, left in the environment, spoils the signature.
            "AWS_SESSION_TOKEN": "",
        }
    for name in ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        _hide(os.environ.get(name))
    shared = Path(os.environ.get("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials")).expanduser()
    if not any(os.environ.get(n) for n in _AWS_VARIABLES) and not shared.is_file():
        # Otherwise GDAL looks for a virtual machine's role, a quarter of a minute for each file.
        raise SceneUnusableError(
            f"{href} lies in an object store, and no key for it is known",
            "Name the variables of its keys under access.s3 of the source, or say anonymous: true",
        )
    return {}


def _s3_url(href: str, s3: S3Options) -> str:
    bucket, _, key = href.removeprefix("s3://").partition("/")
    if s3.endpoint:
        parts = urlsplit(s3.endpoint)
        if s3.virtual_hosting:
            return f"{parts.scheme}://{bucket}.{parts.netloc}/{quote(key)}"
        return f"{parts.scheme}://{parts.netloc}/{bucket}/{quote(key)}"
    region = s3.region or os.environ.get("AWS_REGION") or "us-east-1"
    return f"https://{bucket}.s3.{region}.amazonaws.com/{quote(key)}"


def _token_url(href: str, signing: SasSigning) -> str:
    parts = urlsplit(href)
    account = (parts.hostname or "").split(".")[0]
    container = parts.path.lstrip("/").split("/")[0]
    return signing.token_url.replace("{account}", account).replace("{container}", container)


class _Tokens:
    """Tokens by endpoint, kept until shortly before they end; safe to ask from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: dict[str, tuple[str, float]] = {}

    def get(self, url: str, access: Access) -> str:
        with self._lock:
            token, until = self._held.get(url, ("", 0.0))
            if not token or time.time() > until:
                token, until = _ask_token(url, access)
                self._held[url] = (token, until)
            return token

    def forget(self, url: str) -> bool:
        with self._lock:
            return self._held.pop(url, None) is not None


_TOKENS = _Tokens()


def _ask_token(url: str, access: Access) -> tuple[str, float]:
    signing = access.signing
    named = signing.key_env if isinstance(signing, SasSigning) else None
    key = os.environ.get(named) if named else None
    headers = {"Ocp-Apim-Subscription-Key": key} if key else {}
    _hide(key)
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
    _hide(token)
    now = time.time()
    end = now + _DEFAULT_LIFE_S
    if answer.get("msft:expiry"):
        stated = datetime.fromisoformat(str(answer["msft:expiry"]))
        end = (stated if stated.tzinfo else stated.replace(tzinfo=UTC)).timestamp()
    # A token that ends within the margin is used for the half of its life that is left.
    return token, max(end - _MARGIN_S, now + (end - now) / 2)
