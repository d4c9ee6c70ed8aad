"""What decoding makes of a record, in a word; ids that are spelled oddly, and notes of a size."""

import json

from consumers.decode import decode
from consumers.records import DeadLetter, Decoded, Delivery, Refused, Source
from tests.builders import SESSION
from tests.consumers.wire import ARecord, Json, encode

ID = "abcdefab-cdef-4abc-8def-abcdefabcdef"
EMOJI = "\U0001f600"

ODD_IDS = {
    "empty": "",
    "in upper case": ID.upper(),
    "half in upper case": "A" + ID[1:],
    "in braces": f"{{{ID}}}",
    "as a URN": f"urn:uuid:{ID}",
    "without dashes": ID.replace("-", ""),
    "with dashes elsewhere": "abcdefabc-def-4abc-8def-abcdefabcdef",
    "with 0x": f"0x{ID[2:]}",
    "with an underscore": f"1_{ID[2:]}",
    "with a sign": f"+{ID[1:]}",
    "in Arabic-Indic digits": "\u0661" * 8 + ID[8:],
    "in full-width digits": "\uff11" * 8 + ID[8:],
    "with other dashes": ID.replace("-", "\u2010"),
    "with a line break behind": f"{ID}\n",
    "with a blank in front": f" {ID}",
    "with a NUL behind": f"{ID}\0",
    "too long": f"{ID}0",
    "too short": ID[:-1],
    "nil in braces": "{00000000-0000-0000-0000-000000000000}",
}


def read(
    sent: Json | bytes | None, source: Source = Source.CHAT, key: str | None = SESSION
) -> Decoded:
    """Decode what was sent, keyed by its session."""
    value = encode(sent) if isinstance(sent, dict) else sent
    return decode(ARecord(value, None if key is None else key.encode()), source)


def outcome(decoded: Decoded) -> str:
    """What becomes of the record, in a word."""
    match decoded:
        case Delivery():
            return "delivered"
        case Refused(rejected=rejected):
            return rejected.code.value
        case DeadLetter(reason=reason):
            return reason.value


def notes_of(compact_bytes: int, character: str = "x") -> list[Json]:
    """Notes that take just so many bytes as compact JSON."""
    room = compact_bytes - len(encode([{"a": ""}]))
    size = len(json.dumps(character, ensure_ascii=False).encode()) - 2
    return [{"a": character * (room // size) + "x" * (room % size)}]
