"""Spans only where somebody collects them, linked to who sent the commands of a fetch."""

import builtins
from collections.abc import Mapping, Sequence

import pytest

from firstline.tracing import TracingMissing, exporting, links, wanted
from tests.consumers.wire import ARecord

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01".encode()
HOSTILE: Sequence[tuple[str, bytes | None]] = [("x", None), ("y", b"\xff"), ("\ufffd", b"")]
ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, False),
        (ENDPOINT, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:1/v1/traces"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, False),
        (ENDPOINT | {"OTEL_SDK_DISABLED": "true"}, False),
        (ENDPOINT | {"OTEL_TRACES_EXPORTER": "none"}, False),
    ],
)
def test_spans_are_wanted_where_the_environment_says_where_to_send_them(
    environ: Mapping[str, str], *, expected: bool
) -> None:
    assert wanted(environ) is expected


def test_without_somewhere_to_send_them_nothing_makes_spans() -> None:
    with exporting({}) as provider:
        assert provider is None


def test_packages_that_are_missing_are_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    there = builtins.__import__

    def without(name: str, *arguments: object) -> object:
        if name.startswith("opentelemetry.exporter"):
            raise ImportError(name=name)
        return there(name, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", without)
    with (
        pytest.raises(TracingMissing, match=r"pip install 'firstline\[otel\]', or leave"),
        exporting(ENDPOINT),
    ):
        pytest.fail("nothing sends spans")


def test_a_fetch_is_linked_to_the_first_of_its_commands_that_are_traced() -> None:
    plain = ARecord(b"{}", headers=HOSTILE)
    traced = ARecord(b"{}", headers=[*HOSTILE, ("traceparent", PARENT), ("tracestate", b"a=1")])
    assert links([plain]) == []
    assert links([plain, traced]) == [
        {
            "correlation_id": PARENT.decode(),
            "traceparent": PARENT.decode(),
            "tracestate": "a=1",
        }
    ]
    assert len(links([traced] * 1_000)) == 128
