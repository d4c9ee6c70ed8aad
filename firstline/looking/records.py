"""A topic's records as lines of JSON, those that are wanted."""

import base64
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from firstline.looking.inert import inert

if TYPE_CHECKING:
    from aiokafka import ConsumerRecord


@dataclass(frozen=True, slots=True)
class RecordFilter:
    """Which records to show; None is any. ``type`` may leave out ``firstline.`` and ``.v1``."""

    session_id: str | None = None
    account_id: str | None = None
    type: str | None = None

    def takes(self, record: "ConsumerRecord[bytes, bytes]", shown: Any) -> bool:  # noqa: ANN401 - any JSON
        """Whether to show the record, by its key and by what its value says."""
        value = shown if isinstance(shown, Mapping) else {}
        data = value.get("data")
        data = data if isinstance(data, Mapping) else {}
        key, kind = _text(record.key), str(value.get("type"))
        return (
            _is_any(self.session_id, key, value.get("session_id"), data.get("session_id"))
            and _is_any(self.account_id, value.get("account_id"), data.get("account_id"))
            and _is_any(self.type, kind, kind.removeprefix("firstline.").removesuffix(".v1"))
        )


ANY = RecordFilter()


def shown(record: "ConsumerRecord[bytes, bytes]") -> Any:  # noqa: ANN401 - any JSON
    """The value itself where it is JSON; else what there is, as base64."""
    if record.value is None:
        return {"key": _text(record.key), "value": None}
    try:
        return json.loads(record.value, parse_constant=_refuse, parse_float=_finite)
    except (ValueError, RecursionError):
        headers = [[name, _text(value)] for name, value in record.headers]
        value = base64.b64encode(record.value).decode()
        return {"key": _text(record.key), "value_base64": value, "headers": headers}


def as_line(value: Any) -> str:  # noqa: ANN401 - any JSON
    """One line of JSON that does nothing to a terminal."""
    return inert(json.dumps(value, ensure_ascii=False))


def _is_any(wanted: str | None, *told: object) -> bool:
    return wanted is None or wanted in told


def _refuse(constant: str) -> None:
    msg = f"{constant} is no JSON"
    raise ValueError(msg)


def _finite(number: str) -> float:
    """The number, unless it is too large for one: it could not be written as JSON again."""
    if math.isinf(found := float(number)):
        msg = "a number beyond a double's range"
        raise ValueError(msg)
    return found


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("utf-8", "replace")
