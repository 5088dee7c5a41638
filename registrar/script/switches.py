"""switch: a table from value to the statements of its case and of those it falls through to.

Either all cases are numbers, and the subject counts as one, or all are strings and patterns.
"""

from collections.abc import Callable
from typing import Any

from registrar.script.expressions import Expressions
from registrar.script.nodes import Case, Expression, Switch
from registrar.script.operands import Operand, integer_of, string_of
from registrar.script.patterns import compile_pattern
from registrar.script.routes import BREAK, Run, Signal
from registrar.script.scope import Scope
from registrar.script.sequences import join, nothing, succeed


def compile_switch(
    scope: Scope, expressions: Expressions, node: Switch, bodies: list[list[Run]], is_last: bool
) -> Run:
    """The whole statement; `bodies` are the compiled statements of each case."""
    subject = expressions.operand(node.subject)
    default: Run = succeed if is_last else nothing
    numbers: dict[int, Run] = {}
    strings: list[tuple[Callable[[str], bool], Run]] = []
    exact: dict[str, Run] = {}
    defaults = 0
    for index, case in enumerate(node.cases):
        # Falling through is joining: a case runs its own statements and all that follow.
        run = join([statement for body in bodies[index:] for statement in body])
        if case.value is None:
            default, defaults = run, defaults + 1
            continue
        value = _case_value(scope, expressions, case, case.value)
        if value is None:
            continue
        if isinstance(value, int):
            numbers.setdefault(value, run)
        elif case.is_pattern:
            strings.append((_matcher(scope, case.value, value), run))
        elif value not in exact:
            exact[value] = run
            strings.append((value.__eq__, run))
    if defaults > 1:
        scope.error(node.at, "this switch has more than one default")
    if numbers and strings:
        scope.error(node.at, "the cases of a switch are all numbers or all strings, not both")
    if not strings:
        return _by_table(integer_of(subject), numbers, default)
    if len(exact) == len(strings):
        return _by_table(string_of(subject), exact, default)
    return _by_pattern(string_of(subject), strings, default)


def _case_value(
    scope: Scope, expressions: Expressions, case: Case, node: Expression
) -> int | str | None:
    operand: Operand = expressions.operand(node)
    if not operand.is_constant or operand.value is None:
        scope.error(node.at, "a case must be a number, a string, or a /pattern")
    elif case.is_pattern and not isinstance(operand.value, str):
        scope.error(node.at, "a /pattern must be a string")
    else:
        return operand.value
    return None


def _matcher(scope: Scope, node: Expression, pattern: str) -> Callable[[str], bool]:
    try:
        search = compile_pattern(pattern).search
    except ValueError as error:
        scope.error(node.at, f"this is no regular expression: {error}")
        return lambda _subject: False
    return lambda subject: search(subject) is not None


def _by_table(get: Callable[[Any], Any], table: dict[Any, Run], default: Run) -> Run:
    def run_switch(context: Any) -> Signal:
        signal = table.get(get(context), default)(context)
        return None if signal == BREAK else signal

    return run_switch


def _by_pattern(
    get: Callable[[Any], str], table: list[tuple[Callable[[str], bool], Run]], default: Run
) -> Run:
    def run_switch(context: Any) -> Signal:
        subject = get(context)
        matching = (run for matches, run in table if matches(subject))
        signal = next(matching, default)(context)
        return None if signal == BREAK else signal

    return run_switch
