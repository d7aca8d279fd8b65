"""`python -m pipeline`."""

from __future__ import annotations

import signal
import sys
from types import FrameType

SECONDS_UNTIL_AGAIN = 0.05


def _stop(number: int, frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_IGN)  # what has to be ended is being ended
    raise KeyboardInterrupt


def _stop_again(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _not_raised(what: sys.UnraisableHookArgs) -> None:
    """Where Python can raise no error, as while it collects garbage, a stop would be lost: it comes again."""
    if what.exc_type is not KeyboardInterrupt:
        sys.__unraisablehook__(what)
    elif not ending:
        signal.setitimer(signal.ITIMER_REAL, SECONDS_UNTIL_AGAIN)


# `docker stop`, `kill` and a terminal that is closed end the work as Ctrl-C does. What `nohup` ignores stays ignored.
for _number in (signal.SIGTERM, signal.SIGHUP):
    if signal.getsignal(_number) is signal.SIG_DFL:
        signal.signal(_number, _stop)
signal.signal(signal.SIGALRM, _stop_again)
sys.unraisablehook = _not_raised
ending = False

try:
    from pipeline.cli import main  # takes a while: Ctrl-C is for it, too

    main()
except KeyboardInterrupt:
    print("stopped; finished work is kept, and the same command goes on from there", file=sys.stderr)
    sys.exit(130)
finally:
    ending = True
