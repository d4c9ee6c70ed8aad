"""An invented service provider: its catalogue file, and every way through its flows."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, Literal

import yaml

Outcome = Literal["resolve", "escalate"]

# The log's categories have numbers for names. The six with the most incidents get an invented
# one; there is a flow for the first five and a proposed flow for the sixth.
CATEGORIES = {
    "Category 45": "email",
    "Category 53": "passwords",
    "Category 26": "vpn",
    "Category 42": "printing",
    "Category 9": "network",
    "Category 37": "authenticator",
}
OTHER = "other"


@dataclass(frozen=True, slots=True)
class Step:
    """One node answered. An action has no options: it is done, or it is not."""

    node_id: str
    option_id: str | None
    answer: str


@dataclass(frozen=True, slots=True)
class Target:
    """What a session can walk: a flow, or a proposed flow."""

    id: str
    kind: Literal["flow", "proposal"]
    category: str
    start: str
    nodes: Mapping[str, Any]

    def walks(self, outcome: Outcome) -> list[tuple[Step, ...]]:
        """List every way from the start to a node that ends in `outcome`."""
        return list(self._walks(self.start, outcome))

    def _walks(self, node_id: str, outcome: Outcome) -> Iterator[tuple[Step, ...]]:
        node = self.nodes[node_id]
        match node["type"]:
            case "question":
                for option in node["options"]:
                    step = Step(node_id, option["id"], option["label"])
                    for rest in self._walks(option["next"], outcome):
                        yield (step, *rest)
            case "action":
                for rest in self._walks(node["next"], outcome):
                    yield (Step(node_id, None, "Done"), *rest)
            case ended if ended == outcome:
                yield ()


@cache
def catalogue() -> dict[str, Any]:
    """Read the catalogue, in the shape that `firstline load` takes."""
    content: dict[str, Any] = yaml.safe_load(catalogue_file().read_text(encoding="utf-8"))
    return content


def catalogue_file() -> Traversable:
    """Return the packaged catalogue file."""
    return files(__package__).joinpath("catalogue.yaml")


def account_id() -> str:
    """Return the id of the only account."""
    return str(catalogue()["accounts"][0]["id"])


def walkers() -> list[str]:
    """List who may walk sessions: first line, and engineers who cover for it."""
    return [
        user["id"]
        for user in catalogue()["users"]
        if user["role"] == "l1_tech" or user.get("l1_coverage")
    ]


def bystander() -> str:
    """Return the id of an engineer who does not cover for first line, and has to be refused."""
    (found,) = (
        str(user["id"])
        for user in catalogue()["users"]
        if user["role"] == "engineer" and user.get("l1_coverage") is False
    )
    return found


@cache
def targets() -> dict[str, Target]:
    """Return what can be walked, by category."""
    flows = [_target("flow", entry) for entry in catalogue()["flows"]]
    proposals = [_target("proposal", entry) for entry in catalogue()["flow_proposals"]]
    return {target.category: target for target in flows + proposals}


def _target(kind: Literal["flow", "proposal"], entry: Mapping[str, Any]) -> Target:
    return Target(entry["id"], kind, entry["category"], entry["start"], entry["nodes"])
