"""Checks each rendered configuration with the checker of the program that reads it."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from stack.checks import find
from stack.layout import ROOT, Layout
from stack.render import render_all
from stack.tls import ensure_certificate


def check_configs(say: Callable[[str], None]) -> int:
    """Render into a folder of its own, check, and return how many checks failed."""
    with tempfile.TemporaryDirectory(prefix="firewatch-check-") as folder:
        layout = Layout(Path(folder))
        layout.make_folders()
        ensure_certificate(layout.state / "tls")
        render_all(layout)
        return sum(not _passes(command, layout, say) for command in _commands(layout))


def _commands(layout: Layout) -> list[list[str]]:
    etc = layout.etc
    tests = sorted(str(path) for path in (ROOT / "alerts").glob("*.test.yml"))
    return [
        ["promtool", "check", "config", str(etc / "prometheus" / "prometheus.yml")],
        ["promtool", "check", "rules", *_texts(etc / "prometheus" / "rules")],
        ["promtool", "test", "rules", *tests],
        ["amtool", "check-config", str(etc / "alertmanager.yml")],
        [find("nginx"), "-t", "-q", "-e", "stderr", "-c", str(etc / "nginx.conf")],
        [
            find("prometheus-blackbox-exporter"),
            "--config.check",
            f"--config.file={etc}/blackbox.yml",
        ],
        [find("logrotate"), "-d", "-s", f"{etc}/logrotate.state", str(etc / "logrotate.conf")],
    ]


def _texts(folder: Path) -> list[str]:
    return sorted(str(path) for path in folder.glob("*.yml"))


def _passes(command: list[str], layout: Layout, say: Callable[[str], None]) -> bool:
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=layout.state / "tls"
    )
    verdict = "ok" if done.returncode == 0 else "WRONG"
    say(f"{verdict:6}{' '.join(Path(part).name for part in command[:3])}")
    if done.returncode != 0:
        say((done.stdout + done.stderr).strip())
    return done.returncode == 0
