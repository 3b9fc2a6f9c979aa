"""What a command says while it works and when it is done: progress bars, a summary, or JSON."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table


@dataclass(frozen=True)
class Talk:
    """How much is said."""

    quiet: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Say nothing but errors."""
    json: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Print the result as JSON, and nothing else."""

    @property
    def plain(self) -> bool:
        """Whether lines for people are wanted."""
        return not (self.quiet or self.json)

    def progress(self, items: Iterable[Any], what: str, total: int) -> Iterable[Any]:
        """The items, with a bar and the time left on a terminal; a finished bar leaves no line."""
        console = Console(stderr=True)
        if not self.plain or not console.is_terminal or total == 0:
            yield from items
            return
        columns = (TextColumn("{task.description:>14}"), BarColumn(), MofNCompleteColumn())
        with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=console, transient=True) as bar:
            task = bar.add_task(what, total=total)
            for item in items:
                yield item
                bar.advance(task)

    def rows(self, rows: Iterable[tuple[str, str]], result: Any) -> None:
        """Prints (label, value) lines, or `result` as JSON."""
        if self.json:
            print(json.dumps(result, indent=2, ensure_ascii=False))
        elif not self.quiet:
            console = Console(highlight=False, soft_wrap=True)
            for label, value in rows:
                console.print(f"[bold]{label:>16}[/bold]  ", end="")
                console.print(value, markup=False)

    def table(self, title: str, columns: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
        """Prints a table, for people only."""
        if self.plain:
            table = Table(*columns, title=title, title_justify="left")
            for row in rows:
                table.add_row(*map(escape, row))
            Console(highlight=False).print(table)

    def files(self, paths: Iterable[Path]) -> tuple[tuple[str, str], ...]:
        """Rows that say where files lie."""
        return tuple(("written" if i == 0 else "", str(path)) for i, path in enumerate(paths))
