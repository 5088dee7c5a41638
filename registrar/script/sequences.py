"""Statements one after another, as one closure."""

from collections.abc import Sequence
from typing import Any

from registrar.script.routes import Run, Signal


def nothing(_context: Any) -> Signal:
    """The empty sequence."""
    return None


def succeed(context: Any) -> Signal:
    """What a route's last statement does that is no call: the route has code 1."""
    context.retcode = 1
    return None


def join(runs: Sequence[Run]) -> Run:
    """One closure that runs them in order until one gives a signal."""
    if not runs:
        return nothing
    if len(runs) == 1:
        return runs[0]
    if len(runs) == 2:
        first, second = runs

        def run_two(context: Any) -> Signal:
            signal = first(context)
            return second(context) if signal is None else signal

        return run_two
    sequence = tuple(runs)

    def run_all(context: Any) -> Signal:
        for run in sequence:
            signal = run(context)
            if signal is not None:
                return signal
        return None

    return run_all
