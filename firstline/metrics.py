"""Every metric, by its name; docs/operations.md says what each is for.

Counted once a batch and once an intent, never once a record. No label holds anything that a
sender wrote.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from faststream.kafka.prometheus.provider import BatchKafkaMetricsSettingsProvider
from faststream.prometheus.middleware import PrometheusMiddleware
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from consumers.apply import Applied, Batch
from consumers.generating import Served
from consumers.reasons import Reason
from consumers.worker import Standing
from producers.relay import Tally
from storage.vitals import Vitals, Wait

if TYPE_CHECKING:
    from faststream.message import StreamMessage
    from faststream.prometheus import ConsumeAttrs

_GENERATED, _UNAVAILABLE = "generated", "unavailable"
_RECORDS = (1, 10, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000)
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60)


class Metrics:
    """The metrics of one process."""

    def __init__(self, tally: Tally) -> None:
        self.registry = made = CollectorRegistry()
        self._topics: set[str] = set()
        ProcessCollector(registry=made)
        made.register(_RelayCollector(tally))
        Gauge("firstline_info", "This program.", ["version"], registry=made).labels(
            version("firstline")
        ).set(1)
        # -- in
        self._records = Counter(
            "firstline_records_total", "Records that were applied.", registry=made
        )
        self._repeated = Counter(
            "firstline_records_repeated_total",
            "Records that came again and had been applied before.",
            registry=made,
        )
        self._batch_records = Histogram(
            "firstline_batch_records",
            "Records in a transaction.",
            buckets=_RECORDS,
            registry=made,
        )
        self._batch_seconds = Histogram(
            "firstline_batch_seconds",
            "How long each step of a transaction took.",
            ["step"],
            buckets=_SECONDS,
            registry=made,
        )
        self._replies = Counter(
            "firstline_replies_total", "Replies by what they were.", ["code"], registry=made
        )
        self._dead_letters = Counter(
            "firstline_dead_letters_total",
            "Records kept as dead letters, by reason.",
            ["reason"],
            registry=made,
        )
        for reason in Reason:  # nobody sees a series grow that begins with what it counts
            self._dead_letters.labels(reason)
        self._swept = Counter(
            "firstline_swept_total", "Commands that sweeps asked for.", registry=made
        )
        # -- the nodes of AI-built walks
        self._nodes = Counter(
            "firstline_nodes_total",
            "Nodes that were served, by what they are.",
            ["outcome"],
            registry=made,
        )
        for outcome in (_GENERATED, _UNAVAILABLE):
            self._nodes.labels(outcome)
        self._node_tokens = Counter(
            "firstline_node_tokens_total",
            "Tokens that were paid for, by direction.",
            ["direction"],
            registry=made,
        )
        self._node_microdollars = Counter(
            "firstline_node_microdollars_total",
            "What was paid, in millionths of a dollar.",
            registry=made,
        )
        # -- how it stands
        self._lag = Gauge(
            "firstline_lag_records",
            "Records that this process is assigned and has not applied or answered.",
            ["topic"],
            registry=made,
        )
        self._oldest = Gauge(
            "firstline_oldest_unapplied_seconds",
            "Age of the oldest record at hand.",
            registry=made,
        )
        self._polled = Gauge(
            "firstline_polled_seconds_ago", "Since Kafka was last polled.", registry=made
        )
        self._waiting = Gauge(
            "firstline_waiting", "Whether a batch waits for a server, or for a lock.", registry=made
        )
        self._loop_lag = Gauge(
            "firstline_event_loop_lag_seconds", "How late the event loop is.", registry=made
        )
        # -- the database
        self._database_up = Gauge(
            "firstline_database_up", "Whether the database was reached last time.", registry=made
        )
        self._outbox = Gauge(
            "firstline_outbox_messages", "Messages that wait for the relay.", registry=made
        )
        self._outbox_oldest = Gauge(
            "firstline_outbox_oldest_seconds",
            "How long the oldest message was seen waiting.",
            registry=made,
        )
        self._set_aside = Gauge(
            "firstline_outbox_set_aside", "Messages that Kafka refused.", registry=made
        )
        self._parked_sessions = Gauge(
            "firstline_parked_sessions", "Sessions that are parked.", registry=made
        )
        self._parked_commands = Gauge(
            "firstline_parked_commands", "Poison commands, and those behind them.", registry=made
        )
        self._table_rows = Gauge(
            "firstline_table_rows", "Rows of a table, estimated.", ["table"], registry=made
        )
        self._table_bytes = Gauge(
            "firstline_table_bytes", "Bytes of a table, indexes too.", ["table"], registry=made
        )
        self._blocked = Gauge(
            "firstline_database_blocked", "Connections that wait for a lock.", registry=made
        )
        self._longest_wait = Gauge(
            "firstline_database_longest_wait_seconds",
            "How long the longest wait for a lock has lasted.",
            registry=made,
        )

    def middleware(self) -> PrometheusMiddleware[Any, Any]:
        """FastStream's own metrics of what it hands to the worker.

        The worker's parser touches neither headers nor bodies, so that sizes are told here.
        """
        return PrometheusMiddleware(
            settings_provider_factory=lambda _: _Fetched(), registry=self.registry
        )

    def applied(self, batch: Batch, applied: Applied) -> None:
        """Count what a batch came to."""
        self._records.inc(applied.records)
        self._repeated.inc(applied.repeated)
        self._batch_records.observe(len(batch.items))
        self._batch_seconds.labels("decode").observe(batch.seconds)
        for step, seconds in applied.seconds.items():
            self._batch_seconds.labels(step).observe(seconds)
        for code, count in applied.codes.items():
            self._replies.labels(code).inc(count)
        for reason, count in applied.letters.items():
            self._dead_letters.labels(reason).inc(count)

    def swept(self, commands: int) -> None:
        """Count what a sweep asked for."""
        self._swept.inc(commands)

    def served(self, served: Served) -> None:
        """Count a node and what was paid for it, usable or not."""
        self._nodes.labels(_UNAVAILABLE if served.unavailable else _GENERATED).inc()
        if served.usage is not None:
            self._node_tokens.labels("in").inc(served.usage.input_tokens)
            self._node_tokens.labels("out").inc(served.usage.output_tokens)
            self._node_microdollars.inc(served.usage.cost_microdollars)

    def stands(self, standing: Standing, now: float) -> None:
        """Show how the worker stands; ``now`` in seconds since 1970."""
        oldest = standing.oldest_ms
        self._oldest.set(0 if oldest is None else max(0.0, now - oldest / 1000))
        self._waiting.set(standing.waiting)

    def lags(self, lag: Mapping[str, int]) -> None:
        """Show what this process is assigned and has not done, by topic."""
        self._topics |= lag.keys()
        for topic in self._topics:  # one that went to another process is no longer behind here
            self._lag.labels(topic).set(lag.get(topic, 0))

    def beats(self, loop_late: Callable[[], float], polled_ago: Callable[[], float]) -> None:
        """Show how late the event loop is or was, and since when Kafka was not polled, in seconds.

        Both are asked when somebody looks, from another thread: a loop that is stuck tells nothing.
        """
        self._loop_lag.set_function(loop_late)
        self._polled.set_function(polled_ago)

    def database_waits(self, waits: Sequence[Wait] | None) -> None:
        """Show who waits in the database; None where it cannot be asked."""
        self._database_up.set(waits is not None)
        if waits is not None:
            self._blocked.set(len({wait.backend for wait in waits}))
            self._longest_wait.set(max((wait.seconds for wait in waits), default=0))

    def database_holds(self, vitals: Vitals, outbox_seconds: float) -> None:
        """Show what waits in the database, and how it grows."""
        self._outbox.set(vitals.outbox)
        self._outbox_oldest.set(outbox_seconds)
        self._set_aside.set(vitals.set_aside)
        self._parked_sessions.set(vitals.parked_sessions)
        self._parked_commands.set(vitals.parked_commands)
        for table in vitals.tables:
            self._table_rows.labels(table.name).set(table.rows)
            self._table_bytes.labels(table.name).set(table.bytes)


class _Fetched(BatchKafkaMetricsSettingsProvider):
    """What FastStream counts of a fetch of records that nobody has parsed."""

    def get_consume_attrs_from_message(
        self, msg: "StreamMessage[tuple[Any, ...]]"
    ) -> "ConsumeAttrs":
        records = msg.raw_message
        return {
            "destination_name": records[0].topic,
            "message_size": sum(len(record.value or b"") for record in records),
            "messages_count": len(records),
        }


class _RelayCollector(Collector):
    """What the relay tells, read when somebody asks: it counts for itself."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally

    def collect(self) -> Iterator[Metric]:
        tally = self._tally
        yield GaugeMetricFamily(
            "firstline_relay_leading", "Whether this process relays.", value=tally.leading
        )
        for name, text, value in (
            ("transactions", "Kafka transactions that the relay committed.", tally.transactions),
            ("messages", "Messages in them.", tally.messages),
            ("seconds", "Seconds spent in them.", tally.seconds),
            ("rebuilds", "Errors that ended a relay's life; the next recovers.", tally.rebuilds),
            ("set_aside", "Messages set aside because Kafka refuses them.", tally.set_aside),
        ):
            yield CounterMetricFamily(f"firstline_relay_{name}", text, value=value)
