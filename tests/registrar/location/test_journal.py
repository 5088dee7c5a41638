"""The location journal: what commit() has returned for is read again, whatever happened since."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registrar.location.binding import Binding
from registrar.location.journal import FIRST_LINE, MANY, SLICE, Journal, replay


@dataclass
class MemoryFile:
    """A JournalFile whose disk is a bytes object, and may be full."""

    data: bytes = b""
    size: int = 0
    full: bool = False
    replaced: "list[MemoryFile]" = field(default_factory=list)
    discarded: bool = False

    def write(self, data: bytes) -> None:
        if self.full:
            self.data = self.data[: self.size] + data[: len(data) // 2]
            raise OSError(28, "No space left on device")
        self.data = self.data[: self.size] + data
        self.size = len(self.data)

    def successor(self) -> "MemoryFile":
        if self.full:
            raise OSError(28, "No space left on device")
        return MemoryFile(replaced=self.replaced)

    def replace(self) -> None:
        self.replaced.append(self)

    def discard(self) -> None:
        self.discarded = True


def binding(ruid: str, **values: Any) -> Binding:
    fields: dict[str, Any] = {
        "aor": "1002", "contact": "sip:a@b", "parameters": "", "q": None, "expires_at": 9.5,
        "call_id": "c", "cseq": 1, "user_agent": "x\udcff", "received": "", "socket": "",
        "path": "", "methods": "", "instance": "", "ruid": ruid, "registered": 1.0, "modified": 1.0,
    }  # fmt: skip
    return Binding(**{**fields, **values})


def test_replay_gives_what_was_committed() -> None:
    file = MemoryFile()
    journal = Journal(file)
    journal.append("put", binding("a").to_json())
    journal.append("put", binding("b").to_json())
    journal.append("use", ["1002", "n", 1, 1, "r"])
    journal.commit()
    journal.append("put", binding("a", cseq=2).to_json())
    journal.append("del", "b")
    journal.commit()
    journal.append("put", binding("never committed").to_json())
    found = replay(file.data)
    assert found.bindings == [binding("a", cseq=2)]
    assert found.uses == [["1002", "n", 1, 1, "r"]]
    assert (found.end, found.damaged, journal.commits) == (len(file.data), 0, 2)


def test_torn_tail_is_left_out() -> None:
    file = MemoryFile()
    journal = Journal(file)
    journal.append("put", binding("a").to_json())
    journal.commit()
    whole = len(file.data)
    journal.append("put", binding("b").to_json())
    journal.commit()
    for end in range(whole, len(file.data)):
        found = replay(file.data[:end])
        assert (found.bindings, found.end, found.damaged) == ([binding("a")], whole, 0)


def test_damaged_line_is_counted_and_the_rest_read() -> None:
    file = MemoryFile()
    journal = Journal(file)
    for name in "abc":
        journal.append("put", binding(name).to_json())
    journal.commit()
    at = file.data.index(b'"ruid":"b"')
    found = replay(file.data[:at] + b'"ruid":"X"' + file.data[at + 10 :])
    assert [one.ruid for one in found.bindings] == ["a", "c"]
    assert found.damaged == 1


def test_fields_of_a_later_version_are_ignored() -> None:
    file = MemoryFile()
    journal = Journal(file)
    journal.append("put", {**binding("a").to_json(), "later": 1})
    journal.append("later", {})
    journal.commit()
    found = replay(file.data)
    assert (found.bindings, found.damaged) == ([binding("a")], 0)


def test_foreign_file_is_told_from_a_torn_one() -> None:
    assert replay(b"SQLite format 3").foreign
    assert not replay(FIRST_LINE[:5]).foreign
    assert not replay(b"").foreign


def test_full_disk_keeps_the_records_for_the_next_commit() -> None:
    file = MemoryFile()
    journal = Journal(file)
    journal.append("put", binding("a").to_json())
    journal.commit()
    journal.append("put", binding("b").to_json())
    file.full = True
    with pytest.raises(OSError, match="No space"):
        journal.commit()
    assert [one.ruid for one in replay(file.data).bindings] == ["a"]
    file.full = False
    journal.append("put", binding("c").to_json())
    journal.commit()
    found = replay(file.data)
    assert ([one.ruid for one in found.bindings], found.damaged) == (["a", "b", "c"], 0)


class TestCompaction:
    def test_keeps_what_lives_and_what_came_meanwhile(self) -> None:
        file = MemoryFile()
        journal = Journal(file)
        live = {f"r{number}": binding(f"r{number}") for number in range(2 * SLICE + 1)}
        steps = journal.compact(("put", one.to_json()) for one in list(live.values()))
        next(steps)
        journal.append("del", "r0")
        journal.append("put", binding("new").to_json())
        journal.commit()
        journal.append("put", binding("pending").to_json())
        for _ in steps:
            pass
        (successor,) = file.replaced
        assert {one.ruid for one in replay(successor.data).bindings} == live.keys() - {"r0"} | {
            "new"
        }
        journal.commit()
        assert replay(successor.data).bindings[-1].ruid == "pending"
        assert file.discarded
        assert not successor.discarded

    def test_is_wanted_when_most_is_superseded(self) -> None:
        journal = Journal(MemoryFile(), records=MANY + 1)
        assert journal.wants_compaction(live=10)
        assert not journal.wants_compaction(live=MANY)
        assert not Journal(MemoryFile(), records=MANY).wants_compaction(live=0)

    def test_failure_keeps_the_old_file(self) -> None:
        file = MemoryFile()
        journal = Journal(file, records=MANY + 1)
        file.full = True
        with pytest.raises(OSError, match="No space"):
            list(journal.compact([("put", binding("a").to_json())]))
        file.full = False
        journal.append("put", binding("b").to_json())
        journal.commit()
        assert [one.ruid for one in replay(file.data).bindings] == ["b"]
        assert journal.wants_compaction(live=0)


@given(st.binary(max_size=300))
def test_any_bytes_are_read_without_an_exception(data: bytes) -> None:
    assert replay(data).bindings == []
    assert replay(FIRST_LINE + data).bindings == []
