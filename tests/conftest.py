"""Settings of the whole suite; modules beside this one are imported by name: ``from brute import ...``."""

from __future__ import annotations

import os
import signal

import pytest
from hypothesis import HealthCheck, is_hypothesis_test, settings

# A suite that a shell starts in the background ignores Ctrl-C, and so would the programs that it tests.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Shared machines stall: an example that takes long now and then is no failure. The default run draws the
# same examples every time, a third of what a test asks for; `make test-all` draws new ones, and all of them.
SHARE = 3

settings.register_profile(
    "suite", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("new", settings.get_profile("suite"), derandomize=False)
PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "suite")
settings.load_profile(PROFILE)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Lower the counts of examples, except of tests that are marked as slow for their full counts."""
    if PROFILE != "suite":
        return
    usual = [
        item for item in items if isinstance(item, pytest.Function) and not item.get_closest_marker("slow")
    ]
    for test in {item.function for item in usual if is_hypothesis_test(item.function)}:
        asked = test._hypothesis_internal_use_settings
        test._hypothesis_internal_use_settings = settings(asked, max_examples=-(-asked.max_examples // SHARE))
