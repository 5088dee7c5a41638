"""How a pseudo-variable is written: $name, $name(inner), $(name), $(name(inner)).

Only its spelling: what a name means is the scope's business. Shared by the preprocessor, which
must not replace words inside, by the lexer, and by formats.
"""

import re
from typing import Final, NamedTuple

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|\?", re.ASCII)


class Reference(NamedTuple):
    """A variable as written. `problem` says what is wrong with its spelling, or is empty."""

    name: str
    inner: str | None
    end: int
    problem: str = ""


def read_reference(text: str, start: int) -> Reference:
    """Read the reference whose `$` is at text[start]. Never raises; look at `problem`."""
    wrapped = text.startswith("(", start + 1)
    match = _NAME.match(text, start + 1 + wrapped)
    if match is None:
        return Reference("", None, start + 1, "the name of a variable is missing after $")
    name, end, inner = match[0], match.end(), None
    if text.startswith("(", end):
        close = _closing(text, end)
        if close < 0:
            return Reference(name, None, end, f"the ( of ${name}( is never closed")
        inner, end = text[end + 1 : close], close + 1
    if not wrapped:
        if inner is not None and text.startswith("[", end):
            return Reference(name, inner, end, f"indexes, as in ${name}(..)[0], are not supported")
        return Reference(name, inner, end)
    if text.startswith(")", end):
        return Reference(name, inner, end + 1)
    close = _closing(text, start + 1)
    if close < 0:
        return Reference(name, inner, end, f"the ( of $({name} is never closed")
    what = "transformations are" if text.startswith("{", end) else f"{text[end]!r} here is"
    return Reference(name, inner, close + 1, f"{what} not supported in $({name}..)")


def _closing(text: str, opening: int) -> int:
    """The index of the ) that closes the ( at `opening`, on the same line; -1 if there is none."""
    depth = 0
    for index in range(opening, len(text)):
        character = text[index]
        if character == "(":
            depth += 1
        elif character == ")":
            depth -= 1
            if depth == 0:
                return index
        elif character == "\n":
            break
    return -1
