"""The service's settings: the environment, read once, into one frozen and checked object.

Every name is ``FIREWATCH_<FIELD>``, but for the few that OpenTelemetry and Sentry have named. A
secret may instead be a file of that name (lower case) in the folder ``FIREWATCH_SECRETS_DIR``.
"""

from __future__ import annotations

import os
from ipaddress import ip_network
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from service.setting_types import (
    Address,
    FernetKeys,
    HttpUrl,
    Network,
    Networks,
    PostgresUrl,
    RateLimit,
    RedisUrl,
    SentryDsn,
    SmtpUrl,
    WritablePath,
)


class SettingsError(Exception):
    """A setting is missing or wrong; the message is one sentence that names it."""


class Settings(BaseSettings):
    """All settings of the service. Durations are in seconds and say so in their names."""

    model_config = SettingsConfigDict(
        env_prefix="FIREWATCH_", frozen=True, extra="ignore", allow_inf_nan=False
    )

    environment: Literal["development", "staging", "production"] = "development"
    version: str = "0.1.0"
    instance: str = "web"
    slot: Literal["blue", "green"] = "blue"

    database_url: PostgresUrl
    replica_url: PostgresUrl | None = None
    redis_url: RedisUrl
    redis_cluster: bool = False
    smtp_url: SmtpUrl
    mail_from: str = "shop@firewatch.example"

    encryption_keys: Annotated[FernetKeys, Field(min_length=1)]
    blind_index_key: Annotated[str, Field(min_length=32)]

    bind: Address = "127.0.0.1:8000"
    metrics_bind: Address = "127.0.0.1:9394"
    threads: Annotated[int, Field(ge=1, le=64)] = 8
    trusted_proxies: Networks = ()
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
    log_file: WritablePath | None = None
    trace_file: WritablePath | None = None
    service_name: Annotated[str, Field(validation_alias="OTEL_SERVICE_NAME")] = "firewatch"
    otlp_endpoint: Annotated[
        HttpUrl | None, Field(validation_alias="OTEL_EXPORTER_OTLP_ENDPOINT")
    ] = None
    trace_sample_ratio: Annotated[
        float, Field(validation_alias="OTEL_TRACES_SAMPLER_ARG", ge=0, le=1)
    ] = 0.1
    sentry_dsn: Annotated[SentryDsn | None, Field(validation_alias="SENTRY_DSN")] = None

    @model_validator(mode="after")
    def _stalled_after_heartbeats(self) -> Self:
        if self.job_stalled_seconds < 2 * self.job_heartbeat_seconds:
            raise ValueError(
                "FIREWATCH_JOB_STALLED_SECONDS must be at least twice FIREWATCH_JOB_HEARTBEAT_SECONDS"
            )
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
        raise SettingsError(f"FIREWATCH_SECRETS_DIR is no folder: {secrets}.")
    try:
        return Settings(_secrets_dir=secrets)  # type: ignore[call-arg]
    except ValidationError as error:
        raise SettingsError(_sentence(error)) from None


def _sentence(error: ValidationError) -> str:
    # Never the value given: it may be a secret.
    first = error.errors(include_input=False, include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"][:1])
    reason = first["msg"].removeprefix("Value error, ")
    if not where:
        return f"The settings contradict each other: {reason}."
    name = where if where.isupper() else f"FIREWATCH_{where.upper()}"
    if first["type"] == "missing":
        return f"{name} is not set."
    return f"{name} is wrong: {reason}."
