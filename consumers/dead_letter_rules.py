"""What may not be done to a dead letter, and the sentence that says why."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from consumers.letters import read_again
from consumers.reasons import Reason
from consumers.records import DeadLetter, Delivery, Discarded, Item, Refused
from storage.dead_letter_desk import KeptLetter


class LetterStays(Exception):
    """What was asked of a dead letter cannot be done; nothing was, and the message says why."""


def check_readable(letter: KeptLetter) -> None:
    """Refuse to replay what cannot be read, unless it was edited. Raises `LetterStays`."""
    if letter.reason == Reason.TOO_LARGE:
        msg = f"{letter.id} is too large to be read: it cannot be replayed, only discarded"
        raise LetterStays(msg)
    if letter.edited is None:
        msg = (
            f"{letter.id} cannot be read, and so not be replayed;"
            " `firstline dead-letters edit` can make it something readable"
        )
        raise LetterStays(msg)


def check_edit(letter: KeptLetter, value: bytes) -> None:
    """Refuse what a replay could not apply, and what would be another command.

    Raises `LetterStays`.
    """
    if letter.reason == Reason.TOO_LARGE:
        msg = f"{letter.id} is too large to be edited; discard it"
        raise LetterStays(msg)
    match read_again(replace(letter, edited=value)):
        case DeadLetter(detail=detail):
            msg = f"the edit cannot be read: {detail}"
            raise LetterStays(msg)
        case Refused(rejected=rejected):
            msg = f"the edit would be refused as {rejected.code}: {rejected.message}"
            raise LetterStays(msg)
        case Delivery(command=command) if letter.command_id is not None:
            ids = ("command_id", "session_id", "account_id")
            for name in ids:
                if getattr(command, name) != getattr(letter, name):
                    msg = f"an edit keeps {', '.join(ids)}: {name} is another"
                    raise LetterStays(msg)


def check_no_repetition(letter: KeptLetter, before: Sequence[tuple[str, str]]) -> None:
    """Refuse to discard what repeats a command that waits before it: it gets the same answer.

    ``before`` are letters and their commands. Raises `LetterStays`.
    """
    for letter_id, command_id in before:
        if command_id == letter.command_id:
            msg = (
                f"{letter.id} repeats the command of {letter_id}, and gets its answer: discard that"
            )
            raise LetterStays(msg)


def given_up(letter: KeptLetter) -> Item:
    """The answer that a discarded command gets; one that turns out to be refused gets that."""
    item = read_again(replace(letter, edited=None))
    if isinstance(item, DeadLetter):
        msg = f"{letter.id} cannot be read by this version ({item.detail}): nobody can be answered"
        raise LetterStays(msg)
    return Discarded(item) if isinstance(item, Delivery) else item


def forgotten(letter: KeptLetter, remembered: timedelta) -> str:
    """Why a letter is not replayed that came before what is ``remembered``."""
    return (
        f"{letter.id} came at {letter.recorded_at:%Y-%m-%d %H:%M}Z, and which commands were"
        f" applied is remembered for {remembered.days} days: its effect might be repeated;"
        " discard it, and have it sent anew under a new command_id"
    )
