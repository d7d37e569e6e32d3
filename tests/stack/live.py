"""A running stack as tests see it: parts to stop and start, questions to ask."""

from __future__ import annotations

import httpx

from stack import postgres, readiness
from stack.layout import REPLICAS
from stack.operate import Stack
from stack.processes import wait_until

SETTLE_SECONDS = 60


class LiveStack(Stack):
    """The test stack; ``stop`` and ``start`` return when the part is away or ready."""

    @property
    def base_url(self) -> str:
        """The edge, as a customer calls it."""
        return f"https://localhost:{self.layout.port('edge-https')}"

    def database_url(self, server: str = "postgres-primary") -> str:
        """The service's own way into that server."""
        return postgres.url(self.layout.port(server), "firewatch", self.keys.firewatch)

    def pid(self, name: str) -> int:
        """The program's process id; 0 while it does not run."""
        return int(self.supervisor.states()[name]["pid"])

    def stop(self, name: str) -> None:
        self.supervisor.stop(name)
        self.supervisor.await_stop(name, SETTLE_SECONDS)

    def start(self, name: str) -> None:
        self.supervisor.start(name)
        self.await_well(name)
        # A store that is back is soon found by those who use it.
        wait_until(self.all_replicas_ready, SETTLE_SECONDS, "The service")

    def all_replicas_ready(self) -> bool:
        """Whether each replica can serve all that it serves."""
        urls = (f"http://{self.layout.address(name)}/health/ready" for name in REPLICAS)
        return all(readiness.http(url)() for url in urls)

    def await_well(self, name: str) -> None:
        (program,) = (each for each in self.programs if each.name == name)
        wait_until(lambda: self.is_well(program), SETTLE_SECONDS, name)

    def query(self, expression: str) -> dict[str, float]:
        """What Prometheus answers now: value by instance ("" where there is no instance)."""
        url = f"http://{self.layout.address('prometheus')}/api/v1/query"
        found = httpx.get(url, params={"query": expression}).json()["data"]["result"]
        return {each["metric"].get("instance", ""): float(each["value"][1]) for each in found}
