"""Builds what both the web replicas and the worker stand on: database, cache, encryption."""

from __future__ import annotations

from opentelemetry.trace import Tracer

from observability.instruments import Instruments
from observability.telemetry import TelemetryOptions
from service.security.crypto import PersonalData
from service.settings import Settings
from service.storage.cache import Cache, connect_redis
from service.storage.postgres import PRIMARY, REPLICA, Database, Server


def make_database(settings: Settings, instruments: Instruments, tracer: Tracer) -> Database:
    """The primary and, where one is set, the replica; not opened yet."""

    def server(target: str, url: str) -> Server:
        return Server(
            target,
            url,
            instruments,
            tracer,
            pool_size=settings.pool_size,
            pool_timeout_seconds=settings.pool_timeout_seconds,
            statement_timeout_seconds=settings.statement_timeout_seconds,
        )

    replica = server(REPLICA, settings.replica_url) if settings.replica_url else None
    return Database(server(PRIMARY, settings.database_url), replica, instruments)


def make_cache(settings: Settings, instruments: Instruments, tracer: Tracer) -> Cache:
    """Redis, standalone or cluster; it connects when first used."""
    return Cache(
        lambda: connect_redis(
            settings.redis_url,
            cluster=settings.redis_cluster,
            timeout_seconds=settings.cache_timeout_seconds,
        ),
        instruments,
        tracer,
    )


def make_personal_data(settings: Settings) -> PersonalData:
    """Encryption of personal data with the keys that are set."""
    return PersonalData(settings.encryption_keys, settings.blind_index_key)


def telemetry_options(settings: Settings, role: str) -> TelemetryOptions:
    """Telemetry as set; ``role`` ("web", "worker") makes the service's name."""
    return TelemetryOptions(
        service=f"{settings.service_name}-{role}",
        version=settings.version,
        environment=settings.environment,
        instance=settings.instance,
        slot=settings.slot,
        log_level=settings.log_level,
        log_file=settings.log_file,
        sample_ratio=settings.trace_sample_ratio,
        otlp_endpoint=settings.otlp_endpoint,
        trace_file=settings.trace_file,
        sentry_dsn=settings.sentry_dsn,
        metrics_address=settings.metrics_address,
    )
