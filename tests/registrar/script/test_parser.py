"""Tokens to nodes: shapes that running a program would not tell apart."""

import pytest

from registrar.script import nodes
from registrar.script.errors import Diagnostics
from registrar.script.nodes import Binary, Call, Number, RouteCall, String, Unary, Variable
from registrar.script.parser import parse
from registrar.script.preprocess import preprocess


def script_of(text: str) -> nodes.Script:
    diagnostics = Diagnostics()
    script = parse(preprocess(text, "f", {}, diagnostics), diagnostics)
    assert [error.headline for error in diagnostics.errors] == []
    return script


def expression_of(text: str) -> nodes.Expression:
    (statement,) = script_of(f"request_route {{ $x = {text}; }}").routes[0].body
    assert isinstance(statement, nodes.Assign)
    return statement.value


def shown(node: nodes.Expression) -> str:
    match node:
        case Number():
            return str(node.value)
        case String():
            return repr(node.value)
        case Variable():
            return f"${node.name}" + (f"({node.inner})" if node.inner else "")
        case Call():
            return f"{node.name}({', '.join(shown(argument) for argument in node.arguments)})"
        case RouteCall():
            return f"route({node.route})"
        case Unary():
            return f"({node.operator} {shown(node.operand)})"
        case Binary():
            return f"({shown(node.left)} {node.operator} {shown(node.right)})"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a() || b() && c()", "(a() || (b() && c()))"),
        ("a() or b() and not c()", "(a() || (b() && (! c())))"),
        ("!$a == 1", "((! $a) == 1)"),
        ("!($a == 1)", "(! ($a == 1))"),
        ("1 | 2 & 3 ^ 4 << 5 >> 6", "(1 | (2 & (3 ^ (4 << (5 >> 6)))))"),
        ("1 >> 2 == 3 < 4 + 5 * 6", "(1 >> (2 == (3 < (4 + (5 * 6)))))"),
        ("1 - 2 - 3", "((1 - 2) - 3)"),
        ("1 / 2 mod 3 % 4", "(((1 / 2) % 3) % 4)"),
        ("-1 - -2", "(-1 - -2)"),
        ("~$a & 1", "((~ $a) & 1)"),
        ("defined $a && 1", "((defined $a) && 1)"),
        ("(int)$a + (str)1", "(((int) $a) + ((str) 1))"),
        ('strlen("a") > strempty($b)', "((strlen 'a') > (strempty $b))"),
        ('f("a", $b(c), 1 + 2, g())', "f('a', $b(c), (1 + 2), g())"),
        ("route(A) && route(7) && route('B C')", "((route(A) && route(7)) && route(B C))"),
        ("yes + no + on + off + true + disabled", "(((((1 + 0) + 1) + 0) + 1) + 0)"),
    ],
)
def test_expressions(text: str, expected: str) -> None:
    assert shown(expression_of(text)) == expected


def test_else_belongs_to_the_nearest_if() -> None:
    (outer,) = script_of("route { if (1) if (2) a(); else b(); }").routes[0].body
    assert isinstance(outer, nodes.If)
    assert outer.otherwise == ()
    (inner,) = outer.branches[0][1]
    assert isinstance(inner, nodes.If)
    assert len(inner.otherwise) == 1


def test_routes_and_their_names() -> None:
    script = script_of(
        "route { } route[0] { } route[A-b] { } route['c d'] { } reply_route { } "
        "event_route[usrloc:contact-expired] { }"
    )
    assert [(route.kind, route.name) for route in script.routes] == [
        ("request_route", ""),
        ("request_route", ""),
        ("request_route", "A-b"),
        ("request_route", "c d"),
        ("onreply_route", ""),
        ("event_route", "usrloc:contact-expired"),
    ]


def test_values_of_parameters() -> None:
    script = script_of('a=-1 b="x" "y" c=udp:[::]:5060\nmodparam("m|n", "p", 0x10)')
    values = {item.name: [(w.value, w.quoted) for w in item.values] for item in script.globals}
    assert values == {
        "a": [("-1", False)],
        "b": [("xy", True)],
        "c": [("udp:[::]:5060", False)],
    }
    (modparam,) = script.modparams
    assert [w.value for w in (modparam.module, modparam.name, modparam.value)] == [
        "m|n",
        "p",
        "0x10",
    ]


def test_nodes_know_where_they_stand() -> None:
    diagnostics = Diagnostics()
    text = preprocess('request_route {\n  save("x",\n $y);\n}', "f", {}, diagnostics)
    (statement,) = parse(text, diagnostics).routes[0].body
    assert isinstance(statement, nodes.Evaluate)
    assert isinstance(statement.call, Call)
    places = [statement.at, *(argument.at for argument in statement.call.arguments)]
    assert [text.position(at)[1:] for at in places] == [(2, 3), (2, 8), (3, 2)]
