"""Remote files for GDAL: paths, options, signatures and what a failure means.

A secret is handed to GDAL while a file is opened and to no one else: it stands in no address that
is kept.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from pipeline.access import Access, BearerSigning, S3Options, SasSigning, host_fits
from pipeline.errors import SceneUnusableError, SourceUnreachableError
from pipeline.io.secrets import hide, secret
from pipeline.io.tokens import TOKENS

_READING: Mapping[str, Any] = {
    # For remote reads only: beside local files GDAL must go on seeing .tfw, .aux.xml and .ovr.
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_HTTP_MULTIPLEX": "YES",
    "GDAL_HTTP_MERGE_CONSECUTIVE_RANGES": "YES",
    "GDAL_INGESTED_BYTES_AT_OPEN": "16384",
    "GDAL_HTTP_RETRY_DELAY": "0.2",
    "GDAL_HTTP_RETRY_CODES": "429,500,502,503,504",
    "GDAL_HTTP_CONNECTTIMEOUT": "10",
    "GDAL_HTTP_TIMEOUT": "60",
    # Of all readers together. In 16 MB they push out each other's blocks between their arrival and
    # their decoding, and a fifth of all bytes comes twice; eight readers of seven bands hold 60 MB.
    "CPL_VSIL_CURL_CACHE_SIZE": "134217728",
}
_SCHEMES = ("http://", "https://", "s3://")
_NO_SUCH_RANGE = 416  # to who asks for a file's first bytes: it has none (RFC 9110, 15.5.17)
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


def named(href: str) -> str:
    """Give an href as messages name it: without user, password and query, which may sign it."""
    if not is_remote(href):
        return href
    scheme, _, rest = href.partition("?")[0].partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"


def lasting(text: str) -> str:
    """Drop the port of this machine's own API, which changes from run to run."""
    return re.sub(r"http://127\.0\.0\.1:\d+", "local:/", text)


def read_remotely(href: str, access: Access | None) -> bool:
    """Tell whether a file is read over the network, mirrors considered."""
    return is_remote((access or Access()).mirrored(href))


@dataclass(frozen=True)
class Opening:
    """What GDAL is told to open one file."""

    href: str  # where it is read, mirror included, without its query or any secret
    path: str  # for GDAL; may hold a token
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])  # while it is read
    secrets: Mapping[str, Any] = field(default_factory=dict[str, Any])  # while it is opened
    headers: Mapping[str, str] = field(default_factory=dict[str, str])  # for the probe
    probe: str = ""  # URL to ask where GDAL does not say what failed; may hold a token
    proxy: str | None = None
    cited: str = ""  # the href as the catalogue has it: what is opened anew after a refusal


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
        return Opening(place, place, cited=href)
    proxy = access.proxy_url()
    options: dict[str, Any] = {**_READING, "GDAL_HTTP_MAX_RETRY": str(access.read_retries)}
    secrets: dict[str, Any] = {}
    if proxy:
        secrets["GDAL_HTTP_PROXY"] = proxy
        hide(urlsplit(proxy).password)
    if place.startswith("s3://"):
        found = _s3(place, access.s3)
        return Opening(
            *(place, f"/vsis3/{place.removeprefix('s3://')}", options, {**secrets, **found}),
            *({}, _s3_url(place, access.s3), proxy, href),
        )
    headers = bearer_headers(place, access)
    if headers:
        secrets["GDAL_HTTP_HEADERS"] = f"Authorization: {headers['Authorization']}"
    url = place
    signing = access.signing
    if isinstance(signing, SasSigning) and _unsigned(place, signing):
        url = f"{place}?{TOKENS.get(_token_url(place, signing), access)}"
    return Opening(named(place), f"/vsicurl/{url}", options, secrets, headers, url, proxy, href)


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
    token = secret(signing.token_env)
    return {"Authorization": f"Bearer {token}"}


def renewed(what: Opening, access: Access | None, status: int) -> bool:
    """Forget the token of a file that was refused; true if asking again may help."""
    signing = access.signing if access else None
    if status not in (401, 403) or not isinstance(signing, SasSigning):
        return False
    place = access.mirrored(what.cited) if access else what.cited
    return _unsigned(place, signing) and TOKENS.forget(_token_url(place, signing))


def probe(what: Opening) -> int | SourceUnreachableError:
    """Ask for the first bytes of a file: the status, or why there is no answer."""
    import httpx  # noqa: PLC0415 - slow to import, and rarely needed

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
    return _refusal(what, status) if status >= 400 else None


def _refusal(what: Opening, status: int) -> SceneUnusableError:
    if status == _NO_SUCH_RANGE:
        remedy = "Tell the catalogue's keeper: it has to be put there again"
        return SceneUnusableError(f"{what.href} is empty", remedy)
    remedy = "The catalogue cites a file that is not there"
    return SceneUnusableError(f"{what.href} answers {status}", remedy)


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
            "AWS_ACCESS_KEY_ID": secret(s3.key_env),
            "AWS_SECRET_ACCESS_KEY": secret(s3.secret_env),
            # A session token of another account, left in the environment, spoils the signature.
            "AWS_SESSION_TOKEN": "",
        }
    for name in ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        hide(os.environ.get(name))
    shared = Path(os.environ.get("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials")).expanduser()
    if not any(os.environ.get(n) for n in _AWS_VARIABLES) and not shared.is_file():
        # Otherwise GDAL looks for a virtual machine's role, a quarter of a minute for each file.
        raise SceneUnusableError(
            f"{named(href)} lies in an object store, and no key for it is known",
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
