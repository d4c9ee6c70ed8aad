"""The dashboard and the alert rules ask for metrics that there are, as Prometheus reads them."""

import json
import re
from collections.abc import Iterator
from itertools import combinations

import promql_parser
import pytest
import yaml

from tests.docs.reading import ROOT, page, quoted, rows, section
from tests.ops.names import SUFFIXES, names

OPERATIONS = page("docs/operations.md")
DASHBOARD = json.loads((ROOT / "ops/grafana-dashboard.json").read_text())
RULES = yaml.safe_load((ROOT / "ops/prometheus-alerts.yml").read_text())
RULE_TESTS = yaml.safe_load((ROOT / "ops/prometheus-alerts.test.yml").read_text())
ALERTS = {rule["alert"]: rule for group in RULES["groups"] for rule in group["rules"]}
PANELS = DASHBOARD["panels"]


def queries() -> dict[str, str]:
    """Every query, by where it stands."""
    drawn = {
        f"{panel['title']} {target['refId']}": target["expr"]
        for panel in PANELS
        for target in panel["targets"]
    }
    return drawn | {name: rule["expr"] for name, rule in ALERTS.items()}


def asked_for(query: str) -> set[str]:
    """The series that a query selects. Raises ValueError where Prometheus would not take it."""
    found: set[str] = set()

    def visit(expression: promql_parser.Expr) -> None:
        if isinstance(expression, promql_parser.MatrixSelector):
            expression = expression.vector_selector
        if isinstance(expression, promql_parser.VectorSelector):
            found.add(str(expression.name))

    promql_parser.walk(promql_parser.parse(query.replace("$__rate_interval", "5m")), visit)
    return found


@pytest.mark.parametrize("where", queries())
def test_every_query_asks_for_metrics_that_there_are(where: str) -> None:
    series = {f"{name}{suffix}" for name in names() for suffix in SUFFIXES}
    asked = asked_for(queries()[where])
    assert asked
    assert asked - series == set()


def test_the_rules_own_tests_are_of_rules_and_series_that_there_are() -> None:
    """Prometheus' tool runs them, by hand: a name that is no more would make them pass for ever."""
    told = set(re.findall(r"Firstline\w+", json.dumps(RULE_TESTS)))
    assert "FirstlinePoison" in told <= set(ALERTS)
    series = {one["series"] for case in RULE_TESTS["tests"] for one in case["input_series"]}
    known = {f"{name}{suffix}" for name in names() for suffix in SUFFIXES}
    assert {one.partition("{")[0] for one in series} <= known


def test_a_query_of_nonsense_would_be_found() -> None:
    assert asked_for("sum(rate(nothing_of_ours[5m])) > 1") == {"nothing_of_ours"}
    with pytest.raises(ValueError, match="parenthesis"):
        asked_for("sum by (topic rate(x)")


def test_every_metric_of_ours_is_drawn() -> None:
    drawn = set().union(*(asked_for(query) for query in queries().values()))
    told = {name for name in names() if name.startswith("firstline_")}
    missing = {name for name in told if not {name + suffix for suffix in SUFFIXES} & drawn}
    assert missing == set()


def test_no_panel_lies_on_another() -> None:
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)
    for one, other in combinations((panel["gridPos"] for panel in PANELS), 2):
        apart = (
            one["x"] + one["w"] <= other["x"]
            or other["x"] + other["w"] <= one["x"]
            or one["y"] + one["h"] <= other["y"]
            or other["y"] + other["h"] <= one["y"]
        )
        assert apart, (one, other)


@pytest.mark.parametrize("name", ALERTS)
def test_every_alert_says_how_bad_it_is_and_what_is_the_matter(name: str) -> None:
    rule = ALERTS[name]
    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert rule["annotations"]["summary"]
    assert rule.keys() <= {"alert", "expr", "for", "labels", "annotations"}
    assert re.fullmatch(r"\d+[mh]", rule.get("for", "1m"))


def test_every_alert_is_in_the_runbook() -> None:
    told = dict(runbook())
    assert set(told) == set(ALERTS)
    assert [name for name, todo in told.items() if not todo] == []


def runbook() -> Iterator[tuple[str, str]]:
    for alert, _, todo in rows(section(OPERATIONS, "Alerts")):
        yield quoted(alert)[0], todo
