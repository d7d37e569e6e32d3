"""What a setting may be: types that check themselves, and complain without showing the value."""

from __future__ import annotations

import os
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Any
from urllib.parse import urlsplit

from cryptography.fernet import Fernet
from limits import parse_many
from pydantic import AfterValidator, BeforeValidator
from pydantic_settings import NoDecode
from sentry_sdk.utils import BadDsn, Dsn

Network = IPv4Network | IPv6Network


def _split(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return tuple(part.strip() for part in value.split(",") if part.strip())


def _postgres_url(value: str) -> str:
    if not value.startswith(("postgresql://", "postgres://")):
        raise ValueError("must be a postgresql:// URL")
    return value


def _redis_url(value: str) -> str:
    if not value.startswith(("redis://", "rediss://")):
        raise ValueError("must be a redis:// or rediss:// URL")
    return value


def _smtp_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme != "smtp" or not parts.hostname or not _has_port(value):
        raise ValueError("must be a smtp://host:port URL")
    return value


def _has_port(url: str) -> bool:
    """Whether the port of ``url``, where it has one, is one: urlsplit itself looks only when asked."""
    try:
        return urlsplit(url).port != 0
    except ValueError:
        return False


def _http_url(value: str) -> str:
    parts = urlsplit(value)
    if value and (parts.scheme not in ("http", "https") or not parts.hostname):
        raise ValueError("must be an http:// or https:// URL")
    return value


def _sentry_dsn(value: str) -> str:
    try:
        if value:
            Dsn(value)
    except BadDsn:
        raise ValueError("must be a Sentry DSN") from None
    return value


def _writable_path(value: str) -> str:
    folder = os.path.dirname(value) or "."
    if not value or os.path.isdir(value) or not os.access(folder, os.W_OK | os.X_OK):
        raise ValueError("must be a file in a folder that can be written to")
    return value


def _address(value: str) -> str:
    host, _, port = value.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise ValueError("must be host:port")
    return value


def _fernet_keys(keys: tuple[str, ...]) -> tuple[str, ...]:
    for key in keys:
        try:
            Fernet(key)
        except ValueError:
            raise ValueError("must be Fernet keys (32 bytes, URL-safe base64)") from None
    return keys


def _rate_limit(value: str) -> str:
    try:
        parse_many(value)
    except ValueError:
        raise ValueError("must be a rate limit such as '300 per 5 minutes'") from None
    return value


def _networks(value: tuple[str, ...]) -> tuple[str, ...]:
    for network in value:
        ip_network(network)
    return value


Listed = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
FernetKeys = Annotated[Listed, AfterValidator(_fernet_keys)]
Networks = Annotated[Listed, AfterValidator(_networks)]
PostgresUrl = Annotated[str, AfterValidator(_postgres_url)]
RedisUrl = Annotated[str, AfterValidator(_redis_url)]
SmtpUrl = Annotated[str, AfterValidator(_smtp_url)]
HttpUrl = Annotated[str, AfterValidator(_http_url)]
SentryDsn = Annotated[str, AfterValidator(_sentry_dsn)]
WritablePath = Annotated[str, AfterValidator(_writable_path)]
RateLimit = Annotated[str, AfterValidator(_rate_limit)]
Address = Annotated[str, AfterValidator(_address)]
