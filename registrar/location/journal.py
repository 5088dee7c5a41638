"""The location journal: what was acknowledged to phones, so that a restart forgets nothing.

Lines of text, each a CRC-32 and a JSON array [kind, value]: "put" a binding, "del" the binding of
that ruid, "use" of a nonce count. Appended records become durable together at commit(): one write
and one sync for all that one turn of the loop has handled. The file itself is handed in.
"""

import json
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final, Protocol

from registrar.location.binding import Binding

FIRST_LINE: Final = b"QAYD-LOCATION 1\n"
SLICE: Final = 500  # records written between two turns of the loop while compacting
MANY: Final = 10_000  # records; a journal with fewer is never compacted


class JournalFile(Protocol):
    """A file that is written at its end only. Every call raises OSError, and then the file's
    contents up to `size` are as before."""

    size: int

    def write(self, data: bytes) -> None:
        """At `size`, durably once this returns; then `size` has grown."""

    def successor(self) -> "JournalFile":
        """A new empty file beside this one; its writes need not be durable before replace()."""

    def replace(self) -> None:
        """Makes a successor, durably, the file that the next start reads."""

    def discard(self) -> None:
        """Gives up a file that is, or has become, nobody's. Raises nothing."""


@dataclass(slots=True)
class Replay:
    """What a journal held. `records`: lines, superseded ones too; `end`: how many bytes were
    whole; `damaged`: lines left out."""

    bindings: list[Binding] = field(default_factory=list)
    uses: list[list[Any]] = field(default_factory=list)
    records: int = 0
    end: int = 0
    damaged: int = 0
    foreign: bool = False


def replay(data: bytes) -> Replay:
    """Reads a journal. A torn last line is left out silently, since nothing that it says was ever
    acknowledged; a damaged line in the middle is left out and counted."""
    found = Replay()
    if not data:
        return found
    if not data.startswith(FIRST_LINE):
        found.foreign = not FIRST_LINE.startswith(data)
        return found
    by_ruid: dict[str, Binding] = {}
    at = len(FIRST_LINE)
    found.end = at
    while (end := data.find(b"\n", at)) >= 0:
        line = data[at:end]
        at = found.end = end + 1
        found.records += 1
        try:
            if int(line[:8], 16) != zlib.crc32(line[9:]):
                raise ValueError("checksum")
            kind, value = json.loads(line[9:])
            if kind == "put":
                binding = Binding.from_json(value)
                by_ruid[binding.ruid] = binding
            elif kind == "del":
                by_ruid.pop(value, None)
            elif kind == "use":
                found.uses.append(value)
        except (ValueError, TypeError):
            found.damaged += 1
    found.bindings = list(by_ruid.values())
    return found


class Journal:
    """Collects records and makes them durable. Not thread-safe; nothing in here yields."""

    def __init__(self, file: JournalFile, records: int = 0) -> None:
        """`records`: how many the file holds already."""
        self._file = file
        self._pending: list[bytes] = []
        self._committed_meanwhile: list[bytes] | None = None
        self._records = records
        self.commits = 0

    def append(self, kind: str, value: Any) -> None:
        self._pending.append(_line(kind, value))

    def commit(self) -> None:
        """Makes everything appended so far durable. OSError leaves it pending."""
        if not self._pending:
            return
        data = b"".join(self._pending)
        if not self._file.size:
            data = FIRST_LINE + data
        self._file.write(data)
        if self._committed_meanwhile is not None:
            self._committed_meanwhile += self._pending
        self._records += len(self._pending)
        self._pending = []
        self.commits += 1

    def wants_compaction(self, live: int) -> bool:
        """Whether most of what the file holds is superseded; `live` records would do."""
        return self._committed_meanwhile is None and self._records > max(MANY, 4 * live)

    def compact(self, records: Iterable[tuple[str, Any]]) -> Iterator[None]:
        """Writes a new file with `records`, then what was committed meanwhile, and replaces the
        old one. A generator, to be advanced between turns of the loop; OSError keeps the old."""
        self._committed_meanwhile = []
        iterator = iter(records)
        count = 0
        unwanted: JournalFile | None = None
        try:
            successor = unwanted = self._file.successor()
            successor.write(FIRST_LINE)
            while lines := [_line(kind, value) for kind, value in islice(iterator, SLICE)]:
                successor.write(b"".join(lines))
                count += len(lines)
                yield
            successor.write(b"".join(self._committed_meanwhile))
            successor.replace()
            self._file, unwanted = successor, self._file
            self._records = count + len(self._committed_meanwhile)
        finally:
            self._committed_meanwhile = None
            if unwanted is not None:
                unwanted.discard()


def _line(kind: str, value: Any) -> bytes:
    text = json.dumps([kind, value], separators=(",", ":")).encode()
    return b"%08x %b\n" % (zlib.crc32(text), text)
