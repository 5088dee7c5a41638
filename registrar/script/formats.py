"""Strings with embedded variables: "sip:$rU@$fd". A string without any becomes a constant.

$$ is a dollar. A variable that is $null shows as <null> amid other text, as Kamailio writes it,
and is the empty string where it stands alone.
"""

from collections.abc import Callable
from typing import Any

from registrar.script.nodes import String, Variable
from registrar.script.operands import UNKNOWN, Get, Operand, Type, compile_variable, constant
from registrar.script.scope import Scope
from registrar.script.values import to_string
from registrar.script.variables import read_reference


def compile_format(scope: Scope, node: String) -> Operand:
    """The string a format becomes; constant if no variable is in it."""
    parts = _split(scope, node)
    if not parts:
        return constant("")
    if len(parts) == 1:
        part = parts[0]
        if isinstance(part, str):
            return constant(part)
        return Operand(Type.STRING, _alone(part))
    pieces = [_literal(part) if isinstance(part, str) else _amid(part) for part in parts]
    return Operand(Type.STRING, lambda context: "".join([piece(context) for piece in pieces]))


def _split(scope: Scope, node: String) -> list[str | Get]:
    """Texts and variables in order; texts that touch are one."""
    text, parts = node.value, list[str | Get]()
    literal: list[str] = []
    offset = 0
    while (dollar := text.find("$", offset)) >= 0:
        literal.append(text[offset:dollar])
        if text.startswith("$", dollar + 1):
            literal.append("$")
            offset = dollar + 2
            continue
        at = node.offsets[dollar]
        name, inner, offset, problem = read_reference(text, dollar)
        if problem:
            scope.error(at, problem if name else f"{problem}; a dollar is written $$")
            continue
        operand = compile_variable(scope, Variable(at, name, inner))
        if operand.is_constant and operand is not UNKNOWN:
            literal.append("<null>")
            continue
        if joined := "".join(literal):
            parts.append(joined)
        literal.clear()
        parts.append(operand.get)
    literal.append(text[offset:])
    if joined := "".join(literal):
        parts.append(joined)
    return parts


def _literal(text: str) -> Callable[[Any], str]:
    return lambda _context: text


def _alone(get: Get) -> Callable[[Any], str]:
    return lambda context: to_string(get(context))


def _amid(get: Get) -> Callable[[Any], str]:
    def show(context: Any) -> str:
        value = get(context)
        if isinstance(value, str):
            return value
        return "<null>" if value is None else str(value)

    return show
