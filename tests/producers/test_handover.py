"""What an engineer is handed fits into a notification, and has the latest."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic_core import to_json

from domain.events import StepRecorded
from domain.history import Walk
from domain.sessions import Escalated, Origin, SessionKind
from producers.handover import CUT, SUMMARY_LIMIT, path, shortened, summary
from tests.builders import ACME, NOW, PSA_TICKET, SESSION, TECH, step_recorded

# What takes one byte, four, and six when it is escaped.
characters = st.sampled_from(["x", "\U0001f600", "\x01", '"', "\u2028"])
texts = st.tuples(characters, st.sampled_from([1, 1_999, 2_000, 2_001, 20_000])).map(
    lambda made: made[0] * made[1]
)


def an_escalated(
    problem: str | None = "No mail.",
    reason: str | None = "Beyond me.",
    reason_category: str = "network",
) -> Escalated:
    origin = Origin(
        SESSION, ACME, SessionKind.AI_BUILD, PSA_TICKET, TECH, None, NOW, problem_text=problem
    )
    return Escalated(origin, 2, 0, NOW, None, NOW, reason, reason_category, TECH)


def walked(count: int, text: str) -> list[StepRecorded]:
    return [
        step_recorded(position=number, node_id=f"n{number}", question=text, answer=text, note=text)
        for number in range(1, count + 1)
    ]


@settings(max_examples=60, deadline=None)
@given(
    problem=texts | st.none(),
    reason=texts | st.none(),
    text=texts,
    steps=st.sampled_from([0, 1, 3, 12, 500]),
    note=texts,
    notes=st.sampled_from([0, 1, 20, 4_000]),
)
def test_a_summary_is_within_its_limit_and_has_the_latest(
    *, problem: str | None, reason: str | None, text: str, steps: int, note: str, notes: int
) -> None:
    walk = Walk(
        tuple(walked(steps, text[:4_000])),
        to_json([{"number": number, "text": note[:60]} for number in range(notes)]).decode(),
    )
    session = an_escalated(problem, reason, "\x01" * 30)
    made = summary(session, walk)

    assert len(to_json(made)) <= SUMMARY_LIMIT
    assert made == summary(session, walk)
    whole = (problem or "", reason or "")
    assert (made["problem"], made["reason"]) in {whole, tuple(map(shortened, whole))}
    told = made["steps"]
    assert isinstance(told, list)
    assert_latest(told, [f"n{number}" for number in range(1, steps + 1)], "node_id")
    assert isinstance(made["notes"], list)
    assert_latest(made["notes"], list(range(notes)), "number")


def test_however_much_else_there_is_the_latest_step_is_there() -> None:
    """Unless it is made of control characters, which take six bytes each."""
    longest = "\x01" * 20_000
    notes = to_json([{"text": "x" * 60}] * 4_000).decode()
    walk = Walk(tuple(walked(500, "\U0001f600" * 4_000)), notes)
    made = summary(an_escalated(longest, longest), walk)
    assert isinstance(made["steps"], list)
    assert [step.get("node_id") for step in made["steps"]] == [None, "n500"]
    assert len(to_json(made)) <= SUMMARY_LIMIT


def assert_latest(told: list[dict[str, object]], whole: list[object], name: str) -> None:
    """All there is, or a mark and the last of it."""
    if len(told) < len(whole) or {"cut": CUT} in told:
        assert told[0] == {"cut": CUT}
        told = told[1:]
        assert len(told) < len(whole)
    assert [entry[name] for entry in told] == whole[len(whole) - len(told) :]


def test_a_long_text_is_whole_where_there_is_room() -> None:
    long = "x" * 20_000
    walk = Walk((step_recorded(answer="a" * 4_000, note=long),), to_json([{"t": long}]).decode())
    made = summary(an_escalated("No mail.", long), walk)
    assert (made["reason"], made["notes"]) == (long, [{"t": long}])
    assert made["steps"] == path(walk, 64 * 1024)
    assert [(one["answer"], one["note"]) for one in path(walk, 64 * 1024)] == [("a" * 4_000, long)]  # type: ignore[index]


def test_a_long_walk_is_not_written_only_to_see_that_it_does_not_fit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It would take a quarter of a second, for each who claims and releases."""
    written: list[int] = []

    def counting(value: object) -> bytes:
        made = to_json(value)
        written.append(len(made))
        return made

    monkeypatch.setattr("producers.handover.to_json", counting)
    summary(an_escalated(), Walk(tuple(walked(500, "x" * 4_000))))
    assert 0 < sum(written) < 4 * SUMMARY_LIMIT


def test_nothing_is_cut_that_fits() -> None:
    steps = walked(12, "x" * 1_000)
    made = summary(an_escalated(), Walk(tuple(steps), '[{"a":1e308,"b":[]}]'))
    assert made == {
        "problem": "No mail.",
        "steps": [
            {"node_id": f"n{n}", "question": text, "answer": text, "note": text}
            for n, text in ((n, "x" * 1_000) for n in range(1, 13))
        ],
        "notes": [{"a": 1e308, "b": []}],
        "reason": "Beyond me.",
        "reason_category": "network",
    }


def test_a_session_without_a_walk_has_an_empty_one() -> None:
    made = summary(an_escalated(None, None), Walk())
    assert (made["problem"], made["steps"], made["notes"], made["reason"]) == ("", [], [], "")


def test_a_long_text_is_cut_where_two_thousand_characters_end() -> None:
    assert shortened("x" * 2_000) == "x" * 2_000
    cut = shortened("é" * 2_001)
    assert len(cut) == 2_000
    assert cut.endswith("é" + CUT)


@settings(max_examples=60, deadline=None)
@given(texts, st.integers(0, 30), st.sampled_from([100, 1_000, 30_000, 524_288]))
def test_a_path_is_within_its_limit(text: str, steps: int, limit: int) -> None:
    told = path(Walk(tuple(walked(steps, text[:4_000]))), limit)
    assert len(to_json(told)) <= limit
