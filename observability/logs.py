"""ECS JSON logs: every line of this process, its libraries' and gunicorn's too, in one form.

Field names: the Elastic Common Schema, version 8.11. A line of a request carries its trace and
span id. Lines go to a file or to standard output through a background thread, so that a slow
disk or a stuck pipe never holds up a request; what cannot be kept is counted, never silent.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import traceback
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, TextIO

import orjson
from opentelemetry import trace
from pythonjsonlogger.core import LogData
from pythonjsonlogger.orjson import OrjsonFormatter

ECS_VERSION = "8.11.0"
REDACTED = "[redacted]"
SECRET_WORDS = ("password", "token", "secret", "authorization", "cookie", "address", "email")
# Our own fields whose names hold such a word, but never such a value.
PLAIN_FIELDS = frozenset({"client.address", "server.address"})

CountLines = Callable[[str, int], None]


class EcsFormatter(OrjsonFormatter):
    """Formats a record as one line of ECS JSON.

    ``extra`` fields are kept under their own (ECS) names. Fields whose name speaks of a secret
    are redacted, whoever logs them.
    """

    def __init__(self, static_fields: Mapping[str, str]) -> None:
        super().__init__(None, static_fields=dict(static_fields))

    def add_fields(
        self, log_data: LogData, record: logging.LogRecord, message_dict: dict[str, Any]
    ) -> None:
        log_data["@timestamp"] = _timestamp(record.created)
        log_data["log.level"] = record.levelname.lower()
        log_data["message"] = record.message
        super().add_fields(log_data, record, message_dict)
        log_data["ecs.version"] = ECS_VERSION
        log_data["log.logger"] = record.name
        log_data["process.pid"] = record.process
        _add_trace(log_data)
        _add_error(log_data, record)

    def process_log_record(self, log_data: LogData) -> LogData:
        for name in log_data:
            if _speaks_of_a_secret(name):
                log_data[name] = REDACTED
        return log_data

    def jsonify_log_record(self, log_data: LogData) -> str:
        return orjson.dumps(log_data, default=str, option=orjson.OPT_NON_STR_KEYS).decode()


@lru_cache(maxsize=1024)
def _speaks_of_a_secret(name: str) -> bool:
    return name not in PLAIN_FIELDS and any(word in name.lower() for word in SECRET_WORDS)


def _timestamp(seconds: float) -> str:
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _add_trace(log_data: LogData) -> None:
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        log_data["trace.id"] = trace.format_trace_id(context.trace_id)
        log_data["span.id"] = trace.format_span_id(context.span_id)


def _add_error(log_data: LogData, record: logging.LogRecord) -> None:
    log_data.pop("exc_info", None)
    if record.exc_info and record.exc_info[0] is not None:
        log_data["error.type"] = record.exc_info[0].__qualname__
        log_data["error.message"] = str(record.exc_info[1])
        log_data["error.stack_trace"] = "".join(traceback.format_exception(*record.exc_info))


class BackgroundHandler(logging.Handler):
    """Hands formatted lines to a thread that writes them in batches.

    Args:
        path: the file to append to, or None for standard output. A file that was renamed or
            removed (logrotate) is opened anew before the next batch.
        count: called with ("written" or "dropped", lines).
        capacity: lines held at most; the newest beyond it are dropped, and counted.
        interval_seconds: the longest a line waits; errors are written at once.
    """

    def __init__(
        self,
        path: str | None,
        count: CountLines,
        capacity: int = 20_000,
        interval_seconds: float = 0.2,
    ) -> None:
        super().__init__()
        self._path = path
        self._count = count
        self._capacity = capacity
        self._interval_seconds = interval_seconds
        self._lines: deque[str] = deque()
        self._wake = threading.Event()
        self._stopped = False
        self._write_lock = threading.Lock()
        self._stream = self._open()
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = self.format(record)
        except Exception:  # noqa: BLE001 (whatever a value's own __str__ raises)
            self.handleError(record)
            self._count("dropped", 1)
            return
        if len(self._lines) >= self._capacity:
            self._count("dropped", 1)
            return
        self._lines.append(line)
        if record.levelno >= logging.ERROR:
            self._wake.set()

    def flush(self) -> None:
        """Write all that waits, now."""
        with self._write_lock:
            batch = [self._lines.popleft() for _ in range(len(self._lines))]
            if batch:
                self._write(batch)

    def close(self) -> None:
        """Stop the thread, after the last line is written."""
        self._stopped = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)
        self.flush()
        if self._path is not None:
            with suppress(OSError):  # a full disk: what it cost was counted when it was written
                self._stream.close()
        super().close()

    def _run(self) -> None:
        while not self._stopped:
            self._wake.wait(self._interval_seconds)
            self._wake.clear()
            self.flush()

    def _write(self, batch: list[str]) -> None:
        try:
            self._reopen_if_rotated()
            self._stream.write("\n".join(batch) + "\n")
            self._stream.flush()
        except (OSError, ValueError) as error:
            self._count("dropped", len(batch))
            print(f"log lines lost: {len(batch)}: {error}", file=sys.stderr)
        else:
            self._count("written", len(batch))

    def _open(self) -> TextIO:
        if self._path is None:
            return sys.stdout
        return open(self._path, "a", encoding="utf-8")

    def _reopen_if_rotated(self) -> None:
        if self._path is None:
            return
        try:
            same = os.path.samestat(os.stat(self._path), os.fstat(self._stream.fileno()))
        except FileNotFoundError:
            same = False
        if not same:
            # Opened before the old one is closed: where that fails, the next batch tries again.
            fresh = self._open()
            self._stream.close()
            self._stream = fresh


def start_logging(
    static_fields: Mapping[str, str], level: str, path: str | None, count: CountLines
) -> BackgroundHandler:
    """Send every logger of this process through one ECS handler; returns it, to be closed last."""
    handler = BackgroundHandler(path, count)
    handler.setFormatter(EcsFormatter(static_fields))
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level)
    _route_libraries_through_root()
    return handler


def _route_libraries_through_root() -> None:
    # gunicorn gives its loggers handlers of their own; its lines must take our form instead.
    for name in ("gunicorn.error", "gunicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    # One line for each job deferred, with its arguments, tells nothing that our own do not.
    logging.getLogger("procrastinate").setLevel(logging.WARNING)
