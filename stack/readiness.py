"""How to tell that a part is ready; each of these makes a question that can be asked again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import httpx

from stack import processes
from stack.layout import Layout

Ready = Callable[[], bool]


def at_once() -> bool:
    """For a program that serves nobody: running is ready."""
    return True


def tcp(port: int) -> Ready:
    """Accepts connections."""
    return lambda: processes.answers(port)


def http(url: str) -> Ready:
    """Answers 200; asked as the edge would ask, so that nothing is redirected to https."""

    def ask() -> bool:
        try:
            headers = {"X-Forwarded-Proto": "https"}
            return httpx.get(url, headers=headers, timeout=3, trust_env=False).status_code == 200
        except httpx.HTTPError:
            return False

    return ask


@dataclass(frozen=True)
class Target:
    """One of Prometheus' targets; ``problem`` is empty when it is up."""

    job: str
    instance: str
    problem: str


def prometheus_targets(layout: Layout) -> list[Target]:
    """All targets, by job and instance; none when Prometheus does not answer."""
    url = f"http://{layout.address('prometheus')}/api/v1/targets?state=active"
    try:
        found = httpx.get(url, timeout=5, trust_env=False).json()["data"]["activeTargets"]
    except (httpx.HTTPError, KeyError, ValueError):
        return []
    return sorted((_target(each) for each in found), key=lambda each: (each.job, each.instance))


def target_problems(targets: Sequence[Target]) -> list[str]:
    """What is not well with them, one sentence each; to have none is not well either."""
    if not targets:
        return ["Prometheus tells of no target."]
    return [f"Target {t.job} {t.instance} is down: {t.problem}" for t in targets if t.problem]


def _target(found: dict[str, object]) -> Target:
    labels = found["labels"]
    assert isinstance(labels, dict)
    problem = "" if found["health"] == "up" else str(found["lastError"] or "not asked yet")
    return Target(labels["job"], labels["instance"], problem)
