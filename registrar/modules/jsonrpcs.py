"""Kamailio's module jsonrpcs: where JSON-RPC is served."""

from registrar.script.declare import Module, Parameter

MODULE = Module(
    "jsonrpcs",
    parameters=(
        Parameter(
            "unix_socket",
            "",
            help="The Unix socket for JSON-RPC 2.0, one JSON text a line; empty: none.",
        ),
        Parameter("pretty_format", 0, int, ignored="answers are one line each"),
        Parameter("transport", 0, int, ignored="there is one transport, the Unix socket"),
    ),
    help="JSON-RPC over a Unix socket.",
)
