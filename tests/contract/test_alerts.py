"""Every alert is proven, explained and delivered: cases, runbook, labels, links, routes."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from desk.core import safe_link
from desk.runbooks import Runbooks
from observability.contract import JOB_FRESHNESS_SECONDS

ROOT = Path(__file__).parents[2]
ALERTS = ROOT / "alerts"
RUNBOOKS = ROOT / "runbooks"
ALERTMANAGER = ALERTS / "alertmanager.yml"
ALWAYS_FIRES = "Watchdog"
CASES = ("fires", "does not fire", "resolves")
SECTIONS = ("Meaning", "Impact", "Diagnosis", "Mitigation", "Verification", "Escalation")
WITH_COMMANDS = ("Diagnosis", "Mitigation", "Verification")


def _rules() -> list[dict[str, Any]]:
    files = [yaml.safe_load(path.read_text()) for path in ALERTS.glob("*.rules.yml")]
    rules = [rule for file in files for group in file["groups"] for rule in group["rules"]]
    return [rule for rule in rules if "alert" in rule]


def _cases() -> list[dict[str, Any]]:
    files = [yaml.safe_load(path.read_text()) for path in ALERTS.glob("*.test.yml")]
    # Through JSON, so that what YAML aliases share in the file is apart in memory.
    cases: list[list[dict[str, Any]]] = json.loads(json.dumps([file["tests"] for file in files]))
    return [case for file in cases for case in file]


NAMES = sorted({rule["alert"] for rule in _rules()})


def unproven(names: list[str], cases: list[dict[str, Any]]) -> list[str]:
    """The cases that are missing or that prove nothing, as "<Alert> <case>"."""
    by_name = {case.get("name"): case for case in cases}
    wanted = [(name, case) for name in names for case in CASES]
    return [
        f"{name} {case}"
        for name, case in wanted
        if not (name == ALWAYS_FIRES and case != "fires")
        and not _proves(by_name.get(f"{name} {case}", {}), name, case)
    ]


def _proves(case: dict[str, Any], alert: str, kind: str) -> bool:
    checks = [one for one in case.get("alert_rule_test", []) if one["alertname"] == alert]
    firing = [bool(check["exp_alerts"]) for check in checks]
    if kind == "fires":
        return any(firing)
    if kind == "does not fire":
        return bool(case.get("input_series")) and bool(firing) and not any(firing)
    return len(firing) > 1 and firing[0] and not firing[-1]


def _run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def _route(*labels: str) -> str:
    done = _run("amtool", "config", "routes", "test", f"--config.file={ALERTMANAGER}", *labels)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_promtool_accepts_all_rules() -> None:
    done = _run("promtool", "check", "rules", *sorted(ALERTS.glob("*.rules.yml")))
    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_finds_that_all_cases_hold() -> None:
    done = _run("promtool", "test", "rules", *sorted(ALERTS.glob("*.test.yml")))
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_is_proven_to_fire_to_keep_still_and_to_resolve() -> None:
    assert unproven(NAMES, _cases()) == []


@pytest.mark.parametrize("index", range(len(_cases())), ids=[case["name"] for case in _cases()])
def test_the_gate_closes_when_a_case_is_removed(index: int) -> None:
    cases = _cases()
    removed = cases.pop(index)
    assert unproven(NAMES, cases) == [removed["name"]]


@pytest.mark.parametrize("case", [case["name"] for case in _cases()])
def test_the_gate_closes_when_a_case_no_longer_proves_what_it_says(case: str) -> None:
    cases = _cases()
    for check in next(one for one in cases if one["name"] == case)["alert_rule_test"]:
        check["exp_alerts"] = [{"exp_labels": {}}] if case.endswith("does not fire") else []
    assert unproven(NAMES, cases) == [case]


def test_a_new_alert_without_cases_closes_the_gate() -> None:
    missing = unproven([*NAMES, "Unproven"], _cases())
    assert missing == ["Unproven fires", "Unproven does not fire", "Unproven resolves"]


@pytest.mark.parametrize("rule", _rules(), ids=lambda rule: str(rule["alert"]))
def test_each_alert_says_who_what_and_where_to_look(rule: dict[str, Any]) -> None:
    wanted = {"none"} if rule["alert"] == ALWAYS_FIRES else {"page", "ticket"}
    assert rule["labels"]["severity"] in wanted
    assert rule["labels"]["owner"]
    notes = rule["annotations"]
    assert set(notes) == {"summary", "description", "runbook_url", "dashboard_url"}
    assert notes["runbook_url"] == f"http://127.0.0.1:8090/runbooks/{rule['alert']}"
    assert safe_link(notes["dashboard_url"]) == notes["dashboard_url"]
    assert notes["dashboard_url"].startswith("http://127.0.0.1:9090/")


def test_jobs_wait_too_long_past_the_target_of_the_contract() -> None:
    rule = next(rule for rule in _rules() if rule["alert"] == "JobsWaitingTooLong")
    assert rule["expr"].split("> ")[-1] == f"{JOB_FRESHNESS_SECONDS:g}"
    assert f"within {JOB_FRESHNESS_SECONDS:g} s" in rule["annotations"]["description"]


@pytest.mark.parametrize("name", NAMES)
def test_each_alert_has_a_runbook_with_all_sections(name: str) -> None:
    text = (RUNBOOKS / f"{name}.md").read_text()
    parts = re.split(r"^## (.+)\n", text, flags=re.MULTILINE)
    sections = dict(zip(parts[1::2], parts[2::2], strict=True))
    assert parts[0].strip().startswith(f"# {name}")
    assert tuple(sections) == SECTIONS
    assert all(body.strip() for body in sections.values())
    assert all("```sh\n" in sections[section] for section in WITH_COMMANDS)
    assert not re.search(r"\b(TODO|TBD|FIXME)\b", text)


def test_there_is_no_runbook_without_its_alert() -> None:
    assert Runbooks(RUNBOOKS).names() == NAMES


def test_the_index_of_runbooks_lists_each_page() -> None:
    index = (RUNBOOKS / "README.md").read_text()
    assert sorted(re.findall(r"\]\((\w+)\.md\)", index)) == NAMES


@pytest.mark.parametrize("page", sorted(RUNBOOKS.glob("*.md")), ids=lambda path: str(path.stem))
def test_each_command_of_a_runbook_is_one_the_shell_can_read(page: Path) -> None:
    blocks = re.findall(r"```sh\n(.*?)```", page.read_text(), flags=re.DOTALL)
    for block in blocks:
        done = subprocess.run(
            ["bash", "-n"], check=False, input=block, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", sorted(RUNBOOKS.glob("*.md")), ids=lambda path: str(path.stem))
def test_each_link_between_runbooks_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?:\./)?([\w-]+)\.md(?:#[\w-]*)?\)", page.read_text()):
        assert (RUNBOOKS / f"{target}.md").is_file()


def test_alertmanager_accepts_its_configuration() -> None:
    done = _run("amtool", "check-config", ALERTMANAGER)
    assert done.returncode == 0, done.stdout + done.stderr


def test_alertmanager_accepts_the_further_receivers_once_uncommented(tmp_path: Path) -> None:
    text = ALERTMANAGER.read_text()
    whole = tmp_path / "alertmanager.yml"
    whole.write_text(text.replace("#~ ", ""))
    done = _run("amtool", "check-config", whole)
    assert done.returncode == 0, done.stdout + done.stderr
    pages = next(r for r in yaml.safe_load(whole.read_text())["receivers"] if "pages" in r["name"])
    ways = {"name", "webhook_configs", "pagerduty_configs", "slack_configs", "email_configs"}
    assert set(pages) == ways


@pytest.mark.parametrize("rule", _rules(), ids=lambda rule: str(rule["alert"]))
def test_each_alert_reaches_the_receiver_of_its_severity(rule: dict[str, Any]) -> None:
    labels = {**rule["labels"], "alertname": rule["alert"]}
    receivers = {"page": "desk-pages", "ticket": "desk-tickets", "none": "desk-watchdog"}
    assert _route(*(f"{k}={v}" for k, v in labels.items())) == receivers[labels["severity"]]


def test_an_alert_of_unforeseen_severity_pages() -> None:
    assert _route("alertname=Strange", "severity=critical") == "desk-pages"
    assert _route("alertname=Stranger") == "desk-pages"


def test_each_receiver_tells_the_desk_also_of_the_end() -> None:
    for receiver in yaml.safe_load(ALERTMANAGER.read_text())["receivers"]:
        (hook,) = receiver["webhook_configs"]
        assert hook["url"] == "http://127.0.0.1:8090/alertmanager"
        assert hook["send_resolved"] is True
