"""The language, by small programs that carry what they expect.

A file in programs/ holds programs, each behind a line `=== title`. Behind its text a program says
`# expect: LINE` for each line logged when it runs, `# dropped`, and for each error or warning
`# error: LINE:COLUMN: MESSAGE`. Line 1 is the one behind the title. A program without a route is
put into one that has line 0.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from registrar.script.compiler import Program
from registrar.script.errors import ScriptError, ScriptErrors


@dataclass(frozen=True)
class Case:
    title: str
    text: str
    first_line: int
    errors: list[str]
    warnings: list[str]
    log: list[str]
    dropped: bool


def read_cases() -> list[Any]:
    cases = []
    for path in sorted(Path(__file__).with_name("programs").glob("*.cfg")):
        for section in re.split(r"^=== ", path.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
            title, text = section.split("\n", 1)
            cases.append(pytest.param(read_case(title, text), id=f"{path.stem}: {title}"))
    return cases


def read_case(title: str, text: str) -> Case:
    wrapped = not re.search(
        r"^(request_route|route\b|loadmodule|deb|children=)", text, re.MULTILINE
    )
    marks = {
        mark: re.findall(rf"^# {mark}: ?(.*)$", text, re.MULTILINE)
        for mark in ("error", "warning", "expect")
    }
    return Case(
        title,
        f'loadmodule "textops"; request_route {{\n{text}\n}}\n' if wrapped else text,
        0 if wrapped else 1,
        marks["error"],
        marks["warning"],
        [] if marks["expect"] == [""] else marks["expect"],
        "\n# dropped" in text,
    )


def shown(errors: tuple[ScriptError, ...], case: Case) -> list[str]:
    lines = []
    for error in errors:
        line = error.line + case.first_line - 1
        lines.append(f"{line}:{error.column}: {error.headline.split(': ', 1)[1]}")
    return lines


@pytest.mark.parametrize("case", read_cases())
def test_program(
    case: Case, compiled: Callable[..., Program], new_context: Callable[[], Any]
) -> None:
    if case.errors:
        with pytest.raises(ScriptErrors) as raised:
            compiled(case.text)
        assert shown(raised.value.errors, case) == case.errors
        return
    program = compiled(case.text)
    context = new_context()
    assert program.run(context) is case.dropped
    assert context.log == case.log
    assert shown(program.warnings, case) == case.warnings


def test_every_program_expects_something() -> None:
    for parameter in read_cases():
        case = parameter.values[0]
        assert case.errors or "# expect:" in case.text, case.title
