"""The registrar's files on a real disk, also on a full one."""

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from registrar.files import AppendFile, LastGood, StateError, lock
from registrar.location.journal import Journal, replay
from registrar.snapshot import SnapshotError, SnapshotFile
from tests.registrar.test_snapshot import KEY, append, credential, write


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


@contextmanager
def small_disk() -> Iterator[None]:
    """Within, no file of this process can grow over 64 KiB: a write ends half-way, as on a full
    disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (65_536, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


class TestAppendFile:
    def test_writes_behind_what_is_kept(self, tmp_path: Path) -> None:
        path = tmp_path / "journal"
        path.write_bytes(b"kept, torn")
        file = AppendFile(path, 4)
        file.write(b" and more")
        assert path.read_bytes() == b"kept and more"
        assert file.size == 13
        assert path.stat().st_mode & 0o777 == 0o600 or path.stat().st_uid == os.getuid()
        file.discard()

    def test_compaction_leaves_one_file_and_no_descriptor(self, tmp_path: Path) -> None:
        path = tmp_path / "journal"
        before = descriptors()
        journal = Journal(AppendFile(path))
        for _ in range(5):
            list(journal.compact([("use", ["1002", "n", 1, 1, "r"])]))
        journal.append("use", ["1003", "n", 1, 1, "r"])
        journal.commit()
        assert descriptors() == before + 1
        assert [entry.name for entry in tmp_path.iterdir()] == ["journal"]
        assert len(replay(path.read_bytes()).uses) == 2

    def test_full_disk(self, tmp_path: Path) -> None:
        path = tmp_path / "journal"
        file = AppendFile(path)
        journal = Journal(file)
        journal.append("use", ["first", "n", 1, 1, "r"])
        journal.commit()
        before = descriptors()
        journal.append("use", ["x" * 80_000, "n", 1, 1, "r"])
        with small_disk():
            for _ in range(3):
                with pytest.raises(OSError, match="File too large"):
                    journal.commit()
                with pytest.raises(OSError, match="File too large"):
                    list(journal.compact([("use", ["y" * 80_000, "n", 1, 1, "r"])]))
            assert path.stat().st_size > file.size, "a half-written record is there"
        assert [use[0] for use in replay(path.read_bytes()).uses] == ["first"]
        assert descriptors() == before
        assert [entry.name for entry in tmp_path.iterdir()] == ["journal"]
        journal.commit()
        file.discard()
        found = replay(path.read_bytes())
        assert ([use[0][:5] for use in found.uses], found.damaged) == (["first", "xxxxx"], 0)


def test_journal_is_locked_for_one(tmp_path: Path) -> None:
    descriptor = lock(tmp_path / "journal")
    with pytest.raises(StateError, match="another registrar is using this journal"):
        lock(tmp_path / "journal")
    os.close(descriptor)
    os.close(lock(tmp_path / "journal"))


class TestLastGood:
    def test_mirrors_what_is_read(self, tmp_path: Path) -> None:
        published = tmp_path / "published"
        writer, reader = write(published, "1002"), SnapshotFile(published, (KEY,))
        last_good = LastGood(tmp_path / "last-good")
        last_good.keep(reader.read(), reader)
        append(writer, credential("1003"), serial=8)
        last_good.keep(reader.read(), reader)
        assert last_good.path.read_bytes() == published.read_bytes()
        append(writer, credential("1004"), serial=9)
        reading = reader.read()
        last_good.forget_position()
        last_good.keep(reading, reader)
        assert last_good.path.read_bytes() == published.read_bytes()
        kept = last_good.read((KEY,))
        assert kept is not None
        assert kept.snapshot == reading.snapshot

    def test_absent_is_none_and_damaged_is_said(self, tmp_path: Path) -> None:
        last_good = LastGood(tmp_path / "last-good")
        assert last_good.read((KEY,)) is None
        last_good.path.write_bytes(b"damaged")
        last_good.path.chmod(0o600)
        with pytest.raises(SnapshotError):
            last_good.read((KEY,))
