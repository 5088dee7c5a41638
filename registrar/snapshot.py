"""The credential snapshot: the file by which webadmin tells the registrar who may register.

It holds digest HA1s (RFC 7616 §3.4.2), never passwords, sealed with AES-256-GCM. A readable first
line, then one base frame with every record, then change frames appended behind it. Each frame
authenticates the first line, its own serial, its predecessor's serial and its predecessor's tag, so
a dropped, moved or altered frame is noticed. The serial only grows. Field by field in
docs/snapshot.md; a golden file in the tests pins the bytes.
"""

import json
import os
import struct
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from registrar.credential import Credential, decode, encode
from registrar.keyring import KeyFileError, key_id, new_key_line, read_keys
from registrar.secret import ALGORITHMS, Secret, ha1

__all__ = [
    "ALGORITHMS",
    "Credential",
    "KeyFileError",
    "Secret",
    "Snapshot",
    "SnapshotError",
    "SnapshotFile",
    "ha1",
    "key_id",
    "new_key_line",
    "read_keys",
    "replace_file",
]

VERSION: Final = 1
MAGIC: Final = b"QAYD-SNAPSHOT"
MODE: Final = 0o640
BASE: Final = b"B"
CHANGES: Final = b"C"
NO_TAG: Final = bytes(16)
MAX_FRAME: Final = 1 << 30
# kind, bytes that follow, serial, predecessor's serial, AES-GCM nonce; then a CRC-32 of these
HEADER: Final = struct.Struct(">cIQQ12s")
HEADER_SIZE: Final = HEADER.size + 4


class SnapshotError(Exception):
    """The file, or its key, cannot be used; str() says why and what to do."""


class SnapshotMissing(SnapshotError):
    """There is no such file, or we may not read it."""


class SnapshotExposed(SnapshotError):
    """Other users of the machine may read or write the file."""


class SnapshotForeign(SnapshotError):
    """The file is no snapshot, or of a format version that we do not read."""


class SnapshotWrongKey(SnapshotError):
    """None of our keys is the one that sealed the file."""


class SnapshotTruncated(SnapshotError):
    """The file ends before its base does."""


class SnapshotReordered(SnapshotError):
    """A frame does not follow the one before it: one was dropped, repeated or moved."""


class SnapshotCorrupt(SnapshotError):
    """The file was altered, or damaged, after it was sealed."""


class SnapshotOlder(SnapshotError):
    """A newer serial is, or was, in force already."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Every credential, tombstones included, by (realm, username)."""

    serial: int
    published: float
    revision: int  # the database's change counter that this covers; webadmin's own
    credentials: Mapping[tuple[str, str], Credential]

    def count(self) -> int:
        """How many extensions there are, tombstones not counted."""
        return sum(1 for credential in self.credentials.values() if credential.deleted is None)


@dataclass(frozen=True, slots=True)
class Reading:
    """What one look at the file brought: `raw` are the verified bytes from `offset` on. `changed`
    are the keys that may differ from the reading before; None: all of them may."""

    snapshot: Snapshot
    changed: frozenset[tuple[str, str]] | None
    raw: bytes = field(repr=False)
    offset: int
    waiting_for: str  # empty, or: what an unfinished last frame lacks


class SnapshotFile:
    """One snapshot file and how far it was read. Not safe for two threads; writers lock elsewhere.

    read() raises a SnapshotError and leaves what was read before untouched.
    """

    def __init__(
        self,
        path: str | Path,
        keys: tuple[bytes, ...],
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self.path = Path(path)
        self.keys = keys
        self.snapshot: Snapshot | None = None
        self._random = random
        self._first_line = b""
        self._key = b""
        self._tag = NO_TAG
        self._base_end = 0
        self._end = 0
        self._inode = 0

    def read(self) -> Reading:
        """Reads what is new: the frames behind the last verified one, or the whole file."""
        try:
            with open(self.path, "rb") as file:
                status = os.fstat(file.fileno())
                self._refuse_exposed(status.st_mode)
                offset = self._end if self._continues(file, status) else 0
                file.seek(offset)
                data = file.read()
        except OSError as error:
            raise SnapshotMissing(f"{self.path}: {error.strerror}") from error
        probe = SnapshotFile(self.path, self.keys, self._random)
        if offset:
            probe.__dict__.update(self.__dict__)
            start = 0
        else:
            start = probe._read_first_line(data)
        changed: set[tuple[str, str]] = set()
        consumed, waiting_for = probe._read_frames(data, start, offset, changed)
        probe._inode = status.st_ino
        self.__dict__.update(probe.__dict__)
        assert self.snapshot is not None
        return Reading(
            self.snapshot,
            frozenset(changed) if offset else None,
            data[:consumed],
            offset,
            waiting_for,
        )

    def _refuse_exposed(self, mode: int) -> None:
        if mode & 0o007:
            raise SnapshotExposed(
                f"{self.path}: every user of this machine may use this file"
                f" (mode {mode & 0o777:04o}); chmod o-rwx it"
            )

    def _continues(self, file: Any, status: os.stat_result) -> bool:
        """Whether the file is the one that we know, with something more behind it."""
        if self.snapshot is None or status.st_ino != self._inode or status.st_size <= self._end:
            return False
        file.seek(self._end - len(self._tag))
        if file.read(len(self._tag)) != self._tag:
            return False
        file.seek(0)
        return bool(file.read(len(self._first_line)) == self._first_line)

    def _read_first_line(self, data: bytes) -> int:
        end = data.find(b"\n", 0, 200)
        words = data[:end].split(b" ") if end >= 0 else []
        if not data.startswith(MAGIC[: len(data)]):
            raise SnapshotForeign(f"{self.path}: this is not a credential snapshot")
        if end < 0:
            raise SnapshotTruncated(f"{self.path}: the file ends within its first line")
        if len(words) != 4 or words[0] != MAGIC:
            raise SnapshotForeign(f"{self.path}: the first line is not a credential snapshot's")
        if words[1] != b"%d" % VERSION:
            raise SnapshotForeign(
                f"{self.path}: format version {words[1].decode(errors='replace')};"
                f" this program reads version {VERSION}: upgrade the older of the two"
            )
        sealed_with = words[2].decode(errors="replace").removeprefix("key=")
        ours = {key_id(key): key for key in self.keys}
        if sealed_with not in ours:
            raise SnapshotWrongKey(
                f"{self.path}: sealed with key {sealed_with};"
                f" the keys given here are {', '.join(ours)}"
            )
        self._key = ours[sealed_with]
        self._first_line = data[: end + 1]
        return end + 1

    def _read_frames(
        self, data: bytes, at: int, offset: int, changed: set[tuple[str, str]]
    ) -> tuple[int, str]:
        """Verifies and applies the frames from `at`, and notes whom they change; returns where
        the last complete one ends, and what the unfinished one behind it lacks."""
        credentials = dict(self.snapshot.credentials) if self.snapshot else {}
        while at < len(data):
            what = "the base" if self.snapshot is None else "a change frame"
            header = data[at : at + HEADER_SIZE]
            if len(header) < HEADER_SIZE:
                return self._unfinished(at, what, len(header), HEADER_SIZE)
            kind, size, serial, nonce = self._open_header(header, offset + at)
            body = data[at + HEADER_SIZE : at + HEADER_SIZE + size]
            if len(body) < size:
                return self._unfinished(at, what, len(body), size)
            try:
                aad = self._first_line + header + self._tag
                payload = json.loads(AESGCM(self._key).decrypt(nonce, body, aad))
                for record in payload["records"]:
                    credential = decode(record)
                    credentials[credential.key] = credential
                    changed.add(credential.key)
                for realm, username in payload.get("forget", ()):
                    credentials.pop((realm, username), None)
                    changed.add((realm, username))
                taken = Snapshot(serial, payload["published"], payload["revision"], credentials)
            except InvalidTag:
                raise SnapshotCorrupt(
                    f"{self.path}: {what} at byte {offset + at} was altered or damaged"
                ) from None
            except (ValueError, KeyError, TypeError) as error:
                raise SnapshotCorrupt(f"{self.path}: a record is malformed: {error!r}") from None
            at += HEADER_SIZE + size
            self.snapshot, self._tag, self._end = taken, body[-16:], offset + at
            if kind == BASE:
                self._base_end = self._end
                if b"serial=%d\n" % serial != self._first_line.split(b" ")[3]:
                    raise SnapshotCorrupt(f"{self.path}: the first line names another serial")
        if self.snapshot is None:
            return self._unfinished(at, "the base", 0, HEADER_SIZE)
        return at, ""

    def _unfinished(self, at: int, what: str, have: int, want: int) -> tuple[int, str]:
        sentence = f"{what} is incomplete: {have} of {want} bytes"
        if self.snapshot is None:
            raise SnapshotTruncated(f"{self.path}: {sentence}")
        return at, sentence

    def _open_header(self, header: bytes, at: int) -> tuple[bytes, int, int, bytes]:
        (crc,) = struct.unpack_from(">I", header, HEADER.size)
        kind, size, serial, previous, nonce = HEADER.unpack_from(header)
        if zlib.crc32(header[: HEADER.size]) != crc or not 16 <= size <= MAX_FRAME:
            raise SnapshotCorrupt(f"{self.path}: the frame header at byte {at} is damaged")
        expected = (BASE, 0) if self.snapshot is None else (CHANGES, self.snapshot.serial)
        if (kind, previous) != expected or serial <= previous:
            raise SnapshotReordered(
                f"{self.path}: the frame at byte {at} (serial {serial}) follows serial {previous},"
                f" but stands behind serial {expected[1]}: a frame was dropped, repeated or moved"
            )
        return kind, size, serial, nonce

    def write_base(self, snapshot: Snapshot) -> None:
        """Replaces the file by one with a base alone: temporary file, fsync, rename."""
        key = self.keys[0]
        first_line = b"%s %d key=%s serial=%d\n" % (
            MAGIC,
            VERSION,
            key_id(key).encode(),
            snapshot.serial,
        )
        frame, tag = self._seal(
            key, first_line, NO_TAG, BASE, 0, snapshot, snapshot.credentials.values(), ()
        )
        replace_file(self.path, first_line + frame)
        self.snapshot, self._first_line, self._key, self._tag = snapshot, first_line, key, tag
        self._base_end = self._end = len(first_line) + len(frame)
        self._inode = os.stat(self.path).st_ino

    def append(
        self,
        changes: Iterable[Credential],
        *,
        serial: int,
        published: float,
        revision: int,
        forget: Iterable[tuple[str, str]] = (),
    ) -> None:
        """Adds one change frame behind the last one read; `forget` drops expired tombstones.

        SnapshotError if the file has grown or was replaced since it was read: read() it again.
        """
        if self.snapshot is None:
            raise SnapshotError(f"{self.path}: nothing was read or written yet")
        changes, forget = list(changes), list(forget)
        credentials = dict(self.snapshot.credentials)
        credentials.update((credential.key, credential) for credential in changes)
        for key in forget:
            credentials.pop(key, None)
        taken = Snapshot(serial, published, revision, credentials)
        frame, tag = self._seal(
            self._key,
            self._first_line,
            self._tag,
            CHANGES,
            self.snapshot.serial,
            taken,
            changes,
            forget,
        )
        with open(self.path, "r+b") as file:
            status = os.fstat(file.fileno())
            if status.st_ino != self._inode or status.st_size != self._end:
                raise SnapshotError(f"{self.path}: the file changed since it was read")
            file.seek(self._end)
            file.write(frame)
            file.flush()
            os.fdatasync(file.fileno())
        self.snapshot, self._tag = taken, tag
        self._end += len(frame)

    def wants_new_base(self) -> bool:
        """Whether the change frames have outgrown the base, or our key is no longer the file's."""
        changes = self._end - self._base_end
        return self._key != self.keys[0] or changes > max(self._base_end, 1 << 16)

    def _seal(
        self,
        key: bytes,
        first_line: bytes,
        tag: bytes,
        kind: bytes,
        previous: int,
        snapshot: Snapshot,
        records: Iterable[Credential],
        forget: Iterable[tuple[str, str]],
    ) -> tuple[bytes, bytes]:
        payload = {
            "published": snapshot.published,
            "revision": snapshot.revision,
            "records": [encode(credential) for credential in records],
        }
        if forget:
            payload["forget"] = [list(key) for key in forget]
        text = json.dumps(payload, separators=(",", ":")).encode()
        nonce = self._random(12)
        header = HEADER.pack(kind, len(text) + 16, snapshot.serial, previous, nonce)
        header += struct.pack(">I", zlib.crc32(header))
        sealed = AESGCM(key).encrypt(nonce, text, first_line + header + tag)
        return header + sealed, sealed[-16:]


def replace_file(path: Path, data: bytes, mode: int = MODE) -> None:
    """Atomically and durably: whoever opens the path sees the old file or the new one, whole."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    try:
        with open(descriptor, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.rename(temporary, path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
