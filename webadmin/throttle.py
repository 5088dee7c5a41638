"""Slows down guessing: how many log-ins failed of late, per source. In this process's memory.

A source is a network address, or a browser that has logged in before: who guesses from the owner's
own network cannot lock the owner's browser out, and no wait is longer than a minute.
"""

import ipaddress
from collections import OrderedDict
from typing import Final

FREE: Final = 5
WINDOW: Final = 900.0
LONGEST: Final = 60.0
SOURCES: Final = 10_000


class Throttle:
    """Times are seconds on any one clock, handed in."""

    def __init__(self) -> None:
        self._failures: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def wait(self, source: str, now: float) -> float:
        """How many seconds this source has to wait before its next try; 0.0: none."""
        failures, last = self._failures.get(source, (0, 0.0))
        if failures < FREE or now - last > WINDOW:
            return 0.0
        return max(0.0, last + min(LONGEST, 2.0 ** (failures - FREE + 1)) - now)

    def failed(self, source: str, now: float) -> None:
        failures, last = self._failures.pop(source, (0, 0.0))
        self._failures[source] = (failures + 1 if now - last <= WINDOW else 1, now)
        if len(self._failures) > SOURCES:
            self._failures.popitem(last=False)

    def succeeded(self, source: str) -> None:
        self._failures.pop(source, None)


def network(address: str | None) -> str:
    """The address, or for IPv6 its /64, which one household has to itself."""
    try:
        parsed = ipaddress.ip_address(address or "")
    except ValueError:
        return "unknown"
    if parsed.version == 4:
        return str(parsed)
    return str(ipaddress.ip_network((parsed, 64), strict=False))
