"""Tables for people and for pipes. A cell that identifies something must never be cut."""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime

import click


def show_table(headers: Sequence[str], rows: Sequence[Sequence[str]], *, wrap: str = "") -> None:
    """Prints rows under their headers. In a terminal the column `wrap` takes the room that is left;
    a pipe gets whole lines."""
    if not sys.stdout.isatty():
        widths = [max(map(len, column)) for column in zip(headers, *rows, strict=True)]
        for row in (headers, *rows):
            cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
            click.echo("  ".join(cells).rstrip())
        return
    from rich.console import Console
    from rich.table import Column, Table
    from rich.text import Text

    columns = [Column(name, no_wrap=name != wrap, overflow="fold") for name in headers]
    table = Table(*columns, box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*map(Text, row))  # what is in brackets is no markup
    Console().print(table)


def age(moment: str | None) -> str:
    """How long ago an RFC 3339 time was, as people say it: 12s, 5m, 3h, 2d."""
    if moment is None:
        return ""
    seconds = int((datetime.now(UTC) - datetime.fromisoformat(moment)).total_seconds())
    for unit, length in (("d", 86_400), ("h", 3600), ("m", 60)):
        if seconds >= length:
            return f"{seconds // length}{unit}"
    return f"{max(seconds, 0)}s"
