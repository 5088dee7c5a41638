"""Files to one text: #!define and its kin, #!ifdef .. #!endif, include_file, import_file.

A defined name is replaced as a whole word by its body, never inside strings, comments or
variables. Text excluded by a condition may be anything. #!subst, #!defenv and #!ifexp are
recognized and refused.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from registrar.script.errors import Diagnostics, Position, closest
from registrar.script.source import Source, Text
from registrar.script.variables import read_reference

MAX_EXPANSION: Final = 65_536  # characters one name may become; bodies that double would explode
MAX_INCLUDES: Final = 10  # as deep as Kamailio goes

_DIALECTS: Final = ("KAMAILIO", "OPENSER", "SER", "MAXCOMPAT", "ALL")
_DEFINES: Final = {
    "define": "define", "def": "define", "trydef": "trydef", "trydefine": "trydef",
    "redefine": "redefine", "redef": "redefine", "undefine": "undefine", "undef": "undefine",
}  # fmt: skip
_CONDITIONS: Final = ("ifdef", "ifndef", "else", "endif")
_FILES: Final = ("include_file", "import_file")
_LATER: Final = (
    "subst", "substdef", "substdefs", "defenv", "defenvs", "trydefenv", "trydefenvs", "ifexp",
    "defexp", "defexps",
)  # fmt: skip
_KNOWN: Final = (*_DIALECTS, *_DEFINES, *_CONDITIONS, *_FILES, *_LATER)

_CHUNK: Final = re.compile(
    r"""
    (?P<string>"(?:[^"\\]|\\.)*"? | '[^']*'?)
  | (?P<directive>\#!(?=[A-Za-z]))
  | (?P<line>(?:\#|//)[^\n]*)
  | (?P<block>/\*)
  | (?P<variable>\$)
  | (?P<word>[A-Za-z_][A-Za-z0-9_]*)
  | (?P<other>[0-9][A-Za-z0-9_]* | [^"'\#/$A-Za-z_0-9]+ | .)
    """,
    re.VERBOSE | re.DOTALL,
)
_BODY_COMMENT: Final = re.compile(r"""("(?:[^"\\]|\\.)*"|'[^']*'|[^"'\s]+|["'])|\s(?:\#|//).*|\s""")
_DIRECTIVE: Final = re.compile(r"\#!([A-Za-z_]+)((?:[^\n\\]|\\\n|\\)*)")
_CONDITION_LINE: Final = re.compile(r"^[ \t]*\#!(ifdef|ifndef|ifexp|else|endif)\b", re.MULTILINE)
_BLOCK_EDGE: Final = re.compile(r"/\*|\*/")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_QUOTED: Final = re.compile(r"""\s*("[^"\n]*"|'[^'\n]*')""")


def preprocess(text: str, file: str, defines: Mapping[str, str], diagnostics: Diagnostics) -> Text:
    """The text with every directive carried out; what is wrong goes to `diagnostics`."""
    result = Text()
    preprocessor = _Preprocessor(dict(defines), diagnostics, result)
    preprocessor.read(text, file)
    result.close()
    return result


@dataclass(slots=True)
class _Condition:
    offset: int
    active: bool  # whether the text before it was wanted
    wanted: bool  # whether the branch now open is
    has_else: bool = False


class _Preprocessor:
    def __init__(self, defines: dict[str, str], diagnostics: Diagnostics, result: Text) -> None:
        self._defines = defines
        self._where: dict[str, str] = dict.fromkeys(defines, "by -A")
        self._diagnostics = diagnostics
        self._result = result
        self._open: list[str] = []  # the files being read, outermost first
        self._source: Source
        self._conditions: list[_Condition]

    def read(self, text: str, file: str) -> None:
        """Carry out one file, appending to the result."""
        text = text.replace("\r\n", "\n")
        source, conditions = Source(file, text), list[_Condition]()
        self._diagnostics.lines[file] = source.lines
        self._open.append(file)
        offset = 0
        while offset < len(text):
            self._source, self._conditions = source, conditions
            if conditions and not conditions[-1].wanted:
                match = _CONDITION_LINE.search(text, offset)
                if match is None:
                    break
                offset = self._directive(text.index("#!", match.start()))
            else:
                offset = self._chunk(offset)
        for condition in conditions:
            self._error(source, condition.offset, "this condition has no #!endif")
        # A file that ends inside a word must not grow together with what follows its inclusion.
        self._result.append("\n", source, len(text))
        self._open.pop()

    def _error(
        self, source: Source, offset: int, message: str, suggestion: str | None = None
    ) -> None:
        self._diagnostics.error(source.position(offset), message, suggestion)

    def _chunk(self, offset: int) -> int:
        """Carry out what stands at `offset`; give the offset behind it."""
        source = self._source
        match = _CHUNK.match(source.text, offset)
        assert match is not None
        end = match.end()
        kind = match.lastgroup
        if kind == "directive":
            return self._directive(offset)
        if kind == "block":
            return self._block_comment(offset)
        if kind == "variable":
            end = read_reference(source.text, offset).end
        elif kind == "word":
            word = match[0]
            if word in _FILES:
                return self._include(word, offset, end)
            if word in self._defines:
                self._result.append(self._expand(word, offset), source, offset, replaced=True)
                return end
        elif kind == "line":
            return end
        self._result.append(source.text[offset:end], source, offset)
        return end

    def _block_comment(self, offset: int) -> int:
        """Kamailio's comments nest."""
        depth = 0
        for edge in _BLOCK_EDGE.finditer(self._source.text, offset):
            depth += 1 if edge[0] == "/*" else -1
            if depth == 0:
                self._result.append(" ", self._source, offset)
                return edge.end()
        self._error(self._source, offset, "this comment is never closed")
        return len(self._source.text)

    def _expand(self, name: str, offset: int) -> str:
        """The body of a defined name, names inside it replaced as well."""
        try:
            return self._body(name, frozenset(), MAX_EXPANSION)
        except ValueError as error:
            self._error(self._source, offset, f"{name} {error}")
            return ""

    def _body(self, name: str, within: frozenset[str], room: int) -> str:
        body = self._defines[name]
        within |= {name}
        parts = []
        offset = 0
        while offset < len(body):
            match = _CHUNK.match(body, offset)
            assert match is not None
            offset = match.end()
            part = match[0]
            if match.lastgroup == "variable":
                offset = read_reference(body, match.start()).end
                part = body[match.start() : offset]
            elif part in self._defines and part not in within:
                part = self._body(part, within, room)
            room -= len(part)
            if room < 0:
                raise ValueError(f"becomes longer than {MAX_EXPANSION} characters")
            parts.append(part)
        return "".join(parts)

    def _directive(self, offset: int) -> int:
        """Carry out the directive whose #! is at `offset`."""
        match = _DIRECTIVE.match(self._source.text, offset)
        assert match is not None
        name, rest, end = match[1], match[2], match.end()
        if name in _CONDITIONS:
            self._condition(name, rest, offset)
        elif name in _DEFINES:
            self._define(_DEFINES[name], rest, match.start(2))
        elif name in _FILES:
            return self._include(name, offset, match.start(2))
        elif name in _LATER:
            if self._wanted:
                self._error(self._source, offset, f"#!{name} is not supported")
            if name == "ifexp":
                self._conditions.append(_Condition(offset, self._wanted, self._wanted))
        elif name not in _DIALECTS:
            hint = closest(name, _KNOWN)
            suggestion = f"#!{hint}" if hint else None
            self._error(self._source, offset, f"unknown directive #!{name}", suggestion)
        return end

    @property
    def _wanted(self) -> bool:
        return not self._conditions or self._conditions[-1].wanted

    def _condition(self, name: str, rest: str, offset: int) -> None:
        stack = self._conditions
        if name in ("ifdef", "ifndef"):
            match = _NAME.match(rest.strip())
            if match is None and self._wanted:
                self._error(self._source, offset, f"#!{name} needs a name")
            true = (match is not None and match[0] in self._defines) == (name == "ifdef")
            stack.append(_Condition(offset, self._wanted, self._wanted and true))
        elif not stack:
            self._error(self._source, offset, f"#!{name} without #!ifdef or #!ifndef before it")
        elif name == "endif":
            stack.pop()
        elif stack[-1].has_else:
            self._error(self._source, offset, "this condition has an #!else already")
        else:
            stack[-1].has_else = True
            stack[-1].wanted = stack[-1].active and not stack[-1].wanted

    def _define(self, mode: str, rest: str, offset: int) -> None:
        stripped = rest.lstrip()
        match = _NAME.match(stripped)
        if match is None:
            self._error(self._source, offset, f"#!{mode} needs a name")
            return
        name, offset = match[0], offset + len(rest) - len(stripped)
        body = _without_comment(stripped[match.end() :].replace("\\\n", " "))
        if match.end() < len(stripped) and not stripped[match.end()].isspace():
            message = f"{stripped[match.end()]!r} cannot stand in the name of a define"
            self._error(self._source, offset + match.end(), message)
        elif mode == "undefine":
            self._defines.pop(name, None)
        elif mode == "define" and name in self._defines:
            message = f"{name} is already defined {self._where[name]}; use #!trydef or #!redefine"
            self._error(self._source, offset, message)
        elif mode == "redefine" or name not in self._defines:
            self._defines[name] = body
            self._where[name] = f"at {self._source.position(offset)}"

    def _include(self, word: str, offset: int, end: int) -> int:
        """Read another file in place of `include_file "path"`; give the offset behind it."""
        source, conditions = self._source, self._conditions
        match = _QUOTED.match(source.text, end)
        if match is None:
            self._error(source, offset, f'{word} needs a path in quotes: {word} "other.cfg"')
            return end
        path = self._find(match[1][1:-1])
        optional = word == "import_file"
        if path is None:
            if not optional:
                self._error(source, match.start(1), f"there is no file {match[1]}")
        elif str(path) in self._open or any(_same(path, file) for file in self._open):
            self._error(source, match.start(1), f"{path} includes itself")
        elif len(self._open) > MAX_INCLUDES:
            message = f"files include each other more than {MAX_INCLUDES} deep"
            self._error(source, match.start(1), message)
        else:
            text = read_text(path, source.position(match.start(1)), self._diagnostics)
            if text is not None:
                self.read(text, str(path))
        self._source, self._conditions = source, conditions
        return match.end()

    def _find(self, name: str) -> Path | None:
        """Beside the including file, else beside the outermost one."""
        try:
            for file in (self._open[-1], self._open[0]):
                path = Path(file).parent / name
                if path.is_file():
                    return path
        except (OSError, ValueError):  # a name too long, or with a NUL in it
            pass
        return None


def read_text(path: Path, position: Position, diagnostics: Diagnostics) -> str | None:
    """The text of a file, or None and an error at `position`."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        diagnostics.error(position, f"{path} is not UTF-8 text (byte {error.start})")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        diagnostics.error(position, f"cannot read {path}: {reason}")
    return None


def _same(path: Path, file: str) -> bool:
    return Path(file).is_file() and path.samefile(file)


def _without_comment(body: str) -> str:
    """A comment behind the body must not swallow the rest of each line that uses the name."""
    parts = []
    for match in _BODY_COMMENT.finditer(body):
        if match[1] is None and match[0].strip():
            break
        parts.append(match[0])
    return "".join(parts).strip()
