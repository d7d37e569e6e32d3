"""The two ends of a confirmation: a real worker process, and a real mail server that takes it."""

from __future__ import annotations

import asyncio
import json
import sys
from email import message_from_bytes
from pathlib import Path
from typing import Any

import httpx
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from prometheus_client.parser import text_string_to_metric_families

from service.jobs.queue import CONFIRMATION
from stack import readiness
from stack.layout import ROOT
from stack.processes import Process, free_ports
from tests.integration.operator import environment


class Post:
    """A mail server on a port of its own; ``start`` and ``stop`` as often as a test likes."""

    def __init__(self) -> None:
        (self.port,) = free_ports(1)
        self.mails: list[tuple[list[str], str]] = []
        self.delay_seconds = 0.0
        self._controller: Controller | None = None

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    @property
    def message_ids(self) -> list[str]:
        """Of all mails taken, in their order."""
        return [str(message_from_bytes(text.encode())["Message-ID"]) for _, text in self.mails]

    def start(self) -> None:
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port)
        self._controller.start()

    def stop(self) -> None:
        if self._controller is not None:
            self._controller.stop()
            self._controller = None

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:
        await asyncio.sleep(self.delay_seconds)
        content = envelope.content
        text = content.decode() if isinstance(content, bytes) else str(content)
        self.mails.append((list(envelope.rcpt_tos), text))
        return "250 taken"


class Worker:
    """A worker process; its log and its metrics as an operator sees them."""

    def __init__(self, settings: dict[str, Any], folder: Path) -> None:
        (port,) = free_ports(1)
        self._metrics = f"http://127.0.0.1:{port}/metrics"
        self._log = folder / "worker.jsonl"
        own = {"metrics_bind": f"127.0.0.1:{port}", "log_file": self._log, "instance": "worker"}
        self.process = Process(
            "worker",
            [sys.executable, "-m", "service.jobs"],
            folder / "worker.out",
            readiness.http(self._metrics),
            env={**environment({**settings, **own}), "PYTHONPATH": str(ROOT)},
        )

    def count(self, result: str, task: str = CONFIRMATION) -> float:
        """How many runs of the task had that result."""
        wanted = {"task": task, "result": result}
        for family in text_string_to_metric_families(httpx.get(self._metrics).text):
            for sample in family.samples:
                if sample.name == "jobs_total" and sample.labels == wanted:
                    return float(sample.value)
        return 0.0

    def lines(self, message: str = "") -> list[dict[str, Any]]:
        """The log so far: all of it, or the lines of that message that are not of housekeeping,
        which runs by the clock."""
        if not self._log.exists():
            return []
        lines = [json.loads(line) for line in self._log.read_text().splitlines()]
        if not message:
            return lines
        told = (line for line in lines if line["message"] == message)
        return [line for line in told if line["firewatch.job.task"] == CONFIRMATION]
