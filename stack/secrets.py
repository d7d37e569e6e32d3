"""The stack's secrets: made once, kept under its state folder, readable by their owner only."""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path

from cryptography.fernet import Fernet

from stack.errors import StackError
from stack.postgres import Passwords


def _password() -> str:
    return secrets.token_hex(16)


@dataclass(frozen=True)
class Secrets:
    """Passwords (hex) and keys of one stack; each is random unless it is given."""

    postgres: str = field(default_factory=_password)
    firewatch: str = field(default_factory=_password)
    replicator: str = field(default_factory=_password)
    monitor: str = field(default_factory=_password)
    supervisor: str = field(default_factory=_password)
    encryption_key: str = field(default_factory=lambda: Fernet.generate_key().decode())
    blind_index_key: str = field(default_factory=lambda: secrets.token_hex(32))

    @property
    def databases(self) -> Passwords:
        """Those of PostgreSQL's roles."""
        return Passwords(self.postgres, self.firewatch, self.replicator, self.monitor)

    @classmethod
    def load(cls, folder: Path) -> Secrets:
        """Those in ``folder``, or new ones where there are none.

        Raises:
            StackError: the file is there and is not one of ours.
        """
        path = folder / "secrets.json"
        if not path.exists():
            return _keep(cls(), path)
        try:
            return cls(**json.loads(path.read_text()))
        except (ValueError, TypeError):
            raise StackError(f"{path} is damaged; without it the data cannot be read.") from None


def _keep(made: Secrets, path: Path) -> Secrets:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(asdict(made), file, indent=1)
    return made
