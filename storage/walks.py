"""The walked path of a session, and its notes."""

from collections.abc import Collection, Iterable, Mapping

from domain.events import StepRecorded
from domain.history import Walk
from storage import tables
from storage.database import Transaction


async def read(tx: Transaction, session_ids: Collection[str]) -> dict[str, Walk]:
    """How far sessions have been walked, each with an entry of its own."""
    if not session_ids:
        return {}
    rows = await tx.fetch(
        """
        select session_id::text, recorded_at, position, node_id, question, answer, option_id, note
        from walk_steps where session_id = any($1::uuid[]) order by session_id, position
        """,
        list(session_ids),
    )
    steps: dict[str, list[StepRecorded]] = {session_id: [] for session_id in session_ids}
    for session_id, at, position, node_id, question, answer, option_id, note in rows:
        step = StepRecorded(
            at=at,
            position=position,
            node_id=node_id,
            question=question,
            answer=answer,
            option_id=option_id,
            note=note,
        )
        steps[session_id].append(step)
    noted = await tx.fetch(
        """
        select session_id::text, notes::text from session_notes
        where session_id = any($1::uuid[])
        """,
        list(session_ids),
    )
    notes: dict[str, str] = dict(noted)
    return {
        session_id: Walk(tuple(walked), notes.get(session_id))
        for session_id, walked in steps.items()
    }


async def walked(
    tx: Transaction, session_ids: Collection[str], node_ids: Collection[str] | None = None
) -> dict[str, frozenset[str]]:
    """The nodes that were answered, by session; of ``node_ids``, where only they are of interest.

    A session that answered none of them is not among the keys.
    """
    if not session_ids:
        return {}
    rows = await tx.fetch(
        """
        select session_id::text, array_agg(distinct node_id) from walk_steps
        where session_id = any($1::uuid[]) and ($2::text[] is null or node_id = any($2))
        group by session_id
        """,
        list(session_ids),
        node_ids if node_ids is None else list(node_ids),
    )
    return {session_id: frozenset(nodes) for session_id, nodes in rows}


async def add_steps(tx: Transaction, steps: Iterable[tuple[str, StepRecorded]]) -> None:
    """Append steps to the walks of the sessions they come with."""
    await tx.append(
        tables.walk_steps,
        (
            "session_id", "position", "node_id", "question", "option_id", "answer", "note",
            "recorded_at",
        ),
        [
            (
                session_id, step.position, step.node_id, step.question, step.option_id,
                step.answer, step.note, step.at,
            )
            for session_id, step in steps
        ],
    )  # fmt: skip


async def put_notes(tx: Transaction, notes: Mapping[str, str]) -> None:
    """Replace the notes of sessions, given as JSON text by session id."""
    if not notes:
        return
    await tx.execute_later(
        tables.session_notes,
        """
        insert into session_notes (session_id, notes)
        select * from unnest($1::uuid[], $2::text[]::json[]) as n(session_id, notes)
        order by n.session_id
        on conflict (session_id) do update set notes = excluded.notes
        """,
        list(notes),
        list(notes.values()),
    )
