"""The extract of the log is what its credit says it is."""

from collections import Counter
from importlib.resources import files

from firstline.demo.catalogue import CATEGORIES
from firstline.demo.log import incidents, read_log


def test_the_extract_is_445_incidents_in_3019_rows_in_the_order_of_time() -> None:
    rows = read_log()

    assert len(rows) == 3019
    assert len({row.incident for row in rows}) == 445
    assert [row.at for row in rows] == sorted(row.at for row in rows)
    assert all(row.at.utcoffset() is not None for row in rows)


def test_the_credit_that_the_licence_asks_for_goes_with_the_extract() -> None:
    credit = files("firstline.demo").joinpath("service_desk.md").read_text(encoding="utf-8")

    for due in (
        "Incident management process enriched event log",
        "Claudio Amaral",
        "Marcelo Fantinato",
        "Sarajane Peres",
        "UCI Machine Learning Repository",
        "2018",
        "https://creativecommons.org/licenses/by/4.0/",
        "What was changed",
        "invented",
    ):
        assert due in credit


def test_every_incident_is_resolved_or_handed_over() -> None:
    told = incidents(read_log())

    assert len(told) == 445
    assert sum(incident.handed_over for incident in told) == 199
    for incident in told:
        assert incident.handed_over or incident.outcome.state == "Resolved"
        assert all(row.reassigned == 0 and row.at <= incident.outcome.at for row in incident.before)


def test_the_named_categories_are_the_six_with_the_most_incidents() -> None:
    counts = Counter(incident.before[0].category for incident in incidents(read_log()))

    assert {category for category, _ in counts.most_common(6)} == set(CATEGORIES)
