"""Kamailio's module usrloc: where the bindings are kept."""

from registrar.script.declare import Module, Parameter

MODULE = Module(
    "usrloc",
    parameters=(
        Parameter(
            "journal",
            "var/registrar/location.journal",
            help="The file in which acknowledged bindings outlive a restart.",
        ),
        Parameter("db_mode", 0, int, ignored="the journal keeps the bindings, not a database"),
        Parameter("db_url", "", ignored="the journal keeps the bindings, not a database"),
    ),
    help="The location service.",
)
