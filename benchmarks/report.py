"""The figures as a table, and as a file."""

import json
import os
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

from benchmarks.measures import Figure, Results

LATEST = Path(__file__).parent / "latest.json"
PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
_BEGIN, _END = "<!-- written by make bench -->", "<!-- up to here -->"
_PACKAGES = (
    "aiokafka", "asyncpg", "faststream", "faststream-outbox", "procrastinate", "pydantic",
    "sqlalchemy", "uvloop",
)  # fmt: skip
AT_LEAST = {
    "apply_vs_limit": 0.6,
    "apply_vs_naive": 150,
    "relay_vs_producer": 0.8,
    "relay_vs_faststream_outbox": 3,
    "apply_vs_procrastinate": 10,
    "end_to_end_vs_apply": 0.5,
    "two_workers_vs_one": 1.5,
}
AT_MOST = {
    "latency_p50_ms": 15,
    "latency_p99_ms": 50,
    "growth_stored": 1.25,
    "growth_walk": 1.25,
    "memory_mb": 250,
}


NAMES = (*AT_LEAST, *AT_MOST, "statements_per_batch")
"""All figures, in the order in which they are told."""


def line(name: str, figure: Figure, raw: Mapping[str, object]) -> str:
    """One row of the table: the figure, its target and whether it is met, and what is behind it."""
    behind = "  ".join(f"{what} {shown(value)}" for what, value in raw.items())
    return f"{name:<28}{shown(figure):>10}  {_target(name, figure):<16}{behind}"


def write(results: Results, *, quick: bool, postgres: str) -> None:
    """Write `benchmarks/latest.json`; what was not measured is null there.

    A run that was not ``quick`` goes into the page, too.
    """
    content = content_of(results, quick=quick, postgres=postgres)
    LATEST.write_text(json.dumps(content, indent=2) + "\n")
    if not quick:
        PAGE.write_text(with_figures(PAGE.read_text(), content))


def content_of(results: Results, *, quick: bool, postgres: str) -> dict[str, Any]:
    """What `benchmarks/latest.json` says of a run."""
    return {
        **{name: _rounded(results.figures.get(name)) for name in NAMES},
        "raw": _rounded(results.raw),
        "quick": quick,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {
            "system": platform.platform(),
            "processor": _processor(),
            "cores": os.cpu_count(),
            "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        },
        "versions": {
            "python": platform.python_version(),
            "postgres": postgres,
            **{package: version(package) for package in _PACKAGES},
        },
    }


def with_figures(text: str, content: Mapping[str, Any]) -> str:
    """The page with the figures of this run in place of those before.

    Raises ValueError where a mark is missing.
    """
    before, begin, rest = text.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not begin or not end:
        msg = f"{PAGE.name} lacks the marks {_BEGIN} and {_END}"
        raise ValueError(msg)
    machine, versions = content["machine"], content["versions"]
    where = (
        f"{content['date'][:10]}, {machine['cores']} cores of {machine['processor']},"
        f" {machine['memory_gb']:.0f} GB, Python {versions['python']},"
        f" PostgreSQL {versions['postgres'].split()[0]}:"
    )
    rows = [
        f"| `{name}` | {shown(content[name])} | {_target(name, content[name])} |" for name in NAMES
    ]
    table = "\n".join(["| measure | figure | target |", "|---|---|---|", *rows])
    return f"{before}{_BEGIN}\n\n{where}\n\n{table}\n\n{_END}{after}"


def _target(name: str, figure: Figure) -> str:
    if name in AT_LEAST:
        met = figure is not None and figure >= AT_LEAST[name]
        return f"≥ {AT_LEAST[name]} {'met' if met else 'MISSED'}"
    if name in AT_MOST:
        met = figure is not None and figure <= AT_MOST[name]
        return f"≤ {AT_MOST[name]} {'met' if met else 'MISSED'}"
    return ""


def shown(value: object) -> str:
    """A figure, or several, as people read them."""
    match value:
        case None:
            return "none"
        case float():
            return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.3g}"
        case int():
            return f"{value:,}"
        case Mapping():
            return " ".join(f"{shown(name)}:{shown(part)}" for name, part in value.items())
        case list():
            return " ".join(shown(part) for part in value)
        case _:
            return str(value)


def _rounded(value: object) -> object:
    """Four significant digits: what comes after is noise."""
    match value:
        case float():
            return float(f"{value:.4g}")
        case Mapping():
            return {str(name): _rounded(part) for name, part in value.items()}
        case list():
            return [_rounded(part) for part in value]
        case _:
            return value


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = (text.partition(":")[2].strip() for text in lines if text.startswith("model name"))
    return next(names, platform.processor())
