"""Texts as JSON."""

import json

from pydantic_core import to_json

from producers.json import quoted

_CHARACTERS = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000]


def test_a_text_is_quoted_as_the_encoder_of_whole_messages_quotes_it() -> None:
    text = "".join(_CHARACTERS)
    assert quoted(text).encode() == to_json(text)
    assert json.loads(quoted(text)) == text
