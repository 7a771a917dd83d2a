"""Settings of the whole suite; modules beside this one are imported by name: ``from brute import ...``."""

from __future__ import annotations

import gc
import signal
from collections.abc import Iterator

import pytest
from counts import count

# By default Python looks for garbage after every 700 new objects. Models have millions, and all that solvers
# have imported is looked through each time: a tenth of the time of the tests.
gc.set_threshold(100_000, 20, 10)

# A suite that a shell starts in the background ignores Ctrl-C, and so would the programs that it tests.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="module")
def little_learning() -> Iterator[None]:
    """The method ddto learns from fewer frames, for the tests of what all methods have in common."""
    from offloadlib.heuristics.hybrid import ddto

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ddto, "FRAMES", count(ddto.FRAMES, 600))  # it begins to learn at 512
        yield
