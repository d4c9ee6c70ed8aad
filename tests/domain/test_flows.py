"""Which flows hold together, and where their answers lead."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.flows import (
    Action,
    Article,
    EscalateEnd,
    Flow,
    Node,
    Option,
    Question,
    ResolveEnd,
    after,
    faults,
    is_end,
    leads_to,
)
from tests.builders import MAIL

END = ResolveEnd("end", "Solved.")


def ask(name: str, *following: str) -> Question:
    """A question with an option for each node that follows."""
    return Question(name, "?", tuple(Option(f"to {one}", one, one) for one in following))


def do(name: str, following: str) -> Action:
    return Action(name, "!", following)


def flow(*nodes: Node) -> Flow:
    """A flow that begins at the first of the nodes."""
    return Flow(nodes[0].id, {node.id: node for node in nodes})


# -- faults ----------------------------------------------------------------------------------

SOUND: dict[str, Flow] = {
    "one of every kind": MAIL,
    "nothing but an end": flow(END),
    "nothing but an escalation": flow(EscalateEnd("esc", "Beyond us.", "network")),
    "a circle that can be left": flow(ask("a", "a", "b"), do("b", "c"), ask("c", "a", "end"), END),
    "two ways to one node": flow(ask("a", "b", "c"), do("b", "end"), do("c", "end"), END),
}


@pytest.mark.parametrize("sound", SOUND.values(), ids=SOUND)
def test_a_flow_whose_every_node_leads_to_an_end_has_no_faults(sound: Flow) -> None:
    assert faults(sound) == []


FAULTY: dict[str, tuple[Flow, Sequence[str]]] = {
    "no start": (replace(MAIL, start="n0"), ["the start 'n0' is not one of the nodes"]),
    "no nodes": (Flow("a", {}), ["the start 'a' is not one of the nodes"]),
    "a way to nowhere": (
        flow(ask("a", "b", "end"), END),
        ["'a' leads to 'b', which is not one of the nodes"],
    ),
    "the only way leads nowhere": (
        flow(do("a", "b")),
        ["'a' leads to 'b', which is not one of the nodes", "'a' never reaches an end"],
    ),
    "an article leads nowhere": (
        flow(ask("a", "b", "end"), Article("b", "Read.", "c"), END),
        ["'b' leads to 'c', which is not one of the nodes", "'b' never reaches an end"],
    ),
    "a node that leads to itself": (flow(do("a", "a")), ["'a' never reaches an end"]),
    "a circle without a way out": (
        flow(ask("a", "b", "end"), do("b", "c"), do("c", "b"), END),
        ["'b' never reaches an end", "'c' never reaches an end"],
    ),
    "a node that nothing leads to": (flow(do("a", "end"), END, do("b", "end")), [
        "'b' is never reached",
    ]),
    "an island": (
        flow(END, do("b", "c"), do("c", "b")),
        [
            "'b' never reaches an end",
            "'c' never reaches an end",
            "'b' is never reached",
            "'c' is never reached",
        ],
    ),
    "a question without options": (flow(ask("a")), ["'a' never reaches an end"]),
}  # fmt: skip


@pytest.mark.parametrize(("faulty", "expected"), FAULTY.values(), ids=FAULTY)
def test_every_fault_is_told(faulty: Flow, expected: Sequence[str]) -> None:
    assert faults(faulty) == expected


_names = st.sampled_from(["a", "b", "c", "d"])
_nodes = st.one_of(
    st.builds(lambda following: ask("", *following), st.lists(_names, max_size=3)),
    st.builds(lambda following: do("", following), _names),
    st.just(END),
)


@given(st.dictionaries(_names, _nodes, min_size=1), _names)
def test_a_flow_has_no_faults_where_every_walk_can_end(nodes: dict[str, Node], start: str) -> None:
    drawn = Flow(start, {name: replace(node, id=name) for name, node in nodes.items()})
    reached = reachable(drawn, start) if start in nodes else set()
    sound = reached == set(nodes) and all(
        any(is_end(drawn.nodes[one]) for one in reachable(drawn, name)) for name in nodes
    )
    assert (faults(drawn) == []) == sound


def reachable(of: Flow, start: str) -> set[str]:
    """The nodes that a walk from here may come to, and None's name where it falls off."""
    found = {start}
    while more := {two for one in found & {*of.nodes} for two in leads_to(of.nodes[one])} - found:
        found |= more
    return found & {*of.nodes} if found <= {*of.nodes} else set()


# -- where answers lead ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "option", "following"),
    [
        ("n1", "y", "n2"),
        ("n1", "n", "esc"),
        ("n1", "perhaps", None),
        ("n1", None, None),
        ("n2", None, "n3"),
        ("n2", "y", None),
        ("n3", None, "done"),
        ("n3", "y", None),
        ("done", None, None),
        ("done", "y", None),
        ("esc", None, None),
    ],
)
def test_an_answer_leads_to_one_node_or_is_none(
    name: str, option: str | None, following: str | None
) -> None:
    assert after(MAIL.nodes[name], option) == following


@pytest.mark.parametrize(
    ("name", "following"),
    [
        ("n1", ["n2", "esc", "n1"]),
        ("n2", ["n3"]),
        ("n3", ["done"]),
        ("done", []),
        ("esc", []),
    ],
)
def test_a_node_leads_to_what_its_answers_lead_to(name: str, following: list[str]) -> None:
    assert list(leads_to(MAIL.nodes[name])) == following
    assert is_end(MAIL.nodes[name]) == (not following)
