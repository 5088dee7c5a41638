"""Kamailio's module sl: stateless replies (RFC 3261 §8.2.7)."""

from registrar.context import Context
from registrar.script.declare import Function, Kind, Module


def _status(status: int) -> None:
    if not 100 <= status <= 699:
        raise ValueError("a status is 100 to 699")


def sl_send_reply(_module: object, context: Context, status: int, reason: str) -> int:
    _status(status)
    context.reply(status, reason)
    return 1


def sl_reply_error(_module: object, context: Context) -> int:
    context.reply(500, "Server Internal Error")
    return 1


def _check(literals: tuple[object, ...]) -> None:
    if literals and isinstance(literals[0], int):
        _status(literals[0])


_REPLY = (Kind.INTEGER, Kind.STRING)

MODULE = Module(
    "sl",
    functions=(
        Function("sl_send_reply", sl_send_reply, _REPLY, check=_check, help="Answers."),
        Function("send_reply", sl_send_reply, _REPLY, check=_check, help="Answers."),
        Function("sl_reply_error", sl_reply_error, help="Answers 500."),
    ),
    help="Stateless replies.",
)
