"""Which records are being worked on: what is before the oldest of them may be committed."""

from aiokafka import TopicPartition


class Window:
    """Records of several partitions that begin in order and end in any."""

    def __init__(self) -> None:
        self._open: dict[TopicPartition, set[int]] = {}
        self._next: dict[TopicPartition, int] = {}

    def begin(self, partition: TopicPartition, offset: int) -> None:
        """Note that work on a record begins."""
        self._open.setdefault(partition, set()).add(offset)
        self._next[partition] = offset + 1

    def end(self, partition: TopicPartition, offset: int) -> None:
        """Note that a record is done; of a partition that was forgotten, nothing is noted."""
        self._open.get(partition, set()).discard(offset)

    def forget(self, partition: TopicPartition) -> None:
        """Leave a partition to whoever has it next."""
        self._open.pop(partition, None)
        self._next.pop(partition, None)

    def under_way(self) -> dict[TopicPartition, int]:
        """How many records of each partition have begun and not ended."""
        return {partition: len(offsets) for partition, offsets in self._open.items()}

    def done(self) -> dict[TopicPartition, int]:
        """The next offset to read of each partition, were this process to end now."""
        return {
            partition: min(self._open[partition], default=end)
            for partition, end in self._next.items()
        }
