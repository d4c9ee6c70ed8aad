"""A database for the machine, in an event loop of its own."""

from collections.abc import Iterator

import pytest

from consumers import fold
from producers.kafka import Kafka
from tests.model.bench import Bench
from tests.model.outlets import Recorder
from tests.model.poison import decide_or_fail
from tests.model.wire import PREFIX


@pytest.fixture
def bench(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setattr(fold, "decide", decide_or_fail)
    bench = Bench(database_url)
    yield bench
    bench.close()


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    recorder = Recorder(Kafka("nowhere:0", PREFIX))
    recorder.install(monkeypatch)
    return recorder
