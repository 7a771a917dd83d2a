"""The command ``offloadlib``, and ``python -m offloadlib``."""

import gc
import os
import signal
import sys
from types import FrameType


def main() -> int:
    """Run the command line; a signal before there is anything to lose ends it with one line."""
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _too_early)
    gc.disable()  # what is imported is no garbage, and to look through it again and again takes long
    from offloadlib.cli.app import main as run

    gc.freeze()
    gc.enable()
    for number in (signal.SIGINT, signal.SIGTERM):  # from here on a KeyboardInterrupt, which is expected
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)
    return run()


def _too_early(number: int, frame: FrameType | None) -> None:
    os.write(2, b"offloadlib: interrupted before there was a result\n")
    os._exit(130)


if __name__ == "__main__":
    sys.exit(main())
