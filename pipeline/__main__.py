"""`python -m pipeline`."""

import signal
import sys
from types import FrameType


def _stop(number: int, frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_IGN)  # what has to be ended is being ended
    raise KeyboardInterrupt


# `docker stop`, `kill` and a terminal that is closed end the work as Ctrl-C does. What `nohup` ignores stays ignored.
for _number in (signal.SIGTERM, signal.SIGHUP):
    if signal.getsignal(_number) is signal.SIG_DFL:
        signal.signal(_number, _stop)

try:
    from pipeline.cli import main  # takes a while: Ctrl-C is for it, too

    main()
except KeyboardInterrupt:
    print("stopped; finished work is kept, and the same command goes on from there", file=sys.stderr)
    sys.exit(130)
