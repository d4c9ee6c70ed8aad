"""A client that knows the wire contract: it sends commands, and reads what comes out."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)

from .commands import encode
from .wire import COMMAND_TOPICS, TICKET_EVENTS, Headers, Json, Record

WRITTEN_BY_FIRSTLINE = (
    "session-events",
    "session-state",
    "ticketing",
    "engineer-notifications",
    "node-requests",
    "replies",
    "dead-letters",
)

_WRITTEN_BY_TESTS = (*COMMAND_TOPICS, TICKET_EVENTS, "node-requests")
_PATIENCE = 20.0
_TO_THE_END_SECONDS = 30.0
_LARGEST_BATCH = 64 * 1024 * 1024


class _ItsSession:
    """Stands for the key that a command should have."""


ITS_SESSION = _ItsSession()


@dataclass(slots=True)
class Sent:
    """Where a record that was sent came to lie, once the client has flushed; without the prefix."""

    topic: str
    partition: int = -1
    offset: int = -1

    @property
    def place(self) -> tuple[str, int, int]:
        """Topic, partition and offset."""
        return self.topic, self.partition, self.offset


class Client:
    """Sends to the command topics, and follows every topic that firstline writes.

    `check` is called while the client waits, and raises where waiting has become pointless.
    """

    def __init__(
        self,
        bootstrap: str,
        prefix: str,
        *,
        check: Callable[[], None] = lambda: None,
        producer_settings: Mapping[str, str] | None = None,
    ) -> None:
        self._prefix = prefix
        self._check = check
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "partitioner": "murmur2_random",
                "acks": "all",
                "enable.idempotence": True,
                "linger.ms": 2,
                "message.max.bytes": _LARGEST_BATCH,
                **(producer_settings or {}),
            }
        )
        self._follower = _consumer(bootstrap)
        self._follower.assign(_all_partitions(self._follower, prefix, WRITTEN_BY_FIRSTLINE))
        self._records: dict[str, list[Record]] = {topic: [] for topic in WRITTEN_BY_FIRSTLINE}
        self._replies: dict[tuple[str, str], list[Json]] = defaultdict(list)
        self._unanswered: dict[tuple[str, str], int] = defaultdict(int)

    def close(self) -> None:
        """Leave Kafka."""
        self._producer.flush(_PATIENCE)
        self._follower.close()

    # Sending

    def send(
        self,
        value: Json | bytes | None,
        source: str = "chat",
        *,
        key: str | bytes | _ItsSession | None = ITS_SESSION,
        headers: Headers = (),
        partition: int = -1,
        timestamp: int = 0,
    ) -> Sent:
        """Append one record to `commands.{source}`; a value of bytes goes as it is.

        The key is the command's session unless another is given, and raw bytes have none.
        """
        if isinstance(key, _ItsSession):
            key = value["session_id"] if isinstance(value, dict) else None
        sent = Sent(f"commands.{source}")

        def delivered(error: KafkaError | None, message: Message) -> None:
            if error is not None:
                raise KafkaException(error)
            sent.partition, sent.offset = message.partition() or 0, message.offset() or 0

        self._producer.produce(
            self._prefix + sent.topic,
            encode(value) if isinstance(value, dict) else value,
            key,
            partition,
            on_delivery=delivered,
            timestamp=timestamp,
            headers=list(headers),
        )
        self._producer.poll(0)
        return sent

    def tell(self, ticket_event: Json) -> None:
        """Append one event of a ticket, and wait until it lies in Kafka."""
        ticket = ticket_event["ticket"]
        key = f"{ticket_event['account_id']}:{ticket['kind']}:{ticket['id']}"
        self._producer.produce(self._prefix + TICKET_EVENTS, encode(ticket_event), key)
        self.flush()

    def flush(self) -> None:
        """Wait until everything sent lies in Kafka."""
        left = self._producer.flush(_PATIENCE)
        if left:
            message = f"{left} records could not be sent within {_PATIENCE} s"
            raise TimeoutError(message)

    def ask(self, *commands: Json, source: str = "chat") -> list[Json]:
        """Send commands and return their replies in the order of the commands."""
        for command in commands:
            self.send(command, source)
        return self.answers(*commands)

    def answers(self, *commands: Json) -> list[Json]:
        """Wait for one further reply to each of these commands, and return them in this order."""
        self.flush()
        wanted = []
        for command in commands:
            asked = command["command_id"], command["session_id"]
            wanted.append((asked, self._unanswered[asked]))
            self._unanswered[asked] += 1

        def missing() -> list[tuple[str, str]]:
            return [asked for asked, number in wanted if len(self._replies[asked]) <= number]

        self.until(lambda: not missing(), lambda: f"no reply to {missing()[:5]}")
        return [self._replies[asked][number] for asked, number in wanted]

    # Reading

    def until(
        self,
        condition: Callable[[], bool],
        complaint: Callable[[], str] = lambda: "what was waited for did not come",
        seconds: float = _PATIENCE,
    ) -> None:
        """Follow the topics until the condition holds; raises TimeoutError with the complaint."""
        until = time.monotonic() + seconds
        while not condition():
            self._check()
            if time.monotonic() > until:
                message = f"{complaint()} within {seconds} s"
                raise TimeoutError(message)
            self.follow()

    def follow(self) -> None:
        """Take in what lies in the topics by now."""
        for message_ in self._follower.consume(500, 0.05):
            self._take(message_)

    def has_answered(self, command: Json) -> bool:
        """Say whether a reply to this command was taken in."""
        return (command["command_id"], command["session_id"]) in self._replies

    def wait_for(
        self, topic: str, wanted: Callable[[Record], bool], count: int = 1
    ) -> list[Record]:
        """Wait until a topic holds so many records of a kind, and return those."""

        def found() -> list[Record]:
            return [record for record in self._records[topic] if wanted(record)]

        self.until(
            lambda: len(found()) >= count,
            lambda: f"{len(found())} of {count} records came on {topic}",
        )
        return found()

    def of_session(self, topic: str, session_id: str, count: int = 1) -> list[Record]:
        """Wait until a topic holds so many records with this session as their key."""
        key = session_id.encode()
        return self.wait_for(topic, lambda record: record.key == key, count)

    def dead_letter(self, sent: Sent) -> Record:
        """Wait for the dead letter of a record that was sent."""
        self.flush()
        place = sent.place
        return self.wait_for("dead-letters", lambda record: original_place(record) == place)[0]

    def _take(self, message: Message) -> None:
        record = _record(message, self._prefix)
        if record is None:
            return
        self._records[record.topic].append(record)
        if record.topic == "replies":
            reply = record.json
            self._replies[reply["command_id"], reply["session_id"]].append(reply)


def original_place(dead_letter: Record) -> tuple[str, int, int]:
    """Return where the record lay that this dead letter is about; without the prefix."""
    topic = dead_letter.header("fl_topic") or ""
    return (
        topic[max(topic.find("commands."), 0) :],
        int(dead_letter.header("fl_partition") or -1),
        int(dead_letter.header("fl_offset") or -1),
    )


def read_to_the_end(bootstrap: str, prefix: str, topics: Iterable[str]) -> list[Record]:
    """Return every record that read_committed shows, up to where each partition ends just now.

    The end is where the broker says so: a high watermark also counts control records and what was
    aborted, and no reader ever arrives at those.
    """
    consumer = _consumer(bootstrap)
    try:
        partitions = _all_partitions(consumer, prefix, topics)
        consumer.assign(partitions)
        open_ends = {(end.topic, end.partition) for end in partitions}
        records = []
        until = time.monotonic() + _TO_THE_END_SECONDS
        while open_ends:
            if time.monotonic() > until:
                message = f"did not come to the end of {sorted(open_ends)}"
                raise TimeoutError(message)
            for message_ in consumer.consume(1000, 0.05):
                error = message_.error()
                if error is not None and error.code() == KafkaError._PARTITION_EOF:
                    open_ends.discard((message_.topic() or "", message_.partition() or 0))
                    continue
                record = _record(message_, prefix)
                if record is not None:
                    records.append(record)
        return records
    finally:
        consumer.close()


def _consumer(bootstrap: str) -> Consumer:
    return Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "outside",  # required by the library; nothing is ever committed
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
            "auto.offset.reset": "error",
            "fetch.wait.max.ms": 20,
            "log_level": "2",  # that a broker is away is no news where tests take it away
            "fetch.message.max.bytes": 2 * 1024 * 1024,
        }
    )


def _all_partitions(consumer: Consumer, prefix: str, topics: Iterable[str]) -> list[TopicPartition]:
    found = []
    for topic in topics:
        metadata = consumer.list_topics(prefix + topic, 10).topics[prefix + topic]
        if metadata.error is not None:
            raise KafkaException(metadata.error)
        found += [
            TopicPartition(prefix + topic, number, OFFSET_BEGINNING)
            for number in metadata.partitions
        ]
    return found


def _record(message: Message, prefix: str) -> Record | None:
    """Return what a message holds, or `None` for the news that a partition is at its end."""
    error = message.error()
    if error is not None:
        if error.code() == KafkaError._PARTITION_EOF:
            return None
        raise KafkaException(error)
    return Record(
        topic=(message.topic() or "").removeprefix(prefix),
        partition=message.partition() or 0,
        offset=message.offset() or 0,
        key=message.key(),
        value=message.value(),
        headers=_headers(message),
    )


def _headers(message: Message) -> tuple[tuple[str, bytes | None], ...]:
    """Return the headers of a record, and none from topics that tests write to.

    Asking for a header whose key is not UTF-8 is a SystemError in this library, and such keys are
    just what the tests send.
    """
    if (message.topic() or "").endswith(_WRITTEN_BY_TESTS):
        return ()
    headers = message.headers() or ()
    pairs = headers.items() if isinstance(headers, dict) else headers
    return tuple((key, value.encode() if isinstance(value, str) else value) for key, value in pairs)
