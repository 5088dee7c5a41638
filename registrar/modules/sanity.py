"""Kamailio's module sanity: is the request one that we understand (RFC 3261 §8.2.2)?

What every request must have is checked before the configuration runs, and answered there.
"""

from typing import Final

from registrar.context import Context
from registrar.script.declare import Function, Kind, Module
from registrar.sip.errors import ParseError
from registrar.sip.uri import parse_uri

RURI_SCHEME: Final = 1 << 1
PROXY_REQUIRE: Final = 1 << 9
PARSE_URIS: Final = 1 << 10
DEFAULT: Final = 17895

RURI, FROM, TO = 1, 2, 4


def sanity_check(
    _module: object, context: Context, checks: int = DEFAULT, uris: int = RURI | FROM | TO
) -> int:
    """Answers what it finds wrong, with 416, 420 or 400, and is false then."""
    request = context.request
    try:
        if checks & RURI_SCHEME:
            parse_uri(request.uri)
        if checks & PARSE_URIS:
            for bit, uri in ((RURI, request.uri), (FROM, request.from_.uri), (TO, request.to.uri)):
                if uris & bit:
                    parse_uri(uri)
    except ParseError as error:
        context.reply(error.status, error.reason)
        return -1
    if checks & PROXY_REQUIRE and (required := request.items("proxy-require")):
        context.reply(420, "Bad Extension", (("Unsupported", ", ".join(required)),))
        return -1
    return 1


MODULE = Module(
    "sanity",
    functions=(
        Function(
            "sanity_check",
            sanity_check,
            (Kind.INTEGER, Kind.INTEGER),
            required=0,
            help="Checks the request by a mask of checks and a mask of URIs; answers itself.",
        ),
    ),
    help="Checks of the request.",
)
