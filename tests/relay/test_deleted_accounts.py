"""What readers of session-state see of an account that was deleted."""

from firstline import accounts
from producers import topics
from storage.database import begin
from storage.outbox import Message
from tests.builders import ACME, NOW, OTHER_SESSION, SESSION, TECH, an_id
from tests.relay.house import House, read

ELSEWHERE = an_id(0x39).encode()


async def test_a_tombstone_is_the_last_record_of_each_session(house: House) -> None:
    """Behind the states that waited in the outbox when the account was deleted."""
    ours = (SESSION, OTHER_SESSION)
    async with begin(house.engine) as tx:
        await tx.execute("insert into accounts (id, name) values ($1, 'Acme')", ACME)
        await tx.execute(
            "insert into users (id, account_id, name, email, role)"
            " values ($1, $2, 'Terry', 't@x', 'l1_tech')",
            TECH,
            ACME,
        )
        for session in ours:
            await tx.execute(
                """
                insert into sessions (id, account_id, created_by, ticket_kind, ticket_id, kind,
                    started_at, status, version, steps, last_activity_at)
                values ($1, $2, $3, 'psa', $4, 'adhoc', $5, 'active', 1, 0, $5)
                """,
                session,
                ACME,
                TECH,
                session,
                NOW,
            )
    keys = [*(session.encode() for session in ours), ELSEWHERE]
    await house.stage_these(
        [Message(topics.SESSION_STATE, key, b'{"version":%d}' % n) for n in (1, 2) for key in keys]
    )

    assert await accounts.delete(house.database_url, ACME) == len(ours)
    await house.relay_all()

    seen = await read(house.kafka, [topics.SESSION_STATE])
    states = {key: [value for _, of, value in seen if of == key] for key in keys}
    lived = [b'{"version":1}', b'{"version":2}']
    assert states == {key: [*lived, *([] if key == ELSEWHERE else [None])] for key in keys}
