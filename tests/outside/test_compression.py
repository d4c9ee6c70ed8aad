"""Senders compress as they like; whatever Kafka's own clients can write is read."""

import hashlib

import pytest

from .checker import check
from .client import Client
from .commands import new_id, script
from .look import look, wait_for_rest
from .program import Installation

CODECS = ("none", "gzip", "snappy", "lz4", "zstd")


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
    wait_for_rest(own_installation)
    assert check(look(own_installation)) == []


def _sender(installation: Installation, codec: str) -> Client:
    settings = {"compression.type": codec}
    return Client(installation.kafka_bootstrap, installation.prefix, producer_settings=settings)
