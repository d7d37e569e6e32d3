"""Checks each rendered configuration with the checker of the program that reads it."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from stack.layout import ROOT, Layout
from stack.render import render_all
from stack.tls import ensure_certificate


def check_configs(say: Callable[[str], None]) -> int:
    """Render into a folder of its own, check, and count what is wrong."""
    with tempfile.TemporaryDirectory(prefix="firewatch-check-") as folder:
        layout = Layout(Path(folder))
        layout.make_folders()
        ensure_certificate(layout.state / "tls")
        render_all(layout)
        return sum(not _passes(command, say) for command in _commands(layout))


def _commands(layout: Layout) -> list[list[str]]:
    etc = layout.etc
    tests = sorted(str(path) for path in (ROOT / "alerts").glob("*.test.yml"))
    return [
        ["promtool", "check", "config", str(etc / "prometheus" / "prometheus.yml")],
        ["promtool", "test", "rules", *tests],
        ["amtool", "check-config", str(etc / "alertmanager.yml")],
        ["/usr/sbin/nginx", "-t", "-q", "-c", str(etc / "nginx.conf")],
        ["prometheus-blackbox-exporter", "--config.check", f"--config.file={etc}/blackbox.yml"],
    ]


def _passes(command: list[str], say: Callable[[str], None]) -> bool:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    verdict = "ok" if done.returncode == 0 else "WRONG"
    say(f"{verdict:6}{' '.join(Path(part).name for part in command[:3])}")
    if done.returncode != 0:
        say((done.stdout + done.stderr).strip())
    return done.returncode == 0
