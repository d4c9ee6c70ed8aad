"""Why a record became a dead letter."""

from enum import StrEnum


class Reason(StrEnum):
    """What stands in a dead letter's header ``fl_reason``."""

    UNREADABLE = "unreadable"
    TOO_LARGE = "too_large"
    POISON = "poison"
    PARKED = "parked"
