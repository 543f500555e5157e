"""Secrets: read from the environment, and cleared from whatever is said."""

from __future__ import annotations

import logging
import os
import re
from urllib.parse import quote

from pipeline.errors import ConfigurationError

HIDDEN = "[hidden]"


def clean(text: str) -> str:
    """Clear a message of every secret that this process has used.

    Addresses lose their users, passwords and queries.
    """
    for secret in tuple(_HIDDEN):  # another thread may add one meanwhile
        text = text.replace(secret, HIDDEN)
    # Catalogues that sign by themselves put the signature there.
    return _QUERY.sub(rf"\1?{HIDDEN}", _USER.sub(f"{HIDDEN}@", text))


_HIDDEN: set[str] = set()
# Of any scheme, by its last character: a scheme sought from every letter on takes the square of
# the text's length.
_USER = re.compile(r"(?<=[A-Za-z0-9+.-]://)[^\s/?#\"'<>]+@")
_QUERY = re.compile(r"((?:https?:/|/vsi|(?<![^\s:\"'(=])/)[^\s?\"'<>]*)\?[^\s\"'<>)]+")


class _Cleared(logging.Filter):
    """Clears the log lines of the libraries that see addresses with tokens."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = clean(record.getMessage()), None
        return True


def hide(secret: str | None) -> None:
    """Keep a secret out of every later message."""
    if secret:
        _HIDDEN.update({secret, quote(secret, safe="")})


for _name in ("httpx", "rasterio", "rasterio._env", "rasterio._err", "rasterio._io", "urllib3"):
    logging.getLogger(_name).addFilter(_Cleared())
for _name in (
    "rasterio._base",
    "rasterio.env",
    "rasterio.session",
    "urllib3.connectionpool",
    "urllib3.util.retry",
):
    logging.getLogger(_name).addFilter(_Cleared())


def secret(name: str) -> str:
    """Give what a variable holds.

    Raises
    ------
    ConfigurationError
        It is not set.
    """
    value = os.environ.get(name, "").strip()
    if not value:
        raise ConfigurationError(
            f"the environment variable {name} is not set", "Set it to the token or key it names"
        )
    hide(value)
    return value
