"""Senders that repeat themselves, and workers that die, come back and get in each other's way."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from itertools import permutations

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from consumers.apply import Applied, apply_batch
from consumers.isolate import Applier, TryLater
from domain.decisions import Code
from storage.positions import PositionBehind
from tests.model.bench import AnswerLost, Fuse, Killed
from tests.model.drafts import commands
from tests.model.expected import Expected
from tests.model.logs import PLACES, SOURCES, Delivered
from tests.model.poison import RAISES, UNSTORABLE
from tests.model.stage import Stage, differences, fuses
from tests.model.tables import read_positions
from tests.model.wire import PARTITIONS, Sent, value_of
from tests.model.world import LIMITS

_KINDS = [*["new"] * 12, "again", "again", "reused", RAISES, UNSTORABLE, "unreadable", "misplaced"]
_TOPICS = [*SOURCES]


class Deliveries(Stage):
    """The rules of what comes in."""

    @rule(data=st.data(), fuse=fuses)
    def deliver(self, data: st.DataObject, fuse: Fuse | None) -> None:
        """Send some commands, and deliver what waits in some of the partitions."""
        self._deliver(data, fuse, directly=False)

    @rule(data=st.data(), fuse=fuses)
    def deliver_at_once_or_not_at_all(self, data: st.DataObject, fuse: Fuse | None) -> None:
        """The same in one transaction, which fails where any command is poison."""
        self._deliver(data, fuse, directly=True)

    @precondition(lambda self: self.expected.positions)
    @rule(data=st.data(), directly=st.booleans())
    def redeliver(self, data: st.DataObject, directly: bool) -> None:  # noqa: FBT001
        """Deliver earlier stretches again, with or without something new at their ends."""
        spans = {}
        applied = st.sampled_from(sorted(self.expected.positions))
        for place in data.draw(st.lists(applied, min_size=1, unique=True), label="partitions"):
            start = data.draw(st.integers(0, self.position(place) - 1), label="from")
            ends = [sent.offset + 1 for sent in self.logs.since(place, start)]
            spans[place] = range(start, data.draw(st.sampled_from(ends), label="to"))
        nothing_new = all(span.stop <= self.position(place) for place, span in spans.items())
        before = self.look()
        self._apply(self.stretch(data, spans), None, directly=directly)
        if nothing_new:
            assert self.look() == before, "something changed"
            self.seen["redelivered"] += 1

    @precondition(lambda self: self.waiting())
    @rule(data=st.data())
    def race(self, data: st.DataObject) -> None:
        """Two workers apply a record each, or both the same one, while the first would commit."""
        self._send(data)
        first = [self.logs.since(place, self.position(place))[0] for place in self.waiting()]
        two = data.draw(st.lists(st.sampled_from(first), min_size=2, max_size=2), label="two")
        self.race_of(*two)

    @precondition(lambda self: self.waiting())
    @rule(data=st.data())
    def skip(self, data: st.DataObject) -> None:
        """Read on from past the position, as where the database was restored."""
        place = data.draw(st.sampled_from(self.waiting()), label="partition")
        span = range(self.position(place) + 1, self.logs.end(place))
        before = self.look()
        failed = self._attempt(self.stretch(data, {place: span}), self.tick(), directly=False)
        assert isinstance(failed, PositionBehind), repr(failed)
        assert self.look() == before, "something changed"
        self.seen["position behind"] += 1

    def race_of(self, one: Sent, other: Sent) -> None:
        """Apply both at once; it has to come to what one after the other comes to."""
        now = self.tick()
        applier = Applier(self.bench.engine, LIMITS)
        racing = (applier.apply(self._alone(sent).batch(), now) for sent in (one, other))
        for outcome in self.bench.run(self.bench.at_once(*racing)):
            assert isinstance(outcome, Applied), repr(outcome)
        applied = self._applied((one, other))
        possible = [self.after(order, now) for order in permutations(applied)]
        possible += [in_another_order(one) for one in possible]
        wrong = [differences(expected, *self.look()) for expected in possible]
        assert [] in wrong, wrong
        self.expected = possible[wrong.index([])]
        self.seen["race"] += 1

    def _deliver(self, data: st.DataObject, fuse: Fuse | None, *, directly: bool) -> None:
        for _ in range(data.draw(st.integers(1, 6), label="records")):
            self._send(data)
        held = data.draw(st.sets(st.sampled_from(PLACES), max_size=1), label="held back")
        spans = {
            place: range(self.position(place), self.logs.end(place))
            for place in self.waiting()
            if place not in held
        }
        self._apply(self.stretch(data, spans), fuse, directly=directly)

    def _send(self, data: st.DataObject) -> None:
        """Write a record: a new command, an earlier one again, or something wrong."""
        earlier = self.logs.readable()
        what = data.draw(st.sampled_from(_KINDS), label="what")
        if what == "again" and earlier:
            self._append(data, data.draw(st.sampled_from(earlier), label="which"))
            return
        command = data.draw(commands(self.imagined), label="command")
        command = replace(command, command_id=self.logs.new_id())
        self.imagined.apply(command, self.now)
        if what == "reused" and earlier:
            reused = data.draw(st.sampled_from(earlier), label="whose id")
            command = replace(command, command_id=reused.meaning.command_id)
        if what in {RAISES, UNSTORABLE}:
            command = replace(command, correlation=what)
        sent = Sent("", 0, 0, command.session_id.encode(), value_of(command), command)
        if what == "unreadable":
            sent = replace(sent, value=sent.value[:-1], meant=None)
        elif what == "misplaced":
            sent = replace(sent, key=b"elsewhere")
        self._append(data, sent)

    def _append(self, data: st.DataObject, sent: Sent) -> None:
        """Write the record, mostly to the one topic that is used for its session."""
        usual = _TOPICS[sent.key[-1] // PARTITIONS % len(_TOPICS)]
        topic = data.draw(st.sampled_from([*[usual] * 6, *_TOPICS]), label="topic")
        self.logs.append(sent, topic, data.draw(st.sampled_from([0, 0, 0, 2]), label="gap"))

    def _apply(self, delivered: Delivered, fuse: Fuse | None, *, directly: bool) -> None:
        """Apply a batch, unless the fuse or a poison command is first; expect what was applied."""
        now = self.tick()
        letters = self.after(delivered.records, now).letters[len(self.expected.letters) :]
        self.bench.at_commit = fuse
        failed = self._attempt(delivered, now, directly=directly)
        self.bench.at_commit = None
        self.expected = self.after(self._applied(delivered.records), now)
        if directly and any(letter.reason == "poison" for letter in letters):
            assert isinstance(failed, Exception), repr(failed)
            self.seen["a batch failed as a whole"] += 1
        elif fuse is not None and fuse.burnt:
            assert isinstance(failed, (Killed, AnswerLost, TryLater)), repr(failed)
            self.seen[f"commit {fuse.death.name}"] += 1
        else:
            assert failed is None, repr(failed)
            for place, span in delivered.spans.items():
                assert self.position(place) >= span.stop, f"{place} was not applied to {span.stop}"

    def _attempt(
        self, delivered: Delivered, now: datetime, *, directly: bool
    ) -> BaseException | None:
        engine, batch = self.bench.engine, delivered.batch()
        applier = Applier(engine, LIMITS)
        try:
            if directly:
                self.bench.run(apply_batch(engine, batch, now, LIMITS))
            else:
                self.bench.run(applier.apply(batch, now))
        except (Exception, Killed) as failed:  # noqa: BLE001 - looked at by the caller
            return failed
        return None

    def _alone(self, sent: Sent) -> Delivered:
        return Delivered([sent], {sent.place: range(self.position(sent.place), sent.offset + 1)})

    def _applied(self, records: Iterable[Sent]) -> list[Sent]:
        """Those of the records that are below their partition's position in the database."""
        at = self.bench.run(read_positions(self.bench.connection))
        return [sent for sent in records if sent.offset < at.get(sent.place, 0)]


def in_another_order(expected: Expected) -> Expected:
    """The same with the last replies exchanged of which one could lock no session.

    Nothing tells when it is given: there is a row to lock only once a session is there.
    """
    other = expected.copy()
    for (topic, _), said in other.messages.items():
        if topic == "replies" and any(_knows_no_session(reply) for reply in said[-2:]):
            said[-2:] = reversed(said[-2:])
    return other


def _knows_no_session(reply: object) -> bool:
    return isinstance(reply, dict) and reply.get("code") == Code.UNKNOWN_SESSION
