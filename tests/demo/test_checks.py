"""The demo notices what went wrong: one message lost, doubled, swapped, or a sentence changed."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from firstline.demo.checks import violations
from firstline.demo.readback import Left
from firstline.demo.replay import Answer, Wait, waits
from firstline.demo.report import percentile
from firstline.demo.story import Sent

Change = Callable[[Left], object]


def test_finds_nothing_where_all_is_well() -> None:
    assert violations(SENT, left()) == []


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda left: left.replies.pop(0), "Records that got no reply: 1 (start)."),
        (lambda left: left.replies.append(reply("start")), "Replies to nothing that was sent"),
        (lambda left: left.replies.append(reply("else")), "Replies to nothing that was sent"),
        (lambda left: left.replies[1].update(duplicate=False), "Commands answered as new more"),
        (lambda left: left.replies[0].update(duplicate=True), "or only as duplicates: 1"),
        (lambda left: left.replies[0].update(code="stale_node"), "Replies other than the story"),
        (lambda left: left.replies[2].pop("code"), "Replies other than the story expects"),
        (lambda left: told(left).pop(0), "Sessions whose events are not numbered"),
        (lambda left: told(left).reverse(), "Sessions whose events are not numbered"),
        (lambda left: told(left).pop(), "Accepted commands without an effect: 1 (end)."),
        (lambda left: told(left).append(told(left)[-1]), "Event ids used more than once"),
        (lambda left: told(left).append(event("end", "resolved", 3)), "that took effect twice"),
        (lambda left: told(left).append(event("no", "resolved", 3)), "Effects without an accepted"),
        (lambda left: told(left, "ticketing").clear(), "Outcomes missing on ticketing: 1 (end)."),
        (lambda left: told(left, "ticketing").append(event("end", "close", 2)), "told more than"),
        (lambda left: told(left, NOTICES).append(event("end", "x", 2)), "without an outcome on"),
        (lambda left: left.sessions.clear(), "Kafka and Postgres disagree about the sessions"),
        (lambda left: left.dead_letters.append("x"), "Records that became dead letters: 1"),
    ],
)
def test_notices(change: Change, sentence: str) -> None:
    broken = left()
    change(broken)

    assert sentence in " ".join(violations(SENT, broken))


def test_handing_back_has_an_effect_in_two_sessions_and_nothing_else_has() -> None:
    here = event("end", "handed_back", 2) | {"type": "firstline.escalation.handed_back.v1"}
    there = event("end", "started", 1) | {"subject": "t", "id": "there"}
    back = left()
    told(back)[1:] = [here, there]
    told(back, "ticketing")[:] = [here]
    told(back, NOTICES).append(here)
    back.sessions.clear()
    back.sessions.update({("adhoc", "active"): 2})
    assert violations(SENT, back) == []

    told(back)[1] = here | {"type": "firstline.session.abandoned.v1"}
    assert "took effect twice: 1 (end)" in " ".join(violations(SENT, back))


def test_the_first_record_of_a_command_is_paired_with_its_first_answer() -> None:
    answers = [Answer({"command_id": name}, seen) for name, seen in (("a", 5), ("b", 6), ("a", 9))]

    paired = waits([("a", 1), ("b", 2), ("a", 3)], answers)

    assert paired == [Wait(1, 4), Wait(2, 4), Wait(3, 6)]


def test_percentiles_are_values_that_were_measured() -> None:
    values = [float(value) for value in range(100, 0, -1)]

    assert [percentile(values, share) for share in (0.5, 0.99, 1)] == [50, 99, 100]
    assert percentile([7.0], 0.5) == percentile([7.0], 0.99) == 7


NOTICES = "engineer-notifications"


def sent(command_id: str, expected: str = "accepted") -> Sent:
    return Sent("chat", b"s", b"{}", datetime(2016, 3, 1, tzinfo=UTC), command_id, expected)


SENT = [sent("start"), sent("start"), sent("mean", "forbidden"), sent("end")]


def reply(command_id: str, **different: object) -> dict[str, Any]:
    common = {"command_id": command_id, "correlation": command_id, "outcome": "accepted"}
    return {**common, "duplicate": False, **different}


def event(causation_id: str, type_: str, sequence: int) -> dict[str, Any]:
    return {
        "id": f"{causation_id}-{type_}-{sequence}",
        "type": f"firstline.session.{type_}.v1",
        "subject": "s",
        "sequence": f"{sequence:010}",
        "causationid": causation_id,
        "data": {"session_kind": "adhoc"},
    }


def left() -> Left:
    return Left(
        events={
            "session-events": [event("start", "started", 1), event("end", "resolved", 2)],
            "ticketing": [event("end", "resolved", 2)],
            NOTICES: [],
        },
        replies=[
            reply("start"),
            reply("start", duplicate=True),
            reply("mean", outcome="rejected", code="forbidden"),
            reply("end"),
        ],
        sessions=Counter({("adhoc", "resolved"): 1}),
    )


def told(left: Left, topic: str = "session-events") -> list[dict[str, Any]]:
    return left.events[topic]
