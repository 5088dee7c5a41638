"""Calls of functions and routes: arguments checked and compiled, instance bound.

A function's code is kept as $rc (context.retcode). What a function raises goes on to the caller,
with a note saying where in the script it was called.
"""

from collections.abc import Callable
from typing import Any

from registrar.script.declare import Function, Kind, Value
from registrar.script.errors import Position
from registrar.script.expressions import Condition, Expressions
from registrar.script.formats import compile_format
from registrar.script.nodes import Call, Expression, Number, RouteCall, String
from registrar.script.operands import Operand, constant, integer_of, string_of
from registrar.script.patterns import compile_pattern
from registrar.script.routes import EXIT, RouteCell, Run, Signal, reachable
from registrar.script.scope import Scope
from registrar.script.values import to_integer, to_string

Invoke = Callable[[Any], int]


def compile_invoke(scope: Scope, expressions: Expressions, node: Call) -> Invoke | None:
    """A closure that calls the function and sets $rc, or None and errors."""
    found = scope.function(node.at, node.name)
    if found is None:
        for argument in node.arguments:  # for their own mistakes
            _compile_argument(scope, expressions, Kind.STRING, argument, node.name)
        return None
    function, instance = found
    if not _may_stand(scope, node, function):
        return None
    arguments = [
        _compile_argument(scope, expressions, kind, argument, node.name)
        for kind, argument in zip(function.arguments, node.arguments, strict=False)
    ]
    if any(argument is None for argument in arguments):
        return None
    operands = [argument for argument in arguments if argument is not None]
    if not _passes_check(scope, node, function, operands):
        return None
    return _bind(scope.text.position(node.at), function, instance, operands)


def _may_stand(scope: Scope, node: Call, function: Function) -> bool:
    most, given = len(function.arguments), len(node.arguments)
    least = most if function.required is None else function.required
    if scope.kind not in function.routes:
        scope.error(node.at, f"{node.name}() cannot be used in {scope.kind}")
        return False
    if least <= given <= most:
        return True
    allowed = f"{least}" if least == most else f"{least} to {most}"
    plural = "argument" if most == 1 else "arguments"
    allowed, plural = ("no", "arguments") if most == 0 else (allowed, plural)
    scope.error(node.at, f"{node.name}() takes {allowed} {plural}, {given} given")
    return False


def _passes_check(scope: Scope, node: Call, function: Function, operands: list[Operand]) -> bool:
    if function.check is None:
        return True
    literals: tuple[Value, ...] = tuple(
        _literal(kind, argument, operand)
        for kind, argument, operand in zip(
            function.arguments, node.arguments, operands, strict=False
        )
    )
    try:
        function.check(literals)
    except ValueError as error:
        scope.error(node.at, f"{node.name}(): {error}")
        return False
    return True


def _literal(kind: Kind, argument: Expression, operand: Operand) -> Value:
    if kind is Kind.REGEX:
        return argument.value if isinstance(argument, String) else None
    return operand.value if operand.is_constant else None


def _compile_argument(
    scope: Scope, expressions: Expressions, kind: Kind, node: Expression, function: str
) -> Operand | None:
    """The argument as its implementation receives it, or None and an error."""
    match kind:
        case Kind.STRING:
            if isinstance(node, String):
                return compile_format(scope, node)
            operand = expressions.operand(node)
            if operand.is_constant:
                return constant(to_string(operand.value))
            return Operand(operand.type, string_of(operand))
        case Kind.INTEGER:
            return _integer_argument(scope, expressions, node, function)
        case Kind.REGEX:
            return _pattern_argument(scope, node, function)
        case Kind.ROUTE:
            return _route_argument(scope, node, function)


def _integer_argument(
    scope: Scope, expressions: Expressions, node: Expression, function: str
) -> Operand | None:
    operand = compile_format(scope, node) if isinstance(node, String) else expressions.operand(node)
    if not operand.is_constant:
        return Operand(operand.type, integer_of(operand))
    value = operand.value
    if isinstance(value, str) and to_integer(value) == 0 and value.strip("0") not in ("", "x"):
        scope.error(node.at, f'{function}() needs a number here, not "{value}"')
        return None
    if value == "":
        scope.error(node.at, f"{function}() needs a number here, not an empty string")
        return None
    return constant(to_integer(value))


def _pattern_argument(scope: Scope, node: Expression, function: str) -> Operand | None:
    if not isinstance(node, String):
        scope.error(node.at, f"{function}() needs a literal regular expression here")
        return None
    try:
        pattern: Any = compile_pattern(node.value)
    except ValueError as error:
        scope.error(node.at, f"this is no regular expression: {error}")
        return None
    return constant(pattern)


def _route_argument(scope: Scope, node: Expression, function: str) -> Operand | None:
    if not isinstance(node, String | Number):
        scope.error(node.at, f"{function}() needs the name of a route here")
        return None
    name = str(node.value)
    return constant(name) if scope.has_route_named(node.at, name) else None


def _bind(
    position: Position, function: Function, instance: object, operands: list[Operand]
) -> Invoke:
    """One closure per shape of the arguments; the try costs nothing unless something is raised."""
    call, note = function.call, f"in {function.name}() at {position}"
    if all(operand.is_constant for operand in operands):
        values = tuple(operand.value for operand in operands)

        def invoke_constant(context: Any) -> int:
            try:
                context.retcode = code = call(instance, context, *values)
            except Exception as error:
                error.add_note(note)
                raise
            return code

        return invoke_constant
    getters = [operand.get for operand in operands]

    def invoke(context: Any) -> int:
        try:
            context.retcode = code = call(instance, context, *[get(context) for get in getters])
        except Exception as error:
            error.add_note(note)
            raise
        return code

    return invoke


def compile_call_condition(scope: Scope, expressions: Expressions, node: Call) -> Condition:
    """True, False, or None if the function ends the run."""
    invoke = compile_invoke(scope, expressions, node)
    if invoke is None:
        return lambda _context: None
    run = invoke

    def test(context: Any) -> bool | None:
        code = run(context)
        if code > 0:
            return True
        return False if code else None

    return test


def compile_route_call(scope: Scope, node: RouteCall) -> Run:
    """Runs the route: its code becomes $rc, and its signal is absorbed unless it is EXIT."""
    cell = scope.route(node.at, node.route)
    if cell is None:
        return lambda _context: EXIT
    target = cell
    if target.key in reachable(target.key, scope.routes):
        return _counted(scope, node, target)

    def run_route(context: Any) -> Signal:
        return EXIT if target.body(context) == EXIT else None

    return run_route


def _counted(scope: Scope, node: RouteCall, target: RouteCell) -> Run:
    """A route that can come back to itself counts how deep it is.

    The count is the program's, not the context's: a run never yields, so runs cannot mix.
    """
    position, limit, depth = scope.text.position(node.at), scope.max_recursive_level, scope.depth
    message = f"route({node.route}) is called in itself more than {limit} times"
    diagnostics = scope.diagnostics

    def run_route(context: Any) -> Signal:
        if depth[0] >= limit:
            raise diagnostics.describe(position, message)
        depth[0] += 1
        try:
            return EXIT if target.body(context) == EXIT else None
        except RecursionError as error:  # Python's own limit came first
            raise diagnostics.describe(position, message) from error
        finally:
            depth[0] -= 1

    return run_route


def compile_route_condition(scope: Scope, node: RouteCall) -> Condition:
    """True, False, or None if the route ended the run."""
    run = compile_route_call(scope, node)

    def test(context: Any) -> bool | None:
        if run(context) is not None:
            return None
        return bool(context.retcode > 0)

    return test
