"""Whether this machine's clock agrees with the servers'."""

from collections.abc import Iterator, Mapping

from firstline.check.findings import Finding, note, ok, warning

SKEW_ALLOWED_SECONDS = 5.0


def clocks(ahead: Mapping[str, float | None]) -> Iterator[Finding]:
    """Judge how far each server's clock is ahead of ours, in seconds; None is unknown.

    Sessions are stamped by the worker, records by Kafka: with a wrong clock, idle sessions are
    swept too early and times in events cannot be compared.
    """
    agreeing = []
    for server, seconds in ahead.items():
        if seconds is None:
            yield note(f"the clock of {server}", "cannot be asked without writing")
        elif abs(seconds) > SKEW_ALLOWED_SECONDS:
            direction = "ahead of" if seconds > 0 else "behind"
            yield warning(
                f"the clock of {server}",
                f"is {abs(seconds):,.0f} s {direction} this machine's",
                "have all of them follow the same time server",
            )
        else:
            agreeing.append(server)
    if agreeing:
        yield ok("clocks", f"this machine's agrees with {' and '.join(agreeing)}")
