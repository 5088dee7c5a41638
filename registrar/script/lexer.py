"""Text to tokens: strings with their escapes, numbers, names, variables, operators.

No keywords here: which names mean something depends on where they stand, and that is the parser's
knowledge. Whatever cannot start a token is reported and skipped.
"""

import re
from enum import Enum
from typing import Final, NamedTuple

from registrar.script.errors import Diagnostics
from registrar.script.source import Text
from registrar.script.variables import read_reference


class TokenKind(Enum):
    NAME = "name"
    NUMBER = "number"
    STRING = "string"
    VARIABLE = "variable"
    OPERATOR = "operator"
    END = "end"


class Token(NamedTuple):
    """`start` and `end` are offsets in the text.

    `value` is the operator, the name, the digits, or the decoded string; for a string `offsets`
    says where each of its characters is written. For a variable `value` is its name.
    """

    kind: TokenKind
    value: str
    start: int
    end: int
    offsets: tuple[int, ...] = ()
    inner: str | None = None


_TOKEN: Final = re.compile(
    r"""
    (?P<space>\s+)
  | (?P<string>["'])
  | (?P<number>0[xX][0-9a-fA-F]+ | [0-9]+)
  | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
  | (?P<variable>\$)
  | (?P<operator>==|!=|=~|!~|<=|>=|<<|>>|&&|\|\||\+=|[-=<>!&|^~+*/%(){}\[\],;:.@])
    """,
    re.VERBOSE,
)
_KINDS: Final = {
    "number": TokenKind.NUMBER, "name": TokenKind.NAME, "operator": TokenKind.OPERATOR,
}  # fmt: skip
_PLAIN: Final = re.compile(r'[^"\\]+')
_ESCAPE: Final = re.compile(r"\\(?:x([0-9a-fA-F]{1,2})|([0-7]{2,3})|(.))", re.DOTALL)
_ESCAPED: Final = {"n": "\n", "r": "\r", "t": "\t", "a": "\a", '"': '"', "\\": "\\", "\n": ""}


def tokenize(text: Text, diagnostics: Diagnostics) -> list[Token]:
    """All tokens, the last one of kind END."""
    tokens: list[Token] = []
    offset, length = 0, len(text.text)
    while offset < length:
        match = _TOKEN.match(text.text, offset)
        if match is None:
            message = f"{text.text[offset]!r} has no meaning here"
            diagnostics.error(text.position(offset), message)
            offset += 1
        elif match.lastgroup == "string":
            offset = _add_string(tokens, text, offset, diagnostics)
        elif match.lastgroup == "variable":
            offset = _add_variable(tokens, text, offset, diagnostics)
        else:
            offset = match.end()
            if match.lastgroup != "space":
                kind = _KINDS[str(match.lastgroup)]
                tokens.append(Token(kind, match[0], match.start(), offset))
    tokens.append(Token(TokenKind.END, "", length, length))
    return tokens


def _add_variable(tokens: list[Token], text: Text, start: int, diagnostics: Diagnostics) -> int:
    name, inner, end, problem = read_reference(text.text, start)
    if problem:
        diagnostics.error(text.position(start), problem)
    tokens.append(Token(TokenKind.VARIABLE, name, start, end, inner=inner))
    return end


def _add_string(tokens: list[Token], text: Text, start: int, diagnostics: Diagnostics) -> int:
    """Read a string; one that stands next to the string before it continues that one."""
    if text.text[start] == "'":
        close = text.text.find("'", start + 1)
        end = close + 1
        value = text.text[start + 1 : close]
        offsets = list(range(start + 1, close))
    else:
        value, offsets, end = _double_quoted(text.text, start)
    if end <= 0:
        diagnostics.error(text.position(start), "this string is never closed")
        end = len(text.text)
    previous = tokens[-1] if tokens else None
    if previous is not None and previous.kind is TokenKind.STRING:
        value, start = previous.value + value, previous.start
        offsets = [*previous.offsets, *offsets]
        tokens.pop()
    tokens.append(Token(TokenKind.STRING, value, start, end, tuple(offsets)))
    return end


def _double_quoted(text: str, start: int) -> tuple[str, list[int], int]:
    """Value, offsets, end; the end is 0 when the string is never closed."""
    parts: list[str] = []
    offsets: list[int] = []
    offset = start + 1
    while offset < len(text):
        if plain := _PLAIN.match(text, offset):
            parts.append(plain[0])
            offsets.extend(range(offset, plain.end()))
            offset = plain.end()
        elif text[offset] == '"':
            return "".join(parts), offsets, offset + 1
        else:
            escape = _ESCAPE.match(text, offset)
            if escape is None:  # a backslash that ends the file
                break
            decoded = _unescape(escape)
            parts.append(decoded)
            offsets.extend([offset] * len(decoded))
            offset = escape.end()
    return "".join(parts), offsets, 0


def _unescape(escape: re.Match[str]) -> str:
    """An unknown escape keeps its backslash, as Kamailio does: patterns depend on it."""
    hexadecimal, octal, character = escape.groups()
    if hexadecimal is not None:
        return chr(int(hexadecimal, 16))
    if octal is not None:
        return chr(int(octal, 8) & 0xFF)
    return _ESCAPED.get(character, escape[0])
