"""What is wrong with a script and where: one error, all errors of a run, and their collection.

Every phase reports into one Diagnostics, so that a check names all mistakes, not only the first.
"""

import difflib
from collections.abc import Iterable
from typing import NamedTuple


class Position(NamedTuple):
    """A place in a file the user wrote; line and column count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class ScriptError(Exception):
    """One mistake. str() is `file:line:column: message`, the source line, and a caret below it."""

    def __init__(
        self, message: str, position: Position, source: str = "", suggestion: str | None = None
    ) -> None:
        super().__init__(message, position, source, suggestion)
        self.message = message
        self.position = position
        self.source = source
        self.suggestion = suggestion

    @property
    def file(self) -> str:
        return self.position.file

    @property
    def line(self) -> int:
        return self.position.line

    @property
    def column(self) -> int:
        return self.position.column

    @property
    def headline(self) -> str:
        """The first line of str(): position, message, suggestion."""
        hint = f", did you mean {self.suggestion}?" if self.suggestion else ""
        return f"{self.position}: {self.message}{hint}"

    def __str__(self) -> str:
        if not self.source:
            return self.headline
        # Tabs stay tabs, so that the caret stands under its character whatever a tab's width is.
        indent = "".join("\t" if c == "\t" else " " for c in self.source[: self.column - 1])
        return f"{self.headline}\n{self.source}\n{indent}^"


class ScriptErrors(ScriptError):
    """All mistakes of one check, sorted by position: `errors`, never empty."""

    def __init__(self, errors: Iterable[ScriptError]) -> None:
        self.errors = tuple(errors)
        first = self.errors[0]
        super().__init__(first.message, first.position, first.source, first.suggestion)

    def __str__(self) -> str:
        return "\n".join(str(error) for error in self.errors)


class Diagnostics:
    """Collects errors and warnings; knows the lines of the files read, to show them."""

    def __init__(self) -> None:
        self.lines: dict[str, list[str]] = {}
        self._errors: dict[tuple[Position, str], ScriptError] = {}
        self._warnings: dict[tuple[Position, str], ScriptError] = {}

    def describe(
        self, position: Position, message: str, suggestion: str | None = None
    ) -> ScriptError:
        """A ScriptError with the source line of its position; not recorded."""
        lines = self.lines.get(position.file, [])
        source = lines[position.line - 1] if 0 < position.line <= len(lines) else ""
        return ScriptError(message, position, source, suggestion)

    def error(self, position: Position, message: str, suggestion: str | None = None) -> None:
        error = self.describe(position, message, suggestion)
        self._errors.setdefault((position, message), error)

    def warning(self, position: Position, message: str) -> None:
        self._warnings.setdefault((position, message), self.describe(position, message))

    @property
    def errors(self) -> tuple[ScriptError, ...]:
        return self._sorted(self._errors.values())

    @property
    def warnings(self) -> tuple[ScriptError, ...]:
        return self._sorted(self._warnings.values())

    def _sorted(self, errors: Iterable[ScriptError]) -> tuple[ScriptError, ...]:
        order = {file: index for index, file in enumerate(self.lines)}
        return tuple(sorted(errors, key=lambda e: (order.get(e.file, -1), e.line, e.column)))

    def raise_errors(self) -> None:
        """Raise ScriptErrors with everything recorded, if anything was."""
        if self._errors:
            raise ScriptErrors(self.errors)


def closest(name: str, known: Iterable[str]) -> str | None:
    """The known name that `name` was probably meant to be, or None. Case does not count."""
    lowered = {each.lower(): each for each in known}
    matches = difflib.get_close_matches(name.lower(), lowered, n=1, cutoff=0.65)
    return lowered[matches[0]] if matches else None
