"""A page as Markdown, beside the pictures' files."""

from __future__ import annotations

from collections.abc import Iterator

from .page import Page, Table, numeric, text


def markdown(page: Page) -> str:
    """The page as Markdown, beside the pictures' files."""
    return "\n\n".join(_markdown(page)) + "\n"


def _markdown(page: Page) -> Iterator[str]:
    yield f"# {page.title}"
    yield from page.text
    for section in page.sections:
        yield f"## {section.title}"
        for part in section.parts:
            if isinstance(part, str):
                yield part
            elif isinstance(part, Table):
                if part.caption:
                    yield part.caption
                yield _markdown_table(part)
            else:
                yield f"![{part.caption}]({part.stem}.png)"
                yield part.caption


def _markdown_table(table: Table) -> str:
    rule = ["---:" if number else "---" for number in numeric(table)]
    rows = [
        list(table.header),
        rule,
        *([text(cell).replace("|", "\\|") for cell in row] for row in table.rows),
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
