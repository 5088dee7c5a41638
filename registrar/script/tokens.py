"""The parser's view of the tokens: look, take, expect, and where to go on after a mistake."""

from registrar.script.errors import Diagnostics
from registrar.script.lexer import Token, TokenKind
from registrar.script.source import Text


class Refused(Exception):
    """The construct being parsed is wrong and reported; whoever holds a safe place goes on."""


class Tokens:
    """A cursor. What does not fit is reported and raised as Refused."""

    def __init__(self, tokens: list[Token], text: Text, diagnostics: Diagnostics) -> None:
        self.text = text
        self.diagnostics = diagnostics
        self._tokens = tokens
        self._index = 0

    @property
    def current(self) -> Token:
        return self._tokens[self._index]

    @property
    def following(self) -> Token:
        """The token behind the current one."""
        return self._tokens[min(self._index + 1, len(self._tokens) - 1)]

    @property
    def at_end(self) -> bool:
        return self.current.kind is TokenKind.END

    def next(self) -> Token:
        """Take the current token."""
        token = self.current
        if token.kind is not TokenKind.END:
            self._index += 1
        return token

    def at(self, *operators: str) -> bool:
        """Whether one of these operators is next."""
        token = self.current
        return token.kind is TokenKind.OPERATOR and token.value in operators

    def at_name(self, *names: str) -> bool:
        """Whether one of these names is next."""
        token = self.current
        return token.kind is TokenKind.NAME and token.value in names

    def accept(self, operator: str) -> bool:
        """Take the operator if it is next."""
        if self.at(operator):
            self._index += 1
            return True
        return False

    def expect(self, operator: str, context: str) -> Token:
        """Take the operator, or refuse; `context` says where it is missing."""
        if self.at(operator):
            return self.next()
        self.error(self.current.start, f"expected {operator} {context}, found {self.found()}")
        raise Refused

    def expect_semicolon(self) -> None:
        """The place of a missing one is behind what it should end, often on the line before."""
        if self.accept(";") or self.at_end:  # at the end, the block that is open will complain
            return
        end = self._tokens[self._index - 1].end
        if self.at("}") or self.first_on_its_line():
            self.error(end - 1, "a ; is missing behind this")
            return  # what follows is intact
        self.error(self.current.start, f"expected ; before {self.found()}")
        raise Refused

    def found(self) -> str:
        """The current token as a message shows it."""
        token = self.current
        if token.kind is TokenKind.END:
            return "the end of the file"
        if token.kind is TokenKind.STRING:
            return "a string"
        if token.kind is TokenKind.VARIABLE:
            return f"${token.value}"
        return token.value

    def error(self, at: int, message: str, suggestion: str | None = None) -> None:
        self.diagnostics.error(self.text.position(at), message, suggestion)

    def refuse(self, at: int, message: str, suggestion: str | None = None) -> Refused:
        """Report, and give the exception to raise."""
        self.error(at, message, suggestion)
        return Refused()

    def is_adjacent(self) -> bool:
        """Whether nothing stands between the current token and the one before it."""
        return self._index > 0 and self._tokens[self._index - 1].end == self.current.start

    def first_on_its_line(self) -> bool:
        if self._index == 0:
            return True
        return "\n" in self.text.text[self._tokens[self._index - 1].end : self.current.start]

    def on_line_of(self, at: int) -> bool:
        """Whether the current token stands on the same line of the text as offset `at`."""
        return not self.at_end and "\n" not in self.text.text[at : self.current.start]

    def skip_statement(self) -> None:
        """Go behind the next ; or block of this level, or before the } that ends the level."""
        depth = 0
        while not self.at_end:
            if self.at("}") and depth == 0:
                return
            token = self.next()
            if token.kind is not TokenKind.OPERATOR:
                continue
            if token.value == "{":
                depth += 1
            elif token.value == "}":
                depth -= 1
                if depth == 0 and not self.at_name("else"):
                    return
            elif token.value == ";" and depth == 0:
                return
