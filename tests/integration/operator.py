"""An operator's commands, run as ``python -m service.manage`` runs them."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from service import manage


class Operator:
    """Runs commands in an environment made of settings; what they print goes to pytest."""

    def __init__(self, patch: pytest.MonkeyPatch, settings: dict[str, Any]) -> None:
        self._patch, self._settings = patch, settings

    def run(self, *command: str, **settings: Any) -> int:
        """The exit code; ``settings`` differ from this operator's."""
        with self._patch.context() as patch:
            for name, value in {**self._settings, **settings}.items():
                patch.setenv(*environment_entry(name, value))
            patch.setattr(sys, "argv", ["service.manage", *command])
            return manage.run()


def environment_entry(name: str, value: Any) -> tuple[str, str]:
    """A setting as a variable of the environment."""
    text = ",".join(value) if isinstance(value, tuple) else str(value)
    return (name if name.isupper() else f"FIREWATCH_{name.upper()}", text)


def environment(settings: dict[str, Any]) -> dict[str, str]:
    """All of the settings, as a process of the service reads them."""
    return dict(environment_entry(name, value) for name, value in settings.items())
