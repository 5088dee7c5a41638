"""A compiled value: a closure from context to value, its type, and its value if constant."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from operator import attrgetter
from typing import Any

from registrar.script.declare import Inner, Value
from registrar.script.nodes import Variable
from registrar.script.scope import Scope
from registrar.script.values import to_integer, to_string

Get = Callable[[Any], Value]


class Type(Enum):
    INTEGER = "a number"
    STRING = "a string"
    DYNAMIC = "a variable"  # known only at run time, may be $null


@dataclass(frozen=True, slots=True)
class Operand:
    """`value` counts only if `is_constant`."""

    type: Type
    get: Get
    value: Value = None
    is_constant: bool = False


def constant(value: Value) -> Operand:
    type_ = Type.DYNAMIC
    if value is not None:
        type_ = Type.INTEGER if isinstance(value, int) else Type.STRING
    return Operand(type_, lambda _context: value, value, is_constant=True)


def integer_of(operand: Operand) -> Callable[[Any], int]:
    """A closure that gives the operand as a number."""
    if operand.is_constant:
        number = to_integer(operand.value)
        return lambda _context: number
    get: Callable[[Any], Any] = operand.get
    if operand.type is Type.INTEGER:
        return get
    return lambda context: to_integer(get(context))


def string_of(operand: Operand) -> Callable[[Any], str]:
    """A closure that gives the operand as a string."""
    if operand.is_constant:
        string = to_string(operand.value)
        return lambda _context: string
    get: Callable[[Any], Any] = operand.get
    if operand.type is Type.STRING:
        return get
    return lambda context: to_string(get(context))


_RETURN_CODE = ("rc", "retcode", "?")
UNKNOWN = constant(None)  # stands for what was reported, so that compiling can go on


def compile_variable(scope: Scope, node: Variable) -> Operand:
    """Reading $name. $rc and $null belong to the language, all others are declared."""
    if node.name in _RETURN_CODE and node.inner is None:
        return Operand(Type.INTEGER, attrgetter("retcode"))
    if node.name == "null" and node.inner is None:
        return constant(None)
    found = scope.variable(node.at, node.name) if node.name else None
    if found is None or not _inner_fits(scope, node, found[0].inner):
        return UNKNOWN
    variable, instance = found
    get, inner = variable.get, node.inner
    if inner is None:
        return Operand(Type.DYNAMIC, lambda context: get(instance, context))
    return Operand(Type.DYNAMIC, lambda context: get(instance, context, inner))


def compile_setter(scope: Scope, node: Variable) -> Callable[[Any, Value], None] | None:
    """Writing $name, or None and an error."""
    if node.name in (*_RETURN_CODE, "null"):
        scope.error(node.at, f"${node.name} cannot be assigned")
        return None
    found = scope.variable(node.at, node.name) if node.name else None
    if found is None or not _inner_fits(scope, node, found[0].inner):
        return None
    variable, instance = found
    put, inner = variable.set, node.inner
    if put is None:
        scope.error(node.at, f"${node.name} cannot be assigned")
        return None
    if inner is None:
        return lambda context, value: put(instance, context, value)
    return lambda context, value: put(instance, context, inner, value)


def _inner_fits(scope: Scope, node: Variable, inner: Inner) -> bool:
    if inner is Inner.NONE and node.inner is not None:
        scope.error(node.at, f"${node.name} takes no name in parentheses")
        return False
    if inner is Inner.NAME and not node.inner:
        scope.error(node.at, f"${node.name} needs a name: ${node.name}(name)")
        return False
    if inner is Inner.NAME and "$" in str(node.inner):
        scope.error(node.at, f"the name in ${node.name}(..) cannot hold variables")
        return False
    return True
