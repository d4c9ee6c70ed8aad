"""An account's articles, and requests about them."""

from collections.abc import Sequence

from integrations.generator import Case, GroundingArticle, NodeDraft, PathStep

PRINTER = GroundingArticle(
    "a-printer",
    "Printer shows offline",
    "printing",
    "Symptoms:\n- The printer is greyed out in the list.\n\nSteps:\n"
    "1. Check that the printer is switched on.\n"
    "2. Restart the print spooler.\n   It takes a minute.\n"
    "3. Remove the printer and add it again.\n"
    "4. Print a test page.\n",
)
OUTLOOK = GroundingArticle(
    "a-outlook",
    "Outlook is disconnected",
    "email",
    "Outlook loses the server now and then. Click Work Offline once. Then restart Outlook. "
    "Do not delete the mail profile.",
)
VPN = GroundingArticle(
    "a-vpn",
    "VPN asks for the password again and again",
    "network",
    "The gateway checks the certificate of the machine, and asks until it has expired.",
)
ARTICLES = (PRINTER, OUTLOOK, VPN)


def request(
    problem: str = "The printer shows as offline",
    answers: Sequence[str] = (),
    articles: Sequence[GroundingArticle] = ARTICLES,
    nodes: int = 12,
    category: str | None = None,
) -> Case:
    """The case after these answers, in a walk of so many nodes."""
    return Case(
        request_id="00000000-0000-4000-8000-0000000000f1",
        account_id="00000000-0000-4000-8000-000000000001",
        category=category,
        problem_text=problem,
        path=tuple(PathStep("asked", answer, None) for answer in answers),
        articles=tuple(articles),
        nodes_left=nodes - len(answers),
    )


def faults(draft: NodeDraft, asked: Case) -> list[str]:
    """What keeps a node from being served."""
    labels = [option.label for option in draft.options]
    found = {
        "text": not 1 <= len(draft.text) <= 4_000 or "\x00" in draft.text,
        "options of a question": draft.kind == "question" and not 2 <= len(labels) <= 8,
        "options of another": draft.kind != "question" and bool(labels),
        "labels": any(not 1 <= len(label) <= 200 or "\x00" in label for label in labels),
        "doubled labels": len(set(labels)) < len(labels),
        "reason": (draft.kind == "escalate") != (draft.reason_category is not None),
        "reason's length": not 1 <= len(draft.reason_category or "-") <= 30,
        "foreign article": draft.article_id not in {None, *(one.id for one in asked.articles)},
        "no end": asked.nodes_left <= 1 and draft.kind not in {"resolve", "escalate"},
    }
    return [name for name, wrong in found.items() if wrong]
