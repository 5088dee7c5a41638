"""The registrar's own files: the location journal's bytes, nonce keys, the last good snapshot."""

import fcntl
import os
from pathlib import Path
from typing import Final

from registrar.keyring import new_key_line, read_keys
from registrar.snapshot import Reading, SnapshotFile, replace_file

PRIVATE: Final = 0o600


class StateError(Exception):
    """The state directory cannot be used; str() says which file and why."""


def lock(path: Path) -> int:
    """Claims a journal for this process, until the descriptor is closed. StateError if another
    process has it, for two registrars on one journal would each forget what the other wrote."""
    descriptor = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT, PRIVATE)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise StateError(f"{path}: another registrar is using this journal") from error
    return descriptor


class AppendFile:
    """A JournalFile on disk. A write that fails half-way is overwritten by the next one."""

    def __init__(self, path: Path, size: int | None = None, *, durable: bool = True) -> None:
        """`size`: how much of what is there is kept; None starts anew. OSError."""
        self.path = path
        self.size = size or 0
        self._durable = durable
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, PRIVATE)
        os.ftruncate(self._descriptor, self.size)
        if durable:
            os.fsync(self._descriptor)
            _sync_directory(path.parent)

    def write(self, data: bytes) -> None:
        at, left = self.size, memoryview(data)
        while left:
            written = os.pwrite(self._descriptor, left, at)
            at, left = at + written, left[written:]
        if self._durable:
            os.fdatasync(self._descriptor)
        self.size = at

    def successor(self) -> "AppendFile":
        return AppendFile(self.path.with_name(self.path.name + ".new"), durable=False)

    def replace(self) -> None:
        target = self.path.with_name(self.path.name.removesuffix(".new"))
        os.fsync(self._descriptor)
        os.rename(self.path, target)
        _sync_directory(target.parent)
        self.path, self._durable = target, True

    def discard(self) -> None:
        os.close(self._descriptor)
        if self.path.name.endswith(".new"):
            self.path.unlink(missing_ok=True)


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def nonce_keys(path: Path) -> tuple[bytes, ...]:
    """The persisted keys, so that nonces outlive a restart; made at the first start. KeyFileError
    if there is a file that cannot be used: a new key would be silent forgetting."""
    if not path.exists():
        replace_file(path, new_key_line().encode(), PRIVATE)
    return read_keys(path)


class LastGood:
    """Our own copy of the newest snapshot that was accepted, still sealed. A start without a
    usable published snapshot goes on with it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._mirrors = 0  # bytes that are the published file's first; 0: nothing known

    def keep(self, reading: Reading, published: SnapshotFile) -> None:
        """Copies what was read. OSError or SnapshotError; the copy made before stays good."""
        if reading.offset == 0 or reading.offset != self._mirrors:
            whole = reading
            if reading.offset:
                whole = SnapshotFile(published.path, published.keys).read()
                if whole.snapshot.serial < reading.snapshot.serial:
                    return  # another file has come there meanwhile, and will be refused
            self._mirrors = 0
            replace_file(self.path, whole.raw, PRIVATE)
            self._mirrors = len(whole.raw)
        elif reading.raw:
            with open(self.path, "r+b") as file:
                file.seek(self._mirrors)
                file.write(reading.raw)
                file.flush()
                os.fdatasync(file.fileno())
            self._mirrors += len(reading.raw)

    def forget_position(self) -> None:
        """The published file went another way than the copy: the next keep() copies it whole."""
        self._mirrors = 0

    def read(self, keys: tuple[bytes, ...]) -> Reading | None:
        """What an earlier run kept; None if it kept nothing. SnapshotError if it is damaged."""
        return SnapshotFile(self.path, keys).read() if self.path.exists() else None
