"""The harness counts what is wrong, says it, and fails of it."""

import sys

import pytest

from tests.chaos import __main__ as chaos
from tests.chaos import report
from tests.chaos.fault import Fault
from tests.chaos.faults import FAULTS, LASTING
from tests.chaos.figures import Harm, Line, harm, totals
from tests.chaos.run import Run, in_order
from tests.outside.breaking import BREAKS
from tests.outside.desk import Day
from tests.outside.pretend import Pretend

KILLED = Line("killed", 2, 400, Harm(), 1.25)
SLOW = Line("slow", 1, 100, Harm(lost=1, otherwise=2), 30.0)


@pytest.fixture
def pretend() -> Pretend:
    pretend = Pretend()
    pretend.walk("start_flow", "record_step", "record_step", "update_notes", "resolve")
    pretend.walk("start_flow", "escalate", "claim_escalation", "hand_back")
    pretend.babble(b"not JSON")
    return pretend


def test_nothing_is_wrong_with_a_world_that_is_as_it_should_be(pretend: Pretend) -> None:
    assert harm(pretend.world()) == (Harm(), [])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a reply is missing", Harm(lost=1)),
        ("a reply is doubled", Harm(repeated=1)),
        ("an event is doubled", Harm(repeated=1)),
        ("two events are swapped", Harm(misordered=1)),
        ("a sequence has a gap", Harm(lost=1)),
        ("a ticketing message is doubled", Harm(repeated=1)),
        ("a remembered id is missing", Harm(otherwise=1)),
    ],
)
def test_what_is_wrong_is_counted(pretend: Pretend, name: str, expected: Harm) -> None:
    break_, _ = BREAKS[name]
    found, said = harm(break_(pretend.world()))
    assert found == expected
    assert said != []


@pytest.mark.parametrize("name", BREAKS)
def test_no_break_goes_uncounted(pretend: Pretend, name: str) -> None:
    break_, _ = BREAKS[name]
    assert harm(break_(pretend.world()))[0]


def test_commands_that_were_applied_in_another_order_are_counted(pretend: Pretend) -> None:
    world = pretend.world()
    [first, second, *_] = [one["command_id"] for _, one in world.commands]
    assert harm(world, [Day([], {"a session": [first, second]})])[0] == Harm()
    assert harm(world, [Day([], {"a session": [second, first]})])[0] == Harm(misordered=1)


def test_lines_add_up_to_their_totals() -> None:
    assert totals([KILLED, SLOW]) == Line("2 faults", 3, 500, Harm(lost=1, otherwise=2), 30.0)


def test_a_seed_is_an_order() -> None:
    assert in_order(FAULTS, 1) == in_order(FAULTS, 1)
    assert in_order(FAULTS, 1) != in_order(FAULTS, 2)
    assert set(in_order(FAULTS, 1)) == set(FAULTS)


def test_no_two_faults_have_one_name() -> None:
    names = [fault.name for fault in (*FAULTS, *LASTING)]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("lines", "code"), [([KILLED], 0), ([KILLED, SLOW], 1), ([], 1)], ids=["well", "harm", "none"]
)
def test_the_exit_code_is_1_where_anything_is_wrong(
    monkeypatch: pytest.MonkeyPatch, lines: list[Line], code: int
) -> None:
    def run(faults: list[Fault], _seed: int, _seconds: float) -> Run:
        assert faults
        return Run(lines=lines)

    monkeypatch.setattr(chaos, "run", run)
    monkeypatch.setattr(sys, "argv", ["make chaos", "--seed", "1", "--seconds", "5"])
    assert chaos.main() == code


@pytest.mark.parametrize(("options", "faults"), [([], FAULTS), (["--long"], LASTING)])
def test_faults_that_last_have_a_run_of_their_own(
    monkeypatch: pytest.MonkeyPatch, options: list[str], faults: tuple[Fault, ...]
) -> None:
    asked: list[Fault] = []

    def run(faults: list[Fault], _seed: int, _seconds: float) -> Run:
        asked.extend(faults)
        return Run(lines=[KILLED])

    monkeypatch.setattr(chaos, "run", run)
    monkeypatch.setattr(sys, "argv", ["make chaos", "--seed", "1", *options])
    assert chaos.main() == 0
    assert asked == list(faults)


PARTS = pytest.mark.parametrize("part", [report.FULL, report.LONG])
PLACES = "".join(
    f"Before.\n\n{part}\n\nold\n\n{report.END}\n" for part in (report.FULL, report.LONG)
)


@PARTS
def test_a_report_takes_the_place_of_the_last_one_of_its_part(part: str) -> None:
    written = report.with_report(PLACES, part, "Seed 7", [KILLED], ["disk full: no root"])
    [other] = {report.FULL, report.LONG} - {part}
    assert "old" not in report.told(written, part)
    assert str(KILLED) in report.told(written, part)
    assert "Not run: disk full: no root." in report.told(written, part)
    assert report.told(written, other) == report.told(PLACES, other)
    assert written.count("Before.") == 2
    assert report.with_report(written, part, "Seed 7", [KILLED], ["disk full: no root"]) == written


@pytest.mark.parametrize("option", [["--only", "disk"], ["--seconds", "60"]])
def test_a_report_is_of_every_fault(monkeypatch: pytest.MonkeyPatch, option: list[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["make chaos", "--report", *option])
    with pytest.raises(SystemExit, match="2"):
        chaos.main()


@pytest.mark.parametrize(("part", "faults"), [(report.FULL, FAULTS), (report.LONG, LASTING)])
def test_the_page_tells_of_every_fault_what_came_of_it_or_that_it_was_not_run(
    part: str, faults: tuple[Fault, ...]
) -> None:
    told = report.told(report.PAGE.read_text(), part)
    assert [fault.name for fault in faults if fault.name not in told] == []


@PARTS
def test_a_report_needs_its_place(part: str) -> None:
    with pytest.raises(ValueError, match="lacks the marks"):
        report.with_report("Nothing here.", part, "Seed 7", [KILLED], [])
