"""How wide output is where no terminal says so."""

from rich.console import Console, RenderableType
from rich.measure import Measurement

_ANY_WIDTH = 1_000_000


def whole(shown: RenderableType, console: Console) -> Console:
    """The console, or one as wide as what is shown where it writes to no terminal.

    A terminal breaks lines; a pipe has no width, and whoever reads it breaks lines as they like.
    """
    if console.is_terminal:
        return console
    return Console(file=console.file, width=measured(shown, console).maximum, highlight=False)


def measured(shown: RenderableType, console: Console) -> Measurement:
    """How many columns it takes, at least and at most, were there as many as it likes."""
    return console.measure(shown, options=console.options.update(width=_ANY_WIDTH))
