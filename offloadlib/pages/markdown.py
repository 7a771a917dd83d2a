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
        yield from section.text
        for picture in section.pictures:
            yield f"![{picture.caption}]({picture.stem}.png)"
            yield picture.caption
        for table in section.tables:
            if table.caption:
                yield table.caption
            yield _markdown_table(table)


def _markdown_table(table: Table) -> str:
    rule = ["---:" if number else "---" for number in numeric(table)]
    rows = [
        list(table.header),
        rule,
        *([text(cell).replace("|", "\\|") for cell in row] for row in table.rows),
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
