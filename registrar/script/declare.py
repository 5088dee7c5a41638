"""What a module declares before a configuration is parsed: functions, parameters, variables.

The compiler is handed these tables and so can refuse, with a position, whatever it does not find
in them. Nothing here knows SIP: a context is whatever object the caller passes to Program.run(),
as long as it has the attribute `retcode` (Kamailio's $rc).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

Value = int | str | None  # None is $null

REQUEST: Final = "request_route"
ANY_ROUTE: Final = frozenset(
    {REQUEST, "onreply_route", "failure_route", "branch_route", "onsend_route", "event_route"}
)


class Kind(Enum):
    """How one argument of a function is compiled, and so what its implementation receives."""

    STRING = "string"  # a literal, or a format whose pseudo-variables are expanded: str
    INTEGER = "integer"  # a number, a string that holds one, or a pseudo-variable: int
    REGEX = "regex"  # a literal pattern, compiled at check time: re.Pattern[str]
    ROUTE = "route"  # the name of a route that must exist: str


@dataclass(frozen=True, slots=True)
class Function:
    """An exported function. `call(instance, context, *arguments)` returns Kamailio's code:
    positive is true, negative is false, 0 ends the run.

    `check` sees the literal arguments (None where not literal) and raises ValueError.
    """

    name: str
    call: Callable[..., int]
    arguments: tuple[Kind, ...] = ()
    required: int | None = None  # None: all of them
    routes: frozenset[str] = ANY_ROUTE
    check: Callable[[tuple[Value, ...]], None] | None = None
    help: str = ""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A module parameter, or (in the core module) a global one.

    `check` receives the value (of a repeatable one: each) and raises ValueError with what is wrong
    and what to write. A global parameter may be written without quotes even if it is a string.
    """

    name: str
    default: Value | tuple[str, ...]
    type: type = str  # int or str
    minimum: int | None = None
    maximum: int | None = None
    repeatable: bool = False  # the value is a tuple of all that were given
    ignored: str = ""  # accepted without effect, for this reason
    check: Callable[[Any], None] | None = None
    help: str = ""


class Inner(Enum):
    """What may stand in the parentheses of a pseudo-variable."""

    NONE = "none"  # $fu
    NAME = "name"  # $hdr(Name), $var(x): a fixed name


@dataclass(frozen=True, slots=True)
class PseudoVariable:
    """`get(instance, context[, inner])` gives the value.

    `set(instance, context[, inner], value)` assigns it; None if it cannot be assigned.
    """

    name: str
    get: Callable[..., Value]
    set: Callable[..., None] | None = None
    inner: Inner = Inner.NONE
    help: str = ""


@dataclass(frozen=True, slots=True)
class Module:
    """The table of one module. `create` gets the checked parameter values, defaults filled in,
    and returns the instance that functions and variables receive first. It raises ValueError; if
    the message names a parameter, the error is shown where that parameter was given."""

    name: str
    functions: tuple[Function, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    variables: tuple[PseudoVariable, ...] = ()
    create: Callable[[Mapping[str, Any]], object] = lambda _parameters: None
    help: str = ""
