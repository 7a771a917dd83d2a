"""Settings of the whole suite; modules beside this one are imported by name: ``from brute import ...``."""

from __future__ import annotations

import os
import signal

from hypothesis import HealthCheck, settings

# A suite that a shell starts in the background ignores Ctrl-C, and so would the programs that it tests.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Shared machines stall: an example that takes long now and then is no failure. The default run draws the
# same examples every time; `make test-all` draws new ones.
settings.register_profile(
    "suite", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("new", settings.get_profile("suite"), derandomize=False)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "suite"))
