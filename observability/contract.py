"""The one place where a metric's name, labels, buckets and help are written.

Instruments are built from it, and rules, dashboards, load tests and documents are rendered from
it. Names follow Prometheus' conventions: base units in the name, ``_total`` on counters.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["counter", "gauge", "histogram"]

LATENCY_TARGET_SECONDS = 0.2
QUERY_TARGET_SECONDS = 0.05
JOB_FRESHNESS_SECONDS = 60.0

# 0.05 s and 0.2 s are targets, so they must be exact bounds: between bounds, Prometheus guesses.
REQUEST_BUCKETS = (
    *(0.005, 0.01, 0.025, 0.05, 0.1, LATENCY_TARGET_SECONDS),
    *(0.3, 0.5, 1.0, 2.5, 5.0, 10.0),
)
QUERY_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, QUERY_TARGET_SECONDS, 0.1, 0.25, 1.0, 5.0)
WAIT_BUCKETS = (0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 2.0)
JOB_BUCKETS = (0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 15.0, JOB_FRESHNESS_SECONDS, 300.0, 3600.0)

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
OTHER_METHOD = "OTHER"
UNMATCHED_ROUTE = "unmatched"


@dataclass(frozen=True)
class Metric:
    """A metric as scraped: its family name, kind, help sentence, label names and bucket bounds."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


HTTP_REQUESTS = Metric(
    "http_requests_total",
    "counter",
    "Requests answered, by method, route (the rule, never the raw path) and status code.",
    ("method", "route", "status"),
)
HTTP_DURATION = Metric(
    "http_request_duration_seconds",
    "histogram",
    "Seconds from a request's arrival at the application until its body was handed over.",
    ("method", "route"),
    REQUEST_BUCKETS,
)
HTTP_IN_FLIGHT = Metric("http_requests_in_flight", "gauge", "Requests being answered now.")

DB_QUERY_DURATION = Metric(
    "db_query_duration_seconds",
    "histogram",
    "Seconds a query took on an open connection, the wait for the connection not included.",
    ("operation", "target"),
    QUERY_BUCKETS,
)
DB_POOL_WAIT = Metric(
    "db_pool_wait_seconds",
    "histogram",
    "Seconds spent waiting for a pooled connection.",
    ("target",),
    WAIT_BUCKETS,
)
DB_ERRORS = Metric(
    "db_errors_total",
    "counter",
    "Database calls that failed, by target and kind (unavailable, pool_timeout, query).",
    ("target", "kind"),
)
DB_FALLBACK_READS = Metric(
    "db_fallback_reads_total",
    "counter",
    "Reads answered by the other server, because the preferred target was away.",
    ("target",),
)

CACHE_REQUESTS = Metric(
    "cache_requests_total",
    "counter",
    "Look-ups in the cache, by cache and result (hit, miss, error).",
    ("cache", "result"),
)
CACHE_DURATION = Metric(
    "cache_operation_duration_seconds",
    "histogram",
    "Seconds a Redis command took.",
    ("operation",),
    WAIT_BUCKETS,
)

JOBS = Metric(
    "jobs_total",
    "counter",
    "Runs of jobs, by task and result (succeeded, retried, abandoned).",
    ("task", "result"),
)
JOB_DURATION = Metric(
    "job_duration_seconds", "histogram", "Seconds one run of a job took.", ("task",), JOB_BUCKETS
)
JOB_AGE = Metric(
    "job_age_seconds",
    "histogram",
    "Seconds from a job's commit to the queue until it was done.",
    ("task",),
    JOB_BUCKETS,
)

ORDERS = Metric("orders_total", "counter", "Orders accepted.")
ORDERS_REFUSED = Metric(
    "orders_refused_total", "counter", "Orders refused, by reason.", ("reason",)
)
REVENUE = Metric(
    "revenue_total", "counter", "Value of accepted orders in units of the currency.", ("currency",)
)
ACTIVE_USERS = Metric(
    "active_users", "gauge", "Signed-in customers seen in the last five minutes, over all replicas."
)
SIGN_INS = Metric(
    "sign_ins_total",
    "counter",
    "Attempts to sign in, by result (succeeded, failed, banned).",
    ("result",),
)
RATE_LIMITED = Metric(
    "rate_limited_total", "counter", "Requests refused by a rate limit, by limit.", ("limit",)
)
BANS = Metric("bans_total", "counter", "Client addresses banned after failed sign-ins.")
LIMITER_ERRORS = Metric(
    "rate_limiter_errors_total",
    "counter",
    "Requests let through unchecked, because the rate limiter's store was away.",
)

EXCEPTIONS = Metric(
    "unhandled_exceptions_total", "counter", "Exceptions that no handler expected (answered 500)."
)
SPANS = Metric(
    "telemetry_spans_total",
    "counter",
    "Sampled spans, by result (exported, failed, dropped).",
    ("result",),
)
LOG_LINES = Metric(
    "telemetry_log_lines_total", "counter", "Log lines, by result (written, dropped).", ("result",)
)
BUILD_INFO = Metric(
    "firewatch_build_info",
    "gauge",
    "Always 1: which version runs, in which slot.",
    ("version", "slot", "environment"),
)

METRICS: tuple[Metric, ...] = (
    HTTP_REQUESTS,
    HTTP_DURATION,
    HTTP_IN_FLIGHT,
    DB_QUERY_DURATION,
    DB_POOL_WAIT,
    DB_ERRORS,
    DB_FALLBACK_READS,
    CACHE_REQUESTS,
    CACHE_DURATION,
    JOBS,
    JOB_DURATION,
    JOB_AGE,
    ORDERS,
    ORDERS_REFUSED,
    REVENUE,
    ACTIVE_USERS,
    SIGN_INS,
    RATE_LIMITED,
    BANS,
    LIMITER_ERRORS,
    EXCEPTIONS,
    SPANS,
    LOG_LINES,
    BUILD_INFO,
)
