"""Run the checker with nothing installed: ``python -I -S offloadlib/check INSTANCE SOLUTION``."""

import sys
from importlib import import_module
from pathlib import Path

if not __package__:  # run as a folder: the package is found in the one above, after everything else
    sys.path.append(str(Path(__file__).resolve().parent.parent))

sys.exit(import_module(f"{__package__ or 'check'}.verdict").main())
