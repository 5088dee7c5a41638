"""Small modules to test the language with: what a script does is written to `context.log`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from registrar.script.compiler import Program, compile_text
from registrar.script.declare import (
    REQUEST,
    Function,
    Inner,
    Kind,
    Module,
    Parameter,
    PseudoVariable,
)


@dataclass
class Context:
    """What a run needs: $rc, some variables, and a log."""

    method: str = "REGISTER"
    retcode: int = 0
    codes: dict[str, int] = field(default_factory=dict)  # what functions return, by name
    variables: dict[str, Any] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)


def returning(name: str, code: int = 1) -> Any:
    """A function that logs its name and arguments, and returns context.codes[name] or `code`."""

    def call(instance: object, context: Context, *arguments: Any) -> int:
        shown = " ".join(str(getattr(argument, "pattern", argument)) for argument in arguments)
        context.log.append(f"{name} {shown}".strip())
        return context.codes.get(name, code)

    return call


def _give(_instance: object, _context: Context, code: int) -> int:
    return code


def _log(_instance: object, context: Context, text: str) -> int:
    context.log.append(text)
    return 1


def _is_method(_instance: object, context: Context, methods: str) -> int:
    return 1 if context.method in methods.split("|") else -1


def _fail(_instance: object, _context: Context) -> int:
    raise RuntimeError("broken")


def _check_methods(arguments: tuple[Any, ...]) -> None:
    if arguments[0] is not None and not arguments[0].isupper():
        raise ValueError(f"{arguments[0]} is no method; methods are upper case")


def _check_realm(value: str) -> None:
    if " " in value:
        raise ValueError("a realm has no spaces")


def _create(parameters: Any) -> object:
    if parameters["nonce_expire"] == 13:
        raise ValueError("nonce_expire 13 is unlucky")
    return dict(parameters)


def _var(_instance: object, context: Context, name: str) -> Any:
    return context.variables.get(name, 0)


def _avp(_instance: object, context: Context, name: str) -> Any:
    return context.variables.get(name)


def _set(_instance: object, context: Context, name: str, value: Any) -> None:
    context.variables[name] = value


S, N = Kind.STRING, Kind.INTEGER

CORE = Module(
    "core",
    functions=(Function("force_rport", returning("force_rport")), Function("log", _log, (S,))),
    parameters=(
        Parameter("debug", 2, int, -1, 3),
        Parameter("listen", ("udp:0.0.0.0:5060",), repeatable=True),
        Parameter("alias", (), repeatable=True),
        Parameter("children", 8, int, 1, ignored="one process serves all"),
        Parameter("server_header", ""),
        Parameter("enable_tls", 0, int, 0, 1),
        Parameter("mpath", "", ignored="modules are built in"),
    ),
    variables=(
        PseudoVariable("rU", lambda _i, context: "alice"),
        PseudoVariable("fd", lambda _i, context: "example.org"),
        PseudoVariable("ml", lambda _i, context: 412),
        PseudoVariable("ua", lambda _i, context: "Friendly-Scanner/1.0"),
        PseudoVariable("var", _var, _set, Inner.NAME),
        PseudoVariable("avp", _avp, _set, Inner.NAME),
    ),
)

SL = Module(
    "sl",
    functions=(
        Function("sl_send_reply", returning("sl_send_reply"), (S, S)),
        Function("sl_reply_error", returning("sl_reply_error")),
    ),
)

AUTH_DB = Module(
    "auth_db",
    functions=(
        Function("auth_check", returning("auth_check"), (S, S, N)),
        Function("auth_challenge", returning("auth_challenge"), (S, N)),
    ),
    parameters=(
        Parameter("snapshot", "/var/lib/qayd/snapshot"),
        Parameter("nonce_expire", 300, int, 1, 3600),
        Parameter("realm", "", check=_check_realm),
        Parameter("db_url", "", ignored="there is no database"),
    ),
    create=_create,
)

TEXTOPS = Module(
    "textops",
    functions=(
        Function("is_method", _is_method, (S,), check=_check_methods),
        Function("append_to_reply", returning("append_to_reply"), (S,)),
        Function("search", returning("search"), (Kind.REGEX,)),
        Function("t_on_failure", returning("t_on_failure"), (Kind.ROUTE,)),
        Function("xlog", returning("xlog"), (S, S), required=1),
        Function("only_requests", returning("only_requests"), routes=frozenset({REQUEST})),
        Function("give", _give, (N,)),
        Function("fail", _fail),
    ),
)

REGISTRAR = Module(
    "registrar",
    functions=(
        Function("save", returning("save"), (S, N), required=1),
        Function("mf_process_maxfwd_header", returning("mf_process_maxfwd_header"), (N,)),
    ),
    parameters=(Parameter("max_expires", 3600, int, 60), Parameter("realm", "")),
)

MODULES = {module.name: module for module in (SL, AUTH_DB, TEXTOPS, REGISTRAR)}


@pytest.fixture(scope="session")
def modules() -> dict[str, Module]:
    """All modules that exist."""
    return MODULES


@pytest.fixture(scope="session")
def core() -> Module:
    """The functions, parameters and variables that need no loadmodule."""
    return CORE


@pytest.fixture(scope="session")
def new_context() -> type[Context]:
    """Makes what a run needs."""
    return Context


@pytest.fixture(scope="session")
def compiled() -> Callable[..., Program]:
    """compile_text() with the modules of this file."""

    def compile_with_modules(text: str, defines: Mapping[str, str] = {}) -> Program:
        return compile_text(text, MODULES, CORE, defines)

    return compile_with_modules
