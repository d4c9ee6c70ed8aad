"""What a fault did: counted from what can be seen outside, a line a fault."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from tests.outside.checker import World, check
from tests.outside.desk import Day

_EVENT_TOPICS = ("session-events", "ticketing", "engineer-notifications")
_KINDS = ("lost", "repeated", "misordered", "otherwise")


@dataclass(frozen=True, slots=True)
class Harm:
    """How much is wrong in a world.

    ``lost`` and ``repeated`` count answers and events; ``misordered`` events out of their order,
    and commands applied in another order than they were sent in. ``otherwise`` counts what else
    the checker complains of.
    """

    lost: int = 0
    repeated: int = 0
    misordered: int = 0
    otherwise: int = 0

    def since(self, before: "Harm") -> "Harm":
        """What was done since then; what has healed does not make up for it."""
        return Harm(*(max(getattr(self, name) - getattr(before, name), 0) for name in _KINDS))

    def __bool__(self) -> bool:
        return self != Harm()


@dataclass(frozen=True, slots=True)
class Line:
    """What became of one fault."""

    name: str
    times: int
    sent: int
    harm: Harm
    recovered_after: float
    why: str = ""

    def __str__(self) -> str:
        counts = (self.times, self.sent, *(getattr(self.harm, name) for name in _KINDS))
        told = "".join(f"{count:>11,}" for count in counts)
        return f"{self.name:<46}{told}{self.recovered_after:>11.1f}"


HEADING = (
    f"{'fault':<46}{''.join(f'{one:>11}' for one in ('times', 'sent', *_KINDS))}{'seconds':>11}"
)


def totals(lines: Sequence[Line]) -> Line:
    """All faults as one: everything added up, the longest recovery."""
    return Line(
        f"{len(lines)} faults",
        sum(line.times for line in lines),
        sum(line.sent for line in lines),
        Harm(*(sum(getattr(line.harm, name) for line in lines) for name in _KINDS)),
        max((line.recovered_after for line in lines), default=0.0),
    )


def harm(world: World, days: Iterable[Day] = ()) -> tuple[Harm, list[str]]:
    """Count what is wrong in a world at rest, and say it."""
    violations = check(world)
    asked = Counter((one["command_id"], one["session_id"]) for _, one in world.commands)
    answered = Counter(
        (reply["command_id"], reply["session_id"])
        for replies in world.replies.values()
        for reply in replies
    )
    repeated_events = sum(
        times - 1
        for topic in _EVENT_TOPICS
        for times in Counter(event["id"] for event in world.messages(topic)).values()
    )
    lost_events = misordered_events = 0
    for events in world.sessions.values():
        numbers = list(dict.fromkeys(int(event["sequence"]) for event in events))
        lost_events += max(numbers) - len(numbers)
        misordered_events += _inversions(numbers)
    misordered_commands = list(_misordered_commands(world, days))
    counted = Harm(
        lost=(asked - answered).total() + lost_events,
        repeated=(answered - asked).total() + repeated_events,
        misordered=misordered_events + len(misordered_commands),
    )
    said = [*violations, *misordered_commands]
    return (counted or Harm(otherwise=len(said))), said


def _inversions(numbers: Sequence[int]) -> int:
    return sum(one > two for one, two in pairwise(numbers))


def _misordered_commands(world: World, days: Iterable[Day]) -> Iterable[str]:
    """Sessions in which nothing was wrong, and whose commands were not all accepted in order."""
    for day in days:
        for session, commands in day.smooth.items():
            told = [world.first_replies[one] for one in commands if one in world.first_replies]
            versions = [reply.get("version", 0) for reply in told]
            refused = any(reply["outcome"] != "accepted" for reply in told)
            if refused or versions != sorted(set(versions)):
                yield f"session {session}: its commands were answered with versions {versions}"
