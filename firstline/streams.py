"""Standard streams that a process can rely on, however it was started."""

import codecs
import io
import json
import os
import sys
from pathlib import Path


def mend_streams() -> None:
    """Have stdin, stdout and stderr be there, and take any text.

    Where one is closed, the next socket would get its number: libuv aborts when it is to close it,
    and what a library prints would go to a server. A locale without the letter gets its escape, as
    JSON has it, so that what is JSON stays it.
    """
    codecs.register_error("firstline.escaped", _escaped)
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free: this one
            nowhere = Path(os.devnull).open("w" if number else "r", encoding="utf-8")  # noqa: SIM115
            setattr(sys, name, nowhere)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="firstline.escaped")


def _escaped(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return json.dumps(error.object[error.start : error.end])[1:-1], error.end
