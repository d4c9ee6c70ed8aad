"""A flow in the form of the catalogue file, so that `firstline load` takes it back."""

import json

from domain.flows import reachable
from firstline.looking.inert import inert
from storage.looking import FlowSeen
from storage.walkables import parse_flow


def as_catalogue(seen: FlowSeen) -> str:
    """A catalogue of this one version, its nodes in the order in which walks meet them."""
    nodes = json.loads(seen.nodes)
    order = dict.fromkeys([*reachable(parse_flow(seen.start, seen.nodes)), *nodes])
    flow = {
        "id": seen.id,
        "account_id": seen.account_id,
        "version": seen.version,
        "title": seen.title,
        "category": seen.category,
        "archived": seen.archived,
        "start": seen.start,
        "nodes": {name: nodes[name] for name in order},
    }
    lines = json.dumps({"flows": [flow]}, ensure_ascii=False, indent=2).split("\n")
    return "\n".join(map(inert, lines))
