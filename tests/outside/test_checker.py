"""The checker passes what is right, and notices each thing that is not."""

import json
from dataclasses import replace

import pytest

from .breaking import BREAKS
from .checker import check
from .pretend import Pretend


@pytest.fixture
def pretend() -> Pretend:
    """Make a world with each kind of record and row that the checker looks at."""
    pretend = Pretend()
    pretend.walk("start_flow", "record_step", "record_step", "update_notes", "resolve")
    pretend.walk("start_flow", "record_step", "escalate", source="psa")
    pretend.walk("start_flow", "abandon")
    pretend.walk("start_flow", "escalate", "claim_escalation", "release_escalation")
    pretend.walk("start_flow", "escalate", "claim_escalation", "close_escalation")
    pretend.walk("start_flow", "escalate", "claim_escalation", "hand_back")
    pretend.repeat(pretend.rows["inbox"][1]["command_id"])
    pretend.babble(b"not JSON")
    pretend.babble(None)
    return pretend


def test_nothing_is_said_against_a_world_that_is_as_it_should_be(pretend: Pretend) -> None:
    assert check(pretend.world()) == []


@pytest.mark.parametrize("name", BREAKS)
def test_each_break_is_noticed(pretend: Pretend, name: str) -> None:
    break_, complaint = BREAKS[name]
    violations = check(break_(pretend.world()))
    assert any(complaint in violation for violation in violations), violations


def test_a_repeated_answer_must_be_the_first_answer(pretend: Pretend) -> None:
    command_id = pretend.rows["inbox"][0]["command_id"]
    pretend.repeat(command_id)
    last = pretend.records.pop()
    told = json.dumps(last.json | {"version": 4}).encode()
    pretend.records.append(replace(last, value=told))
    assert check(pretend.world()) == [
        f"the repeated answer to command {command_id} is not its first answer"
    ]
