"""The command ``offloadlib``, and ``python -m offloadlib``."""

import os
import signal
import sys
from types import FrameType


def main() -> int:
    """Run the command line; a signal before there is anything to lose ends it with one line."""
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _too_early)
    from offloadlib.cli.app import main as run

    for number in (signal.SIGINT, signal.SIGTERM):  # from here on a KeyboardInterrupt, which is expected
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)
    return run()


def _too_early(number: int, frame: FrameType | None) -> None:
    os.write(2, b"offloadlib: interrupted before there was a result\n")
    os._exit(130)


if __name__ == "__main__":
    sys.exit(main())
