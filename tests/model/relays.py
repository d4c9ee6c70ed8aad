"""Relays that die between any two of their steps, and relays that wake up when all is over."""

import sys
from collections import Counter
from contextlib import AsyncExitStack
from typing import Any

from aiokafka.errors import IllegalOperation, KafkaError
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from producers.relay import RelaySettings, open_relay
from storage.intents import Bounds, TakenOver
from tests.model.bench import AnswerLost, Fuse, Killed
from tests.model.stage import Stage, fuses, in_queues

_SETTINGS = RelaySettings(Bounds(rows=7))
_ALL = 10_000


class Relays(Stage):
    """The rules of what goes out."""

    @rule(fuse=fuses, publishing=st.booleans(), times=st.integers(1, 3))
    def relay(self, fuse: Fuse | None, publishing: bool, times: int) -> None:  # noqa: FBT001
        """Relay a few intents, or die on the way: publishing, or at a commit of the database."""
        if publishing:
            self.outlet.at_publish = fuse
        else:
            self.bench.at_commit = fuse
        try:
            self.bench.run(self._relay(times))
        except (Killed, AnswerLost):
            assert fuse is not None
            self.seen[f"{'publish' if publishing else 'relay'} {fuse.death.name}"] += 1
            self.bench.run(self._bury())
        except TakenOver:
            assert self.woken, "nobody else relays"
            self.seen["taken over"] += 1
            self.bench.run(self._bury())
        self.bench.at_commit = self.outlet.at_publish = None

    @precondition(lambda self: self.leader is not None)
    @rule(times=st.sampled_from([0, 0, 1, 2]))
    def take_over(self, times: int) -> None:
        """Have another relay take over while this one stands still, and then let it go on."""
        assert self.leader is not None
        (stack, paused), self.leader = self.leader, None
        self.bench.run(self._relay(times))
        published = list(self.outlet.ids)
        try:
            sent = self.bench.run(paused.relay_once())
        except (KafkaError, IllegalOperation, TakenOver) as refused:
            # The client says the second where it heard of the fence between two sends.
            self.seen[type(refused).__name__] += 1
            self.woken = True
        else:
            assert sent == 0, f"a relay that was replaced sent {sent} rows"
        assert self.outlet.ids == published, "a relay that was replaced published"
        self.bench.run(stack.aclose())

    def teardown(self) -> None:
        """Let everything come to rest, and look at what readers see."""
        if sys.exc_info()[0] is None:  # nothing is wrong so far
            self.bench.run(self._bury())
            self.bench.run(self._relay(_ALL))
            self.check()
            self._rest()
        self.bench.run(self._bury())

    def _rest(self) -> None:
        """Everything is out, once and in order, and every record has its answer."""
        left = self.bench.run(self.bench.connection.fetchval("select count(*) from outbox"))
        assert left == 0, f"{left} rows are left in the outbox"
        queues = in_queues(self.bench.run(self.outlet.read_back()))
        committed = in_queues(self.outlet.rows)
        assert queues == committed, f"read {queues} where {committed} was committed"
        for session_id, session in self.expected.world.sessions.items():
            events: list[Any] = queues["session-events", session_id.encode()]
            numbers = [number for _, number, *_ in events]
            assert numbers == list(range(1, session.version + 1)), numbers
        kept = {one.sent for one in self.expected.letters if one.status == "open"}
        to_answer = Counter(
            sent.meaning.command_id
            for sent in self.logs.readable()
            if sent.offset < self.position(sent.place) and sent not in kept
        )
        replies: list[Any] = [
            one for (topic, _), queue in queues.items() if topic == "replies" for one in queue
        ]
        answered = Counter(reply["command_id"] for reply in replies)
        assert answered == to_answer, f"{answered} instead of {to_answer}"
        self.seen.update(reply.get("code", "accepted") for reply in replies)

    async def _relay(self, times: int) -> None:
        if self.leader is None:
            async with AsyncExitStack() as stack:
                relay = await open_relay(stack, self.bench.engine, self.outlet.kafka, 0, _SETTINGS)
                self.leader = (stack.pop_all(), relay)
        _, relay = self.leader
        for _ in range(times):
            if not await relay.relay_once():
                return

    async def _bury(self) -> None:
        """Throw the relay away as it is."""
        if self.leader is not None:
            stack, _ = self.leader
            self.leader = None
            await stack.aclose()
