"""What a sender wrote is what is stored and what goes out, whatever it was."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from producers.handover import SUMMARY_LIMIT
from tests.consumers.desk import Desk, outcomes
from tests.consumers.wire import Json, command, encode, new_id

texts = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1),
    st.sampled_from(
        [
            *(
                "\u202eright to left",
                "\x1b[31mred\x1b[0m",
                "a\r\nb",
                "<b>&amp;",
                "{{7*7}}",
                "=cmd()",
            ),
            *("' or 1=1 --", "\\", '"', "\\u0000", "\U0001f600" * 30, "\x01\x1f\x7f", "\ufffe"),
            *("NaN", "null", "e\u0301", "\u2028"),
        ]
    ),
)
numbers = st.one_of(
    st.integers(-(10**300), 10**300), st.floats(allow_nan=False, allow_infinity=False)
)
anything = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda parts: st.lists(parts, max_size=3) | st.dictionaries(texts, parts, max_size=3),
    max_leaves=10,
)
notes = st.lists(st.dictionaries(texts, anything, max_size=3), max_size=3)


def told(kind: str) -> str:
    return f"firstline.session.{kind}.v1"


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
async def test_what_was_sent_is_stored_and_goes_out_as_it_was(
    desk: Desk, data: st.DataObject
) -> None:
    def drawn(**limits: int) -> Json:
        return {name: data.draw(texts)[:most] for name, most in limits.items()}

    def optional(**limits: int) -> Json:
        return {name: data.draw(texts | st.just(""))[:most] for name, most in limits.items()}

    session = new_id()
    start, step, noted, end = (
        command(kind, command_id=new_id(), session_id=session, **fields)
        for kind, fields in {
            "start_ai_build": {
                **drawn(ticket_id=64, problem_text=20_000),
                **optional(category=100),
            },
            "record_step": {
                **drawn(node_id=100, option_id=100, answer=4_000, question=20_000),
                **optional(note=20_000),
            },
            "update_notes": {"notes": data.draw(notes)},
            "escalate": drawn(reason=20_000, reason_category=30),
        }.items()
    )

    await desk.apply(start)
    options = [{"id": step["option_id"], "label": "Yes"}, {"id": new_id(), "label": "No"}]
    await desk.serve(session, id=step["node_id"], text=step["question"], options=options)
    await desk.apply(step, noted, end)

    assert (await desk.answers())[-3:] == outcomes([step, noted, end])
    row = await desk.connection.fetchrow("select * from sessions where id = $1", session)
    for field in ("ticket_id", "problem_text", "category"):
        assert row[field] == start[field]
    for field in ("reason", "reason_category"):
        assert row[field] == end[field]
    walked = await desk.connection.fetchrow(
        "select * from walk_steps where session_id = $1", session
    )
    for field in ("node_id", "option_id", "question", "answer", "note"):
        assert walked[field] == step[field]
    stored = await desk.connection.fetchval(
        "select notes::text from session_notes where session_id = $1", session
    )
    assert stored.encode() == encode(noted["notes"])

    events = {
        event["type"]: event["data"] for event in await desk.messages("session-events", session)
    }
    assert events[told("started")]["problem_text"] == start["problem_text"]
    assert events[told("step_recorded")]["answer"] == step["answer"]
    assert events[told("notes_updated")]["notes"] == noted["notes"]
    assert events[told("escalated")]["reason"] == end["reason"]
    (notification,) = await desk.messages("engineer-notifications", session)
    summary = notification["data"]["summary"]
    assert summary["problem"] == start["problem_text"]
    assert summary["notes"] == noted["notes"]
    assert len(encode(summary)) <= SUMMARY_LIMIT
    await desk.connection.execute("delete from outbox")
