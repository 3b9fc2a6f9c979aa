"""Tables as HTML: columns of numbers aligned, with as many decimals as they need; long ones folded."""

from html import escape

import numpy as np

from neuraltexgen.report.model import Cell, Table

LONG_TABLE = 14
"""Tables with more rows start folded."""


def folded_table(table: Table) -> str:
    """The table; a long one folded behind its footer."""
    if len(table.rows) <= LONG_TABLE:
        return html_table(table)
    means = html_table(Table(table.title, table.columns, (), footer=table.footer)) if table.footer else ""
    return f"{means}<details><summary>All {len(table.rows)} rows</summary>{html_table(table)}</details>"


def html_table(table: Table) -> str:
    """The table as HTML, scrolling sideways where it must; a column's numbers are aligned and share their decimals."""
    rows = [*table.rows, table.footer] if table.footer else list(table.rows)
    decimals = [_decimals([row[c] for row in rows if c < len(row)]) for c in range(len(table.columns))]
    numeric = [all(not isinstance(row[c], str) for row in rows if c < len(row)) for c in range(len(table.columns))]
    head = "".join(
        f'<th scope="col"{_number_class(number)}>{escape(name)}</th>' for name, number in zip(table.columns, numeric)
    )
    body = "".join(_row(row, decimals, numeric) for row in table.rows)
    foot = f"<tfoot>{_row(table.footer, decimals, numeric)}</tfoot>" if table.footer else ""
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(table.title)}"><table>'
        f'<caption class="hidden">{escape(table.title)}</caption><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody>{foot}</table></div>"
    )


def _row(row: tuple[Cell, ...], decimals: list[int], numeric: list[bool]) -> str:
    cells = []
    for c, (cell, places, number) in enumerate(zip(row, decimals, numeric)):
        text = escape(_text(cell, places))
        tag = 'th scope="row"' if c == 0 else "td"
        cells.append(f"<{tag}{_number_class(number)}>{text}</{tag.split()[0]}>")
    return f"<tr>{''.join(cells)}</tr>"


def _number_class(number: bool) -> str:
    return ' class="number"' if number else ""


def _text(cell: Cell, places: int) -> str:
    if cell is None or (isinstance(cell, float) and not np.isfinite(cell)):
        return "–"
    return f"{cell:.{places}f}" if isinstance(cell, float) else str(cell)


def _decimals(cells: list[Cell]) -> int:
    """One number of decimals for a column: about four digits of its largest value."""
    largest = max((abs(cell) for cell in cells if isinstance(cell, float) and np.isfinite(cell)), default=0.0)
    return 1 if largest >= 1000 else 2 if largest >= 10 else 3
