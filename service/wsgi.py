"""What gunicorn loads, in each worker, after fork: the service with the settings of this process."""

from __future__ import annotations

import sys

from service.app import Service
from service.settings import SettingsError, load_settings

try:
    app = Service(load_settings())
except SettingsError as error:
    print(error, file=sys.stderr)
    # gunicorn's own code for "do not start this worker again".
    sys.exit(4)
