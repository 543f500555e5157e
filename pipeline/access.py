"""How what a catalogue cites is reached: signing, object stores, proxies, mirrors.

These are options, and they hold no secret: tokens and keys stay in the environment, and only the
names of their variables stand in files. They travel with each asset, so that whoever reads it,
thread or other machine, reads it in the same way.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator

_STRICT = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

EnvName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")]
"""Name of an environment variable that holds a secret; never the secret."""


def without_secrets(value: str) -> str:
    """Give an address back, or refuse one that may hold a secret: files and logs name it."""
    parts = urlsplit(value)
    if parts.username is not None or parts.password is not None or parts.query:
        raise ValueError(
            "an address holds no user, password or query; name the variable that holds a token or "
            "a key in access.signing or access.s3 instead"
        )
    return value


class Mirror(BaseModel):
    """Files whose address begins with ``from`` are read at ``to`` instead."""

    model_config = _STRICT

    prefix: str = Field(alias="from", min_length=1, description="beginning of the catalogue's href")
    to: str = Field(min_length=1, description="http(s):// or s3:// address, or an absolute folder")

    @field_validator("to")
    @classmethod
    def _absolute(cls, value: str) -> str:
        if not value.startswith(("http://", "https://", "s3://")) and not Path(value).is_absolute():
            raise ValueError("a mirror is an http(s):// or s3:// address, or an absolute folder")
        return without_secrets(value)


class SasSigning(BaseModel):
    """A token per storage container, asked from an endpoint, appended as the query of an href."""

    model_config = _STRICT

    kind: Literal["sas"]
    token_url: str = Field(
        description="endpoint; {account} and {container} are filled in from the href"
    )
    hosts: tuple[str, ...] = Field(
        min_length=1, description="hosts whose hrefs are signed; .example.org for all below it"
    )
    key_env: EnvName | None = Field(
        default=None, description="variable with a subscription key, sent if it is set"
    )


class BearerSigning(BaseModel):
    """A token of the office's own, sent as a header to named hosts and to no other."""

    model_config = _STRICT

    kind: Literal["bearer"]
    token_env: EnvName = Field(description="variable that holds the token")
    hosts: tuple[str, ...] = Field(min_length=1, description="hosts that may see the token")


class S3Options(BaseModel):
    """An object store behind ``s3://`` hrefs."""

    model_config = _STRICT

    endpoint: str | None = Field(
        default=None, description="https://host[:port]; default: Amazon's own"
    )
    region: str | None = Field(default=None, description="default: AWS_REGION, or the store's")
    virtual_hosting: bool = Field(
        default=True, description="bucket in the host name; false: in the path"
    )
    anonymous: bool = Field(default=False, description="open data: nothing is signed")
    requester_pays: bool = Field(default=False, description="the reader pays for the bytes")
    key_env: EnvName | None = Field(
        default=None, description="variable with the access key; default: AWS_ACCESS_KEY_ID"
    )
    secret_env: EnvName | None = Field(
        default=None, description="variable with the secret key; default: AWS_SECRET_ACCESS_KEY"
    )

    @field_validator("endpoint")
    @classmethod
    def _with_scheme(cls, value: str | None) -> str | None:
        if value is not None and urlsplit(value).scheme not in ("http", "https"):
            raise ValueError("an endpoint begins with https:// or http://")
        return value


class Access(BaseModel):
    """How hrefs of one catalogue are read."""

    model_config = _STRICT

    signing: Annotated[SasSigning | BearerSigning, Field(discriminator="kind")] | None = None
    s3: S3Options = S3Options()
    proxy: str | None = Field(
        default=None, description="http://host:port; default: HTTPS_PROXY, HTTP_PROXY, NO_PROXY"
    )
    proxy_env: EnvName | None = Field(
        default=None, description="variable with the proxy's address, where it holds a password"
    )
    mirrors: tuple[Mirror, ...] = Field(default=(), description="the first that fits counts")
    read_retries: int = Field(default=4, ge=0, le=10, description="tries of a read that failed")

    @field_validator("proxy")
    @classmethod
    def _no_password(cls, value: str | None) -> str | None:
        if value is not None and "@" in value:
            raise ValueError("a proxy with a password belongs in a variable: name it in proxy_env")
        return value

    def mirrored(self, href: str) -> str:
        """Give the address at which an href of the catalogue is read."""
        for mirror in self.mirrors:
            if href.startswith(mirror.prefix):
                return mirror.to + href.removeprefix(mirror.prefix)
        return href

    def proxy_url(self) -> str | None:
        """Give the proxy's address, None to follow the environment."""
        return os.environ.get(self.proxy_env) if self.proxy_env else self.proxy

    def unset_variables(self) -> list[str]:
        """Name the environment variables that reading needs and that are not set."""
        names = [self.proxy_env, self.s3.key_env, self.s3.secret_env]
        if isinstance(self.signing, BearerSigning):
            names.append(self.signing.token_env)
        return [name for name in names if name and not os.environ.get(name)]


def host_fits(href: str, hosts: tuple[str, ...]) -> bool:
    """Tell whether an href lies at one of ``hosts`` ("example.org", or ".example.org" below it)."""
    host = (urlsplit(href).hostname or "").lower()
    return any(host.endswith(h.lower()) if h.startswith(".") else host == h.lower() for h in hosts)
