"""The findings as lines for people, and as JSON for programs."""

import json
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from firstline.check.findings import Finding, Level

_STYLES = MappingProxyType(
    {Level.OK: "green", Level.NOTE: "cyan", Level.WARNING: "yellow", Level.WRONG: "bold red"}
)

_AS_IT_IS: Mapping[str, Any] = MappingProxyType(
    {"markup": False, "emoji": False, "highlight": False}
)


def print_lines(findings: Sequence[Finding], console: Console) -> None:
    """One finding a line; on a terminal coloured, and wrapped beside its level."""
    if not console.is_terminal:
        for finding in findings:
            console.print(f"{finding.level:<8}{finding.sentence()}", soft_wrap=True, **_AS_IT_IS)
        return
    table = Table.grid(padding=(0, 1))
    for finding in findings:
        table.add_row(Text(finding.level, _STYLES[finding.level]), Text(finding.sentence()))
    console.print(table)


def as_json(findings: Sequence[Finding]) -> str:
    """One object: whether all is well, and every finding."""
    return json.dumps(
        {
            "ok": not any_wrong(findings),
            "findings": [
                {
                    "level": finding.level,
                    "about": finding.about,
                    "says": finding.says,
                    "todo": finding.todo,
                }
                for finding in findings
            ],
        },
        ensure_ascii=False,
    )


def any_wrong(findings: Sequence[Finding]) -> bool:
    """Whether a promise is broken; warnings do not count."""
    return any(finding.level is Level.WRONG for finding in findings)
