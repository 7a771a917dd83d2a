"""``python -I -S offloadlib/check/core INSTANCE SOLUTION [CERTIFICATE]``: accepted (0) or not (1)."""

from __future__ import annotations

import sys

if __package__:
    from .verdict import main
else:  # run as a folder, with nothing installed
    from pathlib import Path

    sys.path[0] = str(Path(__file__).resolve().parents[1])
    main = __import__("core.verdict", fromlist=["main"]).main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
