"""Statement nodes to closures that give None, or the signal that ends their block.

A route that falls off its end has the code of its last statement: that of a call, else 1. Only
there does a statement care about this, so `is_last` is known while compiling and costs nothing.
"""

from typing import Any

from registrar.script.calls import compile_invoke, compile_route_call
from registrar.script.conditions import Conditions
from registrar.script.nodes import (
    Assign,
    Block,
    Break,
    Call,
    Evaluate,
    Exit,
    Expression,
    If,
    Return,
    RouteCall,
    Statement,
    Switch,
    While,
)
from registrar.script.operands import compile_setter, integer_of
from registrar.script.routes import BREAK, EXIT, RETURN, Dropped, Run, Signal
from registrar.script.scope import Scope
from registrar.script.sequences import join, nothing, succeed
from registrar.script.switches import compile_switch


class Statements:
    """Compiles the statements of the route that `scope` is at."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.conditions = Conditions(scope)

    def body(self, statements: tuple[Statement, ...]) -> Run:
        """A whole route."""
        return self._sequence(statements, is_last=True)

    def _sequence(self, statements: tuple[Statement, ...], is_last: bool) -> Run:
        return join(self._runs(statements, is_last))

    def _runs(self, statements: tuple[Statement, ...], is_last: bool) -> list[Run]:
        runs = [self._statement(each, is_last and each is statements[-1]) for each in statements]
        return runs if statements or not is_last else [succeed]

    def _statement(self, node: Statement, is_last: bool) -> Run:
        match node:
            case Evaluate():
                return self._evaluate(node.call)
            case If():
                return self._if(node, is_last)
            case Assign():
                return _ending_in_1(self._assign(node), is_last)
            case Exit():
                return _drop if node.drops else lambda _context: EXIT
            case Return():
                return self._return(node)
            case Break():
                return _break_last if is_last else lambda _context: BREAK
            case Block():
                return self._sequence(node.body, is_last)
            case While():
                return _ending_in_1(self._while(node), is_last)
            case Switch():
                return self._switch(node, is_last)

    def _evaluate(self, call: Call | RouteCall) -> Run:
        if isinstance(call, RouteCall):
            return compile_route_call(self.scope, call)
        invoke = compile_invoke(self.scope, self.conditions.expressions, call)
        if invoke is None:
            return lambda _context: EXIT
        run = invoke
        return lambda context: None if run(context) else EXIT

    def _assign(self, node: Assign) -> Run:
        if isinstance(node.value, Call | RouteCall):
            return self._assign_code(node, node.value)
        put = compile_setter(self.scope, node.target)
        operand = self.conditions.expressions.operand(node.value)
        if put is None:
            return lambda _context: EXIT
        store, get, value = put, operand.get, operand.value
        if operand.is_constant:

            def assign_constant(context: Any) -> Signal:
                store(context, value)
                return None

            return assign_constant

        def assign(context: Any) -> Signal:
            store(context, get(context))
            return None

        return assign

    def _assign_code(self, node: Assign, call: Call | RouteCall) -> Run:
        """$x = f() stores the code itself, other than f() amid an expression."""
        put = compile_setter(self.scope, node.target)
        run = self._evaluate(call)
        if put is None:
            return run
        store = put

        def assign(context: Any) -> Signal:
            signal = run(context)
            if signal is None:
                store(context, context.retcode)
            return signal

        return assign

    def _if(self, node: If, is_last: bool) -> Run:
        otherwise = self._sequence(node.otherwise, is_last)
        if not node.otherwise and not is_last:
            otherwise = nothing
        for condition, body in reversed(node.branches):
            otherwise = self._branch(condition, self._sequence(body, is_last), otherwise)
        return otherwise

    def _branch(self, condition: Expression, then: Run, otherwise: Run) -> Run:
        test = self.conditions.decision(condition)
        if otherwise is nothing:

            def run_if(context: Any) -> Signal:
                truth = test(context)
                if truth:
                    return then(context)
                return EXIT if truth is None else None

            return run_if

        def run_if_else(context: Any) -> Signal:
            truth = test(context)
            if truth:
                return then(context)
            return EXIT if truth is None else otherwise(context)

        return run_if_else

    def _while(self, node: While) -> Run:
        test = self.conditions.condition(node.condition)
        body = self._sequence(node.body, is_last=False)
        limit, position = self.scope.max_while_loops, self.scope.text.position(node.at)
        diagnostics = self.scope.diagnostics

        def loop(context: Any) -> Signal:
            for _round in range(limit):
                truth = test(context)
                if not truth:
                    return EXIT if truth is None else None
                signal = body(context)
                if signal is not None:
                    return None if signal == BREAK else signal
            truth = test(context)
            if not truth:
                return EXIT if truth is None else None
            raise diagnostics.describe(position, f"while ran more than {limit} times")

        return loop

    def _switch(self, node: Switch, is_last: bool) -> Run:
        bodies = [self._runs(case.body, is_last and case is node.cases[-1]) for case in node.cases]
        expressions = self.conditions.expressions
        return compile_switch(self.scope, expressions, node, bodies, is_last)

    def _return(self, node: Return) -> Run:
        """Code 0 ends the run, as exit does."""
        if node.value is None:
            return _return_1
        get = integer_of(self.conditions.expressions.operand(node.value))

        def run_return(context: Any) -> Signal:
            context.retcode = code = get(context)
            return RETURN if code else EXIT

        return run_return


def _return_1(context: Any) -> Signal:
    context.retcode = 1
    return RETURN


def _break_last(context: Any) -> Signal:
    """A route that ends in break has code 0, which does not end the run."""
    context.retcode = 0
    return BREAK


def _drop(_context: Any) -> Signal:
    raise Dropped


def _ending_in_1(run: Run, is_last: bool) -> Run:
    return join([run, succeed]) if is_last else run
