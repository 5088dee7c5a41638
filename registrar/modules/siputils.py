"""Kamailio's module siputils: small questions about a request."""

from registrar.context import Context
from registrar.script.declare import Function, Module


def has_totag(_module: object, context: Context) -> int:
    return 1 if context.request.to.parameter("tag") is not None else -1


MODULE = Module(
    "siputils",
    functions=(
        Function("has_totag", has_totag, help="Whether To has a tag: a request within a dialog."),
    ),
    help="Small questions about a request.",
)
