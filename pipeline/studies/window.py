"""The sliding window: the order of events that makes a parallel study come out the same every time."""

from collections.abc import Callable
from typing import TypeVar

Asked = TypeVar("Asked")
Result = TypeVar("Result")


def sliding_window(
    total: int,
    window: int,
    ask: Callable[[int], Asked],
    start: Callable[[int, Asked], None],
    wait: Callable[[int], Result],
    tell: Callable[[int, Asked, Result], None],
    first: int = 0,
) -> None:
    """Run trials 0 … total - 1, at most `window` of them open at a time; `first` is added to all these numbers.

    The sequence of calls is fixed: ask 0 … window - 1; then for j = 0, 1, 2, …: wait for j, tell j, ask
    j + window. When trial i is asked, exactly the results of trials ≤ i - window have been told,
    in any order of completion and with any number of workers; a result that arrives early is held back by `wait`.
    """
    open_trials: dict[int, Asked] = {}

    def open_trial(number: int) -> None:
        if number < first + total:
            open_trials[number] = ask(number)
            start(number, open_trials[number])

    for number in range(first, first + window):
        open_trial(number)
    for number in range(first, first + total):
        result = wait(number)
        tell(number, open_trials.pop(number), result)
        open_trial(number + window)
