"""Items of a STAC API: asked politely, and never believed."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from textwrap import shorten
from typing import Any

import pystac_client
from pystac.errors import STACError
from pystac_client import ConformanceClasses, ItemSearch
from pystac_client.errors import ClientTypeError
from pystac_client.exceptions import APIError
from pystac_client.stac_api_io import StacApiIO
from requests import PreparedRequest
from requests.auth import AuthBase
from requests.exceptions import RequestException
from shapely.geometry import mapping
from urllib3 import BaseHTTPResponse, Retry
from urllib3.exceptions import MaxRetryError, ResponseError

from pipeline.access import Access, BearerSigning
from pipeline.acquire.items import plain
from pipeline.acquire.pages import Pages
from pipeline.acquire.source import Raw, StacSource, Wanted
from pipeline.acquire.walk import self_link
from pipeline.errors import ConfigurationError, SourceUnreachableError
from pipeline.io.remote import bearer_headers
from pipeline.io.secrets import clean

_STATUSES = (429, 500, 502, 503, 504)
_REFUSED = (400, 401, 405, 413, 414, 422)  # the server is well and wants something else
_LONGEST_WAIT_S = 60  # a server that wants more patience is asked again by the next run


class PatientRetry(Retry):
    """Backs off with jitter and honours Retry-After, but not for hours."""

    def increment(
        self,
        method: str | None = None,
        url: str | None = None,
        response: BaseHTTPResponse | None = None,
        *rest: Any,
        **named: Any,
    ) -> Retry:
        """Count a try; gives up at once where the server asks for a long wait."""
        wait = self.get_retry_after(response) if response is not None else None
        if response is not None and wait is not None and wait > _LONGEST_WAIT_S:
            reason = ResponseError(f"{response.status}, and asks to wait {wait:.0f} s")
            raise MaxRetryError(None, url or "", reason)  # pyright: ignore[reportArgumentType]
        return super().increment(method, url, response, *rest, **named)


class _ByHost(AuthBase):
    """Shows the token to the hosts it is meant for: a link may lead a request anywhere."""

    def __init__(self, access: Access) -> None:
        self._access = access

    def __call__(self, r: PreparedRequest) -> PreparedRequest:
        r.headers.update(bearer_headers(r.url or "", self._access))
        return r


def api_io(source: StacSource) -> StacApiIO:
    """Make the transport of a source: retries, time-outs, proxy, and the token of its hosts."""
    retry = PatientRetry(
        total=source.retries,
        backoff_factor=0.3,
        backoff_jitter=0.3,
        backoff_max=20,
        status_forcelist=_STATUSES,
        allowed_methods=None,
        respect_retry_after_header=True,
    )
    io = StacApiIO(max_retries=retry, timeout=30)
    if isinstance(source.access.signing, BearerSigning):
        io.session.auth = _ByHost(source.access)
    proxy = source.access.proxy_url()
    if proxy:
        io.session.trust_env = False  # or requests would prefer the environment's proxy
        io.session.proxies.update({"http": proxy, "https": proxy})
    return io


def api_items(source: StacSource, url: str, wanted: Wanted, only: int | None = None) -> Raw:
    """Search an API for all items, or for the first ``only``.

    Raises
    ------
    SourceUnreachableError
        No answer after all retries, or none of a STAC API.
    ConfigurationError
        More items than ``max_items``; a search that the server refuses.
    """
    io = api_io(source)
    try:
        client = pystac_client.Client.open(url, stac_io=io)
        said = _narrowing(source, client)
        search = _search(source, client, wanted, said)
        pages = Pages(source)
        items = tuple(
            (feature, self_link(feature, url)) for feature in islice(pages.walk(io, search), only)
        )
        unsaid = _unsaid(source, said)
        notes = [
            f"{source.url} does not do '{n}': it is applied here, after all items have come"
            for n in unsaid
        ]
        notes += pages.notes
        return Raw(items, not unsaid, asked=True, notes=tuple(notes), incomplete=pages.incomplete)
    except APIError as error:
        status = getattr(error, "status_code", None)  # it has none where there was no answer
        if status in _REFUSED:
            raise ConfigurationError(
                f"{source.url} refuses the search ({status}: {_short(error)})",
                "Correct query, filter, collections or page_size of the source",
            ) from None
        raise unreachable(source.url, error) from None
    except RequestException as error:
        raise unreachable(source.url, error) from None
    except (ValueError, AttributeError, TypeError, KeyError, STACError, ClientTypeError) as error:
        # A page of a login portal, a proxy's own words: an answer, but none of a STAC API.
        what = f"{source.url} answers, but not as a STAC API ({type(error).__name__})"
        remedy = "Check the address and any proxy in between, and run again"
        raise SourceUnreachableError(what, remedy) from error
    finally:
        io.session.close()


def unreachable(url: str, error: Exception) -> SourceUnreachableError:
    """Say that a catalogue does not answer, or what it answers."""
    status = getattr(error, "status_code", None)  # it has none where there was no answer
    kept = "and run again; what was read before is kept"
    if status is None:
        what = f"the catalogue {url} does not answer: {_short(error)}"
        return SourceUnreachableError(what, f"Check the address and the network, {kept}")
    return SourceUnreachableError(
        f"the catalogue {url} answers {status}{_words(error)}",
        f"Check the address, and the token where it wants one (docs/catalogues.md), {kept}",
    )


def _words(error: Exception) -> str:
    """Give what stands in an answer beside its status; ``{}`` says nothing."""
    said = _short(error)
    return f": {said}" if any(c.isalnum() for c in str(error)) else ""


# The first that fits; behind a proxy's failure stands a reason that is none of the catalogue's.
_REASONS = {
    "Tunnel connection failed": "the proxy (access.proxy, or HTTPS_PROXY) lets nothing through",
    "Unable to connect to proxy": "the proxy (access.proxy, or HTTPS_PROXY) cannot be reached",
    "Connection refused": "connection refused",
    "Failed to resolve": "its name cannot be resolved",
    "Name or service not known": "its name cannot be resolved",
    "Network is unreachable": "the network is unreachable",
    "No route to host": "no route to it",
    "timed out": "timed out",
    "CERTIFICATE_VERIFY_FAILED": "its certificate cannot be verified",
}


def _short(error: Exception) -> str:
    """Give the reason in a few words; libraries nest theirs in brackets, three deep."""
    text = plain(clean(" ".join(str(error).split())))
    known = next((words for sign, words in _REASONS.items() if sign in text), None)
    return known or shorten(text, 200, placeholder=" ...") or type(error).__name__


def _asked(source: StacSource) -> frozenset[str]:
    return frozenset(n for n in ("query", "filter") if getattr(source, n))


def _narrowing(source: StacSource, client: pystac_client.Client) -> dict[str, Any]:
    """Say the condition in a language that the server declares and the entry trusts it with.

    Never in both at once: pgstac answers 400 to a query beside a filter.
    """
    asked, trusted = _asked(source), source.supports
    can_query = trusted.query and client.conforms_to(ConformanceClasses.QUERY)
    can_filter = trusted.filter and client.conforms_to(ConformanceClasses.FILTER)
    if "query" in asked and can_query and not ("filter" in asked and can_filter):
        return {"query": source.query}
    return {"filter": source.narrow.as_filter()} if asked and can_filter else {}


def _unsaid(source: StacSource, said: Mapping[str, Any]) -> list[str]:
    """Name what did not go along: a filter says everything, a query only itself."""
    return [] if "filter" in said else sorted(_asked(source) - said.keys())


def _search(
    source: StacSource, client: pystac_client.Client, wanted: Wanted, said: Mapping[str, Any]
) -> ItemSearch:
    methods = {
        str(link.extra_fields.get("method", "GET")).upper() for link in client.get_links("search")
    }
    return client.search(
        method="GET" if methods == {"GET"} else "POST",
        collections=list(source.collections) or None,
        intersects=mapping(wanted.area_wgs84.envelope),
        datetime=(wanted.start, wanted.end),
        limit=source.page_size,
        **said,
    )
