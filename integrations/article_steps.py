"""An article's body as steps: the items of its lists, else the sentences that ask for something."""

import re
from collections.abc import Iterator

LONGEST_STEP = 1_000
"""In code points; a longer step is cut, with a mark."""


def steps(body: str) -> tuple[str, ...]:
    """What to do, in order; nothing where the article only tells."""
    plain = body.replace("\x00", "")
    found = tuple(_listed(plain)) or tuple(_told(plain))
    return tuple(shortened(step, LONGEST_STEP) for step in found)


def shortened(text: str, most: int) -> str:
    """The text on one line, or as many words of its beginning as fit, with a mark."""
    line = " ".join(text.replace("\x00", "").split())
    if len(line) <= most:
        return line
    words, _, _ = line[: most - 1].rpartition(" ")
    return (words or line[: most - 2]) + " …"


def _listed(body: str) -> Iterator[str]:
    """The items of lists, each with the lines below it; none from sections that only tell."""
    item: list[str] = []
    doing = True
    for line in body.splitlines():
        marked, text = _ITEM.match(line), line.strip()
        title = _heading(line)
        if marked or title is not None or (not text and not _INDENTED.match(line)):
            yield from _whole(item)
            item = []
        if title is not None:
            doing = not _ONLY_TELLS.match(title)
        elif marked:
            item = [line[marked.end() :]] if doing else []
        elif item:
            item.append(text)
    yield from _whole(item)


def _told(body: str) -> Iterator[str]:
    """The sentences that ask for something, each with the warnings that follow it."""
    step: list[str] = []
    for paragraph in re.split(r"\n\s*\n", body):
        for sentence in _SENTENCE_END.split(" ".join(paragraph.split())):
            if _IMPERATIVE.match(sentence):
                yield from _whole(step)
                step = [sentence]
            elif step and _WARNING.match(sentence):
                step.append(sentence)
    yield from _whole(step)


def _whole(parts: list[str]) -> Iterator[str]:
    text = " ".join(" ".join(parts).split()).strip("*_ ")
    if text:
        yield text


def _heading(line: str) -> str | None:
    found = _HEADING.match(line)
    return None if found is None else next(filter(None, found.groups()), "").strip(" :*#")


_ITEM = re.compile(
    r"\s*(?:(?:step\s+)?\d{1,2}\s*[.):]|[-*+\u2013\u2022\u25aa]|\(?[a-h]\))\s+", re.IGNORECASE
)
_INDENTED = re.compile(r"[ \t]{2,}\S")
_HEADING = re.compile(
    r"\s{0,3}#{1,6}\s+(.*)|\s{0,3}([A-Z][^.!?]{0,60}:)\s*$|\*\*([^*]{1,60})\*\*:?\s*$"
)
_ONLY_TELLS = re.compile(
    r"symptom|cause|background|applies|affected|about|overview|note|see also|related|reference|"
    r"summary|description|environment|example|history|why",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[\"'“(]?[A-Z0-9])")
_WARNING = re.compile(
    r"(?:do not|don't|never|be careful|make sure|note that|this |wait)", re.IGNORECASE
)
_IMPERATIVE = re.compile(
    r"(?:(?:first|then|next|now|finally|please|also|afterwards|and|otherwise)[, ]+){0,3}"
    r"(?:(?:if|when|once|after|on|in|from|to|under|at)\b[^,.;]{1,120}, (?:then )?(?:please )?)?"
    r"(?:(?:first|then|next|now|finally|please|also) ){0,3}"
    r"(?:add|allow|apply|ask|assign|attach|call|change|charge|check|choose|clean|clear|click|close|"
    r"collect|compare|configure|confirm|connect|copy|create|delete|disable|disconnect|download|"
    r"empty|enable|end|enter|exit|find|follow|free|give|go|hold|import|insert|install|join|launch|"
    r"leave|let|log|look|lower|make|map|move|note|open|pair|plug|power|press|print|pull|push|put|"
    r"reboot|reconnect|record|re-enter|reinstall|reload|remove|rename|repair|replace|replug|reseat|"
    r"reset|restart|restore|retry|right-click|run|save|scan|search|select|send|set|shut|sign|start|"
    r"stop|switch|swap|tap|tell|test|toggle|try|turn|type|uncheck|uninstall|unlock|unplug|untick|"
    r"update|upgrade|use|verify|view|visit|wait|wipe)\b",
    re.IGNORECASE,
)
