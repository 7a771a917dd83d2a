"""Where the user's caches are."""

from __future__ import annotations

import os
from pathlib import Path


def caches() -> Path:
    """The user's folder for caches of offloadlib."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()) / "offloadlib"
