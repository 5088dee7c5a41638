"""Kamailio's module pv: pseudo-variables of the message, and $var()."""

from collections.abc import Callable

from registrar.context import Context
from registrar.script.declare import Inner, Module, PseudoVariable, Value
from registrar.sip.errors import ParseError
from registrar.sip.headers import COMPACT, Address
from registrar.sip.uri import SipUri, parse_uri

Get = Callable[[object, Context], Value]


def _of_uri(read: Callable[[Context], str], part: Callable[[SipUri], Value]) -> Get:
    """A part of a URI; $null where it is absent, or where the URI is not a SIP URI."""

    def get(_module: object, context: Context) -> Value:
        try:
            return part(parse_uri(read(context))) or None
        except ParseError:
            return None

    return get


def _of_address(read: Callable[[Context], Address], part: Callable[[Address], Value]) -> Get:
    return lambda _module, context: part(read(context)) or None


def _header(name: str) -> Get:
    return lambda _module, context: context.request.value(name)


def _first_contact(_module: object, context: Context) -> Value:
    items = context.request.items("contact")
    return items[0] if items else None


def get_header(_module: object, context: Context, name: str) -> Value:
    name = name.lower()
    return context.request.value(COMPACT.get(name, name))


def get_variable(_module: object, context: Context, name: str) -> Value:
    value: Value = context.variables.get(name, 0)
    return value


def set_variable(_module: object, context: Context, name: str, value: Value) -> None:
    context.variables[name] = 0 if value is None else value


def _message(read: Callable[[Context], Value]) -> Get:
    return lambda _module, context: read(context)


def _uri_variables() -> list[PseudoVariable]:
    variables = []
    places: tuple[tuple[str, str, Callable[[Context], str]], ...] = (
        ("r", "the request URI", lambda context: context.request.uri),
        ("f", "the From URI", lambda context: context.request.from_.uri),
        ("t", "the To URI", lambda context: context.request.to.uri),
    )
    for letter, what, read in places:
        variables += [
            PseudoVariable(f"{letter}u", _message(read), help=f"{what.capitalize()}."),
            PseudoVariable(
                f"{letter}U", _of_uri(read, lambda uri: uri.user), help=f"The user of {what}."
            ),
            PseudoVariable(
                f"{letter}d", _of_uri(read, lambda uri: uri.host), help=f"The host of {what}."
            ),
        ]
    return variables


MODULE = Module(
    "pv",
    variables=(
        *_uri_variables(),
        PseudoVariable(
            "rm", _message(lambda context: context.request.method), help="The request's method."
        ),
        PseudoVariable(
            "ft",
            _of_address(lambda context: context.request.from_, lambda one: one.parameter("tag")),
            help="The From tag.",
        ),
        PseudoVariable(
            "tt",
            _of_address(lambda context: context.request.to, lambda one: one.parameter("tag")),
            help="The To tag.",
        ),
        PseudoVariable(
            "fn",
            _of_address(lambda context: context.request.from_, lambda one: one.name),
            help="The From display name.",
        ),
        PseudoVariable(
            "tn",
            _of_address(lambda context: context.request.to, lambda one: one.name),
            help="The To display name.",
        ),
        PseudoVariable("ci", _message(lambda context: context.request.call_id), help="Call-ID."),
        PseudoVariable(
            "cs", _message(lambda context: context.request.cseq.number), help="The CSeq number."
        ),
        PseudoVariable("ct", _first_contact, help="The first Contact."),
        PseudoVariable("ua", _header("user-agent"), help="The User-Agent header."),
        PseudoVariable(
            "si", _message(lambda context: context.source.host), help="The source address."
        ),
        PseudoVariable(
            "sp", _message(lambda context: context.source.port), help="The source port."
        ),
        PseudoVariable(
            "proto", _message(lambda context: context.source.transport), help="The transport."
        ),
        PseudoVariable(
            "Ri", _message(lambda context: context.source.local_host), help="Our address."
        ),
        PseudoVariable("Rp", _message(lambda context: context.source.local_port), help="Our port."),
        PseudoVariable("ml", _message(lambda context: len(context.data)), help="Bytes in all."),
        PseudoVariable("hdr", get_header, inner=Inner.NAME, help="The first header of that name."),
        PseudoVariable(
            "var",
            get_variable,
            set_variable,
            inner=Inner.NAME,
            help="A variable of this request's run; 0 until it is set.",
        ),
    ),
    help="Pseudo-variables.",
)
