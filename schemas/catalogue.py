"""The catalogue file: accounts with their people, flows, proposals, tickets and articles.

Models are strict, and a field that is not named here is refused, so that a typo is reported rather
than loaded as nothing. What an entry leaves out has the default that stands here: an entry says all
there is to say about its row.
"""

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Literal, Self, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    StringConstraints,
    field_validator,
    model_serializer,
    model_validator,
)

from schemas.fields import Categories, Category, Id, NodeId, ReasonCategory, Text, Time

NODE_LIMIT = 262_144
"""The largest node, in bytes of compact JSON: a reply carries one whole."""

RECIPIENT_LIMIT = 200
"""How many an escalation is told to at most: a notification carries the addresses of all of them.

A character takes 6 bytes of JSON at worst, so an address of 320 with the id of its user takes
1,982, and 200 of them 396,400. Beside them stand the summary (65,536), the name of who acted
(120,000), the reason or the instructions (120,000), and ids, headers and trace context (under
16,384): 718,320 of the 921,600 bytes that a message may have.
"""

_LARGEST_INTEGER = 2_147_483_647
_Key = TypeVar("_Key", bound=Hashable)

Email = Annotated[str, StringConstraints(max_length=320, pattern=r"^[^@\s\x00]+@[^@\s\x00]+$")]
"""An address in outline: what a mail system makes of it is seen when it is used."""

Recipients = Annotated[list[Email], Field(max_length=RECIPIENT_LIMIT)]
"""Addresses that are told of an escalation together."""

FlowVersion = Annotated[int, Field(ge=1, le=_LARGEST_INTEGER)]


class _Entry(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


class _HasId(_Entry):
    id: Id


class _Owned(_HasId):
    account_id: Id


class EscalationStep(_Entry):
    """Whom to tell again when nobody has claimed an escalation ``after_minutes`` since it moved."""

    after_minutes: Annotated[int, Field(ge=1, le=525_600)]
    recipients: Annotated[Recipients, Field(min_length=1)]


class IdleHours(_Entry):
    """After how many hours without activity a session is abandoned, by kind; 24 by default."""

    flow: Annotated[int, Field(ge=1, le=8_760)] = 24
    proposal: Annotated[int, Field(ge=1, le=8_760)] = 24
    adhoc: Annotated[int, Field(ge=1, le=8_760)] = 24
    ai_build: Annotated[int, Field(ge=1, le=8_760)] = 24


class Policy(_Entry):
    """What the account wants done by itself.

    ``intake_actor_id`` is who acts when a ticket that is created or reopened starts an intake;
    without one, none starts. After ``silent_minutes`` without a move of an escalation that is
    claimed, people are told again; where it is left out, they are not. What calls for nodes of
    AI-built walks may come to in a day (UTC) is the deployment's to say where it is left out.
    """

    idle_hours: IdleHours = IdleHours()
    escalation: list[EscalationStep] = []
    silent_minutes: Annotated[int, Field(ge=1, le=525_600)] | None = None
    intake_actor_id: Id | None = None
    ai_nodes_per_day: Annotated[int, Field(ge=0, le=_LARGEST_INTEGER)] | None = None
    ai_microdollars_per_day: Annotated[int, Field(ge=0, le=_LARGEST_INTEGER)] | None = None


class Account(_HasId):
    """A tenant. ``categories`` are those that first line takes."""

    name: Text
    default_recipients: Recipients = []
    categories: Categories = []
    policy: Policy = Policy()


class User(_Owned):
    """A person of an account; who left has ``deleted_at``."""

    name: Text
    email: Email
    role: Literal["l1_tech", "engineer", "admin", "owner"]
    l1_coverage: bool = False
    deleted_at: Time | None = None


class Recipient(_Entry):
    """A user who is told of escalations for a reason category."""

    account_id: Id
    reason_category: ReasonCategory
    user_id: Id


class Option(_Entry):
    """One of the answers to a question, and the node it leads to."""

    id: NodeId
    label: Text
    next: NodeId


class QuestionNode(_Entry):
    """Something to ask the caller."""

    type: Literal["question"]
    text: Text
    options: Annotated[list[Option], Field(min_length=1)]

    @field_validator("options")
    @classmethod
    def _each_once(cls, options: list[Option]) -> list[Option]:
        _refuse(_more_than_once(option.id for option in options))
        return options


class ActionNode(_Entry):
    """Something to do."""

    type: Literal["action"]
    text: Text
    next: NodeId


class ArticleNode(_Entry):
    """Something to read; ``article_id`` names an article of the same account."""

    type: Literal["article"]
    text: Text
    article_id: Id | None = None
    next: NodeId

    @model_serializer(mode="wrap")
    def _left_out_rather_than_null(self, dump: SerializerFunctionWrapHandler) -> dict[str, object]:
        return {name: value for name, value in dump(self).items() if value is not None}


class ResolveNode(_Entry):
    """The walk ends here, with the problem solved."""

    type: Literal["resolve"]
    text: Text


class EscalateNode(_Entry):
    """The walk ends here, and an engineer takes over."""

    type: Literal["escalate"]
    reason_category: ReasonCategory
    text: Text


Node = Annotated[
    QuestionNode | ActionNode | ArticleNode | ResolveNode | EscalateNode,
    Field(discriminator="type"),
]


class _Walkable(_Owned):
    """Nodes by id, and the one to begin with. Where they lead is not judged here."""

    title: Text
    category: Category | None = None
    start: NodeId
    nodes: Annotated[dict[NodeId, Node], Field(min_length=1)]

    @model_validator(mode="after")
    def _fits_into_replies(self) -> Self:
        _refuse(_too_large(self.nodes))
        return self


class Flow(_Walkable):
    """One version of a flow. ``archived`` is said of the flow, by each of its versions alike."""

    version: FlowVersion
    archived: bool = False


class Proposal(_Walkable):
    """A flow that nobody has approved yet."""

    validated_by_outcome: bool = False


class InternalTicket(_Owned):
    """A ticket that firstline keeps itself. ``status`` counts only where the ticket is new."""

    title: Text
    status: Literal["open", "resolved", "escalated", "closed"] = "open"


class Article(_Owned):
    """Something that an account knows."""

    title: Text
    category: Category | None = None
    body: Text


class Catalogue(_Entry):
    """The whole file; every section may be left out."""

    accounts: list[Account] = []
    users: list[User] = []
    recipients: list[Recipient] = []
    flows: list[Flow] = []
    flow_proposals: list[Proposal] = []
    tickets: list[InternalTicket] = []
    articles: list[Article] = []

    @field_validator("accounts", "users", "flow_proposals", "tickets", "articles")
    @classmethod
    def _each_once(cls, entries: list[_HasId]) -> list[_HasId]:
        _refuse(_more_than_once(entry.id for entry in entries))
        return entries

    @field_validator("recipients")
    @classmethod
    def _each_once_a_category(cls, recipients: list[Recipient]) -> list[Recipient]:
        _refuse(
            f"{entry.user_id} is there more than once for {entry.reason_category}"
            for entry in _doubled(recipients)
        )
        return recipients

    @field_validator("flows")
    @classmethod
    def _versions_agree(cls, flows: list[Flow]) -> list[Flow]:
        _refuse(
            [
                *(
                    f"version {version} of {id_} is there more than once"
                    for id_, version in _doubled((flow.id, flow.version) for flow in flows)
                ),
                *_disagreeing(flows),
            ]
        )
        return flows


def _disagreeing(flows: Sequence[Flow]) -> Iterator[str]:
    """What belongs to the flow is said alike by all of its versions."""
    said: dict[str, tuple[str, bool]] = {}
    for flow in flows:
        says = (flow.account_id, flow.archived)
        if said.setdefault(flow.id, says) != says:
            yield f"the versions of {flow.id} differ in account_id or archived"


def _too_large(nodes: Mapping[str, Node]) -> Iterator[str]:
    for id_, node in nodes.items():
        if len(node.model_dump_json().encode()) > NODE_LIMIT:
            yield f"node {id_} has more than {NODE_LIMIT} bytes"


def _more_than_once(ids: Iterable[str]) -> Iterator[str]:
    for id_ in _doubled(ids):
        yield f"{id_} is there more than once"


def _doubled(keys: Iterable[_Key]) -> list[_Key]:
    return [key for key, times in Counter(keys).items() if times > 1]


def _refuse(problems: Iterable[str]) -> None:
    """Raise one error that names every problem, where there is one."""
    if sentence := "; ".join(dict.fromkeys(problems)):
        raise ValueError(sentence)
