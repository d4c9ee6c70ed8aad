"""The machine: everything that may happen, in any order."""

from tests.model.deliveries import Deliveries
from tests.model.desks import Desks
from tests.model.relays import Relays


class Machine(Deliveries, Desks, Relays):
    """Commands come in and messages go out, and anybody may die or come back at any step."""
