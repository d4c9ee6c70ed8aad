"""A dead letter as a message: the record untouched, with headers that say what happened to it."""

from hashlib import sha256

from producers import topics
from storage.dead_letters import DeadLetterRow
from storage.headers import Headers, pack
from storage.outbox import Message

HEADERS_LIMIT = 16 * 1024
"""How much of the original headers is kept, in bytes of names, values and their lengths."""

KEY_LIMIT = 16 * 1024
"""The longest original key that is kept, in bytes: to hash a longer one keeps others waiting."""

_OURS = b"fl_"
_LENGTHS = 2  # an empty header takes that much in a record: there may be half a million


def message(letter: DeadLetterRow) -> Message:
    """The message for a dead letter.

    A value that is too large is replaced by its size and digest, and so is a key of more than
    `KEY_LIMIT` bytes.
    """
    headers = [
        *kept_headers(letter.headers),
        (b"fl_reason", letter.reason.encode()),
        (b"fl_detail", letter.detail.encode()),
        (b"fl_topic", letter.topic.encode()),
        (b"fl_partition", str(letter.partition).encode()),
        (b"fl_offset", str(letter.offset).encode()),
        (b"fl_dead_letter_id", letter.id.encode()),
    ]
    key, value = letter.key, letter.value
    if value is not None and letter.reason == "too_large":
        headers += [
            (b"fl_size", str(len(value)).encode()),
            (b"fl_sha256", sha256(value).hexdigest().encode()),
        ]
        value = None
    if key is not None and len(key) > KEY_LIMIT:
        headers += [
            (b"fl_key_size", str(len(key)).encode()),
            (b"fl_key_sha256", sha256(key).hexdigest().encode()),
        ]
        key = None
    return Message(topics.DEAD_LETTERS, key, value, pack(headers))


def kept_headers(headers: Headers) -> list[tuple[bytes, bytes | None]]:
    """The first headers that fit, those that would pass for ours renamed."""
    kept: list[tuple[bytes, bytes | None]] = []
    room = HEADERS_LIMIT
    for name, value in headers:
        room -= len(name) + len(value or b"") + _LENGTHS
        if room < 0:
            break
        kept.append((b"orig_" + name if name.startswith(_OURS) else name, value))
    return kept
