"""What the soak's verdict rests on."""

import pytest

from tests.soak.flat import Rule, bounded, judge, table

FLAT = [1.0, 20, 60, 90, *([100, 101, 99] * 10)]


@pytest.mark.parametrize(
    ("figures", "flat"),
    [
        (FLAT, True),
        ([*FLAT[:-10], *([109] * 10)], True),
        ([*FLAT[:-10], *([112] * 10)], False),
        ([float(number) for number in range(100)], False),
        ([100.0] * 4, True),
        ([1.0, 500, 100, 100, 100], True),
    ],
)
def test_what_grows_after_warm_up_is_not_flat(figures: list[float], flat: bool) -> None:  # noqa: FBT001
    assert judge("memory", figures, Rule(0.1)).flat is flat


def test_a_small_figure_has_some_slack() -> None:
    figures = [1.0] * 20 + [3.0] * 10
    assert not judge("rows", figures, Rule(0.1)).flat
    assert judge("rows", figures, Rule(0.1, slack=5)).flat


def test_a_peak_is_enough_to_be_out_of_bounds() -> None:
    assert bounded("outbox", [0, 900, 0, 0], most=1_000).flat
    assert not bounded("outbox", [0, 1_100, 0, 0], most=1_000).flat


def test_the_table_names_what_grows() -> None:
    shown = table([judge("memory", FLAT, Rule(0.1)), bounded("outbox", [0, 9], most=1)])
    assert [line.split()[-1] for line in shown.splitlines()[1:]] == ["flat", "GROWS"]
