"""Text that others wrote, made safe to show on a terminal."""

import json
import unicodedata

# Joiners that scripts and emoji need, and that move nothing on the screen.
_KEPT = frozenset("\u200c\u200d")


def inert(text: str) -> str:
    r"""The text with everything that a terminal would act on as JSON escapes: ``\u001b[2J``.

    That is control characters, line ends, marks that turn the direction of writing, and lone
    surrogates, which cannot even be written. Applied to a line of JSON, it is the same JSON.
    """
    if text.isprintable():
        return text
    return "".join(one if _is_harmless(one) else json.dumps(one)[1:-1] for one in text)


def _is_harmless(character: str) -> bool:
    return character.isprintable() or character in _KEPT or unicodedata.category(character) == "Zs"
