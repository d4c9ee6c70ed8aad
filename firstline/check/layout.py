"""Whether the topics are laid out so that the promises hold: pure rules over what Kafka says."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence

from firstline.check.cluster import TopicFacts
from firstline.check.findings import Finding, Level, ok, warning, wrong
from producers.kafka import Kafka
from producers.topics import ALL, Topic

_DAY_MS = 24 * 60 * 60 * 1000
# The relay packs messages into record batches of up to a million bytes, and a single message may
# have 900 KiB.
_LEAST_OUTGOING_BYTES = 1_000_000
# A command's value of 524,288 bytes, with 64 KiB for its headers.
_LEAST_INCOMING_BYTES = 589_824

_ANEW = (
    "delete it while nobody relays, then run `firstline topics` and `firstline relay"
    " --accept-lost-progress`"
)

_Fault = tuple[Level, str, str]


def layout(
    kafka: Kafka, topics: Mapping[str, TopicFacts], hidden: Sequence[str], inbox_days: int
) -> Iterator[Finding]:
    """What is wrong with the topics, those with the same fault in one finding."""
    existing = [
        (topic, topics[kafka.topic(topic.name)])
        for topic in ALL
        if kafka.topic(topic.name) in topics
    ]
    missing = [name for topic in ALL if (name := kafka.topic(topic.name)) not in {*topics, *hidden}]
    if missing:
        yield wrong(_names(missing), "missing", "run `firstline topics`")
    yield from uneven(kafka, topics)
    yield from retention(kafka, topics, inbox_days)
    by_fault: dict[_Fault, list[str]] = defaultdict(list)
    for topic, facts in existing:
        for rule in _RULES:
            for fault in rule(topic, facts):
                by_fault[fault].append(kafka.topic(topic.name))
    for (level, says, todo), names in by_fault.items():
        yield Finding(level, _names(names), says, todo)
    unread = [kafka.topic(topic.name) for topic, facts in existing if facts.settings is None]
    if unread:
        yield warning(
            _names(unread),
            "their settings may not be read, so nobody knows whether they are right",
            "allow this client DescribeConfigs on them",
        )
    if existing and not missing:
        yield ok("topics", f"{len(existing)} of {len(ALL)} there")


def uneven(kafka: Kafka, topics: Mapping[str, TopicFacts]) -> Iterator[Finding]:
    """A session's commands meet in one worker only where its partition has the same number."""
    counts = {
        name: topics[name].partitions
        for topic in ALL
        if topic.name.startswith("commands.") and (name := kafka.topic(topic.name)) in topics
    }
    if len(set(counts.values())) > 1:
        told = ", ".join(f"{name} {count}" for name, count in counts.items())
        most = max(counts.values())
        yield wrong(
            "partitions",
            f"command topics differ in their number of partitions ({told})",
            f"stop the senders, drain the topics, and give all of them {most}"
            f" (kafka-topics.sh --alter --partitions {most})",
        )


def retention(kafka: Kafka, topics: Mapping[str, TopicFacts], inbox_days: int) -> Iterator[Finding]:
    """What Kafka keeps may come again; its id has to be known for longer."""
    for topic in ALL:
        name = kafka.topic(topic.name)
        settings = topics[name].settings if name in topics else None
        if not topic.incoming or settings is None:
            continue
        kept_ms = int(settings["retention.ms"])
        if kept_ms < 0:
            yield wrong(
                name,
                f"keeps records for ever, and their ids are remembered for {inbox_days} days: what"
                " is read again later would be applied twice",
                "set its retention.ms",
            )
            continue
        # A segment is deleted when its newest record is too old, and looked at now and then.
        needed = -(-(kept_ms + int(settings["segment.ms"]) + _DAY_MS) // _DAY_MS)
        if needed > inbox_days:
            yield wrong(
                name,
                f"keeps records for up to {needed} days (retention.ms, segment.ms and a day), and"
                f" their ids are remembered for {inbox_days}: what is read again after that would"
                " be applied twice",
                f"lower its retention.ms, or set FIRSTLINE_INBOX_DAYS={needed}",
            )


def _stamped_by_kafka(topic: Topic, facts: TopicFacts) -> Iterator[_Fault]:
    if topic.incoming and _setting(facts, "message.timestamp.type", "LogAppendTime") != (
        "LogAppendTime"
    ):
        yield (
            Level.WRONG,
            "senders' clocks stamp the records: with a wrong one, Kafka deletes commands unread",
            "set message.timestamp.type=LogAppendTime",
        )


def _compacted_where_due(topic: Topic, facts: TopicFacts) -> Iterator[_Fault]:
    policy = _setting(facts, "cleanup.policy", "compact" if topic.compacted else "delete")
    if topic.compacted and policy != "compact":
        yield (
            Level.WRONG,
            f"cleanup.policy is {policy}: Kafka deletes the last state of what is long unchanged",
            "set cleanup.policy=compact",
        )
    elif not topic.compacted and policy != "delete":
        yield (
            Level.WRONG,
            f"cleanup.policy is {policy}: Kafka deletes all but the last record of a session",
            "set cleanup.policy=delete",
        )


def _kept_by_time(topic: Topic, facts: TopicFacts) -> Iterator[_Fault]:
    if not topic.compacted and int(_setting(facts, "retention.bytes", "-1")) >= 0:
        yield (
            Level.WARNING,
            "retention.bytes is set: under load, Kafka deletes records before they are read",
            "set retention.bytes=-1",
        )


def _large_enough(topic: Topic, facts: TopicFacts) -> Iterator[_Fault]:
    least = _LEAST_INCOMING_BYTES if topic.incoming else _LEAST_OUTGOING_BYTES
    most = _setting(facts, "max.message.bytes", str(least))
    if int(most) < least:
        whose = "commands within the limits" if topic.incoming else "what firstline publishes"
        yield (
            Level.WRONG,
            f"max.message.bytes is {most}: Kafka refuses {whose}",
            "set max.message.bytes=1048588",
        )


def _replicated(_: Topic, facts: TopicFacts) -> Iterator[_Fault]:
    in_sync = int(_setting(facts, "min.insync.replicas", "1"))
    if in_sync > facts.replicas:
        yield (
            Level.WRONG,
            f"min.insync.replicas is {in_sync}, and there are fewer replicas: Kafka takes nothing",
            "lower min.insync.replicas, or add replicas",
        )
    elif facts.replicas == 1:
        yield (
            Level.WARNING,
            "one replica: a broker that loses power or its disk loses what was acknowledged",
            "in production, have three brokers, replication 3 and min.insync.replicas=2",
        )
    elif in_sync == 1:
        yield (
            Level.WARNING,
            "min.insync.replicas is 1: what one broker alone acknowledged can be lost with it",
            "set min.insync.replicas=2",
        )


def _led(_: Topic, facts: TopicFacts) -> Iterator[_Fault]:
    if facts.leaderless:
        yield (
            Level.WRONG,
            f"{facts.leaderless} partitions have no leader: nobody can read or write them",
            "bring the brokers back",
        )


def _a_partition_a_shard(topic: Topic, facts: TopicFacts) -> Iterator[_Fault]:
    if topic.per_shard and facts.partitions != 1:
        yield (
            Level.WRONG,
            f"{facts.partitions} partitions, and the relay has one shard",
            _ANEW,
        )


_RULES: tuple[Callable[[Topic, TopicFacts], Iterator[_Fault]], ...] = (
    _led,
    _a_partition_a_shard,
    _stamped_by_kafka,
    _compacted_where_due,
    _kept_by_time,
    _large_enough,
    _replicated,
)


def _setting(facts: TopicFacts, name: str, unknown: str) -> str:
    """The setting, or ``unknown`` where settings may not be read: that is a finding by itself."""
    return unknown if facts.settings is None else facts.settings.get(name, unknown)


def _names(names: Sequence[str]) -> str:
    return f"all {len(names)} topics" if len(names) == len(ALL) else ", ".join(names)
