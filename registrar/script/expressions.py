"""Expression nodes to operands: operators with Kamailio's typing, constants folded.

The type of the left side decides: the right side is converted to it. Where both types are known
and do not fit, that is an error of the script. Conditions are compiled in conditions.py.
"""

from collections.abc import Callable
from typing import Any, Final

from registrar.script.declare import Value
from registrar.script.nodes import (
    Binary,
    Call,
    Expression,
    Number,
    RouteCall,
    String,
    Unary,
    Variable,
)
from registrar.script.operands import (
    UNKNOWN,
    Operand,
    Type,
    compile_variable,
    constant,
    integer_of,
    string_of,
)
from registrar.script.routes import EndRun
from registrar.script.scope import Scope
from registrar.script.values import ARITHMETIC, plus, to_integer, to_string, wrap

Condition = Callable[[Any], bool | None]  # None: the run is to end

CONDITIONS: Final = frozenset(
    {"&&", "||", "==", "!=", "<", ">", "<=", ">=", "=~", "!~", "eq", "ne", "ieq", "ine"}
)
UNARY_CONDITIONS: Final = frozenset({"!", "defined", "strempty"})


class Expressions:
    """Compiles values. `condition` is the compiler of what is true or false, set by its owner."""

    def __init__(self, scope: Scope, condition: Callable[[Expression], Condition]) -> None:
        self.scope = scope
        self._condition = condition

    def operand(self, node: Expression) -> Operand:
        """The node's value. Calls inside give 1 for true and 0 for false."""
        match node:
            case Number():
                return constant(node.value)
            case String():
                return constant(node.value)
            case Variable():
                return compile_variable(self.scope, node)
            case Call() | RouteCall():
                return self._truth(node)
            case Unary():
                if node.operator in UNARY_CONDITIONS:
                    return self._truth(node)
                return self._unary(node)
            case Binary():
                if node.operator in CONDITIONS:
                    return self._truth(node)
                return self._plus(node) if node.operator == "+" else self._arithmetic(node)

    def _truth(self, node: Expression) -> Operand:
        condition = self._condition(node)

        def get(context: Any) -> int:
            truth = condition(context)
            if truth is None:
                raise EndRun
            return 1 if truth else 0

        return Operand(Type.INTEGER, get)

    def _unary(self, node: Unary) -> Operand:
        operand = self.operand(node.operand)
        if node.operator == "(str)":
            if operand.is_constant:
                return constant(to_string(operand.value))
            return Operand(Type.STRING, string_of(operand))
        if node.operator != "(int)":
            self.require_number(node.operator, node.operand, operand)
        functions: dict[str, Callable[[Any], int]] = {
            "-": lambda value: wrap(-to_integer(value)),
            "~": lambda value: ~to_integer(value),
            "(int)": to_integer,
            "strlen": lambda value: len(to_string(value)),
        }
        function, get = functions[node.operator], operand.get
        if operand.is_constant:
            return constant(function(operand.value))
        return Operand(Type.INTEGER, lambda context: function(get(context)))

    def require_number(self, operator: str, node: Expression, operand: Operand) -> None:
        """Report a string beside an operator that only numbers have."""
        if operand.type is Type.STRING and operator != "strlen":
            self.scope.error(node.at, f"{operator} needs a number, this is a string")

    def require_type(self, node: Binary, left: Operand, right: Operand) -> None:
        """Report a string on the right of a number; the other way round it is converted."""
        if left.type is Type.INTEGER and right.type is Type.STRING:
            message = f"the left side of {node.operator} is a number, this is a string"
            self.scope.error(node.right.at, message)

    def _plus(self, node: Binary) -> Operand:
        left, right = self.operand(node.left), self.operand(node.right)
        self.require_type(node, left, right)
        if left.is_constant and right.is_constant:
            return constant(plus(left.value, right.value))
        if left.type is Type.INTEGER:
            number, addend = integer_of(left), integer_of(right)
            return Operand(Type.INTEGER, lambda context: wrap(number(context) + addend(context)))
        if left.type is Type.STRING:
            head, tail = string_of(left), string_of(right)
            return Operand(Type.STRING, lambda context: head(context) + tail(context))
        get, other = left.get, right.get
        return Operand(Type.DYNAMIC, lambda context: plus(get(context), other(context)))

    def _arithmetic(self, node: Binary) -> Operand:
        left, right = self.operand(node.left), self.operand(node.right)
        self.require_number(node.operator, node.left, left)
        self.require_number(node.operator, node.right, right)
        compute = ARITHMETIC[node.operator]
        divides = node.operator in ("/", "%")
        if divides and right.is_constant and to_integer(right.value) == 0:
            self.scope.error(node.at, "division by zero")
            return UNKNOWN
        if left.is_constant and right.is_constant:
            return constant(compute(to_integer(left.value), to_integer(right.value)))
        first, second = integer_of(left), integer_of(right)
        if not divides:
            return Operand(Type.INTEGER, lambda context: compute(first(context), second(context)))
        position, diagnostics = self.scope.text.position(node.at), self.scope.diagnostics

        def divide(context: Any) -> Value:
            try:
                return compute(first(context), second(context))
            except ZeroDivisionError:
                raise diagnostics.describe(position, "division by zero") from None

        return Operand(Type.INTEGER, divide)
