"""The snapshot contract: what is written is read, and nothing else is."""

import base64
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registrar import snapshot
from registrar.keyring import KeyFileError
from registrar.snapshot import Credential, Secret, Snapshot, SnapshotError, SnapshotFile

KEY = bytes(range(32))
OTHER_KEY = bytes(range(1, 33))
GOLDEN = Path(__file__).parent / "golden.snapshot"


def credential(username: str, password: str = "secret", **values: object) -> Credential:
    current = Secret.derive(username, "office", password)
    return Credential(username, "office", current, **{"changed": 1.0, **values})  # type: ignore[arg-type]


def counting() -> Callable[[int], bytes]:
    """Nonces that are the same in each run; never for anything but tests."""
    count = 0

    def random(size: int) -> bytes:
        nonlocal count
        count += 1
        return count.to_bytes(size, "big")

    return random


def write(path: Path, *usernames: str, serial: int = 7) -> SnapshotFile:
    file = SnapshotFile(path, (KEY,), counting())
    credentials = [credential(username) for username in usernames]
    file.write_base(Snapshot(serial, 100.0, 3, {one.key: one for one in credentials}))
    return file


def append(file: SnapshotFile, *changes: Credential, serial: int) -> None:
    file.append(changes, serial=serial, published=100.0 + serial, revision=serial)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "credentials.snapshot"


def put(path: Path, data: bytes) -> SnapshotFile:
    path.write_bytes(data)
    path.chmod(0o640)
    return SnapshotFile(path, (KEY,))


def frames(path: Path) -> list[bytes]:
    """The first line and each frame."""
    data = path.read_bytes()
    at = data.index(b"\n") + 1
    parts = [data[:at]]
    while at < len(data):
        size = snapshot.HEADER_SIZE + snapshot.HEADER.unpack_from(data, at)[1]
        parts.append(data[at : at + size])
        at += size
    return parts


def test_reads_what_was_written(path: Path) -> None:
    every = Credential(
        "1003",
        "office",
        Secret.derive("1003", "office", "new"),
        enabled=False,
        previous=Secret.derive("1003", "office", "old"),
        previous_until=200.5,
        language="uz",
        changed=150.25,
        fault="an earlier record",
        attributes={"a later version's": ["key", 1]},
    )
    tombstone = Credential("1004", "office", changed=3.0, deleted=3.0)
    file = write(path, "1002")
    append(file, every, tombstone, serial=8)
    reading = SnapshotFile(path, (KEY,)).read()
    assert reading.snapshot.serial == 8
    assert reading.snapshot.published == 108.0
    assert reading.snapshot.revision == 8
    assert reading.snapshot.credentials == {
        one.key: one for one in (credential("1002"), every, tombstone)
    }
    assert reading.snapshot.count() == 2
    assert reading.raw == path.read_bytes()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_first_line_is_readable(path: Path) -> None:
    write(path, "1002", serial=7)
    line = path.read_bytes().split(b"\n")[0].decode()
    assert line == f"QAYD-SNAPSHOT 1 key={snapshot.key_id(KEY)} serial=7"


def test_holds_no_readable_username_and_no_password(path: Path) -> None:
    write(path, "extension-1002")
    data = path.read_bytes()
    assert b"extension-1002" not in data
    assert Secret.derive("extension-1002", "office", "secret").packed[:16] not in data


def test_golden_file_pins_the_format(path: Path) -> None:
    file = write(path, "1002", "1003")
    append(file, credential("1002", "changed", changed=2.0), serial=8)
    assert path.read_bytes() == GOLDEN.read_bytes()


def test_golden_file_is_read(path: Path) -> None:
    reading = put(path, GOLDEN.read_bytes()).read()
    assert reading.snapshot.serial == 8
    current = reading.snapshot.credentials["office", "1002"].current
    assert current is not None
    assert current.ha1("MD5") == snapshot.ha1("MD5", "1002", "office", "changed")


def test_reader_takes_only_the_new_frames(path: Path) -> None:
    writer = write(path, "1002")
    reader = SnapshotFile(path, (KEY,))
    size = len(reader.read().raw)
    append(writer, credential("1003"), serial=9)
    reading = reader.read()
    assert (reading.offset, len(reading.raw)) == (size, path.stat().st_size - size)
    assert set(reading.snapshot.credentials) == {("office", "1002"), ("office", "1003")}


def test_reader_starts_anew_when_the_base_was_replaced(path: Path) -> None:
    write(path, "1002")
    reader = SnapshotFile(path, (KEY,))
    reader.read()
    write(path, "1003", serial=8)
    reading = reader.read()
    assert reading.offset == 0
    assert set(reading.snapshot.credentials) == {("office", "1003")}


def test_forgotten_tombstones_are_gone(path: Path) -> None:
    file = write(path, "1002", "1003")
    file.append([], serial=8, published=1.0, revision=1, forget=[("office", "1003")])
    reading = SnapshotFile(path, (KEY,)).read()
    assert set(reading.snapshot.credentials) == {("office", "1002")}
    assert file.snapshot == reading.snapshot


def test_torn_tail_waits_for_its_rest(path: Path) -> None:
    file = write(path, "1002")
    size = path.stat().st_size
    append(file, credential("1003"), serial=8)
    whole = path.read_bytes()
    for end in range(size + 1, len(whole)):
        reader = put(path, whole[:end])
        reading = reader.read()
        assert reading.snapshot.serial == 7
        assert "a change frame is incomplete" in reading.waiting_for
        assert len(reading.raw) == size
        with open(path, "r+b") as torn:
            torn.seek(end)
            torn.write(whole[end:])
        assert reader.read().snapshot.serial == 8


@pytest.mark.parametrize(
    ("cut", "sentence"),
    [(0, "the file ends within its first line"), (9, "ends within its first line"),
     (60, "the base is incomplete: "), (-1, "the base is incomplete: ")],
)  # fmt: skip
def test_truncated_base_is_refused(path: Path, cut: int, sentence: str) -> None:
    write(path, "1002")
    with pytest.raises(snapshot.SnapshotTruncated, match=sentence):
        put(path, path.read_bytes()[:cut]).read()


def test_missing_file_is_refused(path: Path) -> None:
    with pytest.raises(snapshot.SnapshotMissing, match="No such file"):
        SnapshotFile(path, (KEY,)).read()


def test_wrong_key_is_refused_and_both_are_named(path: Path) -> None:
    write(path, "1002")
    with pytest.raises(snapshot.SnapshotWrongKey) as refusal:
        SnapshotFile(path, (OTHER_KEY,)).read()
    assert f"sealed with key {snapshot.key_id(KEY)}" in str(refusal.value)
    assert snapshot.key_id(OTHER_KEY) in str(refusal.value)


def test_any_of_several_keys_opens_and_the_first_seals(path: Path) -> None:
    write(path, "1002")
    both = SnapshotFile(path, (OTHER_KEY, KEY))
    reading = both.read()
    assert both.wants_new_base()
    both.write_base(reading.snapshot)
    assert not both.wants_new_base()
    assert SnapshotFile(path, (OTHER_KEY,)).read().snapshot == reading.snapshot


def test_other_version_is_refused(path: Path) -> None:
    write(path, "1002")
    later = path.read_bytes().replace(b"QAYD-SNAPSHOT 1 ", b"QAYD-SNAPSHOT 2 ")
    with pytest.raises(snapshot.SnapshotForeign, match=r"format version 2;.*reads version 1"):
        put(path, later).read()


def test_foreign_file_is_refused(path: Path) -> None:
    with pytest.raises(snapshot.SnapshotForeign, match="not a credential snapshot"):
        put(path, b"SQLite format 3\0" * 9).read()


@pytest.mark.parametrize("mode", [0o644, 0o602, 0o641])
def test_file_that_others_may_use_is_refused(path: Path, mode: int) -> None:
    write(path, "1002")
    path.chmod(mode)
    with pytest.raises(snapshot.SnapshotExposed, match="every user of this machine"):
        SnapshotFile(path, (KEY,)).read()


def three_changes(path: Path) -> list[bytes]:
    file = write(path, "1002")
    for serial in (8, 9, 10):
        append(file, credential(f"20{serial:02}"), serial=serial)
    return frames(path)


@pytest.mark.parametrize(
    "order",
    [(0, 1, 3, 2, 4), (0, 1, 3, 4), (0, 1, 2, 2, 3, 4), (0, 2, 3, 4), (0, 1, 2, 3, 4, 1)],
    ids=["swapped", "dropped", "repeated", "without base", "base again"],
)
def test_reordered_frames_are_refused(path: Path, order: tuple[int, ...]) -> None:
    parts = three_changes(path)
    with pytest.raises(snapshot.SnapshotReordered, match="dropped, repeated or moved"):
        put(path, b"".join(parts[part] for part in order)).read()


def test_frame_of_another_file_is_refused(path: Path) -> None:
    """Same serials, same key, other history: only the predecessor's tag tells."""
    parts = three_changes(path)
    file = write(path, "1002", "another")
    append(file, credential("2008"), serial=8)
    with pytest.raises(snapshot.SnapshotCorrupt, match="altered or damaged"):
        put(path, b"".join(frames(path)[:3]) + parts[3]).read()


def test_refusal_leaves_what_was_read(path: Path) -> None:
    writer = write(path, "1002")
    reader = SnapshotFile(path, (KEY,))
    good = reader.read().snapshot
    append(writer, credential("1003"), serial=8)
    damaged = bytearray(path.read_bytes())
    damaged[-1] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(snapshot.SnapshotCorrupt):
        reader.read()
    assert reader.snapshot is good


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_one_flipped_bit_is_refused(data: st.DataObject) -> None:
    golden = bytearray(GOLDEN.read_bytes())
    bit = data.draw(st.integers(0, len(golden) * 8 - 1))
    golden[bit // 8] ^= 1 << bit % 8
    path = Path(os.environ.get("TMPDIR", "/tmp")) / f"qayd-flipped-{os.getpid()}"
    try:
        with pytest.raises(SnapshotError):
            put(path, bytes(golden)).read()
    finally:
        path.unlink(missing_ok=True)


def test_append_refuses_a_file_that_somebody_else_changed(path: Path) -> None:
    first = write(path, "1002")
    second = SnapshotFile(path, (KEY,))
    second.read()
    append(first, credential("1003"), serial=8)
    with pytest.raises(SnapshotError, match="changed since it was read"):
        append(second, credential("1004"), serial=9)


def test_base_is_wanted_when_changes_outgrow_it(path: Path) -> None:
    file = write(path, "1002")
    serial = 8
    while not file.wants_new_base():
        append(file, *(credential(str(number)) for number in range(20)), serial=serial)
        serial += 1
    assert path.stat().st_size > 1 << 16


def test_secret_has_each_algorithm_with_and_without_domain() -> None:
    secret = Secret.derive("1002", "office", "secret")
    for algorithm in snapshot.ALGORITHMS:
        plain = snapshot.ha1(algorithm, "1002", "office", "secret")
        domain = snapshot.ha1(algorithm, "1002@office", "office", "secret")
        assert secret.ha1(algorithm) == plain
        assert secret.ha1(algorithm, with_domain=True) == domain
    assert "secret" not in repr(secret)


def test_ha1_is_the_one_of_rfc_7616() -> None:
    # §3.9.1 gives the responses; these A1 hashes follow from its names and password.
    assert snapshot.ha1("MD5", "Mufasa", "http-auth@example.org", "Circle of Life") == (
        "3d78807defe7de2157e2b0b6573a855f"
    )


def test_secret_from_another_products_md5() -> None:
    secret = Secret.from_md5("0123456789abcdef" * 2)
    assert secret.ha1("MD5") == "0123456789abcdef" * 2
    assert secret.ha1("MD5", with_domain=True) is None
    assert secret.ha1("SHA-256") is None
    with pytest.raises(ValueError, match="32 hexadecimal"):
        Secret.from_md5("abcd")


class TestKeyFile:
    def write(self, tmp_path: Path, text: str, mode: int = 0o600) -> Path:
        path = tmp_path / "key"
        path.write_text(text)
        path.chmod(mode)
        return path

    def test_new_line_is_a_key(self, tmp_path: Path) -> None:
        path = self.write(tmp_path, "# made at the first start\n" + snapshot.new_key_line())
        (key,) = snapshot.read_keys(path)
        assert len(key) == 32

    def test_order_is_kept(self, tmp_path: Path) -> None:
        lines = [base64.b64encode(key).decode() for key in (OTHER_KEY, KEY)]
        assert snapshot.read_keys(self.write(tmp_path, "\n".join(lines))) == (OTHER_KEY, KEY)

    @pytest.mark.parametrize(
        ("text", "mode", "sentence"),
        [
            ("", 0o600, "there is no key in this file"),
            ("c2hvcnQ=\n", 0o600, "a line is not a key: 32 bytes in base64"),
            ("not base64!\n", 0o600, "a line is not a key"),
            (base64.b64encode(KEY).decode(), 0o644, "every user of this machine"),
        ],
    )
    def test_bad_file_is_refused(self, tmp_path: Path, text: str, mode: int, sentence: str) -> None:
        with pytest.raises(KeyFileError, match=sentence) as refusal:
            snapshot.read_keys(self.write(tmp_path, text, mode))
        assert base64.b64encode(KEY).decode() not in str(refusal.value)

    def test_missing_file_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(KeyFileError, match="cannot be read"):
            snapshot.read_keys(tmp_path / "absent")
