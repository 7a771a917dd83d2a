"""Where tests find what they read: the clone, its library, inputs that were got wrong once, shared data."""

from __future__ import annotations

import os
from pathlib import Path

TESTS = Path(__file__).resolve().parent
ROOT = TESTS.parent
CASES = TESTS / "cases"
LIBRARY = ROOT / "offloadlib" / "instances" / "library"
# Data of others that cannot be shipped; tests that read it skip without it.
DATA = Path(os.environ.get("OFFLOADLIB_DATA") or ROOT.parent / "shared" / "data")
