"""The headers of the records that firstline writes, as text; names on the wire are the aliases."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from schemas.fields import UUID_PATTERN, Id
from schemas.published import Published, WrittenTime

_Digits = Annotated[str, StringConstraints(pattern="^[0-9]+$")]
_Sha256 = Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]


class TraceHeaders(Published):
    """The trace context (W3C) of the command or ticket event that caused a message, as it came."""

    traceparent: (
        Annotated[
            str,
            StringConstraints(
                pattern="^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-[!-~]{0,64})?$"
            ),
        ]
        | None
    ) = None
    """Absent where the record had none, several, or one that is malformed."""

    tracestate: Annotated[str, StringConstraints(max_length=512)] | None = None
    """Only beside a ``traceparent``."""


class JsonHeaders(TraceHeaders):
    """Of replies, states and node requests."""

    content_type: Literal["application/json; charset=UTF-8"] = Field(alias="content-type")


class CloudEventHeaders(TraceHeaders):
    """Of CloudEvents: structured mode, the attributes repeated for those who filter by header."""

    content_type: Literal["application/cloudevents+json; charset=UTF-8"] = Field(
        alias="content-type"
    )
    ce_specversion: Literal["1.0"]
    ce_id: Id
    ce_type: Annotated[str, StringConstraints(pattern=r"^firstline\.[a-z_]+\.[a-z_]+\.v1$")]
    ce_source: Annotated[
        str, StringConstraints(pattern=f"^/firstline/accounts/{UUID_PATTERN.removeprefix('^')}")
    ]
    ce_subject: Id
    ce_time: WrittenTime
    ce_datacontenttype: Literal["application/json"]
    ce_sequence: Annotated[str, StringConstraints(pattern="^[0-9]{10}$")]
    ce_partitionkey: Id
    ce_causationid: Id
    ce_recordedtime: WrittenTime


class DeadLetterHeaders(Published):
    """What happened to a record that became a dead letter, after as many of its own headers as fit.

    A header of the record's own that begins with ``fl_`` comes out as ``orig_fl_…``.
    """

    fl_reason: Literal["unreadable", "too_large", "poison", "parked"]
    fl_detail: str
    """A sentence for people, without any text of the payload."""

    fl_topic: str
    """The topic that the record lies in, prefix included."""

    fl_partition: _Digits
    fl_offset: _Digits
    fl_dead_letter_id: Id
    fl_size: _Digits | None = None
    """Of a value that is too large: how many bytes it has; the dead letter then has none."""

    fl_sha256: _Sha256 | None = None
    """Of a value that is too large: its SHA-256."""

    fl_key_size: _Digits | None = None
    """Of a key that is too large to keep: how many bytes it has."""

    fl_key_sha256: _Sha256 | None = None
    """Of a key that is too large to keep: its SHA-256."""
