"""What is there without loadmodule: global parameters and Kamailio's core functions."""

from registrar.context import Context
from registrar.script.declare import Function, Module, Parameter
from registrar.settings import parse_listen


def _listen(value: str) -> None:
    parse_listen(value)


def _server_header(value: str) -> None:
    if not value.startswith("Server: ") or not value.isprintable():
        raise ValueError('write the whole header: "Server: Name"')


def force_rport(_module: object, context: Context) -> int:
    context.answers_to_source_port = True
    return 1


NO_SUCH_THING = "there is one process with one event loop"

MODULE = Module(
    "core",
    functions=(
        Function(
            "force_rport",
            force_rport,
            help="Answers to the port that the request came from, as if it had asked for rport.",
        ),
    ),
    parameters=(
        Parameter(
            "listen",
            ("udp:0.0.0.0:5060",),
            repeatable=True,
            check=_listen,
            help="A socket to serve: udp:ADDRESS:PORT. May be given several times.",
        ),
        Parameter("debug", 2, int, -5, 3, help="The log level: -1 errors, 2 information, 3 all."),
        Parameter(
            "server_header",
            "Server: Qayd",
            check=_server_header,
            help="The Server header of responses, whole.",
        ),
        Parameter("log_stderror", 1, int, ignored="the log always goes to standard error"),
        Parameter("children", 1, int, ignored=NO_SUCH_THING),
        Parameter("fork", 0, int, ignored="the registrar stays in the foreground"),
        Parameter("max_while_loops", 100, int, 1, help="A loop that turns more often is ended."),
        Parameter("max_recursive_level", 256, int, 1, help="How deep routes may call routes."),
    ),
    help="The core: always there.",
)
