"""Two workers at once, one of them about to commit: it comes to what one after the other would."""

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from domain.commands import Command
from domain.decisions import Code
from tests.builders import ACME, abandon, an_id, record_step, start_adhoc, start_flow
from tests.model.bench import Bench
from tests.model.drafts import SESSIONS
from tests.model.machine import Machine
from tests.model.outlets import Recorder
from tests.model.poison import RAISES
from tests.model.wire import CHAT, PSA, Sent, value_of
from tests.model.world import FLOW, PSA_TICKETS, TECH

ONE, OTHER = SESSIONS[ACME][:2]
TICKET = PSA_TICKETS[0]


@pytest.fixture
def machine(bench: Bench, recorder: Recorder) -> Machine:
    return Machine(bench, recorder, Counter())


def test_a_command_sent_on_two_topics_takes_effect_once(machine: Machine) -> None:
    start = start_adhoc(session_id=ONE, ticket=TICKET)
    assert race(machine, start, start) == {"accepted", "duplicate"}


def test_of_two_starts_of_a_session_one_comes_too_late(machine: Machine) -> None:
    one = start_adhoc(session_id=ONE, ticket=TICKET)
    other = start_flow(session_id=ONE, ticket=PSA_TICKETS[1], flow_id=FLOW, command_id=an_id(2))
    assert race(machine, one, other) == {"accepted", Code.SESSION_EXISTS}


def test_of_two_starts_on_a_ticket_one_comes_too_late(machine: Machine) -> None:
    one = start_adhoc(session_id=ONE, ticket=TICKET)
    other = start_adhoc(session_id=OTHER, ticket=TICKET, command_id=an_id(2))
    assert race(machine, one, other) == {"accepted", Code.TICKET_HAS_ACTIVE_SESSION}


def test_no_step_is_lost(machine: Machine) -> None:
    tell(machine, start_flow(session_id=ONE, ticket=TICKET, flow_id=FLOW, command_id=an_id(9)))
    one = record_step(session_id=ONE, option_id="y")
    other = record_step(session_id=ONE, option_id="n", command_id=an_id(2))
    assert race(machine, one, other) == {"accepted"}
    assert len(machine.expected.world.walks[ONE]) == 2


def test_a_step_comes_before_the_end_or_not_at_all(machine: Machine) -> None:
    tell(machine, start_flow(session_id=ONE, ticket=TICKET, flow_id=FLOW, command_id=an_id(9)))
    one = abandon(session_id=ONE)
    other = record_step(session_id=ONE, command_id=an_id(2))
    assert race(machine, one, other) == {"accepted", Code.NOT_ACTIVE}


def test_a_record_that_two_workers_have_is_applied_by_one(machine: Machine) -> None:
    sent = send(machine, start_adhoc(session_id=ONE, ticket=TICKET), CHAT)
    machine.race_of(sent, sent)
    assert answers(machine) == ["accepted"]


def test_a_poison_command_whose_id_is_taken_meanwhile_is_a_reused_id(machine: Machine) -> None:
    good = start_adhoc(session_id=ONE, ticket=TICKET)
    poison = start_adhoc(session_id=OTHER, ticket=TICKET, correlation=RAISES)
    assert race(machine, good, poison) == {"accepted", Code.COMMAND_ID_REUSED}


def test_its_sender_is_shown_the_session_as_ever(machine: Machine) -> None:
    tell(machine, start_flow(session_id=ONE, ticket=TICKET, flow_id=FLOW, command_id=an_id(9)))
    good = start_adhoc(session_id=OTHER, ticket=PSA_TICKETS[1])
    poison = record_step(session_id=ONE, correlation=RAISES)
    assert race(machine, good, poison) == {"accepted", Code.COMMAND_ID_REUSED}


def race(machine: Machine, one: Command, other: Command) -> set[str]:
    """Apply both at once, the first being about to commit; return what their senders are told."""
    before = len(answers(machine))
    machine.race_of(send(machine, one, CHAT), send(machine, other, PSA))
    return set(answers(machine)[before:])


def tell(machine: Machine, command: Command) -> None:
    """Apply a command by itself."""
    sent = send(machine, command, CHAT)
    machine.race_of(sent, sent)


def send(machine: Machine, command: Command, topic: str) -> Sent:
    """Write a command of somebody who may act."""
    command = replace(command, actor_id=TECH)
    key = command.session_id.encode()
    return machine.logs.append(Sent("", 0, 0, key, value_of(command), command), topic, gap=0)


def answers(machine: Machine) -> list[str]:
    """What senders were told so far: a code, or that a command was accepted, or had been before."""
    machine.check()
    replies: list[Any] = [
        reply
        for (topic, _), queue in machine.expected.messages.items()
        if topic == "replies"
        for reply in queue
    ]
    return [
        "duplicate" if reply["duplicate"] else reply.get("code", "accepted") for reply in replies
    ]
