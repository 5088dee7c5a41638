"""How mistakes are shown, sorted and guessed at."""

import pytest

from registrar.script.errors import Diagnostics, Position, ScriptError, ScriptErrors, closest


def test_an_error_shows_its_place() -> None:
    error = ScriptError("bad", Position("a.cfg", 2, 3), "\tx y", "good")
    assert str(error) == "a.cfg:2:3: bad, did you mean good?\n\tx y\n\t ^"
    assert (error.file, error.line, error.column, error.message) == ("a.cfg", 2, 3, "bad")
    assert str(ScriptError("bad", Position("a.cfg", 2, 3))) == "a.cfg:2:3: bad"


def test_errors_are_sorted_and_said_once() -> None:
    diagnostics = Diagnostics()
    diagnostics.lines = {"main": ["a", "b"], "included": ["c"]}
    for file, line, column in [("included", 1, 1), ("main", 2, 1), ("main", 1, 5), ("main", 1, 2)]:
        diagnostics.error(Position(file, line, column), "bad")
    diagnostics.error(Position("main", 2, 1), "bad")
    diagnostics.warning(Position("main", 1, 1), "odd")
    with pytest.raises(ScriptErrors) as raised:
        diagnostics.raise_errors()
    assert [error.position[:] for error in raised.value.errors] == [
        ("main", 1, 2),
        ("main", 1, 5),
        ("main", 2, 1),
        ("included", 1, 1),
    ]
    assert str(raised.value).startswith("main:1:2: bad\na\n ^\nmain:1:5: bad\n")
    assert raised.value.position == ("main", 1, 2)
    assert [error.headline for error in diagnostics.warnings] == ["main:1:1: odd"]


def test_warnings_raise_nothing() -> None:
    diagnostics = Diagnostics()
    diagnostics.warning(Position("main", 1, 1), "odd")
    diagnostics.raise_errors()
    assert diagnostics.errors == ()


@pytest.mark.parametrize(
    ("name", "known", "expected"),
    [
        ("sav", ["lookup", "save"], "save"),
        ("RU", ["rU"], "rU"),
        ("xyz", ["save"], None),
        ("x", [], None),
    ],
)
def test_closest(name: str, known: list[str], expected: str | None) -> None:
    assert closest(name, known) == expected
