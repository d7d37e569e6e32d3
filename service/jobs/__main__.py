"""``python -m service.jobs``: the worker. Apart from worker.py, for procrastinate finds its tasks
by their module's name, which must not be ``__main__``.
"""

from __future__ import annotations

import sys

from service.jobs.worker import run
from service.settings import SettingsError, load_settings


def main() -> int:
    """Run until TERM or INT; 2 when a setting is wrong."""
    try:
        settings = load_settings()
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    run(settings)
    return 0


if __name__ == "__main__":
    sys.exit(main())
