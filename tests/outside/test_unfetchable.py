"""What Kafka's own clients can write and a common Python client cannot even fetch."""

import hashlib

import pytest

from .client import Client
from .commands import encode, new_id, script
from .look import violations
from .program import PARTITIONS, Installation
from .raw_headers import send_with_raw_headers
from .wire import partition_of

CODECS = ("none", "gzip", "snappy", "lz4", "zstd")


def test_a_header_key_that_is_not_utf_8_does_not_stop_its_partition(
    own_client: Client, own_installation: Installation
) -> None:
    """aiokafka cannot even fetch such a record; the command in it is readable all the same."""
    session = new_id()
    partition = partition_of(session.encode(), PARTITIONS)
    sent = script(
        session, ("start_flow", {}), ("record_step", {}), ("record_step", {}), ("resolve", {})
    )

    def send_raw(value: bytes) -> None:
        own_client.flush()
        send_with_raw_headers(
            own_installation.kafka_bootstrap,
            f"{own_installation.prefix}commands.chat",
            partition,
            key=session.encode(),
            value=value,
            headers=[(b"\xff\xfe", b"one"), (b"plain", b"two"), (b"fl_\x80", b"three")],
        )

    marks = [f"not readable {new_id()}".encode() for _ in range(5)]
    send_raw(marks[0])
    send_raw(marks[1])
    own_client.send(sent[0])
    send_raw(marks[2])
    send_raw(encode(sent[1]))
    send_raw(encode(sent[2]))
    own_client.send(sent[3])
    send_raw(marks[3])
    send_raw(marks[4])
    letters = own_client.wait_for("dead-letters", lambda r: r.value in marks, len(marks))
    assert sorted(letter.value or b"" for letter in letters) == sorted(marks)
    for letter in letters:
        one, two, three = [(k, v) for k, v in letter.headers if not k.startswith("fl_")]
        assert (one[1], two, three[1]) == (b"one", ("plain", b"two"), b"three")
        assert three[0].startswith("orig_fl_")
    replies = own_client.answers(*sent)
    assert [reply.get("code", reply["outcome"]) for reply in replies] == ["accepted"] * 4
    assert [reply["version"] for reply in replies] == [1, 2, 3, 4]


@pytest.mark.parametrize("codec", CODECS)
def test_a_compressed_command_is_applied(
    own_installation: Installation, own_client: Client, codec: str
) -> None:
    sent = [
        one
        for _ in range(20)
        for one in script(new_id(), ("start_flow", {}), ("record_step", {}), ("resolve", {}))
    ]
    sender = _sender(own_installation, codec)
    for one in sent:
        sender.send(one)
    sender.close()
    replies = own_client.answers(*sent)
    assert {reply["outcome"] for reply in replies} == {"accepted"}


@pytest.mark.parametrize("codec", CODECS[1:])
def test_what_is_small_only_when_compressed_is_too_large(
    own_installation: Installation, own_client: Client, codec: str
) -> None:
    """The limit is on the value, and 16 MB of one letter fit into a record of a few kilobytes."""
    value = b"x" * (16 * 1024 * 1024)
    sender = _sender(own_installation, codec)
    sent = sender.send(value, key=new_id())
    sender.close()
    letter = own_client.dead_letter(sent)
    assert letter.value is None
    assert letter.header("fl_size") == str(len(value))
    assert letter.header("fl_sha256") == hashlib.sha256(value).hexdigest()


def test_no_invariant_was_broken_on_the_way(
    own_client: Client, own_installation: Installation
) -> None:
    """Looks at all that the tests above have left behind."""
    own_client.flush()
    assert violations(own_installation) == []


def _sender(installation: Installation, codec: str) -> Client:
    settings = {"compression.type": codec}
    return Client(installation.kafka_bootstrap, installation.prefix, producer_settings=settings)
