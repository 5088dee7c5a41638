"""Tokens to a Script: what stands outside of routes, and the statements inside.

A mistake costs its statement, not the rest: parsing goes on behind the next ; or }, so that one
check shows all of them.
"""

from collections.abc import Callable
from typing import Final

from registrar.script import nodes
from registrar.script.declare import REQUEST
from registrar.script.errors import Diagnostics, closest
from registrar.script.expression_parser import ExpressionParser, unknown_word
from registrar.script.lexer import Token, TokenKind, tokenize
from registrar.script.source import Text
from registrar.script.tokens import Refused, Tokens

ROUTE_KINDS: Final = {
    "route": REQUEST, "request_route": REQUEST, "reply_route": "onreply_route",
    "onreply_route": "onreply_route", "failure_route": "failure_route",
    "branch_route": "branch_route", "onsend_route": "onsend_route", "event_route": "event_route",
}  # fmt: skip
_UNNAMED: Final = {REQUEST, "onreply_route", "onsend_route"}
_NOT_YET: Final = ("flags", "avpflags", "socket", "modparamx")


def parse(text: Text, diagnostics: Diagnostics) -> nodes.Script:
    """The script in `text`; what cannot be read is reported and left out."""
    return _Parser(Tokens(tokenize(text, diagnostics), text, diagnostics)).script()


class _Parser(ExpressionParser):
    def __init__(self, tokens: Tokens) -> None:
        super().__init__(tokens)
        self._globals: list[nodes.Global] = []
        self._modules: list[nodes.LoadModule] = []
        self._modparams: list[nodes.ModParam] = []
        self._routes: list[nodes.Route] = []
        self._statements: dict[str, Callable[[int], nodes.Statement]] = {
            "if": self._if, "while": self._while, "switch": self._switch, "break": self._break,
            "return": self._return, "exit": self._exit, "drop": self._drop,
        }  # fmt: skip

    def script(self) -> nodes.Script:
        while not self.tokens.at_end:
            if self.tokens.accept(";"):
                continue
            first = self.tokens.current
            try:
                self._item()
            except Refused:
                self._skip_item(first)
        return nodes.Script(
            tuple(self._globals), tuple(self._modules), tuple(self._modparams), tuple(self._routes)
        )

    def _item(self) -> None:
        token = self.tokens.current
        name, at = token.value, token.start
        if token.kind is not TokenKind.NAME:
            raise self.tokens.refuse(at, f"{self.tokens.found()} cannot stand outside of a route")
        if name in ROUTE_KINDS:
            self._routes.append(self._route())
            return
        self.tokens.next()
        if name == "loadmodule":
            self._modules.append(nodes.LoadModule(self.tokens.current.start, self._path(name)))
        elif name == "modparam":
            self._modparams.append(self._modparam(at))
        elif name in _NOT_YET:
            raise self.tokens.refuse(at, f"{name} is not supported")
        elif self.tokens.accept("="):
            self._globals.append(nodes.Global(at, name, self._words(name, at)))
        elif name in ("loadpath", "mpath"):
            word = nodes.Word(self.tokens.current.start, self._path(name), True)
            self._globals.append(nodes.Global(at, name, (word,)))
        elif self.tokens.at("."):
            raise self.tokens.refuse(at, "custom parameters (group.name = value) are not supported")
        else:
            known = (*ROUTE_KINDS, "loadmodule", "modparam")
            message = f"{name} has no meaning outside of a route"
            raise self.tokens.refuse(at, message, closest(name, known))

    def _skip_item(self, first: Token) -> None:
        """Go to the next line that starts something at this level; `first` is what was refused."""
        depth = 0
        while not self.tokens.at_end:
            token = self.tokens.current
            starts = token.kind is TokenKind.NAME and self.tokens.first_on_its_line()
            if token is not first and (self._at_route() or (starts and depth <= 0)):
                return
            if token.kind is TokenKind.OPERATOR:
                depth += (token.value == "{") - (token.value == "}")
            self.tokens.next()

    def _at_route(self) -> bool:
        """Whether a route starts here: route( is a call, route[ and route{ are not."""
        if not self.tokens.at_name(*ROUTE_KINDS):
            return False
        following = self.tokens.following
        return following.kind is TokenKind.OPERATOR and following.value in ("[", "{")

    def _at_item(self) -> bool:
        """Whether something new starts here, behind the values of a parameter."""
        following = self.tokens.following
        assigned = following.kind is TokenKind.OPERATOR and following.value == "="
        return assigned or self._at_route() or self.tokens.at_name("loadmodule", "modparam")

    def _path(self, name: str) -> str:
        token = self.tokens.current
        if token.kind is not TokenKind.STRING:
            raise self.tokens.refuse(token.start, f'{name} needs a string: {name} "..."')
        return self.tokens.next().value

    def _words(self, name: str, at: int) -> tuple[nodes.Word, ...]:
        """The values behind name=, up to the end of the line or a ;"""
        if not self.tokens.on_line_of(at):
            raise self.tokens.refuse(at, f"the value of {name} is missing")
        words = [self._word(name)]
        while self.tokens.on_line_of(words[-1].at) and not self.tokens.at(";"):
            if self.tokens.at_name("advertise", "ADVERTISE", "name"):
                option, last = self.tokens.next().value.lower(), words.pop()
                value = f"{last.value} {option} {self._word(option).value}"
                words.append(nodes.Word(last.at, value, last.quoted))
            elif self._at_item():  # the next one, on the same line
                break
            else:
                words.append(self._word(name))
        return tuple(words)

    def _word(self, name: str) -> nodes.Word:
        """A string, or tokens that stand together: -1, udp:[::]:5060, 10.0.0.0/8."""
        first = self.tokens.current
        if first.kind is TokenKind.STRING:
            self.tokens.next()
            return nodes.Word(first.start, first.value, True)
        if first.kind is TokenKind.END or self.tokens.at(";", ")", ",", "{", "}"):
            message = f"expected a value for {name}, found {self.tokens.found()}"
            raise self.tokens.refuse(first.start, message)
        last = self.tokens.next()
        while self.tokens.is_adjacent() and not self._ends_word(self.tokens.current):
            last = self.tokens.next()
        return nodes.Word(first.start, self.tokens.text.text[first.start : last.end], False)

    def _ends_word(self, token: Token) -> bool:
        if token.kind is TokenKind.OPERATOR:
            return token.value in (";", ")", ",", "{", "}")
        return token.kind in (TokenKind.STRING, TokenKind.END)

    def _modparam(self, at: int) -> nodes.ModParam:
        self.tokens.expect("(", "behind modparam")
        words = []
        for index, what in enumerate(("the module", "the parameter", "the value")):
            if index:
                self.tokens.expect(",", f"before {what} of modparam")
            words.append(self._word(what))
            if index < 2 and not words[-1].quoted:
                raise self.tokens.refuse(words[-1].at, unknown_word(words[-1].value))
        self.tokens.expect(")", "to close modparam(")
        return nodes.ModParam(at, *words)

    def _route(self) -> nodes.Route:
        keyword = self.tokens.next()
        kind, name = ROUTE_KINDS[keyword.value], ""
        if self.tokens.accept("["):
            start = self.tokens.current.start
            token = self.tokens.current
            while not self.tokens.at("]", "{") and not self.tokens.at_end:
                self.tokens.next()
            end = self.tokens.current.start
            self.tokens.expect("]", f"to close {keyword.value}[")
            quoted = token.kind is TokenKind.STRING
            name = token.value if quoted else self.tokens.text.text[start:end].strip()
            if not name:
                raise self.tokens.refuse(start, "the name of the route is missing")
            name = "" if kind == REQUEST and name == "0" else name
        elif kind not in _UNNAMED:
            raise self.tokens.refuse(
                keyword.start, f"{keyword.value} needs a name: {keyword.value}[NAME]"
            )
        body = self._block(f"{keyword.value}[{name}]" if name else keyword.value)
        return nodes.Route(keyword.start, kind, name, body)

    def _block(self, of: str) -> tuple[nodes.Statement, ...]:
        """{ statements }"""
        opening = self.tokens.expect("{", f"to open {of}")
        self.enter(opening.start)
        try:
            body = self._body()
        finally:
            self.leave()
        if not self.tokens.accept("}"):
            self.tokens.error(opening.start, f"the {{ of {of} is never closed")
        return body

    def _body(self, in_case: bool = False) -> tuple[nodes.Statement, ...]:
        """Statements up to the } or, in a case, the next case; which is left."""
        body = []
        while not (self.tokens.at_end or self.tokens.at("}") or self._at_route()):
            if self.tokens.accept(";"):
                continue
            if in_case and self.tokens.at_name("case", "default"):
                break
            try:
                body.append(self._statement())
            except Refused:
                self.tokens.skip_statement()
        return tuple(body)

    def _statement(self) -> nodes.Statement:
        token = self.tokens.current
        if token.kind is TokenKind.NAME and token.value in self._statements:
            return self._statements[self.tokens.next().value](token.start)
        if token.kind is TokenKind.VARIABLE:
            return self._assign()
        if self.tokens.at("{"):
            return nodes.Block(token.start, self._block("this block"))
        if token.kind is TokenKind.NAME and self.tokens.following.value == "(":
            call = self._named()
            if not isinstance(call, nodes.Call | nodes.RouteCall):
                raise self.tokens.refuse(token.start, "the result of this is not used")
            self.tokens.expect_semicolon()
            return nodes.Evaluate(token.start, call)
        if self.tokens.at_name("else"):
            raise self.tokens.refuse(token.start, "else without an if before it")
        raise self.tokens.refuse(token.start, f"expected a statement, found {self.tokens.found()}")

    def _action(self, of: str) -> tuple[nodes.Statement, ...]:
        """A block, or one statement without braces."""
        if self.tokens.at("{"):
            return self._block(of)
        at = self.tokens.current.start
        if self.tokens.accept(";"):
            return ()
        if self.tokens.at("}") or self.tokens.at_end:
            raise self.tokens.refuse(at, f"{of} needs a statement or a block")
        self.enter(at)
        try:
            return (self._statement(),)
        finally:
            self.leave()

    def _assign(self) -> nodes.Statement:
        token = self.tokens.next()
        target = nodes.Variable(token.start, token.value, token.inner)
        operator = self.tokens.current
        if not self.tokens.at("=", "+="):
            message = f"expected = or += behind ${token.value}, found {self.tokens.found()}"
            raise self.tokens.refuse(operator.start, message)
        self.tokens.next()
        value = self.expression()
        if operator.value == "+=":
            value = nodes.Binary(operator.start, "+", target, value)
        self.tokens.expect_semicolon()
        return nodes.Assign(token.start, target, value)

    def _if(self, at: int) -> nodes.If:
        branches = [(self.expression(), self._action("if"))]
        otherwise: tuple[nodes.Statement, ...] = ()
        while self.tokens.at_name("else"):
            self.tokens.next()
            if not self.tokens.at_name("if"):
                otherwise = self._action("else")
                break
            self.tokens.next()
            branches.append((self.expression(), self._action("else if")))
        return nodes.If(at, tuple(branches), otherwise)

    def _while(self, at: int) -> nodes.While:
        return nodes.While(at, self.expression(), self._action("while"))

    def _switch(self, at: int) -> nodes.Switch:
        subject = self.expression()
        opening = self.tokens.expect("{", "behind switch (...)")
        cases = []
        self.enter(opening.start)
        try:
            while not (self.tokens.at_end or self.tokens.at("}") or self._at_route()):
                try:
                    cases.append(self._case())
                except Refused:
                    self.tokens.skip_statement()
        finally:
            self.leave()
        if not self.tokens.accept("}"):
            self.tokens.error(opening.start, "the { of this switch is never closed")
        return nodes.Switch(at, subject, tuple(cases))

    def _case(self) -> nodes.Case:
        token = self.tokens.current
        value: nodes.Expression | None = None
        is_pattern = False
        if self.tokens.at_name("case"):
            self.tokens.next()
            is_pattern = self.tokens.accept("/")
            value = self.expression()
        elif self.tokens.at_name("default"):
            self.tokens.next()
        else:
            message = f"expected case or default, found {self.tokens.found()}"
            raise self.tokens.refuse(token.start, message)
        self.tokens.expect(":", f"behind {token.value}")
        return nodes.Case(token.start, value, is_pattern, self._body(in_case=True))

    def _break(self, at: int) -> nodes.Break:
        self.tokens.expect_semicolon()
        return nodes.Break(at)

    def _return(self, at: int) -> nodes.Return:
        value = None
        if self.tokens.at("(") and self.tokens.following.value == ")":
            self.tokens.next()
            self.tokens.next()
        elif not (self.tokens.at(";", "}") or self.tokens.first_on_its_line()):
            value = self.expression()
        self.tokens.expect_semicolon()
        return nodes.Return(at, value)

    def _exit(self, at: int) -> nodes.Exit:
        self._return(at)  # exit and drop may carry a code, which means nothing here
        return nodes.Exit(at, drops=False)

    def _drop(self, at: int) -> nodes.Exit:
        self._return(at)
        return nodes.Exit(at, drops=True)
