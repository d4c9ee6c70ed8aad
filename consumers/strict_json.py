"""Strict JSON, where parsers disagree: what is and what is not one JSON object.

The value must be UTF-8 without a byte order mark, hold nothing after the object, no NaN or
Infinity, and nest at most 64 deep; of doubled keys the last one wins. Escaped lone surrogates and
numbers beyond a double's range are readable: whether they matter depends on where they stand.
"""

import json
import re
from typing import Any, NoReturn

from schemas.commands import DEPTH_LIMIT

# A string as a whole, or one bracket: whatever brackets stand in strings do not count. A string
# that is never closed reaches to the end, and nothing is tried twice: with backtracking, half a
# megabyte of quotes took minutes.
_STRING_OR_BRACKET = re.compile(r'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|[\[\]{}]', re.DOTALL)
# The longest run of digits that can lie within a double's range: 1.8e308 has 309.
_DIGITS_OF_A_DOUBLE = 309


class NotJson(Exception):
    """The bytes are not one strict JSON object; the message says why, without any of them."""


def read_object(value: bytes) -> dict[str, Any]:
    """Parse one strict JSON object, or raise `NotJson`.

    Integers beyond a double's range come back as infinities, as floats beyond it do.
    """
    try:
        text = value.decode("utf-8", "strict")
    except UnicodeDecodeError as error:
        msg = f"not UTF-8 at byte {error.start}"
        raise NotJson(msg) from None
    if text.startswith("\ufeff"):
        msg = "it begins with a byte order mark"
        raise NotJson(msg)
    if _depth(text) > DEPTH_LIMIT:
        msg = f"nested more than {DEPTH_LIMIT} deep"
        raise NotJson(msg)
    try:
        found = json.loads(text, parse_constant=_refuse_constant, parse_int=_parse_int)
    except json.JSONDecodeError as error:
        msg = f"not JSON at character {error.pos}"
        raise NotJson(msg) from None
    if not isinstance(found, dict):
        msg = "not a JSON object"
        raise NotJson(msg)
    return found


def might_be_deep(value: bytes) -> bool:
    """Whether the value has brackets enough to nest deeper than allowed.

    Nearly every command has one, and to look for a second is a tenth of the work of counting.
    """
    if b"[" not in value and value.find(b"{", 1) == -1:
        return False
    return value.count(b"{") + value.count(b"[") > DEPTH_LIMIT


def might_name_no_number(value: bytes) -> bool:
    """Whether NaN or Infinity may be in the value, each looked for by its first letter first.

    One byte is found with the processor's own instruction for it, a word in ten times the time.
    """
    return (b"N" in value and b"NaN" in value) or (b"I" in value and b"Infinity" in value)


def _depth(text: str) -> int:
    depth = deepest = 0
    for match in _STRING_OR_BRACKET.finditer(text):
        found = match[0]
        if found in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif found in "]}":
            depth -= 1
    return deepest


def _refuse_constant(name: str) -> NoReturn:
    msg = f"{name} is not JSON"
    raise NotJson(msg)


def _parse_int(digits: str) -> int | float:
    return float(digits) if len(digits.lstrip("-")) > _DIGITS_OF_A_DOUBLE else int(digits)
