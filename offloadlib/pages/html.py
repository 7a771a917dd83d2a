"""A page as one HTML file that needs nothing else.

The browser is told to load nothing from anywhere (Content-Security-Policy), so a page that shows all of
itself is complete.
"""

from __future__ import annotations

import base64
import math
from html import escape
from pathlib import Path

from offloadlib.pictures.picture import Picture

from .page import Number, Page, Table, numeric, text

_TALL = 40
"""Rows from which on a table gets a frame of its own to scroll in."""

_LONG = 4
"""Sections from which on a page has contents."""

_SHORT = 32
"""Characters up to which the text of a column stays on one line."""

_LEAST = 0.75
"""The share of its size down to which a picture shrinks with the page; on still less it scrolls."""


def html(page: Page, folder: Path) -> str:
    """The page, with its pictures, which are saved in the folder already."""
    lines = [_part(part, folder) for part in page.text]
    if len(page.sections) >= _LONG:
        links = (f'<a href="#s{i}">{escape(of.title)}</a>' for i, of in enumerate(page.sections, start=1))
        lines.append(f'<nav aria-label="Contents">{" ".join(links)}</nav>')
    for i, section in enumerate(page.sections, start=1):
        lines += [f'<section id="s{i}">', f"<h2>{escape(section.title)}</h2>"]
        lines += [*(_part(part, folder) for part in section.parts), "</section>"]
    return _DOCUMENT.format(title=escape(page.title), style=_STYLE, body="\n".join(lines), script=_SORT)


def _part(part: str | Picture | Table, folder: Path) -> str:
    if isinstance(part, Table):
        return _table(part)
    if isinstance(part, Picture):
        return _image(part, folder)
    tag = "pre" if part.startswith("    ") else "p"
    return f"<{tag}>{escape(part.strip())}</{tag}>"


def _image(picture: Picture, folder: Path) -> str:
    """A picture, saved in the folder, with its caption."""
    data = base64.b64encode((folder / f"{picture.stem}.png").read_bytes()).decode()
    caption = escape(picture.caption)
    width = math.ceil(100 * picture.figure.get_figwidth())
    return (
        f'<figure><div class="wide"><img src="data:image/png;base64,{data}" alt="{caption}" '
        f'style="width:{width}px; min-width:{math.floor(_LEAST * width)}px"></div>'
        f"<figcaption>{caption}</figcaption></figure>"
    )


def _table(table: Table) -> str:
    kinds = [
        "number" if number else "text" if all(len(text(row[i])) <= _SHORT for row in table.rows) else "words"
        for i, number in enumerate(numeric(table))
    ]
    lines = []
    for number_of_row, row in enumerate(table.rows):
        cells = []
        for cell, kind in zip(row, kinds, strict=True):
            value = f' data-value="{cell.value!r}"' if isinstance(cell, Number) else ""
            cells.append(f'<td class="{kind}"{value}>{escape(text(cell))}</td>')
        best = ' class="best"' if number_of_row in table.best else ""
        lines.append(f"<tr{best}>{''.join(cells)}</tr>")
    head = "".join(
        f'<th class="{kind}" aria-sort="none"><button type="button">{escape(title)}</button></th>'
        for title, kind in zip(table.header, kinds, strict=True)
    )
    caption = f"<caption>{escape(table.caption)}</caption>" if table.caption else ""
    frame = "wide tall" if len(table.rows) > _TALL else "wide"
    return (
        f'<div class="{frame}"><table class="sortable">{caption}\n<thead><tr>{head}</tr></thead>\n<tbody>\n'
        + "\n".join(lines)
        + "\n</tbody>\n</table></div>"
    )


_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #333; }
body { max-width: 1180px; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin-bottom: 0; }
h2 { font-size: 1.2rem; margin: 3rem 0 0; border-top: 1px solid #ddd; padding-top: 1.5rem; }
figcaption, caption { color: #777; margin-top: 0.2rem; }
caption { text-align: left; white-space: normal; }
nav { display: flex; flex-wrap: wrap; gap: 0.2rem 1.2rem; margin: 1.2rem 0; }
a { color: #0072B2; }
div.wide { /* shadows at the edges beyond which there is more */
  overflow-x: auto;
  background: linear-gradient(to right, white 40%, transparent) 0 0 / 3rem 100% local,
    linear-gradient(to left, white 40%, transparent) 100% 0 / 3rem 100% local,
    linear-gradient(to right, #0005, transparent) 0 0 / 1rem 100% scroll,
    linear-gradient(to left, #0005, transparent) 100% 0 / 1rem 100% scroll;
  background-repeat: no-repeat;
}
div.tall { max-height: 36rem; overflow-y: auto; border: 1px solid #ddd; padding: 0 0.5rem; }
div.tall th { position: sticky; top: 0; background: white; z-index: 1; }
div.tall th.text:first-child { z-index: 2; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; white-space: nowrap; margin: 1rem 0; }
th { font-weight: 600; color: #777; border-bottom: 1px solid #999; vertical-align: bottom; }
th, td { padding: 0.25rem 0.7rem; }
td { border-bottom: 1px solid #eee; vertical-align: top; }
th, .words { white-space: normal; }
td.words { min-width: 12rem; }
td.text:first-child, th.text:first-child { position: sticky; left: 0; background: white; }
th button { all: unset; cursor: pointer; }
th button:focus-visible { outline: 2px solid #0072B2; }
th[aria-sort=ascending] button::after { content: " ▲"; }
th[aria-sort=descending] button::after { content: " ▼"; }
.number { text-align: right; }
.text, .words { text-align: left; }
tr.best td { font-weight: 600; color: #0072B2; }
pre { background: #f6f6f6; padding: 0.6rem 0.8rem; overflow-x: auto; }
figure { margin: 1.5rem 0; }
img { max-width: 100%; mix-blend-mode: multiply; } /* or its white would hide the shadows */
"""

_DOCUMENT = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<h1>{title}</h1>
{body}
<script>{script}</script>
</body>
</html>
"""

_SORT = """
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells], body = table.tBodies[0];
  heads.forEach((head, column) => head.addEventListener("click", () => {
    const up = head.getAttribute("aria-sort") !== "ascending", sign = up ? 1 : -1;
    const key = row => {
      const cell = row.cells[column], value = cell.dataset.value;
      return value === undefined ? cell.textContent : Number(value);
    };
    const order = (a, b) => {
      const x = key(a), y = key(b);
      if (typeof x !== typeof y) return typeof x === "number" ? -1 : 1;
      return sign * (typeof x === "number" ? x - y : x.localeCompare(y));
    };
    body.append(...[...body.rows].sort(order));
    heads.forEach(other => other.setAttribute("aria-sort", "none"));
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
  }));
}
"""
