"""No walk tells a technician to do harm: such a step becomes an escalation.

A deny list, by the rules of `integrations.harms`. A rule does not hold where its verb is denied
("never share your password"), nor where its own excuses say so. The list reads English alone, and
what it does not know gets by: it is the last guard, not the only one. In doubt it errs towards an
engineer: a harmless step that is escalated costs time, and a harmful one that is served costs data.
"""

import re
import unicodedata

from integrations.generator import NodeDraft
from integrations.harms import RULES, Rule

NEEDS_ENGINEER = "needs_engineer"
"""The reason category of a step that first line must not take."""


def harmless(draft: NodeDraft) -> NodeDraft:
    """The node, or an escalation in its place where it asks for harm.

    An escalation stays as it is: what it says is for an engineer.
    """
    if draft.kind == "escalate":
        return draft
    asked = (draft.text, *(option.label for option in draft.options))
    what = next(filter(None, map(harm, asked)), None)
    if what is None:
        return draft
    return NodeDraft(
        "escalate",
        f"The next step would {what}. That is for an engineer.",
        reason_category=NEEDS_ENGINEER,
        article_id=draft.article_id,
    )


def harm(text: str) -> str | None:
    """What the text asks for that first line must not do, after "would"; None where nothing."""
    plain = _plain(text)
    for rule in RULES:
        for found in rule.asks.finditer(plain):
            before, after = plain[: found.start()], plain[found.start() :]
            excused = rule.unless is not None and rule.unless.match(after)
            if not (excused or _denied(before) or _theirs_to_do(rule, before, after)):
                return rule.what
    return None


# Words that deny what directly follows. "Do not just" and "do not hesitate to" deny nothing.
_DENIAL = (
    r"\b(?:do not|don'?t|does not|doesn't|did not|never|must not|mustn't|should not|"
    r"shouldn't|shall not|may not|cannot|can not|can't|will not|won't|need not|"
    r"without|avoid|instead of|rather than|not to|nobody (?:may|should|must|will)|"
    r"no one (?:may|should|must|will)|refuse to|(?<!why )not)"
)
_DENIED = re.compile(
    rf"{_DENIAL}(?: (?:ever|yet|try to|attempt to|ask anyone to|under any circumstances|"
    rf"let anyone))* $"
)
# "Do not restart or delete": one denial for two verbs, at the beginning of a sentence alone.
_DENIED_TOO = re.compile(
    r"(?:^|[.;:!?] |please )(?:do not|don't|never|you must not|you should not)"
    r"(?: (?!(?:hesitate|forget|fail|worry|wait|mind|only|just|simply|but|then|and)\b)[\w'-]+){1,8}"
    r" (?:or|nor) (?:to )?$"
)
_SOMEBODY_WHO = re.compile(
    r"\b(?:users?|callers?|customers?|colleagues?|they|them|he|she|him|her|persons?|people|"
    r"everyone|"
    r"employees?)(?: (?:to|can|should|must|may|could|did|has to|have to|will|would|recently|"
    r"also))* $"
)


def _denied(before: str) -> bool:
    return bool(_DENIED.search(before) or _DENIED_TOO.search(before))


def _theirs_to_do(rule: Rule, before: str, after: str) -> bool:
    """Whether somebody else is told to do it to what is their own."""
    return bool(rule.own and rule.own.match(after) and _SOMEBODY_WHO.search(before))


_INVISIBLE = {"Cf", "Cc", "Mn"}
_SPACE = re.compile(r"[\s_]+")


def _plain(text: str) -> str:
    """The text in one case and spelling, without marks of emphasis and what cannot be seen."""
    spelled = unicodedata.normalize("NFKD", text.replace("\n", " ").replace("\t", " "))
    seen = "".join(char for char in spelled if unicodedata.category(char) not in _INVISIBLE)
    bare = seen.casefold().translate(_MARKS)
    return _SPACE.sub(" ", bare).strip()


# Marks of emphasis and quotation go, and typographic apostrophes become plain.
_MARKS = str.maketrans("\u2018\u2019", "''", '*`~"\u201c\u201d')
