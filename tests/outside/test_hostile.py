"""Records that nobody should send: each is one dead letter or one answer, and stops nothing.

Each lies first, in the middle, last, and fills a batch by itself.
"""

import hashlib

import pytest
from confluent_kafka import Producer

from .client import Client, Sent, original_place
from .commands import command, encode, new_id, script
from .look import violations
from .program import PARTITIONS, Installation
from .wire import MAX_DEPTH, MAX_VALUE, Headers, Json, partition_of

KEPT_HEADERS = 16 * 1024
CANARY = "canary7Q2x"

GOOD = encode(command("start_adhoc"))
OPEN = GOOD[:-1]
ID = new_id()


def with_id(name: str, text: str) -> bytes:
    """Return a command with this instead of one of its ids."""
    return encode(command("start_adhoc") | {name: text})


def nested(depth: int) -> bytes:
    """Return a command whose whole value nests so deep; the value itself counts as 1."""
    return OPEN + b',"deep":' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"


def filled(size: int, sent: Json) -> bytes:
    """Return a command of just so many bytes."""
    start = encode(sent)[:-1] + b',"fill":"'
    return start + b"x" * (size - len(start) - 2) + b'"}'


UNREADABLE: dict[str, bytes | None] = {
    "a tombstone": None,
    "an empty value": b"",
    "blanks": b" \n",
    "a NUL": b"\x00",
    "no JSON": b"start_adhoc please",
    "an empty object": b"{}",
    "an array": b"[" + GOOD + b"]",
    "a string": b'"' + ID.encode() + b'"',
    "a number": b"7",
    "null": b"null",
    "a cut value": GOOD[:-7],
    "trailing bytes": GOOD + b"x",
    "a trailing NUL": GOOD + b"\x00",
    "two objects": GOOD + GOOD,
    "a trailing comma": OPEN + b",}",
    "a comment": OPEN + b"/* */}",
    "single quotes": GOOD.replace(b'"', b"'"),
    "a byte order mark": b"\xef\xbb\xbf" + GOOD,
    "UTF-16": GOOD.decode().encode("utf-16"),
    "UTF-32": GOOD.decode().encode("utf-32-be"),
    "Latin-1": OPEN + b',"a":"caf\xe9"}',
    "a surrogate in UTF-8": OPEN + b',"a":"\xed\xa0\x80"}',
    "an overlong slash": OPEN + b',"a":"\xc0\xaf"}',
    "beyond Unicode": OPEN + b',"a":"\xf5\x80\x80\x80"}',
    "a raw NUL in a string": OPEN + b',"a":"\x00"}',
    "a raw line break in a string": OPEN + b',"a":"\n"}',
    "a bad escape": OPEN + b',"a":"\\x41"}',
    "half an escape": OPEN + b',"a":"\\u00"}',
    "NaN": OPEN + b',"a":NaN}',
    "Infinity": OPEN + b',"a":Infinity}',
    "-Infinity": OPEN + b',"a":[-Infinity]}',
    "a leading zero": OPEN + b',"a":01}',
    "a plus": OPEN + b',"a":+1}',
    "no digit before the point": OPEN + b',"a":.5}',
    "no digit after the point": OPEN + b',"a":1.}',
    "a hexadecimal number": OPEN + b',"a":0x1F}',
    "True": OPEN + b',"a":True}',
    "depth 65": nested(MAX_DEPTH + 1),
    "depth 2,000": nested(2_000),
    "depth 100,000": nested(100_000),
    "depth without end": b"[" * 200_000,
    "objects without end": b'{"a":' * 50_000,
    "just the limit, and no JSON": b"x" * MAX_VALUE,
    "a command id that is last and wrong": OPEN + b',"command_id":7}',
    "a session id that is last and wrong": OPEN + b',"session_id":null}',
    "a surrogate in an id": OPEN + b',"session_id":"\\ud800"}',
    **{
        f"{name} {how}": with_id(name, text)
        for name in ("command_id", "session_id")
        for how, text in {
            "empty": "",
            "in upper case": "ABCDEFAB-CDEF-4ABC-8DEF-ABCDEFABCDEF",
            "in braces": f"{{{ID}}}",
            "as a URN": f"urn:uuid:{ID}",
            "without dashes": ID.replace("-", ""),
            "with 0x": f"0x{ID[2:]}",
            "in Arabic-Indic digits": "\u0661" * 8 + ID[8:],
            "with a line break": f"{ID}\n",
            "with a NUL": f"{ID}\u0000",
            "with other dashes": ID.replace("-", "\u2010"),
        }.items()
    },
}

ODD_HEADERS: dict[str, Headers] = {
    "null": [("a", None)],
    "empty": [("", b""), ("", None)],
    "not UTF-8": [("content-type", b"\xff\xfe"), ("correlation_id", b"\x80")],
    "a content type that lies": [("content-type", b"application/avro; charset=utf-16")],
    "an encoding that lies": [("content-encoding", b"gzip")],
    "names that frameworks use": [
        ("reply_to", b"replies"),
        ("message_id", b"\x00"),
        ("correlation_id", b"x" * 5000),
        ("traceparent", b"00-zz"),
    ],
    "doubled": [("a", b"1"), ("a", b"2"), ("content-type", b"text/plain"), ("content-type", b"")],
    "reserved": [("ce_type", b"x"), ("ce_id", b""), ("fl_reason", b"poison"), ("orig_fl_x", b"")],
    "ten thousand": [(f"h{n}", b"v" * 8) for n in range(10_000)],
    "large": [("big", b"x" * 200_000)],
}


def in_one_partition(client: Client, values: list[bytes | None], headers: Headers = ()) -> None:
    """Send hostile values first, in between, last and by themselves around a good session."""
    session = new_id()
    key = session.encode()
    partition = partition_of(key, PARTITIONS)

    def send_hostile() -> list[Sent]:
        return [
            client.send(value, key=key, partition=partition, headers=headers) for value in values
        ]

    start, step, another, end = script(
        session, ("start_flow", {}), ("record_step", {}), ("record_step", {}), ("resolve", {})
    )
    hostile = send_hostile() + send_hostile()
    wait_for_letters(client, hostile)
    hostile = send_hostile()
    client.send(start)
    hostile += send_hostile()
    client.send(step)
    client.send(another)
    hostile += send_hostile() + send_hostile()
    client.send(end)
    hostile += send_hostile()
    replies = client.answers(start, step, another, end)
    assert [reply["outcome"] for reply in replies] == ["accepted"] * 4
    assert [reply["version"] for reply in replies] == [1, 2, 3, 4]
    wait_for_letters(client, hostile)


def wait_for_letters(client: Client, sent: list[Sent]) -> None:
    """Wait until each of these records is a dead letter."""
    client.flush()
    places = {record.place for record in sent}
    found = client.wait_for("dead-letters", lambda r: original_place(r) in places, len(places))
    assert len(found) == len(places)


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_cannot_be_read_is_a_dead_letter_and_stops_nothing(
    own_client: Client, name: str
) -> None:
    in_one_partition(own_client, [UNREADABLE[name]])


def test_all_that_cannot_be_read_can_come_at_once(own_client: Client) -> None:
    in_one_partition(own_client, list(UNREADABLE.values()))


def test_a_dead_letter_is_the_original_and_says_where_it_lay(
    own_client: Client, own_installation: Installation
) -> None:
    value = f'{{"answer": "{CANARY}"'.encode()
    headers: Headers = [("a", b"1"), ("b", None), ("a", b"\xff\x00"), ("", b"empty name")]
    sent = own_client.send(value, "psa", key=b"\xffkey", headers=headers)
    letter = own_client.dead_letter(sent)
    assert letter.key == b"\xffkey"
    assert letter.value == value
    assert [(k, v) for k, v in letter.headers if not k.startswith("fl_")] == headers
    assert letter.header("fl_reason") == "unreadable"
    assert letter.header("fl_detail")
    assert CANARY not in str(letter.header("fl_detail"))
    assert (letter.header("fl_topic") or "").removeprefix(own_installation.prefix) == "commands.psa"
    assert letter.header("fl_partition") == str(sent.partition)
    assert letter.header("fl_offset") == str(sent.offset)
    assert letter.header("fl_dead_letter_id")


def test_a_record_without_a_key_keeps_having_none(own_client: Client) -> None:
    for value in (None, b"", b"x"):
        letter = own_client.dead_letter(own_client.send(value, key=None))
        assert letter.key is None
        assert letter.value == value


def test_headers_named_as_ours_are_renamed(own_client: Client) -> None:
    headers: Headers = [
        ("fl_reason", b"poison"),
        ("fl_offset", b"0"),
        ("fl_", None),
        ("FL_reason", b"shout"),
        ("fl_reason", b"again"),
    ]
    letter = own_client.dead_letter(own_client.send(b"x", headers=headers))
    originals = [(k, v) for k, v in letter.headers if not k.startswith("fl_")]
    assert originals == [
        ("orig_fl_reason", b"poison"),
        ("orig_fl_offset", b"0"),
        ("orig_fl_", None),
        ("FL_reason", b"shout"),
        ("orig_fl_reason", b"again"),
    ]
    assert letter.header("fl_reason") == "unreadable"


@pytest.mark.parametrize("name", ODD_HEADERS)
def test_no_header_keeps_a_command_from_being_applied(own_client: Client, name: str) -> None:
    session = new_id()
    sent = script(session, ("start_flow", {}), ("record_step", {}), ("resolve", {}))
    for one in sent:
        own_client.send(one, headers=ODD_HEADERS[name])
    replies = own_client.answers(*sent)
    assert [reply["outcome"] for reply in replies] == ["accepted"] * 3


@pytest.mark.parametrize("name", ODD_HEADERS)
def test_no_header_keeps_a_dead_letter_from_being_written(own_client: Client, name: str) -> None:
    in_one_partition(own_client, [b"x", None], ODD_HEADERS[name])


@pytest.mark.parametrize("name", ["ten thousand", "large"])
def test_a_dead_letter_keeps_headers_up_to_16_kib(own_client: Client, name: str) -> None:
    sent = own_client.send(b"x", headers=[("first", b"1"), *ODD_HEADERS[name]])
    letter = own_client.dead_letter(sent)
    kept = [(k, v or b"") for k, v in letter.headers if not k.startswith("fl_")]
    assert kept[0] == ("first", b"1")
    assert sum(len(k.encode()) + len(v) for k, v in kept) <= KEPT_HEADERS
    if name == "ten thousand":
        assert len(kept) > 500
    assert letter.header("fl_reason") == "unreadable"


@pytest.mark.parametrize("size", [MAX_VALUE + 1, 900_000])
def test_a_value_beyond_the_limit_is_told_by_its_size_and_hash(
    own_client: Client, size: int
) -> None:
    for value in (filled(size, command("start_adhoc")), b"\xff" * size):
        sent = own_client.send(value, key=b"k", headers=[("a", b"1"), ("fl_size", b"0")])
        letter = own_client.dead_letter(sent)
        assert letter.value is None
        assert letter.key == b"k"
        assert letter.header("fl_reason") == "too_large"
        assert letter.header("fl_size") == str(size)
        assert letter.header("fl_sha256") == hashlib.sha256(value).hexdigest()
        originals = [(k, v) for k, v in letter.headers if not k.startswith("fl_")]
        assert originals == [("a", b"1"), ("orig_fl_size", b"0")]


def test_values_beyond_the_limit_stop_nothing(own_client: Client) -> None:
    in_one_partition(own_client, [b"x" * (MAX_VALUE + 1)])


@pytest.mark.parametrize("size", [MAX_VALUE - 1, MAX_VALUE])
def test_a_value_of_just_the_limit_is_a_command(own_client: Client, size: int) -> None:
    sent = command("start_adhoc")
    value = filled(size, sent)
    assert len(value) == size
    own_client.send(value, key=sent["session_id"])
    [reply] = own_client.answers(sent)
    assert reply["outcome"] == "accepted"


def test_a_value_that_nests_just_to_the_limit_is_a_command(own_client: Client) -> None:
    sent = command("start_adhoc")
    deep = nested(MAX_DEPTH).removeprefix(OPEN)
    own_client.send(encode(sent)[:-1] + deep, key=sent["session_id"])
    [reply] = own_client.answers(sent)
    assert reply["outcome"] == "accepted"


def test_brackets_in_text_do_not_nest(own_client: Client) -> None:
    sent = command("start_ai_build", problem_text='[{"' * 500 + "\\")
    [reply] = own_client.ask(sent)
    assert reply["outcome"] == "accepted"


@pytest.mark.parametrize("milliseconds", [1, 946_684_800_000, 4_102_444_800_000, 2**53])
def test_the_clock_of_a_sender_decides_nothing(own_client: Client, milliseconds: int) -> None:
    """A record that says it is from 1970 is neither deleted by retention nor late."""
    session = new_id()
    sent = script(session, ("start_flow", {}), ("record_step", {}), ("resolve", {}))
    for one in sent:
        own_client.send(one, timestamp=milliseconds)
    replies = own_client.answers(*sent)
    assert [reply["version"] for reply in replies] == [1, 2, 3]


def test_a_command_of_an_aborted_transaction_was_never_sent(
    own_client: Client, own_installation: Installation
) -> None:
    session = new_id()
    start, wrong, right, end = script(
        session, ("start_flow", {}), ("abandon", {}), ("record_step", {}), ("resolve", {})
    )
    producer = Producer(
        {
            "bootstrap.servers": own_installation.kafka_bootstrap,
            "partitioner": "murmur2_random",
            "transactional.id": f"sender-{new_id()}",
        }
    )
    producer.init_transactions(20)
    topic = f"{own_installation.prefix}commands.chat"
    own_client.ask(start)
    producer.begin_transaction()
    producer.produce(topic, encode(wrong), session)
    producer.flush(20)
    producer.abort_transaction(20)
    producer.begin_transaction()
    producer.produce(topic, encode(right), session)
    producer.commit_transaction(20)
    own_client.send(end)
    replies = own_client.answers(right, end)
    assert [reply.get("code", reply["outcome"]) for reply in replies] == ["accepted", "accepted"]
    assert [reply["version"] for reply in replies] == [2, 3]


def test_no_payload_is_in_the_log(own_client: Client, own_installation: Installation) -> None:
    """Whether it was applied, refused, or set aside."""
    session = new_id()
    sent = script(
        session,
        ("start_ai_build", {"problem_text": CANARY, "category": CANARY}),
        ("record_step", {"answer": CANARY, "question": CANARY, "note": CANARY}),
        ("update_notes", {"notes": [{CANARY: CANARY}]}),
        ("record_step", {"answer": CANARY, "node_id": CANARY * 20}),
        (CANARY, {}),
        ("resolve", {"resolution_notes": CANARY}),
        ("resolve", {"resolution_notes": CANARY}),
    )
    own_client.ask(*sent)
    for value in (CANARY.encode(), b"\xff" + CANARY.encode(), OPEN + f',"{CANARY}"'.encode()):
        own_client.dead_letter(own_client.send(value, key=CANARY, headers=[(CANARY, b"")]))
    log = (own_installation.folder / "worker.log").read_text(errors="replace")
    assert CANARY not in log


def test_no_invariant_was_broken_on_the_way(
    own_client: Client, own_installation: Installation
) -> None:
    """Looks at all that the tests above have left behind."""
    own_client.flush()
    assert violations(own_installation) == []
