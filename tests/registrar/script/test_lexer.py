"""Text to tokens."""

import pytest

from registrar.script.errors import Diagnostics
from registrar.script.lexer import Token, TokenKind, tokenize
from registrar.script.preprocess import preprocess


def tokens_of(text: str) -> tuple[list[Token], list[str]]:
    diagnostics = Diagnostics()
    tokens = tokenize(preprocess(text, "f", {}, diagnostics), diagnostics)
    return tokens, [error.headline for error in diagnostics.errors]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "end:"),
        ("ab_1 12 0x1F", "name:ab_1 number:12 number:0x1F end:"),
        ("10s", "number:10 name:s end:"),
        ("==!==~!~<=>=<<>>&&||+=", "operator:" + " operator:".join(
            ["==", "!=", "=~", "!~", "<=", ">=", "<<", ">>", "&&", "||", "+="]) + " end:"),
        ("a=-b", "name:a operator:= operator:- name:b end:"),
        ("$rU $var(x y) $(fd) $(hdr(X-Y)) $?",
         "variable:rU variable:var variable:fd variable:hdr variable:? end:"),
        ('"a"\'b\'"c"', "string:abc end:"),
    ],
)  # fmt: skip
def test_tokens(text: str, expected: str) -> None:
    tokens, errors = tokens_of(text)
    assert errors == []
    assert " ".join(f"{token.kind.value}:{token.value}" for token in tokens) == expected


def test_a_variable_has_its_inner_name() -> None:
    tokens, _errors = tokens_of("$hdr(P(1)) $(var(x)) $fu")
    assert [token.inner for token in tokens[:3]] == ["P(1)", "x", None]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (r'"a\n\r\t\a\"\\"', 'a\n\r\t\a"\\'),
        (r'"\x41\x4Ax\101\60"', "AJxA0"),
        (r'"\.\d\1"', r"\.\d\1"),
        ('"a\\\nb\nc"', "ab\nc"),
        (r"'a\n\'", r"a\n" + "\\"),
        ('"a" /* b */ "c" # d\n "e"', "ace"),
        ('""', ""),
    ],
)
def test_strings(text: str, value: str) -> None:
    tokens, errors = tokens_of(text)
    assert errors == []
    assert [token.kind for token in tokens] == [TokenKind.STRING, TokenKind.END]
    assert tokens[0].value == value
    assert len(tokens[0].offsets) == len(value)


def test_each_character_of_a_string_knows_its_place() -> None:
    tokens, _errors = tokens_of('"a\\n$x"\n "y"')
    assert tokens[0].value == "a\n$xy"
    assert tokens[0].offsets == (1, 2, 4, 5, 10)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("a ` b", "f:1:3: '`' has no meaning here"),
        ('a "b', "f:1:3: this string is never closed"),
        ("a 'b", "f:1:3: this string is never closed"),
        ('a "b\\', "f:1:3: this string is never closed"),
        ("$", "f:1:1: the name of a variable is missing after $"),
        ("$5", "f:1:1: the name of a variable is missing after $"),
        ("$var(x", "f:1:1: the ( of $var( is never closed"),
        ("$(var(x)", "f:1:1: the ( of $(var is never closed"),
        ("$(rU{s.len})", "f:1:1: transformations are not supported in $(rU..)"),
        ("$(rU!)", "f:1:1: '!' here is not supported in $(rU..)"),
        ("$avp(x)[0]", "f:1:1: indexes, as in $avp(..)[0], are not supported"),
    ],
)
def test_mistakes(text: str, error: str) -> None:
    _tokens, errors = tokens_of(text)
    assert errors == [error]
