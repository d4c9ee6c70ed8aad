"""What a technician's answer says of the problem, read from free text.

English, and few words of it: what is not understood counts as saying nothing, and the walk goes
on.
"""

import re
from enum import Enum, auto


class Verdict(Enum):
    """What an answer says."""

    SOLVED = auto()
    UNSOLVED = auto()
    HAND_OVER = auto()
    """Somebody else is to look at it."""
    NOTHING = auto()


def read_answer(answer: str, *, asked_whether_solved: bool) -> Verdict:
    """What the answer says. "Yes" and "no" alone say something only where that was the question."""
    plain = re.sub(r"[^\w' ]+", " ", answer.casefold().replace("\u2019", "'"))
    plain = " ".join(plain.split())
    if _HAND_OVER.search(plain):
        return Verdict.HAND_OVER
    if _GONE.search(plain):
        return Verdict.SOLVED
    if _UNSOLVED.search(plain):
        return Verdict.UNSOLVED
    if _OPEN.search(plain):
        return Verdict.NOTHING
    if _SOLVED.search(plain):
        return Verdict.SOLVED
    if asked_whether_solved and _YES.match(plain):
        return Verdict.SOLVED
    if asked_whether_solved and _NO.match(plain):
        return Verdict.UNSOLVED
    return Verdict.NOTHING


_HAND_OVER = re.compile(
    r"^(?!.*\b(?:not|don't|no need to) escalate)"
    r"(?=.*\b(?:escalate|needs? an engineer|hand (?:it |this )?over)\b)"
)
# Denied trouble is no trouble: looked for first.
_GONE = re.compile(
    r"\b(?:no longer|no more|without any|not)"
    r" (?:broken|failing|fails|stuck|frozen|offline|crash(?:es|ing)|errors?|happen(?:s|ing))\b|"
    r"\b(?:error|problem|issue|fault|message) (?:is|has|went) (?:now )?(?:gone|away|disappeared)\b"
)
_UNSOLVED = re.compile(
    r"\b(?:not|never|neither|nothing|cannot|nor|hardly|no longer)\b|\w+n't\b|"
    r"\b(?:still|same|worse|broken|fail\w*|unchanged|unsolved|unresolved|useless|unable|nope|"
    r"no (?:luck|change|difference|effect|joy|success|help|good))\b|"
    r"\b(?:happen\w*|appear\w*|came|comes|is) (?:back|again)\b|\bkeeps? (?!working)"
)
# It is not known yet.
_OPEN = re.compile(r"\b(?:if|whether|maybe|perhaps|might|hopefully|would|until|how)\b")
_SOLVED = re.compile(
    r"\b(?:it|that|this|now|all|everything|problem|issue|yes|y|and|is|has|was)(?: \w+)?? "
    r"(?:(?:solv|resolv|fix)e[ds]|help(?:s|ed)|work(?:s|ed|ing)|did (?:it|the trick)|gone)\b|"
    r"\b(?:works|working|fixed|solved|resolved|sorted|fine|okay|good) (?:now|again)\b|"
    r"\b(?:is|seems|looks|all) (?:sorted|fine|good)\b|"
    r"^(?:all )?(?:solved|resolved|fixed|sorted|works|working)\b"
)
_YES = re.compile(r"(?:y|yes|yep|yeah|yup|sure|correct|right|it did|it does|true)\b")
_NO = re.compile(r"(?:n|no|nah|negative|false)\b")
