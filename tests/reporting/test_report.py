"""`firstline report`: the figures as tables, JSON and pictures."""

import json
import struct
from datetime import date, timedelta
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from firstline.looking.ask import NothingToShow
from firstline.reporting import tables, words
from firstline.reporting.figures import Figures, Share, figures
from firstline.reporting.plots import draw
from tests.builders import ACME, GLOBEX, an_id
from tests.reporting.desk import DAY, MONDAY, WEEK, Desk

LONG_AFTER = date(2026, 6, 1)


@pytest.fixture
async def acme(desk: Desk, database_url: str) -> Figures:
    """Three weeks, in the second of which nothing ended."""
    await desk.session("resolved", "flow", category="$x^2$ \x1b[2J", steps=2)
    await desk.session("escalated", took=timedelta(minutes=30))
    await desk.session("resolved", ended_at=MONDAY + 2 * WEEK)
    await desk.session("abandoned", ended_at=MONDAY + 2 * WEEK + DAY)
    await desk.session("active")
    (found,) = await figures(database_url, ACME, None)
    return found


async def test_weeks_follow_each_other_and_totals_are_of_their_sums(acme: Figures) -> None:
    assert acme.weeks == (date(2026, 2, 2), date(2026, 2, 9), date(2026, 2, 16))
    assert acme.first_level_resolution.weekly == (Share(1, 2), Share(), Share(1, 2))
    assert acme.first_level_resolution.total == Share(2, 4)
    assert acme.outcomes == {"resolved": 2, "escalated": 1, "abandoned": 1}
    assert list(acme.paces["resolved"].weekly_seconds) == [600, None, 600]
    assert acme.paces["escalated"].median_seconds == 1800
    assert acme.paces["escalated"].median_steps is None


@pytest.mark.usefixtures("acme")
async def test_since_a_date_means_from_its_week_on(database_url: str) -> None:
    for day, weeks in ((1, 3), (8, 3), (9, 1), (22, 1), (23, 0)):
        (found,) = await figures(database_url, ACME, date(2026, 2, day))
        assert len(found.weeks) == weeks


@pytest.mark.usefixtures("acme")
async def test_an_account_without_an_outcome_has_nothing_to_divide_by(
    database_url: str, tmp_path: Path
) -> None:
    _, globex = await figures(database_url, None, None)

    assert globex.account_id == GLOBEX
    assert globex.first_level_resolution.total.rate is None
    assert printed(globex, terminal=True) == "Globex\nNo session has ended.\n\n"
    assert json.loads(tables.as_json(globex))["reopening"]["rate"] is None
    assert draw(globex, tmp_path, LONG_AFTER) == []


@pytest.mark.usefixtures("acme")
async def test_an_account_that_nobody_has_is_told_of(database_url: str) -> None:
    with pytest.raises(NothingToShow, match="no account"):
        await figures(database_url, an_id(0xFF), None)
    with pytest.raises(NothingToShow, match="is no id"):
        await figures(database_url, "acme", None)


async def test_a_terminal_shows_bars_and_trends(acme: Figures) -> None:
    shown = printed(acme, terminal=True)

    (resolved,) = [line for line in shown.splitlines() if line.startswith("resolved at first")]
    assert resolved.rstrip().endswith("50 %     2 of 4   ███████          ▅ ▅")
    assert "\x1b[2J" not in shown


async def test_a_pipe_gets_the_figures_alone(acme: Figures) -> None:
    shown = printed(acme, terminal=False)

    assert "resolved at first level        50 %     2 of 4" in shown
    assert not set(shown) & set("█▁▂▃▄▅▆▇")
    assert "\x1b" not in shown


async def test_it_says_where_more_may_reopen(acme: Figures) -> None:
    last_day = date(2026, 2, 22)
    assert "more may" in printed(acme, today=last_day + timedelta(days=14))
    assert "more may" not in printed(acme, today=last_day + timedelta(days=15))


async def test_the_json_has_parts_wholes_and_rates(acme: Figures) -> None:
    told = json.loads(tables.as_json(acme))

    assert "\n" not in tables.as_json(acme)
    assert told["weeks"] == ["2026-02-02", "2026-02-09", "2026-02-16"]
    assert told["flow_hits"]["rate"] == 0.25
    assert told["flow_hits"]["weekly"][1] == {"part": 0, "whole": 0, "rate": None}
    assert told["escalation_by_category"][0] == {
        "category": None,
        "part": 1,
        "whole": 3,
        "rate": 1 / 3,
    }


@pytest.mark.parametrize("since", [None, date(2026, 2, 16)], ids=["weeks", "a week"])
@pytest.mark.usefixtures("acme")
async def test_a_picture_of_each_figure_is_drawn(
    database_url: str, tmp_path: Path, since: date | None
) -> None:
    (found,) = await figures(database_url, ACME, since)

    drawn = draw(found, tmp_path, date(2026, 2, 24))

    assert [picture.relative_to(tmp_path / ACME).stem for picture in drawn] == [
        *("outcomes", "escalation-by-category", "time-to-outcome", "rates")
    ]
    for picture in drawn:
        head = picture.read_bytes()[:24]
        assert head[:8] == b"\x89PNG\r\n\x1a\n"
        assert struct.unpack(">II", head[16:24]) == (960, 540)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(None, "–"), (0.0, "0.0 s"), (45, "45 s"), (600, "10 min"), (9_000, "2.5 h"), (2e5, "2.3 d")],
)
def test_a_time_is_told_in_its_largest_unit(seconds: float | None, shown: str) -> None:
    assert words.span(seconds) == shown


def printed(found: Figures, *, terminal: bool = False, today: date = LONG_AFTER) -> str:
    """What is printed, without colours."""
    output = StringIO()
    console = Console(file=output, width=100, force_terminal=terminal, color_system=None)
    tables.show(console, found, today)
    return output.getvalue().replace("\x1b[1m", "").replace("\x1b[0m", "").replace("\x1b[3m", "")
