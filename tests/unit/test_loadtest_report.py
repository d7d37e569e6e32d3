"""The report as files, and the comparison with an earlier one."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from loadtest.against import EarlierError, comparison, read_earlier
from loadtest.figures import Sample, shown, summarise
from loadtest.machine import OTHERS, MachineFigures
from loadtest.profiles import Profile
from loadtest.report import Report, write_report
from loadtest.targets import TARGETS
from loadtest.verdict import judge
from tests.unit.test_loadtest_verdict import GENERATOR, SERVER

SAMPLES = [
    Sample("GET /api/products/<id>", n / 100, n / 100 + 0.01 + n / 10_000) for n in range(300)
]
MACHINE = MachineFigures(2, {"web-blue-1": 0.5, OTHERS: 0.25, "desk": 0.001}, (0.4, 0.5, 0.6))


def _report(samples: list[Sample] = SAMPLES, **changes: Any) -> Report:
    profile = Profile(rate=100, duration_seconds=3)
    client = summarise(samples, profile.rate, profile.duration_seconds)
    server = replace(SERVER, requests=float(len(samples)))
    report = Report(
        profile_name="steady",
        profile=profile,
        base_url="https://127.0.0.1:8443",
        began=datetime(2026, 5, 4, 12, 0, tzinfo=UTC),
        client=client,
        generator=GENERATOR,
        server=server,
        machine=MACHINE,
        verdict=judge(client, GENERATOR, server, TARGETS),
        samples=samples,
    )
    return replace(report, **changes)


def _written(folder: Path, **changes: Any) -> tuple[dict[str, Any], str, str]:
    place = write_report(_report(**changes), folder).parent
    content = json.loads((place / "report.json").read_text())
    return content, (place / "report.md").read_text(), (place / "report.html").read_text()


def test_all_three_forms_tell_the_outcome_and_each_check(tmp_path: Path) -> None:
    content, markdown, html = _written(tmp_path)
    assert content["outcome"] == "pass"
    assert "“steady”: pass" in markdown
    assert "“steady”: pass" in html
    for check in content["checks"]:
        assert f"| {check['name']} |" in markdown
        assert check["name"].replace("'", "&#x27;") in html.replace("&#39;", "&#x27;").replace(
            "'", "&#x27;"
        )


def test_a_missed_check_is_marked_in_markdown_and_html(tmp_path: Path) -> None:
    slow = [*SAMPLES[:200], *(replace(s, finished=s.due + 0.25) for s in SAMPLES[200:260])]
    slow += SAMPLES[260:]
    content, markdown, html = _written(tmp_path, samples=slow)
    assert content["outcome"] == "fail"
    assert markdown.count("**missed**") == 1
    assert html.count("<strong>missed</strong>") == 1


def test_the_page_needs_no_other_file_and_markdown_names_files_that_are_there(
    tmp_path: Path,
) -> None:
    _, markdown, html = _written(tmp_path)
    pictures = sorted(tmp_path.glob("*/plot-*.svg"))
    assert len(pictures) == html.count("<svg") == 5
    assert all(f"({picture.name})" in markdown for picture in pictures)
    assert "<img" not in html
    assert "<script" not in html


def test_what_is_unknown_is_null_in_json_and_no_data_in_text(tmp_path: Path) -> None:
    server = replace(SERVER, cache_hit_share=float("nan"))
    changed = replace(_report(), server=server)
    verdict = judge(changed.client, GENERATOR, server, TARGETS)
    content, markdown, _ = _written(tmp_path, server=server, verdict=verdict)
    assert content["server"]["cache_hit_share"] is None
    assert "| cache hits | no data |" in markdown


def test_errors_are_told_by_request_and_kind(tmp_path: Path) -> None:
    bad = [*SAMPLES, Sample("POST /api/orders", 1.0, 1.1, "503")]
    _, markdown, html = _written(tmp_path, samples=bad)
    assert "- 1 × POST /api/orders: 503" in markdown
    assert "1 × POST /api/orders: 503" in html


def test_a_name_with_angle_brackets_is_text_in_the_page(tmp_path: Path) -> None:
    html = _written(tmp_path)[2]
    assert "/api/products/&lt;id&gt;" in html
    assert "<id>" not in html


def test_processor_time_is_told_by_request_and_small_programs_are_left_out(
    tmp_path: Path,
) -> None:
    markdown = _written(tmp_path)[1]
    rate = 300 / summarise(SAMPLES, 100, 3).elapsed_seconds
    assert f"| web-blue-1 | 0.500 | {0.5 / rate * 1e6:.0f} |" in markdown
    assert "desk" not in markdown
    assert "0.25 cores were taken by what is neither" in markdown


def test_a_run_without_prometheus_and_without_answers_is_still_reported(tmp_path: Path) -> None:
    client = summarise([], 100, 3)
    verdict = judge(client, GENERATOR, None, TARGETS)
    changes: dict[str, Any] = {"client": client, "server": None, "verdict": verdict, "samples": []}
    content, markdown, html = _written(tmp_path, **changes)
    assert content["outcome"] == "fail"
    assert "Prometheus was not asked." in markdown
    assert "<svg" in html


def test_a_run_is_compared_with_an_earlier_one_by_figure(tmp_path: Path) -> None:
    earlier = _written(tmp_path / "then")[0]
    slower = [replace(sample, finished=sample.due + 2 * sample.latency) for sample in SAMPLES]
    now = replace(_report(slower), earlier=earlier)
    markdown = (write_report(now, tmp_path / "now").parent / "report.md").read_text()
    row = next(line for line in markdown.splitlines() if line.endswith("+100% |"))
    assert row.startswith("| p95 seen by clients |")
    assert "Against the run of 2026-05-04T12:00:00+00:00 (pass)" in markdown


def test_runs_at_different_rates_are_said_not_to_be_alike(tmp_path: Path) -> None:
    earlier = _written(tmp_path)[0]
    now = {**earlier, "profile": {**earlier["profile"], "rate": 800}}
    assert "The runs are not alike: 800 req/s were asked now, 100 then." in comparison(now, earlier)


@pytest.mark.parametrize(
    ("then", "now", "change"), [(0.0, 0.0, "none"), (0.0, 1.0, "new"), (2.0, 1.0, "-50%")]
)
def test_a_change_is_told_even_from_zero(then: float, now: float, change: str) -> None:
    def one(value: float) -> dict[str, Any]:
        check = {"name": "errors", "unit": "%", "value": value}
        return {"began": "", "outcome": "pass", "profile": {"rate": 1}, "checks": [check]}

    assert list(comparison(one(now), one(then)))[-1].endswith(f"| {change} |")


def test_an_earlier_report_is_found_by_its_folder_or_its_file(tmp_path: Path) -> None:
    place = write_report(_report(), tmp_path).parent
    assert read_earlier(place) == read_earlier(place / "report.json")


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"checks": [], "began": "x"}'])
def test_a_file_that_is_no_report_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "report.json").write_text(text)
    with pytest.raises(EarlierError, match=r"report\.json is no report of a load run"):
        read_earlier(tmp_path)


@pytest.mark.parametrize(
    ("value", "text"),
    [(10_531.4, "10,531 ms"), (999.44, "999.4 ms"), (0.0012, "0.0012 ms"), (None, "no data")],
)
def test_a_figure_is_shown_without_exponents(value: float | None, text: str) -> None:
    assert shown(value, "ms") == text
