"""The WSGI entry point: ``gunicorn -c desk/gunicorn.conf.py desk.wsgi:app``."""

from __future__ import annotations

import sys

from desk.app import create_app
from desk.settings import SettingsError, load_settings
from desk.store import StoreError

try:
    app = create_app(load_settings())
except (SettingsError, StoreError) as error:
    print(error, file=sys.stderr)
    # 3 is gunicorn's "worker failed to boot": it stops instead of starting the worker again.
    sys.exit(3)
