"""docs/ai.md names the settings, reasons and numbers that the code has."""

import re

from firstline.settings import Settings
from integrations import embedded, prompt
from integrations.safety import NEEDS_ENGINEER
from tests.docs.reading import page, quoted

AI = page("docs/ai.md")
QUOTED = set(quoted(re.sub("```.*?```", "", AI, flags=re.DOTALL)))


def test_the_settings_are_told_and_no_other() -> None:
    settings = {f"FIRSTLINE_{name.upper()}" for name in Settings.model_fields}
    told = set(re.findall(r"FIRSTLINE_[A-Z_]+", AI))
    assert told <= settings
    assert {name for name in settings if name.startswith("FIRSTLINE_AI_")} - told == {
        "FIRSTLINE_AI_NODES"
    }


def test_every_reason_to_escalate_is_told() -> None:
    reasons = {embedded.NO_ARTICLE, embedded.ARTICLES_USED_UP, embedded.WALK_TOO_LONG}
    assert reasons | {embedded.ASKED_FOR, NEEDS_ENGINEER} <= QUOTED


def test_the_limits_of_what_is_sent_are_told() -> None:
    for limit in (prompt.LONGEST_TEXT, prompt.LONGEST_ANSWER):
        assert f"at most {limit:,} code points" in AI
