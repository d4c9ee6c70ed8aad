"""All faults, by what they befall; those that last long by themselves."""

from tests.chaos.fault import Fault
from tests.chaos.faults import brokers, databases, lasting, machines, processes, requests

FAULTS: tuple[Fault, ...] = (
    *processes.FAULTS,
    *requests.FAULTS,
    *brokers.FAULTS,
    *databases.FAULTS,
    *machines.FAULTS,
)
LASTING: tuple[Fault, ...] = lasting.FAULTS
