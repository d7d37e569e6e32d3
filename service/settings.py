"""The service's settings: the environment, read once, into one frozen and checked object.

Every name is ``FIREWATCH_<FIELD>``, but for the few that OpenTelemetry and Sentry have named. A
secret may instead be a file of that name (lower case) in the folder ``FIREWATCH_SECRETS_DIR``.
"""

from __future__ import annotations

import os
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from cryptography.fernet import Fernet
from limits import parse_many
from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

Network = IPv4Network | IPv6Network


class SettingsError(Exception):
    """A setting is missing or wrong; the message is one sentence that names it."""


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
    if parts.scheme != "smtp" or not parts.hostname:
        raise ValueError("must be a smtp://host:port URL")
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
PostgresUrl = Annotated[str, AfterValidator(_postgres_url)]
RateLimit = Annotated[str, AfterValidator(_rate_limit)]
Address = Annotated[str, AfterValidator(_address)]


class Settings(BaseSettings):
    """All settings of the service. Durations are in seconds and say so in their names."""

    model_config = SettingsConfigDict(env_prefix="FIREWATCH_", frozen=True, extra="ignore")

    environment: Literal["development", "staging", "production"] = "development"
    version: str = "0.1.0"
    instance: str = "web"
    slot: Literal["blue", "green"] = "blue"

    database_url: PostgresUrl
    replica_url: PostgresUrl | None = None
    redis_url: Annotated[str, AfterValidator(_redis_url)]
    redis_cluster: bool = False
    smtp_url: Annotated[str, AfterValidator(_smtp_url)]
    mail_from: str = "shop@firewatch.example"

    encryption_keys: Annotated[Listed, Field(min_length=1), AfterValidator(_fernet_keys)]
    blind_index_key: Annotated[str, Field(min_length=32)]

    bind: Address = "127.0.0.1:8000"
    metrics_bind: Address = "127.0.0.1:9394"
    threads: Annotated[int, Field(ge=1, le=64)] = 8
    trusted_proxies: Annotated[Listed, AfterValidator(_networks)] = ()
    force_https: bool = True
    drain_seconds: Annotated[float, Field(ge=0, le=60)] = 4.0
    max_body_bytes: Annotated[int, Field(ge=1024)] = 65_536

    pool_size: Annotated[int, Field(ge=1)] = 8
    pool_timeout_seconds: Annotated[float, Field(gt=0)] = 1.0
    statement_timeout_seconds: Annotated[float, Field(gt=0)] = 5.0
    retry_after_seconds: Annotated[int, Field(ge=1)] = 5
    cache_timeout_seconds: Annotated[float, Field(gt=0)] = 0.25
    product_ttl_seconds: Annotated[int, Field(ge=1)] = 300
    page_ttl_seconds: Annotated[int, Field(ge=1)] = 60
    session_hours: Annotated[int, Field(ge=1)] = 24
    argon2_memory_kib: Annotated[int, Field(ge=8)] = 19_456
    argon2_iterations: Annotated[int, Field(ge=1)] = 2

    limits_enabled: bool = True
    limit_per_address: RateLimit = "300 per 5 minutes"
    limit_sign_in: RateLimit = "5 per 20 seconds"
    limit_api: RateLimit = "1000 per hour"
    ban_failures: RateLimit = "5 per minute"
    ban_seconds: Annotated[int, Field(ge=1)] = 3600

    job_concurrency: Annotated[int, Field(ge=1)] = 4
    job_max_attempts: Annotated[int, Field(ge=1)] = 8
    job_heartbeat_seconds: Annotated[float, Field(gt=0)] = 2.0
    job_stalled_seconds: Annotated[float, Field(gt=0)] = 10.0

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_file: str | None = None
    trace_file: str | None = None
    service_name: Annotated[str, Field(validation_alias="OTEL_SERVICE_NAME")] = "firewatch"
    otlp_endpoint: Annotated[str | None, Field(validation_alias="OTEL_EXPORTER_OTLP_ENDPOINT")] = (
        None
    )
    trace_sample_ratio: Annotated[
        float, Field(validation_alias="OTEL_TRACES_SAMPLER_ARG", ge=0, le=1)
    ] = 0.1
    sentry_dsn: Annotated[str | None, Field(validation_alias="SENTRY_DSN")] = None

    @model_validator(mode="after")
    def _stalled_after_heartbeats(self) -> Self:
        if self.job_stalled_seconds < 2 * self.job_heartbeat_seconds:
            raise ValueError("JOB_STALLED_SECONDS must be at least twice JOB_HEARTBEAT_SECONDS")
        return self

    @property
    def trusted_networks(self) -> tuple[Network, ...]:
        """The networks whose X-Forwarded-* headers are believed."""
        return tuple(ip_network(network) for network in self.trusted_proxies)

    @property
    def metrics_address(self) -> tuple[str, int]:
        """(host, port) on which /metrics is served."""
        host, _, port = self.metrics_bind.rpartition(":")
        return host, int(port)


def load_settings() -> Settings:
    """Read the environment.

    Raises:
        SettingsError: naming the first setting that is missing or wrong.
    """
    secrets = os.environ.get("FIREWATCH_SECRETS_DIR")
    if secrets and not os.path.isdir(secrets):
        raise SettingsError(f"FIREWATCH_SECRETS_DIR is no folder: {secrets}")
    try:
        return Settings(_secrets_dir=secrets)  # type: ignore[call-arg]
    except ValidationError as error:
        raise SettingsError(_sentence(error)) from None


def _sentence(error: ValidationError) -> str:
    # Never the value given: it may be a secret.
    first = error.errors(include_input=False, include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"][:1])
    name = where if where.isupper() else f"FIREWATCH_{where.upper()}"
    if not where:
        return f"The settings contradict each other: {first['msg']}."
    if first["type"] == "missing":
        return f"{name} is not set."
    return f"{name} is wrong: {first['msg'].removeprefix('Value error, ')}."
