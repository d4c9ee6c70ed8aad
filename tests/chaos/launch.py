"""firstline's command line with something changed in this process, and in no setting of it.

    python -m tests.chaos.launch [CHANGE...] worker

For showing what a rule is good for, by a worker without it.
"""

import sys
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, tzinfo
from typing import Self

from consumers import apply, sweeps, worker
from firstline import cli
from storage import lease


class HourAhead(datetime):
    """A clock that is an hour ahead."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        return super().now(tz) + timedelta(hours=1)


class HourBehind(datetime):
    """A clock that is an hour behind."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        return super().now(tz) - timedelta(hours=1)


def _lose_leases_at_once() -> None:
    """One second of silence instead of five."""
    lease._SETTINGS["idle_session_timeout"] = "1s"
    lease._HEARTBEAT_SECONDS = 0.2


def _apply_what_was_applied() -> None:
    """No record is dropped for lying below its partition's position."""
    apply._fresh = lambda batch, before: list(batch.items)  # noqa: ARG005 - the positions are before


def _set_clock(clock: type[datetime]) -> None:
    """All that this process asks for the time of day."""
    for module in (worker, sweeps):
        module.datetime = clock  # type: ignore[attr-defined]


CHANGES: Mapping[str, Callable[[], None]] = {
    "hasty-leases": _lose_leases_at_once,
    "without-the-fence": _apply_what_was_applied,
    "hour-ahead": lambda: _set_clock(HourAhead),
    "hour-behind": lambda: _set_clock(HourBehind),
}


def main(arguments: list[str]) -> None:
    """Make the changes that are named, and be firstline."""
    for name in [one for one in arguments if one in CHANGES]:
        CHANGES[name]()
    sys.argv = ["firstline", *(one for one in arguments if one not in CHANGES)]
    cli.main()


if __name__ == "__main__":
    main(sys.argv[1:])
