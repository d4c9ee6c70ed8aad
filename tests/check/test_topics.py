"""Topics that are not as the promises need them."""

from dataclasses import replace

import pytest

from firstline.check import NotReady, preconditions
from firstline.settings import Settings
from tests.check.installations import Installation

DAY_MS = 24 * 60 * 60 * 1000


async def test_nothing_is_wrong_with_what_firstline_itself_set_up(
    installation: Installation,
) -> None:
    assert await installation.wrong() == ""
    await preconditions(installation.servers, installation.settings)


async def test_a_missing_topic_is_wrong_and_keeps_a_worker_from_starting(
    installation: Installation,
) -> None:
    await installation.operator.delete(installation.topic("replies"))
    missing = f"{installation.topic('replies')}: missing; run `firstline topics`"
    assert await installation.becomes_wrong("missing") == missing
    with pytest.raises(NotReady, match="missing; run `firstline topics`"):
        await preconditions(installation.servers, installation.settings)


async def test_command_topics_of_different_width_are_wrong_and_keep_a_worker_from_starting(
    installation: Installation,
) -> None:
    await installation.operator.widen(installation.topic("commands.psa"), 3)
    await installation.becomes_wrong("command topics differ in their number of partitions")
    with pytest.raises(NotReady, match="give all of them 3"):
        await preconditions(installation.servers, installation.settings)


async def test_a_progress_topic_with_more_partitions_than_shards_is_wrong(
    installation: Installation,
) -> None:
    await installation.operator.widen(installation.topic("relay-progress"), 2)
    await installation.becomes_wrong("relay-progress: 2 partitions, and the relay has one shard")


async def test_records_stamped_by_their_senders_are_wrong(installation: Installation) -> None:
    names = [installation.topic(name) for name in ("commands.chat", "ticket-events")]
    for name in names:
        await installation.operator.configure(name, message_timestamp_type="CreateTime")
    found = await installation.becomes_wrong(f"{', '.join(names)}: senders' clocks stamp")
    assert found.endswith("set message.timestamp.type=LogAppendTime")


async def test_states_that_are_deleted_by_age_are_wrong(installation: Installation) -> None:
    name = installation.topic("session-state")
    await installation.operator.configure(name, cleanup_policy="delete")
    await installation.becomes_wrong(f"{name}: cleanup.policy is delete")


async def test_events_that_are_compacted_are_wrong(installation: Installation) -> None:
    name = installation.topic("session-events")
    await installation.operator.configure(name, cleanup_policy="compact")
    await installation.becomes_wrong(f"{name}: cleanup.policy is compact")


async def test_commands_kept_for_longer_than_their_ids_are_wrong_and_keep_a_worker_from_starting(
    installation: Installation,
) -> None:
    name = installation.topic("commands.psa")
    await installation.operator.configure(name, retention_ms=str(30 * DAY_MS))
    found = await installation.becomes_wrong(f"{name}: keeps records for up to 32 days")
    assert found.endswith("or set FIRSTLINE_INBOX_DAYS=32")
    with pytest.raises(NotReady, match="applied twice"):
        await preconditions(installation.servers, installation.settings)

    settings = Settings(topic_prefix=installation.settings.topic_prefix, inbox_days=32)
    assert await replace(installation, settings=settings).wrong() == ""
    await preconditions(installation.servers, settings)


async def test_commands_kept_for_ever_are_wrong(installation: Installation) -> None:
    name = installation.topic("commands.internal")
    await installation.operator.configure(name, retention_ms="-1")
    await installation.becomes_wrong(f"{name}: keeps records for ever")


async def test_a_limit_below_what_is_written_is_wrong(installation: Installation) -> None:
    events, commands = installation.topic("session-events"), installation.topic("commands.chat")
    await installation.operator.configure(events, max_message_bytes="900000")
    await installation.operator.configure(commands, max_message_bytes="500000")
    await installation.becomes_wrong(
        f"{events}: max.message.bytes is 900000: Kafka refuses what firstline publishes",
        f"{commands}: max.message.bytes is 500000: Kafka refuses commands within the limits",
    )


async def test_more_replicas_in_sync_than_there_are_is_wrong(installation: Installation) -> None:
    name = installation.topic("replies")
    await installation.operator.configure(name, min_insync_replicas="2")
    await installation.becomes_wrong(f"{name}: min.insync.replicas is 2")


async def test_one_replica_and_retention_by_size_are_worth_a_warning(
    installation: Installation,
) -> None:
    name = installation.topic("commands.chat")
    await installation.operator.configure(name, retention_bytes="1000000")
    await installation.becomes_worth_a_warning(
        "all 12 topics: one replica", f"{name}: retention.bytes is set"
    )
