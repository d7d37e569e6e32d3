"""Where things are: the one table of ports, and the folders of one native stack."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from stack.errors import StackError

ROOT = Path(__file__).resolve().parent.parent
BIN = ROOT / ".venv" / "bin"
HOST = "127.0.0.1"
MAX_OFFSET = 40_000

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
_FOLDERS = ("logs", "etc", "tls", "mail", "desk", "prometheus", "alertmanager", "nginx")


@dataclass(frozen=True)
class Layout:
    """One stack: its state folder, and the offset that keeps its ports apart from another's."""

    state: Path
    offset: int = 0

    @classmethod
    def from_environment(cls) -> Layout:
        """The stack that FIREWATCH_STATE_DIR and FIREWATCH_PORT_OFFSET name.

        Raises:
            StackError: the offset is no number from 0 to 40000.
        """
        text = os.environ.get("FIREWATCH_PORT_OFFSET", "0")
        if not text.isdigit() or int(text) > MAX_OFFSET:
            raise StackError(f"FIREWATCH_PORT_OFFSET must be a number from 0 to {MAX_OFFSET}.")
        state = os.environ.get("FIREWATCH_STATE_DIR", ".stack")
        return cls((ROOT / state).resolve(), int(text))

    def port(self, name: str) -> int:
        """The port of that name in PORTS, moved by the offset."""
        return PORTS[name] + self.offset

    def address(self, name: str) -> str:
        """host:port."""
        return f"{HOST}:{self.port(name)}"

    @property
    def logs(self) -> Path:
        """What every program writes and prints."""
        return self.state / "logs"

    @property
    def etc(self) -> Path:
        """Rendered configuration."""
        return self.state / "etc"

    @property
    def ca(self) -> Path:
        """The certificate to trust when calling the edge."""
        return self.state / "tls" / "ca.pem"

    @property
    def primary(self) -> Path:
        """The PostgreSQL primary's data."""
        return self.state / "postgres-primary"

    @property
    def replica(self) -> Path:
        """The PostgreSQL replica's data."""
        return self.state / "postgres-replica"

    def make_folders(self) -> None:
        """Make what is missing; what is kept there is nobody else's business."""
        for name in _FOLDERS:
            (self.state / name).mkdir(parents=True, exist_ok=True)
