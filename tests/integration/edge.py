"""The edge as the project renders it: a real nginx before two real replicas, on free ports."""

from __future__ import annotations

import json
import signal
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import httpx

from stack import readiness
from stack.checks import find
from stack.layout import BIN, REPLICAS, ROOT, Layout
from stack.processes import Process, answers, running
from stack.render import render_all
from stack.tls import ensure_certificate
from tests.integration.operator import environment
from tests.offsets import free_offset


class Edge:
    """nginx, its replicas, and what it has logged."""

    def __init__(self, folder: Path, settings: dict[str, Any]) -> None:
        folder.mkdir()
        self.layout = Layout(folder, free_offset())
        self.layout.make_folders()
        ensure_certificate(self.layout.state / "tls")
        render_all(self.layout)
        self.replicas = [self._replica(name, settings) for name in REPLICAS]
        self.nginx = self._nginx()

    def _replica(self, name: str, settings: dict[str, Any]) -> Process:
        own = {
            "bind": self.layout.address(name),
            "metrics_bind": self.layout.address(f"{name}-metrics"),
            "log_file": self.layout.logs / f"{name}.jsonl",
            "instance": name,
            "trusted_proxies": "127.0.0.1/32",
            "drain_seconds": 0,
        }
        config = ["-c", str(ROOT / "service" / "gunicorn.conf.py"), "--pythonpath", str(ROOT)]
        ready = f"http://{self.layout.address(name)}/health/ready"
        return Process(
            name,
            [str(BIN / "gunicorn"), *config, "service.wsgi:app"],
            self.layout.logs / f"{name}.out",
            readiness.http(ready),
            env={**environment({**settings, **own}), "PYTHONPATH": str(ROOT)},
        )

    def _nginx(self) -> Process:
        error_log = str(self.layout.logs / "nginx-error.log")
        config = str(self.layout.etc / "nginx.conf")
        return Process(
            "nginx",
            [find("nginx"), "-e", error_log, "-c", config],
            self.layout.logs / "nginx.out",
            lambda: answers(self.layout.port("edge-https")),
            stop_signal=signal.SIGQUIT,
        )

    def client(self, *, http2: bool = False) -> httpx.Client:
        """A customer's; close it."""
        trusted = ssl.create_default_context(cafile=str(self.layout.ca))
        base = f"https://localhost:{self.layout.port('edge-https')}"
        return httpx.Client(base_url=base, verify=trusted, timeout=20, http2=http2)

    def lines(self, request_id: str) -> list[dict[str, Any]]:
        """The lines of that request; every line of the log so far is a JSON object."""
        log = self.layout.logs / "nginx-access.jsonl"
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        return [line for line in lines if line["http.request.id"] == request_id]


@contextmanager
def running_edge(folder: Path, settings: dict[str, Any]) -> Iterator[Edge]:
    edge = Edge(folder, settings)
    with running(*edge.replicas, edge.nginx):
        yield edge


class RudeReplica:
    """Takes each request whole, counts it, and hangs up, as a replica does that dies with it."""

    def __init__(self, port: int) -> None:
        self.requests: list[str] = []
        self._server = socket.create_server(("127.0.0.1", port))
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            with connection:
                first = connection.recv(65_536).decode(errors="replace")
                self.requests.append(" ".join(first.split(" ")[:2]))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        # Wakes the thread, which close() alone would leave waiting.
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join(5)
