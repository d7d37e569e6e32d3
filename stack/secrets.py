"""The stack's secrets: made once, kept under its state folder, readable by their owner only."""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from cryptography.fernet import Fernet


@dataclass(frozen=True)
class Secrets:
    """Passwords (hex) and keys of one stack."""

    owner: str
    replicator: str
    monitor: str
    supervisor: str
    encryption_key: str
    blind_index_key: str

    @classmethod
    def load(cls, folder: Path) -> Secrets:
        """Those in ``folder``, or new ones where there are none."""
        path = folder / "secrets.json"
        if path.exists():
            return cls(**json.loads(path.read_text()))
        made = cls(
            *(secrets.token_hex(16) for _ in range(4)),
            encryption_key=Fernet.generate_key().decode(),
            blind_index_key=secrets.token_hex(32),
        )
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(asdict(made), file)
        return made
