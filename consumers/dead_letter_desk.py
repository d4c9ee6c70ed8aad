"""What operators may do about dead letters: replay, discard, edit.

Each act is one transaction that first locks the row which parks the session, or the letter itself
where it is no command: workers that get commands of the session meanwhile wait, two operators take
turns, and the second finds the letter settled. Who did what, when and why is written up beside it.
"""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import takewhile

from sqlalchemy.ext.asyncio import AsyncEngine

from consumers.dead_letter_rules import (
    LetterStays,
    check_edit,
    check_no_repetition,
    check_readable,
    forgotten,
    given_up,
)
from consumers.letters import read_again
from consumers.reasons import Reason
from consumers.records import Delivery
from consumers.replay import Way, apply_in_order, carry_out
from domain.context import Limits
from storage import dead_letter_desk as letters
from storage import dead_letters, inbox, looking
from storage.again import again
from storage.database import Transaction, begin, rehearse
from storage.dead_letter_desk import Act, KeptLetter
from storage.dead_letters import AccountSession
from storage.looking import SessionSeen
from storage.outbox import Message


@dataclass(frozen=True, slots=True)
class Operator:
    """Who asks, and why."""

    name: str
    because: str


@dataclass(frozen=True, slots=True)
class Came:
    """What a replay came to, or what a discard let through; letters by id.

    ``failed`` is the letter that stopped it, with the reason; ``waiting`` counts what is left in
    the queue, that one included. ``left`` says why nothing behind a discarded letter was tried.
    """

    queue: AccountSession | None = None
    answered: Sequence[str] = ()
    failed: tuple[str, str] | None = None
    waiting: int = 0
    left: str | None = None
    messages: Sequence[Message] = ()
    before: SessionSeen | None = None
    after: SessionSeen | None = None


_Work = Callable[[Transaction], Awaitable[Came]]
_Step = Callable[[Transaction, AccountSession, Operator, datetime], Awaitable[Came]]


@dataclass(frozen=True, slots=True)
class Desk:
    """Works on the dead letters of one database.

    ``remembered`` is for how long it is known which commands were applied.
    """

    engine: AsyncEngine
    limits: Limits
    remembered: timedelta

    async def replay(self, letter_id: str, operator: Operator, now: datetime) -> Came:
        """Apply what the letter holds; of a parked session, its queue from the front.

        A queue that is longer than a transaction should be is applied in several, and the session
        stays parked in between. Raises `LetterStays`.
        """

        async def first(tx: Transaction) -> Came:
            return await self._replay(tx, await _locked(tx, letter_id), operator, now)

        return await self._to_the_end(first, self._replay_queue, operator, now)

    async def rehearse(self, letter_id: str, now: datetime) -> Came:
        """What `replay` would come to, with the session before and after; all is rolled back.

        Of a long queue, as much as one transaction takes. Raises `LetterStays`.
        """
        async with rehearse(self.engine) as tx:
            letter = await _locked(tx, letter_id)
            before = await _seen(tx, letter)
            came = await self._replay(tx, letter, Operator("rehearsal", ""), now)
            return replace(came, before=before, after=await _seen(tx, letter))

    async def discard(self, letter_id: str, operator: Operator, now: datetime) -> Came:
        """Give a letter up; the sender of a command is told so.

        What waits behind it is applied next, up to the next poison. Raises `LetterStays`.
        """

        async def discarded(tx: Transaction) -> Came:
            letter = await _locked(tx, letter_id)
            if letter.queue is None:
                await _settle(tx, [letter], "discarded", operator, now)
                return Came()
            was_first = await _is_first(tx, letter)
            sent = await carry_out(tx, [given_up(letter)], now, self.limits, parked=True)
            await _settle(tx, [letter], "discarded", operator, now)
            if was_first:
                came = await self._let_through(tx, letter.queue, operator, now)
            else:
                waiting = await letters.unpark(tx, letter.queue)
                came = Came(letter.queue, waiting=waiting, left="it was not the first of its queue")
            return replace(came, messages=[*sent, *came.messages])

        return await self._to_the_end(discarded, self._let_through, operator, now)

    async def edit(self, letter_id: str, value: bytes, operator: Operator, now: datetime) -> None:
        """Have a replay apply this value in place of the letter's own. Raises `LetterStays`.

        The command keeps its id, and the hash of the bytes that it came as: who sends those again
        sends the same command.
        """

        async def edit(tx: Transaction) -> Came:
            letter = await _locked(tx, letter_id)
            check_edit(letter, value)
            act = Act(letter.number, "edited", operator.name, operator.because, value=value)
            await letters.write_up(tx, [act], now)
            return Came(letter.queue)

        await self._in_transaction(edit)

    async def _replay(
        self, tx: Transaction, letter: KeptLetter, operator: Operator, now: datetime
    ) -> Came:
        if letter.queue is not None:
            return await self._replay_queue(tx, letter.queue, operator, now)
        await self._check_alone(tx, letter, now)
        return await self._apply(tx, [letter], operator, now)

    async def _replay_queue(
        self, tx: Transaction, queue: AccountSession, operator: Operator, now: datetime
    ) -> Came:
        waiting = await letters.first_in_queue(tx, queue)
        if why := await self._forgotten(tx, waiting, now):
            raise LetterStays(why)
        came = await self._apply(tx, waiting, operator, now)
        return replace(came, queue=queue, waiting=await letters.unpark(tx, queue))

    async def _let_through(
        self, tx: Transaction, queue: AccountSession, operator: Operator, now: datetime
    ) -> Came:
        """Apply what waits now, up to the next poison, unless that might repeat an effect."""
        waiting = await letters.first_in_queue(tx, queue)
        waiting = list(takewhile(lambda one: one.reason != Reason.POISON, waiting))
        came = Came(left=await self._forgotten(tx, waiting, now))
        if came.left is None:
            came = await self._apply(tx, waiting, operator, now)
        return replace(came, queue=queue, waiting=await letters.unpark(tx, queue))

    async def _apply(
        self, tx: Transaction, waiting: Sequence[KeptLetter], operator: Operator, now: datetime
    ) -> Came:
        """Apply letters in order, as far as can be, and write it up."""
        way = await apply_in_order(tx, waiting, now, self.limits)
        await _settle(tx, way.done, "replayed", operator, now)
        if way.stuck is not None:
            letter, detail = way.stuck
            await letters.fail(tx, letter.number, detail)
            act = Act(letter.number, "failed", operator.name, operator.because, detail)
            await letters.write_up(tx, [act], now)
        return _came(way)

    async def _check_alone(self, tx: Transaction, letter: KeptLetter, now: datetime) -> None:
        """Refuse what cannot be read, and what would overtake others. Raises `LetterStays`."""
        check_readable(letter)
        if now - letter.recorded_at > self.remembered:
            raise LetterStays(forgotten(letter, self.remembered))
        item = read_again(letter)
        if isinstance(item, Delivery):
            queue = (item.command.account_id, item.command.session_id)
            if await dead_letters.lock_parked(tx, {queue}):
                msg = (
                    f"{letter.id} is for the session {queue[1]}, which is parked: replay that first"
                )
                raise LetterStays(msg)

    async def _forgotten(
        self, tx: Transaction, waiting: Sequence[KeptLetter], now: datetime
    ) -> str | None:
        """Why an effect might be repeated: it is not known any more whether there was one."""
        ids = [letter.command_id for letter in waiting if letter.command_id is not None]
        known = await inbox.known(tx, ids)
        for letter in waiting:
            if now - letter.recorded_at > self.remembered or letter.command_id not in known:
                return forgotten(letter, self.remembered)
        return None

    async def _to_the_end(
        self, first: _Work, step: _Step, operator: Operator, now: datetime
    ) -> Came:
        """Do the first transaction, then as many steps as it takes to come to the queue's end.

        Or to what ends it before: a letter that fails, or nothing that could be applied.
        """
        came = more = await self._in_transaction(first)
        while (queue := more.queue) and more.answered and more.waiting and more.failed is None:

            async def next_step(tx: Transaction, queue: AccountSession = queue) -> Came:
                if not await dead_letters.lock_parked(tx, {queue}):
                    return Came(queue)  # somebody else came to its end, or its account has ended
                return await step(tx, queue, operator, now)

            more = await self._in_transaction(next_step)
            came = replace(
                more,
                answered=[*came.answered, *more.answered],
                messages=[*came.messages, *more.messages],
            )
        return came

    async def _in_transaction(self, work: _Work) -> Came:
        """Do it all in one transaction, and again where the moment was bad."""

        async def once() -> Came:
            async with begin(self.engine) as tx:
                return await work(tx)

        return await again(once)


async def give_up_some(tx: Transaction, account_id: str, operator: Operator, now: datetime) -> int:
    """Give up some of what waits of an account that has ended; return how many letters are left.

    Whoever sent a command is told so. What waits behind it is not tried: it is given up as well.
    """
    waiting = await letters.first_of_account(tx, account_id)
    items = []
    for letter in waiting:
        with suppress(LetterStays):  # written by another version: nobody can be answered
            items.append(given_up(letter))
    await carry_out(tx, items, now, Limits(), parked=True)
    await _settle(tx, waiting, "discarded", operator, now)
    return await letters.count_of_account(tx, account_id)


async def _locked(tx: Transaction, letter_id: str) -> KeptLetter:
    """The letter, which nobody else can settle now. Raises `LetterStays`."""
    letter = await letters.letter(tx, letter_id)
    if letter is None:
        msg = f"there is no dead letter {letter_id}"
        raise LetterStays(msg)
    queue = letter.queue
    parked = queue is None or await dead_letters.lock_parked(tx, {queue})
    await letters.lock_letter(tx, letter.number)
    letter = await letters.letter(tx, letter_id)
    if letter is None or letter.status != "open":
        what = "gone" if letter is None else letter.status
        msg = f"{letter_id} is {what} already"
        raise LetterStays(msg)
    if not parked:
        msg = f"the account of {letter_id} has ended: `firstline account delete` gives it up"
        raise LetterStays(msg)
    return letter


async def _is_first(tx: Transaction, letter: KeptLetter) -> bool:
    """Whether nothing waits before it. Raises `LetterStays` for what repeats a command there."""
    before = await letters.before(tx, letter)
    check_no_repetition(letter, before)
    return not before


async def _seen(tx: Transaction, letter: KeptLetter) -> SessionSeen | None:
    """The session that the letter is for, as it stands in this transaction."""
    item = read_again(letter)
    if isinstance(item, Delivery):
        return await looking.session(tx, item.command.session_id)
    return None


async def _settle(
    tx: Transaction, done: Sequence[KeptLetter], status: str, operator: Operator, now: datetime
) -> None:
    """Take letters off their queue, and write it up."""
    await letters.settle(tx, [letter.number for letter in done], status)
    await letters.write_up(
        tx,
        [Act(letter.number, status, operator.name, operator.because) for letter in done],
        now,
    )


def _came(way: Way) -> Came:
    stuck = None if way.stuck is None else (way.stuck[0].id, way.stuck[1])
    return Came(answered=[one.id for one in way.done], failed=stuck, messages=way.messages)
