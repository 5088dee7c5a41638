"""Kamailio's values at run time: numbers, strings and $null, and how one becomes another.

The rules were checked against Kamailio 5.6.3. Numbers are 64 bits wide, as in newer versions.
"""

import re
from collections.abc import Callable
from typing import Final

from registrar.script.declare import Value

_DECIMAL: Final = re.compile(r"[+-]?[0-9]{1,19}", re.ASCII)
_HEXADECIMAL: Final = re.compile(r"0[xX][0-9a-fA-F]{1,16}", re.ASCII)
_HALF: Final = 1 << 63
_FULL: Final = 1 << 64


def wrap(number: int) -> int:
    """The number as 64 bits hold it: scripts must not grow numbers without end."""
    if -_HALF <= number < _HALF:
        return number
    return (number + _HALF) % _FULL - _HALF


def to_integer(value: Value) -> int:
    """A string that is no number, and $null, count as 0."""
    if isinstance(value, int):
        return value
    if not value:
        return 0
    if _DECIMAL.fullmatch(value):
        return wrap(int(value))
    return wrap(int(value, 16)) if _HEXADECIMAL.fullmatch(value) else 0


def to_string(value: Value) -> str:
    """$null is the empty string."""
    if isinstance(value, str):
        return value
    return "" if value is None else str(int(value))


def equal(left: Value, right: Value) -> bool:
    """==: the right side becomes what the left is; beside $null, the left what the right is."""
    if isinstance(left, int) or (left is None and isinstance(right, int)):
        return to_integer(left) == to_integer(right)
    return to_string(left) == to_string(right)


def plus(left: Value, right: Value) -> Value:
    """Adds if the left side is a number, else joins."""
    if isinstance(left, int):
        return wrap(left + to_integer(right))
    return to_string(left) + to_string(right)


def divide(left: int, right: int) -> int:
    """Towards zero, as C does. Raises ZeroDivisionError."""
    quotient = abs(left) // abs(right)
    return wrap(quotient if (left < 0) == (right < 0) else -quotient)


def modulo(left: int, right: int) -> int:
    """The sign is that of the left side, as in C. Raises ZeroDivisionError."""
    return left - right * divide(left, right)


ARITHMETIC: Final[dict[str, Callable[[int, int], int]]] = {
    "+": lambda left, right: wrap(left + right),
    "-": lambda left, right: wrap(left - right),
    "*": lambda left, right: wrap(left * right),
    "/": divide,
    "%": modulo,
    "|": lambda left, right: left | right,
    "&": lambda left, right: left & right,
    "^": lambda left, right: left ^ right,
    "<<": lambda left, right: wrap(left << (right & 63)),
    ">>": lambda left, right: left >> (right & 63),
}
