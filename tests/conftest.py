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


@pytest.fixture(scope="session", autouse=True)
def kept_apart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What methods keep between runs is not that of the user."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OFFLOADLIB_CACHE", str(tmp_path_factory.mktemp("kept")))
        yield


@pytest.fixture(scope="session", autouse=True)
def one_server() -> Iterator[None]:
    """The server of new processes has all imports: what ``solve`` prepares, for one process, has none."""
    from offloadlib.running import workers

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workers, "prepare", lambda: None)
        yield


@pytest.fixture(scope="module")
def little_learning() -> Iterator[None]:
    """The method ddto learns from fewer frames, for the tests of what all methods have in common."""
    from offloadlib.heuristics.hybrid import learned

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(learned, "FRAMES", count(learned.FRAMES, 600))  # it begins to learn at 512
        yield
