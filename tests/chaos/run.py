"""Faults one after another, while a desk sends commands; after each, all has to be as promised."""

import random
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from tests.chaos.fault import Fault
from tests.chaos.figures import HEADING, Harm, Line, harm, totals
from tests.chaos.scene import NotHealed, NotInjected, Scene, staged
from tests.chaos.traffic import Traffic
from tests.outside.desk import Day
from tests.outside.look import look, wait_for_rest
from tests.outside.program import NotReady

_REST_SECONDS = 180
_SHOWN = 5

# What the desk writes into its commands, in whole sentences: none of it may be in a log.
_PAYLOADS = ("answer answer", "Nothing helped.", "Restarted the client.", "mail client hangs")


@dataclass
class Run:
    """The faults of a run so far, and what was wrong before the one at hand."""

    lines: list[Line] = field(default_factory=list)
    days: list[Day] = field(default_factory=list)
    harm: Harm = field(default_factory=Harm)
    said: set[str] = field(default_factory=set)
    skipped: list[str] = field(default_factory=list)


def in_order(faults: Sequence[Fault], seed: int) -> list[Fault]:
    """The faults in the order of a seed."""
    return random.Random(seed).sample(faults, len(faults))


def run(faults: Sequence[Fault], seed: int, seconds: float | None) -> Run:
    """Bring about each fault once, or as many as can be begun in so many seconds."""
    begun = time.monotonic()
    done = Run()
    with staged(seed) as scene:
        _say(HEADING)
        for number, fault in enumerate(in_order(faults, seed)):
            if seconds is not None and time.monotonic() - begun > seconds:
                break
            if missing := fault.missing():
                done.skipped.append(f"{fault.name}: {missing}")
                _say(f"{fault.name:<46}  SKIPPED: {missing}")
                continue
            line = _bring_about(scene, fault, done, seed * 100 + number)
            done.lines.append(line)
            _say(str(line))
            if line.why:
                _say(line.why)
    _say(str(totals(done.lines)))
    return done


def _bring_about(scene: Scene, fault: Fault, done: Run, seed: int) -> Line:
    times, why = 0, ""
    scene.recoveries.clear()
    traffic = Traffic(scene.client, seed)
    try:
        scene.worker()
        with traffic:
            times = fault.inject(scene)
            scene.until_answered()
        scene.end_others()
        scene.client.flush()
        wait_for_rest(scene.installation, _REST_SECONDS)
    except (NotInjected, NotHealed, NotReady, TimeoutError) as error:
        why = f"{type(error).__name__}: {error}"
    finally:
        scene.proxy.let_everything_go()
        scene.end_others()
    done.days += traffic.days
    line = Line(fault.name, times, traffic.sent, Harm(), max(scene.recoveries, default=0.0), why)
    return _line(scene, done, line)


def _line(scene: Scene, done: Run, line: Line) -> Line:
    """The line, with what is wrong now and was not before."""
    found, said = harm(look(scene.installation), done.days)
    said += [f"a log line holds {one!r}" for one in _PAYLOADS if scene.log_lines(one)]
    new = [one for one in said if one not in done.said]
    told = found.since(done.harm)
    done.harm, done.said = found, set(said)
    why = "\n".join(filter(None, [line.why, *(f"  {one}" for one in new[:_SHOWN])]))
    if why and not told:
        told = Harm(otherwise=max(len(new), 1))
    return replace(line, harm=told, why=why)


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
