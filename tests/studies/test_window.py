"""The sliding window: what is asked sees exactly the results told, whatever finishes when."""

import heapq

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.studies.window import sliding_window


def play(total: int, window: int, workers: int, seconds: list[float]) -> tuple[list[tuple[str, int]], list[float]]:
    """Run the window over simulated workers; a proposal is a function of the results told so far."""
    sequence: list[tuple[str, int]] = []
    told: list[float] = []
    proposals: list[float] = []
    waiting: list[int] = []
    running: list[tuple[float, int]] = []
    finished: set[int] = set()
    clock = 0.0

    def ask(number: int) -> float:
        sequence.append(("ask", number))
        proposals.append(number + sum(value * (place + 1) for place, value in enumerate(told)) % 7)
        return proposals[-1]

    def wait(number: int) -> float:
        nonlocal clock
        while number not in finished:
            while waiting and len(running) < workers:
                trial = waiting.pop(0)
                heapq.heappush(running, (clock + seconds[trial], trial))
            clock, done = heapq.heappop(running)
            finished.add(done)
        return proposals[number] * 3 % 11

    def tell(number: int, proposal: float, result: float) -> None:
        sequence.append(("tell", number))
        assert proposal == proposals[number]
        told.append(result)

    sliding_window(total, window, ask, lambda number, _: waiting.append(number), wait, tell)
    return sequence, proposals


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_the_sequence_depends_on_the_window_alone(data: st.DataObject) -> None:
    total, window = data.draw(st.integers(1, 40)), data.draw(st.integers(1, 12))
    durations = st.lists(st.floats(0.01, 100), min_size=total, max_size=total)
    one = play(total, window, workers=1, seconds=data.draw(durations))
    other = play(total, window, workers=data.draw(st.integers(1, 16)), seconds=data.draw(durations))
    assert one == other
    sequence, _ = one
    for place, (event, number) in enumerate(sequence):
        told = [n for kind, n in sequence[:place] if kind == "tell"]
        expected = number - window + 1 if event == "ask" else number
        assert told == list(range(max(0, expected)))


def test_the_order_is_the_designs() -> None:
    sequence, _ = play(total=4, window=2, workers=2, seconds=[9, 1, 1, 1])
    assert sequence == [
        ("ask", 0), ("ask", 1), ("tell", 0), ("ask", 2), ("tell", 1), ("ask", 3), ("tell", 2), ("tell", 3),
    ]  # fmt: skip
