"""What a helpful AI-built walk leaves behind: a proposal draft, or more of one that it fits."""

from domain.drafts import drafted, merged, path
from domain.events import Event, SessionResolved
from domain.history import Walk
from domain.sessions import Active, Session, SessionKind
from producers.ids import derived
from storage.facts import Facts


def draft(facts: Facts, before: Session, event: Event, walk: Walk) -> None:
    """Move the facts' drafts along where the event ends such a walk.

    ``before`` is the session that the event ended, with the nodes that it was served.
    """
    if not (isinstance(before, Active) and isinstance(event, SessionResolved) and event.helpful):
        return
    if before.origin.kind is not SessionKind.AI_BUILD:
        return
    session_id, taken = before.origin.session_id, path(before, walk.steps)
    new = drafted(derived(f"proposal:{session_id}"), before, taken)
    if new is None:
        return
    for existing in facts.drafts.values():
        if (existing.account_id, existing.category) != (new.account_id, new.category):
            continue
        if (grown := merged(existing, session_id, taken)) is not None:
            facts.drafts[existing.id] = grown
            return
    facts.drafts[new.id] = new
