"""Kamailio's module maxfwd: Max-Forwards (RFC 3261 §8.1.1.6, §16.3)."""

from registrar.context import Context
from registrar.script.declare import Function, Kind, Module
from registrar.sip import grammar


def mf_process_maxfwd_header(_module: object, context: Context, _limit: int) -> int:
    """-1 when the request must go no further; _limit counts for requests that have no header,
    which a registrar, forwarding nothing, needs not add."""
    value = context.request.value("max-forwards")
    if value is None:
        return 1
    left = grammar.number(value)
    if left is None or left > 255:
        context.reply(400, "Bad Max-Forwards header")
        return 0
    return 1 if left else -1


def _check(literals: tuple[object, ...]) -> None:
    if literals and isinstance(literals[0], int) and not 0 < literals[0] < 256:
        raise ValueError("the limit is 1 to 255")


MODULE = Module(
    "maxfwd",
    functions=(
        Function(
            "mf_process_maxfwd_header",
            mf_process_maxfwd_header,
            (Kind.INTEGER,),
            check=_check,
            help="False when the request has been forwarded too often.",
        ),
    ),
    help="The Max-Forwards header.",
)
