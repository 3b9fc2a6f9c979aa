"""Writes the README's table of capture formats from the table of readers: `python docs/write_tables.py`."""

from pathlib import Path

from neuraltexgen.readers import formats_table

README = Path(__file__).parent.parent / "README.md"


def with_table(text: str) -> str:
    """The README's text with the table under "What you can feed it" replaced by what the readers state."""
    before, rest = text.split("### What you can feed it\n\n", 1)
    _, after = rest.split("\n\n", 1)
    return f"{before}### What you can feed it\n\n{formats_table()}\n{after}"


if __name__ == "__main__":
    README.write_text(with_table(README.read_text(encoding="utf-8")), encoding="utf-8")
