"""Operators who replay and discard what was kept, and may die over it."""

from collections.abc import Coroutine
from contextlib import ExitStack
from datetime import timedelta
from typing import Any
from unittest import mock

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from consumers import fold
from consumers.dead_letter_desk import Came, Desk, Operator
from consumers.dead_letter_rules import LetterStays
from domain.decide import decide
from tests.model.bench import AnswerLost, Death, Fuse, Killed
from tests.model.stage import Stage
from tests.model.world import LIMITS

_EVE = Operator("eve", "the fix is out")
_LETTER = "select id::text from dead_letters order by number offset $1 limit 1"


class Desks(Stage):
    """The rules of dead letters; where the program is ``mended``, nothing is poison any more."""

    @precondition(lambda self: self.expected.letters)
    @rule(
        what=st.sampled_from(["replay", "discard"]),
        data=st.data(),
        mended=st.booleans(),
        death=st.none() | st.sampled_from(Death),
    )
    def work_on_a_letter(
        self, what: str, data: st.DataObject, *, mended: bool, death: Death | None
    ) -> None:
        """Replay it with what waits before and behind it, or give it up."""
        letters = self.expected.letters
        waiting = [place for place, letter in enumerate(letters) if letter.queue is not None]
        place = data.draw(st.sampled_from([*waiting * 3, *range(len(letters))]), label="letter")
        now, expected = self.tick(), self.expected.copy()
        may = getattr(expected, what)(place, now, mended=mended)
        letter_id = self.bench.run(self.bench.connection.fetchval(_LETTER, place))
        desk = Desk(self.bench.operators, LIMITS, timedelta(days=16))
        work = getattr(desk, what)(letter_id, _EVE, now)
        outcome = self._outcome(work, death, mended=mended)
        if not may:
            assert isinstance(outcome, LetterStays), repr(outcome)
            self.seen["a letter stays"] += 1
            return
        if death is None:
            assert isinstance(outcome, Came), repr(outcome)
        else:
            assert isinstance(outcome, (Killed, AnswerLost)), repr(outcome)
            self.seen[f"desk {death.name}"] += 1
        if death is not Death.BEFORE:
            self.seen.update(act for _, act in expected.acts[len(self.expected.acts) :])
            self.expected = expected

    def _outcome(
        self, work: Coroutine[Any, Any, Came], death: Death | None, *, mended: bool
    ) -> Came | BaseException:
        with ExitStack() as stack:
            if mended:
                stack.enter_context(mock.patch.object(fold, "decide", decide))
            self.bench.at_commit = death and Fuse(death)
            try:
                return self.bench.run(work)
            except (Exception, Killed) as failed:  # noqa: BLE001 - looked at by the caller
                return failed
            finally:
                self.bench.at_commit = None
