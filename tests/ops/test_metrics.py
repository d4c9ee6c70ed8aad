"""Each metric is told in one place, and shows what happened."""

from collections import Counter

import pytest
from prometheus_client import generate_latest

from consumers.apply import Applied, Batch
from consumers.decode import decode
from consumers.generating import Served
from consumers.node_drafts import stand_in
from consumers.reasons import Reason
from consumers.records import Source
from consumers.worker import Standing
from domain.built_nodes import BuiltNode, NodeKind
from firstline.metrics import Metrics
from firstline.watching import OutboxAge
from integrations.generator import Usage
from producers.relay import Tally
from storage.vitals import Table, Vitals, Wait
from tests.consumers.wire import ARecord
from tests.docs.reading import page, quoted, rows, section
from tests.ops.names import names

OPERATIONS = page("docs/operations.md")
A_NODE = BuiltNode("n1", NodeKind.ACTION, "Restart it.")


def test_every_metric_is_told_and_no_other() -> None:
    told = [quoted(cells[0])[0].split("{")[0] for cells in rows(section(OPERATIONS, "Metrics"))]
    assert sorted(told) == sorted(names())


def test_every_label_is_told() -> None:
    made = everything().registry
    told = {
        name.split("{")[0]: set(filter(None, name.rstrip("}").partition("{")[2].split(", ")))
        for name in (quoted(cells[0])[0] for cells in rows(section(OPERATIONS, "Metrics")))
        if name.startswith("firstline_")
    }
    for metric in made.collect():
        name = f"{metric.name}_total" if metric.type == "counter" else metric.name
        if name in told:
            labels = {label for sample in metric.samples for label in sample.labels} - {"le"}
            assert labels == told[name], name


def everything() -> Metrics:
    """Metrics that have seen one of each."""
    tally = Tally(leading=True, transactions=3, messages=7, seconds=0.5, rebuilds=1, set_aside=2)
    made = Metrics(tally)
    batch = Batch([decode(ARecord(b"{"), Source.CHAT)] * 4, {}, seconds=0.25)
    applied = Applied(
        3, 1, 7, Counter(unreadable=1), Counter(accepted=2, invalid=1), {"lock": 0.5, "commit": 0.1}
    )
    made.applied(batch, applied)
    made.swept(5)
    made.lags({"t.commands.chat": 9, "t.node-requests": 2})
    made.stands(
        Standing({"t.commands.chat": 9}, 90_000, 0.0, waiting=True, consuming=True), now=100.0
    )
    made.beats(lambda: 0.25, lambda: 1.5)
    for node in (A_NODE, A_NODE, stand_in("n2")):
        made.served(Served(node, Usage("a-model", 1_000, 50, 240)))
    made.served(Served(A_NODE, None))
    wait = Wait(11, "firstline", 4.5, 12, "psql", "idle in transaction", 60.0)
    made.database_waits([wait, wait])
    made.database_holds(some_vitals(), 12.0)
    return made


@pytest.mark.parametrize(
    "line",
    [
        *(f'firstline_dead_letters_total{{reason="{reason}"}}' for reason in Reason),
        'firstline_nodes_total{outcome="generated"}',
        'firstline_nodes_total{outcome="unavailable"}',
    ],
)
def test_what_alerts_see_grow_is_told_before_it_does(line: str) -> None:
    """To Prometheus, a series that begins at one has not grown."""
    assert f"{line} 0.0\n" in generate_latest(Metrics(Tally()).registry).decode()


def some_vitals(**more: object) -> Vitals:
    fields: dict[str, object] = {
        "outbox": 8,
        "first": 1,
        "last": 8,
        "set_aside": 1,
        "parked_sessions": 2,
        "parked_commands": 3,
        "tables": [Table("inbox", 1_000, 81_920)],
    }
    return Vitals(**(fields | more))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("firstline_records_total", 3),
        ("firstline_records_repeated_total", 1),
        ("firstline_batch_records_sum", 4),
        ('firstline_batch_seconds_sum{step="decode"}', 0.25),
        ('firstline_batch_seconds_sum{step="lock"}', 0.5),
        ('firstline_replies_total{code="accepted"}', 2),
        ('firstline_dead_letters_total{reason="unreadable"}', 1),
        ("firstline_swept_total", 5),
        ('firstline_nodes_total{outcome="generated"}', 3),
        ('firstline_nodes_total{outcome="unavailable"}', 1),
        ('firstline_node_tokens_total{direction="in"}', 3_000),
        ('firstline_node_tokens_total{direction="out"}', 150),
        ("firstline_node_microdollars_total", 720),
        ('firstline_lag_records{topic="t.commands.chat"}', 9),
        ('firstline_lag_records{topic="t.node-requests"}', 2),
        ("firstline_oldest_unapplied_seconds", 10),
        ("firstline_polled_seconds_ago", 1.5),
        ("firstline_waiting", 1),
        ("firstline_event_loop_lag_seconds", 0.25),
        ("firstline_relay_leading", 1),
        ("firstline_relay_transactions_total", 3),
        ("firstline_relay_messages_total", 7),
        ("firstline_relay_seconds_total", 0.5),
        ("firstline_relay_rebuilds_total", 1),
        ("firstline_relay_set_aside_total", 2),
        ("firstline_database_up", 1),
        ("firstline_outbox_messages", 8),
        ("firstline_outbox_oldest_seconds", 12),
        ("firstline_outbox_set_aside", 1),
        ("firstline_parked_sessions", 2),
        ("firstline_parked_commands", 3),
        ('firstline_table_rows{table="inbox"}', 1000),
        ('firstline_table_bytes{table="inbox"}', 81920),
        ("firstline_database_blocked", 1),
        ("firstline_database_longest_wait_seconds", 4.5),
    ],
)
def test_a_metric_shows_what_happened(line: str, value: float) -> None:
    served = generate_latest(everything().registry).decode().splitlines()
    (found,) = [one for one in served if one.rpartition(" ")[0] == line]
    assert float(found.rpartition(" ")[2]) == value


def test_a_database_that_does_not_answer_is_down_and_what_was_known_stays() -> None:
    made = everything()
    made.database_waits(None)
    served = generate_latest(made.registry).decode()
    assert "\nfirstline_database_up 0.0\n" in served
    assert "\nfirstline_outbox_messages 8.0\n" in served


# -- the age of the outbox --------------------------------------------------------------------


def test_the_outbox_is_as_old_as_its_oldest_message_was_seen_to_wait() -> None:
    age = OutboxAge()
    assert age.seen(some_vitals(first=1, last=5), 100) == 0
    assert age.seen(some_vitals(first=4, last=9), 110) == 10, "number 4 was there at 100"
    assert age.seen(some_vitals(first=7, last=9), 120) == 10, "number 7 was there at 110"
    assert age.seen(some_vitals(first=10, last=12), 130) == 0
    assert age.seen(some_vitals(first=None, last=None), 140) == 0
    assert age.seen(some_vitals(first=13, last=13), 150) == 0
    assert age.seen(some_vitals(first=13, last=13), 9_000) == 8_850


def test_an_outbox_that_grows_for_days_is_watched_in_bounded_memory() -> None:
    age = OutboxAge()
    for moment in range(2_500):
        seen = age.seen(some_vitals(first=1, last=1 + moment), moment)
        assert seen == moment
    assert len(age._seen) <= 1_001
