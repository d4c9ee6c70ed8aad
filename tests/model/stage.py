"""What every rule works with: the program's database on one side, what is expected on the other."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant

from domain.sessions import Born, Claimed, Escalated, escalation_status, status
from producers.relay import Relay
from tests.builders import NOW
from tests.model.bench import Bench, Death, Fuse
from tests.model.expected import Expected, Queue
from tests.model.logs import Delivered, Logs
from tests.model.outlets import Outlet, Published
from tests.model.tables import Tables, read_outbox, read_tables, tables_of
from tests.model.wire import Place, Sent
from tests.model.world import World

Said = dict[Queue, list[object]]
"""What was published and what waits to be, by queue and in order."""

Living = tuple[AsyncExitStack, Relay]
"""A relay, and what has to be closed once it is thrown away."""

STATE = "session-state"

fuses = st.none() | st.builds(Fuse, st.sampled_from(Death), st.sampled_from([1, 1, 2, 3]))


class Stage(RuleBasedStateMachine):
    """A cleared database, empty logs, and no relay; ``seen`` counts what came about."""

    def __init__(self, bench: Bench, outlet: Outlet, seen: Counter[str]) -> None:
        super().__init__()
        self.bench = bench
        self.outlet = outlet
        self.seen = seen
        self.logs = Logs()
        self.expected = Expected()
        self.imagined = World()  # as if all that was sent were applied by now, and none were poison
        self.now = NOW
        self.leader: Living | None = None
        self.woken = False
        bench.clear()
        bench.run(outlet.clear())

    def tick(self) -> datetime:
        """The time by the worker's clock, which moves on."""
        self.now += timedelta(seconds=1)
        return self.now

    def position(self, place: Place) -> int:
        """The next offset to apply."""
        return self.expected.positions.get(place, 0)

    def waiting(self) -> list[Place]:
        """The partitions that have records at or past their positions."""
        return [place for place in self.logs.records if self.logs.end(place) > self.position(place)]

    def stretch(self, data: st.DataObject, spans: Mapping[Place, range]) -> Delivered:
        """The records of these stretches, in an order that Kafka may give them in."""
        turns = st.lists(st.integers(0, 5), max_size=12) if len(spans) > 1 else st.just([])
        return self.logs.draw_up(spans, data.draw(turns, label="turns"))

    def after(self, records: Iterable[Sent], now: datetime) -> Expected:
        """What is to be expected once these records were applied."""
        expected = self.expected.copy()
        for sent in records:
            expected.receive(sent, now)
        return expected

    def look(self) -> tuple[Tables, list[Published]]:
        """What stands in the database, and what was published or waits to be."""
        return self.bench.run(self._look())

    async def _look(self) -> tuple[Tables, list[Published]]:
        tables = await read_tables(self.bench.connection)
        waiting = await read_outbox(self.bench.connection)
        published = set(self.outlet.ids)
        return tables, [
            *self.outlet.rows,
            *((queue, said) for row_id, queue, said in waiting if row_id not in published),
        ]

    @invariant()
    def check(self) -> None:
        """Compare the database, and everything published or waiting, with what is expected."""
        wrong = differences(self.expected, *self.look())
        assert not wrong, wrong
        assert len(self.outlet.ids) == len(set(self.outlet.ids)), self.outlet.ids


def differences(expected: Expected, tables: Tables, said: Sequence[Published]) -> list[str]:
    """What is not as it is expected."""
    by_queue = in_queues(said)
    states = {key: by_queue.pop((topic, key)) for topic, key in [*by_queue] if topic == STATE}
    there: dict[Any, Sequence[object]] = {**tables, **by_queue}
    wanted: dict[Any, Sequence[object]] = {**tables_of(expected), **expected.messages}
    found = [
        _difference(name, there.get(name, []), wanted.get(name, []))
        for name in there.keys() | wanted.keys()
        if there.get(name, []) != wanted.get(name, [])
    ]
    latest = {
        id_.encode(): (
            one.version,
            status(one),
            one.steps,
            one.current_node_id,
            one.origin.ticket.id,
            _escalation(one),
        )
        for id_, one in expected.world.sessions.items()
    }
    told = {key: queue[-1] for key, queue in states.items()}
    if told != latest:
        found.append(f"{STATE}: {told} instead of {latest}")
    # A batch tells of a session once, so that not every version is told.
    found += [f"{STATE}: {queue}" for queue in states.values() if not _rising(queue)]
    return found


def _escalation(session: Born) -> dict[str, str] | None:
    if not isinstance(session, Escalated):
        return None
    standing = session.escalation
    told = {"status": escalation_status(standing)}
    return told | ({"claimed_by": standing.by} if isinstance(standing, Claimed) else {})


def _difference(name: object, there: Sequence[object], wanted: Sequence[object]) -> str:
    too_much = [one for one in there if one not in wanted]
    missing = [one for one in wanted if one not in there]
    if not too_much and not missing:
        return f"{name}: {there} instead of {wanted}"
    return f"{name}: {missing} is missing, {too_much} is too much"


def in_queues(said: Iterable[Published]) -> Said:
    """What was said, by queue."""
    queues: Said = {}
    for queue, what in said:
        queues.setdefault(queue, []).append(what)
    return queues


def _rising(queue: Sequence[Any]) -> bool:
    versions = [version for version, *_ in queue]
    return versions == sorted(set(versions))
