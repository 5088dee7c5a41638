"""Kamailio's module xlog: lines for the log, with pseudo-variables in them."""

from typing import Final

from registrar.context import Context
from registrar.script.declare import Function, Kind, Module

LEVELS: Final = {
    "L_ALERT": -5,
    "L_BUG": -4,
    "L_CRIT": -3,
    "L_CRIT2": -2,
    "L_ERR": -1,
    "L_WARN": 0,
    "L_NOTICE": 1,
    "L_INFO": 2,
    "L_DBG": 3,
}


def xlog(_module: object, context: Context, first: str, text: str | None = None) -> int:
    """xlog(text), at L_ERR as in Kamailio, or xlog(level, text)."""
    if text is None:
        context.services.log(LEVELS["L_ERR"], first)
    else:
        context.services.log(LEVELS[first], text)
    return 1


def _check(literals: tuple[object, ...]) -> None:
    if len(literals) == 2 and literals[0] not in LEVELS:
        raise ValueError(f"the level is one of {', '.join(LEVELS)}")


MODULE = Module(
    "xlog",
    functions=(
        Function(
            "xlog",
            xlog,
            (Kind.STRING, Kind.STRING),
            required=1,
            check=_check,
            help="Writes to the log: xlog([level,] text).",
        ),
    ),
    help="Log lines.",
)
