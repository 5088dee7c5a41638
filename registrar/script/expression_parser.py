"""Tokens to expressions: one precedence table, one method per grammar rule.

The precedences are Kamailio's, which are not C's everywhere: shifts bind looser than comparisons,
and ^ binds tighter than &.
"""

from typing import Final

from registrar.script.lexer import TokenKind
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
from registrar.script.tokens import Tokens

MAX_DEPTH: Final = 50  # of parentheses and blocks in each other; keeps recursion bounded
MAX_OPERATORS: Final = 100  # in one expression, for the same reason

BOOLEANS: Final = {
    "yes": 1, "on": 1, "true": 1, "enable": 1, "enabled": 1,
    "no": 0, "off": 0, "false": 0, "disable": 0, "disabled": 0,
}  # fmt: skip

_PRECEDENCE: Final = {
    "||": 1, "&&": 2, "|": 3, "&": 4, "^": 5, "<<": 6, ">>": 7,
    "==": 8, "!=": 8, "=~": 8, "!~": 8, "eq": 8, "ne": 8, "ieq": 8, "ine": 8,
    "<": 9, ">": 9, "<=": 9, ">=": 9, "+": 10, "-": 10, "*": 11, "/": 11, "%": 11,
}  # fmt: skip
_SPELLED: Final = {
    "or": "||", "and": "&&", "mod": "%", "eq": "eq", "ne": "ne", "ieq": "ieq", "ine": "ine",
}  # fmt: skip
_UNARY: Final = {"!": "!", "not": "!", "-": "-", "~": "~", "defined": "defined"}
_FUNCTION_LIKE: Final = ("strlen", "strempty")


def to_integer(digits: str) -> int:
    """A number token's value: decimal, 0x hexadecimal, or 0 octal."""
    if digits[:2] in ("0x", "0X"):
        return int(digits, 16)
    if digits[0] == "0" and all(digit in "01234567" for digit in digits):
        return int(digits, 8)
    return int(digits) if len(digits) < 30 else 1 << 64


class ExpressionParser:
    """Reads expressions from the tokens; the statement parser builds on it."""

    def __init__(self, tokens: Tokens) -> None:
        self.tokens = tokens
        self._depth = 0
        self._operators = 0  # in the outermost expression being read
        self._expressions = 0

    def enter(self, at: int) -> None:
        """Count one nesting level; every enter() has its leave()."""
        if self._depth >= MAX_DEPTH:
            raise self.tokens.refuse(at, f"nested more than {MAX_DEPTH} deep")
        self._depth += 1

    def leave(self) -> None:
        self._depth -= 1

    def expression(self) -> Expression:
        """A whole expression."""
        self._expressions += 1
        try:
            return self._binary(1)
        finally:
            self._expressions -= 1
            if self._expressions == 0:
                self._operators = 0

    def _operator(self) -> str:
        """The binary operator that is next, or ""."""
        token = self.tokens.current
        if token.kind is TokenKind.NAME:
            return _SPELLED.get(token.value, "")
        return token.value if token.kind is TokenKind.OPERATOR else ""

    def _binary(self, lowest: int) -> Expression:
        left = self._unary()
        while (precedence := _PRECEDENCE.get(operator := self._operator(), 0)) >= lowest:
            at = self.tokens.next().start
            self._count_operator(at)
            left = Binary(at, operator, left, self._binary(precedence + 1))
        return left

    def _count_operator(self, at: int) -> None:
        self._operators += 1
        if self._operators > MAX_OPERATORS:
            raise self.tokens.refuse(at, f"more than {MAX_OPERATORS} operators in one expression")

    def _unary(self) -> Expression:
        token = self.tokens.current
        operator = _UNARY.get(token.value, "")
        if not operator or token.kind not in (TokenKind.OPERATOR, TokenKind.NAME):
            return self._primary()
        self.tokens.next()
        self.enter(token.start)
        try:
            operand = self._unary()
        finally:
            self.leave()
        if operator == "-" and isinstance(operand, Number):
            return Number(token.start, -operand.value)
        return Unary(token.start, operator, operand)

    def _primary(self) -> Expression:
        token = self.tokens.current
        if token.kind is TokenKind.NUMBER:
            self.tokens.next()
            return self._number(token.start, token.value)
        if token.kind is TokenKind.STRING:
            self.tokens.next()
            return String(token.start, token.value, token.offsets)
        if token.kind is TokenKind.VARIABLE:
            self.tokens.next()
            return Variable(token.start, token.value, token.inner)
        if token.kind is TokenKind.NAME:
            return self._named()
        if self.tokens.at("("):
            return self._parenthesized()
        if self.tokens.at("@"):
            raise self.tokens.refuse(token.start, "selects (@...) are not supported")
        raise self.tokens.refuse(token.start, f"expected a value, found {self.tokens.found()}")

    def _number(self, at: int, digits: str) -> Number:
        value = to_integer(digits)
        if value >= 1 << 63:
            self.tokens.error(at, f"{digits} is too large for a number")
            value = 0
        return Number(at, value)

    def _parenthesized(self) -> Expression:
        at = self.tokens.next().start
        cast = self.tokens.current.value
        if self.tokens.at_name("int", "str") and self.tokens.following.value == ")":
            self.tokens.next()
            self.tokens.next()
            self.enter(at)
            try:
                return Unary(at, f"({cast})", self._unary())
            finally:
                self.leave()
        self.enter(at)
        try:
            inside = self.expression()
        finally:
            self.leave()
        self.tokens.expect(")", "to close the (")
        return inside

    def _named(self) -> Expression:
        token = self.tokens.next()
        if self.tokens.at("("):
            if token.value == "route":
                return self._route_call(token.start)
            arguments = self.arguments(token.value)
            if token.value not in _FUNCTION_LIKE:
                return Call(token.start, token.value, arguments)
            if len(arguments) != 1:
                raise self.tokens.refuse(token.start, f"{token.value}() takes 1 argument")
            return Unary(token.start, token.value, arguments[0])
        if token.value in BOOLEANS:
            return Number(token.start, BOOLEANS[token.value])
        raise self.tokens.refuse(token.start, unknown_word(token.value))

    def arguments(self, name: str) -> tuple[Expression, ...]:
        """( a, b ... ) of a call; the ( is next."""
        at = self.tokens.expect("(", f"behind {name}").start
        self.enter(at)
        try:
            arguments: list[Expression] = []
            while not self.tokens.at(")"):
                arguments.append(self.expression())
                if not self.tokens.accept(","):
                    break
        finally:
            self.leave()
        self.tokens.expect(")", f"to close {name}(")
        return tuple(arguments)

    def _route_call(self, at: int) -> RouteCall:
        self.tokens.next()
        token = self.tokens.current
        if token.kind not in (TokenKind.NAME, TokenKind.NUMBER, TokenKind.STRING):
            raise self.tokens.refuse(token.start, f"expected a route, found {self.tokens.found()}")
        if token.kind is TokenKind.STRING and "$" in token.value:
            raise self.tokens.refuse(token.start, "a route's name cannot hold variables")
        self.tokens.next()
        self.tokens.expect(")", "to close route(")
        return RouteCall(at, token.value)


def unknown_word(word: str) -> str:
    """A bare word is mostly a define that is missing, or a string without quotes."""
    return f'{word} is not defined; a string is written "{word}"'
