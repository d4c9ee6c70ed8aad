"""Sends records whose header keys are not UTF-8, which no Python client can be made to write.

Speaks to the librdkafka that confluent-kafka brings along; names and numbers are from its
`rdkafka.h` (`rd_kafka_vtype_t`, `rd_kafka_vu_t`).
"""

import ctypes
from collections.abc import Sequence
from pathlib import Path

import confluent_kafka

_PRODUCER = 0
_TOPIC, _PARTITION, _VALUE, _KEY, _HEADER = 1, 3, 4, 5, 9
_TEXT = 512
_FLUSH_MILLISECONDS = 20_000


class _Memory(ctypes.Structure):
    _fields_ = (("start", ctypes.c_char_p), ("size", ctypes.c_size_t))


class _Header(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("start", ctypes.c_char_p),
        ("size", ctypes.c_ssize_t),
    )


class _Either(ctypes.Union):
    _fields_ = (
        ("text", ctypes.c_char_p),
        ("number", ctypes.c_int32),
        ("memory", _Memory),
        ("header", _Header),
        ("padding", ctypes.c_char * 64),
    )


class _Argument(ctypes.Structure):
    _fields_ = (("tag", ctypes.c_int), ("is_", _Either))


def send_with_raw_headers(
    bootstrap: str,
    topic: str,
    partition: int,
    *,
    key: bytes,
    value: bytes,
    headers: Sequence[tuple[bytes, bytes]],
) -> None:
    """Append one record, and return once the broker has it."""
    library = _librdkafka()
    problem = ctypes.create_string_buffer(_TEXT)
    configuration = library.rd_kafka_conf_new()
    setting = (configuration, b"bootstrap.servers", bootstrap.encode(), problem, _TEXT)
    if library.rd_kafka_conf_set(*setting) != 0:
        raise OSError(problem.value.decode())
    producer = library.rd_kafka_new(_PRODUCER, configuration, problem, _TEXT)
    if not producer:
        raise OSError(problem.value.decode())
    try:
        arguments = [
            _Argument(_TOPIC, _Either(text=topic.encode())),
            _Argument(_PARTITION, _Either(number=partition)),
            _Argument(_KEY, _Either(memory=_Memory(key, len(key)))),
            _Argument(_VALUE, _Either(memory=_Memory(value, len(value)))),
            *(
                _Argument(_HEADER, _Either(header=_Header(name, held, len(held))))
                for name, held in headers
            ),
        ]
        error = library.rd_kafka_produceva(
            producer, (_Argument * len(arguments))(*arguments), len(arguments)
        )
        if error:
            raise OSError(library.rd_kafka_error_string(error).decode())
        if library.rd_kafka_flush(producer, _FLUSH_MILLISECONDS) != 0:
            message = f"could not send to {topic} within {_FLUSH_MILLISECONDS} ms"
            raise TimeoutError(message)
    finally:
        library.rd_kafka_destroy(producer)


def _librdkafka() -> ctypes.CDLL:
    package = Path(confluent_kafka.__file__).parent
    bundled = [
        *package.parent.glob("confluent_kafka.libs/librdkafka*"),
        *package.glob(".dylibs/librdkafka*"),
    ]
    library = ctypes.CDLL(str(bundled[0]))
    pointer, text, size = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t
    library.rd_kafka_conf_new.restype = pointer
    library.rd_kafka_conf_set.argtypes = (pointer, text, text, text, size)
    library.rd_kafka_new.argtypes = (ctypes.c_int, pointer, text, size)
    library.rd_kafka_new.restype = pointer
    library.rd_kafka_produceva.argtypes = (pointer, ctypes.POINTER(_Argument), size)
    library.rd_kafka_produceva.restype = pointer
    library.rd_kafka_error_string.argtypes = (pointer,)
    library.rd_kafka_error_string.restype = text
    library.rd_kafka_flush.argtypes = (pointer, ctypes.c_int)
    library.rd_kafka_destroy.argtypes = (pointer,)
    return library
