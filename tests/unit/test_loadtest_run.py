"""Whole runs of the command against a small shop of our own, over TLS: no stack needed."""

from __future__ import annotations

import json
import socketserver
import ssl
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, Self

import trustme

from stack.layout import ROOT


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, *_: object) -> None:
        """A client that leaves is no news."""


@dataclass
class Shop:
    """Two products; each answer takes ``delay_seconds``, each ``fails_every``-th one is a 500."""

    folder: Path
    delay_seconds: float = 0.0
    fails_every: int = 0
    connections: int = 0
    seen: list[tuple[str, str, str]] = field(default_factory=list)

    def __enter__(self) -> Self:
        authority = trustme.CA()
        self.ca = self.folder / "ca.pem"
        authority.cert_pem.write_to_path(str(self.ca))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(context)
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self._server.socket = context.wrap_socket(
            self._server.socket, server_side=True, do_handshake_on_connect=False
        )
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def load(self, *options: str) -> tuple[int, dict[str, Any]]:
        """Run the command; its exit code, and its report (empty when there is none)."""
        port = self._server.server_address[1]
        done = _loadtest(
            *("--base-url", f"https://127.0.0.1:{port}", "--ca", str(self.ca)),
            *("--prometheus", "none", "--report-dir", str(self.folder), *options),
        )
        reports = sorted(self.folder.glob("load-*/report.json"))
        assert reports, done.stderr
        return done.returncode, json.loads(reports[-1].read_text())


def _loadtest(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "loadtest", "run", "--profile", "smoke", *options]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)


def _handler(shop: Shop) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def setup(self) -> None:
            self.request.do_handshake()
            shop.connections += 1
            super().setup()

        def do_GET(self) -> None:
            self._answer(200)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self._answer(201)

        def _answer(self, status: int) -> None:
            self._note()
            under_load = not self.headers["User-Agent"].startswith("python-httpx")
            if under_load:
                time.sleep(shop.delay_seconds)
            if under_load and shop.fails_every and len(shop.seen) % shop.fails_every == 0:
                status = 500
            body = json.dumps({"token": "t", "pages": 1, "items": [{"id": 1}, {"id": 2}]}).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _note(self) -> None:
            address = self.headers["X-Forwarded-For"]
            shop.seen.append((self.command, self.path.split("?")[0], address))

        def log_message(self, *_: object) -> None:
            pass

    return Handler


def _failed(report: dict[str, Any]) -> list[str]:
    return [check["name"] for check in report["checks"] if not check["passed"]]


def test_a_run_asks_exactly_what_it_was_told_over_connections_kept_alive(tmp_path: Path) -> None:
    with Shop(tmp_path) as shop:
        code, report = shop.load("--rate", "60", "--duration", "3", "--processes", "2")
    assert report["client"]["total"]["requests"] == 180
    assert report["client"]["total"]["errors"] == 0
    assert report["generator"]["processes"] == 2
    assert code == {"pass": 0, "fail": 1, "invalid": 2}[report["outcome"]]
    set_up = 1
    assert shop.connections <= 50 + set_up
    assert {path for _, path, _ in shop.seen} >= {"/api/products", "/api/orders", "/api/sessions"}


def test_no_address_makes_more_requests_than_one_visit(tmp_path: Path) -> None:
    with Shop(tmp_path) as shop:
        shop.load("--rate", "100", "--duration", "3", "--connections", "4")
    addresses = [address for _, _, address in shop.seen]
    assert max(addresses.count(address) for address in set(addresses)) <= 20
    assert len(set(addresses)) > 15


def test_errors_fail_the_run_on_errors(tmp_path: Path) -> None:
    with Shop(tmp_path, fails_every=20) as shop:
        code, report = shop.load("--rate", "60", "--duration", "3")
    assert code == 1 or report["outcome"] == "invalid"
    assert "errors seen by clients" in _failed(report)
    assert sum(report["client"]["errors"].values()) == report["client"]["total"]["errors"] > 0


def test_those_who_wait_behind_a_slow_answer_have_waited(tmp_path: Path) -> None:
    """One connection, 0.2 s an answer, 10 requests a second: the queue grows by the second."""
    with Shop(tmp_path, delay_seconds=0.2) as shop:
        options = ("--rate", "10", "--duration", "3", "--connections", "1")
        code, report = shop.load(*options)
    assert code != 0
    assert report["client"]["total"]["worst"] > 1.5
    assert "p95 seen by clients" in _failed(report)
    assert report["generator"]["found_no_free_user"] > 15


def test_a_shop_that_is_not_there_makes_the_run_invalid_and_is_named(tmp_path: Path) -> None:
    with Shop(tmp_path) as shop:
        done = _loadtest("--base-url", "https://127.0.0.1:1", "--ca", str(shop.ca))
    assert done.returncode == 2
    assert done.stderr.startswith("invalid: https://127.0.0.1:1 does not answer")


def test_an_authority_that_is_not_there_makes_the_run_invalid_and_is_named(tmp_path: Path) -> None:
    done = _loadtest("--base-url", "https://127.0.0.1:1", "--ca", str(tmp_path / "none.pem"))
    assert done.returncode == 2
    assert "none.pem cannot be read" in done.stderr
