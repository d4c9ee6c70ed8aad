"""A real service desk's log, replayed through Kafka: what goes in, what comes out, how fast."""

import asyncio
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from datetime import UTC, datetime
from importlib.resources import as_file
from types import FrameType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from firstline.demo.building import build
from firstline.demo.building import show as show_built
from firstline.demo.catalogue import catalogue_file
from firstline.demo.checks import violations
from firstline.demo.log import Incident, incidents, read_log
from firstline.demo.playground import Playground, playground
from firstline.demo.program import DemoFailed, Worker, firstline, worker
from firstline.demo.readback import Left, quiet, read_back
from firstline.demo.replay import Replayed, replay
from firstline.demo.report import show
from firstline.demo.story import Sent, story, with_resends
from firstline.reporting import tables
from firstline.reporting.figures import figures
from firstline.servers import NoServers

__all__ = ["run"]

_INTERRUPTED = 130
_NEXT = """\
Next:
  firstline demo --rate 2000 --repeat 10   ten times the load, faster
  firstline migrate && firstline topics    on servers that stay, see README.md
  firstline worker                         consume, as the demo's worker did
  firstline tail session-events --follow   see what happens, one JSON a line
"""


def run(*, rate: float, repeat: int, console: Console, first: int | None = None) -> int:
    """Replay the log, or its `first` incidents, and print what came out; return the exit code.

    0: everything happened once, as told. 1: something did not, or the demo could not be run; a
    sentence says what. 130: it was interrupted. No process outlives the call.
    """
    told = incidents(read_log())[:first]
    with _sigterm_as_interrupt():
        try:
            return _run(told, rate=rate, repeat=repeat, console=console)
        except (DemoFailed, NoServers) as failure:
            console.print(str(failure), style="red", markup=False, highlight=False, soft_wrap=True)
            return 1
        except KeyboardInterrupt:
            console.print("Interrupted.")
            return _INTERRUPTED


def _run(told: Sequence[Incident], *, rate: float, repeat: int, console: Console) -> int:
    commands = story(told, repeat=repeat)
    sent = with_resends(commands)
    console.print(_introduction(told, len(commands), rate=rate, repeat=repeat), highlight=False)
    with ExitStack() as stack:
        with _stage(console, "starting Kafka and Postgres"):
            place = stack.enter_context(playground())
        with _stage(console, "preparing schema, topics and catalogue"):
            _prepare(place)
        with _stage(console, "starting the worker"):
            running = stack.enter_context(worker(place.environ()))
        with _stage(console, f"sending {len(sent):,} records, reading the answers", bars=True):
            replayed = _replay(console, sent, place, running, rate=rate)
        with _stage(console, "draining the worker, reading everything back"):
            left = _settle(place, running)
        (ended,) = asyncio.run(figures(place.database_url, None, None))
        with (
            _stage(console, "walking a problem for which there is no flow"),
            worker(place.environ()) as another,
        ):
            built = build(place)
            another.drain()
    show(console, sent, replayed, left)
    show_built(console, built)
    console.print("What `firstline report` says of it, times on the replay's clock:\n")
    tables.show(console, ended, datetime.now(UTC).date())
    return _conclude(console, violations(sent, left))


def _introduction(told: Sequence[Incident], commands: int, *, rate: float, repeat: int) -> str:
    first, last = told[0].before[0].at, max(incident.outcome.at for incident in told)
    span = f"{first:%d %B %Y} to {last:%d %B %Y}"
    times = f", {repeat} times side by side" if repeat > 1 else ""
    return (
        f"{len(told)} incidents of a real service desk, {span}{times}, replayed through Kafka as "
        f"{commands:,} chat and PSA commands at {rate:g} a second, each tenth of them sent twice, "
        "a few of them to be refused. Questions, answers, steps and people are invented; the rest "
        "is an extract of the Incident management process enriched event log (Amaral, Fantinato, "
        "Peres; UCI Machine Learning Repository, 2018; CC BY 4.0).\n"
    )


def _prepare(place: Playground) -> None:
    firstline(place.environ(), "migrate")
    firstline(place.environ(), "topics")
    with as_file(catalogue_file()) as file:
        firstline(place.environ(), "load", str(file))


def _replay(
    console: Console, sent: Sequence[Sent], place: Playground, running: Worker, *, rate: float
) -> Replayed:
    columns = (TextColumn("{task.description:>8}"), BarColumn(), MofNCompleteColumn())
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as progress:
        sending = progress.add_task("sent", total=len(sent))
        answering = progress.add_task("answered", total=len(sent))

        def watch(records: int, answers: int) -> None:
            running.check()
            progress.update(sending, completed=records)
            progress.update(answering, completed=answers)

        return asyncio.run(
            replay(
                sent,
                kafka=place.kafka,
                rate=rate,
                watch=watch,
            )
        )


def _settle(place: Playground, running: Worker) -> Left:
    """Read back only after the worker has ended: from then on nothing more can come."""
    asyncio.run(quiet(place.database_url))
    running.drain()
    return asyncio.run(read_back(kafka=place.kafka, database_url=place.database_url))


def _conclude(console: Console, broken: Sequence[str]) -> int:
    for sentence in broken:
        console.print(sentence, style="red", markup=False, highlight=False)
    if broken:
        return 1
    console.print(
        "Nothing was lost and nothing happened twice: one reply to each record, one effect of each "
        "command, each event id once, the events of each session numbered 1, 2, 3 … in order, and "
        "Postgres holds the sessions that the events tell of.\n",
        style="green",
        highlight=False,
    )
    console.print(_NEXT, markup=False, highlight=False)
    return 0


@contextmanager
def _stage(console: Console, what: str, *, bars: bool = False) -> Iterator[None]:
    """Turn a spinner, unless the block shows `bars`, and leave a line with the seconds it took."""
    began = time.monotonic()
    with nullcontext() if bars else console.status(f"{what} …"):
        yield
    console.print(f"{time.monotonic() - began:5.1f} s  {what}", highlight=False)


@contextmanager
def _sigterm_as_interrupt() -> Iterator[None]:
    """Let SIGTERM unwind the demo as Ctrl-C does, rather than end it where it stands."""

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
