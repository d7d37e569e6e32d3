"""Where things are: ports, folders and names of the native stack."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOST = "127.0.0.1"

PORTS = {
    "edge-https": 8443,
    "edge-http": 8080,
    "nginx-status": 8081,
    "web-blue-1": 8001,
    "web-blue-2": 8002,
    "web-blue-1-metrics": 9394,
    "web-blue-2-metrics": 9395,
    "worker-metrics": 9396,
    "postgres-primary": 15432,
    "postgres-replica": 15433,
    "redis": 16379,
    "smtp": 18025,
    "prometheus": 9090,
    "alertmanager": 9093,
    "desk": 8090,
    "node-exporter": 9100,
    "nginx-exporter": 9113,
    "blackbox-exporter": 9115,
    "redis-exporter": 9121,
    "postgres-exporter-primary": 9187,
    "postgres-exporter-replica": 9188,
    "supervisor": 9001,
}
REPLICAS = ("web-blue-1", "web-blue-2")


@dataclass(frozen=True)
class Layout:
    """One stack: its state folder, and the offset that keeps its ports apart from another's."""

    state: Path
    offset: int = 0

    @classmethod
    def from_environment(cls) -> Layout:
        """The stack that FIREWATCH_STATE_DIR and FIREWATCH_PORT_OFFSET name.

        Raises:
            ValueError: the offset is no number from 0 to 40000.
        """
        text = os.environ.get("FIREWATCH_PORT_OFFSET", "0")
        if not text.isdigit() or int(text) > 40_000:
            raise ValueError(
                "FIREWATCH_PORT_OFFSET must be a whole number from 0 to 40000."
            )
        state = os.environ.get("FIREWATCH_STATE_DIR", ".stack")
        return cls((ROOT / state).resolve(), int(text))

    def port(self, name: str) -> int:
        return PORTS[name] + self.offset

    def address(self, name: str) -> str:
        return f"{HOST}:{self.port(name)}"

    @property
    def logs(self) -> Path:
        return self.state / "logs"

    @property
    def etc(self) -> Path:
        return self.state / "etc"

    @property
    def ca(self) -> Path:
        return self.state / "tls" / "ca.pem"

    def make_folders(self) -> None:
        for name in (
            "logs",
            "etc",
            "tls",
            "mail",
            "desk",
            "prometheus",
            "alertmanager",
            "nginx",
        ):
            (self.state / name).mkdir(parents=True, exist_ok=True)

    @property
    def elsewhere(self) -> Path:
        """A folder that user ``postgres`` can reach even where the clone is private to root."""
        name = hashlib.sha256(str(self.state).encode()).hexdigest()[:12]
        return Path("/var/lib/firewatch") / name
