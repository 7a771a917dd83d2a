"""Pages, as text and in a real browser."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from browser import browse, needs_browser, probed
from PIL import Image

from offloadlib.methods import Family
from offloadlib.pages.html import html
from offloadlib.pages.markdown import markdown
from offloadlib.pages.page import Number, Page, Section, Table
from offloadlib.pictures import costs
from offloadlib.pictures.picture import Picture

COSTS = [("gsod-i", 10.0), ("local", 9.5), ("gaod", -2.0), ("a|b <i>", 1e3)]


@pytest.fixture
def page(tmp_path: Path) -> Page:
    bars = [costs.Bar(name, Family.HEURISTIC, abs(cost)) for name, cost in COSTS]
    picture = Picture("costs", "Costs & bounds", costs.cost_by_method(costs.CostPanel("one", bars, 1.0)))
    picture.save(tmp_path)
    table = Table(
        ("method", "cost"), [(name, Number(cost, f"{cost:,.1f}")) for name, cost in COSTS], "All <costs>"
    )
    section = Section("Costs", ["Some text.", "    a command --like this", picture, table])
    return Page("A page", ["What it is."], [section])


def test_a_page_as_text(page: Page, tmp_path: Path) -> None:
    text = html(page, tmp_path)
    assert "<i>" not in text and "All &lt;costs&gt;" in text and "Costs &amp; bounds" in text
    assert "<pre>a command --like this</pre>" in text
    assert text.count("data:image/png;base64,") == 1
    assert not re.search(r"(src|href)=(?!\"data:|\"#)", text)
    assert "<nav" not in text  # a short page needs no contents
    lines = markdown(page).splitlines()
    assert lines[0] == "# A page" and "## Costs" in lines
    assert "| method | cost |" in lines and "| --- | ---: |" in lines
    assert "| a\\|b <i> | 1,000.0 |" in lines
    assert "![Costs & bounds](costs.png)" in lines


def test_a_long_page_has_contents(page: Page, tmp_path: Path) -> None:
    titles = ["First", "Costs & bounds", "Third", "Last"]
    text = html(replace(page, sections=[Section(title, ["text"]) for title in titles]), tmp_path)
    (contents,) = re.findall("<nav.*</nav>", text)
    linked = re.findall(r'<a href="#(\w+)">([^<]*)</a>', contents)
    headed = re.findall(r'<section id="(\w+)">\n<h2>([^<]*)</h2>', text)
    assert linked == headed
    assert [title for _, title in headed] == ["First", "Costs &amp; bounds", "Third", "Last"]


# In a browser -------------------------------------------------------------------------------------

_PROBE = """
const heads = [...document.querySelectorAll("table.sortable th button")];
const rows = () => [...document.querySelectorAll("table.sortable tbody tr")];
const column = i => rows().map(row => row.cells[i].textContent);
seen.loaded = column(0);
heads[1].click(); seen.up = column(1);
heads[1].click(); seen.down = column(1);
heads[0].click(); seen.names = column(0);
seen.marks = heads.map(head => head.parentElement.getAttribute("aria-sort"));
seen.pictures = [...document.images].map(image => image.complete && image.naturalWidth > 0);
"""

_NARROW = """
const phone = document.body.appendChild(document.createElement("iframe"));
phone.style.cssText = "width: 400px; height: 2000px; border: 0";
phone.contentDocument.write(TEXT);
phone.contentDocument.close();
const page = phone.contentDocument.documentElement, frame = page.querySelector("table").parentElement;
const image = page.querySelector("img");
seen.page = page.scrollWidth <= page.clientWidth;
seen.table = frame.scrollWidth > frame.clientWidth;
seen.sign = phone.contentWindow.getComputedStyle(frame).backgroundImage.includes("gradient");
seen.shrunk = image.width / parseFloat(image.style.width);
"""

_LEAK = '<img src="http://127.0.0.1:9/leak.png">'


def _written(folder: Path, text: str) -> Path:
    file = folder / "page.html"
    file.write_text(text)
    return file


@needs_browser
def test_a_page_in_a_browser(page: Page, tmp_path: Path) -> None:
    text = html(page, tmp_path)
    shot = tmp_path / "page.png"
    _, said = browse(_written(tmp_path, text), f"--screenshot={shot}", "--window-size=1200,900")
    assert "CONSOLE" not in said
    with Image.open(shot) as picture:
        assert picture.size == (1200, 900)
        assert len(picture.convert("RGB").getcolors(2**24) or ()) > 20
    assert probed(_written(tmp_path, text), _PROBE) == {
        "loaded": ["gsod-i", "local", "gaod", "a|b <i>"],
        "up": ["-2.0", "9.5", "10.0", "1,000.0"],
        "down": ["1,000.0", "10.0", "9.5", "-2.0"],
        "names": ["a|b <i>", "gaod", "gsod-i", "local"],
        "marks": ["ascending", "none"],
        "pictures": [True],
    }


@needs_browser
def test_a_page_on_a_telephone(page: Page, tmp_path: Path) -> None:
    """Only what is wide scrolls, and says so; pictures stay as large as their letters must be."""
    wide = Table([f"column {i}" for i in range(12)], [[Number(i, f"{i}") for i in range(12)]])
    text = html(replace(page, sections=[Section("Wide", [page.pictures[0], wide])]), tmp_path)
    script = _NARROW.replace("TEXT", json.dumps(text).replace("</", r"<\/"))
    seen = probed(_written(tmp_path, "<body></body>"), script)
    assert seen.pop("shrunk") >= 0.74
    assert seen == {"page": True, "table": True, "sign": True}


@needs_browser
def test_the_browser_would_tell(page: Page, tmp_path: Path) -> None:
    """What the test above does not see, a page that loads something or fails, it would see."""
    text = html(page, tmp_path)
    _, said = browse(_written(tmp_path, text.replace("</body>", f"{_LEAK}</body>")), "--dump-dom")
    assert "CONSOLE" in said and "Content Security Policy" in said
    wrong = text.replace("</body>", "<script>nonsense()</script></body>")
    _, said = browse(_written(tmp_path, wrong), "--dump-dom")
    assert "CONSOLE" in said and "nonsense is not defined" in said
