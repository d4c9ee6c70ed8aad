"""From a record's bytes to a command, one record at a time, before SQL sees anything.

The fast way validates the bytes once. Whatever does not pass goes the careful way, which tells
the unreadable (a dead letter) from the invalid (an answer).
"""

import hashlib
import json
import math
import re
from collections.abc import Iterator
from typing import Any, get_args

from pydantic import ValidationError

from consumers.decode_news import decode_news
from consumers.reasons import Reason
from consumers.records import (
    DeadLetter,
    Decoded,
    Delivery,
    Heard,
    Record,
    Refused,
    Source,
    source_of,
)
from consumers.strict_json import NotJson, might_be_deep, might_name_no_number, read_object
from domain import commands
from domain.built_nodes import BuiltNode, Choice, NodeKind
from domain.decisions import Code, Rejected
from domain.tickets import TicketKind, TicketRef
from schemas.commands import (
    COMMANDS,
    INTERNAL_TYPES,
    NOTES_LIMIT,
    VALUE_LIMIT,
    AnyCommand,
    ServedNode,
)
from schemas.fields import UUID_PATTERN

# The adapter's own method, without what it does for those who pass it options.
_validate = COMMANDS.validator.validate_json
_CANONICAL_UUID = re.compile(UUID_PATTERN)
_CORRELATION_LIMIT = 128
_FIELDS_USED: dict[str, frozenset[str]] = {
    get_args(model.model_fields["type"].annotation)[0]: frozenset(model.model_fields)
    for model in get_args(AnyCommand)
}
_COMMAND_TYPES: dict[str, type[commands.Command]] = {
    "start_flow": commands.StartFlow,
    "start_proposal": commands.StartProposal,
    "start_adhoc": commands.StartAdhoc,
    "start_ai_build": commands.StartAiBuild,
    "record_step": commands.RecordStep,
    "update_notes": commands.UpdateNotes,
    "resolve": commands.Resolve,
    "escalate": commands.Escalate,
    "escalate_without_walk": commands.EscalateWithoutWalk,
    "abandon": commands.Abandon,
    "intake": commands.Intake,
    "next_node": commands.NextNode,
    "claim_escalation": commands.ClaimEscalation,
    "release_escalation": commands.ReleaseEscalation,
    "close_escalation": commands.CloseEscalation,
    "hand_back": commands.HandBack,
    "move_ticket": commands.MoveTicket,
    "end_with_ticket": commands.EndWithTicket,
    "renotify": commands.Renotify,
    "serve_node": commands.ServeNode,
}


def decode_record(record: Record) -> Decoded | Heard:
    """Read one record of any topic that a worker consumes. Raises nothing."""
    source = source_of(record.topic)
    return decode_news(record) if source is None else decode(record, source)


def decode(record: Record, source: Source) -> Decoded:
    """Read one command as the wire contract says. Raises nothing."""
    value = record.value
    if value is None:
        return DeadLetter(record, Reason.UNREADABLE, "the record has no value")
    if len(value) > VALUE_LIMIT:
        return DeadLetter(record, Reason.TOO_LARGE, f"the value has {len(value)} bytes")
    if might_name_no_number(value) or might_be_deep(value):
        return _decode_carefully(record, source, value)
    try:
        model: AnyCommand = _validate(value)
    except ValidationError:
        return _decode_carefully(record, source, value)
    return _deliver(record, source, value, model)


def _decode_carefully(record: Record, source: Source, value: bytes) -> Decoded:
    try:
        found = read_object(value)
    except NotJson as error:
        return DeadLetter(record, Reason.UNREADABLE, str(error))
    for name in ("command_id", "session_id"):
        if not _is_id(found.get(name)):
            return DeadLetter(record, Reason.UNREADABLE, f"{name} is not a canonical UUID")
    kind = found.get("type")
    if not isinstance(kind, str):
        return _refuse(record, found, Code.INVALID, "type: a command type is a string")
    if kind not in _FIELDS_USED or (kind in INTERNAL_TYPES and source is not Source.INTERNAL):
        return _refuse(record, found, Code.INVALID, "type: not a command type")
    used = {name: found[name] for name in _FIELDS_USED[kind] if name in found}
    try:
        model = _validate(json.dumps(used))
    except ValidationError as error:
        return _refuse(record, found, Code.INVALID, _explain(error))
    return _deliver(record, source, value, model)


def _deliver(  # noqa: C901 - what some types have of their own
    record: Record, source: Source, value: bytes, model: AnyCommand
) -> Decoded:
    fields = dict(model.__dict__)
    kind = fields.pop("type")
    if source is not Source.INTERNAL:
        if kind in INTERNAL_TYPES:
            return _refuse(record, fields, Code.INVALID, "type: not a command type")
        if model.actor_id is None:
            return _refuse(record, fields, Code.INVALID, "actor_id: Field required")
    if kind == "update_notes":
        try:
            fields["notes"] = _compact(fields["notes"])
        except ValueError as error:
            return _refuse(record, fields, Code.INVALID, f"notes: {error}")
    if record.key != model.session_id.encode():
        return _refuse(record, fields, Code.KEY_MISMATCH, "The record's key is not session_id.")
    if kind == "update_notes" and len(fields["notes"].encode()) > NOTES_LIMIT:
        return _refuse(
            record, fields, Code.NOTES_TOO_LARGE, f"The notes exceed {NOTES_LIMIT} bytes."
        )
    if "ticket_id" in fields:
        fields["ticket"] = TicketRef(TicketKind(fields.pop("ticket_kind")), fields.pop("ticket_id"))
    if kind == "serve_node":
        fields["node"] = _node(fields["node"])
    if kind == "intake":
        fields["adhoc"] = bool(fields["adhoc"])
    command = _COMMAND_TYPES[kind](**fields)
    return Delivery(record, source, command, hashlib.sha256(value).digest())


def _node(node: ServedNode) -> BuiltNode:
    return BuiltNode(
        node.id,
        NodeKind(node.type),
        node.text,
        tuple(Choice(option.id, option.label) for option in node.options or ()),
        node.article_id,
        node.reason_category,
    )


def _compact(notes: list[dict[str, Any]]) -> str:
    """The notes as compact JSON with nothing escaped that need not be.

    Raises ValueError for what Postgres or another parser could not read back.
    """
    for part in _leaves(notes):
        if isinstance(part, str):
            if "\0" in part:
                msg = "a text holds NUL"
                raise ValueError(msg)
        elif not _is_double(part):
            msg = "a number is beyond a double's range"
            raise ValueError(msg)
    return json.dumps(notes, ensure_ascii=False, separators=(",", ":"))


def _leaves(value: object) -> Iterator[str | int | float]:
    """Every text (names of fields included) and every number in a JSON value."""
    if isinstance(value, dict):
        for name, part in value.items():
            yield name
            yield from _leaves(part)
    elif isinstance(value, list):
        for part in value:
            yield from _leaves(part)
    elif isinstance(value, (str, int, float)):
        yield value


def _is_double(number: float) -> bool:
    try:
        return math.isfinite(float(number))
    except OverflowError:
        return False


def _is_id(value: object) -> bool:
    return isinstance(value, str) and _CANONICAL_UUID.fullmatch(value) is not None


def _refuse(record: Record, fields: dict[str, Any], code: Code, message: str) -> Refused:
    """A refusal that echoes what of the record can be echoed."""
    account_id, correlation = fields.get("account_id"), fields.get("correlation")
    return Refused(
        record,
        fields["command_id"],
        fields["session_id"],
        account_id if _is_id(account_id) else None,
        correlation if _is_correlation(correlation) else None,
        Rejected(code, message),
    )


def _is_correlation(value: object) -> bool:
    if not isinstance(value, str) or len(value) > _CORRELATION_LIMIT or "\0" in value:
        return False
    return not any("\ud800" <= character <= "\udfff" for character in value)


def _explain(error: ValidationError) -> str:
    """Name the first fault by field, without any of the payload's text."""
    first = error.errors(include_input=False, include_url=False, include_context=False)[0]
    if first["type"] == "json_invalid":  # what is JSON to us and not to pydantic
        return "a text holds a lone surrogate, or a number has thousands of digits"
    loc = first["loc"]
    where = ".".join(map(str, loc[1:])) if loc else "type"
    why = first["msg"].removeprefix("Value error, ")
    return f"{where}: {why}" if where else why
