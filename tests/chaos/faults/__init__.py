"""All faults, by what they befall."""

from tests.chaos.fault import Fault
from tests.chaos.faults import brokers, databases, machines, processes, requests

FAULTS: tuple[Fault, ...] = (
    *processes.FAULTS,
    *requests.FAULTS,
    *brokers.FAULTS,
    *databases.FAULTS,
    *machines.FAULTS,
)
