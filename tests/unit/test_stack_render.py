"""What the stack writes for its parts, without starting any."""

from __future__ import annotations

import json
import stat
from configparser import ConfigParser
from pathlib import Path

import pytest
import yaml

from stack.checks import check_ports
from stack.errors import StackError
from stack.layout import PORTS, Layout
from stack.operate import Stack
from stack.programs import service_environment
from stack.render import render_all
from stack.secrets import Secrets
from stack.supervisor import Supervisor, digest
from stack.tls import ensure_certificate

OFFSET = 10_000


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    made = Layout(tmp_path, OFFSET)
    made.make_folders()
    return made


def test_no_two_parts_share_a_port() -> None:
    assert len(set(PORTS.values())) == len(PORTS)


@pytest.mark.parametrize("offset", ["ten", "-1", "40001", "1.5"])
def test_an_offset_that_is_no_offset_is_named(offset: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIREWATCH_PORT_OFFSET", offset)
    with pytest.raises(StackError, match="FIREWATCH_PORT_OFFSET"):
        Layout.from_environment()


def test_secrets_are_made_once_and_readable_by_their_owner_only(tmp_path: Path) -> None:
    first = Secrets.load(tmp_path)
    assert Secrets.load(tmp_path) == first
    assert stat.S_IMODE((tmp_path / "secrets.json").stat().st_mode) == 0o600


def test_damaged_secrets_stop_the_start_with_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "secrets.json").write_text(json.dumps({"unknown": "x"}))
    with pytest.raises(StackError, match="damaged"):
        Secrets.load(tmp_path)


def test_an_offset_moves_every_address_in_rules_and_routes(layout: Layout) -> None:
    render_all(layout)
    rendered = [*layout.etc.rglob("*.yml"), layout.etc / "nginx.conf"]
    text = "".join(path.read_text() for path in rendered)
    assert f"127.0.0.1:{PORTS['desk'] + OFFSET}" in text
    assert not [port for port in PORTS.values() if f"127.0.0.1:{port}/" in text]


def test_rendering_twice_changes_no_file(layout: Layout) -> None:
    render_all(layout)
    files = tuple(sorted(path for path in layout.etc.rglob("*") if path.is_file()))
    before = digest(files)
    render_all(layout)
    assert digest(files) == before


def test_every_target_has_a_name_that_people_know(layout: Layout) -> None:
    render_all(layout)
    for path in (layout.etc / "prometheus" / "targets").glob("*.yml"):
        for entry in yaml.safe_load(path.read_text()):
            assert entry["labels"]["instance"].replace("-", "").isalnum()


def test_a_rule_file_that_is_gone_is_not_loaded_any_more(layout: Layout) -> None:
    render_all(layout)
    stale = layout.etc / "prometheus" / "rules" / "gone.rules.yml"
    stale.write_text("groups: []\n")
    render_all(layout)
    assert not stale.exists()


def test_the_supervisor_reads_back_commands_and_secrets_as_they_were(layout: Layout) -> None:
    stack = Stack(layout, print)
    Supervisor(layout, "100%sure").write_config(stack.programs)
    config = layout.etc / "supervisord.conf"
    assert stat.S_IMODE(config.stat().st_mode) == 0o600
    parsed = ConfigParser(interpolation=None)
    parsed.read(config)
    sections = {f"program:{program.name}" for program in stack.programs}
    assert sections <= set(parsed.sections())
    key = stack.keys.encryption_key
    assert key in parsed["program:web-blue-1"]["environment"]


def test_a_changed_file_restarts_what_cannot_reload(layout: Layout) -> None:
    render_all(layout)
    stack = Stack(layout, print)
    stack.supervisor.write_config(stack.programs)
    before = stack.supervisor.config.read_text()
    with (layout.state / "redis" / "redis.conf").open("a") as config:
        config.write("hz 20\n")
    stack.supervisor.write_config(stack.programs)
    assert stack.supervisor.config.read_text() != before


def test_what_the_shell_sets_for_the_service_reaches_it(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIREWATCH_BAN_SECONDS", "7")
    monkeypatch.setenv("FIREWATCH_STATE_DIR", "/elsewhere")
    environment = service_environment(layout, Secrets(), "web-blue-1")
    assert environment["FIREWATCH_BAN_SECONDS"] == "7"
    assert "FIREWATCH_STATE_DIR" not in environment


def test_a_free_port_is_no_complaint(tmp_path: Path) -> None:
    check_ports(Layout(tmp_path, 39_000), ["smtp"])


def test_the_certificate_is_kept_while_it_lasts(tmp_path: Path) -> None:
    ensure_certificate(tmp_path)
    first = (tmp_path / "server.pem").read_bytes()
    ensure_certificate(tmp_path)
    assert (tmp_path / "server.pem").read_bytes() == first
    assert stat.S_IMODE((tmp_path / "server.key").stat().st_mode) == 0o600
