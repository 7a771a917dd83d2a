"""Settings of the whole suite; modules beside this one are imported by name: ``from brute import ...``."""

from __future__ import annotations

import signal

import counts  # noqa: F401 - loads the profile of hypothesis

# A suite that a shell starts in the background ignores Ctrl-C, and so would the programs that it tests.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
