"""Those who wait for the answers to their commands, and how replies find them."""

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from pydantic import ValidationError
from pydantic_core import from_json

from schemas.commands import CommandModel
from schemas.replies import REPLIES, Reply


class ClientStopped(Exception):
    """The client was closed, or can no longer read replies: its cause says why. Make a new one."""


@dataclass(slots=True)
class _Asked:
    """A command under way: its bytes, and an answer to come for each who sent it."""

    value: bytes
    answers: list["asyncio.Future[Reply]"] = field(default_factory=list)


class AwaitedReplies:
    """Commands under way, by session and id.

    By session first, because that is a reply's key: what nobody here asked is not even parsed.
    """

    def __init__(self) -> None:
        self._sessions: defaultdict[bytes, dict[str, _Asked]] = defaultdict(dict)
        self._stopped: ClientStopped | None = None

    @contextmanager
    def answer(self, command: CommandModel, value: bytes) -> Iterator["asyncio.Future[Reply]"]:
        """The answer to come; whatever comes after the block is nobody's.

        Raises ValueError where other bytes wait under the same id: their answers could not be told
        apart. Raises `ClientStopped` where none will come.
        """
        if self._stopped is not None:
            raise self._stopped
        key, command_id = command.session_id.encode(), command.command_id
        asked = self._sessions[key].setdefault(command_id, _Asked(value))
        if asked.value != value:
            msg = f"another command waits under the id {command_id}"
            raise ValueError(msg)
        answer: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        asked.answers.append(answer)
        try:
            yield answer
        finally:
            asked.answers.remove(answer)
            if not asked.answers:
                del self._sessions[key][command_id]
            if not self._sessions[key]:
                del self._sessions[key]
            if not answer.cancel() and not answer.cancelled():
                answer.exception()  # looked at, whether or not the block got as far

    def take(self, key: bytes | None, value: bytes | None) -> None:
        """Hand a record of the replies topic to those who wait for it, if any do."""
        asked = self._asked(key, value)
        if asked is None or value is None:
            return
        try:
            reply = REPLIES.validate_json(value)
        except ValidationError as error:
            _fail(asked, error)
            return
        for answer in asked.answers:
            if not answer.done():
                answer.set_result(reply)

    def stop(self, cause: Exception | None) -> None:
        """Tell everybody, now and from now on, that no answers come any more."""
        self._stopped = ClientStopped("this client reads no replies any more")
        self._stopped.__cause__ = cause
        for commands in self._sessions.values():
            for asked in commands.values():
                _fail(asked, self._stopped)

    def _asked(self, key: bytes | None, value: bytes | None) -> _Asked | None:
        commands = None if key is None else self._sessions.get(key)
        if commands is None or value is None:
            return None
        try:
            return commands.get(from_json(value)["command_id"])
        except (ValueError, TypeError, KeyError):
            return None  # none of firstline's


def _fail(asked: _Asked, error: Exception) -> None:
    for answer in asked.answers:
        if not answer.done():
            answer.set_exception(error)
