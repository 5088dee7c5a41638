"""What a Program offers, what a check reports, and that nothing else can be raised."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registrar.script.compiler import Program, compile_file, compile_text
from registrar.script.declare import Function, Inner, Kind, Module, Parameter, PseudoVariable
from registrar.script.errors import ScriptError, ScriptErrors
from registrar.script.expression_parser import MAX_DEPTH, MAX_OPERATORS

Compile = Callable[..., Program]
NewContext = Callable[..., Any]

SHIPPED = """\
#!KAMAILIO
#!ifndef LISTEN
#!define LISTEN udp:0.0.0.0:5060
#!endif
#!trydef REALM "example.org"
debug=2
listen=LISTEN
listen=tcp:[2001:db8::1]:5060 advertise 192.0.2.1:5060
alias=example.org alias="sip.example.org"
loadmodule "sl.so"
loadmodule "auth_db.so"
loadmodule "textops.so"
loadmodule "registrar.so"
modparam("auth_db", "snapshot", SNAPSHOT)
modparam("auth_db|registrar", "realm", "x")
request_route {
    force_rport();
    if (!mf_process_maxfwd_header("10")) { sl_send_reply("483", "Too Many Hops"); exit; }
    if (is_method("ACK")) exit;
    if (is_method("REGISTER")) route(REGISTER);
    append_to_reply("Allow: REGISTER, OPTIONS\\r\\n");
    sl_send_reply("405", "Method Not Allowed");
}
route[REGISTER] {
    if (!auth_check(REALM, "subscriber", "1")) {
        switch ($rc) {
            case -10: sl_send_reply("403", "Forbidden"); break;
            default: auth_challenge(REALM, "1");
        }
        exit;
    }
    if (!save("location")) sl_reply_error();
    exit;
}
"""
CHECKED = ["force_rport", "mf_process_maxfwd_header 10"]
ASKED = [*CHECKED, "auth_check example.org subscriber 1"]


@pytest.mark.parametrize(
    ("method", "codes", "log"),
    [
        ("REGISTER", {}, [*ASKED, "save location"]),
        ("REGISTER", {"save": -1}, [*ASKED, "save location", "sl_reply_error"]),
        ("REGISTER", {"save": 0}, [*ASKED, "save location"]),
        ("REGISTER", {"auth_check": -10}, [*ASKED, "sl_send_reply 403 Forbidden"]),
        ("REGISTER", {"auth_check": -5}, [*ASKED, "auth_challenge example.org 1"]),
        ("ACK", {}, CHECKED),
        (
            "INVITE",
            {},
            [
                *CHECKED,
                "append_to_reply Allow: REGISTER, OPTIONS",
                "sl_send_reply 405 Method Not Allowed",
            ],
        ),
        (
            "REGISTER",
            {"mf_process_maxfwd_header": -1},
            [*CHECKED, "sl_send_reply 483 Too Many Hops"],
        ),
    ],
)
def test_a_whole_configuration(
    method: str, codes: dict[str, int], log: list[str], compiled: Compile, new_context: NewContext
) -> None:
    program = compiled(SHIPPED, {"SNAPSHOT": '"/srv/snapshot"'})
    context = new_context(method=method, codes=codes)
    assert program.run(context) is False
    assert context.log == log
    assert program.warnings == ()


def test_parameters_positions_and_instances(compiled: Compile) -> None:
    program = compiled(SHIPPED, {"SNAPSHOT": '"/srv/snapshot"', "LISTEN": "udp:127.0.0.1:5070"})
    core, auth_db = program.parameters["core"], program.parameters["auth_db"]
    assert core["debug"] == 2
    assert core["children"] == 8
    assert core["max_while_loops"] == 100
    assert core["listen"] == (
        "udp:127.0.0.1:5070",
        "tcp:[2001:db8::1]:5060 advertise 192.0.2.1:5060",
    )
    assert core["alias"] == ("example.org", "sip.example.org")
    assert auth_db["snapshot"] == "/srv/snapshot"
    assert auth_db["nonce_expire"] == 300
    assert auth_db["realm"] == program.parameters["registrar"]["realm"] == "x"
    assert program.instances["auth_db"] == auth_db
    assert program.positions["core", "listen"] == (("<text>", 7, 1), ("<text>", 8, 1))
    assert program.positions["auth_db", "snapshot"] == (("<text>", 14, 1),)
    assert ("core", "children") not in program.positions
    assert "sl" in program.parameters
    assert set(program.routes) == {"request_route", "route[REGISTER]"}


@pytest.mark.parametrize(
    ("line", "name", "value"),
    [
        ("debug=-1", "debug", -1),
        ("debug = 0x3;", "debug", 3),
        ("enable_tls=yes", "enable_tls", 1),
        ("enable_tls=off", "enable_tls", 0),
        ("enable_tls=enabled", "enable_tls", 1),
        ("listen=udp:*:5060 tls:[::]:5061", "listen", ("udp:*:5060", "tls:[::]:5061")),
        ("listen=eth0", "listen", ("eth0",)),
        ('listen="udp:[::]:5060"', "listen", ("udp:[::]:5060",)),
        ('listen=udp:a:1 name "one" udp:b:2', "listen", ("udp:a:1 name one", "udp:b:2")),
        ('server_header="Server: x"', "server_header", "Server: x"),
        ("server_header=plain", "server_header", "plain"),
        ("max_while_loops=7", "max_while_loops", 7),
        ('mpath "/usr/lib"', "mpath", "/usr/lib"),
    ],
)
def test_global_parameters(line: str, name: str, value: object, compiled: Compile) -> None:
    program = compiled(f"{line}\nrequest_route {{ exit; }}")
    assert program.parameters["core"][name] == value


def test_an_instance_reaches_its_functions(new_context: NewContext, core: Module) -> None:
    def call(instance: Any, context: Any, argument: str) -> int:
        context.log.append((instance["size"], argument))
        return 1

    module = Module(
        "m",
        (Function("f", call, (Kind.STRING,)),),
        (Parameter("size", 1, int),),
        (
            PseudoVariable(
                "pv",
                lambda instance, context, inner: instance["size"] + len(inner),
                lambda instance, context, inner, value: context.log.append(
                    (instance["size"], inner, value)
                ),
                Inner.NAME,
            ),
        ),
        create=dict,
    )
    text = """loadmodule "m" loadmodule "n" modparam("m", "size", 5)
    request_route { f("a"); $pv(abc) = 7; f("$pv(abc)"); }"""
    other = replace(module, name="n", functions=(), variables=())
    program = compile_text(text, {"m": module, "n": other}, core)
    context = new_context()
    program.run(context)
    assert context.log == [(5, "a"), (5, "abc", 7), (5, "8")]
    assert program.instances["n"] == {"size": 1}


def test_other_routes_run_by_their_names(compiled: Compile, new_context: NewContext) -> None:
    program = compiled('request_route { log("a"); } failure_route[F] { log("x"); }')
    context = new_context()
    program.run(context, "failure_route[F]")
    assert context.log == ["x"]
    with pytest.raises(KeyError):
        program.run(context, "failure_route[G]")


def test_a_run_starts_with_code_0(compiled: Compile, new_context: NewContext) -> None:
    program = compiled('request_route { log("$rc"); }')
    context = new_context(retcode=-7)
    program.run(context)
    assert context.log == ["0"]


def test_what_a_function_raises_says_where(compiled: Compile, new_context: NewContext) -> None:
    program = compiled(
        'loadmodule "textops"\nrequest_route {\n  route(A);\n}\nroute[A] {\n  if (fail()) exit;\n}'
    )
    with pytest.raises(RuntimeError, match="broken") as raised:
        program.run(new_context())
    assert raised.value.__notes__ == ["in fail() at <text>:6:7"]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (
            "request_route {\n  while (1) $var(x) = 1;\n}",
            "<text>:2:3: while ran more than 100 times",
        ),
        (
            "max_while_loops=3\nrequest_route {\n  while ($var(x) < 4) $var(x) += 1;\n}",
            "<text>:3:3: while ran more than 3 times",
        ),
        (
            "request_route {\n  route(A);\n}\nroute[A] { route(B); } route[B] {\n route(A); }",
            "<text>:5:2: route(A) is called in itself more than 256 times",
        ),
        (
            "max_recursive_level=5\nrequest_route {\n  if (route(A)) exit;\n}\nroute[A]{route(A);}",
            "<text>:5:10: route(A) is called in itself more than 5 times",
        ),
        (
            "max_recursive_level=10000\nrequest_route { route(A); }\nroute[A]{\n if (1) route(A);}",
            "<text>:4:9: route(A) is called in itself more than 10000 times",
        ),
        (
            "request_route {\n  $var(x) = 5 / $var(zero);\n}",
            "<text>:2:15: division by zero",
        ),
        (
            "request_route {\n  if (5 % $var(zero)) exit;\n}",
            "<text>:2:9: division by zero",
        ),
    ],
)
def test_a_script_that_goes_wrong_says_where(
    text: str, error: str, compiled: Compile, new_context: NewContext
) -> None:
    program = compiled(text)
    limit = sys.getrecursionlimit()
    for _again in range(2):  # the count of recursions must not outlive the run that failed
        with pytest.raises(ScriptError) as raised:
            program.run(new_context())
        assert raised.value.headline == error
    assert sys.getrecursionlimit() == limit


def test_while_may_run_as_often_as_the_limit(compiled: Compile, new_context: NewContext) -> None:
    program = compiled(
        'max_while_loops=3 request_route { while ($var(x) < 3) $var(x) += 1; log("$var(x)"); }'
    )
    context = new_context()
    program.run(context)
    assert context.log == ["3"]


def test_all_errors_at_once_in_order_and_across_files(
    tmp_path: Path, modules: Mapping[str, Module], core: Module
) -> None:
    main, sub = tmp_path / "main.cfg", tmp_path / "sub.cfg"
    main.write_text(
        "#!define WRONG sav()\n"
        'include_file "sub.cfg"\n'
        'request_route {\n\tWRONG;\n  exit\n  route(NOWHERE);\n  if (!sl_send_reply("1", "2") {\n'
        "  }\n}\ndebug=7\n"
    )
    sub.write_text('\nloadmodule "registrar"\nroute[A] {\n  $zz = 1;\n}\n')
    with pytest.raises(ScriptErrors) as raised:
        compile_file(str(main), modules, core)
    assert [error.headline for error in raised.value.errors] == [
        f"{main}:4:2: unknown function sav(), did you mean save()?",
        f"{main}:5:6: a ; is missing behind this",
        f"{main}:6:3: there is no route[NOWHERE]",
        f"{main}:7:32: expected ) to close the (, found {{",
        f"{main}:10:7: debug: 7 is above 3, the most it can be",
        f"{sub}:4:3: unknown variable $zz",
    ]
    assert str(raised.value).splitlines()[:6] == [
        f"{main}:4:2: unknown function sav(), did you mean save()?",
        "\tWRONG;",
        "\t^",
        f"{main}:5:6: a ; is missing behind this",
        "  exit",
        "     ^",
    ]


def test_a_file_that_cannot_be_read(
    tmp_path: Path, modules: Mapping[str, Module], core: Module
) -> None:
    path = str(tmp_path / "none.cfg")
    with pytest.raises(ScriptErrors) as raised:
        compile_file(path, modules, core)
    assert str(raised.value) == f"{path}:1:1: cannot read {path}: No such file or directory"


def test_compile_file_reads_and_compiles(
    tmp_path: Path, modules: Mapping[str, Module], core: Module, new_context: NewContext
) -> None:
    (tmp_path / "a.cfg").write_text("request_route { log(TEXT); }")
    program = compile_file(str(tmp_path / "a.cfg"), modules, core, {"TEXT": '"ä"'})
    context = new_context()
    program.run(context)
    assert context.log == ["ä"]


FRAGMENTS = [
    "#!define A ", "#!ifdef A\n", "#!ifndef B\n", "#!else\n", "#!endif\n", "include_file ", "\n",
    "request_route", "route", "failure_route", "[A]", "{", "}", "(", ")", ";", ",", "if", "else",
    "while", "switch", "case", "default", ":", "break", "return", "exit", "drop", "=", "+=", "==",
    "=~", "!", "&&", "||", "+", "-", "/", "%", "<<", "$rU", "$var(x)", "$rc", "$avp(", "$(", "$$",
    '"a $rU"', '"$', "'", '"', "5", "0x", "-1", "log", "give", "search", "t_on_failure", "A",
    "loadmodule", '"textops"', '"auth_db"', "modparam", "listen", "debug", "udp:[::]:5060",
    "/*", "*/", "#", "//", "defined", "strlen", "(int)", "\\", "\x00", "é", " ",
]  # fmt: skip


@given(st.one_of(st.text(), st.lists(st.sampled_from(FRAGMENTS)).map(" ".join)))
@settings(max_examples=400, deadline=None)
def test_any_text_compiles_or_raises_script_errors(
    compiled: Compile, new_context: NewContext, text: str
) -> None:
    for whole in (text, f'loadmodule "textops" request_route {{ {text}\n}}'):
        found: tuple[ScriptError, ...] = ()
        try:
            program = compiled(whole)
            found = program.warnings
            program.run(new_context())
        except ScriptErrors as errors:
            found = errors.errors
        except ScriptError as error:
            found = (error,)
        assert all(error.line > 0 and error.column > 0 and str(error) for error in found)


@pytest.mark.parametrize(
    "expression",
    [
        "(" * 5000,
        "!" * 5000 + "1",
        "-" * 5000 + "1",
        "+".join(["1"] * 5000),
        "||".join(["(1"] * 400),
        "f(" * 5000,
        "(int)" * 5000 + "1",
        "1||1&&1|1&1^1<<1>>1==1<1+1*(" * 40 + "1" + ")" * 40,
    ],
)
def test_expressions_nested_too_deep_are_refused(expression: str, compiled: Compile) -> None:
    with pytest.raises(ScriptErrors, match=r"nested more than|more than .* operators"):
        compiled(f"request_route {{ $var(x) = {expression}; }}")


@pytest.mark.parametrize("statement", ["{ ", "if (1) ", "while (1) { ", "switch (1) { case 1: "])
def test_statements_nested_too_deep_are_refused(statement: str, compiled: Compile) -> None:
    with pytest.raises(ScriptErrors, match="nested more than"):
        compiled("request_route { " + statement * 5000)


def test_what_is_as_deep_as_allowed_runs(compiled: Compile, new_context: NewContext) -> None:
    statements = "if (1) {" * (MAX_DEPTH - 2) + 'log("deep");' + "}" * (MAX_DEPTH - 2)
    chain = " + ".join(["$var(one)"] * (MAX_OPERATORS + 1))
    nots = "!" * (MAX_DEPTH - 2)
    program = compiled(
        f'request_route {{ $var(one) = 1; {statements} $var(x) = {chain}; log("$var(x)");'
        f' if ({nots}$var(one)) log("not"); }}'
    )
    context = new_context()
    program.run(context)
    assert context.log == ["deep", str(MAX_OPERATORS + 1), "not"]
