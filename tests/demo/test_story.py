"""The log's incidents become session commands that any sender could have sent."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import cache
from importlib.resources import as_file
from itertools import pairwise
from typing import Any
from uuid import UUID

from aiokafka import ConsumerRecord

from consumers.decode import decode
from consumers.records import Delivery, Source
from firstline.demo.catalogue import catalogue, catalogue_file
from firstline.demo.log import Incident, incidents, read_log
from firstline.demo.story import Sent, story, with_resends
from firstline.load import read_file

STARTS = {"start_flow", "start_proposal", "start_adhoc", "escalate_without_walk"}
ENDS = {"resolve", "escalate", "escalate_without_walk"}

MOVES = {"claim_escalation", "hand_back"}

Told = tuple[Sent, dict[str, Any]]


def test_445_incidents_are_about_2100_commands_that_are_to_be_accepted() -> None:
    expected = Counter(sent.expected for sent in told_story())

    assert len(told_sessions()) == 445
    assert 2100 <= expected["accepted"] <= 2150
    refused = {"forbidden", "stale_version", "stale_node"}
    assert all(0 < expected[code] < 20 for code in refused)
    assert set(expected) == {"accepted", *refused}


def test_one_escalation_is_handed_back_and_resolved_in_the_linked_session() -> None:
    handed_back = [one for one in told_commands() if one[1]["type"] in MOVES]
    assert [command["type"] for _, command in handed_back] == ["claim_escalation", "hand_back"]
    sent, command = handed_back[1]
    linked = [one for one in told_commands() if one[1]["session_id"] == command["new_session_id"]]
    assert [one["type"] for _, one in linked] == ["update_notes", "resolve"]
    assert {one.after for one, _ in linked} == {sent.command_id}


def test_every_session_starts_once_and_first_and_ends_once_and_last() -> None:
    for session in told_sessions():
        types = [command["type"] for sent, command in session if sent.expected == "accepted"]
        assert [type_ for type_ in types if type_ in STARTS] == types[:1]
        assert [type_ for type_ in types if type_ in ENDS] == types[-1:]


def test_no_command_of_first_line_follows_the_outcome() -> None:
    for session in told_sessions():
        last, command = session[-1]
        assert last.expected == "accepted"
        assert command["type"] in ENDS


def test_sessions_keep_the_order_of_the_log() -> None:
    times = [sent.at for sent in told_story()]
    assert times == sorted(times)
    for session in told_sessions():
        numbers = [int(command["correlation"].partition("/")[2]) for _, command in session]
        assert numbers == list(range(1, len(session) + 1))


def test_a_session_has_one_ticket_one_key_and_one_source() -> None:
    for session in told_sessions():
        assert len({(sent.source, sent.key) for sent, _ in session}) == 1
        assert session[0][1]["ticket_kind"] == "psa"
    tickets = [session[0][1]["ticket_id"] for session in told_sessions()]
    assert sorted(tickets) == sorted({incident.number for incident in told_incidents()})


def test_the_outcome_is_the_one_of_the_log() -> None:
    handed_over = {incident.number: incident.handed_over for incident in told_incidents()}
    for session in told_sessions():
        escalated = session[-1][1]["type"] != "resolve"
        assert escalated == handed_over[session[0][1]["ticket_id"]]


def test_helpful_means_not_reopened_and_is_unknown_where_the_log_begins_resolved() -> None:
    answers = Counter(
        command["helpful"] for _, command in told_commands() if command["type"] == "resolve"
    )
    begin_resolved = sum(incident.before[0] is incident.outcome for incident in told_incidents())

    assert answers[None] == begin_resolved == 16
    assert answers[False] > 0
    assert answers[True] > answers[False]


def test_every_walk_goes_along_the_edges_of_its_flow_to_an_end_of_its_outcome() -> None:
    targets = {entry["id"]: entry for entry in catalogue()["flows"] + catalogue()["flow_proposals"]}
    walked = 0
    for session in told_sessions():
        start = session[0][1]
        target = targets.get(start.get("flow_id", start.get("flow_proposal_id")))
        if target is None:
            continue
        at = target["start"]
        for sent, command in session:
            if command["type"] == "record_step" and sent.expected == "accepted":
                assert command["node_id"] == at
                at = answer(target["nodes"][at], command)
                walked += 1
        assert target["nodes"][at]["type"] == session[-1][1]["type"]
    assert walked > 900


def test_a_step_ahead_is_refused() -> None:
    for session in told_sessions():
        for (sent, command), (_, following) in pairwise(session):
            if sent.expected == "stale_node":
                assert command["node_id"] != following["node_id"]


def test_a_refused_step_is_one_that_was_taken_already_and_says_for_which_version() -> None:
    for session in told_sessions():
        for (_, before), (sent, command) in pairwise(session):
            if sent.expected == "stale_version":
                assert command["expected_version"] == 1
                own = {"node_id", "answer", "option_id", "expected_version"}
                assert {k: before.get(k) for k in own} == {k: command.get(k) for k in own}
                assert before["command_id"] != command["command_id"]


def test_only_people_who_walk_are_to_be_accepted() -> None:
    users = {user["id"]: user for user in catalogue()["users"]}
    for sent, command in told_commands():
        user = users[command["actor_id"]]
        if command["type"] in MOVES:
            assert user["role"] == "engineer"
            continue
        walks = user["role"] == "l1_tech" or user.get("l1_coverage", False)
        assert walks == (sent.expected != "forbidden")
        assert user.get("deleted_at") is None


def test_every_value_is_one_json_object_within_the_limits() -> None:
    for sent, command in told_commands():
        assert len(sent.value) < 524_288
        assert command["command_id"] == sent.command_id == str(UUID(sent.command_id))
        assert command["session_id"].encode() == sent.key
        assert len(command.get("ticket_id", "x")) in range(1, 65)
        assert len(command.get("reason_category", "x")) in range(1, 31)
        assert len(command.get("answer", "x")) in range(1, 4001)
        assert len(command.get("correlation", "")) <= 128
        assert all(command.get(text) != "" for text in ("reason", "node_id", "flow_id"))
        assert all(isinstance(note, dict) for note in command.get("notes", []))


def test_the_catalogue_is_one_that_can_be_loaded() -> None:
    with as_file(catalogue_file()) as file:
        loaded = read_file(file)

    assert len(loaded.flows) == 5
    assert len(loaded.flow_proposals) == 1


def test_every_value_is_read_as_a_command() -> None:
    for place, sent in enumerate(told_story()):
        topic = f"firstline.commands.{sent.source}"
        record = ConsumerRecord(topic, 0, place, 0, 0, sent.key, sent.value, None, 0, 0, ())
        assert isinstance(decode(record, Source(sent.source)), Delivery)


def test_the_same_log_makes_the_same_bytes() -> None:
    assert story(incidents(read_log())) == story(incidents(read_log()))


def test_repetitions_are_sessions_on_tickets_of_their_own() -> None:
    thrice = story(told_incidents()[:40], repeat=3)

    ids = [sent.command_id for sent in thrice]
    starts = [json.loads(sent.value) for sent in thrice if b'"ticket_id"' in sent.value]
    assert len(thrice) == 3 * len(story(told_incidents()[:40]))
    assert len(ids) == len(set(ids))
    assert len({start["session_id"] for start in starts}) == 120
    assert len({start["ticket_id"] for start in starts}) == 120


def test_each_tenth_command_is_sent_twice_byte_for_byte() -> None:
    told = told_story()
    sent = with_resends(told)

    counts = Counter(sent)
    assert {record for record, count in counts.items() if count == 2} == set(told[9::10])
    assert sum(counts.values()) == len(told) + len(told) // 10
    assert max(counts.values()) == 2
    firsts = list(dict.fromkeys(sent))
    assert firsts == told


def answer(node: dict[str, Any], command: dict[str, Any]) -> str:
    """Check the answer against the node and return where it leads."""
    if node["type"] == "action":
        assert "option_id" not in command
        return str(node["next"])
    assert node["type"] == "question"
    (option,) = (one for one in node["options"] if one["id"] == command["option_id"])
    assert command["answer"] == option["label"]
    return str(option["next"])


@cache
def told_incidents() -> list[Incident]:
    return incidents(read_log())


@cache
def told_story() -> list[Sent]:
    return story(told_incidents())


def told_commands() -> Iterator[Told]:
    for sent in told_story():
        yield sent, json.loads(sent.value)


def told_sessions() -> list[list[Told]]:
    """What first line does, session by session, but for what comes of handing back."""
    sessions: defaultdict[bytes, list[Told]] = defaultdict(list)
    for sent, command in told_commands():
        if command["type"] in MOVES or sent.after is not None:
            continue
        sessions[sent.key].append((sent, command))
    return list(sessions.values())
