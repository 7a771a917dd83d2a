"""How much a test does: little in the default run, in full in `make test-all`."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

# Shared machines stall: an example that takes long now and then is no failure. The default run draws the
# same few examples every time, `make test-all` draws new ones, and as many as a test asks for.
SUITE, NEW = "suite", "new"
SHARE = 5

settings.register_profile(
    SUITE,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
    max_examples=-(-100 // SHARE),
)
settings.register_profile(NEW, settings.get_profile(SUITE), derandomize=False, max_examples=100)
PROFILE = os.environ.get("HYPOTHESIS_PROFILE", SUITE)
settings.load_profile(PROFILE)

FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
"""Of tests whose examples write into one folder."""


def count(full: int, few: int) -> int:
    """A count, or a size, in full, or what the default run makes of it."""
    return few if PROFILE == SUITE else full


def examples(full: int, few: int | None = None, base: settings | None = None) -> settings:
    """So many examples; in the default run a fifth, or the few that are given."""
    return settings(base, max_examples=count(full, -(-full // SHARE) if few is None else few))
