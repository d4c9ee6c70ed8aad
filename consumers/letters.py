"""What is kept of records that get no answer now: dead letters, and commands that are parked."""

from dataclasses import dataclass, replace
from hashlib import sha256

from consumers.decode import decode_record
from consumers.reasons import Reason
from consumers.records import DeadLetter, Decoded, Delivery, Heard, Poison, Record
from producers.ids import dead_letter_id
from storage.dead_letter_desk import KeptLetter
from storage.dead_letters import DeadLetterRow, ParkedCommand
from storage.inbox import Claim

Letter = DeadLetter | Poison | Delivery
"""An unreadable record, a poison command, or a command parked behind one."""

_BEHIND = "waits behind a poison command of its session"


def row(letter: Letter) -> DeadLetterRow:
    """The letter as it is stored and sent."""
    match letter:
        case DeadLetter(record=record, reason=reason, detail=detail):
            return _row(record, reason, detail, None)
        case Poison(delivery=delivery, detail=detail):
            return _row(delivery.record, Reason.POISON, detail, delivery)
        case Delivery(record=record):
            return _row(record, Reason.PARKED, _BEHIND, letter)


def claim(delivery: Delivery, reply: bytes | None) -> Claim:
    """The command's row in the inbox; without a reply it is parked."""
    command = delivery.command
    return Claim(command.command_id, command.account_id, command.session_id, delivery.digest, reply)


def read_again(letter: KeptLetter) -> Decoded | Heard:
    """Decode what was kept, as it was edited. It keeps the hash of the bytes that it came as."""
    value = letter.value if letter.edited is None else letter.edited
    headers = tuple((name.decode(), value) for name, value in letter.headers)
    record = _KeptRecord(letter.topic, letter.partition, letter.offset, letter.key, value, headers)
    item = decode_record(record)
    if isinstance(item, Delivery):
        return replace(item, digest=sha256(letter.value or b"").digest())
    return item


@dataclass(frozen=True, slots=True)
class _KeptRecord:
    """A record as far as deciding goes: its time does not matter there."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]
    timestamp: int = 0


def _row(record: Record, reason: Reason, detail: str, delivery: Delivery | None) -> DeadLetterRow:
    command = None
    if delivery is not None:
        command = ParkedCommand(
            delivery.command.account_id, delivery.command.session_id, delivery.command.command_id
        )
    return DeadLetterRow(
        dead_letter_id(record.topic, record.partition, record.offset, record.timestamp),
        reason.value,
        detail,
        record.topic,
        record.partition,
        record.offset,
        record.key,
        [(name.encode(errors="replace"), value) for name, value in record.headers],
        record.value,
        command,
    )
