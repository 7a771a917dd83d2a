"""Pages in a real browser, where there is one."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

needs_browser = pytest.mark.skipif(
    BROWSER is None, reason="no browser here: install chromium to test pages in one"
)


def browse(file: Path, *options: str) -> tuple[str, str]:
    """The document of a page as the browser has it in the end, and what it said.

    Its profile is made beside the page.
    """
    assert BROWSER is not None
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr"]
    command += [f"--user-data-dir={file.parent / 'profile'}", "--virtual-time-budget=3000", *options]
    done = subprocess.run([*command, file.as_uri()], capture_output=True, text=True, timeout=120, check=True)
    return done.stdout, done.stderr


def probed(file: Path, script: str) -> Any:
    """What a script leaves in ``seen`` at the end of a page that says nothing on the console.

    The page with the script takes the place of the file.
    """
    kept = "document.body.dataset.seen = JSON.stringify(seen);"
    probe = f"<script>\nconst seen = {{}};\n{script}\n{kept}\n</script>"
    text = file.read_text("utf-8")
    assert "</body>" in text
    file.write_text(text.replace("</body>", f"{probe}</body>"), "utf-8")
    document, said = browse(file, "--dump-dom")
    assert "CONSOLE" not in said, said
    found = re.search(r'data-seen="([^"]*)"', document)
    assert found is not None
    return json.loads(html.unescape(found[1]))
