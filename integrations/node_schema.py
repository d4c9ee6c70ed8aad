"""The form of a language model's answer, and the node that it stands for."""

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from integrations.generator import GroundingArticle, NodeDraft, NodeOption


def _storable(text: str) -> str:
    """Refuse NUL. As a pattern, servers that decode by the schema would have to know it."""
    if "\x00" in text:
        msg = "it has a NUL"
        raise ValueError(msg)
    return text


def _text(most: int) -> StringConstraints:
    return StringConstraints(min_length=1, max_length=most, strip_whitespace=True)


_Text = Annotated[str, _text(4_000), AfterValidator(_storable)]
_Label = Annotated[str, _text(200), AfterValidator(_storable)]
_Reason = Annotated[str, _text(30), AfterValidator(_storable)]
# Models fill in what they could leave out.
_NoneIfEmpty = BeforeValidator(lambda value: None if value == "" else value)


class NextNode(BaseModel):
    """The next node of the walk."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)

    kind: Literal["question", "action", "article", "resolve", "escalate"]
    text: _Text = Field(description="What the technician reads.")
    options: list[_Label] = Field(
        default_factory=list,
        max_length=8,
        description="Of a question alone: 2 to 8 answers to choose from.",
    )
    reason_category: Annotated[_Reason | None, _NoneIfEmpty] = Field(
        None, description="Of an escalation alone: why, in a word or two."
    )
    article: Annotated[str | None, _NoneIfEmpty] = Field(
        None, description="The name of the article that the node rests on, such as A1."
    )

    @model_validator(mode="after")
    def _each_kind_has_its_own(self) -> Self:
        choices = len(self.options)
        if self.kind == "question" and (choices < 2 or len(set(self.options)) < choices):  # noqa: PLR2004
            msg = "a question has 2 to 8 options, each its own"
            raise ValueError(msg)
        if self.kind != "question" and choices:
            msg = "only a question has options"
            raise ValueError(msg)
        if (self.kind == "escalate") != (self.reason_category is not None):
            msg = "an escalation has a reason_category, and nothing else has one"
            raise ValueError(msg)
        return self

    def draft(self, articles: Mapping[str, GroundingArticle], *, last: bool) -> NodeDraft:
        """The node, citing an article by its id. Raises ValueError in words of ours."""
        if self.article is not None and self.article not in articles:
            msg = "it names an article that was not given"
            raise ValueError(msg)
        if last and self.kind not in {"resolve", "escalate"}:
            msg = "the last node has to be resolve or escalate"
            raise ValueError(msg)
        return NodeDraft(
            self.kind,
            self.text,
            tuple(NodeOption(label) for label in self.options),
            self.reason_category,
            None if self.article is None else articles[self.article].id,
        )
