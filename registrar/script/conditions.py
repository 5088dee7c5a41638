"""Expression nodes to conditions: Kamailio's truth rule.

A call is true if its code is positive, false if negative, and ends the run if it is zero; so a
condition is a closure that gives True, False or None (the run is to end). The code itself is
$rc, never the value of the call: comparing a call with a code is warned of.
"""

from collections.abc import Callable
from operator import ge, gt, le, lt
from typing import Any, Final

from registrar.script.calls import compile_call_condition, compile_route_condition
from registrar.script.expressions import (
    CONDITIONS,
    UNARY_CONDITIONS,
    Condition,
    Expressions,
)
from registrar.script.nodes import Binary, Call, Expression, Number, RouteCall, Unary, Variable
from registrar.script.operands import Operand, Type, integer_of, string_of
from registrar.script.patterns import compile_pattern
from registrar.script.scope import Scope
from registrar.script.values import equal, to_integer, to_string

_ORDER: Final[dict[str, Callable[[int, int], bool]]] = {"<": lt, ">": gt, "<=": le, ">=": ge}
_SHOWN: Final = {"eq": "==", "ne": "!=", "ieq": "==", "ine": "!="}


class Conditions:
    """Compiles conditions, and owns the compiler of values: each needs the other."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.expressions = Expressions(scope, self.condition)

    def decision(self, node: Expression) -> Condition:
        """What `if` asks: a bare number is true only if it is positive."""
        if self._is_condition(node):
            return self.condition(node)
        get = integer_of(self.expressions.operand(node))
        return lambda context: get(context) > 0

    def condition(self, node: Expression) -> Condition:
        """What operators and `while` ask: a bare number is true unless it is 0."""
        match node:
            case Call():
                return compile_call_condition(self.scope, self.expressions, node)
            case RouteCall():
                return compile_route_condition(self.scope, node)
            case Unary() if node.operator in UNARY_CONDITIONS:
                return self._unary(node)
            case Binary() if node.operator in CONDITIONS:
                return self._binary(node)
        get = integer_of(self.expressions.operand(node))
        return lambda context: get(context) != 0

    def _is_condition(self, node: Expression) -> bool:
        match node:
            case Call() | RouteCall():
                return True
            case Unary():
                return node.operator in UNARY_CONDITIONS
            case Binary():
                return node.operator in CONDITIONS
        return False

    def _unary(self, node: Unary) -> Condition:
        if node.operator == "!":
            inner = self.condition(node.operand)

            def negate(context: Any) -> bool | None:
                truth = inner(context)
                return None if truth is None else not truth

            return negate
        operand = self.expressions.operand(node.operand)
        if node.operator == "strempty":
            string = string_of(operand)
            return lambda context: not string(context)
        if not isinstance(node.operand, Variable):
            return lambda _context: True
        get = operand.get
        return lambda context: get(context) is not None

    def _binary(self, node: Binary) -> Condition:
        if node.operator in ("&&", "||"):
            return self._logical(node)
        left = self.expressions.operand(node.left)
        if node.operator in ("=~", "!~"):
            return self._match(node, left)
        right = self.expressions.operand(node.right)
        if node.operator in ("==", "!="):
            self._warn_of_code(node)
            self.expressions.require_type(node, left, right)
            same = _equality(left, right)
        elif node.operator in ("eq", "ne"):
            first, second = string_of(left), string_of(right)
            same = _same(first, second)
        else:
            self.expressions.require_number(node.operator, node.left, left)
            self.expressions.require_number(node.operator, node.right, right)
            low, high = integer_of(left), integer_of(right)
            if node.operator in _ORDER:
                compare = _ORDER[node.operator]
                return lambda context: compare(low(context), high(context))
            same = _same(low, high)
        if node.operator in ("==", "eq", "ieq"):
            return same
        return lambda context: not same(context)

    def _logical(self, node: Binary) -> Condition:
        left, right = self.condition(node.left), self.condition(node.right)
        if node.operator == "&&":

            def both(context: Any) -> bool | None:
                truth = left(context)
                return right(context) if truth else truth

            return both

        def either(context: Any) -> bool | None:
            truth = left(context)
            return right(context) if truth is False else truth

        return either

    def _match(self, node: Binary, left: Operand) -> Condition:
        if left.type is Type.INTEGER:
            self.scope.error(node.left.at, f"{node.operator} needs a string, this is a number")
        right = self.expressions.operand(node.right)
        if not right.is_constant or not isinstance(right.value, str):
            self.scope.error(node.right.at, "a pattern must be a literal string")
            return lambda _context: False
        try:
            search = compile_pattern(right.value).search
        except ValueError as error:
            self.scope.error(node.right.at, f"this is no regular expression: {error}")
            return lambda _context: False
        string = string_of(left)
        if node.operator == "=~":
            return lambda context: search(string(context)) is not None
        return lambda context: search(string(context)) is None

    def _warn_of_code(self, node: Binary) -> None:
        """`f() == -2` reads like a test of the code, yet the value of a call is 1 or 0."""
        for call, other in ((node.left, node.right), (node.right, node.left)):
            if isinstance(call, Call | RouteCall) and isinstance(other, Number):
                name = f"{call.name}()" if isinstance(call, Call) else f"route({call.route})"
                message = f"{name} is 1 or 0 here; call it first, then compare $rc"
                self.scope.warning(call.at, message)


def _same(left: Callable[[Any], Any], right: Callable[[Any], Any]) -> Callable[[Any], bool]:
    return lambda context: left(context) == right(context)


def _equality(left: Operand, right: Operand) -> Callable[[Any], bool]:
    """== for the types at hand; the frequent `$variable == literal` gets its own closures."""
    get = left.get
    if left.type is Type.STRING:
        return _same(string_of(left), string_of(right))
    if left.type is Type.INTEGER:
        if right.is_constant:
            number = to_integer(right.value)
            return lambda context: get(context) == number
        return _same(get, integer_of(right))
    if right.is_constant and right.type is Type.STRING:
        value, number, is_empty = right.value, to_integer(right.value), right.value == ""

        def equals_string(context: Any) -> bool:
            found = get(context)
            if isinstance(found, int):
                return found == number
            return found == value or (is_empty and found is None)

        return equals_string
    if right.is_constant and right.type is Type.INTEGER:
        wanted, text = right.value, to_string(right.value)

        def equals_number(context: Any) -> bool:
            found = get(context)
            if isinstance(found, int):
                return found == wanted
            return found == text or (wanted == 0 and found is None)

        return equals_number
    other = right.get
    return lambda context: equal(get(context), other(context))
