"""Whether Kafka's ACLs let us do what we must, and not much more: pure rules."""

from collections.abc import Iterator
from types import MappingProxyType

from firstline.check.cluster import Cluster, Operation, Operations
from firstline.check.findings import Finding, ok, warning, wrong
from producers import topics
from producers.kafka import Kafka

_READ = frozenset({Operation.READ})
_WRITE = frozenset({Operation.WRITE})

NEEDED = MappingProxyType(
    {
        topics.CHAT_COMMANDS: _READ,
        topics.PSA_COMMANDS: _READ,
        topics.INTERNAL_COMMANDS: _READ | _WRITE,
        topics.TICKET_EVENTS: _READ,
        topics.NODE_REQUESTS: _READ | _WRITE,
        topics.SESSION_EVENTS: _WRITE,
        topics.SESSION_STATE: _WRITE,
        topics.TICKETING: _WRITE,
        topics.ENGINEER_NOTIFICATIONS: _WRITE,
        topics.REPLIES: _WRITE,
        topics.DEAD_LETTERS: _WRITE,
        topics.RELAY_PROGRESS: _READ | _WRITE,
    }
)
"""What worker and relay do with each topic; Kafka lets who reads or writes also describe."""

GROUPS = ("worker", "nodes")
"""The consumer groups, by name without the prefix: of commands, and of node requests."""

_OTHERS_WRITE = (topics.CHAT_COMMANDS, topics.PSA_COMMANDS, topics.TICKET_EVENTS)
_ADMINISTRATION = frozenset({Operation.DELETE, Operation.ALTER, Operation.ALTER_CONFIGS})
_CLUSTER_ADMINISTRATION = frozenset(
    {Operation.ALTER, Operation.ALTER_CONFIGS, Operation.CLUSTER_ACTION}
)


def access(kafka: Kafka, cluster: Cluster) -> Iterator[Finding]:
    """What we may not do and must, and what we may do and need not."""
    if not cluster.authorizer:
        yield warning(
            "Kafka's ACLs",
            "Kafka lets everybody do everything, and the source of a command is a matter of ACLs:"
            " whoever reaches it can act as any of them",
            "in production, set authorizer.class.name, and allow each client what it needs",
        )
        return
    narrow = list(_too_narrow(kafka, cluster))
    yield from narrow
    wide = list(_too_wide(kafka, cluster))
    if wide:
        yield warning(
            "Kafka's ACLs",
            f"this client may do more than it needs: {'; '.join(wide)}",
            "allow worker and relay only what they need, and create topics as somebody else",
        )
    if not narrow and not wide:
        yield ok("Kafka's ACLs", "allow what is needed, and no more")


def _too_narrow(kafka: Kafka, cluster: Cluster) -> Iterator[Finding]:
    for name, needed in NEEDED.items():
        full = kafka.topic(name)
        facts = cluster.topics.get(full)
        if full in cluster.hidden:
            lacking = needed
        elif facts is not None:
            lacking = needed - facts.allowed
        else:
            continue
        if lacking:
            yield wrong(
                full,
                f"Kafka's ACLs do not let this client {' and '.join(_verbs(lacking))} it",
                f"allow {', '.join(_titles(lacking))} on the topic",
            )
    for group, allowed in cluster.group_allowed.items():
        if Operation.READ not in allowed:
            yield wrong(
                f"group {group}",
                "Kafka's ACLs do not let this client join it",
                "allow Read on the group",
            )
    if not cluster.transactions_allowed:
        yield wrong(
            f"transactional id {kafka.prefix}relay-0",
            "Kafka's ACLs do not let the relay use it",
            "allow Write on the transactional id",
        )


def _too_wide(kafka: Kafka, cluster: Cluster) -> Iterator[str]:
    over_cluster = cluster.allowed & _CLUSTER_ADMINISTRATION
    if over_cluster:
        yield f"{', '.join(_titles(over_cluster))} on the cluster"
    administered: set[Operation] = set()
    for facts in cluster.topics.values():
        administered |= facts.allowed & _ADMINISTRATION
    if administered:
        yield f"{', '.join(_titles(frozenset(administered)))} on topics"
    forged = [
        full
        for name in _OTHERS_WRITE
        if (full := kafka.topic(name)) in cluster.topics
        and Operation.WRITE in cluster.topics[full].allowed
    ]
    if forged:
        yield f"Write on {', '.join(forged)}, which others write"


def _verbs(operations: Operations) -> list[str]:
    return [operation.name.lower() for operation in sorted(operations)]


def _titles(operations: Operations) -> list[str]:
    """As Kafka's own tools name them."""
    return [operation.name.title().replace("_", "") for operation in sorted(operations)]
