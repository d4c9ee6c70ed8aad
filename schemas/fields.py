"""The field types of the wire contract: ids, times and texts with their limits.

Limits count Unicode code points and are inclusive. NUL is refused everywhere, because Postgres
cannot store it in text.
"""

import sys
from collections import Counter
from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

UUID_PATTERN = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
_NO_NUL = r"^[^\x00]*$"
# RFC 3339, section 5.6; its note allows "t" and "z" in lower case. A leap second passes.
_TIME_PATTERN = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,20})?"
    r"([Zz]|[+-][0-9]{2}:[0-9]{2})$"
)


def moment(text: str) -> datetime:
    """The moment that an RFC 3339 text names, to the microsecond. Raises ValueError.

    A leap second counts as the second before it.
    """
    plain = text.upper()
    if plain[17:19] == "60":
        plain = f"{plain[:17]}59{plain[19:]}"
    if plain[-1] != "Z" and (int(plain[-5:-3]) > 23 or int(plain[-2:]) > 59):  # noqa: PLR2004
        msg = "the offset is out of range"
        raise ValueError(msg)
    return datetime.fromisoformat(plain)


def _within_the_years(text: str) -> str:
    """Refuse a time that is no date, or that lies outside 2000-2100 in UTC."""
    if not FIRST_MOMENT <= moment(text) < AFTER_LAST_MOMENT:
        msg = "the year is outside 2000-2100"
        raise ValueError(msg)
    return text


def _within_a_double(number: int) -> int:
    """Refuse an integer beyond a double's range: parsers disagree about what it is."""
    if number > sys.float_info.max:
        msg = "the number is beyond a double's range"
        raise ValueError(msg)
    return number


def _each_once(names: list[str]) -> list[str]:
    """Refuse what is there more than once."""
    for name, times in Counter(names).items():
        if times > 1:
            msg = f"{name!r} is there more than once"
            raise ValueError(msg)
    return names


FIRST_MOMENT = datetime(2000, 1, 1, tzinfo=UTC)
AFTER_LAST_MOMENT = datetime(2101, 1, 1, tzinfo=UTC)

Id = Annotated[
    str, StringConstraints(pattern=UUID_PATTERN), Field(json_schema_extra={"format": "uuid"})
]
"""A UUID in its one spelling: lower-case 8-4-4-4-12."""

Time = Annotated[
    str,
    StringConstraints(pattern=_TIME_PATTERN),
    AfterValidator(_within_the_years),
    Field(json_schema_extra={"format": "date-time"}),
]
"""An RFC 3339 time with an offset, kept as it was written."""

Version = Annotated[int, Field(ge=0), AfterValidator(_within_a_double)]
"""A session's version: how many events it has."""

OptionId = Annotated[str, StringConstraints(max_length=100, pattern=_NO_NUL)]
NodeId = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=_NO_NUL)]
Category = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=_NO_NUL)]
ReasonCategory = Annotated[str, StringConstraints(min_length=1, max_length=30, pattern=_NO_NUL)]
Answer = Annotated[str, StringConstraints(min_length=1, max_length=4_000, pattern=_NO_NUL)]
Text = Annotated[str, StringConstraints(min_length=1, max_length=20_000, pattern=_NO_NUL)]
TextOrEmpty = Annotated[str, StringConstraints(max_length=20_000, pattern=_NO_NUL)]
Categories = Annotated[list[Category], AfterValidator(_each_once)]
CategoryOrEmpty = Annotated[str, StringConstraints(max_length=100, pattern=_NO_NUL)]
TicketId = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=_NO_NUL)]
TicketIdOrEmpty = Annotated[str, StringConstraints(max_length=64, pattern=_NO_NUL)]
Correlation = Annotated[str, StringConstraints(max_length=128, pattern=_NO_NUL)]
