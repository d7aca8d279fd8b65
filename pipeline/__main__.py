"""`python -m pipeline`, and `howbig`."""

import signal
import sys
from types import FrameType


def _stop(number: int, frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_IGN)  # what has to be ended is being ended
    raise KeyboardInterrupt


def main() -> None:
    """Run the command line; any of the usual signals ends it with a sentence."""
    # `docker stop`, `kill` and a terminal that is closed end the work as Ctrl-C does. What `nohup` ignores stays so.
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _stop)

    try:
        from pipeline import cli  # takes a while: Ctrl-C is for it, too

        cli.main()
    except KeyboardInterrupt:
        print("stopped; finished work is kept, and the same command goes on from there", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
