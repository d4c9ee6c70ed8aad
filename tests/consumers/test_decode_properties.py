"""What holds of every value, however it came to be: Hypothesis makes them up."""

import json
import string
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from consumers.decode import _decode_carefully, decode
from consumers.decode_news import decode_news
from consumers.reasons import Reason
from consumers.records import DeadLetter, Delivery, Heard, Refused, Source
from domain import commands
from domain.decisions import Code
from domain.ticket_news import TicketNews
from producers.nodes import drawn
from tests.builders import ACME, SESSION
from tests.consumers.wire import (
    COMMON_OPTIONAL,
    INTERNAL,
    OPTIONAL,
    REQUIRED,
    ARecord,
    Json,
    command,
    encode,
    with_field,
)

KINDS = {
    commands.StartFlow: "start_flow",
    commands.StartProposal: "start_proposal",
    commands.StartAdhoc: "start_adhoc",
    commands.StartAiBuild: "start_ai_build",
    commands.RecordStep: "record_step",
    commands.UpdateNotes: "update_notes",
    commands.Resolve: "resolve",
    commands.Escalate: "escalate",
    commands.EscalateWithoutWalk: "escalate_without_walk",
    commands.Abandon: "abandon",
    commands.Intake: "intake",
    commands.NextNode: "next_node",
    commands.ClaimEscalation: "claim_escalation",
    commands.ReleaseEscalation: "release_escalation",
    commands.CloseEscalation: "close_escalation",
    commands.HandBack: "hand_back",
    commands.MoveTicket: "move_ticket",
    commands.EndWithTicket: "end_with_ticket",
    commands.Renotify: "renotify",
    commands.ServeNode: "serve_node",
}

NEWS: Json = {
    "event_id": "7781-3",
    "account_id": ACME,
    "provider": "connectwise",
    "action": "merged",
    "ticket": {
        "kind": "psa",
        "id": "10045",
        "title": "No mail",
        "status": "Closed",
        "priority": "3",
        "owner": "Terry",
        "url": "https://psa",
        "updated_at": "2026-01-05T10:32:00+01:00",
    },
    "merged_into": "10046",
    "actor": {"name": "Terry", "is_self": False},
    "occurred_at": "2026-01-05T10:32:00+01:00",
}

# -- JSON text, right and almost right --------------------------------------------------------

_characters = st.one_of(
    st.sampled_from(list('aZ0é \U0001f600\u0301\u200f\u2028/"\\[]{}')),
    st.characters(exclude_categories=["Cs"]),
)
texts = st.text(_characters, max_size=20)
_pieces = st.one_of(
    texts.map(lambda text: json.dumps(text)[1:-1]),
    texts.map(lambda text: json.dumps(text, ensure_ascii=False)[1:-1]),
    st.sampled_from(["\\ud800", "\\udc00", "\\ud83d\\ude00", "\\u0000", "\\u0041", "NaN", "\\/"]),
)
raw_texts = st.lists(_pieces, max_size=3).map(lambda pieces: '"' + "".join(pieces) + '"')
raw_numbers = st.one_of(
    st.integers().map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.sampled_from(["-0", "-0.0", "1e2", "1E+308", "1e309", "-1e400", "5e-324", "1e-400", "1.0"]),
    st.integers(300, 320).map(lambda digits: "9" * digits),
    st.integers(300, 320).map(lambda digits: "-1" + "0" * digits),
    st.sampled_from([4_299, 4_300, 4_301, 6_000]).map(lambda digits: "7" * digits),
)
_wrong = st.sampled_from(
    ["NaN", "-Infinity", "01", "+1", ".5", "1.", "'a'", "", "[1,]", "tru", "\\"]
)
_scalars = st.one_of(
    raw_texts, raw_numbers, st.sampled_from(["null", "true", "false"]), st.sampled_from([ACME])
)


def _containers(parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    members = st.tuples(raw_texts, parts).map(":".join)
    return st.one_of(
        st.lists(parts, max_size=3).map(lambda items: f"[{','.join(items)}]"),
        st.lists(members, max_size=3).map(lambda items: f"{{{', '.join(items)}}}"),
    )


_deep = st.tuples(st.sampled_from([58, 62, 63, 64, 65, 200]), st.booleans()).map(
    lambda how: "[" * how[0] + "]" * how[0] if how[1] else '{"a":' * how[0] + "1" + "}" * how[0]
)
raw_json = st.one_of(st.recursive(_scalars, _containers, max_leaves=8), _deep, _wrong)


@st.composite
def almost_commands(draw: st.DrawFn) -> bytes:
    """A right command, then with fields changed."""
    kind = draw(st.sampled_from(sorted(REQUIRED | INTERNAL)))
    return draw(almost(command(kind, **OPTIONAL.get(kind, {}), **COMMON_OPTIONAL)))


@st.composite
def almost_news(draw: st.DrawFn) -> bytes:
    """A right ticket event, treated alike; or its ticket is."""
    if draw(st.booleans()):
        return draw(almost(NEWS))
    ticket = draw(almost(NEWS["ticket"])).decode()
    return with_field({**NEWS, "ticket": None}, "ticket", ticket)


@st.composite
def almost(draw: st.DrawFn, whole: Json) -> bytes:
    """An object with fields replaced, doubled, left out or added as raw JSON."""
    fields = [(name, json.dumps(value)) for name, value in whole.items()]
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.integers(0, len(fields) - 1))
        name = fields[place][0]
        change = draw(st.sampled_from(["replace", "double", "leave out", "add", "null"]))
        if change == "replace":
            fields[place] = (name, draw(raw_json))
        elif change == "double":
            fields.insert(draw(st.integers(0, len(fields))), (name, draw(raw_json)))
        elif change == "add":
            fields.append((draw(texts), draw(raw_json)))
        elif change == "null":
            fields[place] = (name, "null")
        else:
            del fields[place]
    members = [f"{json.dumps(name)}:{raw}" for name, raw in draw(st.permutations(fields))]
    blank = draw(st.sampled_from(["", "", " ", "\n\t"]))
    return f"{blank}{{{(',' + blank).join(members)}}}{blank}".encode()


@st.composite
def mutilated(draw: st.DrawFn, whole: st.SearchStrategy[bytes]) -> bytes:
    """The same with some bytes changed, lost or inserted."""
    value = bytearray(draw(whole))
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, len(value)))
        match draw(st.sampled_from(["change", "lose", "insert", "cut"])):
            case "change":
                value[place : place + 1] = bytes([draw(st.integers(0, 255))])
            case "lose":
                del value[place : place + draw(st.integers(1, 4))]
            case "insert":
                value[place:place] = draw(st.binary(min_size=1, max_size=4))
            case _:
                del value[place:]
    return bytes(value)


others = st.binary(max_size=60) | raw_json.map(str.encode)
values = st.one_of(almost_commands(), mutilated(almost_commands()), others)
told = st.one_of(almost_news(), mutilated(almost_news()), others, values)
keys = st.one_of(st.none(), st.just(SESSION.encode()), st.binary(max_size=40))
sources = st.sampled_from(Source)
FEW = settings(max_examples=400, deadline=None)
FEWER = settings(max_examples=150, deadline=None)


def a_record(value: bytes) -> ARecord:
    return ARecord(value, SESSION.encode())


# -- what holds -------------------------------------------------------------------------------


@FEW
@given(values, sources)
def test_the_fast_way_and_the_careful_way_agree(value: bytes, source: Source) -> None:
    record = a_record(value)
    assert decode(record, source) == _decode_carefully(record, source, value)


@FEW
@given(values, sources)
def test_whatever_is_readable_has_ids_and_whatever_is_not_has_a_reason(
    value: bytes, source: Source
) -> None:
    """As another reader of the contract sees it, who knows Python's own parser alone."""
    decoded = decode(a_record(value), source)
    found = readable(value)
    if isinstance(decoded, DeadLetter):
        assert found is None
        assert decoded.reason is Reason.UNREADABLE
        assert decoded.detail
    elif isinstance(decoded, Refused):
        assert found == (decoded.command_id, decoded.session_id)
        assert decoded.rejected.message
    else:
        assert found == (decoded.command.command_id, decoded.command.session_id)


@FEW
@given(values, sources)
def test_what_is_delivered_is_text_that_can_be_stored(value: bytes, source: Source) -> None:
    decoded = decode(a_record(value), source)
    if isinstance(decoded, Delivery):
        for text in leaves(asdict(decoded.command)):
            assert "\0" not in text
            assert text.encode().decode() == text


@FEW
@given(values, sources)
def test_what_is_delivered_is_delivered_again_when_written_anew(
    value: bytes, source: Source
) -> None:
    decoded = decode(a_record(value), source)
    if isinstance(decoded, Delivery):
        again = decode(a_record(encode(as_sent(decoded.command))), source)
        assert isinstance(again, Delivery)
        assert again.command == decoded.command


@FEWER
@given(values | st.none(), keys, sources)
def test_a_key_decides_only_between_a_command_and_a_key_mismatch(
    value: bytes | None, key: bytes | None, source: Source
) -> None:
    decoded = decode(ARecord(value, key), source)
    if isinstance(decoded, Delivery):
        assert key == decoded.command.session_id.encode()
    elif isinstance(decoded, Refused) and decoded.rejected.code is Code.KEY_MISMATCH:
        assert key != decoded.session_id.encode()
        right = decode(ARecord(value, decoded.session_id.encode()), source)
        assert isinstance(right, Delivery) or (
            isinstance(right, Refused) and right.rejected.code is Code.NOTES_TOO_LARGE
        )
    elif isinstance(decoded, DeadLetter):
        assert decode(ARecord(value, SESSION.encode()), source) == replace(
            decoded, record=ARecord(value, SESSION.encode())
        )


@FEWER
@given(told | st.none(), keys)
def test_whatever_a_ticket_s_source_writes_is_news_or_a_dead_letter(
    value: bytes | None, key: bytes | None
) -> None:
    heard = decode_news(ARecord(value, key))
    if isinstance(heard, DeadLetter):
        assert heard.reason is Reason.UNREADABLE
        assert heard.detail
        return
    for text in leaves(asdict(heard.news)):
        assert "\0" not in text
        assert text.encode().decode() == text
    again = decode_news(ARecord(encode(as_told(heard.news)), key))
    assert isinstance(again, Heard)
    assert again.news == heard.news


def as_told(news: TicketNews) -> Json:
    """The news as a source could have written them."""
    return {
        "event_id": news.event_id,
        "provider": news.provider,
        "account_id": news.account_id,
        "action": news.action,
        "ticket": {
            "kind": news.ticket.kind,
            "id": news.ticket.id,
            "title": news.title,
            "status": news.psa_status,
            "priority": news.priority,
            "owner": news.owner,
            "url": news.url,
            "updated_at": news.at and news.at.isoformat(),
        },
        "merged_into": news.merged_into and news.merged_into.id,
        "actor": {"is_self": news.is_self},
    }


def readable(value: bytes) -> tuple[str, str] | None:
    """The command's and the session's id, where the value can be read at all."""
    try:
        text = value.decode()
        found = json.loads(text, parse_constant=refuse, parse_int=str, parse_float=str)
    except ValueError:
        return None
    if not isinstance(found, dict) or depth(text) > 64:
        return None
    ids = (found.get("command_id"), found.get("session_id"))
    return ids if all(map(is_canonical, ids)) else None  # type: ignore[return-value]


def refuse(constant: str) -> None:
    raise ValueError(constant)


def depth(text: str) -> int:
    """How deep the brackets of JSON nest, character by character."""
    now = deepest = 0
    in_string = escaped = False
    for character in text:
        if in_string:
            in_string = escaped or character != '"'
            escaped = not escaped and character == "\\"
        elif character == '"':
            in_string = True
        elif character in "[{":
            now += 1
            deepest = max(deepest, now)
        elif character in "]}":
            now -= 1
    return deepest


def is_canonical(text: object) -> bool:
    if not isinstance(text, str) or [len(part) for part in text.split("-")] != [8, 4, 4, 4, 12]:
        return False
    return set(text) <= set(string.digits + "abcdef-")


def leaves(content: object) -> Sequence[str]:
    """Every text in a command."""
    if isinstance(content, str):
        return [content]
    if isinstance(content, dict):
        return [text for part in content.values() for text in leaves(part)]
    return []


def as_sent(one: commands.Command) -> Json:
    """The command as its sender could have written it."""
    fields: dict[str, Any] = {"type": KINDS[type(one)]} | asdict(one)
    if "ticket" in fields:
        ticket = fields.pop("ticket")
        fields |= {"ticket_id": ticket["id"], "ticket_kind": ticket["kind"]}
    if isinstance(one, commands.ServeNode):
        fields["node"] = drawn(one.node)
    if "notes" in fields:
        fields["notes"] = json.loads(fields["notes"])
    return fields
