"""gunicorn for the desk: one process, a few threads; SQLite needs no more."""

import sys

from desk.settings import SettingsError, load_settings

try:
    _settings = load_settings()
except SettingsError as error:
    print(error, file=sys.stderr)
    sys.exit(1)

bind = _settings.bind
workers = 1
worker_class = "gthread"
threads = _settings.threads
graceful_timeout = 10
# Prometheus scrapes and browsers refresh all day; only what goes wrong is logged.
accesslog = None
errorlog = "-"
loglevel = "warning"
control_socket_disable = True
