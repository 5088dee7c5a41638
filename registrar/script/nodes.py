"""What a script says, as a tree of values: the parser's result and the compiler's input.

`at` is an offset in the preprocessed text; Text.position() makes it a place in a file. Nodes hold
names as written; whether these exist is not yet known.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Number:
    at: int
    value: int


@dataclass(frozen=True, slots=True)
class String:
    """`offsets` says where each character of `value` is written."""

    at: int
    value: str
    offsets: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Variable:
    at: int
    name: str
    inner: str | None


@dataclass(frozen=True, slots=True)
class Call:
    at: int
    name: str
    arguments: tuple["Expression", ...]


@dataclass(frozen=True, slots=True)
class RouteCall:
    at: int
    route: str


@dataclass(frozen=True, slots=True)
class Unary:
    at: int
    operator: str
    operand: "Expression"


@dataclass(frozen=True, slots=True)
class Binary:
    at: int
    operator: str
    left: "Expression"
    right: "Expression"


Expression = Number | String | Variable | Call | RouteCall | Unary | Binary


@dataclass(frozen=True, slots=True)
class Assign:
    """`value` of `$x += e` is already `$x + e`."""

    at: int
    target: Variable
    value: Expression


@dataclass(frozen=True, slots=True)
class Evaluate:
    """A call that stands alone."""

    at: int
    call: Call | RouteCall


@dataclass(frozen=True, slots=True)
class If:
    """if, else if ..., else: `branches` in order, `otherwise` may be empty."""

    at: int
    branches: tuple[tuple[Expression, tuple["Statement", ...]], ...]
    otherwise: tuple["Statement", ...]


@dataclass(frozen=True, slots=True)
class While:
    at: int
    condition: Expression
    body: tuple["Statement", ...]


@dataclass(frozen=True, slots=True)
class Case:
    """`value` is None for default; `is_pattern` for `case /"regex":`."""

    at: int
    value: Expression | None
    is_pattern: bool
    body: tuple["Statement", ...]


@dataclass(frozen=True, slots=True)
class Switch:
    at: int
    subject: Expression
    cases: tuple[Case, ...]


@dataclass(frozen=True, slots=True)
class Break:
    at: int


@dataclass(frozen=True, slots=True)
class Return:
    at: int
    value: Expression | None


@dataclass(frozen=True, slots=True)
class Exit:
    """exit; or, with `drops`, drop; which also says that the message is not to be passed on."""

    at: int
    drops: bool


@dataclass(frozen=True, slots=True)
class Block:
    at: int
    body: tuple["Statement", ...]


Statement = Assign | Evaluate | If | While | Switch | Break | Return | Exit | Block


@dataclass(frozen=True, slots=True)
class Word:
    """A value outside of routes, as written; `quoted` tells "5" from 5."""

    at: int
    value: str
    quoted: bool


@dataclass(frozen=True, slots=True)
class Global:
    """name=value ..."""

    at: int
    name: str
    values: tuple[Word, ...]


@dataclass(frozen=True, slots=True)
class LoadModule:
    at: int
    path: str


@dataclass(frozen=True, slots=True)
class ModParam:
    """modparam(module, name, value); `module` is a pattern."""

    at: int
    module: Word
    name: Word
    value: Word


@dataclass(frozen=True, slots=True)
class Route:
    """`kind` is request_route (also for route), failure_route ...; `name` is "" without [name]."""

    at: int
    kind: str
    name: str
    body: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class Script:
    globals: tuple[Global, ...]
    modules: tuple[LoadModule, ...]
    modparams: tuple[ModParam, ...]
    routes: tuple[Route, ...]
