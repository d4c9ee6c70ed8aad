"""A desk's commands, sent one after the other for as long as something goes on."""

import threading
import time
from collections.abc import Iterator
from itertools import cycle, islice
from types import TracebackType
from typing import Self

from tests.outside.client import Client
from tests.outside.desk import Day, a_day

# Commands that are sent together: a few, and now and then so many that their rows go by COPY.
_BURSTS = (*(4,) * 15, 40)
_SESSIONS_A_DAY = 60


class Traffic:
    """Sends while the block runs, on a thread of its own; ``days`` are those that it began."""

    def __init__(self, client: Client, seed: int, rate: int = 60) -> None:
        self.sent = 0
        self.days: list[Day] = []
        self._client = client
        self._seed = seed
        self._rate = rate
        self._stop = threading.Event()
        self._failed: Exception | None = None
        self._thread = threading.Thread(target=self._send, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: object, __: TracebackType | None
    ) -> None:
        """Stop sending. Raises what sending raised."""
        self._stop.set()
        self._thread.join()
        if self._failed is not None and kind is None:
            raise self._failed

    def _send(self) -> None:
        shipments = self._shipments()
        try:
            for size in cycle(_BURSTS):
                for source, key, value in islice(shipments, size):
                    if self._stop.is_set():
                        return
                    self._client.send(value, source, key=key)
                    self.sent += 1
                time.sleep(size / self._rate)
        except Exception as error:  # noqa: BLE001 - handed to whoever waits
            self._failed = error

    def _shipments(self) -> Iterator[tuple[str, str, bytes | None]]:
        while True:
            self.days.append(a_day(self._seed * 1_000 + len(self.days), _SESSIONS_A_DAY))
            for shipment in self.days[-1].shipments:
                yield shipment.source, shipment.key, shipment.value
