"""The trace context of a record (W3C, level 1), carried on to every message that it causes.

It is handed on as it came: firstline is not a span of its own in it, so that who follows a
command finds its outcomes below the span that sent it.
"""

import re
from collections.abc import Sequence

from storage.headers import pack

PARENT, STATE = "traceparent", "tracestate"

# Zeros name no trace, version ff is none, and versions to come may say more after these.
_IDS = rb"-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
_PARENT = re.compile(rb"00%b|(?!00|ff)[0-9a-f]{2}%b(?:-[!-~]{0,64})?" % (_IDS, _IDS))
_MEMBER = re.compile(rb"[a-z0-9][a-z0-9_*/@-]{0,255}=[ -+\--<>-~]{0,256}")
_MEMBERS = 32
_STATE_LIMIT = 512


def trace_of(headers: Sequence[tuple[str, bytes | None]]) -> bytes:
    """The trace context as packed headers; nothing where there is none, or one that is no good.

    A ``tracestate`` that is no good is left out alone.
    """
    if not headers:
        return b""
    parents = [value for name, value in headers if name == PARENT]
    if len(parents) != 1 or parents[0] is None or not _PARENT.fullmatch(parents[0]):
        return b""
    state = b",".join(value for name, value in headers if name == STATE and value)
    kept = [(PARENT.encode(), parents[0])]
    if state and _is_good(state):
        kept.append((STATE.encode(), state))
    return pack(kept)


def _is_good(state: bytes) -> bool:
    if len(state) > _STATE_LIMIT:
        return False
    members = [member.strip(b" \t") for member in state.split(b",")]
    return len(members) <= _MEMBERS and all(not one or _MEMBER.fullmatch(one) for one in members)
