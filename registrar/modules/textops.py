"""Kamailio's module textops: methods, headers of the reply."""

from registrar.context import Context
from registrar.script.declare import Function, Kind, Module
from registrar.sip.grammar import is_token


def is_method(_module: object, context: Context, methods: str) -> int:
    return 1 if context.request.method in methods.split("|") else -1


def _split(field: str) -> tuple[str, str]:
    """`Name: value\\r\\n`. ValueError if it is none, or holds more than one line."""
    name, colon, value = field.strip().partition(":")
    if not colon or not is_token(name) or not all(part.isprintable() for part in value.split("\t")):
        raise ValueError(r'write one header line, as in "Name: value\r\n"')
    return name, value.strip()


def append_to_reply(_module: object, context: Context, field: str) -> int:
    context.reply_fields.append(_split(field))
    return 1


def _check_field(literals: tuple[object, ...]) -> None:
    if literals and isinstance(literals[0], str):
        _split(literals[0])


def _check_methods(literals: tuple[object, ...]) -> None:
    if literals and isinstance(literals[0], str):
        for method in literals[0].split("|"):
            if not is_token(method):
                raise ValueError(f'{method!r} is no method: write "REGISTER|OPTIONS"')


MODULE = Module(
    "textops",
    functions=(
        Function(
            "is_method",
            is_method,
            (Kind.STRING,),
            check=_check_methods,
            help="Whether the request's method is one of these, separated by |.",
        ),
        Function(
            "append_to_reply",
            append_to_reply,
            (Kind.STRING,),
            check=_check_field,
            help="Adds a header to the reply that follows.",
        ),
    ),
    help="Tests and edits of the message's text.",
)
