"""gunicorn: one worker process with threads; more work is for more replicas.

One process, because prometheus_client loses exemplars in its multiprocess mode. Not preloaded:
telemetry and pools start in the worker, after fork.
"""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import sys
import threading
from types import FrameType
from typing import Any

from gunicorn.glogging import Logger

from observability.logs import EcsFormatter
from observability.telemetry import log_fields
from service.settings import SettingsError, load_settings
from service.stores import telemetry_options

try:
    _settings = load_settings()
except SettingsError as error:
    print(error, file=sys.stderr)
    sys.exit(2)

bind = _settings.bind
workers = 1
worker_class = "gthread"
threads = _settings.threads
preload_app = False
# Longer than nginx keeps an idle connection: the side that closes first must be the one that asks.
keepalive = 75
worker_connections = 1000
timeout = 30
graceful_timeout = int(_settings.drain_seconds) + 25
# The requests' own lines come from the telemetry middleware.
accesslog = None
errorlog = "-"
control_socket_disable = True
worker_tmp_dir = "/dev/shm"


PR_SET_PDEATHSIG = 1


class EcsLogger(Logger):
    """gunicorn's own lines in ECS: its master process has no telemetry that would see to it."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        form = EcsFormatter(log_fields(telemetry_options(_settings, "web")))
        for handler in self.error_log.handlers:
            handler.setFormatter(form)


logger_class = EcsLogger


def post_fork(_server: Any, worker: Any) -> None:
    """Die with the master: an orphan would keep the port, and its successor could not start."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != worker.ppid:
        sys.exit("gunicorn's master has died")


def post_worker_init(worker: Any) -> None:
    """Settle memory; drain on TERM: see service/lifecycle.py."""
    # What start-up has made stays for good. Walking it again and again took two fifths of the
    # time that this process computed, under load.
    gc.collect()
    gc.freeze()

    def drain(_signal: int, _frame: FrameType | None) -> None:
        service = worker.app.callable
        service.lifecycle.start_drain()
        # Every answer from here on closes its connection, so that the proxy opens new ones,
        # and finds the other replica when this one stops listening.
        worker.cfg.set("keepalive", 0)
        threading.Timer(service.settings.drain_seconds, _stop, [worker]).start()

    signal.signal(signal.SIGTERM, drain)


def _stop(worker: Any) -> None:
    worker.alive = False


def worker_exit(_server: Any, worker: Any) -> None:
    """All requests are answered: close pools, flush telemetry."""
    service = getattr(worker.app, "callable", None)
    if service is not None:
        service.lifecycle.close()
