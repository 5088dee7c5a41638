"""Directives, words and files; each case is the text read and what becomes of it."""

from pathlib import Path

import pytest

from registrar.script.errors import Diagnostics
from registrar.script.preprocess import MAX_EXPANSION, MAX_INCLUDES, preprocess
from registrar.script.source import Text


def run(text: str, file: str = "main.cfg", **defines: str) -> tuple[Text, list[str]]:
    diagnostics = Diagnostics()
    result = preprocess(text, file, defines, diagnostics)
    return result, [error.headline for error in diagnostics.errors]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a b", "a b"),
        ("#!define A 1\nA AB A_ xA A1", "1 AB A_ xA A1"),
        ("#!def A 1\nA", "1"),
        ("#!define A\n[A]", "[]"),
        ("A\n#!define A 1\nA", "A 1"),
        ("#!trydef A 1\n#!trydef A 2\n#!trydefine A 3\nA", "1"),
        ("#!define A 1\n#!redefine A 2\nA\n#!redef A 3\nA", "2 3"),
        ("#!redefine A 2\nA", "2"),
        ("#!define A 1\n#!undefine A\nA\n#!define A 2\n#!undef A\n#!undef A\nA", "A A"),
        ("#!define A 1 +\\\n  2\nA", "1 + 2"),
        ('#!define A "x # y" # note\nA;', '"x # y";'),
        ("#!define A 'http://x' // note\nA;", "'http://x';"),
        ("#!define A udp:0.0.0.0:5060\nlisten=A", "listen=udp:0.0.0.0:5060"),
        ("#!define A B\n#!define B 2\nA", "2"),
        ("#!define A A B\n#!define B A\nA", "A A"),
        ("#!define A 1\n\"A\" 'A' $A $var(A) $(A) B", "\"A\" 'A' $A $var(A) $(A) B"),
        ('#!define A $var(B) "B" B\n#!define B 1\nA', '$var(B) "B" 1'),
        ('#!define A 1\n# A\n// A\n/* A /* A */ A */ "/*" A', '"/*" 1'),
        ('"never # a comment" A', '"never # a comment" A'),
        ("#!KAMAILIO\n#!SER\na", "a"),
        ("#!/usr/sbin/kamailio\n#!!! note\na", "a"),
        ("#!ifdef A\nno\n#!endif\nb", "b"),
        ("#!ifndef A\na\n#!endif\nb", "a b"),
        ("#!ifdef A\nno\n#!else\na\n#!endif\nb", "a b"),
        ("#!define A\n  #!ifdef A\na\n#!else\nno\n  #!endif # A\nb", "a b"),
        ("#!define A\n#!ifdef A\n#!ifndef A\nno\n#!else\na\n#!endif\n#!endif", "a"),
        ("#!ifdef A\n#!ifndef B\nno\n#!else\nno\n#!endif\nno\n#!else\na\n#!endif", "a"),
        ("#!ifdef A\nno \" ' /* CREATE TABLE $ #!define A\n#!endif\nA", "A"),
        ("#!ifdef A\n#!ifexp A\nno\n#!endif\n#!endif\nb", "b"),
        ("a\r\n#!define A 1\r\nA\r\n", "a 1"),
    ],
)
def test_text_becomes(text: str, words: str) -> None:
    result, errors = run(text)
    assert errors == []
    assert " ".join(result.text.split()) == words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\n  #!ifdeff A", ["main.cfg:2:3: unknown directive #!ifdeff, did you mean #!ifdef?"]),
        ("#!xyzzy", ["main.cfg:1:1: unknown directive #!xyzzy"]),
        ("#!endif", ["main.cfg:1:1: #!endif without #!ifdef or #!ifndef before it"]),
        ("#!else", ["main.cfg:1:1: #!else without #!ifdef or #!ifndef before it"]),
        ("\n#!ifdef A\nx", ["main.cfg:2:1: this condition has no #!endif"]),
        (
            "#!ifdef A\n#!else\n#!else\n#!endif",
            ["main.cfg:3:1: this condition has an #!else already"],
        ),
        ("#!ifdef", ["main.cfg:1:1: #!ifdef needs a name", "..."]),
        ("#!define", ["main.cfg:1:9: #!define needs a name"]),
        ("#!define 5", ["main.cfg:1:9: #!define needs a name"]),
        ("#!define A-B 5", ["main.cfg:1:11: '-' cannot stand in the name of a define"]),
        (
            "#!define A 1\n #!define A 2",
            [
                "main.cfg:2:11: A is already defined at main.cfg:1:10; use #!trydef or #!redefine",
            ],
        ),
        (
            "#!define GIVEN 2",
            ["main.cfg:1:10: GIVEN is already defined by -A; use #!trydef or #!redefine"],
        ),
        ('#!subst "/a/b/"', ["main.cfg:1:1: #!subst is not supported"]),
        ("#!ifexp A\n#!endif", ["main.cfg:1:1: #!ifexp is not supported"]),
        ("a /* /* */", ["main.cfg:1:3: this comment is never closed"]),
        ('include_file "no.cfg"', ['main.cfg:1:14: there is no file "no.cfg"']),
        (
            "include_file no.cfg",
            [
                'main.cfg:1:1: include_file needs a path in quotes: include_file "other.cfg"',
            ],
        ),
    ],
)
def test_mistakes(text: str, expected: list[str]) -> None:
    _result, errors = run(text, GIVEN="1")
    assert errors[:1] == expected[:1]
    assert len(errors) == len(expected)


def test_predefined_names() -> None:
    result, errors = run("#!ifdef A\n#!trydef A 2\n#!ifndef B\nA\n#!endif\n#!endif", A="1")
    assert (result.text.split(), errors) == (["1"], [])


def test_bodies_cannot_explode() -> None:
    lines = [f"#!define A{n + 1} A{n} A{n} A{n} A{n}" for n in range(30)]
    result, errors = run("\n".join([*lines, "  A30 after"]))
    assert errors == [f"main.cfg:31:3: A30 becomes longer than {MAX_EXPANSION} characters"]
    assert result.text.split() == ["after"]


@pytest.mark.parametrize(
    ("text", "word", "position"),
    [
        ("one\n  two", "two", (2, 3)),
        ("#!define A x y z\n  A two", "y", (2, 3)),
        ("#!define A x y z\n  A two", "two", (2, 5)),
        ("/* a\n b */ two", "two", (2, 7)),
        ('"a\nb" two', "two", (2, 4)),
        ("#!define A 1 \\\n 2\n two", "two", (3, 2)),
        ("#!ifdef A\nx\n#!else\n two\n#!endif", "two", (4, 2)),
        ("\ttwo", "two", (1, 2)),
    ],
)
def test_positions_are_those_of_the_file(text: str, word: str, position: tuple[int, int]) -> None:
    result, _errors = run(text)
    assert result.position(result.text.index(word)) == ("main.cfg", *position)


def test_included_files(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "main.cfg").write_text(
        "a\n  include_file \"sub/one.cfg\" b\n#!include_file 'sub/one.cfg'\n"
        'import_file "none.cfg"\nimport_file "two.cfg"\nD\n'
    )
    (tmp_path / "sub" / "one.cfg").write_text('one\ninclude_file "near.cfg"\n#!trydef D d')
    (tmp_path / "sub" / "near.cfg").write_text('\n near include_file "two.cfg"')
    (tmp_path / "two.cfg").write_text("two")
    main = tmp_path / "main.cfg"
    result, errors = run(main.read_text(), str(main))
    assert errors == []
    assert result.text.split() == ["a", "one", "near", "two", "b", "one", "near", "two", "two", "d"]
    near = str(tmp_path / "sub" / "near.cfg")
    assert result.position(result.text.index("near")) == (near, 2, 2)
    assert result.position(result.text.index("b\n")) == (str(main), 2, 30)


def test_a_file_cannot_include_itself(tmp_path: Path) -> None:
    main, other = tmp_path / "main.cfg", tmp_path / "other.cfg"
    main.write_text('include_file "other.cfg"')
    other.write_text('\n  include_file "main.cfg"\n  include_file "./other.cfg"')
    _result, errors = run(main.read_text(), str(main))
    assert errors == [
        f"{other}:2:16: {main} includes itself",
        f"{other}:3:16: {other} includes itself",
    ]


def test_files_include_each_other_only_so_deep(tmp_path: Path) -> None:
    for number in range(MAX_INCLUDES + 1):
        (tmp_path / f"{number}.cfg").write_text(f'include_file "{number + 1}.cfg"')
    (tmp_path / f"{MAX_INCLUDES + 1}.cfg").write_text("deep")
    main = tmp_path / "0.cfg"
    _result, errors = run(main.read_text(), str(main))
    assert errors == [
        f"{tmp_path / str(MAX_INCLUDES)}.cfg:1:14: "
        f"files include each other more than {MAX_INCLUDES} deep"
    ]


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "bad.cfg").write_bytes(b"abc\xff")
    _result, errors = run('import_file "bad.cfg"', str(tmp_path / "main.cfg"))
    assert errors == [
        f"{tmp_path / 'main.cfg'}:1:13: {tmp_path / 'bad.cfg'} is not UTF-8 text (byte 3)"
    ]
