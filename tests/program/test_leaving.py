"""How long a worker takes to leave where no server answers any more."""

from consumers import nodes, worker
from firstline import program
from producers import publish
from storage import lease, slots


def test_what_leaving_may_take_adds_up_to_less_than_30_seconds() -> None:
    """Whoever said SIGTERM says SIGKILL then: a clean exit would count as a death."""
    consuming = max(worker.STOP_SECONDS, nodes._DRAIN_SECONDS + 2 * nodes._LEAVE_SECONDS)
    upkeep = 2 * program._UPKEEP_SECONDS
    relay = program._RELAY_DRAIN_SECONDS + 2 * publish._THROW_AWAY_SECONDS + lease.RELEASE_SECONDS
    slot = slots._LEAVE_SECONDS + lease.RELEASE_SECONDS
    assert consuming + upkeep + relay + slot < 30
