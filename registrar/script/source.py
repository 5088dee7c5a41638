"""Preprocessed text that remembers where each of its characters stood in the user's files.

A piece is either copied (its characters keep their own positions) or put in place of a name (all
of them have the position of that name).
"""

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import NamedTuple

from registrar.script.errors import Position


class Source:
    """One file as read."""

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self.text = text
        self.lines = text.split("\n")
        self._starts = [0]
        for line in self.lines:
            self._starts.append(self._starts[-1] + len(line) + 1)

    def position(self, offset: int) -> Position:
        line = bisect_right(self._starts, min(offset, len(self.text)))
        return Position(self.file, line, offset - self._starts[line - 1] + 1)


class _Piece(NamedTuple):
    source: Source
    offset: int
    replaced: bool


@dataclass(slots=True)
class Text:
    """What the lexer reads: `text`, and the position() of each offset in it."""

    text: str = ""
    _chunks: list[str] = field(default_factory=list)
    _starts: list[int] = field(default_factory=list)
    _pieces: list[_Piece] = field(default_factory=list)
    _length: int = 0

    def append(self, chunk: str, source: Source, offset: int, replaced: bool = False) -> None:
        """Add characters that stand at `offset` of `source`, or that replace the name there."""
        if chunk:
            self._chunks.append(chunk)
            self._starts.append(self._length)
            self._pieces.append(_Piece(source, offset, replaced))
            self._length += len(chunk)

    def close(self) -> None:
        """Make `text` of the pieces."""
        self.text = "".join(self._chunks)

    def position(self, offset: int) -> Position:
        """Where the character at `offset` stands; beyond the end, where the last one ends."""
        if not self._pieces:
            return Position("<text>", 1, 1)
        index = max(bisect_right(self._starts, offset) - 1, 0)
        source, start, replaced = self._pieces[index]
        return source.position(start if replaced else start + offset - self._starts[index])
