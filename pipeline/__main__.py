"""`python -m pipeline`, and `howbig`."""

from __future__ import annotations

import io
import os
import signal
import sys
from types import FrameType

SECONDS_UNTIL_AGAIN = 0.05
ending = False


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


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def _open_all() -> None:
    """Where somebody has closed standard input, output or error, what goes there goes nowhere, and not into a file that
    happens to be opened in its place. An answer that nobody gets is an error, if there is somebody to tell it to."""
    closed = [number for number in (0, 1, 2) if not _is_open(number)]
    for number in closed:
        refuses = number == 1 and 2 not in closed
        os.open(os.devnull, os.O_RDONLY if refuses else os.O_RDWR)  # the lowest number that is free
    for name, number in {"stdout": 1, "stderr": 2}.items():
        if getattr(sys, name) is None:
            setattr(sys, name, io.TextIOWrapper(io.FileIO(number, "w", closefd=False)))


def main() -> None:
    """Run the command line; any of the usual signals ends it with a sentence."""
    global ending
    _open_all()
    # `docker stop`, `kill` and a terminal that is closed end the work as Ctrl-C does. What `nohup` ignores stays so.
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _stop)
    signal.signal(signal.SIGALRM, _stop_again)
    sys.unraisablehook = _not_raised
    try:
        from pipeline import cli  # takes a while: Ctrl-C is for it, too

        cli.main()
    except KeyboardInterrupt:
        print("stopped; finished work is kept, and the same command goes on from there", file=sys.stderr)
        sys.exit(130)
    finally:
        ending = True


if __name__ == "__main__":
    main()
